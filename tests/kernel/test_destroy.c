// SPDX-License-Identifier: BSD-2-Clause
// Destruction of everything while it is in use: each other party gets its error, nothing is lost,
// and all memory comes back.
#include "ktest.h"

enum {
    A_ = T,
    B_,
    WORKER,
    GATE,
    SIGNAL,
    TASK,
    MEM,
    POOL,
    POOL_MEM,
    READY,
    C_,
    INNER,
    INNER_MEM,
    GUEST,
    VCPU,
    N = T + 20
};

static volatile uint64_t result[8];
static volatile unsigned results;

// ---- parties of a call
static void blocked_worker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge, bits;

    (void)unused;
    for (;;)
        if (sys_reply_wait(&m, &badge) == OK) {
            m.w[1] = sys_wait(SIGNAL, 0, &bits);
            m.w[0] = bits;
        }
}

static void caller(uint64_t n)
{
    struct message m = {0, {n}};

    result[n] = sys_call(GATE, &m);
    results++;
}

// A worker that sleeps inside of A's call, which B helps.
static void call_setup(unsigned task)
{
    results = 0;
    result[1] = result[2] = 99;
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(thread_new(WORKER, task, THREAD_WORKER, 61, blocked_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    if (task != SLOT_TASK) {
        give(task, SIGNAL, SIGNAL, RIGHT_ALL);
        give(task, GATE, GATE, RIGHT_ALL);
    }
    EXPECT_OK(thread_new(A_, task, THREAD_ACTIVE, 61, caller, 1));
    EXPECT_OK(thread_new(B_, task, THREAD_ACTIVE, 62, caller, 2));
    EXPECT_EQ(thread_report_of(A_), REPORT_BLOCKED);
    EXPECT_EQ(thread_report_of(B_), REPORT_BLOCKED);
    EXPECT_EQ(thread_report_of(WORKER), REPORT_BLOCKED);
}

static void t_worker(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_destroy(WORKER));
    EXPECT_EQ(results, 2);
    EXPECT_STATUS(result[1], ERR_DEAD);
    EXPECT_STATUS(result[2], ERR_DEAD);
    struct message m = {0};
    EXPECT_STATUS(sys_call(GATE, &m), ERR_DEAD);
}

static void t_gate(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(
        sys_destroy(GATE)); // the call that is served goes on; who waits for the gate does not
    EXPECT_EQ(results, 1);
    EXPECT_STATUS(result[2], ERR_DEAD);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(results, 2);
    EXPECT_STATUS(result[1], OK);
}

static void t_revoked_gate(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_revoke(GATE)); // one who waits in line holds a capability of before
    sleep_us(300);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(results, 2);
    EXPECT_STATUS(result[1], OK);
    EXPECT_STATUS(result[2], ERR_DEAD);
}

static void t_caller(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_destroy(A_)); // the worker ends on its own; the helper's turn comes
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(thread_report_of(B_), REPORT_BLOCKED);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(results, 1);
    EXPECT_STATUS(result[2], OK);
}

static void t_helper(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_destroy(B_));
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(results, 1);
    EXPECT_STATUS(result[1], OK);
    struct message m = {0};
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_OK(sys_call(GATE, &m));
}

static void t_signal(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_destroy(SIGNAL)); // the worker's wait fails, its calls end
    EXPECT_EQ(results, 2);
    EXPECT(result[1] == OK && result[2] == OK);
}

static void t_stopped_worker(void)
{
    call_setup(SLOT_TASK);
    EXPECT_OK(sys_thread_set(WORKER, THREAD_STOP, 0));
    EXPECT_EQ(results, 0); // a stopped worker may go on: callers wait
    EXPECT_OK(sys_thread_start(WORKER, (uint64_t)blocked_worker, stack_new(),
                               0)); // anew: the call is lost
    EXPECT_EQ(results, 1);
    EXPECT_STATUS(result[1], ERR_DEAD);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT_EQ(results, 2);
    EXPECT_STATUS(result[2], OK);
}

// A worker that faults inside of a call: the caller waits until somebody repairs, restarts or
// destroys it.
static void faulting_worker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    sys_reply_wait(&m, &badge);
    __builtin_trap();
}

