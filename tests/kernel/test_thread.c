// SPDX-License-Identifier: BSD-2-Clause
// Threads and signals: every operation of thread_ctl with its errors, wait and raise in all their
// endings.
#include "ktest.h"

enum { THREAD = T, SIGNAL, WEAK, TASK, OTHER, GATE };

static volatile uint64_t counter, result[8];

static enum status control(unsigned thread, uint64_t label, struct message *m)
{
    m->label = label;
    return sys_thread_ctl(thread, m);
}

static void spin(uint64_t unused)
{
    (void)unused;
    for (;;)
        counter++;
}

static void t_errors(void)
{
    struct message m = {0, {0}};

    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 20));
    EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD, TASK, THREAD_ACTIVE, 0, 10));
    EXPECT_STATUS(sys_thread_set(FREE_SLOT, THREAD_STOP, 0), ERR_CAP);
    EXPECT_STATUS(sys_thread_set(TASK, THREAD_STOP, 0), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, THREAD, SLOT_TASK, WEAK, RIGHT_ALL & ~RIGHT_CTRL));
    EXPECT_STATUS(sys_thread_set(WEAK, THREAD_STOP, 0), ERR_RIGHTS);
    EXPECT_STATUS(sys_thread_set(THREAD, (enum thread_op)10, 0), ERR_ARG);
    EXPECT_STATUS(sys_thread_set(THREAD, (enum thread_op)255, 0), ERR_ARG);
    EXPECT_STATUS(control(THREAD, THREAD_START | 1 << 8, &m),
                  ERR_ARG); // a group where none belongs
    EXPECT_STATUS(control(THREAD, 1 << 16, &m), ERR_ARG);
    EXPECT_STATUS(control(THREAD, ~0ull, &m), ERR_ARG);
    EXPECT_STATUS(control(THREAD, THREAD_WRITE | 3 << 8, &m), ERR_ARG);
    m.w[0] = 3;
    EXPECT_STATUS(control(THREAD, THREAD_READ, &m), ERR_ARG);
    m.w[0] = ~0ull;
    EXPECT_STATUS(control(THREAD, THREAD_READ, &m), ERR_ARG);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_STOP, 0), ERR_STATE); // it is
    EXPECT_STATUS(sys_thread_start(THREAD, USER_END, 0, 0), ERR_RANGE);
    EXPECT_STATUS(sys_thread_start(THREAD, 0x8000000000000000, 0, 0), ERR_RANGE);
    EXPECT_STATUS(sys_thread_start(THREAD, 0x1000, USER_END + 1, 0), ERR_RANGE);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_FS_BASE, USER_END), ERR_RANGE);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_FS_BASE, 0x0000800000000000), ERR_RANGE);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_FS_BASE, ~0ull), ERR_RANGE);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_PRIORITY, 21), ERR_ARG); // the task's ceiling
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_PRIORITY, PRIORITY_COUNT), ERR_ARG);
    EXPECT_STATUS(sys_thread_set(THREAD, THREAD_PRIORITY, 1ull << 32), ERR_ARG);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_PRIORITY, 20));
    m = (struct message){0, {USER_END, 0, 0, 0, 0, 0}};
    EXPECT_STATUS(control(THREAD, THREAD_WRITE, &m), ERR_RANGE);
    m = (struct message){0, {0, USER_END + 1, 0, 0, 0, 0}};
    EXPECT_STATUS(control(THREAD, THREAD_WRITE, &m), ERR_RANGE);
    // A running thread is neither started, resumed nor written.
    EXPECT_OK(thread_new(OTHER, SLOT_TASK, THREAD_ACTIVE, 1, spin, 0));
    EXPECT_STATUS(sys_thread_start(OTHER, 0x1000, 0, 0), ERR_STATE);
    EXPECT_STATUS(sys_thread_set(OTHER, THREAD_RESUME, 0), ERR_STATE);
    m = (struct message){0};
    EXPECT_STATUS(control(OTHER, THREAD_WRITE, &m), ERR_STATE);
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_CTL, OTHER, VCPU_BIND, S_NEVER, 0, 0, 0, 0, 0),
                  ERR_STATE); // no vCPU
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_CTL, OTHER, VCPU_BIND + 1, S_NEVER, 0, 0, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_CTL, OTHER, VCPU_BIND, OTHER, 0, 0, 0, 0, 0), ERR_CAP);
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_CTL, FREE_SLOT, VCPU_BIND, S_NEVER, 0, 0, 0, 0, 0), ERR_CAP);
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_CTL, WEAK, VCPU_BIND, S_NEVER, 0, 0, 0, 0, 0), ERR_RIGHTS);
    EXPECT_STATUS(sys_invoke6(SYS_VCPU_RUN, 0, 0, 0, 0, 0, 0, 0, 0), ERR_STATE);
}

