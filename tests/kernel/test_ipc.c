// SPDX-License-Identifier: BSD-2-Clause
// Calls: messages, what registers hold afterwards (a register that carries no result must be 0:
// else it leaks the other side's value), on the fast path of entry.S and on the slow one, errors,
// helping, chains, cancellation.
#include "ktest.h"

enum {
    WORKER = T,
    GATE,
    TASK,
    SIGNAL,
    HELPER,
    GATE2,
    OTHER,
    READY,
    WORKER_N = T + 20,
    GATE_N = T + 40
};

#define BADGE 0x0badcafe12345678ull

// ---- one call, every register
static struct raw worker_raw, worker_saw;
static unsigned worker_calls;

static void raw_worker(uint64_t unused)
{
    (void)unused;
    raw_fill(&worker_raw, SYS_REPLY_WAIT, 0x77);
    for (;;) {
        raw_syscall(&worker_raw);
        worker_saw = worker_raw;
        worker_calls++;
        raw_fill(&worker_raw, SYS_REPLY_WAIT, 0x77);
        worker_raw.rflags = 0x8d7; // carry, parity, adjust, zero, sign, overflow
    }
}

// Registers that carry nothing, after a system call.
static void expect_clear(const struct raw *raw)
{
    EXPECT_EQ(raw->r[B], 0);
    EXPECT_EQ(raw->r[BP], 0);
    EXPECT_EQ(raw->r[14], 0);
    EXPECT_EQ(raw->r[15], 0);
    EXPECT_EQ(raw->r[C], (uint64_t)raw_return); // SYSRET takes it from there
    EXPECT_EQ(raw->rsp_after, raw->rsp_before);
}

static void one_call(uint64_t rflags)
{
    struct raw raw, sent;
    unsigned calls = worker_calls;

    raw_fill(&raw, SYS_CALL | GATE << 16, 0xc5);
    raw.rflags = rflags;
    sent = raw;
    raw_syscall(&raw);
    EXPECT_EQ(worker_calls, calls + 1);
    EXPECT_EQ(raw.r[A], OK);
    EXPECT_EQ(raw.r[DI], 0);
    expect_clear(&raw);
    EXPECT_EQ(raw.rflags, rflags);
    EXPECT_EQ(raw.r[11], rflags);
    EXPECT_EQ(worker_saw.r[A], OK);
    EXPECT_EQ(worker_saw.r[DI], BADGE);
    expect_clear(&worker_saw);
    for (unsigned i = 0; i < 7; i++) {
        EXPECT_EQ(worker_saw.r[raw_message[i]], sent.r[raw_message[i]]);
        EXPECT_EQ(raw.r[raw_message[i]], 0x77 * 0x0101010101010101 + raw_message[i] * 0x1111);
    }
}

static void calls(unsigned task, bool slow_caller, bool slow_worker)
{
    EXPECT_OK(thread_new(WORKER, task, THREAD_WORKER, 40, raw_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, BADGE));
    // A flag in the state word sends calls and replies to the slow path.
    EXPECT_OK(sys_thread_set(SLOT_THREAD, THREAD_FS_BASE, slow_caller ? 0x1000 : 0));
    EXPECT_OK(sys_thread_set(WORKER, THREAD_FS_BASE, slow_worker ? 0x2000 : 0));
    one_call(0x202); // the first finds the worker not ready: it is helped
    one_call(0x202);
    EXPECT_EQ(worker_saw.rflags, 0x2d7 | 0x800);
    one_call(0x2d7 | 0x800);   // all that arithmetic sets
    one_call(0x602);           // direction
    one_call(0x202 | 1 << 18); // alignment check
    one_call(0x202 | 1 << 21); // identification
    one_call(0x202 | 1 << 14); // nested task
    EXPECT_OK(sys_thread_set(SLOT_THREAD, THREAD_FS_BASE, 0));
}