static void t_faulted_worker(void)
{
    results = 0;
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 61, faulting_worker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 61, caller, 1));
    EXPECT_EQ(thread_report_of(WORKER), REPORT_FAULTED);
    EXPECT_EQ(results, 0);
    EXPECT_EQ(thread_report_of(A_), REPORT_BLOCKED);
    EXPECT_OK(sys_destroy(WORKER));
    EXPECT_EQ(results, 1);
    EXPECT_STATUS(result[1], ERR_DEAD);
}

// ---- a task with all that it has, while its threads run and call each other
static void t_task(void)
{
    for (unsigned round = 0; round < 5; round++) {
        EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
        call_setup(TASK);
        EXPECT_OK(ram_new(MEM, 0, 64 * PAGE));
        EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, 64 * PAGE, MAP_READ | MAP_WRITE));
        EXPECT_OK(sys_thread_set(A_, THREAD_FPU, 1));
        EXPECT_OK(sys_destroy(TASK));
        EXPECT_STATUS(sys_thread_set(A_, THREAD_STOP, 0), ERR_CAP);
        EXPECT_STATUS(sys_thread_set(WORKER, THREAD_STOP, 0), ERR_CAP);
        EXPECT_OK(sys_raise(SIGNAL, 1)); // not the task's: it lives
        struct message m = {0};
        EXPECT_STATUS(sys_call(GATE, &m), ERR_DEAD);
        EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, 64 * PAGE, MAP_READ));
        EXPECT_OK(sys_destroy(MEM));
        EXPECT_OK(sys_destroy(GATE));
        EXPECT_OK(sys_destroy(SIGNAL));
        for (unsigned slot = T; slot < T + 20; slot++)
            sys_cap_drop(SLOT_TASK, slot);
    }
}

// A running thread of lower priority, whose address space is the one that is loaded when it is
// preempted.
static void spin(uint64_t n)
{
    for (;;)
        result[n]++;
}

static void t_running_task(void)
{
    for (unsigned round = 0; round < 5; round++) {
        EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
        EXPECT_OK(thread_new(A_, TASK, THREAD_ACTIVE, 5, spin, 3));
        result[3] = 0;
        WAIT_UNTIL(result[3] != 0);
        EXPECT_OK(sys_destroy(TASK));
        uint64_t before = result[3];
        sleep_us(300); // idle, without the dead task's tables
        EXPECT_EQ(result[3], before);
        EXPECT_OK(sys_cap_drop(SLOT_TASK, A_));
    }
}

// ---- memory that is mapped, in a task and in itself
static void t_mem(void)
{
    EXPECT_OK(ram_new(MEM, 0, 512 * PAGE));
    EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
    EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, 512 * PAGE, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_create_mem(SLOT_POOL, INNER_MEM, ram_slot, ram_offset + 0x400000, 16 * PAGE));
    EXPECT_OK(sys_create_mem(SLOT_POOL, C_, INNER_MEM, 0, 8 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, INNER, C_, 5));
    EXPECT_OK(sys_create_signal(INNER, SIGNAL));
    EXPECT_OK(thread_new(A_, TASK, THREAD_ACTIVE, 61, probe_read, VIEW));
    EXPECT_OK(sys_destroy(MEM));
    struct fault f = probe(TASK, probe_read, VIEW);
    EXPECT(!f.ended && f.vector == 14);
    EXPECT_OK(sys_destroy(INNER_MEM)); // with the child, the pool in it and what lives there
    EXPECT_STATUS(sys_raise(SIGNAL, 1), ERR_CAP);
    EXPECT_STATUS(sys_destroy(INNER), ERR_CAP);
    EXPECT_STATUS(sys_destroy(C_), ERR_CAP);
}

