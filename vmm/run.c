// SPDX-License-Identifier: BSD-2-Clause
// The loop of a vCPU's thread: choose an event, enter the guest, answer the exit; and what happens
// while the guest has nothing to do.
#include <stdarg.h>
#include <stdio.h>

#include "bulkhead/syscall.h"
#include "vm.h"

#define DR6_BS (1u << 14)

#define EXIT_HZ     200000u // what an exit costs the guest beside the work: 5 us
#define REST_MAX_HZ 2000u   // timers are not later than that

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

bool vcpu_has_slow(struct vcpu *vcpu, uint32_t groups)
{
    struct vcpu_page *page = vcpu->page;

    if ((page->have & groups) != groups) {
        page->want[page->exit] |= groups;
        return false;
    }
    page->want[page->exit] = vcpu->want[page->exit];
    return true;
}

// SDM 3B 17.3.1.1: RF ends with the instruction, and TF gives a trap after it.
void vcpu_step_trap(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;

    page->rflags &= ~RFLAGS_RF;
    if (!(page->rflags & RFLAGS_TF))
        return;
    page->dr6 |= DR6_BS;
    inject_exception(vcpu, 1, false, 0);
}

void vcpu_worked(struct vcpu *vcpu, uint64_t since)
{
    uint64_t hz = vcpu->vm->info->tsc_hz, now = task_tsc(), rest = now - since + hz / EXIT_HZ;

    vcpu->rest = now + (rest < hz / REST_MAX_HZ ? rest : hz / REST_MAX_HZ);
}

void vcpu_serve(struct vcpu *vcpu)
{
    uint64_t since = task_tsc();
    const struct task_channel *channel = vcpu->vm->line.channel;
    const struct task_channel *monitor = vcpu->vm->devices.monitor.channel;
    struct vm_save *save = &vcpu->vm->save;
    uint64_t bits = vcpu->bits;

    vcpu->bits = 0;
    if (vcpu->index != 0) // channels and interrupts come to the first one's signal
        return;
    if (unlikely(save->paused)) { // HAZARD: another VM would write to memory that is being saved
        uint64_t served = monitor ? 1ull << monitor->own_bit : 0;

        save->kept |= bits & ~served;
        bits &= served;
    }
    if (channel && bits >> channel->own_bit & 1)
        line_receive(vcpu->vm);
    vm_devices_serve(vcpu->vm, bits);
    vcpu_worked(vcpu, since);
}

void vcpu_dead(struct vcpu *vcpu, const char *reason)
{
    struct vm *vm = vcpu->vm;

    vm->dead |= 1u << vcpu->index;
    if (vm->dead == (1u << vm->vcpus) - 1)
        vm_stop(vm, TASK_POWEROFF, "%s", reason);
}

// Whether a programmed source could send an NMI, which wakes even with interrupts off: a pin of the
// I/O APIC, or the 8259 or the timer through a local vector.
static bool nmi_possible(const struct vcpu *vcpu)
{
    const struct chipset *c = &vcpu->vm->chipset;
    const uint32_t nmi = APIC_NMI << 8;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        if ((c->ioapic.s.entry[i] & (IOAPIC_MASKED | 0x700)) == nmi)
            return true;
    return (vcpu->lapic->s.lvt[LVT_LINT0] & (LVT_MASKED | 0x700)) == nmi;
}

void vcpu_wait(struct vcpu *vcpu, uint64_t deadline)
{
    bool smp = vm_is_smp(vcpu->vm);
    uint64_t bits;

    if (vcpu->bits) { // came while it waited for something else
        vcpu_serve(vcpu);
        return;
    }
    if (smp)
        smp_unlock(vcpu);
    enum status status = sys_wait(vcpu->signal, deadline == CLOCK_NEVER ? 0 : deadline, &bits);
    if (status != OK && status != ERR_TIMEOUT && status != ERR_CANCELLED)
        task_fail("cannot wait for its signal");
    if (smp)
        smp_lock(vcpu);
    vcpu->bits |= bits;
    if (vcpu->bits)
        vcpu_serve(vcpu);
}

