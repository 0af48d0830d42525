// SPDX-License-Identifier: BSD-2-Clause
// One virtual machine as its vmm holds it. struct vm is what its virtual CPUs share: RAM, devices,
// the serial line; struct vcpu is what each has of its own: its page, what is to happen at its next
// entry, its part of the CPU model. Shared by the files that glue the models to the kernel: main.c
// starts a VM, run.c is the loop of each vCPU, exits*.c answer the exits, inject.c delivers events,
// smp.c is what several vCPUs do with each other, line.c is the serial line's other end.
//
// Each vCPU is a thread. HAZARD: whatever struct vm holds belongs to the thread that has vm.lock
// (a VM with one vCPU has no need of it); struct vcpu is its own thread's, but for the fields that
// are said to be under the lock. All of exits*.c and inject.c runs with the lock, but for what
// vcpu_private() names.
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
#include "save.h"
#include "vm_lock.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define RFLAGS_TF (1ull << 8)
#define RFLAGS_IF (1ull << 9)
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u

#define SHADOW_INSTRUCTION (SHADOW_STI | SHADOW_MOV_SS)

// What reading guest code and memory takes.
#define GROUPS_CODE (GROUP_CR | GROUP_SEG | GROUP_EFER_PAT)

// Bits of a vCPU's signal that no channel and no interrupt has.
#define VCPU_KICK (1ull << 62) // something is to be looked at before the next entry
#define VCPU_LOCK (1ull << 63) // the lock that it waits for may be free

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

struct vcpu {
    struct vm *vm;
    struct vcpu_page *page;
    struct lapic *lapic; // &vm->chipset.lapic[index]
    unsigned index;      // also its APIC ID
    unsigned signal;     // slot of its signal

    uint64_t bits;  // taken from the signal, not yet served
    uint64_t rest;  // 0, or until when neither peers nor timers are served: see vcpu_worked()
    uint32_t event; // to be injected at the next entry, before all else; 0: none
    uint32_t event_error, event_length;
    uint32_t want[EXIT_CLASSES]; // groups that each exit class stores, see vcpu_has()

    // Under the lock: others write them.
    bool nmi;       // an NMI is pending
    bool init;      // INIT has come: it is to wait for a SIPI
    bool waits;     // it waits for a SIPI
    bool halted;    // it executed HLT and nothing has woken it yet
    uint16_t start; // a SIPI has come: SIPI_VALID | its vector

    struct cpu_model cpu;
    struct msr_state msr;
    struct pvclock pvclock;
    struct pv_eoi eoi;
    struct mmio mmio;
    void *apic_page;        // the virtual-APIC page; NULL: the software APIC is all there is
    struct emulate_fpu fpu; // the FPU page (vcpu.h), up to date while GROUP_FPU is there
};

#define SIPI_VALID 0x100u

struct vm {
    struct vcpu vcpu[APIC_CPUS];
    unsigned vcpus;      // of them exist
    struct vm_lock lock; // of all below
    uint32_t kicks;      // vCPUs that are to be kicked when the lock is given back
    uint32_t kicked;     // that were, and did not have the lock since
    uint32_t dead;       // that wait for what only another vCPU can do
    uint64_t deadline;   // with which vCPU 0 runs or waits

    struct task_status *status;
    const struct task_info *info;
    struct guest_ram ram;
    const struct rom *rom; // firmware image, NULL: none
    struct acpi_options acpi;
    struct line line;
    struct vm_devices devices;
    struct vm_save save;
    enum task_state end; // set: the VM ends once this exit is handled
    char reason[112];
    struct chipset chipset;
};

// ---- run.c

// Runs the VM until it ends; then tells root. By the thread of vCPU 0; it starts the others, which
// call vcpu_run().
_Noreturn void vm_run(struct vm *vm);
_Noreturn void vcpu_run(struct vcpu *vcpu);

