// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cpu.c tests/invariants/check.c tests/invariants/check_thread.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c
// links: kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c kernel/heap.c
// Budgets under the hard constant-bandwidth rule, and the best-effort band: time is simulated, the
// timer interrupts when it was armed for.
#include "kernel_host.h"

#define R      root_thread
#define MS     100000ull // ticks: tsc_hz is 100 MHz in this model
#define SIGNAL 40

static void create(uint64_t type, uint64_t slot, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, type | slot << 16, w0, w1, w2, w3, 0, 0), OK);
}

static struct thread *make_active(uint64_t slot, unsigned priority)
{
    create(OBJ_THREAD, slot, SLOT_TASK, THREAD_ACTIVE, priority, 0);
    assert_int_equal(SYS(R, THREAD_CTL, slot, THREAD_START, 0x1000, 0x2000, 0), OK);
    return (struct thread *)cap_object(root_task->caps[slot]);
}

static void budget(uint64_t slot, uint64_t ticks, uint64_t period)
{
    assert_int_equal(SYS(R, THREAD_CTL, slot, THREAD_BUDGET, ticks, period, SIGNAL, 3), OK);
}

// Lets simulated time pass: whoever is current spins.
static void run_for(uint64_t ticks)
{
    uint64_t end = host_time + ticks;

    while (host_time < end) {
        uint64_t next = host_armed < end ? host_armed : end;
        if (next > host_time)
            host_time = next;
        if (host_time >= host_armed) {
            sched_timer_interrupt();
            if (host_cpu.need_resched) {
                if (host_cpu.current)
                    host_cpu.current->state |= FLAG_FULL;
                run_scheduler();
            }
        }
    }
    sched_timer_interrupt(); // charges
    run_scheduler();
}

static void within_percent(uint64_t value, uint64_t expected, uint64_t percent)
{
    assert_in_range(value, expected - expected * percent / 100,
                    expected + expected * percent / 100);
}

static void sleep_root(void)
{
    create(OBJ_SIGNAL, 45, 0, 0, 0, 0); // nobody raises it
    SYS(R, WAIT, 45, 0, 0);
    assert_int_equal(R->state & STATE_MASK, STATE_WAITING);
}

static void bad_budgets(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    make_active(20, 10);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 2, 1, CAP_NONE, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, PERIOD_MAX + 1, CAP_NONE, 0),
                     ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 0, MS, CAP_NONE, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS / 10 - 1, CAP_NONE, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS / 10, CAP_NONE, 0), OK);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, PERIOD_MAX, PERIOD_MAX, CAP_NONE, 0),
                     OK);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS, SIGNAL, 64), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS, SLOT_TASK, 0), ERR_CAP);
    // A signal that may be raised on one bit only, and one that may not be raised.
    SYS(R, CAP_COPY, SLOT_TASK, 0, SIGNAL, SLOT_TASK, 41, RIGHT_RAISE | RIGHT_BIT(5));
    SYS(R, CAP_COPY, SLOT_TASK, 0, SIGNAL, SLOT_TASK, 42, RIGHT_WAIT);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS, 41, 4), ERR_RIGHTS);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS, 41, 5), OK);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, MS, 42, 5), ERR_RIGHTS);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 0, 0, CAP_NONE, 0), OK);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_WEIGHT, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_WEIGHT, WEIGHT_MAX + 1), ERR_ARG);
}

static void thirty_percent(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    struct thread *rt = make_active(20, 30), *low = make_active(21, 10),
                  *low2 = make_active(22, 10);
    budget(20, 3 * MS, 10 * MS);
    sleep_root();
    uint64_t before = host_time;
    run_for(1000 * MS);
    uint64_t all = host_time - before;
    within_percent(rt->time, all * 30 / 100, 1);
    within_percent(low->time, all * 35 / 100, 2);
    within_percent(low2->time, all * 35 / 100, 2);
    struct object *signal = cap_object(root_task->caps[SIGNAL]);
    assert_int_equal(((struct signal *)signal)->bits, 8); // told of the overrun
    assert_in_range(root_task->overruns, 99, 101);
}

