// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: ready queues, timers, and the walk from the queued thread to the one that runs on its time.
#include "check.h"
#include "ipc.h"
#include "sched.h"
#include "signal.h"

uint64_t tsc_hz;

#define THREAD_OF(heap_node, member) ((struct thread *)((char *)(heap_node)-offsetof(struct thread, member)))

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
    if (!thread->budget)
        return true;
    uint64_t now = arch_time();
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
    __atomic_fetch_add(&donor->task->time, used, __ATOMIC_RELAXED); // its other threads may be on other CPUs
    if (donor->level == 0) {
        donor->virtual_time += used * WEIGHT_DEFAULT / donor->weight;
        if (donor->queued) {
            heap_remove(&cpu->fair, &donor->node);
            heap_insert(&cpu->fair, &donor->node, donor->virtual_time);
            cpu->fair_time = cpu->fair.root->key; // grows: the donor was the smallest, and got larger
        }
    }
    if (donor->budget)
        donor->budget_left = used < donor->budget_left ? donor->budget_left - used : 0;
}

// Waits are ordered by level, and by time within one.
#define WAIT_TIME_BITS 58

static void wait_in(struct heap *heap, struct thread *thread, unsigned level)
{
    uint64_t time = this_cpu()->since & ((1ull << WAIT_TIME_BITS) - 1);

    heap_insert(heap, &thread->node, (uint64_t)(PRIORITY_COUNT - 1 - level) << WAIT_TIME_BITS | time);
}

static void unwait(struct thread *thread)
{
    struct heap *heap = &thread->cpu->released;

    if (thread->queued || !heap_holds(&thread->node))
        return;
    // Heaps are merged, so only of a root it matters which one it stands in: then `waits_for` is true.
    if (!thread->node.parent && heap->root != &thread->node)
        heap = thread->waits_for ? &thread->waits_for->waiters : thread->parked;
    heap_remove(heap, &thread->node);
}

static void enqueue(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;
    unsigned level = thread->lent > thread->priority ? thread->lent : thread->priority;
    struct thread *head = cpu->ready[level];

    // HAZARD: who runs alone in the band is charged rarely. A newcomer that started at its old virtual time would keep
    // it out for as long as it ran.
    if (level == 0)
        charge(cpu);
    thread->queued = 1;
    thread->level = level;
    if (level == 0) {
        if (thread->virtual_time < cpu->fair_time) // sleeping earns nothing
            thread->virtual_time = cpu->fair_time;
        heap_insert(&cpu->fair, &thread->node, thread->virtual_time);
        cpu->ready_bitmap |= 1;
    } else if (head) {
        thread->ready_next = head;
        thread->ready_prev = head->ready_prev;
        head->ready_prev->ready_next = thread;
        head->ready_prev = thread;
    } else {
        thread->ready_next = thread->ready_prev = thread;
        cpu->ready[level] = thread;
        cpu->ready_bitmap |= 1ull << level;
    }
    // Of equal priority: the running one finishes its slice, whose timer is set when schedule() sees two of them.
    if (!cpu->donor || level > cpu->donor->level || (level == cpu->donor->level && cpu->slice_end == TIMER_NONE))
        cpu->need_resched = true;
}

void sched_enqueue(struct thread *thread)
{
    if (thread->queued || heap_holds(&thread->refill))
        return;
    unwait(thread);
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
    if (thread->level == 0) {
        heap_remove(&cpu->fair, &thread->node);
        if (!cpu->fair.root)
            cpu->ready_bitmap &= ~1ull;
    } else {
        thread->ready_next->ready_prev = thread->ready_prev;
        thread->ready_prev->ready_next = thread->ready_next;
        if (cpu->ready[thread->level] == thread)
            cpu->ready[thread->level] = thread->ready_next == thread ? NULL : thread->ready_next;
        if (!cpu->ready[thread->level])
            cpu->ready_bitmap &= ~(1ull << thread->level);
    }
    if (cpu->donor == thread)
        cpu->need_resched = true;
}

void sched_rotate(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (thread->queued && cpu->ready[thread->level] == thread)
        cpu->ready[thread->level] = thread->ready_next;
    thread->slice_used = 0;
    cpu->slice_end = TIMER_NONE;
    cpu->need_resched = true;
}

void sched_remove(struct thread *thread)
{
    unwait(thread);
    unqueue(thread);
    refill_cancel(thread);
    thread_timer(thread, TIMER_NONE);
}

