// SPDX-License-Identifier: BSD-2-Clause
// No translation outlives its mapping: after unmap while a thread of the task reads on another CPU,
// and after a task's destruction, when the next one gets its PCID and its page tables. With one CPU
// the threads share it.
#include "ktest.h"

enum { MEM = T, TASK, READER };

#define OLD    0x01d01d01d01d01d0ull
#define NEW    0x0e00e00e00e00e00ull
#define TASKS  200
#define ROUNDS 40

static volatile uint64_t reads, wrong, seen;

static void read_on(uint64_t address)
{
    for (;;) {
        if (*(volatile uint64_t *)address != OLD)
            wrong++;
        reads++;
    }
}

static void read_once(uint64_t address)
{
    seen = *(volatile uint64_t *)address;
}

static enum status reader_new(unsigned task, unsigned cpu, uint64_t stack, void (*entry)(uint64_t))
{
    enum status status = sys_create_thread(SLOT_POOL, READER, task, THREAD_ACTIVE, cpu, 10);

    return status == OK ? sys_thread_start(READER, (uint64_t)entry, stack, VIEW) : status;
}

static void t_unmap(void)
{
    volatile uint64_t *page = (volatile uint64_t *)VIEW2;
    uint64_t stack = stack_new();

    EXPECT_OK(ram_new(MEM, 0, PAGE));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW2, PAGE, MAP_READ | MAP_WRITE));
    wrong = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        *page = OLD;
        reads = 0;
        EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ));
        EXPECT_OK(reader_new(SLOT_TASK, round % boot->cpus, stack, read_on));
        WAIT_UNTIL(reads > 10);
        EXPECT_OK(sys_unmap(SLOT_TASK, VIEW, PAGE));
        *page = NEW; // nobody may see it there
        WAIT_UNTIL(thread_report_of(READER) == REPORT_FAULTED);
        EXPECT_OK(sys_destroy(READER));
        EXPECT_OK(sys_cap_drop(SLOT_TASK, READER));
    }
    EXPECT_EQ(wrong, 0);
}

static void t_tasks(void)
{
    uint64_t stack = stack_new();

    EXPECT_OK(ram_new(MEM, 0, 2 * PAGE));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW2, 2 * PAGE, MAP_READ | MAP_WRITE));
    for (unsigned n = 0; n < TASKS; n++) {
        uint64_t offset = n % 2 * PAGE, cpu = n / 2 % boot->cpus;

        *(volatile uint64_t *)(VIEW2 + offset) = n + 1;
        seen = 0;
        EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
        EXPECT_OK(sys_map(TASK, MEM, offset, VIEW, PAGE, MAP_READ));
        EXPECT_OK(reader_new(TASK, (unsigned)cpu, stack, read_once));
        WAIT_UNTIL(seen);
        EXPECT_EQ(seen, n + 1);
        EXPECT_OK(sys_destroy(TASK)); // and its thread
        sys_cap_drop(SLOT_TASK, TASK);
        sys_cap_drop(SLOT_TASK, READER);
    }
}

void tests_stale(void)
{
    ktest_run("stale/unmap", t_unmap);
    ktest_run("stale/tasks", t_tasks);
}
