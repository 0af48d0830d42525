// SPDX-License-Identifier: BSD-2-Clause
// Between CPUs: the inbox, one list per CPU that others push to without a lock; and the round, one at a time.
#include "debug.h"
#include "sched.h"
#include "signal.h"

#define INBOX_END   ((struct object *)1) // ends the list, so that `inbox` is NULL only for what is on none
#define INBOX_STEPS 4                    // objects taken in one interrupt

static struct {
    struct object *object; // NULL: none under way
    uint64_t pending;      // CPUs that have not answered
    bool flush;            // of an address space, whose `cleared` it was when the round began
    uint64_t cleared;
    struct heap parked; // threads that wait for this round or to begin another
} round;

void cpu_init(struct cpu *cpu, unsigned number)
{
    cpu->number = number;
    cpu->receive = STATE_RECEIVE | (uint64_t)number << 32;
    cpu->slice_end = cpu->armed = TIMER_NONE;
}

void cpu_post(struct object *object, struct cpu *to)
{
    struct object *next = NULL;

    if (!__atomic_compare_exchange_n(&object->inbox, &next, INBOX_END, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    next = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
    do // bound: CPUs that post at this moment, each of which gets on when this one does not
        object->inbox = next ? next : INBOX_END;
    while (!__atomic_compare_exchange_n(&to->inbox, &next, object, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    trace(post, to->number, object->slot, object->type, !next);
    if (!next)
        arch_ipi(to); // else one is on its way
}

// True when nothing is left. HAZARD: what was posted since the rest was taken counts: its IPI may have come together
// with the one for that rest.
static bool inbox_take(struct cpu *cpu)
{
    for (unsigned n = 0; n < INBOX_STEPS; n++) {
        if (!cpu->taken)
            cpu->taken = __atomic_exchange_n(&cpu->inbox, NULL, __ATOMIC_SEQ_CST);
        struct object *object = cpu->taken;
        if (!object)
            return true;
        cpu->taken = object->inbox == INBOX_END ? NULL : object->inbox;
        (void)!__atomic_exchange_n(&object->inbox, NULL, __ATOMIC_SEQ_CST); // from here on it may be posted again
        if (object->type == OBJ_SIGNAL)
            signal_arrived((struct signal *)object);
        else
            sched_arrived((struct thread *)object);
    }
    return !cpu->taken && !READ_ONCE(cpu->inbox);
}

// What this CPU holds of the object goes.
static void round_part(struct cpu *cpu, struct object *object)
{
    switch (object->type) {
    case OBJ_THREAD:
        thread_leave((struct thread *)object);
        break;
    case OBJ_SIGNAL:
        signal_leave((struct signal *)object);
        break;
    case OBJ_TASK:
    case OBJ_GUEST:
        if (!round.flush)
            arch_space_leave((struct space *)object);
        else if (((struct space *)object)->cpus >> cpu->number & 1)
            arch_space_flush((struct space *)object);
        break;
    case OBJ_POOL:
        arch_window_flush();
        break;
    default: // a look-up may have found it: that is over
        break;
    }
}

static void round_end(void)
{
    struct object *object = round.object;

    round.object = NULL;
    // HAZARD: threads and signals move between CPUs, past a round. After the first one nobody posts them any more, so
    // that a second one finds them.
    bool moves = object->type == OBJ_THREAD || object->type == OBJ_SIGNAL;
    if (round.flush)
        ((struct space *)object)->flushed = round.cleared;
    else
        object->dying = moves && object->dying != ROUND_DONE ? ROUND_DONE : RELEASED;
    sched_release(&round.parked);
}

static uint64_t other_cpus(void)
{
    return (arch_cpu_count() == CPU_MAX ? 0 : 1ull << arch_cpu_count()) - 2;
}

// True when it is over at once, as no other CPU takes part.
static bool round_begin(struct object *object, uint64_t others)
{
    round.object = object;
    trace(round, object->slot, object->type, round.flush, others);
    round_part(this_cpu(), object);
    __atomic_store_n(&round.pending, others, __ATOMIC_SEQ_CST);
    for (unsigned i = 1; i < arch_cpu_count(); i++) // bound: CPUs
        if (others >> i & 1)
            arch_ipi(arch_cpu(i));
    if (!others)
        round_end();
    return !others;
}

bool cpu_round_release(struct object *object, struct thread *thread)
{
    while (object->dying != RELEASED && !round.object) { // bound: two rounds
        round.flush = false;
        if (!round_begin(object, other_cpus()))
            break;
    }
    if (object->dying == RELEASED)
        return true;
    if (this_cpu()->current == thread)
        sched_park(&round.parked, thread);
    return false;
}

bool cpu_round_flush(struct space *space, struct thread *thread)
{
    if (!round.object) {
        round.flush = true;
        round.cleared = space->cleared;
        // HAZARD: table entries were cleared by plain stores: `cpus` must be read after they are seen, or a thread that
        // just moved brings its new CPU a translation of which that is not asked.
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (round_begin(&space->obj, other_cpus() & space->cpus))
            return true;
    }
    sched_park(&round.parked, thread);
    return false;
}

void cpu_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t bit = 1ull << cpu->number;
    // HAZARD: before the inbox is seen empty: else what was posted before the round began could arrive after the
    // answer.
    bool asked = __atomic_load_n(&round.pending, __ATOMIC_SEQ_CST) & bit;

    if (!inbox_take(cpu)) {
        arch_ipi(cpu); // the rest, after what is pending; an answer to the round must wait for it
        return;
    }
    if (asked) {
        round_part(cpu, round.object);
        trace(answer, round.object->slot, round.object->type, round.flush, round.pending);
        if (!__atomic_and_fetch(&round.pending, ~bit, __ATOMIC_SEQ_CST))
            arch_ipi(arch_cpu(0));
    }
    if (cpu->number == 0 && round.object && !__atomic_load_n(&round.pending, __ATOMIC_SEQ_CST))
        round_end();
}
