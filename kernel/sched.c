// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: ready queues, timers, and the walk from the queued thread to the one that runs on its time.
#include "check.h"
#include "ipc.h"
#include "sched.h"
#include "signal.h"

uint64_t tsc_hz;

static struct thread *thread_of(struct heap_node *node, size_t offset)
{
    return (struct thread *)((char *)node - offset);
}

static void timer_update(struct cpu *cpu)
{
    uint64_t next = cpu->timers.root ? cpu->timers.root->key : TIMER_NONE;

    if (cpu->refills.root && cpu->refills.root->key < next)
        next = cpu->refills.root->key;
    next = cpu->slice_end < next ? cpu->slice_end : next;
    if (next != cpu->armed) {
        cpu->armed = next;
        arch_timer_arm(next);
    }
}

// Hard constant-bandwidth rule, on wake-up: what is left must not exceed the thread's share of what remains of its
// period; else a new period begins now. True when it may run.
static bool budget_wake(struct thread *thread)
{
    uint64_t now = arch_time();

    if (!thread->budget)
        return true;
    if (now >= thread->period_end || (unsigned __int128)thread->budget_left * thread->period >
                                         (unsigned __int128)thread->budget * (thread->period_end - now)) {
        thread->budget_left = thread->budget;
        thread->period_end = now + thread->period;
    }
    return thread->budget_left;
}

// The next period. Nothing is carried over: what a starved thread did not use is lost, so that nobody below it waits
// for longer than one budget in any of its periods.
static void refill(struct thread *thread, uint64_t now)
{
    thread->budget_left = thread->budget;
    thread->period_end += thread->period;
    if (thread->period_end <= now)
        thread->period_end = now + thread->period;
}

static void refill_wait(struct thread *thread)
{
    if (!heap_holds(&thread->refill))
        heap_insert(&thread->cpu->refills, &thread->refill, thread->period_end);
}

static void refill_cancel(struct thread *thread)
{
    if (heap_holds(&thread->refill))
        heap_remove(&thread->cpu->refills, &thread->refill);
}

// Charges the time since the last look to the donor.
static void charge(struct cpu *cpu)
{
    uint64_t now = arch_time(), used = now - cpu->since;
    struct thread *donor = cpu->donor;

    cpu->since = now;
    if (!donor)
        return;
    donor->time += used;
    donor->slice_used += used;
    donor->task->time += used;
    if (donor->priority == 0) {
        donor->virtual_time += used * WEIGHT_DEFAULT / donor->weight;
        if (donor->queued) {
            heap_remove(&cpu->fair, &donor->fair);
            heap_insert(&cpu->fair, &donor->fair, donor->virtual_time);
            cpu->fair_time = cpu->fair.root->key; // grows: the donor was the smallest, and got larger
        }
    }
    if (donor->budget)
        donor->budget_left = used < donor->budget_left ? donor->budget_left - used : 0;
}

