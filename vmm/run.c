// SPDX-License-Identifier: BSD-2-Clause
// The loop of the one vCPU thread: choose an event, enter the guest, answer the exit; and what
// happens while the guest has nothing to do.
#include <stdarg.h>
#include <stdio.h>

#include "bulkhead/syscall.h"
#include "vm.h"

#define DR6_BS (1u << 14)

void vm_stop(struct vm *vm, enum task_state state, const char *format, ...)
{
    va_list arguments;

    if (vm->end)
        return;
    vm->end = state;
    va_start(arguments, format);
    vsnprintf(vm->reason, sizeof(vm->reason), format, arguments);
    va_end(arguments);
}

bool vm_has_slow(struct vm *vm, uint32_t groups)
{
    struct vcpu_page *page = vm->page;

    if ((page->have & groups) != groups) {
        page->want[page->exit] |= groups;
        return false;
    }
    page->want[page->exit] = vm->want[page->exit];
    return true;
}

// SDM 3B 17.3.1.1: RF ends with the instruction, and TF gives a trap after it.
void vm_step_trap(struct vm *vm)
{
    struct vcpu_page *page = vm->page;

    page->rflags &= ~RFLAGS_RF;
    if (!(page->rflags & RFLAGS_TF))
        return;
    page->dr6 |= DR6_BS;
    inject_exception(vm, 1, false, 0);
}

void vm_serve(struct vm *vm)
{
    const struct task_channel *channel = vm->line.channel;
    uint64_t bits = vm->bits;

    vm->bits = 0;
    if (channel && bits >> channel->own_bit & 1)
        line_receive(vm);
    vm_devices_serve(vm, bits);
}

// Whether a programmed source could send an NMI, which wakes even with interrupts off: a pin of the
// I/O APIC, or the 8259 or the timer through a local vector.
static bool nmi_possible(const struct vm *vm)
{
    const struct chipset *c = &vm->chipset;
    const uint32_t nmi = APIC_NMI << 8;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        if ((c->ioapic.s.entry[i] & (IOAPIC_MASKED | 0x700)) == nmi)
            return true;
    return (c->lapic[0].s.lvt[LVT_LINT0] & (LVT_MASKED | 0x700)) == nmi;
}

void vm_idle(struct vm *vm)
{
    struct chipset *chipset = &vm->chipset;
    bool enabled = vm->page->rflags & RFLAGS_IF;

    chipset_flush(chipset);
    if (!enabled && !vm->nmi && !nmi_possible(vm)) {
        vm_stop(vm, TASK_POWEROFF, "halted with interrupts off");
        return;
    }
    if (!vm->status->tsc_ready && line_prompts(vm))
        vm_ready(vm);
    while (!vm->nmi && !vm->end && !(enabled && chipset_interrupt_pending(chipset, 0))) {
        uint64_t deadline = chipset_deadline(chipset), now = task_tsc(), bits;

        if (deadline <= now) {
            chipset_expire(chipset, now);
            chipset_flush(chipset);
            continue;
        }
        enum status status =
            sys_wait(TASK_SLOT_SIGNAL, deadline == CLOCK_NEVER ? 0 : deadline, &bits);
        if (status != OK && status != ERR_TIMEOUT && status != ERR_CANCELLED)
            task_fail("cannot wait for its signal");
        vm->bits |= bits;
        if (vm->bits)
            vm_serve(vm);
    }
}

static _Noreturn void end(struct vm *vm)
{
    chipset_flush(&vm->chipset);
    task_end(vm->end, vm->reason);
}

_Noreturn void vm_run(struct vm *vm)
{
    struct vcpu_page *page = vm->page;
    struct task_status *status = vm->status;

    status->no_ready = vm->info->kernel_kind == KERNEL_MULTIBOOT; // anything, mostly without shell
    status->state = TASK_RUNNING;
    status->tsc_first_entry = task_tsc();
    for (;;) {
        uint64_t exit;

        inject_prepare(vm);
        page->deadline = chipset_deadline(&vm->chipset);
        enum status entered = sys_vcpu_run(&exit);
        if (unlikely(entered != OK)) {
            if (entered == ERR_CANCELLED)
                continue;
            task_fail("its guest cannot be entered");
        }
        status->exits[exit % TASK_EXIT_CLASSES]++;
        if (unlikely(page->vectoring & EVENT_VALID)) { // goes on first: see inject_slow()
            vm->event = page->vectoring;
            vm->event_error = page->vectoring_error;
            vm->event_length = page->length;
        }
        vm_exit(vm, exit);
        if (unlikely(vm->bits))
            vm_serve(vm);
        if (unlikely(vm->end))
            end(vm);
    }
}