// ---- a whole compartment
static void t_pool(void)
{
    uint64_t pages = 0;

    for (unsigned round = 0; round < 10; round++) {
        EXPECT_OK(ram_new(POOL_MEM, 0x1000000, 256 * PAGE));
        EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, POOL_MEM, 60));
        EXPECT_OK(ram_new(MEM, 0, 512 * PAGE));
        EXPECT_OK(sys_create_signal(POOL, SIGNAL));
        EXPECT_OK(task_new(TASK, POOL, SIGNAL, 0, true));
        EXPECT_OK(sys_map(TASK, MEM, 0, VIEW + PAGE, 400 * PAGE, MAP_READ | MAP_WRITE));
        EXPECT_OK(sys_create_thread(POOL, WORKER, TASK, THREAD_WORKER, 0, 61));
        EXPECT_OK(sys_create_gate(POOL, GATE, WORKER, 5));
        give(TASK, SIGNAL, SIGNAL, RIGHT_ALL);
        give(TASK, GATE, GATE, RIGHT_ALL);
        give(TASK, POOL, POOL, RIGHT_ALL);
        EXPECT_OK(sys_thread_start(WORKER, (uint64_t)blocked_worker, stack_new(), 0));
        EXPECT_OK(sys_create_thread(POOL, A_, TASK, THREAD_ACTIVE, 0, 61));
        EXPECT_OK(sys_thread_start(A_, (uint64_t)caller, stack_new(), 1));
        EXPECT_OK(sys_create_thread(POOL, B_, TASK, THREAD_ACTIVE, 0, 5));
        EXPECT_OK(sys_thread_set(B_, THREAD_FPU, 1));
        EXPECT_OK(sys_thread_start(B_, (uint64_t)spin, stack_new(), 4));
        EXPECT_OK(sys_create_irq(POOL, READY, SLOT_HW, 7, SIGNAL, 5));
        EXPECT_OK(sys_create_mem(POOL, C_, MEM, 500 * PAGE, 12 * PAGE));
        EXPECT_OK(sys_create_pool(POOL, INNER, C_, 5));
        EXPECT_OK(sys_create_signal(INNER, N));
        if (boot->virt != VIRT_NONE) {
            EXPECT_OK(sys_create_guest(POOL, GUEST));
            EXPECT_OK(sys_map(GUEST, MEM, 0, 0, 256 * PAGE, MAP_READ | MAP_WRITE | MAP_EXEC));
            EXPECT_OK(sys_create_vcpu(POOL, VCPU, TASK, 0, 5, GUEST, VIEW2));
            EXPECT_OK(sys_vcpu_bind(VCPU, SIGNAL));
        }
        sleep_us(300);
        EXPECT_OK(sys_destroy(POOL));
        EXPECT_STATUS(sys_raise(SIGNAL, 1), ERR_CAP);
        EXPECT_STATUS(sys_destroy(GUEST), ERR_CAP);
        EXPECT_OK(
            sys_create_irq(SLOT_POOL, N + 1, SLOT_HW, 7, S_NEVER, 5)); // its line is free again
        EXPECT_OK(sys_destroy(N + 1));
        EXPECT_OK(sys_destroy(MEM));
        EXPECT_OK(sys_destroy(POOL_MEM));
        for (unsigned slot = T; slot < T + 30; slot++)
            sys_cap_drop(SLOT_TASK, slot);
        if (round > 1)
            EXPECT_EQ(pages_free(SLOT_POOL), pages);
        pages = pages_free(SLOT_POOL);
    }
}

// ---- a thread that destroys what it stands on
static void destroyer(uint64_t slot)
{
    sys_destroy((unsigned)slot);
    result[5] = 1; // must not be reached
    for (;;)
        ;
}

static void t_self(void)
{
    static const unsigned victims[] = {A_, TASK, POOL, POOL_MEM};

    for (unsigned i = 0; i < 4; i++) {
        uint64_t bits;
        result[5] = 0;
        EXPECT_OK(ram_new(POOL_MEM, 0x1000000, 64 * PAGE));
        EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, POOL_MEM, 10));
        EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
        EXPECT_OK(task_new(TASK, POOL, SIGNAL, 0, true));
        EXPECT_OK(sys_create_thread(POOL, A_, TASK, THREAD_ACTIVE, 0, i & 1 ? 61 : 40));
        give(TASK, victims[i], victims[i], RIGHT_ALL);
        EXPECT_OK(sys_thread_start(A_, (uint64_t)destroyer, stack_new(), victims[i]));
        WAIT_UNTIL(thread_report_of(A_) == ~0u);
        EXPECT_EQ(result[5], 0);
        EXPECT_STATUS(sys_poll(SIGNAL, &bits), ERR_TIMEOUT);
        if (victims[i] == A_) {
            EXPECT(probe(TASK, probe_read, (uint64_t)&result).ended); // the task is whole
            sys_destroy(PROBE);
        }
        sys_destroy(POOL_MEM);
        sys_destroy(SIGNAL);
        for (unsigned slot = T; slot < T + 20; slot++)
            sys_cap_drop(SLOT_TASK, slot);
    }
}

