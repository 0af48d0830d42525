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
// It came, or shall look again at its call chain.
void sched_arrived(struct thread *thread);
// The same for all on the way down from `thread` to the end of its call chain.
void sched_release_chain(struct thread *thread);
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