// A thread that sleeps just before its budget is spent must not get a new one for waking up, nor
// two in a row across a period's end.
static void sleeper_gets_no_more(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    create(OBJ_SIGNAL, 41, 0, 0, 0, 0);
    struct thread *low = make_active(21, 10), *rt = make_active(20, 50);
    assert_ptr_equal(host_cpu.current, rt);
    SYS(rt, WAIT, 41, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
    budget(20, 3 * MS, 10 * MS);
    struct signal *go = (struct signal *)cap_object(root_task->caps[41]);
    sleep_root();
    static const uint64_t naps[] = {MS / 10, 3 * MS, 69 * MS / 10};
    for (unsigned n = 0; n < 3; n++) {
        uint64_t rt_before = rt->time, low_before = low->time;
        for (uint64_t end = host_time + 2000 * MS; host_time < end;) {
            uint64_t start = rt->time;
            signal_raise(go, 1);
            run_scheduler();
            while (host_cpu.current == rt &&
                   rt->time - start < 29 * MS / 10) // runs for 2.9 ms, if it may
                run_for(MS / 10);
            if (host_cpu.current == rt)
                SYS(rt, WAIT, 41, 0, 0);
            run_for(naps[n]);
        }
        uint64_t used = rt->time - rt_before, all = used + low->time - low_before;
        assert_true(used * 100 <= all * 31);
        assert_true(used * 100 >= all * 20);
    }
}

// A client with a tiny budget calls a server; a second client's call finishes the first one's work
// and gets its own.
static void tiny_budget_does_not_capture_a_server(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    create(OBJ_THREAD, 30, SLOT_TASK, THREAD_WORKER, 63, 0);
    create(OBJ_GATE, 31, 30, 1, 0, 0);
    struct thread *w = (struct thread *)cap_object(root_task->caps[30]);
    SYS(R, THREAD_CTL, 30, THREAD_START, 0x1000, 0x2000, 0);
    SYS(w, REPLY_WAIT, 0, 0, 0);
    struct thread *tiny = make_active(20, 20), *other = make_active(21, 10);
    budget(20, MS / 10, 1000 * MS);
    sleep_root();
    assert_ptr_equal(host_cpu.current, tiny);
    SYS(tiny, CALL, 31, 0xa, 0);
    assert_ptr_equal(host_cpu.current, w);
    run_for(MS); // its budget ends inside of the server
    assert_ptr_equal(host_cpu.current, other);
    SYS(other, CALL, 31, 0xb, 0);
    assert_ptr_equal(host_cpu.current, w); // helped out
    SYS(w, REPLY_WAIT, 0, 1, 0);
    assert_ptr_equal(host_cpu.current, w);
    assert_int_equal(w->regs.rsi, 0xb);
    SYS(w, REPLY_WAIT, 0, 2, 0);
    assert_ptr_equal(host_cpu.current, other);
    assert_int_equal(tiny->regs.rsi, 1); // its reply waits for its next period
    run_for(1000 * MS);
    assert_ptr_equal(host_cpu.current, other);
    assert_in_range(tiny->time, MS / 10, MS / 5 + MS / 10);
}

static void shares_by_weight(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    struct thread *a = make_active(20, 0), *b = make_active(21, 0), *c = make_active(22, 0);
    assert_int_equal(SYS(R, THREAD_CTL, 21, THREAD_WEIGHT, 128), OK);
    assert_int_equal(SYS(R, THREAD_CTL, 22, THREAD_WEIGHT, 192), OK);
    sleep_root();
    run_for(6000 * MS);
    uint64_t all = a->time + b->time + c->time;
    within_percent(a->time, all / 6, 2);
    within_percent(b->time, all / 3, 2);
    within_percent(c->time, all / 2, 2);
}

// What it ran before it had a budget is not of the budget.
static void budget_begins_full(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    make_active(21, 10);
    host_time += 1000 * MS; // root ran alone all this time
    assert_int_equal(SYS(R, THREAD_CTL, SLOT_THREAD, THREAD_BUDGET, 3 * MS, 10 * MS, SIGNAL, 3),
                     OK);
    run_for(29 * MS / 10);
    assert_ptr_equal(host_cpu.current, R);
    run_for(2 * MS / 10);
    assert_ptr_not_equal(host_cpu.current, R);
}

// A change of priority neither loses a thread that waits for its next period, nor gives it another
// budget.
static void priority_of_one_that_waits(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    struct thread *rt = make_active(20, 30);
    make_active(21, 10);
    budget(20, 3 * MS, 10 * MS);
    run_for(0);
    create(OBJ_SIGNAL, 45, 0, 0, 0, 0);
    SYS(R, WAIT, 45, 0, host_time + 5 * MS); // root is back when the budget is spent
    run_for(5 * MS);
    assert_ptr_equal(host_cpu.current, R);
    within_percent(rt->time, 3 * MS, 1);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_PRIORITY, 31), OK);
    SYS(R, WAIT, 45, 0, 0);
    run_for(49 * MS / 10);
    within_percent(rt->time, 3 * MS, 1);
    run_for(100 * MS);
    within_percent(rt->time, 33 * MS, 2);
}

// A thread that was kept from running for long does not make up for it: in no period more than one
// budget.
static void starved_thread_does_not_catch_up(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    struct thread *high = make_active(22, 35), *rt = make_active(20, 30),
                  *low = make_active(21, 10);
    SYS(R, THREAD_CTL, 22, THREAD_STOP, 0);
    budget(20, 3 * MS, 10 * MS);
    create(OBJ_SIGNAL, 45, 0, 0, 0, 0);
    SYS(R, THREAD_CTL, 22, THREAD_START, 0x1000, 0x2000, 0);
    SYS(R, WAIT, 45, 0, host_time + 16 * MS);
    run_for(16 * MS);
    assert_ptr_equal(host_cpu.current, R);
    within_percent(high->time, 16 * MS, 1);
    assert_int_equal(rt->time, 0);
    SYS(R, THREAD_CTL, 22, THREAD_STOP, 0);
    SYS(R, WAIT, 45, 0, 0);
    run_for(14 * MS); // the rest of one period and a whole one
    within_percent(rt->time, 6 * MS, 1);
    within_percent(low->time, 8 * MS, 1);
}