// Registers go in and come out as they were; nothing of RFLAGS but what user level may have.
static void t_registers(void)
{
    struct message m;

    EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD, SLOT_TASK, THREAD_ACTIVE, 0, 61));
    for (unsigned group = 0; group < 3; group++) {
        for (unsigned i = 0; i < 6; i++)
            m.w[i] = 0x1000 * (group + 1) + i;
        m.w[2] = group == 0 ? ~0ull : m.w[2]; // RFLAGS
        EXPECT_OK(control(THREAD, THREAD_WRITE | group << 8, &m));
    }
    for (unsigned group = 0; group < 3; group++) {
        m.w[0] = group;
        EXPECT_OK(control(THREAD, THREAD_READ, &m));
        for (unsigned i = 0; i < 6; i++)
            EXPECT_EQ(m.w[i], group == 0 && i == 2 ? 0xdd5 | 0x202 : 0x1000 * (group + 1) + i);
    }
    m = (struct message){0, {0x1000, 0, 0, 0, 0, 0}};
    EXPECT_OK(control(THREAD, THREAD_WRITE, &m));
    m.w[0] = 0;
    EXPECT_OK(control(THREAD, THREAD_READ, &m));
    EXPECT_EQ(m.w[2], 0x202); // interrupts cannot be turned off
    // All of them arrive: the thread faults at once at its first instruction.
    for (unsigned group = 0; group < 3; group++) {
        for (unsigned i = 0; i < 6; i++)
            m.w[i] = 0x1000000000000 * (group + 1) + i + 0x777;
        if (group == 0) {
            m.w[0] = (uint64_t)thread_end;
            m.w[1] = 0x7ffffffff000;
            m.w[2] = 0;
        }
        EXPECT_OK(control(THREAD, THREAD_WRITE | group << 8, &m));
    }
    EXPECT_OK(sys_thread_set(THREAD, THREAD_RESUME, 0));
    EXPECT_EQ(thread_report_of(THREAD), REPORT_FAULTED);
    for (unsigned group = 0; group < 3; group++) {
        m.w[0] = group;
        EXPECT_OK(control(THREAD, THREAD_READ, &m));
        for (unsigned i = group ? 0 : 3; i < 6; i++)
            EXPECT_EQ(m.w[i], 0x1000000000000 * (group + 1) + i + 0x777);
        if (group == 0)
            EXPECT_EQ(m.w[1], 0x7ffffffff000);
    }
}

static void t_stop(void)
{
    EXPECT_OK(thread_new(THREAD, SLOT_TASK, THREAD_ACTIVE, 10, spin, 0));
    counter = 0;
    WAIT_UNTIL(counter != 0);
    EXPECT_EQ(thread_report_of(THREAD), REPORT_READY);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_STOP, 0));
    EXPECT_EQ(thread_report_of(THREAD), REPORT_STOPPED);
    uint64_t before = counter;
    sleep_us(2000);
    EXPECT_EQ(counter, before);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_RESUME, 0));
    WAIT_UNTIL(counter != before);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_STOP, 0));
    EXPECT_OK(sys_thread_start(THREAD, (uint64_t)thread_end, 0, 0)); // elsewhere
    WAIT_UNTIL(thread_report_of(THREAD) == REPORT_FAULTED);
}

// A thread that stops itself, then goes on where it was: the call succeeded, whatever the one
// before returned.
static void stop_self(uint64_t unused)
{
    (void)unused;
    result[0] = sys_raise(FREE_SLOT, 1);
    result[1] = sys_thread_set(THREAD, THREAD_STOP, 0);
    result[2] = sys_thread_set(THREAD, THREAD_PRIORITY, 61);
    struct message m = {THREAD_START, {0}}; // not stopped
    result[3] = sys_thread_ctl(THREAD, &m);
    m = (struct message){THREAD_READ, {0}};
    result[4] = sys_thread_ctl(THREAD, &m);
    result[5] = sys_thread_set(THREAD, THREAD_CANCEL, 0);
    result[6] = sys_wait(S_NEVER, ktest_tsc() + ticks(100), &(uint64_t){0});
}