void sched_release(struct heap *waiters)
{
    struct cpu *cpu = this_cpu();

    if (!waiters->root)
        return;
    heap_merge(&cpu->released, waiters);
    cpu->need_resched = true;
}

void sched_release_waiters(struct thread *thread)
{
    sched_release(&thread->waiters);
}

void sched_park(struct heap *parked, struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    sched_remove(thread);
    thread->state = STATE_PARKED | (thread->state & ~STATE_MASK);
    if (thread->home == cpu->number)
        thread_restart(thread);
    thread->waits_for = NULL;
    thread->parked = parked;
    wait_in(parked, thread, cpu->donor ? cpu->donor->level : thread->priority);
    cpu->need_resched = true;
}

// HAZARD: a donor waits at the end of its chain. Whoever changes the chain above that end must make it look again: else
// it waits for what does not concern it any more, or is queued while it still stands on that list.
void sched_release_chain(struct thread *thread)
{
    // Nor may the running thread go on with the time of a donor whose chain it is not in any more.
    this_cpu()->need_resched = true;
    // HAZARD: a worker's waiters belong to its home: it may have moved, or be away on this CPU (then they look again
    // when it comes home).
    for (unsigned steps = 0; thread && thread->home == this_cpu()->number && steps < 2 * CALL_DEPTH_MAX; steps++) {
        sched_release_waiters(thread);
        bool helps = (thread->state & STATE_MASK) == STATE_HELPING;
        struct gate *gate = helps ? (struct gate *)cap_object(thread->helping) : NULL;
        thread = gate ? READ_ONCE(gate->worker) : thread->callee;
    }
}

void sched_wake(struct thread *thread)
{
    if ((thread->state & STATE_MASK) == STATE_PARKED)
        thread->state = STATE_RUNNING | (thread->state & ~STATE_MASK);
    bool away = thread->home != this_cpu()->number; // then a worker runs by itself, too; its waiters are at home
    if (thread->kind != THREAD_WORKER || !thread->caller || away)
        sched_enqueue(thread); // active; or a worker on its own time
    if (!away)
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
    sched_mark_special(thread);
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
        __atomic_fetch_add(&donor->task->overruns, 1, __ATOMIC_RELAXED);
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
    for (unsigned n = 0; n < 3 && cpu->timers.root && cpu->timers.root->key <= now; n++) {
        struct thread *thread = THREAD_OF(cpu->timers.root, timer);
        if ((thread->state & STATE_MASK) == STATE_WAITING)
            thread_cancel(thread, ERR_TIMEOUT);
        else
            thread_timer(thread, TIMER_NONE);
    }
    for (unsigned n = 0; n < 2 && cpu->refills.root && cpu->refills.root->key <= now; n++) {
        struct thread *thread = THREAD_OF(cpu->refills.root, refill);
        refill_cancel(thread);
        refill(thread, now);
        enqueue(thread);
    }
    if (cpu->slice_end <= now && cpu->donor)
        sched_rotate(cpu->donor);
    else if (cpu->slice_end <= now) // HAZARD: it was destroyed; armed again, the timer would interrupt without end
        cpu->slice_end = TIMER_NONE;
    timer_update(cpu);
}

// The thread at the end of the donor's call chain that can run; NULL when the chain is blocked (the donor then waits
// there).
static struct thread *follow(struct thread *donor)
{
    struct thread *t = donor;

