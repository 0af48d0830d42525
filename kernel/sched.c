// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: ready queues, timers, and the walk from the queued thread to the one that runs on its time.
#include "ipc.h"
#include "sched.h"

uint64_t tsc_hz;

void sched_enqueue(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;
    struct thread *head = cpu->ready[thread->priority];

    if (thread->queued)
        return;
    thread->queued = 1;
    if (head) {
        thread->ready_next = head;
        thread->ready_prev = head->ready_prev;
        head->ready_prev->ready_next = thread;
        head->ready_prev = thread;
    } else {
        thread->ready_next = thread->ready_prev = thread;
        cpu->ready[thread->priority] = thread;
        cpu->ready_bitmap |= 1ull << thread->priority;
    }
    // Of equal priority: the running one finishes its slice, whose timer is set when schedule() sees two of them.
    if (!cpu->donor || thread->priority > cpu->donor->priority ||
        (thread->priority == cpu->donor->priority && cpu->slice_end == TIMER_NONE))
        cpu->need_resched = true;
}

static void unqueue(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (!thread->queued)
        return;
    thread->queued = 0;
    thread->slice_used = 0;
    thread->ready_next->ready_prev = thread->ready_prev;
    thread->ready_prev->ready_next = thread->ready_next;
    if (cpu->ready[thread->priority] == thread)
        cpu->ready[thread->priority] = thread->ready_next == thread ? NULL : thread->ready_next;
    if (!cpu->ready[thread->priority])
        cpu->ready_bitmap &= ~(1ull << thread->priority);
    if (cpu->donor == thread)
        cpu->need_resched = true;
}

void sched_rotate(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (thread->queued && cpu->ready[thread->priority] == thread)
        cpu->ready[thread->priority] = thread->ready_next;
    thread->slice_used = 0;
    cpu->slice_end = TIMER_NONE;
    cpu->need_resched = true;
}

void sched_remove(struct thread *thread)
{
    unqueue(thread);
    thread_timer(thread, TIMER_NONE);
}

void sched_release_waiters(struct thread *thread)
{
    while (thread->waiters) { // bound: helpers of one call chain
        struct thread *waiter = thread->waiters;
        thread->waiters = waiter->wait_next;
        waiter->wait_next = NULL;
        waiter->waits_for = NULL;
        sched_enqueue(waiter);
    }
}

// HAZARD: a donor waits at the end of its chain. Whoever changes the chain above that end must make it look again: else
// it waits for what does not concern it any more, or is queued while it still stands on that list.
void sched_release_chain(struct thread *thread)
{
    // Nor may the running thread go on with the time of a donor whose chain it is not in any more.
    this_cpu()->need_resched = true;
    for (unsigned steps = 0; thread && steps < 2 * CALL_DEPTH_MAX; steps++) {
        sched_release_waiters(thread);
        bool helps = (thread->state & STATE_MASK) == STATE_HELPING;
        struct gate *gate = helps ? (struct gate *)cap_object(thread->helping) : NULL;
        thread = gate ? gate->worker : thread->callee;
    }
}

void sched_wake(struct thread *thread)
{
    if (thread->kind != THREAD_WORKER || !thread->caller)
        sched_enqueue(thread); // active; or a worker on its own time
    sched_release_waiters(thread);
}

static void timer_update(struct cpu *cpu)
{
    uint64_t next = cpu->timers ? cpu->timers->deadline : TIMER_NONE;

    next = cpu->slice_end < next ? cpu->slice_end : next;
    if (next != cpu->armed) {
        cpu->armed = next;
        arch_timer_arm(next);
    }
}

void thread_timer(struct thread *thread, uint64_t deadline)
{
    struct cpu *cpu = thread->cpu;

    if (thread->deadline == deadline)
        return;
    if (thread->deadline != TIMER_NONE) {
        if (thread->timer_next)
            thread->timer_next->timer_prev = thread->timer_prev;
        if (thread->timer_prev)
            thread->timer_prev->timer_next = thread->timer_next;
        else
            cpu->timers = thread->timer_next;
    }
    thread->deadline = deadline;
    if (deadline != TIMER_NONE) {
        struct thread *before = NULL, *after = cpu->timers;
        while (after && after->deadline <= deadline) { // bound: armed timers
            before = after;
            after = after->timer_next;
        }
        thread->timer_prev = before;
        thread->timer_next = after;
        if (after)
            after->timer_prev = thread;
        if (before)
            before->timer_next = thread;
        else
            cpu->timers = thread;
    }
    timer_update(cpu);
}