// A worker destroys its caller's task, or its own, in the middle of the call.
static void destroying_worker(uint64_t slot)
{
    struct message m = {0};
    uint64_t badge;

    sys_reply_wait(&m, &badge);
    sys_destroy((unsigned)slot);
    result[6] = 1;
    sys_reply_wait(&m, &badge);
    for (;;)
        ;
}

static void t_in_call(void)
{
    for (unsigned own = 0; own < 2; own++) {
        result[1] = 99;
        result[6] = 0;
        results = 0;
        EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
        EXPECT_OK(task_new(C_, SLOT_POOL, CAP_NONE, 0, true));
        EXPECT_OK(thread_new(WORKER, TASK, THREAD_WORKER, 61, destroying_worker, own ? TASK : C_));
        EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
        give(TASK, own ? TASK : C_, own ? TASK : C_, RIGHT_ALL);
        give(C_, GATE, GATE, RIGHT_ALL);
        EXPECT_OK(thread_new(A_, C_, THREAD_ACTIVE, 61, caller, 1));
        for (unsigned i = 0; i < 500 && !(own ? results : result[6]); i++)
            sleep_us(300); // other CPUs take part in it
        sleep_us(300);
        if (own) {
            EXPECT_EQ(results, 1);
            EXPECT_STATUS(result[1], ERR_DEAD);
            EXPECT_EQ(result[6], 0);
        } else {
            EXPECT_EQ(results, 0);
            EXPECT_EQ(result[6], 1);
            EXPECT_EQ(thread_report_of(A_), ~0u);
            EXPECT_EQ(thread_report_of(WORKER), REPORT_BLOCKED); // it waits for the next call
        }
        for (unsigned slot = T; slot < T + 20; slot++) {
            sys_destroy(slot);
            sys_cap_drop(SLOT_TASK, slot);
        }
    }
}

// A large pool is destroyed in steps; a thread of higher priority runs in between, and destroys it,
// too.
static volatile unsigned second;

static void second_destroyer(uint64_t deadline)
{
    uint64_t bits;

    sys_wait(READY, deadline, &bits);
    second = 1 + sys_destroy(TASK);
}

static void t_twice(void)
{
    for (unsigned round = 0; round < 10; round++) {
        second = 0;
        EXPECT_OK(sys_create_signal(SLOT_POOL, READY));
        EXPECT_OK(ram_new(MEM, 0, 0x1800000));
        EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
        EXPECT_OK(sys_map(TASK, MEM, 0, VIEW + PAGE, 0x1800000, MAP_READ)); // in small pages
        EXPECT_OK(thread_new(A_, SLOT_TASK, THREAD_ACTIVE, 61, second_destroyer,
                             ktest_tsc() + ticks(30 + 20 * round)));
        enum status status = sys_destroy(TASK);
        EXPECT(status == OK || status == ERR_CAP);
        WAIT_UNTIL(second != 0);
        EXPECT(second == 1 + OK || second == 1 + ERR_CAP);
        EXPECT_STATUS(sys_destroy(TASK), ERR_CAP);
        sys_destroy(READY);
        sys_destroy(MEM);
        sys_destroy(A_);
        for (unsigned slot = T; slot < T + 20; slot++)
            sys_cap_drop(SLOT_TASK, slot);
    }
}

void tests_destroy(void)
{
    ktest_run("destroy/worker", t_worker);
    ktest_run("destroy/gate", t_gate);
    ktest_run("destroy/revoked-gate", t_revoked_gate);
    ktest_run("destroy/caller", t_caller);
    ktest_run("destroy/helper", t_helper);
    ktest_run("destroy/signal", t_signal);
    ktest_run("destroy/stopped-worker", t_stopped_worker);
    ktest_run("destroy/faulted-worker", t_faulted_worker);
    ktest_run("destroy/task", t_task);
    ktest_run("destroy/running-task", t_running_task);
    ktest_run("destroy/mem", t_mem);
    ktest_run("destroy/pool", t_pool);
    ktest_run("destroy/self", t_self);
    ktest_run("destroy/in-call", t_in_call);
    ktest_run("destroy/twice", t_twice);
}