static void t_fast(void)
{
    calls(SLOT_TASK, false, false);
}
static void t_slow_caller(void)
{
    calls(SLOT_TASK, true, false);
}
static void t_slow_worker(void)
{
    calls(SLOT_TASK, false, true);
}
static void t_slow_both(void)
{
    calls(SLOT_TASK, true, true);
}
static void t_other_task(void)
{
    EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
    calls(TASK, false, false);
}
static void t_other_task_slow(void)
{
    EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
    calls(TASK, true, true);
}

// ---- every system call leaves nothing behind, with an error too
static void t_registers(void)
{
    for (unsigned op = 0; op <= SYS_COUNT + 2; op++) {
        struct raw raw;
        if (op == SYS_YIELD || op == SYS_HW_CTL)
            continue; // below; and the machine goes on
        raw_fill(&raw, op | 0x1ffull << 16 | 0xabcdull << 48, 0x3c);
        raw.r[SI] = ~0ull;
        raw_syscall(&raw);
        EXPECT(raw.r[A] != OK && raw.r[A] < STATUS_COUNT);
        EXPECT_EQ(raw.r[DI], 0);
        for (unsigned i = 0; i < 7; i++)
            EXPECT_EQ(raw.r[raw_message[i]], 0);
        expect_clear(&raw);
        EXPECT_EQ(raw.rflags, 0x202);
    }
    struct raw raw;
    raw_fill(&raw, SYS_YIELD, 0x3c);
    raw_syscall(&raw);
    EXPECT_EQ(raw.r[A], OK);
    for (unsigned i = 0; i < 7; i++)
        EXPECT_EQ(raw.r[raw_message[i]], 0);
    expect_clear(&raw);
    raw_fill(&raw, SYS_TASK_CTL | SLOT_TASK << 16, 0x3c);
    raw.r[SI] = TASK_TIME;
    raw_syscall(&raw);
    EXPECT_EQ(raw.r[A], OK);
    EXPECT(raw.r[D] != 0);
    for (unsigned i = 2; i < 7; i++)
        EXPECT_EQ(raw.r[raw_message[i]], 0);
    expect_clear(&raw);
}

static void t_unknown(void)
{
    for (unsigned op = SYS_COUNT; op < 256; op++)
        EXPECT_STATUS(sys_invoke6((enum sys_op)op, SLOT_TASK, 0, 0, 0, 0, 0, 0, 0), ERR_ARG);
}

// ---- a worker that answers with sums
static void sum_worker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    for (;;) {
        if (sys_reply_wait(&m, &badge) != OK)
            continue;
        m = (struct message){m.label + 1,
                             {m.w[0] + m.w[1] + m.w[2] + m.w[3] + m.w[4] + m.w[5], badge}};
    }
}

static void t_errors(void)
{
    struct message m = {1, {2, 3, 4, 5, 6, 7}};
    uint64_t badge;

    EXPECT_STATUS(sys_call(T_END - 2, &m), ERR_CAP);
    EXPECT_STATUS(sys_call(CAP_SLOTS, &m), ERR_CAP);
    EXPECT_STATUS(sys_call(0xffff, &m), ERR_CAP);
    EXPECT_STATUS(sys_call(SLOT_TASK, &m), ERR_CAP);
    EXPECT_STATUS(sys_reply_wait(&m, &badge), ERR_STATE); // not a worker
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 40, sum_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0x100));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE2, WORKER, 0x200));
    m = (struct message){1, {2, 3, 4, 5, 6, 7}};
    EXPECT_OK(sys_call(GATE, &m));
    EXPECT_EQ(m.label, 2);
    EXPECT_EQ(m.w[0], 27);
    EXPECT_EQ(m.w[1], 0x100);
    EXPECT_OK(sys_call(GATE2, &m)); // the same worker, another badge
    EXPECT_EQ(m.w[1], 0x200);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, GATE, SLOT_TASK, OTHER, RIGHT_ALL & ~RIGHT_CALL));
    EXPECT_STATUS(sys_call(OTHER, &m), ERR_RIGHTS);
    EXPECT_OK(sys_destroy(GATE));
    EXPECT_STATUS(sys_call(GATE, &m), ERR_CAP);
    EXPECT_STATUS(sys_call(OTHER, &m), ERR_CAP); // stale
    EXPECT_OK(sys_destroy(WORKER));
    EXPECT_STATUS(sys_call(GATE2, &m), ERR_DEAD);
}

