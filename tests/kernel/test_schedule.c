// SPDX-License-Identifier: BSD-2-Clause
// Scheduling: order by priority, turns and time slices within one, donation, timers.
#include "ktest.h"

enum { A_ = T, B_, C_, SIGNAL, WORKER, GATE, N = T + 20 };

static volatile uint64_t counters[8];
static volatile unsigned log_order[32];
static volatile unsigned logged;

static void spin(uint64_t n)
{
    for (;;)
        counters[n]++;
}

static void note(uint64_t n)
{
    log_order[logged++ & 31] = (unsigned)n;
}

static void t_priority(void)
{
    static const unsigned priorities[] = {7, 30, 2, 59, 0, 30, 12};
    static const unsigned expected[] = {3, 1, 5, 6, 0, 2, 4}; // of equal priority: first come

    logged = 0;
    for (unsigned i = 0; i < 7; i++)
        EXPECT_OK(thread_new(N + i, SLOT_TASK, THREAD_ACTIVE, priorities[i], note, i));
    EXPECT_EQ(logged, 0); // all are below this one
    WAIT_UNTIL(logged == 7);
    for (unsigned i = 0; i < 7; i++)
        EXPECT_EQ(log_order[i], expected[i]);
    EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 61, note, 9));
    EXPECT_EQ(logged, 8); // at once
    // A change of priority takes effect at once.
    logged = 0;
    EXPECT_OK(thread_new(B_, SLOT_TASK, THREAD_ACTIVE, 5, note, 10));
    EXPECT_EQ(logged, 0);
    EXPECT_OK(sys_thread_set(B_, THREAD_PRIORITY, 61));
    EXPECT_EQ(logged, 1);
}

static void t_starve(void)
{
    counters[0] = counters[1] = 0;
    EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 20, spin, 0));
    EXPECT_OK(thread_new(B_, SLOT_TASK, THREAD_ACTIVE, 10, spin, 1));
    sleep_us(30000);
    EXPECT(counters[0] != 0);
    EXPECT_EQ(counters[1], 0); // strict priorities
    EXPECT_OK(sys_thread_set(B_, THREAD_PRIORITY, 21));
    uint64_t before = counters[0];
    WAIT_UNTIL(counters[1] != 0);
    before = counters[0];
    sleep_us(20000);
    EXPECT_EQ(counters[0], before);
}

static void t_slices(void)
{
    counters[0] = counters[1] = counters[2] = 0;
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(thread_new(N + i, SLOT_TASK, THREAD_ACTIVE, 10, spin, i));
    sleep_us(300000); // ten turns each
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(sys_destroy(N + i));
    uint64_t all = counters[0] + counters[1] + counters[2];
    for (unsigned i = 0; i < 3; i++)
        EXPECT(counters[i] > all / 6 && counters[i] < all / 2);
    if (counters[0] <= all / 6 || counters[1] <= all / 6 || counters[2] <= all / 6)
        ktest_log("%lu %lu %lu", counters[0], counters[1], counters[2]);
}

// Others that come and go often must not keep a spinning thread's equal from its turn.
static void sleeper(uint64_t period)
{
    uint64_t bits;

    for (;;) {
        counters[3]++;
        sys_wait(SIGNAL, ktest_tsc() + period, &bits);
    }
}

static void t_slices_disturbed(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    counters[0] = counters[1] = counters[3] = 0;
    EXPECT_OK(thread_new(C_, SLOT_TASK, THREAD_ACTIVE, 30, sleeper, ticks(500)));
    for (unsigned i = 0; i < 2; i++)
        EXPECT_OK(thread_new(N + i, SLOT_TASK, THREAD_ACTIVE, 10, spin, i));
    sleep_us(200000);
    for (unsigned i = 0; i < 2; i++)
        EXPECT_OK(sys_destroy(N + i));
    EXPECT(counters[3] > 10);
    EXPECT(counters[0] > counters[1] / 4 && counters[1] > counters[0] / 4);
    if (!(counters[0] > counters[1] / 4 && counters[1] > counters[0] / 4))
        ktest_log("%lu %lu", counters[0], counters[1]);
}