    for (unsigned steps = 0; steps < 2 * CALL_DEPTH_MAX; steps++) {
        unsigned state = t->state & STATE_MASK;
        if (state == STATE_RUNNING && t->cpu == donor->cpu)
            return t;
        if (state == STATE_CALLING) {
            t = t->callee;
        } else if (state == STATE_HELPING) {
            struct gate *gate = (struct gate *)cap_object(t->helping);
            struct thread *worker = gate ? READ_ONCE(gate->worker) : &dead_worker;
            if (worker == &dead_worker || worker->home != t->home) {
                t->helping = 0;
                thread_result(t, worker == &dead_worker ? ERR_DEAD : ERR_STATE);
                return t;
            }
            if ((worker->state & STATE_MASK) == STATE_RECEIVE)
                ipc_deliver(t, gate, worker);
            else if (worker->cpu == donor->cpu) // else it is not ours to change; all look again when it comes back
                worker->state |= FLAG_HELPED;
            t = worker;
        } else { // blocked, stopped, faulted, or in a system call on another CPU
            unqueue(donor);
            if (t != donor) {
                donor->waits_for = t;
                wait_in(&t->waiters, donor, donor->level);
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

// Those that need not wait any more go into the ready queue, as far as they are as urgent as what is there.
static void take_released(struct cpu *cpu)
{
    struct heap_node *top;

    while ((top = cpu->released.root)) { // bound: threads that waited, each once; preemptible
        unsigned level = PRIORITY_COUNT - 1 - (top->key >> WAIT_TIME_BITS);
        if (cpu->ready_bitmap >> level >> 1)
            return;
        struct thread *thread = THREAD_OF(top, node);
        heap_remove(&cpu->released, top);
        if ((thread->state & STATE_MASK) == STATE_PARKED)
            sched_wake(thread);
        else
            sched_enqueue(thread);
        arch_preempt_point();
    }
}

void sched_rebase(struct thread *thread, const struct cpu *to)
{
    uint64_t from = thread->cpu->fair_time, ahead = thread->virtual_time > from ? thread->virtual_time - from : 0;

    thread->virtual_time = READ_ONCE(to->fair_time) + ahead;
}

void sched_travel(struct thread *thread, struct cpu *to)
{
    struct cpu *cpu = this_cpu();

    account(cpu);
    // HAZARD: a donor's budget stays here: so does its priority, if it has one.
    bool lent = to->number != thread->home && cpu->donor && (cpu->donor == thread || !cpu->donor->budget);
    thread->lent = lent ? cpu->donor->level : 0;
    sched_remove(thread);
    sched_rebase(thread, to);
    if (cpu->donor == thread)
        cpu->donor = NULL;
    if (cpu->current == thread)
        cpu->current = NULL;
    cpu->need_resched = true;
    if (thread->obj.dying) { // HAZARD: else it could be ahead of the round that looks for it
        thread->state = STATE_STOPPED;
        return;
    }
    __atomic_store_n(&thread->cpu, to, __ATOMIC_RELEASE); // from here on it belongs to the other CPU
    cpu_post(&thread->obj, to);
}

void sched_arrived(struct thread *thread)
{
    struct cpu *cpu = this_cpu(), *now = READ_ONCE(thread->cpu);
    unsigned state = thread->state & STATE_MASK;

    if (thread->obj.dying)
        return; // the round finds it by `cpu`
    if (now != cpu) {
        cpu_post(&thread->obj, now);
    } else if (thread->home != cpu->number) {
        if (state == STATE_RUNNING)
            sched_enqueue(thread);
    } else {
        thread->lent = 0;
        sched_release_chain(thread);
        if (state == STATE_RUNNING)
            sched_wake(thread);
    }
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();

    account(cpu);
    for (;;) { // bound: queued threads whose chains are blocked; each leaves the queue; preemptible
        cpu->need_resched = false;
        take_released(cpu);
        if (!cpu->ready_bitmap) {
            cpu->donor = NULL;
            cpu->current = NULL;
            cpu->slice_end = TIMER_NONE;
            timer_update(cpu);
            arch_idle();
        }
        unsigned level = 63 - __builtin_clzll(cpu->ready_bitmap);
        struct thread *donor = level ? cpu->ready[level] : THREAD_OF(cpu->fair.root, node);
        struct thread *thread = follow(donor);
        if (!thread) {
            arch_preempt_point();
            continue;
        }
        // HAZARD: a thread that is preempted often must still use its slice up, or its equals starve: what it used
        // counts.
        uint64_t slice = tsc_hz / SLICE_PER_SECOND, used = donor->slice_used < slice ? donor->slice_used : slice;
        bool alone = level ? donor->ready_next == donor : !donor->node.left;
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
        if (thread->home != cpu->number) {
            cpu->current = thread;
            arch_syscall(thread);
        }
        arch_return(thread);
    }
}

void sched_return(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    // `current` is another, or none, when the call destroyed the thread: then it must not be looked at.
    if (cpu->current != thread)
        schedule();
    if (thread->home != cpu->number)
        sched_travel(thread, arch_cpu(thread->home));
    if (cpu->need_resched || (thread->state & STATE_MASK) != STATE_RUNNING)
        schedule();
    arch_return(thread);
}

bool sched_preempt(void)
{
    arch_preempt_point();
    return this_cpu()->need_resched || check_preempts();
}
