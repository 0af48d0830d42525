// SPDX-License-Identifier: BSD-2-Clause
// Mapping: errors, rights, large pages and their splitting, unmapping everywhere, two address
// spaces, and calls that are broken off by interrupts and go on.
#include "ktest.h"

enum { MEM = T, TASK, WEAK, CHILD, TASK2, TICKER, SIGNAL, GUEST, POOL, POOL_MEM };

#define MIB 0x100000ull

static void t_errors(void)
{
    EXPECT_OK(ram_new(MEM, 0, 8 * PAGE));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
    EXPECT_STATUS(sys_map(FREE_SLOT, MEM, 0, VIEW, PAGE, MAP_READ), ERR_CAP);
    EXPECT_STATUS(sys_map(MEM, MEM, 0, VIEW, PAGE, MAP_READ), ERR_CAP);
    EXPECT_STATUS(sys_map(TASK, FREE_SLOT, 0, VIEW, PAGE, MAP_READ), ERR_CAP);
    EXPECT_STATUS(sys_map(TASK, TASK, 0, VIEW, PAGE, MAP_READ), ERR_CAP);
    EXPECT_STATUS(sys_map(TASK, CAP_SLOTS, 0, VIEW, PAGE, MAP_READ), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, TASK, SLOT_TASK, WEAK, RIGHT_CTRL));
    EXPECT_STATUS(sys_map(WEAK, MEM, 0, VIEW, PAGE, MAP_READ), ERR_RIGHTS);
    EXPECT_STATUS(sys_unmap(WEAK, VIEW, PAGE), ERR_RIGHTS);
    EXPECT_OK(sys_cap_drop(SLOT_TASK, WEAK));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, MEM, SLOT_TASK, WEAK, RIGHT_READ));
    EXPECT_STATUS(sys_map(TASK, WEAK, 0, VIEW, PAGE, MAP_READ | MAP_WRITE), ERR_RIGHTS);
    EXPECT_STATUS(sys_map(TASK, WEAK, 0, VIEW, PAGE, MAP_READ | MAP_EXEC), ERR_RIGHTS);
    EXPECT_OK(sys_map(TASK, WEAK, 0, VIEW, PAGE, MAP_READ));
    EXPECT_STATUS(sys_unmap_all(WEAK), ERR_CAP); // without CTRL it is neither mem nor space
    EXPECT_OK(sys_unmap(TASK, VIEW, PAGE));
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, PAGE, 0), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, PAGE, MAP_WRITE), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, PAGE, MAP_READ | 8), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, PAGE, MAP_READ | 1 << 20), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 1, VIEW, PAGE, MAP_READ), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW + 8, PAGE, MAP_READ), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, PAGE - 1, MAP_READ), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, 0, MAP_READ), ERR_ARG);
    EXPECT_STATUS(sys_map(TASK, MEM, 8 * PAGE, VIEW, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, PAGE, VIEW, 8 * PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, PAGE, VIEW, -PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, USER_END, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, USER_END - PAGE, 2 * PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, 0xffffffff80000000, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, 0x8000000000000000, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, -PAGE, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, 4 * PAGE, MAP_READ));
    EXPECT_STATUS(sys_map(TASK, MEM, 0, VIEW, 4 * PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_STATUS(sys_map(TASK, MEM, 4 * PAGE, VIEW + 3 * PAGE, PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_STATUS(sys_map(TASK, MEM, 4 * PAGE, VIEW - PAGE, 2 * PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_STATUS(sys_map(TASK, MEM, 4 * PAGE, VIEW + PAGE, PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_OK(sys_create_mem(SLOT_POOL, CHILD, MEM, 5 * PAGE, PAGE));
    EXPECT_STATUS(sys_map(TASK, MEM, 4 * PAGE, VIEW + 8 * PAGE, 2 * PAGE, MAP_READ),
                  ERR_OVERLAP); // the child's
    EXPECT_OK(sys_map(TASK, CHILD, 0, VIEW + 8 * PAGE, PAGE, MAP_READ));
    EXPECT_STATUS(sys_unmap(FREE_SLOT, VIEW, PAGE), ERR_CAP);
    EXPECT_STATUS(sys_unmap(SLOT_POOL, VIEW, PAGE), ERR_CAP);
    EXPECT_STATUS(sys_unmap(TASK, VIEW, 0), ERR_ARG);
    EXPECT_STATUS(sys_unmap(TASK, VIEW + 1, PAGE), ERR_ARG);
    EXPECT_STATUS(sys_unmap(TASK, VIEW, 1), ERR_ARG);
    EXPECT_STATUS(sys_unmap(TASK, USER_END, PAGE), ERR_RANGE);
    EXPECT_STATUS(sys_unmap(TASK, VIEW, -PAGE), ERR_RANGE);
    EXPECT_OK(sys_unmap(TASK, 0x1000, USER_END - 0x1000)); // all of it, mostly holes
    EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, 4 * PAGE, MAP_READ));
}

// Fills [MEM] with its page numbers through one mapping.
static void number(uint64_t size)
{
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW2, size, MAP_READ | MAP_WRITE));
    for (uint64_t at = 0; at < size; at += PAGE)
        *(volatile uint64_t *)(VIEW2 + at) = at / PAGE;
    EXPECT_OK(sys_unmap(SLOT_TASK, VIEW2, size));
}

static bool is_mapped(uint64_t address)
{
    return probe(SLOT_TASK, probe_read, address).ended;
}

static void t_large(void)
{
    const uint64_t size = 6 * MIB, view = 0x70000000;

    EXPECT_OK(ram_new(MEM, 0, size));
    number(size);
    uint64_t pages = pages_free(SLOT_POOL);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, view, size, MAP_READ | MAP_WRITE));
    EXPECT(pages_free(SLOT_POOL) + 2 >= pages); // three entries: no tables of 4 KiB pages
    for (uint64_t at = 0; at < size; at += PAGE)
        EXPECT_EQ(*(volatile uint64_t *)(view + at), at / PAGE);
    // Holes: in the middle of the first large page, across the border of the next two, one whole
    EXPECT_OK(sys_unmap(SLOT_TASK, view + 3 * PAGE, PAGE));
    EXPECT_OK(sys_unmap(SLOT_TASK, view + 4 * MIB - PAGE, 2 * PAGE));
    for (uint64_t at = 0; at < size; at += PAGE) {
        bool hole = at == 3 * PAGE || at == 4 * MIB - PAGE || at == 4 * MIB;
        if (hole || at % (64 * PAGE) == 0 || (at > 4 * MIB - 4 * PAGE && at < 4 * MIB + 4 * PAGE))
            EXPECT_EQ(is_mapped(view + at), !hole);
        if (!hole)
            EXPECT_EQ(*(volatile uint64_t *)(view + at), at / PAGE);
    }
    EXPECT_OK(
        sys_map(SLOT_TASK, MEM, 0, view + 3 * PAGE, PAGE, MAP_READ)); // another page in the hole
    EXPECT_EQ(*(volatile uint64_t *)(view + 3 * PAGE), 0);
    EXPECT_STATUS(sys_map(SLOT_TASK, MEM, 0, view + 4 * PAGE, PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_OK(sys_unmap(SLOT_TASK, view, size));
    EXPECT(!is_mapped(view) && !is_mapped(view + size - PAGE));
    EXPECT_OK(
        sys_map(SLOT_TASK, MEM, 0, view, size, MAP_READ)); // tables of small pages are there now
    for (uint64_t at = 0; at < size; at += PAGE)
        EXPECT_EQ(*(volatile uint64_t *)(view + at), at / PAGE);
    EXPECT_OK(sys_unmap(SLOT_TASK, view, size));
}

static void t_small(void)
{
    const uint64_t size = 4 * MIB,
                   view = 0x70001000; // not aligned with the physical address: 4 KiB pages

    EXPECT_OK(ram_new(MEM, 0, size));
    number(size);
    for (unsigned round = 0; round < 3; round++) {
        EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, view, size, MAP_READ));
        for (uint64_t at = 0; at < size; at += PAGE)
            EXPECT_EQ(*(volatile uint64_t *)(view + at), at / PAGE);
        EXPECT_OK(sys_unmap(SLOT_TASK, view + MIB, MIB));
        EXPECT(is_mapped(view + MIB - PAGE) && !is_mapped(view + MIB) &&
               !is_mapped(view + 2 * MIB - PAGE) && is_mapped(view + 2 * MIB));
        EXPECT_OK(sys_unmap(SLOT_TASK, view, size));
    }
}

static void t_everywhere(void)
{
    EXPECT_OK(ram_new(MEM, 0, 4 * MIB));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 63));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK2, CAP_NONE, 0, 63));
    EXPECT_OK(sys_create_mem(SLOT_POOL, CHILD, MEM, 3 * MIB, MIB));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, 2 * MIB, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, PAGE, VIEW2, PAGE, MAP_READ));
    EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, MIB, MAP_READ));
    EXPECT_OK(sys_map(TASK2, MEM, 0, VIEW + PAGE, MIB, MAP_READ));
    EXPECT_OK(sys_map(SLOT_TASK, CHILD, 0, VIEW2 + PAGE, PAGE, MAP_READ));
    EXPECT(is_mapped(VIEW) && is_mapped(VIEW2) && is_mapped(VIEW2 + PAGE));
    EXPECT_OK(sys_unmap_all(MEM));
    EXPECT(!is_mapped(VIEW) && !is_mapped(VIEW + MIB) && !is_mapped(VIEW2));
    EXPECT(is_mapped(VIEW2 + PAGE));                       // the child's are its own
    EXPECT_OK(sys_unmap_all(MEM));                         // none
    EXPECT_OK(sys_map(TASK, MEM, 0, VIEW, MIB, MAP_READ)); // and so it is free there
    EXPECT_OK(sys_map(TASK2, MEM, 0, VIEW + PAGE, MIB, MAP_READ));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, 2 * MIB, MAP_READ));
    EXPECT_OK(sys_destroy(MEM)); // mappings and child go with it
    EXPECT(!is_mapped(VIEW) && !is_mapped(VIEW2 + PAGE));
    EXPECT_STATUS(sys_unmap_all(CHILD), ERR_CAP);
}