static void t_self(void)
{
    EXPECT_OK(thread_new(THREAD, SLOT_TASK, THREAD_ACTIVE, 61, stop_self, 0));
    EXPECT_EQ(thread_report_of(THREAD), REPORT_STOPPED);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_RESUME, 0));
    WAIT_UNTIL(thread_report_of(THREAD) == REPORT_FAULTED);
    EXPECT_STATUS(result[0], ERR_CAP);
    EXPECT_STATUS(result[1], OK);
    EXPECT_STATUS(result[2], OK);
    EXPECT_STATUS(result[3], ERR_STATE);
    EXPECT_STATUS(result[4], OK);
    EXPECT_STATUS(result[5], OK);
    EXPECT_STATUS(result[6], ERR_CANCELLED);
}

static void read_fs(uint64_t n)
{
    uint64_t value;

    for (;;) {
        __asm__ volatile("mov %%fs:0, %0" : "=r"(value));
        result[n] = value;
        sys_yield();
    }
}

static void t_fs_base(void)
{
    static uint64_t block[2] = {0x1111, 0x2222};

    result[0] = result[1] = 0;
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD + 20 + i, SLOT_TASK, THREAD_ACTIVE, 0, 10));
        EXPECT_OK(sys_thread_set(THREAD + 20 + i, THREAD_FS_BASE, (uint64_t)&block[i]));
        EXPECT_OK(sys_thread_start(THREAD + 20 + i, (uint64_t)read_fs, stack_new(), i));
    }
    for (unsigned i = 0; i < 5; i++) {
        WAIT_UNTIL(result[0] == 0x1111 && result[1] == 0x2222);
        result[0] = result[1] = 0;
    }
    EXPECT_EQ(probe(SLOT_TASK, read_fs, 0).vector, 14); // another thread has none: address 0
}

// ---- signals
static void waiter(uint64_t deadline)
{
    uint64_t bits = 0;

    result[0] = sys_wait(SIGNAL, deadline, &bits);
    result[1] = bits;
    counter++;
}

static void t_signal(void)
{
    uint64_t bits, now;

    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_STATUS(sys_wait(FREE_SLOT, 0, &bits), ERR_CAP);
    EXPECT_STATUS(sys_wait(SLOT_TASK, 0, &bits), ERR_CAP);
    EXPECT_STATUS(sys_raise(FREE_SLOT, 1), ERR_CAP);
    EXPECT_STATUS(sys_raise(SLOT_POOL, 1), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, WEAK, RIGHT_RAISE));
    EXPECT_STATUS(sys_wait(WEAK, 0, &bits), ERR_RIGHTS);
    EXPECT_OK(sys_raise(WEAK, 0x8000000000000001));
    EXPECT_OK(sys_raise(SIGNAL, 2));
    EXPECT_OK(sys_wait(SIGNAL, 0, &bits));
    EXPECT_EQ(bits, 0x8000000000000003);
    EXPECT_STATUS(sys_poll(SIGNAL, &bits), ERR_TIMEOUT);    // taken
    EXPECT_STATUS(sys_wait(SIGNAL, 1, &bits), ERR_TIMEOUT); // long past
    now = ktest_tsc();
    EXPECT_STATUS(sys_wait(SIGNAL, now + ticks(300), &bits), ERR_TIMEOUT);
    EXPECT(ktest_tsc() >= now + ticks(300));
    EXPECT_OK(sys_raise(SIGNAL, 0)); // no bit
    EXPECT_STATUS(sys_poll(SIGNAL, &bits), ERR_TIMEOUT);
}

