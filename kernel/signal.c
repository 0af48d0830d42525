// SPDX-License-Identifier: BSD-2-Clause
// Signals.
#include "signal.h"
#include "debug.h"
#include "sched.h"

enum status signal_create(struct pool *pool, struct signal **out)
{
    return object_create(pool, OBJ_SIGNAL, sizeof(**out), out);
}

static void signal_finish(struct signal *signal, enum status status)
{
    struct thread *thread = signal->waiter;

    __atomic_store_n(&signal->waiter, NULL, __ATOMIC_RELEASE);
    thread->waiting = NULL;
    thread_timer(thread, TIMER_NONE);
    thread_result(thread, status);
    sched_wake(thread);
}

void signal_leave(struct signal *signal)
{
    struct thread *waiter = READ_ONCE(signal->waiter);

    if (waiter && waiter->cpu == this_cpu())
        signal_finish(signal, ERR_DEAD);
}

void signal_arrived(struct signal *signal)
{
    struct thread *thread = READ_ONCE(signal->waiter);

    if (!thread || signal->obj.dying)
        return; // the bits stay for the next one
    struct cpu *cpu = READ_ONCE(thread->cpu);
    if (cpu != this_cpu()) {
        cpu_post(&signal->obj, cpu);
        return;
    }
    uint64_t taken = __atomic_exchange_n(&signal->bits, 0, __ATOMIC_SEQ_CST);
    if (!taken)
        return;
    signal_finish(signal, OK);
    thread->regs.rdx = taken;
}

// HAZARD: raiser and waiter meet: one sets bits and then looks for the other, who shows itself and then looks for bits.
// Both steps are locked instructions, so one of the two sees the other.
void signal_raise(struct signal *signal, uint64_t bits)
{
    trace(raise, signal->obj.slot, signal->waiter ? signal->waiter->obj.slot : 0,
          signal->vcpu ? signal->vcpu->obj.slot : 0, bits);
    __atomic_fetch_or(&signal->bits, bits, __ATOMIC_SEQ_CST);
    if (READ_ONCE(signal->waiter)) {
        signal_arrived(signal);
    } else {
        struct thread *vcpu = READ_ONCE(signal->vcpu);
        if (vcpu)
            arch_vcpu_kick(vcpu);
    }
}

void signal_raise_ref(cap_t reference, unsigned bit)
{
    struct object *object = cap_object(reference);

    if (object && object->type == OBJ_SIGNAL && !object->dying)
        signal_raise((struct signal *)object, 1ull << bit);
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
    thread->state = STATE_WAITING | (thread->state & ~STATE_MASK);
    thread_timer(thread, deadline ? deadline : TIMER_NONE); // a vCPU's may still be armed
    return OK;
}
