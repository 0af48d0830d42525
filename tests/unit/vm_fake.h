// SPDX-License-Identifier: BSD-2-Clause
// A vmm without a kernel: the machine of vmm/machine.c with RAM, vCPU page and console rings in
// host memory, and system calls that the test answers. The guest is a Multiboot kernel: 32-bit
// protected mode, flat, no paging.
#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "machine.h"
#include "multiboot.h"

#define FAKE_RAM   (2u << 20)
#define FAKE_ENTRY 0x100000u
#define FAKE_RING  4096u

// What CPU->event holds when an exception is due; FAKE_GP: with its error code, as in protected
// mode.
#define FAKE_EXCEPTION(vector) (EVENT_VALID | EVENT_EXCEPTION << 8 | (vector))
#define FAKE_GP                (FAKE_EXCEPTION(13) | EVENT_HAS_ERROR)

// Brings the loader, which the vmm only has when it is asked for.
__attribute__((used)) static const void *const fake_loader = (const void *)multiboot_load;

static struct vm vm;
#define CPU (&vm.vcpu[0])
static struct vcpu_page page;
static struct vcpu_page more_pages[APIC_CPUS]; // of the vCPUs but the first
static unsigned fake_vcpus = 1;                // before fake_machine()
static struct task_status status;
static struct task_info info;
static uint8_t ram[FAKE_RAM] __attribute__((aligned(4096)));
static void (*fake_devices)(
    void);                 // before fake_machine(): adds to `info` what the VM's entry names
static bool fake_has_apic; // before fake_machine(): the processor virtualizes the APIC
static uint32_t apic_page[1024];
static uint8_t fpu_page[4096] __attribute__((aligned(64)));
static uint8_t rings[2][FAKE_RING] __attribute__((aligned(64)));
static struct ring_end console_in,
    console_out; // the console's ends: it writes the first, reads the second

static enum status (*fake_call)(enum sys_op op,
                                struct message *message); // the test's answer; NULL: see below
static unsigned fake_waits, fake_raises, fake_logs;
static jmp_buf fake_end; // where task_end() goes
static enum task_state fake_state;
static char fake_reason[160];

// Without an answer of the test a wait times out; the hundredth ends the VM, so that no test waits
// for real time.
enum status sys_invoke(uint64_t operation, struct message *message, uint64_t *badge)
{
    enum sys_op op = operation & 0xff;

    (void)badge;
    fake_raises += op == SYS_RAISE;
    if (op == SYS_WAIT && ++fake_waits % 100 == 0)
        vm_stop(&vm, TASK_FAILED, "waited often");
    if (fake_call)
        return fake_call(op, message);
    memset(message, 0, sizeof(*message));
    return op == SYS_WAIT ? ERR_TIMEOUT : OK;
}

void task_end_at(unsigned signal, enum task_state state, const char *reason)
{
    (void)signal;
    fake_state = state;
    snprintf(fake_reason, sizeof(fake_reason), "%s", reason);
    longjmp(fake_end, 1);
}

void task_fail(const char *reason)
{
    task_end_at(TASK_SLOT_SIGNAL, TASK_FAILED, reason);
}

void task_log(const char *format, ...)
{
    fake_logs++;
    (void)format;
}

// A machine in its start state: RIP at FAKE_ENTRY, where the guest's code is zeros.
static void fake_machine(void)
{
    static uint32_t kernel[1024] = {
        0x1badb002, 0x10000, -(0x1badb002u + 0x10000u), FAKE_ENTRY, FAKE_ENTRY, 0, 0, FAKE_ENTRY};
    char error[112];

    memset(&vm, 0, sizeof(vm));
    memset(&page, 0, sizeof(page));
    memset(&status, 0, sizeof(status));
    memset(&info, 0, sizeof(info));
    memset(ram, 0, sizeof(ram));
    memset(rings, 0, sizeof(rings));
    memset(apic_page, 0, sizeof(apic_page));
    memset(fpu_page, 0, sizeof(fpu_page));
    fake_call = NULL;
    fake_waits = fake_raises = 0;
    info.tsc_hz = 1000000000;
    info.virt = VIRT_SVM;
    info.ram_size = FAKE_RAM;
    info.kernel_kind = KERNEL_MULTIBOOT;
    info.kernel_address = (uintptr_t)kernel;
    info.kernel_file_size = sizeof(kernel);
    info.channel_count = 1;
    info.channels[0] = (struct task_channel){.kind = CHANNEL_CONSOLE,
                                             .ring_bytes = FAKE_RING,
                                             .rx = (uintptr_t)rings[0],
                                             .tx = (uintptr_t)rings[1]};
    ring_open(&console_in, (struct ring *)rings[0], ring_capacity(FAKE_RING), RING_PRODUCER);
    ring_open(&console_out, (struct ring *)rings[1], ring_capacity(FAKE_RING), RING_CONSUMER);
    if (fake_devices)
        fake_devices();
    vm.info = &info;
    memset(more_pages, 0, sizeof(more_pages));
    vm.vcpus = fake_vcpus;
    for (unsigned i = 0; i < fake_vcpus; i++) {
        vm.vcpu[i].vm = &vm;
        vm.vcpu[i].index = i;
        vm.vcpu[i].signal = i ? TASK_SLOT_VCPU_SIGNAL + i : TASK_SLOT_SIGNAL;
        vm.vcpu[i].page = &more_pages[i];
    }
    CPU->page = &page;
    CPU->apic_page = fake_has_apic ? apic_page : NULL;
    vcpu_find_fpu(CPU, fpu_page);
    vm.status = &status;
    vm.ram = (struct guest_ram){ram, sizeof(ram)};
    line_open(&vm);
    if (!machine_build(&vm, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    memset(ram + FAKE_ENTRY, 0, sizeof(kernel));
    page.dirty = 0;
}

// An exit of this class, for which the kernel stores what the vmm wants.
static inline void fake_exit(enum vcpu_exit exit)
{
    page.exit = exit;
    page.have = page.want[exit];
    vcpu_handle(CPU, exit);
}

static inline void fake_code(const void *code, size_t n)
{
    memcpy(ram + FAKE_ENTRY, code, n);
    page.rip = FAKE_ENTRY;
}

// IN and OUT without a prefix and without an immediate port: one byte of code.
static inline void fake_in(uint16_t port, unsigned size)
{
    page.qualification = IO_EXIT(port, size, IO_IN);
    page.length = 1;
    fake_exit(EXIT_IO);
}

static inline void fake_out(uint16_t port, unsigned size, uint32_t value)
{
    page.qualification = IO_EXIT(port, size, 0);
    page.length = 1;
    page.gpr[RAX] = value;
    fake_exit(EXIT_IO);
}

// An interrupt that the local APIC holds ready.
static inline void fake_irq(uint8_t vector)
{
    lapic_register_write(&vm.chipset.lapic[0], 0xf0, 0x1ff);
    lapic_set_irr(&vm.chipset.lapic[0], vector, false);
}