void vcpu_idle(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    struct chipset *chipset = &vm->chipset;
    bool enabled = vcpu->page->rflags & RFLAGS_IF;

    chipset_flush(chipset);
    if (!enabled && !vcpu->nmi && !nmi_possible(vcpu))
        vcpu_dead(vcpu, "halted with interrupts off");
    if (!vm->end && !vm->status->tsc_ready && line_prompts(vm))
        vm_ready(vm);
    vcpu->halted = true;
    while (!vm->end &&
           (vm->save.paused || (!vcpu->nmi && !vcpu->init &&
                                !(enabled && chipset_interrupt_pending(chipset, vcpu->index))))) {
        if (unlikely(vm->save.paused)) {
            save_park(vcpu);
            continue;
        }
        uint64_t deadline = chipset_deadline(chipset, vcpu->index), now = task_tsc();

        if (deadline > now) {
            vcpu_wait(vcpu, deadline);
        } else {
            chipset_expire(chipset, vcpu->index, now);
            chipset_flush(chipset);
        }
    }
    vcpu->halted = false;
    vm->dead &= ~(1u << vcpu->index);
}

// HAZARD: with several vCPUs the lock is kept: the others come to a stand at it, and nothing is
// printed after the end.
static _Noreturn void end(struct vcpu *vcpu)
{
    chipset_flush(&vcpu->vm->chipset);
    task_end_at(vcpu->signal, vcpu->vm->end, vcpu->vm->reason);
}

// Until an exit that is to be handled with the lock. It has been counted.
static inline uint64_t enter(struct vcpu *vcpu, bool smp)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t *exits = vcpu->vm->status->exits, exit;

    for (;;) {
        enum status entered = sys_vcpu_run(&exit);

        if (unlikely(entered != OK)) {
            if (entered == ERR_CANCELLED)
                continue;
            task_log("its guest cannot be entered: error %u", entered);
            task_end_at(vcpu->signal, TASK_FAILED, "its guest cannot be entered");
        }
        if (unlikely(page->vectoring & EVENT_VALID)) { // goes on first: see inject_slow()
            vcpu->event = page->vectoring;
            vcpu->event_error = page->vectoring_error;
            vcpu->event_length = page->length;
        }
        if (likely(!smp)) {
            exits[exit % TASK_EXIT_CLASSES]++;
            return exit;
        }
        __atomic_fetch_add(&exits[exit % TASK_EXIT_CLASSES], 1, __ATOMIC_RELAXED);
        if (!vcpu_private(exit) || vcpu->event || page->rflags & RFLAGS_TF)
            return exit;
        vcpu_handle(vcpu, exit);
    }
}

// Serves what came, unless the guest is to have this time.
static void serve_or_rest(struct vcpu *vcpu)
{
    if (vcpu->rest && task_tsc() < vcpu->rest)
        return;
    vcpu->rest = 0;
    if (vcpu->bits)
        vcpu_serve(vcpu);
}

_Noreturn void vcpu_run(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    struct vcpu_page *page = vcpu->page;
    bool smp = vm_is_smp(vm);

    if (smp)
        smp_lock(vcpu);
    if (vcpu->halted) // when it was saved
        vcpu_idle(vcpu);
    for (;;) {
        if (unlikely(smp))
            smp_settle(vcpu);
        if (unlikely(vm->save.paused))
            save_park(vcpu);
        if (unlikely(vm->end))
            end(vcpu);
        inject_prepare(vcpu);
        page->deadline = chipset_deadline(&vm->chipset, vcpu->index);
        if (unlikely(vcpu->rest) && (vcpu->bits || page->deadline < vcpu->rest))
            page->deadline = vcpu->rest;
        if (unlikely(smp))
            smp_unlock(vcpu);
        uint64_t exit = enter(vcpu, smp);
        if (unlikely(smp))
            smp_lock(vcpu);
        if (unlikely(vcpu->eoi.armed) && pv_eoi_take(&vcpu->eoi))
            lapic_eoi(vcpu->lapic);
        vcpu_handle(vcpu, exit);
        if (unlikely(vcpu->bits | vcpu->rest))
            serve_or_rest(vcpu);
    }
}

_Noreturn void vm_run(struct vm *vm)
{
    struct task_status *status = vm->status;

    // Anything, mostly without a shell; with firmware it would be long in coming.
    status->no_ready =
        vm->info->kernel_kind != KERNEL_BZIMAGE && vm->info->kernel_kind != KERNEL_PVH;
    status->state = TASK_RUNNING;
    status->tsc_first_entry = task_tsc();
    if (vm->save.ready)
        vm_ready(vm);
    smp_start(vm);
    vcpu_run(&vm->vcpu[0]);
}