void sched_timer_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t now = arch_time();

    cpu->armed = TIMER_NONE; // one-shot
    // The next interrupt, which follows at once, takes the rest.
    for (unsigned n = 0; n < 8 && cpu->timers && cpu->timers->deadline <= now; n++) {
        struct thread *thread = cpu->timers;
        if ((thread->state & STATE_MASK) == STATE_WAITING)
            thread_cancel(thread, ERR_TIMEOUT);
        else
            thread_timer(thread, TIMER_NONE);
    }
    if (cpu->slice_end <= now && cpu->donor)
        sched_rotate(cpu->donor);
    timer_update(cpu);
}

static void account(struct cpu *cpu)
{
    uint64_t now = arch_time();

    if (cpu->donor) {
        cpu->donor->time += now - cpu->since;
        cpu->donor->slice_used += now - cpu->since;
        cpu->donor->task->time += now - cpu->since;
    }
    cpu->since = now;
}

// The thread at the end of the donor's call chain that can run; NULL when the chain is blocked (the donor then waits
// there).
static struct thread *follow(struct thread *donor)
{
    struct thread *t = donor;

    for (unsigned steps = 0; steps < 2 * CALL_DEPTH_MAX; steps++) {
        switch (t->state & STATE_MASK) {
        case STATE_RUNNING:
            return t;
        case STATE_CALLING:
            t = t->callee;
            break;
        case STATE_HELPING: {
            struct gate *gate = (struct gate *)cap_object(t->helping);
            if (!gate || gate->worker == &dead_worker) {
                t->helping = 0;
                thread_result(t, ERR_DEAD);
                return t;
            }
            if ((gate->worker->state & STATE_MASK) == STATE_RECEIVE)
                ipc_deliver(t, gate);
            else
                gate->worker->state |= FLAG_HELPED;
            t = gate->worker;
            break;
        }
        default: // blocked, stopped or faulted
            unqueue(donor);
            if (t != donor) {
                donor->wait_next = t->waiters;
                t->waiters = donor;
                donor->waits_for = t;
            }
            return NULL;
        }
    }
    // A ring of servers that call each other, or a chain too deep: the one that asked last gets the error.
    t = donor;
    while ((t->state & STATE_MASK) == STATE_CALLING) // bound: CALL_DEPTH_MAX, by ipc_call
        t = t->callee;
    if ((t->state & STATE_MASK) == STATE_HELPING) {
        t->helping = 0;
        thread_result(t, ERR_DEPTH);
    }
    return t;
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();

    account(cpu);
    for (;;) { // bound: queued threads whose chains are blocked; each leaves the queue; preemptible
        cpu->need_resched = false;
        if (!cpu->ready_bitmap) {
            cpu->donor = NULL;
            cpu->current = NULL;
            cpu->slice_end = TIMER_NONE;
            timer_update(cpu);
            arch_idle();
        }
        struct thread *donor = cpu->ready[63 - __builtin_clzll(cpu->ready_bitmap)];
        struct thread *thread = follow(donor);
        if (!thread) {
            arch_preempt_point();
            continue;
        }
        // HAZARD: a thread that is preempted often must still use its slice up, or its equals starve: what it used
        // counts.
        uint64_t slice = tsc_hz / SLICE_PER_SECOND, used = donor->slice_used < slice ? donor->slice_used : slice;
        cpu->slice_end = donor->ready_next == donor ? TIMER_NONE : cpu->since + slice - used;
        cpu->donor = donor;
        cpu->need_resched = false;
        timer_update(cpu);
        arch_return(thread);
    }
}

void sched_return(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    // `current` is another, or none, when the call destroyed the thread: then it must not be looked at.
    if (cpu->need_resched || cpu->current != thread || (thread->state & STATE_MASK) != STATE_RUNNING)
        schedule();
    arch_return(thread);
}

bool sched_preempt(void)
{
    arch_preempt_point();
    return this_cpu()->need_resched;
}