// ---- two tasks: the same address, different memory
static void spaces_thread(uint64_t value)
{
    for (unsigned i = 0; i < 50; i++) {
        *(volatile uint64_t *)VIEW = value + i;
        sys_yield();
        if (*(volatile uint64_t *)VIEW != value + i)
            __builtin_trap();
    }
}

static void t_spaces(void)
{
    EXPECT_OK(ram_new(MEM, 0, 4 * PAGE));
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_OK(task_new(TASK + i * 3, SLOT_POOL, CAP_NONE, 0, true)); // TASK, TASK2
        EXPECT_OK(sys_map(TASK + i * 3, MEM, i * PAGE, VIEW, PAGE, MAP_READ | MAP_WRITE));
        EXPECT_OK(thread_new(TICKER + 10 + i, TASK + i * 3, THREAD_ACTIVE, 30, spaces_thread,
                             1000 * (i + 1)));
    }
    WAIT_UNTIL(thread_report_of(TICKER + 10) == REPORT_FAULTED &&
               thread_report_of(TICKER + 11) == REPORT_FAULTED);
    for (unsigned i = 0; i < 2; i++) {
        struct message m = {THREAD_FAULT, {0}};
        EXPECT_OK(sys_thread_ctl(TICKER + 10 + i, &m));
        EXPECT_EQ(m.w[3], thread_end);
    }
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, 2 * PAGE, MAP_READ));
    EXPECT_EQ(*(volatile uint64_t *)VIEW, 1049);
    EXPECT_EQ(*(volatile uint64_t *)(VIEW + PAGE), 2049);
    EXPECT(!probe(TASK, probe_read, VIEW + PAGE).ended);
    EXPECT(!probe(TASK, probe_read, (uint64_t)boot)
                .ended); // root's information page is not in other tasks
    EXPECT_OK(sys_unmap(TASK, VIEW, PAGE));
    EXPECT(!probe(TASK, probe_read, VIEW).ended);
    EXPECT(probe(TASK2, probe_read, VIEW).ended);
}