// One that joins the band beside a thread that ran alone in it, unaccounted, gets its share and no
// more.
static void newcomer_in_the_band(void **state)
{
    (void)state;
    struct thread *a = make_active(20, 0), *b = make_active(21, 0);
    create(OBJ_SIGNAL, 41, 0, 0, 0, 0);
    SYS(R, THREAD_CTL, 20, THREAD_STOP, 0);
    sleep_root();
    assert_ptr_equal(host_cpu.current, b);
    SYS(b, WAIT, 41, 0, 0);
    assert_int_equal(thread_ctl(a, THREAD_START, (uint64_t[6]){0x1000, 0x2000, 0}), OK);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, a);
    host_time += 5000 * MS; // no timer: it is alone
    SYS(a, RAISE, 41, 1);
    uint64_t a_before = a->time, b_before = b->time;
    run_for(1000 * MS);
    within_percent(a->time - a_before, 500 * MS, 3);
    within_percent(b->time - b_before, 500 * MS, 3);
}

// A long budget is no longer turn: equals take turns by the slice.
static void budget_is_no_slice(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, SIGNAL, 0, 0, 0, 0);
    create(OBJ_SIGNAL, 41, 0, 0, 0, 0);
    struct thread *b = make_active(21, 20), *a;
    create(OBJ_SIGNAL, 45, 0, 0, 0, 0);
    SYS(R, WAIT, 45, 0, host_time + MS);
    SYS(b, WAIT, 41, 0, 0);
    run_for(MS);
    assert_ptr_equal(host_cpu.current, R);
    a = make_active(20, 20);
    budget(20, 900 * MS, 1000 * MS);
    SYS(R, WAIT, 45, 0, 0);
    assert_ptr_equal(host_cpu.current, a);
    SYS(a, RAISE, 41, 1);
    run_for(100 * MS);
    assert_true(b->time > 30 * MS);
}

// A task hands out no priority above its own ceiling, whatever the ceiling of the thread's task.
static void ceilings(void **state)
{
    (void)state;
    make_active(20, 10);
    root_task->priority_max = 9;
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_PRIORITY, 10), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_PRIORITY, 9), OK);
    root_task->priority_max = 63;
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_TASK | 50 << 16, CAP_NONE, 0, 63), OK);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_THREAD | 51 << 16, 50, THREAD_ACTIVE, 30), OK);
    root_task->priority_max = 20;
    assert_int_equal(SYS(R, THREAD_CTL, 51, THREAD_PRIORITY, 21), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 51, THREAD_PRIORITY, 20), OK);
    assert_int_equal(SYS(R, THREAD_CTL, 51, THREAD_PRIORITY, PRIORITY_COUNT), ERR_ARG);
    root_task->priority_max = 63;
}

// Control of a thread is not control of its time: a vmm must not lift its own budget.
static void right_to_schedule(void **state)
{
    (void)state;
    make_active(20, 10);
    SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 21, RIGHT_CTRL);
    assert_int_equal(SYS(R, THREAD_CTL, 21, THREAD_BUDGET, 0, 0, CAP_NONE, 0), ERR_RIGHTS);
    assert_int_equal(SYS(R, THREAD_CTL, 21, THREAD_PRIORITY, 1), ERR_RIGHTS);
    assert_int_equal(SYS(R, THREAD_CTL, 21, THREAD_WEIGHT, 9), ERR_RIGHTS);
    assert_int_equal(SYS(R, THREAD_CTL, 21, THREAD_STOP, 0), OK);
    SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 22, RIGHT_CTRL | RIGHT_SCHEDULE);
    assert_int_equal(SYS(R, THREAD_CTL, 22, THREAD_BUDGET, 0, 0, CAP_NONE, 0), OK);
    SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 23, RIGHT_SCHEDULE);
    assert_int_equal(SYS(R, THREAD_CTL, 23, THREAD_WEIGHT, 9), ERR_RIGHTS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
    const struct CMUnitTest tests[] = {T(bad_budgets),
                                       T(thirty_percent),
                                       T(sleeper_gets_no_more),
                                       T(tiny_budget_does_not_capture_a_server),
                                       T(shares_by_weight),
                                       T(budget_begins_full),
                                       T(priority_of_one_that_waits),
                                       T(starved_thread_does_not_catch_up),
                                       T(newcomer_in_the_band),
                                       T(budget_is_no_slice),
                                       T(ceilings),
                                       T(right_to_schedule)};
    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
