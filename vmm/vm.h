// SPDX-License-Identifier: BSD-2-Clause
// One virtual machine as its vmm holds it: the vCPU page, the guest's RAM, the devices, and what is
// to happen at the next entry. Shared by the files that glue the models to the kernel: main.c
// starts a VM, run.c is its loop, exits*.c answer the exits, inject.c delivers events, line.c is
// the serial line's other end.
#pragma once

#include "acpi.h"
#include "bulkhead/ring.h"
#include "bulkhead/task.h"
#include "bulkhead/vcpu.h"
#include "chipset.h"
#include "cpuid.h"
#include "decode.h"
#include "device_env.h"
#include "emulate_mmio.h"
#include "guest_memory.h"
#include "msr.h"
#include "pvclock.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define RFLAGS_TF (1ull << 8)
#define RFLAGS_IF (1ull << 9)
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u

#define SHADOW_INSTRUCTION (SHADOW_STI | SHADOW_MOV_SS)

// What reading guest code and memory takes.
#define GROUPS_CODE (GROUP_CR | GROUP_SEG | GROUP_EFER_PAT)

// The far end of the serial line: a pair of byte rings that the console shares.
struct line {
    const struct task_channel *channel; // NULL: nobody listens
    struct ring_end tx, rx;
    uint8_t typed[16]; // taken from the ring, not yet by the UART
    unsigned typed_at, typed_count;
    bool stalled;     // the peer did not read for long: output is dropped until it does
    unsigned matched; // bytes of the ready marker seen
    uint8_t last[2];  // the latest bytes of output
    uint64_t dropped;
};

struct vm {
    struct vcpu_page *page;
    void *apic_page; // the virtual-APIC page; NULL: the software APIC is all there is
    struct task_status *status;
    const struct task_info *info;
    struct guest_ram ram;
    const struct rom *rom; // firmware image, NULL: none
    struct acpi_options acpi;
    struct cpu_model cpu;
    struct msr_state msr;
    struct pvclock pvclock;
    struct mmio mmio;
    struct line line;
    struct vm_devices devices;

    uint64_t bits;  // taken from the signal, not yet served
    uint32_t event; // to be injected at the next entry, before all else; 0: none
    uint32_t event_error, event_length;
    bool nmi;            // an NMI is pending
    enum task_state end; // set: the VM ends once this exit is handled
    char reason[112];
    uint32_t want[EXIT_CLASSES]; // groups that each exit class stores, see vm_has()

    struct chipset chipset;
};

// ---- run.c

// Runs the VM until it ends; then tells root.
_Noreturn void vm_run(struct vm *vm);

// The VM ends when the present exit is handled. The first reason counts.
void vm_stop(struct vm *vm, enum task_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Whether these groups of the page show the guest's present state. When not, the caller returns and
// leaves the guest as it is: the same instruction exits once more, and then they do. So rare needs
// cost the frequent exits nothing.
bool vm_has_slow(struct vm *vm, uint32_t groups);
static inline bool vm_has(struct vm *vm, uint32_t groups)
{
    const struct vcpu_page *page = vm->page;

    return (page->have & groups) == groups && page->want[page->exit] == vm->want[page->exit]
               ? true
               : vm_has_slow(vm, groups);
}

// The instruction is done: moves RIP behind it, ends its interrupt shadow, single-steps.
void vm_step_trap(struct vm *vm);
static inline void vm_done(struct vm *vm, uint64_t rip)
{
    struct vcpu_page *page = vm->page;

    page->rip = rip;
    page->shadow &= ~SHADOW_INSTRUCTION; // the kernel sees by RIP that it is over
    if (unlikely(page->rflags & (RFLAGS_TF | RFLAGS_RF)))
        vm_step_trap(vm);
}

// The same by the length that the processor told, or `length` where it tells none.
static inline void vm_advance(struct vm *vm, unsigned length)
{
    vm_done(vm, vm->page->rip + (vm->page->length ? vm->page->length : length));
}

// ---- exits*.c: one function for each class

void vm_exit(struct vm *vm, uint64_t exit);
void exit_io(struct vm *vm);
void exit_io_string(struct vm *vm);
void exit_memory(struct vm *vm);
void exit_cr(struct vm *vm);
void exit_dr(struct vm *vm);

// Ticks that the vmm takes as "nothing can run": waits until an interrupt or an event comes.
void vm_idle(struct vm *vm);

// Serves the bits in vm->bits.
void vm_serve(struct vm *vm);

// A view of the processor for decoder and emulator. GROUPS_CODE must be there.
void vm_view(struct vm *vm, struct cpu_view *view);

// Decodes the instruction at RIP. GROUPS_CODE must be there. False: the guest is to be entered
// again (a fault may be pending, or the VM stops).
bool vm_decode(struct vm *vm, struct cpu_view *view, struct insn *insn);

// What an emulation ended with, for the guest; nothing for EMULATE_OK. `what` names the access in
// reports.
void vm_emulated(struct vm *vm, enum emulate_status status, const struct guest_fault *fault,
                 const char *what);

// ---- inject.c

// Chooses what the next entry delivers, and which window to wait for.
void inject_slow(struct vm *vm);
static inline void inject_prepare(struct vm *vm)
{
    const struct vcpu_page *page = vm->page;

    if (unlikely(vm->event || vm->nmi || page->window || vm->chipset.lapic[0].changed ||
                 chipset_inject_pending(&vm->chipset, 0)))
        inject_slow(vm);
}

// The guest gets this exception; over an event whose delivery was broken off, what SDM 3A table 6-5
// says. An error code is left out in real mode: GROUP_CR must be there when `error` is given, else
// use inject_gp().
void inject_exception(struct vm *vm, unsigned vector, bool has_error, uint32_t error);
void inject_fault(struct vm *vm, const struct guest_fault *fault); // sets CR2 for a page fault
void inject_gp(struct vm *vm);
void inject_ud(struct vm *vm);

// ---- line.c

void line_open(struct vm *vm);
void line_send(struct vm *vm, const uint8_t *bytes, size_t n); // for the UART
void line_receive(struct vm *vm);       // hands on what was typed, as far as the UART has room
bool line_prompts(const struct vm *vm); // the output ends like a prompt
void vm_ready(struct vm *vm);