// ---- broken off: a thread of higher priority wakes up all the time
static volatile uint64_t ticker_count;

static void ticker(uint64_t period)
{
    uint64_t bits;

    for (;;) {
        sys_wait(SIGNAL, ktest_tsc() + period, &bits);
        ticker_count++;
    }
}

static void t_restart(void)
{
    const uint64_t size = 24 * MIB, view = 0x70001000;

    EXPECT_OK(ram_new(MEM, 0, size));
    number(size);
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(thread_new(TICKER, SLOT_TASK, THREAD_ACTIVE, PRIORITY_COUNT - 1, ticker, ticks(20)));
    unsigned in_map = 0, in_unmap = 0;
    for (unsigned round = 0; round < 100 && (in_map < 3 || in_unmap < 3); round++) {
        uint64_t before = ticker_count;
        EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, view, size, MAP_READ));
        in_map += ticker_count != before;
        for (uint64_t at = 0; at < size; at += PAGE)
            EXPECT_EQ(*(volatile uint64_t *)(view + at), at / PAGE);
        before = ticker_count;
        EXPECT_OK(sys_unmap(SLOT_TASK, view, size));
        in_unmap += ticker_count != before;
    }
    EXPECT(in_map && in_unmap); // it was broken off, and went on
    EXPECT(!is_mapped(view) && !is_mapped(view + size / 2) && !is_mapped(view + size - PAGE));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, view, size, MAP_READ));
    EXPECT_OK(sys_unmap_all(MEM));
    EXPECT(!is_mapped(view) && !is_mapped(view + size - PAGE));
    // Out of memory in the middle of it: nothing stays mapped.
    EXPECT_OK(ram_new(POOL_MEM, 32 * MIB, 16 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, POOL_MEM, 10));
    EXPECT_OK(sys_create_task(POOL, TASK, CAP_NONE, 0, 63));
    EXPECT_STATUS(sys_map(TASK, MEM, 0, view, size, MAP_READ), ERR_MEMORY);
    EXPECT_STATUS(sys_map(TASK, MEM, 0, view, size, MAP_READ), ERR_MEMORY);
    EXPECT_OK(sys_map(TASK, MEM, 0, view, PAGE, MAP_READ));
    EXPECT_OK(sys_unmap_all(MEM));
    EXPECT_OK(sys_destroy(POOL));
}