static void enqueue(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;
    struct thread *head = cpu->ready[thread->priority];

    // HAZARD: who runs alone in the band is charged rarely. A newcomer that started at its old virtual time would keep
    // it out for as long as it ran.
    if (thread->priority == 0)
        charge(cpu);
    thread->queued = 1;
    if (thread->priority == 0) {
        if (thread->virtual_time < cpu->fair_time) // sleeping earns nothing
            thread->virtual_time = cpu->fair_time;
        heap_insert(&cpu->fair, &thread->fair, thread->virtual_time);
        cpu->ready_bitmap |= 1;
    } else if (head) {
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

void sched_enqueue(struct thread *thread)
{
    if (thread->queued || heap_holds(&thread->refill))
        return;
    if (budget_wake(thread)) {
        enqueue(thread);
    } else {
        refill_wait(thread);
        timer_update(thread->cpu);
    }
}

static void unqueue(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (!thread->queued)
        return;
    thread->queued = 0;
    thread->slice_used = 0;
    if (thread->priority == 0) {
        heap_remove(&cpu->fair, &thread->fair);
        if (!cpu->fair.root)
            cpu->ready_bitmap &= ~1ull;
    } else {
        thread->ready_next->ready_prev = thread->ready_prev;
        thread->ready_prev->ready_next = thread->ready_next;
        if (cpu->ready[thread->priority] == thread)
            cpu->ready[thread->priority] = thread->ready_next == thread ? NULL : thread->ready_next;
        if (!cpu->ready[thread->priority])
            cpu->ready_bitmap &= ~(1ull << thread->priority);
    }
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
    refill_cancel(thread);
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

void thread_timer(struct thread *thread, uint64_t deadline)
{
    struct cpu *cpu = thread->cpu;

    if (thread->deadline == deadline)
        return;
    if (thread->deadline != TIMER_NONE)
        heap_remove(&cpu->timers, &thread->timer);
    thread->deadline = deadline;
    if (deadline != TIMER_NONE)
        heap_insert(&cpu->timers, &thread->timer, deadline);
    timer_update(cpu);
}

void sched_budget(struct thread *thread, uint64_t budget, uint64_t period, cap_t overrun, unsigned bit)
{
    bool waited = heap_holds(&thread->refill);

    charge(this_cpu()); // what it ran until now is not of this budget
    refill_cancel(thread);
    thread->budget = thread->budget_left = budget;
    thread->period = period;
    thread->period_end = arch_time() + period;
    thread->overrun = overrun;
    thread->overrun_bit = bit;
    if (waited)
        sched_enqueue(thread);
    this_cpu()->need_resched = true; // the slice's end may be another
}

// HAZARD: a donor that spent its budget inside of a server leaves the queue, not the call: the server goes on when the
// next caller helps it, or in the donor's next period.
static void account(struct cpu *cpu)
{
    struct thread *donor = cpu->donor;

    charge(cpu);
    if (donor && donor->budget && !donor->budget_left && donor->queued) {
        unqueue(donor);
        refill_wait(donor);
        signal_raise_ref(donor->overrun, donor->overrun_bit);
    }
}

void sched_timer_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t now = arch_time();

    cpu->armed = TIMER_NONE; // one-shot
    account(cpu);
    // The next interrupt, which follows at once, takes the rest.
    for (unsigned n = 0; n < 8 && cpu->timers.root && cpu->timers.root->key <= now; n++) {
        struct thread *thread = thread_of(cpu->timers.root, offsetof(struct thread, timer));
        if ((thread->state & STATE_MASK) == STATE_WAITING)
            thread_cancel(thread, ERR_TIMEOUT);
        else
            thread_timer(thread, TIMER_NONE);
    }
    for (unsigned n = 0; n < 8 && cpu->refills.root && cpu->refills.root->key <= now; n++) {
        struct thread *thread = thread_of(cpu->refills.root, offsetof(struct thread, refill));
        refill_cancel(thread);
        refill(thread, now);
        enqueue(thread);
    }
    if (cpu->slice_end <= now && cpu->donor)
        sched_rotate(cpu->donor);
    timer_update(cpu);
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
        unsigned priority = 63 - __builtin_clzll(cpu->ready_bitmap);
        struct thread *donor =
            priority ? cpu->ready[priority] : thread_of(cpu->fair.root, offsetof(struct thread, fair));
        struct thread *thread = follow(donor);
        if (!thread) {
            arch_preempt_point();
            continue;
        }
        // HAZARD: a thread that is preempted often must still use its slice up, or its equals starve: what it used
        // counts.
        uint64_t slice = tsc_hz / SLICE_PER_SECOND, used = donor->slice_used < slice ? donor->slice_used : slice;
        bool alone = priority ? donor->ready_next == donor : !donor->fair.left;
        cpu->slice_end = alone && !donor->budget ? TIMER_NONE : cpu->since + slice - used;
        if (donor->budget) {
            if (donor->period_end <= cpu->since)
                refill(donor, cpu->since);
            uint64_t end = cpu->since + donor->budget_left;
            end = donor->period_end < end ? donor->period_end : end;
            cpu->slice_end = end < cpu->slice_end ? end : cpu->slice_end;
        }
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
    return this_cpu()->need_resched || check_preempts();
}
