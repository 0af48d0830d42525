// SPDX-License-Identifier: BSD-2-Clause
// Signals.
#include "signal.h"

void signal_leave(struct signal *signal)
{
    struct thread *waiter = READ_ONCE(signal->waiter);

    if (waiter && READ_ONCE(waiter->cpu) == this_cpu() && READ_ONCE(signal->waiter) == waiter) // see signal_take
        thread_cancel(waiter, ERR_DEAD);
}

void signal_arrived(struct signal *signal)
{
    struct thread *thread = READ_ONCE(signal->waiter);

    if (signal->obj.dying)
        return;
    if (thread && signal_take(this_cpu(), signal, thread))
        sched_wake(thread);
    thread = READ_ONCE(signal->vcpu);
    if (thread && READ_ONCE(signal->bits)) // whoever waited gave up, so the raiser did not see to it
        arch_vcpu_kick(thread);
}

void signal_raise(struct signal *signal, uint64_t bits)
{
    struct thread *thread = signal_set(this_cpu(), signal, bits);

    if (thread)
        sched_wake(thread);
}

void signal_raise_ref(cap_t reference, unsigned bit)
{
    struct thread *thread = signal_set_ref(this_cpu(), reference, bit);

    if (thread)
        sched_wake(thread);
}

enum status signal_wait(struct signal *signal, struct thread *thread, bool poll, uint64_t deadline)
{
    struct thread *nobody = NULL;
    enum status status = OK;

    trace(wait, thread->obj.slot, signal->obj.slot, poll, deadline);
    if (!__atomic_compare_exchange_n(&signal->waiter, &nobody, thread, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return ERR_BUSY;
    uint64_t taken = __atomic_exchange_n(&signal->bits, 0, __ATOMIC_SEQ_CST);
    if (!taken)
        status = poll || (deadline && deadline <= arch_time()) ? ERR_TIMEOUT
                 : thread->state & FLAG_CANCEL                 ? ERR_CANCELLED
                                                               : OK;
    if (taken || status != OK) {
        __atomic_store_n(&signal->waiter, NULL, __ATOMIC_RELEASE);
        if (status == ERR_CANCELLED)
            thread->state &= ~FLAG_CANCEL;
        if (taken) {
            thread_result(thread, OK);
            thread->regs.rdx = taken;
        }
        return status;
    }
    thread->waiting = signal;
    thread_result(thread, OK); // already now: whoever raises the signal only adds the bits
    thread->state = STATE_WAITING | (thread->state & ~STATE_MASK);
    thread_timer(thread, deadline ? deadline : TIMER_NONE); // a vCPU's may still be armed
    return OK;
}
