// SPDX-License-Identifier: BSD-2-Clause
// Scheduling: per CPU, 64 fixed priorities in turns within one priority, the lowest shared by weight; budgets; call
// chains run on the time of the thread that is queued.
#pragma once

#include "cpu.h"

extern uint64_t tsc_hz;

// Picks the most urgent queued thread, follows its call chain to the thread that can run, and returns to user mode
// there, or idles.
_Noreturn void schedule(void);
// The system call of `thread` is done: back to it, or to somebody more urgent.
_Noreturn void sched_return(struct thread *thread);
// Interrupts may have made somebody more urgent: true when the current system call should restart later.
bool sched_preempt(void);

// The thread can run (again): it, or those that wait on it for their call to end, go into the ready queue.
void sched_wake(struct thread *thread);
// Its call chain can go on, or ended: the queued threads that waited for it look again.
void sched_release_waiters(struct thread *thread);
void sched_release(struct heap *waiters);
// The system call of the running `thread` waits in `parked`; after sched_release(parked) it begins again.
void sched_park(struct heap *parked, struct thread *thread);
// The thread goes to another CPU: there to do its system call (then with the priority that it runs at here), or home.
// This CPU must not touch it any more.
void sched_travel(struct thread *thread, struct cpu *to);
// Virtual times of different CPUs have nothing to do with each other: it is as far ahead there as it is here.
void sched_rebase(struct thread *thread, const struct cpu *to);
// It came, or shall look again at its call chain.
void sched_arrived(struct thread *thread);
// The same for all on the way down from `thread` to the end of its call chain.
void sched_release_chain(struct thread *thread);
// For a thread that woke and is in no queue, while a user thread runs: it can have the CPU at once, as no other is as
// urgent, and neither has a budget. (Who is no worker has nobody in `waiters`.)
ALWAYS_INLINE bool sched_is_next(const struct cpu *cpu, const struct thread *thread)
{
    if (unlikely(cpu->need_resched))
        return false;
    const struct thread *donor = cpu->donor;
    return thread->priority > donor->level && !(donor->special | thread->special | thread->queued);
}

static inline void sched_mark_special(struct thread *thread)
{
    thread->special = thread->budget || thread->kind == THREAD_WORKER || !thread->priority;
}

// Then: makes it the donor, to which arch_return follows. `idle`: there is none yet.
ALWAYS_INLINE void sched_switch(struct cpu *cpu, struct thread *thread, bool idle)
{
    unsigned level = thread->priority;
    uint64_t now = arch_time(), used = now - cpu->since;
    struct thread *donor = cpu->donor;

    cpu->since = now; // as charge() in sched.c
    if (!idle) {
        donor->time += used;
        donor->slice_used += used;
        __atomic_fetch_add(&donor->task->time, used, __ATOMIC_RELAXED);
    }
    thread->queued = 1;
    thread->level = level;
    thread->ready_next = thread->ready_prev = thread;
    cpu->ready[level] = thread;
    cpu->ready_bitmap |= 1ull << level;
    cpu->slice_end = TIMER_NONE; // the timer may be armed for it: it finds nothing to do
    cpu->donor = thread;
}
void sched_remove(struct thread *thread); // out of the ready queue and off the timer list
void sched_enqueue(struct thread *thread);
void sched_rotate(struct thread *thread); // to the end of its priority's ring
void sched_timer_interrupt(void);

// At most `budget` ticks of each `period`; 0, 0: no limit. `overrun`: a signal reference, raised on `bit` each time it
// is spent, or 0.
void sched_budget(struct thread *thread, uint64_t budget, uint64_t period, cap_t overrun, unsigned bit);

// Sets the thread's one timer (absolute TSC; TIMER_NONE stops it). When it fires, a waiting thread gets ERR_TIMEOUT, a
// vCPU leaves its guest.
void thread_timer(struct thread *thread, uint64_t deadline);