// Rounds of everything give back what they took, to the page.
static void t_rounds(void)
{
    uint64_t pages = 0, slots = 0;

    for (unsigned round = 0; round < 30; round++) {
        EXPECT_OK(ram_new(POOL_MEM, 32 * MIB, 512 * PAGE));
        EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, POOL_MEM, 50));
        EXPECT_OK(ram_new(MEM, 0, 4 * MIB));
        EXPECT_OK(task_new(TASK, POOL, CAP_NONE, 0, false));
        EXPECT_OK(sys_map(TASK, MEM, 0, VIEW + PAGE, 3 * MIB, MAP_READ | MAP_WRITE));
        EXPECT_OK(sys_unmap(TASK, VIEW + 16 * PAGE, 16 * PAGE));
        EXPECT_OK(sys_create_thread(POOL, WEAK, TASK, THREAD_ACTIVE, 0, 0));
        EXPECT_OK(sys_thread_set(WEAK, THREAD_FPU, 1));
        uint64_t inside = pages_free(POOL);
        EXPECT_OK(sys_create_task(POOL, TASK2, CAP_NONE, 0, 0));
        EXPECT_OK(sys_map(TASK2, MEM, 0, VIEW, 2 * MIB, MAP_READ));
        EXPECT_OK(sys_map(TASK2, MEM, 0, VIEW2, PAGE, MAP_READ));
        EXPECT_OK(sys_destroy(TASK2));
        EXPECT(pages_free(POOL) + 2 >= inside); // blocks of objects stay cut
        EXPECT_EQ(slots_free(POOL), 48);
        EXPECT_OK(sys_destroy(POOL));
        EXPECT_OK(sys_destroy(MEM));
        EXPECT_OK(sys_destroy(POOL_MEM));
        for (unsigned slot = T; slot < T + 20; slot++)
            sys_cap_drop(SLOT_TASK, slot);
        if (round) {
            EXPECT_EQ(pages_free(SLOT_POOL), pages);
            EXPECT_EQ(slots_free(SLOT_POOL), slots);
        }
        pages = pages_free(SLOT_POOL);
        slots = slots_free(SLOT_POOL);
    }
}

void tests_memory(void)
{
    ktest_run("map/errors", t_errors);
    ktest_run("map/large-pages", t_large);
    ktest_run("map/small-pages", t_small);
    ktest_run("map/everywhere", t_everywhere);
    ktest_run("map/two-spaces", t_spaces);
    ktest_run("map/broken-off", t_restart);
    ktest_run("map/rounds", t_rounds);
}
