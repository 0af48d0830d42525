// SPDX-License-Identifier: BSD-2-Clause
// links: tests/invariants/check.c tests/invariants/check_thread.c kernel/cpu.c kernel/heap.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c
// Races between CPUs, one exact interleaving each: threads that are in a system call away from
// home, or on their way; an inbox that is not empty when a round is answered.
#define HOST_CPUS 3
#include "kernel_host.h"

static struct thread *make(enum thread_kind kind, unsigned cpu, unsigned priority)
{
    struct thread *t;

    assert_int_equal(thread_create(&boot_pool, root_task, kind, cpu, priority, &t), OK);
    return t;
}

static void start(struct thread *t)
{
    uint64_t words[6] = {0x400000, 0x500000, 0};

    host_now = t->cpu->number;
    assert_int_equal(thread_ctl(t, THREAD_START, words), OK);
    run_scheduler();
    host_now = 0;
}

static void give(unsigned slot, struct object *object)
{
    root_task->caps[slot] = object_cap(object, RIGHT_ALL);
}

static void on(unsigned cpu)
{
    host_now = cpu;
}

// Takes what was sent to this CPU, and goes on with whoever is most urgent.
static void interrupt_and_run(unsigned cpu)
{
    on(cpu);
    host_interrupt();
    run_scheduler();
}

// A worker and its caller on CPU 1. The worker is away on CPU 0, where it was preempted in a call.
static void revoke_while_worker_is_away(void **state)
{
    (void)state;
    struct thread *worker = make(THREAD_WORKER, 1, 10), *caller = make(THREAD_ACTIVE, 1, 10);
    struct gate *gate;

    assert_int_equal(gate_create(&boot_pool, worker, 7, &gate), OK);
    give(20, &gate->obj);
    start(worker);
    on(1);
    sys_raw(worker, SYS_REPLY_WAIT, 0, 0, (uint64_t[6]){0});
    start(caller);
    on(1);
    sys_raw(caller, SYS_CALL, 20, 0, (uint64_t[6]){0});
    assert_ptr_equal(host_cpu.current, worker);
    sys_raw(worker, SYS_CAP_DROP, SLOT_TASK, 0, (uint64_t[6]){30});
    assert_ptr_equal(worker->cpu, &host_cpus[0]);
    assert_ptr_equal(caller->waits_for, worker); // it waits at home
    on(0);
    host_interrupt(); // the worker arrives; root is more urgent
    assert_int_equal(SYS(root_thread, REVOKE, 20, 0, 0), OK);
    assert_false(caller->queued);
    assert_null(host_cpus[0].released.root);
    assert_int_equal(host_cpus[1].ready_bitmap, 0);
}

// More signals than one interrupt takes, and one more, which is destroyed: its first round must
// not be answered while it stands in the inbox.
static void round_waits_for_the_inbox(void **state)
{
    (void)state;
    struct signal *signals[9];
    struct thread *waiters[9];

    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(object_create(&boot_pool, OBJ_SIGNAL, sizeof(struct signal), &signals[i]),
                         OK);
        give(20 + i, &signals[i]->obj);
        waiters[i] = make(THREAD_ACTIVE, 1, 10 + i);
        start(waiters[i]);
        on(1);
        sys_raw(waiters[i], SYS_WAIT, 20 + i, 0, (uint64_t[6]){0});
    }
    on(0);
    for (unsigned i = 0; i < 8; i++)
        signal_raise(signals[i], 1);
    on(1);
    host_interrupt(); // four of them
    assert_non_null(host_cpus[1].taken);
    on(0);
    signal_raise(signals[8], 1);
    sys_raw(root_thread, SYS_DESTROY, 28, 0, (uint64_t[6]){0});
    assert_int_equal(signals[8]->obj.dying, 1);
    on(2);
    host_interrupt();
    on(1);
    host_interrupt(); // the other four
    on(0);
    host_interrupt();
    assert_true(signals[8]->obj.dying == 1 || !signals[8]->obj.inbox);
}