static void t_waiter(void)
{
    uint64_t bits;

    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    counter = 0;
    EXPECT_OK(thread_new(THREAD, SLOT_TASK, THREAD_ACTIVE, 61, waiter, 0));
    EXPECT_EQ(thread_report_of(THREAD), REPORT_BLOCKED);
    EXPECT_STATUS(sys_wait(SIGNAL, 0, &bits), ERR_BUSY); // one waiter
    EXPECT_STATUS(sys_poll(SIGNAL, &bits), ERR_BUSY);
    EXPECT_OK(sys_raise(SIGNAL, 0));
    EXPECT_EQ(counter, 0);
    EXPECT_OK(sys_raise(SIGNAL, 6));
    EXPECT(counter == 1 && result[0] == OK && result[1] == 6);
    EXPECT_OK(sys_thread_start(THREAD, (uint64_t)waiter, stack_new(), 0));
    EXPECT_OK(sys_thread_set(THREAD, THREAD_CANCEL, 0));
    EXPECT(counter == 2 && result[0] == ERR_CANCELLED);
    EXPECT_OK(sys_thread_start(THREAD, (uint64_t)waiter, stack_new(), 0));
    EXPECT_OK(sys_thread_set(THREAD, THREAD_STOP, 0)); // out of the wait
    EXPECT_OK(sys_raise(SIGNAL, 8));
    EXPECT_EQ(counter, 2);
    EXPECT_OK(sys_poll(SIGNAL, &bits));
    EXPECT_EQ(bits, 8);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_RESUME, 0));
    EXPECT(counter == 3 && result[0] == ERR_CANCELLED);
    EXPECT_OK(sys_thread_start(THREAD, (uint64_t)waiter, stack_new(), ktest_tsc() + ticks(100)));
    WAIT_UNTIL(counter == 4);
    EXPECT_STATUS(result[0], ERR_TIMEOUT);
    EXPECT_OK(sys_thread_start(THREAD, (uint64_t)waiter, stack_new(), ktest_tsc() + ticks(20000)));
    EXPECT_OK(sys_destroy(SIGNAL));
    EXPECT(counter == 5 && result[0] == ERR_DEAD);
    sleep_us(25000); // its timer must be gone, too
    EXPECT_EQ(counter, 5);
}

// A wait that ends early leaves no timer behind that would end the next one.
static void two_waits(uint64_t deadline)
{
    uint64_t bits;

    result[0] = sys_wait(SIGNAL, deadline, &bits);
    result[1] = sys_wait(SIGNAL, 0, &bits);
    counter++;
}

static void t_stale_timer(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    counter = 0;
    EXPECT_OK(
        thread_new(THREAD, SLOT_TASK, THREAD_ACTIVE, 61, two_waits, ktest_tsc() + ticks(2000)));
    EXPECT_OK(sys_raise(SIGNAL, 1));
    sleep_us(6000);
    EXPECT_EQ(counter, 0);
    EXPECT_EQ(thread_report_of(THREAD), REPORT_BLOCKED);
    EXPECT_OK(sys_raise(SIGNAL, 1));
    EXPECT(counter == 1 && result[0] == OK && result[1] == OK);
    // A thread that is stopped in a timed wait, or is given another priority there
    EXPECT_OK(
        sys_thread_start(THREAD, (uint64_t)two_waits, stack_new(), ktest_tsc() + ticks(2000)));
    EXPECT_OK(sys_thread_set(THREAD, THREAD_PRIORITY, 62));
    WAIT_UNTIL(result[0] == ERR_TIMEOUT);
    EXPECT_OK(sys_thread_set(THREAD, THREAD_STOP, 0));
}

// CANCEL that comes while the thread runs ends its next blocking call.
static void t_cancel_running(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    counter = 0;
    EXPECT_OK(thread_new(THREAD, SLOT_TASK, THREAD_ACTIVE, 10, waiter, 0)); // has not run yet
    EXPECT_OK(sys_thread_set(THREAD, THREAD_CANCEL, 0));
    WAIT_UNTIL(counter == 1);
    EXPECT_STATUS(result[0], ERR_CANCELLED);
}

void tests_threads(void)
{
    ktest_run("thread/errors", t_errors);
    ktest_run("thread/registers", t_registers);
    ktest_run("thread/stop", t_stop);
    ktest_run("thread/self", t_self);
    ktest_run("thread/fs-base", t_fs_base);
    ktest_run("signal/basic", t_signal);
    ktest_run("signal/waiter", t_waiter);
    ktest_run("signal/stale-timer", t_stale_timer);
    ktest_run("signal/cancel-running", t_cancel_running);
}