static void yielder(uint64_t n)
{
    for (unsigned i = 0; i < 5; i++) {
        note(n);
        sys_yield();
    }
}

static void t_yield(void)
{
    logged = 0;
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(thread_new(N + i, SLOT_TASK, THREAD_ACTIVE, 10, yielder, i));
    WAIT_UNTIL(logged == 15);
    for (unsigned i = 0; i < 15; i++)
        EXPECT_EQ(log_order[i], i % 3);
    sys_yield(); // alone at its priority: comes straight back
}

// A worker runs with its caller's priority, not its own: what is between them must wait.
static void work(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    for (;;)
        if (sys_reply_wait(&m, &badge) == OK) {
            if (m.label)
                EXPECT_OK(thread_new(B_, SLOT_TASK, THREAD_ACTIVE, 50, note,
                                     50)); // above the worker's own
            note(m.w[0]);
        }
}

static void low_call(uint64_t label)
{
    struct message m = {label, {20}};

    sys_call(GATE, &m);
    note(21);
}

static void t_donation(void)
{
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 1, work, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    logged = 0;
    struct message m = {1, {60}};
    EXPECT_OK(sys_call(GATE, &m));
    EXPECT(logged == 1 && log_order[0] == 60);
    WAIT_UNTIL(logged == 2);
    EXPECT_EQ(log_order[1], 50);
    sys_destroy(B_);
    sys_cap_drop(SLOT_TASK, B_);
    // and the other way round: a high worker on a low caller's time is interrupted by what is above
    // the caller
    logged = 0;
    EXPECT_OK(sys_thread_set(WORKER, THREAD_PRIORITY, 60));
    EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 20, low_call, 1));
    WAIT_UNTIL(logged == 3);
    EXPECT_EQ(log_order[0], 50);
    EXPECT_EQ(log_order[1], 20);
    EXPECT_EQ(log_order[2], 21);
    // Time is charged to the caller's task.
    uint64_t before, after;
    EXPECT_OK(sys_task_time(SLOT_TASK, &before, NULL));
    m = (struct message){0, {1}};
    EXPECT_OK(sys_call(GATE, &m));
    EXPECT_OK(sys_task_time(SLOT_TASK, &after, NULL));
    EXPECT(after >= before);
}

// ---- timers
static uint64_t base_time;
static volatile uint64_t woken[16];

static void timed(uint64_t n)
{
    static const uint8_t position[8] = {5, 2, 7, 0, 3, 6, 1, 4};
    uint64_t bits, deadline = base_time + ticks(3000 + 1500 * position[n]);

    sys_wait(N + 20 + (unsigned)n, deadline, &bits);
    woken[n] = ktest_tsc() - deadline; // wraps when early
    note(position[n]);
}

static void t_timers(void)
{
    logged = 0;
    base_time = ktest_tsc();
    for (unsigned i = 0; i < 8; i++) {
        woken[i] = ~0ull;
        EXPECT_OK(sys_create_signal(SLOT_POOL, N + 20 + i));
        EXPECT_OK(thread_new(N + i, SLOT_TASK, THREAD_ACTIVE, 40, timed, i));
    }
    WAIT_UNTIL(logged == 8);
    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(log_order[i], i);          // by deadline, not by creation
        EXPECT(woken[i] < boot->tsc_hz / 4); // not early; an emulator on a busy machine may be late
    }
}

// A deadline further away than the timer's counter reaches, and one that is never.
static void t_far_deadlines(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    counters[3] = 0;
    EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 61, sleeper, UINT64_MAX / 2));
    EXPECT_EQ(thread_report_of(A_), REPORT_BLOCKED);
    sleep_us(1000);
    EXPECT_EQ(counters[3], 1);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(counters[3], 2);
}

void tests_schedule(void)
{
    ktest_run("schedule/priority", t_priority);
    ktest_run("schedule/strict", t_starve);
    ktest_run("schedule/slices", t_slices);
    ktest_run("schedule/slices-disturbed", t_slices_disturbed);
    ktest_run("schedule/yield", t_yield);
    ktest_run("schedule/donation", t_donation);
    ktest_run("schedule/timers", t_timers);
    ktest_run("schedule/far-deadlines", t_far_deadlines);
}