// ---- chains: worker n calls gate n + 1
static void chain_worker(uint64_t n)
{
    struct message m = {0};
    uint64_t badge;

    for (;;) {
        if (sys_reply_wait(&m, &badge) != OK)
            continue;
        uint64_t depth = m.w[0];
        if (depth > 1) {
            m.w[0] = depth - 1;
            m.w[1] = sys_call(GATE_N + (unsigned)n + 1, &m);
            m.label = m.w[1] == OK ? m.label : m.w[1]; // an error goes all the way up
        } else {
            m.label = OK;
        }
    }
}

static void t_depth(void)
{
    for (unsigned i = 0; i < CALL_DEPTH_MAX + 2; i++) {
        EXPECT_OK(thread_new(WORKER_N + i, SLOT_TASK, THREAD_WORKER, 40, chain_worker, i));
        EXPECT_OK(sys_create_gate(SLOT_POOL, GATE_N + i, WORKER_N + i, i));
    }
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t depth = 1; depth <= CALL_DEPTH_MAX + 1; depth++) {
            struct message m = {0, {depth}};
            EXPECT_OK(sys_call(GATE_N, &m));
            EXPECT_EQ(m.label, depth > CALL_DEPTH_MAX ? ERR_DEPTH : OK);
        }
}

// Two workers that call each other: the ring must end in an error, not in a kernel that goes round.
static void t_ring(void)
{
    for (unsigned i = 0; i < 2; i++)
        EXPECT_OK(thread_new(WORKER_N + i, SLOT_TASK, THREAD_WORKER, 40, chain_worker, i));
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(sys_create_gate(SLOT_POOL, GATE_N + i, WORKER_N + i % 2, i));
    struct message m = {0, {3}};
    EXPECT_OK(sys_call(GATE_N, &m));
    EXPECT_EQ(m.label, ERR_DEPTH);
    m = (struct message){0, {2}};
    EXPECT_OK(sys_call(GATE_N, &m)); // both are usable afterwards
    EXPECT_EQ(m.label, OK);
}

// ---- helping: a low thread's call holds the worker; a high one that calls lends its time to it
static volatile uint64_t work, order[8];
static volatile unsigned orders;

static void slow_worker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    for (;;) {
        if (sys_reply_wait(&m, &badge) != OK)
            continue;
        if (m.label) // tells that it is inside
            sys_raise(READY, 1);
        for (uint64_t i = 0; i < m.w[0]; i++)
            work++;
    }
}

static void low_caller(uint64_t loops)
{
    struct message m = {1, {loops}};

    order[orders++] = sys_call(GATE, &m) == OK ? 1 : 99;
}

static void spinner(uint64_t unused)
{
    (void)unused;
    for (;;)
        order[7]++;
}

static void t_helping(void)
{
    uint64_t bits;

    work = orders = 0;
    order[7] = 0;
    EXPECT_OK(sys_create_signal(SLOT_POOL, READY));
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 5, slow_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    EXPECT_OK(thread_new(OTHER, SLOT_TASK, THREAD_ACTIVE, 5, low_caller, 3000000));
    EXPECT_OK(
        sys_wait(READY, ktest_tsc() + ticks(1000000), &bits)); // the low one's call is in work now
    EXPECT_OK(
        thread_new(HELPER, SLOT_TASK, THREAD_ACTIVE, 10, spinner, 0)); // would starve the low one
    struct message m = {0, {5}};
    EXPECT_OK(sys_call(GATE, &m));
    EXPECT_EQ(work, 3000005); // the worker ran on this thread's time, before the spinner
    EXPECT_EQ(order[7], 0);
    EXPECT_EQ(orders, 0); // the low caller has its reply but not the CPU
    sys_destroy(HELPER);
    WAIT_UNTIL(orders == 1);
    EXPECT_EQ(order[0], 1);
}