// A CPU whose band of priority 0 has run for long must not leave its time to those who only visit.
static void virtual_time_stays_at_home(void **state)
{
    (void)state;
    struct thread *t = make(THREAD_ACTIVE, 1, 0);

    host_cpus[0].fair_time = 1ull << 40;
    host_cpus[1].fair_time = 1000;
    start(t);
    on(1);
    sys_raw(t, SYS_CAP_DROP, SLOT_TASK, 0, (uint64_t[6]){30});
    on(0);
    host_interrupt();
    assert_true(t->virtual_time >= 1ull << 40);
    sys_raw(root_thread, SYS_THREAD_CTL, SLOT_THREAD, THREAD_STOP, (uint64_t[6]){0});
    assert_ptr_equal(t->cpu, &host_cpus[1]);
    interrupt_and_run(1);
    assert_ptr_equal(host_cpu.current, t);
    assert_true(t->virtual_time < 1000000);
    on(1);
    sys_raw(t, SYS_THREAD_CTL, SLOT_THREAD, THREAD_CPU, (uint64_t[6]){0});
}

// Its priority is lent to a worker that goes elsewhere only by a donor that has no budget: that
// could not be charged there.
static void no_priority_without_the_budget(void **state)
{
    for (uint64_t budget = 0; budget <= 10000; budget += 10000) {
        kernel_teardown(state);
        kernel_setup(state);
        struct thread *worker = make(THREAD_WORKER, 1, 5), *caller = make(THREAD_ACTIVE, 1, 30);
        struct gate *gate;
        assert_int_equal(gate_create(&boot_pool, worker, 7, &gate), OK);
        give(20, &gate->obj);
        start(worker);
        on(1);
        sys_raw(worker, SYS_REPLY_WAIT, 0, 0, (uint64_t[6]){0});
        start(caller);
        on(1);
        sched_budget(caller, budget, budget * 10, 0, 0);
        sys_raw(caller, SYS_CALL, 20, 0, (uint64_t[6]){0});
        assert_ptr_equal(host_cpu.current, worker);
        sys_raw(worker, SYS_CAP_DROP, SLOT_TASK, 0, (uint64_t[6]){30});
        on(0);
        host_interrupt();
        assert_true(worker->queued);
        assert_int_equal(worker->level, budget ? 5 : 30);
    }
}

// It sleeps until all CPUs have flushed; what cancels it then counts for its next blocking call.
static void cancel_of_a_parked_thread(void **state)
{
    (void)state;
    struct thread *t = make(THREAD_ACTIVE, 1, 10);

    give(21, &t->obj);
    start(t);
    t->state = STATE_PARKED | (t->state & ~STATE_MASK);
    uint64_t words[6] = {0};
    on(1);
    assert_int_equal(thread_ctl(t, THREAD_CANCEL, words), OK);
    assert_true(t->state & FLAG_CANCEL);
}

// Between the stores of thread_move `cpu` says already that it is the new CPU's.
static void no_control_of_a_moving_thread(void **state)
{
    (void)state;
    struct thread *t = make(THREAD_WORKER, 1, 10);

    give(21, &t->obj);
    t->state = STATE_PARKED;
    t->cpu = &host_cpus[0];
    on(0);
    for (unsigned op = THREAD_START; op <= THREAD_FPU; op++)
        assert_int_equal(SYS(root_thread, THREAD_CTL, 21, op, 0), ERR_BUSY);
    assert_int_equal(t->state, STATE_PARKED);
    t->cpu = &host_cpus[1];
    t->state = STATE_STOPPED;
}

// The capability is replaced at the moment when thread_ctl has found out where to go.
static struct thread *other;
static unsigned looks;
static void replace(void)
{
    if (looks++ == 0)
        give(21, &other->obj);
}

static void one_look_at_the_capability(void **state)
{
    (void)state;
    struct thread *t = make(THREAD_ACTIVE, 0, 10);

    other = make(THREAD_ACTIVE, 2, 10);
    give(21, &t->obj);
    looks = 0;
    host_looked = replace;
    sys_raw(root_thread, SYS_THREAD_CTL, 21, THREAD_WEIGHT, (uint64_t[6]){7});
    host_looked = NULL;
    assert_int_equal(t->weight, 7);
    assert_int_equal(other->weight, WEIGHT_DEFAULT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)
    const struct CMUnitTest tests[] = {
        TEST(revoke_while_worker_is_away), TEST(round_waits_for_the_inbox),
        TEST(virtual_time_stays_at_home),  TEST(no_priority_without_the_budget),
        TEST(cancel_of_a_parked_thread),   TEST(no_control_of_a_moving_thread),
        TEST(one_look_at_the_capability),
    };
    return cmocka_run_group_tests_name("races between CPUs", tests, NULL, NULL);
}
