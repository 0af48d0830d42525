// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c
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
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 0, 1, CAP_NONE, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, 2, SIGNAL, 64), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, 20, THREAD_BUDGET, 1, 2, SLOT_TASK, 0), ERR_CAP);
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
    const struct CMUnitTest tests[] = {T(bad_budgets), T(thirty_percent), T(sleeper_gets_no_more),
                                       T(tiny_budget_does_not_capture_a_server),
                                       T(shares_by_weight)};
    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