// The worker sleeps inside a call: the one who calls meanwhile waits without running, others run.
static void sleeping_worker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge, bits;

    (void)unused;
    for (;;) {
        if (sys_reply_wait(&m, &badge) != OK)
            continue;
        m.w[1] = sys_wait(SIGNAL, m.w[0], &bits);
        m.w[0] = bits;
    }
}

static void caller(uint64_t deadline)
{
    struct message m = {0, {deadline}};
    enum status status = sys_call(GATE, &m);

    order[orders++] = status == OK ? 100 + m.w[1] : status;
}

static void blocked_setup(void)
{
    work = orders = 0;
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 20, sleeping_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    EXPECT_OK(thread_new(OTHER, SLOT_TASK, THREAD_ACTIVE, 20, caller, 0));
    WAIT_UNTIL(thread_report_of(WORKER) == REPORT_BLOCKED);
    EXPECT_OK(thread_new(HELPER, SLOT_TASK, THREAD_ACTIVE, 30, caller,
                         0)); // helps, and is blocked with it
    WAIT_UNTIL(thread_report_of(HELPER) == REPORT_BLOCKED);
    EXPECT_EQ(thread_report_of(WORKER), REPORT_BLOCKED);
    EXPECT_EQ(thread_report_of(OTHER), REPORT_BLOCKED);
}

static void t_blocked_worker(void)
{
    blocked_setup();
    sys_raise(SIGNAL, 1);
    WAIT_UNTIL(orders == 1);
    sys_raise(SIGNAL, 2);
    WAIT_UNTIL(orders == 2);
    EXPECT(order[0] == 100 && order[1] == 100);
}

static void t_cancel(void)
{
    blocked_setup();
    EXPECT_OK(sys_thread_set(HELPER, THREAD_CANCEL, 0)); // a helper
    WAIT_UNTIL(orders == 1);
    EXPECT_EQ(order[0], ERR_CANCELLED);
    EXPECT_OK(sys_thread_set(OTHER, THREAD_CANCEL,
                             0)); // the caller: the worker goes on, its reply is dropped
    WAIT_UNTIL(orders == 2);
    EXPECT_EQ(order[1], ERR_CANCELLED);
    sys_raise(SIGNAL, 1);
    sleep_us(500);
    struct message m = {0, {1}}; // a deadline in the past
    EXPECT_OK(sys_call(GATE, &m));
    EXPECT_EQ(m.w[1], ERR_TIMEOUT);
    // A cancelled worker
    EXPECT_OK(sys_thread_set(HELPER, THREAD_PRIORITY, 20));
    EXPECT_OK(sys_thread_start(HELPER, (uint64_t)caller, stack_new(), 0));
    WAIT_UNTIL(thread_report_of(HELPER) == REPORT_BLOCKED);
    EXPECT_EQ(thread_report_of(WORKER), REPORT_BLOCKED);
    EXPECT_OK(sys_thread_set(WORKER, THREAD_CANCEL, 0));
    WAIT_UNTIL(orders == 3);
    EXPECT_EQ(order[2], 100 + ERR_CANCELLED);
}

void tests_ipc(void)
{
    ktest_run("ipc/fast-path", t_fast);
    ktest_run("ipc/slow-caller", t_slow_caller);
    ktest_run("ipc/slow-worker", t_slow_worker);
    ktest_run("ipc/slow-both", t_slow_both);
    ktest_run("ipc/other-task", t_other_task);
    ktest_run("ipc/other-task-slow", t_other_task_slow);
    ktest_run("ipc/registers-cleared", t_registers);
    ktest_run("ipc/unknown-calls", t_unknown);
    ktest_run("ipc/errors", t_errors);
    ktest_run("ipc/depth", t_depth);
    ktest_run("ipc/ring", t_ring);
    ktest_run("ipc/helping", t_helping);
    ktest_run("ipc/blocked-worker", t_blocked_worker);
    ktest_run("ipc/cancel", t_cancel);
}
