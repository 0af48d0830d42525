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

    signal->waiter = NULL;
    thread->waiting = NULL;
    thread_timer(thread, TIMER_NONE);
    thread_result(thread, status);
    sched_wake(thread);
}

void signal_destroy(struct signal *signal)
{
    if (signal->waiter)
        signal_finish(signal, ERR_DEAD);
    if (signal->vcpu)
        arch_vcpu_unbind(signal->vcpu);
    object_free(&signal->obj, sizeof(*signal));
}

void signal_raise(struct signal *signal, uint64_t bits)
{
    struct thread *thread = signal->waiter;

    trace(raise, signal->obj.slot, thread ? thread->obj.slot : 0, signal->vcpu ? signal->vcpu->obj.slot : 0, bits);
    signal->bits |= bits;
    if (thread && signal->bits) {
        uint64_t taken = signal->bits;
        signal->bits = 0;
        signal_finish(signal, OK);
        thread->regs.rdx = taken;
    } else if (signal->vcpu) {
        arch_vcpu_kick(signal->vcpu);
    }
}

void signal_raise_ref(cap_t reference, unsigned bit)
{
    struct object *object = cap_object(reference);

    if (object && object->type == OBJ_SIGNAL)
        signal_raise((struct signal *)object, 1ull << bit);
}

enum status signal_wait(struct signal *signal, struct thread *thread, bool poll, uint64_t deadline)
{
    trace(wait, thread->obj.slot, signal->obj.slot, poll, deadline);
    if (signal->waiter)
        return ERR_BUSY;
    if (signal->bits) {
        uint64_t taken = signal->bits;
        signal->bits = 0;
        thread_result(thread, OK);
        thread->regs.rdx = taken;
        return OK;
    }
    if (poll || (deadline && deadline <= arch_time()))
        return ERR_TIMEOUT;
    if (thread->state & FLAG_CANCEL) {
        thread->state &= ~FLAG_CANCEL;
        return ERR_CANCELLED;
    }
    signal->waiter = thread;
    thread->waiting = signal;
    thread->state = STATE_WAITING | (thread->state & ~STATE_MASK);
    thread_timer(thread, deadline ? deadline : TIMER_NONE); // a vCPU's may still be armed
    return OK;
}
