// SPDX-License-Identifier: BSD-2-Clause
// No translation outlives its mapping: after unmap while a thread of the task, or a guest, reads on
// another CPU, and after a task's destruction, when the next one gets its PCID and its page tables.
// With one CPU the threads share it.
#include <string.h>

#include "ktest.h"
#include "vcpu_drive.h"

enum { MEM = T, TASK, READER, GUEST, VCPU, GO };

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

// ---- A guest's memory

#define READS_AT \
    0x5000 // uint32_t: how often it has read; behind it, how often something else than OLD
#define READ_AT 0x6000 // a page of its own

static volatile uint64_t exits, exit_gpa, exit_class;

static void vmm(uint64_t unused)
{
    (void)unused;
    for (;;) {
        uint64_t exit = EXIT_CLASSES;

        if (sys_vcpu_run(&exit) != OK || (exit != EXIT_MEMORY && exit != EXIT_SHUTDOWN))
            continue;
        exit_gpa = page->gpa;
        exit_class = exit;
        exits++;
        sys_wait(GO, 0, &(uint64_t){0});
    }
}

// Real mode: cli; 1: mov 0x6000, %eax; cmp $OLD, %eax; je 2f; incl 0x5004; 2: incl 0x5000; jmp 1b.
// Bochs 2.7: see test_budget.c, hence sti.
static void guest_new(unsigned cpu)
{
    static uint8_t code[] = {0xfa, 0x66, 0xa1, 0x00, 0x60, 0x66, 0x3d, 0xd0, 0x01,
                             0x1d, 0xd0, 0x74, 0x05, 0x66, 0xff, 0x06, 0x04, 0x50,
                             0x66, 0xff, 0x06, 0x00, 0x50, 0xeb, 0xe8};
    uint32_t old = (uint32_t)OLD;

    code[0] = machine_bochs ? 0xfb : 0xfa;
    memcpy(code + 7, &old, sizeof(old));
    EXPECT_OK(sys_create_guest(SLOT_POOL, GUEST));
    EXPECT_OK(sys_map(GUEST, MEM, 0, 0, READ_AT, MAP_READ | MAP_WRITE | MAP_EXEC));
    EXPECT_OK(sys_map(GUEST, MEM, READ_AT + PAGE, READ_AT + PAGE, 0x20000 - READ_AT - PAGE,
                      MAP_READ | MAP_WRITE | MAP_EXEC));
    EXPECT_OK(sys_create_vcpu(SLOT_POOL, VCPU, SLOT_TASK, cpu, 10, GUEST, PAGE_VIEW));
    guest_reset();
    memcpy(ram + GUEST_BASE, code, sizeof(code));
}

static void t_guest(void)
{
    volatile uint32_t *count = (volatile uint32_t *)(ram + READS_AT);
    uint64_t stack = stack_new();

    if (boot->virt == VIRT_NONE)
        return;
    guest_on_vmx = boot->virt == VIRT_VMX;
    EXPECT_OK(ram_new(MEM, 0, GUEST_RAM));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, RAM_VIEW, GUEST_RAM, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_create_signal(SLOT_POOL, GO));
    for (unsigned cpu = 0; cpu < boot->cpus; cpu++) {
        guest_new(cpu);
        exits = 0;
        for (unsigned round = 0; round < ROUNDS / 2; round++) {
            count[0] = count[1] = 0;
            *(volatile uint32_t *)(ram + READ_AT) = (uint32_t)OLD;
            EXPECT_OK(sys_map(GUEST, MEM, READ_AT, READ_AT, PAGE, MAP_READ));
            if (round == 0)
                EXPECT_OK(sys_thread_start(VCPU, (uint64_t)vmm, stack, 0));
            else
                EXPECT_OK(sys_raise(GO, 1));
            WAIT_UNTIL(count[0] > 10);
            EXPECT_OK(sys_unmap(GUEST, READ_AT, PAGE));
            *(volatile uint32_t *)(ram + READ_AT) = (uint32_t)NEW + 1; // it may not see this
            WAIT_UNTIL(exits == round + 1);
            EXPECT_EQ(exit_class, EXIT_MEMORY);
            EXPECT_EQ(exit_gpa, READ_AT);
            EXPECT_EQ(count[1], 0);
        }
        EXPECT_OK(sys_destroy(VCPU));
        EXPECT_OK(sys_destroy(GUEST));
        EXPECT_OK(sys_cap_drop(SLOT_TASK, VCPU));
        EXPECT_OK(sys_cap_drop(SLOT_TASK, GUEST));
    }
}

void tests_stale(void)
{
    ktest_run("stale/unmap", t_unmap);
    ktest_run("stale/tasks", t_tasks);
    ktest_run("stale/guest", t_guest);
}
