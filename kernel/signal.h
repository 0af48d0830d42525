// SPDX-License-Identifier: BSD-2-Clause
// Signals: 64 bits and one waiter. Interrupts, timers, kicks, faults and other CPUs all arrive here.
#pragma once

#include "debug.h"
#include "sched.h"

// Bits are set from any CPU; everything else happens where the waiter is.
struct signal {
    struct object obj;
    uint64_t bits;
    struct thread *waiter; // in `wait`
    struct thread *vcpu;   // bound vCPU; CPU 0 changes it
};

// The part of this CPU when the signal is destroyed: a thread that waits here gets ERR_DEAD.
void signal_leave(struct signal *signal);
// Another CPU raised it: if its waiter is here, it gets the bits.
void signal_arrived(struct signal *signal);
void signal_raise(struct signal *signal, uint64_t bits);
// Raises through a reference that may be stale: then nothing happens.
void signal_raise_ref(cap_t reference, unsigned bit);
enum status signal_wait(struct signal *signal, struct thread *thread, bool poll, uint64_t deadline);

// ---- The path of an interrupt to its thread. A thread that these functions give is RUNNING again and waits for
// nothing, but it is in no queue yet: sched_wake() or sched_switch() follows.

// The waiter gets the bits, if it is on this CPU; else its own is told.
ALWAYS_INLINE struct thread *signal_take(struct cpu *cpu, struct signal *signal, struct thread *thread)
{
    if (unlikely(READ_ONCE(thread->cpu) != cpu)) {
        cpu_post(&signal->obj, READ_ONCE(thread->cpu));
        return NULL;
    }
    // HAZARD: it may have given up elsewhere and moved here between the two looks. Who waits now has looked at the
    // bits.
    if (unlikely(READ_ONCE(signal->waiter) != thread))
        return NULL;
    uint64_t taken = __atomic_exchange_n(&signal->bits, 0, __ATOMIC_SEQ_CST);
    if (unlikely(!taken))
        return NULL;
    __atomic_store_n(&signal->waiter, NULL, __ATOMIC_RELEASE);
    thread->waiting = NULL;
    thread->regs.rdx = taken; // the others are set since it waits
    if (unlikely(thread->deadline != TIMER_NONE))
        thread_timer(thread, TIMER_NONE);
    thread->state = STATE_RUNNING | (thread->state & ~STATE_MASK);
    return thread;
}

// HAZARD: raiser and waiter meet: one sets bits and then looks for the other, who shows itself and then looks for bits.
// Both steps are locked instructions, so one of the two sees the other.
ALWAYS_INLINE struct thread *signal_set(struct cpu *cpu, struct signal *signal, uint64_t bits)
{
    trace(raise, signal->obj.slot, signal->waiter ? signal->waiter->obj.slot : 0,
          signal->vcpu ? signal->vcpu->obj.slot : 0, bits);
    __atomic_fetch_or(&signal->bits, bits, __ATOMIC_SEQ_CST);
    struct thread *thread = READ_ONCE(signal->waiter);
    if (thread)
        return signal_take(cpu, signal, thread);
    thread = READ_ONCE(signal->vcpu);
    if (thread)
        arch_vcpu_kick(thread);
    return NULL;
}

ALWAYS_INLINE struct thread *signal_set_ref(struct cpu *cpu, cap_t reference, unsigned bit)
{
    struct object *object = cap_object(reference);

    if (unlikely(!object || (object->type | object->dying << 8) != OBJ_SIGNAL))
        return NULL;
    return signal_set(cpu, (struct signal *)object, 1ull << bit);
}
