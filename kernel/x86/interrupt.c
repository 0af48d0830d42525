// SPDX-License-Identifier: BSD-2-Clause
// Interrupts and exceptions after entry.S saved the registers.
#include "apic.h"
#include "cpu.h"
#include "log.h"
#include "../debug.h"
#include "../irq.h"
#include "../sched.h"
#include "interrupt.h"
#include "return.h"

// The thread that it woke, in no queue yet, or NULL.
ALWAYS_INLINE struct thread *interrupt(struct cpu *cpu, unsigned vector)
{
    trace(interrupt, vector, this_cpu()->current ? this_cpu()->current->obj.slot : 0,
          this_cpu()->donor ? this_cpu()->donor->obj.slot : 0, this_cpu()->ready_bitmap);
    if (likely(vector - VECTOR_GSI < GSI_MAX)) {
        struct irq *irq = gsi_irqs[vector - VECTOR_GSI];
        // Mask first: a level interrupt is sent again at end-of-interrupt while its line is asserted.
        struct thread *thread = likely(irq) ? irq_take(cpu, irq) : NULL;
        apic_eoi();
        return thread;
    }
    if (vector == VECTOR_TIMER) {
        apic_eoi();
        sched_timer_interrupt();
    } else if (vector == VECTOR_IPI) {
        apic_eoi();
        cpu_interrupt();
    } else if (vector != VECTOR_SPURIOUS) {
        apic_eoi();
    }
    return NULL;
}

// The CPU was idle or in a guest, and goes on in a more urgent thread: nothing of this stack is needed any more.
static __attribute__((noinline)) void leave(struct cpu *cpu, struct thread *thread, bool idle)
{
    sched_switch(cpu, thread, idle);
    switch_to(cpu, thread);
    return_syscall(thread);
}

void interrupt_kernel(unsigned vector)
{
    struct cpu *cpu = this_cpu();
    struct thread *thread = interrupt(cpu, vector);

    if (likely(!thread))
        return;
    if (cpu->idle) {
        if (likely(!cpu->need_resched && !thread->special && !thread->queued)) {
            cpu->idle = false;
            leave(cpu, thread, true);
        }
    } else if (cpu->entered && sched_is_next(cpu, thread)) {
        virt->preempt(cpu->entered);
        cpu->entered = NULL;
        thread_restart(cpu->current);
        leave(cpu, thread, false);
    }
    sched_wake(thread);
}

static __attribute__((noinline)) void reschedule(const struct cpu *cpu, struct thread *woken)
{
    struct thread *thread = cpu->current;

    if (woken)
        sched_wake(woken);
    if (!thread)
        schedule(); // it was destroyed
    if (cpu->need_resched || (thread->state & STATE_MASK) != STATE_RUNNING) {
        thread->state |= FLAG_FULL;
        schedule();
    }
}

void interrupt_user(struct regs *regs, struct cpu *cpu)
{
    struct thread *woken = interrupt(cpu, (uint8_t)regs->vector);

    if (likely(woken && sched_is_next(cpu, woken))) {
        cpu->current->state |= FLAG_FULL;
        sched_switch(cpu, woken, false);
        switch_to(cpu, woken);
        return_syscall(woken); // it waited in one
    }
    reschedule(cpu, woken);
    return_interrupt(regs);
}

void exception_user(struct regs *regs)
{
    struct cpu *cpu = this_cpu();
    struct thread *thread = cpu->current;

    if (regs->vector != 13 || !tss_restore(cpu))
        thread_fault(thread, regs->vector, regs->error, regs->vector == 14 ? read_cr2() : 0);
    reschedule(cpu, NULL);
}

void exception_kernel(struct regs *regs)
{
    debug_exception(regs);
    // The frame as entry.S pushed it: r15 .. rax, vector, error, rip, cs, rflags, rsp, ss
    for (unsigned i = 0; !TRACING && i < sizeof(*regs) / 8; i++)
        log_hex(i % 4 ? "" : "\n", ((uint64_t *)regs)[i]);
    log_hex("\nrip", regs->rip);
    log_hex(" cr2", read_cr2());
    panic("exception", regs->vector);
}

void interrupt_critical(struct regs *regs)
{
    switch (regs->vector) {
    case 1: // single-step of user code is a fault of the thread; in ring 0 only MOV SS + SYSCALL with TF gets here:
            // nothing to do
        if (regs->cs & 3) {
            // On the IST stack: the frame goes to where other faults have it.
            struct thread *thread = this_cpu()->current;
            thread->regs = *regs;
            thread_fault(thread, 1, 0, 0);
            schedule_on((uint64_t)this_cpu());
        }
        regs->rflags &= ~(1ull << 8);
        return;
    case 2: // HAZARD: an NMI may come at any instruction, also inside of a data structure's change: nothing is touched
        while (panicking) // another CPU found a bug: this one must not go on with what is broken
            asm volatile("hlt");
        return;
    case 18:
        debug_exception(regs);
        panic("machine check at", regs->rip);
    default:
        debug_exception(regs);
        panic("double fault at", regs->rip);
    }
}

void idle_check(void)
{
    struct cpu *cpu = this_cpu();

    if (cpu->need_resched) {
        cpu->idle = false;
        schedule();
    }
}