// The VM ends when the present exit is handled. The first reason counts.
void vm_stop(struct vm *vm, enum task_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Whether these groups of the page show the guest's present state. When not, the caller returns and
// leaves the guest as it is: the same instruction exits once more, and then they do. So rare needs
// cost the frequent exits nothing.
bool vcpu_has_slow(struct vcpu *vcpu, uint32_t groups);
static inline bool vcpu_has(struct vcpu *vcpu, uint32_t groups)
{
    const struct vcpu_page *page = vcpu->page;

    return (page->have & groups) == groups && page->want[page->exit] == vcpu->want[page->exit]
               ? true
               : vcpu_has_slow(vcpu, groups);
}

// The instruction is done: moves RIP behind it, ends its interrupt shadow, single-steps.
void vcpu_step_trap(struct vcpu *vcpu);
static inline void vcpu_done(struct vcpu *vcpu, uint64_t rip)
{
    struct vcpu_page *page = vcpu->page;

    page->rip = rip;
    page->shadow &= ~SHADOW_INSTRUCTION; // the kernel sees by RIP that it is over
    if (unlikely(page->rflags & (RFLAGS_TF | RFLAGS_RF)))
        vcpu_step_trap(vcpu);
}

// The same by the length that the processor told, or `length` where it tells none.
static inline void vcpu_advance(struct vcpu *vcpu, unsigned length)
{
    vcpu_done(vcpu, vcpu->page->rip + (vcpu->page->length ? vcpu->page->length : length));
}

// Nothing can run on this vCPU: waits until an interrupt or an event comes.
void vcpu_idle(struct vcpu *vcpu);

// Waits for the vCPU's signal without the lock, at most until the deadline, and serves what came.
void vcpu_wait(struct vcpu *vcpu, uint64_t deadline);

// Serves the bits in vcpu->bits.
void vcpu_serve(struct vcpu *vcpu);

// What peers and timers had done for themselves since `since` (TSC) took time from the guest. It
// gets about as long for itself before more is done for them: another VM that sends without end, or
// a request of gigabytes that is done in parts, leaves it half of its time.
void vcpu_worked(struct vcpu *vcpu, uint64_t since);

// This vCPU can be woken by another one only. With no other one left the VM ends.
void vcpu_dead(struct vcpu *vcpu, const char *reason);

// ---- smp.c

static inline bool vm_is_smp(const struct vm *vm)
{
    return vm->vcpus > 1;
}

// Whose exit is being handled.
static inline struct vcpu *vm_current(struct vm *vm)
{
    return &vm->vcpu[vm->chipset.apics.current];
}

// The lock of a VM with several vCPUs: before anything of the VM is touched, and before the guest
// is entered or the thread waits. Giving it back kicks those that vm_kick() named, and vCPU 0 when
// a device has become due earlier than that knows.
void smp_lock(struct vcpu *vcpu);
void smp_unlock(struct vcpu *vcpu);

// The other vCPU shall look at what happened to it.
void vm_kick(struct vm *vm, unsigned cpu);

// An INIT or SIPI message for a vCPU, from whichever.
void vm_init(struct vm *vm, unsigned cpu);
void vm_sipi(struct vm *vm, unsigned cpu, uint8_t vector);

// Before an entry: does what INIT and SIPI demand. Comes back when the vCPU is to run.
void smp_settle(struct vcpu *vcpu);

// Starts the threads of the vCPUs but the first, which then wait for a SIPI.
void smp_start(struct vm *vm);

// Exits that touch nothing but the vCPU's own: they are answered without the lock.
static inline bool vcpu_private(uint64_t exit)
{
    return exit == EXIT_CPUID || exit == EXIT_PAUSE;
}

// ---- exits*.c: one function for each class

void vcpu_handle(struct vcpu *vcpu, uint64_t exit);
void exit_io(struct vcpu *vcpu);
void exit_io_string(struct vcpu *vcpu);
void exit_memory(struct vcpu *vcpu);
void exit_cr(struct vcpu *vcpu);
void exit_dr(struct vcpu *vcpu);

// A view of the processor for decoder and emulator. GROUPS_CODE must be there.
void vcpu_view(struct vcpu *vcpu, struct cpu_view *view);

// How the host's processor lays out the FPU page at `area`.
void vcpu_find_fpu(struct vcpu *vcpu, void *area);

// Decodes the instruction at RIP. GROUPS_CODE must be there. False: the guest is to be entered
// again (a fault may be pending, or the VM stops).
bool vcpu_decode(struct vcpu *vcpu, struct cpu_view *view, struct insn *insn);

// What an emulation ended with, for the guest; nothing for EMULATE_OK. `what` names the access in
// reports.
void vcpu_emulated(struct vcpu *vcpu, enum emulate_status status, const struct guest_fault *fault,
                   const char *what);

// ---- inject.c

// Chooses what the next entry delivers, and which window to wait for.
void inject_slow(struct vcpu *vcpu);
static inline void inject_prepare(struct vcpu *vcpu)
{
    const struct vcpu_page *page = vcpu->page;

    if (unlikely(vcpu->event || vcpu->nmi || page->window || vcpu->lapic->changed ||
                 chipset_inject_pending(&vcpu->vm->chipset, vcpu->index)))
        inject_slow(vcpu);
}

// The guest gets this exception; over an event whose delivery was broken off, what SDM 3A table 6-5
// says. An error code is left out in real mode: GROUP_CR must be there when `error` is given, else
// use inject_gp().
void inject_exception(struct vcpu *vcpu, unsigned vector, bool has_error, uint32_t error);
void inject_fault(struct vcpu *vcpu, const struct guest_fault *fault); // sets CR2 for a page fault
void inject_gp(struct vcpu *vcpu);
void inject_ud(struct vcpu *vcpu);

// ---- machine.c

// The state after INIT and SIPI, SDM 3A table 9-1: real mode at vector << 12.
void machine_sipi(struct vcpu *vcpu, uint8_t vector);

// ---- line.c

void line_open(struct vm *vm);
void line_send(struct vm *vm, const uint8_t *bytes, size_t n); // for the UART
void line_receive(struct vm *vm);       // hands on what was typed, as far as the UART has room
bool line_prompts(const struct vm *vm); // the output ends like a prompt
void vm_ready(struct vm *vm);
