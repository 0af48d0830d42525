// SPDX-License-Identifier: BSD-2-Clause
// Objects: create with every error, log, hw_ctl, device_ctl, quotas.
#include <string.h>

#include "ktest.h"

enum { X = T, SIGNAL, TASK, THREAD, WORKER, GATE, MEM, POOL, POOL2, GUEST, WEAK, MEM2 };

static enum status create(unsigned pool, unsigned type, uint64_t slot, uint64_t w0, uint64_t w1,
                          uint64_t w2)
{
    return sys_invoke6(SYS_CREATE, pool, type | slot << 16, w0, w1, w2, 0, 0, 0);
}

static void t_create(void)
{
    EXPECT_STATUS(create(FREE_SLOT - 1, OBJ_SIGNAL, X, 0, 0, 0), ERR_CAP);
    EXPECT_STATUS(create(CAP_SLOTS, OBJ_SIGNAL, X, 0, 0, 0), ERR_CAP);
    EXPECT_STATUS(create(SLOT_TASK, OBJ_SIGNAL, X, 0, 0, 0), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SLOT_POOL, SLOT_TASK, WEAK, RIGHT_ALL & ~RIGHT_CREATE));
    EXPECT_STATUS(create(WEAK, OBJ_SIGNAL, X, 0, 0, 0), ERR_RIGHTS);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_SIGNAL, 0, 0, 0, 0), ERR_SLOT);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_SIGNAL, SLOT_TASK, 0, 0, 0), ERR_SLOT);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_SIGNAL, CAP_SLOTS, 0, 0, 0), ERR_SLOT);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_SIGNAL, ~0ull, 0, 0, 0), ERR_SLOT);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_NONE, X, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_HW, X, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_COUNT, X, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(create(SLOT_POOL, 0xffff, X, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(create(SLOT_POOL, OBJ_DEVICE, X, 0, 0, 0), ERR_UNSUPPORTED);
    EXPECT_OK(create(SLOT_POOL, OBJ_SIGNAL, CAP_SLOTS - 1, 0, 0, 0));
    EXPECT_OK(sys_destroy(CAP_SLOTS - 1));
}

static void t_create_task(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, CAP_NONE, 64, 0), ERR_ARG);
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, CAP_NONE, 0, PRIORITY_COUNT), ERR_ARG);
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, SLOT_TASK, 0, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, FREE_SLOT, 0, 0), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, WEAK, RIGHT_WAIT));
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, WEAK, 0, 0), ERR_RIGHTS);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, GATE, RIGHT_RAISE | RIGHT_BIT(5)));
    EXPECT_STATUS(sys_create_task(SLOT_POOL, X, GATE, 4, 0), ERR_RIGHTS);
    EXPECT_OK(sys_create_task(SLOT_POOL, X, GATE, 5, 0));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, SIGNAL, 63, 63));
}

static void t_create_thread(void)
{
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 10));
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, FREE_SLOT, THREAD_ACTIVE, 0, 1), ERR_CAP);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, SLOT_POOL, THREAD_ACTIVE, 0, 1), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, TASK, SLOT_TASK, WEAK, RIGHT_ALL & ~RIGHT_CTRL));
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, WEAK, THREAD_ACTIVE, 0, 1), ERR_RIGHTS);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, TASK, (enum thread_kind)3, 0, 1), ERR_ARG);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, TASK, THREAD_ACTIVE, boot->cpus, 1), ERR_ARG);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, TASK, THREAD_ACTIVE, 255, 1), ERR_ARG);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, TASK, THREAD_ACTIVE, 256, 1), ERR_ARG);
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, TASK, THREAD_ACTIVE, 0, 11),
                  ERR_ARG); // above the task's ceiling
    EXPECT_STATUS(sys_create_thread(SLOT_POOL, X, SLOT_TASK, THREAD_ACTIVE, 0, PRIORITY_COUNT),
                  ERR_ARG);
    EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD, TASK, THREAD_ACTIVE, 0, 10));
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, FREE_SLOT, 0x1000), ERR_CAP);
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, TASK, 0x1000), ERR_CAP);
    if (boot->virt == VIRT_NONE) {
        EXPECT_STATUS(sys_create_guest(SLOT_POOL, GUEST), ERR_UNSUPPORTED);
        return;
    }
    EXPECT_OK(sys_create_guest(SLOT_POOL, GUEST));
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, GUEST, 0x1004), ERR_RANGE);
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, GUEST, USER_END), ERR_RANGE);
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, GUEST, 0ull - PAGE), ERR_RANGE);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, GUEST, SLOT_TASK, MEM, RIGHT_MAP));
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, MEM, 0x1000), ERR_RIGHTS);
    EXPECT_OK(sys_create_vcpu(SLOT_POOL, X, TASK, 0, 1, GUEST, 0x1000));
    // the page is taken
    EXPECT_STATUS(sys_create_vcpu(SLOT_POOL, MEM2, TASK, 0, 1, GUEST, 0x1000), ERR_OVERLAP);
}

static void t_create_gate(void)
{
    EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD, SLOT_TASK, THREAD_ACTIVE, 0, 1));
    EXPECT_OK(sys_create_thread(SLOT_POOL, WORKER, SLOT_TASK, THREAD_WORKER, 0, 1));
    EXPECT_STATUS(sys_create_gate(SLOT_POOL, X, FREE_SLOT, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_gate(SLOT_POOL, X, SLOT_TASK, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_gate(SLOT_POOL, X, THREAD, 0), ERR_STATE);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, WORKER, SLOT_TASK, WEAK, RIGHT_READ));
    EXPECT_STATUS(sys_create_gate(SLOT_POOL, X, WEAK, 0), ERR_RIGHTS);
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, ~0ull));
}

static void t_create_mem(void)
{
    uint64_t ports = 0;

    EXPECT_OK(ram_new(MEM, 0, 16 * PAGE));
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, FREE_SLOT, 0, PAGE), ERR_CAP);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, SLOT_TASK, 0, PAGE), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, MEM, SLOT_TASK, WEAK, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC));
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, WEAK, 0, PAGE), ERR_RIGHTS);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 0, 0), ERR_ARG);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 1, PAGE), ERR_ARG);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 0, PAGE + 1), ERR_ARG);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 16 * PAGE, PAGE), ERR_RANGE);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, PAGE, 16 * PAGE), ERR_RANGE);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, PAGE, -PAGE), ERR_RANGE); // would wrap
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, -PAGE, 2 * PAGE), ERR_RANGE);
    EXPECT_OK(sys_create_mem(SLOT_POOL, MEM2, MEM, 4 * PAGE, 4 * PAGE));
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 0, 16 * PAGE), ERR_OVERLAP);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 3 * PAGE, 2 * PAGE), ERR_OVERLAP);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 7 * PAGE, PAGE), ERR_OVERLAP);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 8 * PAGE, VIEW, PAGE, MAP_READ));
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 8 * PAGE, PAGE), ERR_OVERLAP); // mapped
    EXPECT_OK(sys_create_mem(SLOT_POOL, X, MEM, 9 * PAGE, PAGE));
    for (unsigned i = 0; i < boot->mem_count; i++)
        ports = boot->mem[i].kind == MEM_PORTS ? boot->mem[i].cap : ports;
    EXPECT_OK(sys_create_mem(SLOT_POOL, GATE, (unsigned)ports, 0x100, 1)); // ports need no pages
}

static void t_create_pool(void)
{
    uint64_t left = slots_free(SLOT_POOL);

    EXPECT_OK(ram_new(MEM, 0, 16 * PAGE));
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, FREE_SLOT, 4), ERR_CAP);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, SLOT_POOL, 4), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, MEM, SLOT_TASK, WEAK, RIGHT_READ | RIGHT_WRITE));
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, WEAK, 4), ERR_RIGHTS);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, 0), ERR_ARG);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, 1 << 20), ERR_ARG);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, ~0ull), ERR_ARG);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, left), ERR_QUOTA);
    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].kind != MEM_RAM)
            EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, boot->mem[i].cap, 4), ERR_ARG);
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, ram_slot, 4), ERR_BUSY); // it has a child
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ));
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, 4), ERR_BUSY); // it is mapped
    EXPECT_OK(sys_unmap(SLOT_TASK, VIEW, PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, MEM, 10));
    EXPECT_EQ(slots_free(SLOT_POOL), left - 1 - 1 - 10); // mem, pool, its quota
    EXPECT_EQ(slots_free(POOL), 10);
    EXPECT_EQ(pages_free(POOL), 16);
    // Its memory is the kernel's now.
    EXPECT_STATUS(sys_create_pool(SLOT_POOL, X, MEM, 4), ERR_BUSY);
    EXPECT_STATUS(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ), ERR_BUSY);
    EXPECT_STATUS(sys_create_mem(SLOT_POOL, X, MEM, 0, PAGE), ERR_BUSY);
    EXPECT_STATUS(sys_map(SLOT_TASK, ram_slot, ram_offset, VIEW, PAGE, MAP_READ), ERR_OVERLAP);
    EXPECT_OK(sys_destroy(POOL));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ));
    EXPECT_OK(sys_unmap_all(MEM));
    EXPECT_OK(sys_destroy(MEM));
    EXPECT_EQ(slots_free(SLOT_POOL), left);
}

static void t_quota(void)
{
    EXPECT_OK(ram_new(MEM, 0, 4 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, MEM, 3));
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(sys_create_signal(POOL, X + 20 + i));
    EXPECT_STATUS(sys_create_signal(POOL, X), ERR_QUOTA);
    EXPECT_EQ(slots_free(POOL), 0);
    EXPECT_OK(sys_destroy(X + 20));
    EXPECT_OK(sys_create_signal(POOL, X + 20));
    EXPECT_OK(sys_destroy(POOL));
    EXPECT_STATUS(sys_raise(X + 21, 1), ERR_CAP); // died with its pool
    // Of memory: one page gives 64 blocks of 64 bytes.
    EXPECT_OK(ram_new(MEM2, 16 * PAGE, PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL2, MEM2, 200));
    unsigned made = 0;
    while (made < 100 && sys_create_signal(POOL2, X + 40 + made) == OK)
        made++;
    EXPECT(made > 0 && made <= 64);
    EXPECT_STATUS(sys_create_signal(POOL2, FREE_SLOT), ERR_MEMORY);
    EXPECT_STATUS(sys_create_task(POOL2, FREE_SLOT, CAP_NONE, 0, 0), ERR_MEMORY);
    EXPECT_STATUS(sys_create_thread(POOL2, FREE_SLOT, SLOT_TASK, THREAD_ACTIVE, 0, 1), ERR_MEMORY);
    EXPECT_EQ(slots_free(POOL2), 200 - made);
}

// Each kind of object where memory ends after n pages: the failure gives everything back.
static void t_no_memory(void)
{
    for (unsigned n = 1; n < 12; n++) {
        EXPECT_OK(ram_new(MEM, 0, n * PAGE));
        EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, MEM, 20));
        enum status status = sys_create_task(POOL, TASK, CAP_NONE, 0, 0);
        EXPECT(status == OK || status == ERR_MEMORY);
        if (status == OK) {
            EXPECT_OK(ram_new(MEM2, 0x100000, PAGE));
            status = sys_map(TASK, MEM2, 0, VIEW, PAGE, MAP_READ);
            EXPECT(status == OK || status == ERR_MEMORY);
            if (status != OK) // nothing stays mapped: the range is free
                EXPECT_OK(sys_unmap(TASK, VIEW, PAGE));
            status = sys_create_thread(POOL, THREAD, TASK, THREAD_ACTIVE, 0, 0);
            EXPECT(status == OK || status == ERR_MEMORY);
            if (status == OK) {
                status = sys_thread_set(THREAD, THREAD_FPU, 1);
                EXPECT(status == OK || status == ERR_MEMORY);
            }
        }
        if (boot->virt != VIRT_NONE) {
            status = sys_create_guest(POOL, GUEST);
            EXPECT(status == OK || status == ERR_MEMORY);
            if (status == OK) {
                uint64_t pages = pages_free(POOL), slots = slots_free(POOL);
                status = sys_create_vcpu(POOL, X, SLOT_TASK, 0, 0, GUEST, VIEW2);
                EXPECT(status == OK || status == ERR_MEMORY);
                if (status != OK) {
                    EXPECT_EQ(slots_free(POOL), slots);
                    EXPECT(pages_free(POOL) + 3 >=
                           pages); // pages that were cut into blocks stay so
                }
            }
        }
        EXPECT_OK(sys_destroy(POOL));
        EXPECT_OK(sys_destroy(MEM));
        sys_destroy(MEM2);
        for (unsigned slot = T; slot < T + 20; slot++)
            sys_cap_drop(SLOT_TASK, slot);
    }
}

// Lists that the kernel walks with interrupts off have a bound; so has the nesting of what one
// destroy must climb down.
static void t_bounds(void)
{
    enum status status = OK;
    unsigned n;

    EXPECT_OK(ram_new(MEM, 0, 1024 * PAGE));
    for (n = 0; n < 290 && (status = sys_create_mem(SLOT_POOL, X + 16, MEM, n * PAGE, PAGE)) == OK;
         n++)
        EXPECT_OK(sys_cap_drop(SLOT_TASK, X + 16)); // it dies with its parent
    EXPECT_STATUS(status, ERR_QUOTA);
    EXPECT(n >= 256);
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
    for (n = 0; n < 400 && (status = sys_map(TASK, MEM, 600 * PAGE, VIEW + 2 * n * PAGE, PAGE,
                                             MAP_READ)) == OK;
         n++)
        ;
    EXPECT_STATUS(status, ERR_QUOTA);
    EXPECT(n >= 256);
    EXPECT_OK(sys_destroy(MEM));
    EXPECT_OK(sys_destroy(TASK));
    EXPECT_OK(sys_create_thread(SLOT_POOL, WORKER, SLOT_TASK, THREAD_WORKER, 0, 1));
    for (n = 0; n < 290 && (status = sys_create_gate(SLOT_POOL, T + n, WORKER, n)) != ERR_QUOTA;
         n++)
        EXPECT(status == OK || status == ERR_SLOT);
    EXPECT_STATUS(status, ERR_QUOTA);
    EXPECT(n >= 256);
    EXPECT_OK(sys_destroy(WORKER)); // with all its gates standing
}

static void t_nesting(void)
{
    uint64_t slots = slots_free(SLOT_POOL);
    enum status status = OK;
    unsigned n;

    EXPECT_OK(ram_new(X + 30, 0, 256 * PAGE));
    for (n = 0; n < 100 && status == OK; n++)
        status = sys_create_mem(SLOT_POOL, X + 31 + n, X + 30 + n, 0, (255 - n) * PAGE);
    EXPECT_STATUS(status, ERR_DEPTH);
    EXPECT(n > 8);
    EXPECT_OK(sys_destroy(X + 30));
    EXPECT_EQ(slots_free(SLOT_POOL), slots);
    for (unsigned i = 0; i <= n; i++)
        sys_cap_drop(SLOT_TASK, X + 30 + i);
    // Pools in pools: each one's memory is a child of the same range, its home the one before.
    unsigned home = SLOT_POOL;
    EXPECT_OK(ram_new(MEM, 0, 256 * PAGE));
    for (n = 0; n < 40; n++) {
        status = sys_create_mem(SLOT_POOL, X + 30 + 2 * n, MEM, 4 * n * PAGE, 4 * PAGE);
        if (status == OK)
            status = sys_create_pool(home, X + 31 + 2 * n, X + 30 + 2 * n, 200 - 2 * n);
        if (status != OK)
            break;
        home = X + 31 + 2 * n;
    }
    EXPECT_STATUS(status, ERR_DEPTH);
    EXPECT_OK(sys_destroy(X + 31)); // the outermost
    EXPECT_OK(sys_destroy(MEM));
    EXPECT_EQ(slots_free(SLOT_POOL), slots);
}

static void t_hw(void)
{
    uint64_t a, b;

    EXPECT_STATUS(sys_hw_ctl(SLOT_TASK, HW_POOL_FREE, SLOT_POOL, &a, &b), ERR_CAP);
    EXPECT_STATUS(sys_hw_ctl(FREE_SLOT, HW_POOL_FREE, SLOT_POOL, &a, &b), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SLOT_HW, SLOT_TASK, WEAK, 0));
    EXPECT_STATUS(sys_hw_ctl(WEAK, HW_EXIT, 0, &a, &b), ERR_RIGHTS);
    EXPECT_STATUS(sys_hw_ctl(SLOT_HW, HW_POOL_FREE, SLOT_TASK, &a, &b), ERR_CAP);
    EXPECT_STATUS(sys_hw_ctl(SLOT_HW, (enum hw_op)63, 0, &a, &b), ERR_ARG);
    EXPECT_STATUS(sys_hw_ctl(SLOT_HW, (enum hw_op)0x7fffffff, 0, &a, &b), ERR_ARG);
    EXPECT_STATUS(sys_destroy(SLOT_HW), ERR_STATE);
    EXPECT_STATUS(sys_destroy(SLOT_POOL), ERR_STATE);
    EXPECT_STATUS(sys_invoke6(SYS_DEVICE_CTL, 0, 0, 0, 0, 0, 0, 0, 0), ERR_UNSUPPORTED);
}

static void t_log(void)
{
    struct message m = {0, {0}};

    EXPECT_STATUS(sys_log(&m), ERR_ARG);
    m.label = 49;
    EXPECT_STATUS(sys_log(&m), ERR_ARG);
    m.label = ~0ull;
    EXPECT_STATUS(sys_log(&m), ERR_ARG);
    m.label = 48;
    memcpy(m.w, "a line of forty-eight bytes goes out in one call\n", 48);
    EXPECT_OK(sys_log(&m));
    m.label = 1;
    m.w[0] = '\n';
    EXPECT_OK(sys_log(&m));
}

// The kernel's debugger takes any text and any cursor. Kernels that have none say so.
static void t_debugger(void)
{
    static const char *const commands[] = {"cpus",
                                           "ready",
                                           "trace 2",
                                           "help",
                                           "list task",
                                           "list named",
                                           "list",
                                           "show 5",
                                           "show ktest",
                                           "show 9999",
                                           "show 99999999",
                                           "nothing",
                                           "",
                                           "list ",
                                           "show -1 ",
                                           "as long as a command can be, without a final NUL",
                                           "cpus and more"};
    static const uint64_t cursors[] = {0,       1,          63,         64,
                                       4096,    16383,      1u << 20,   5 | 600u << 20,
                                       2 << 20, 1ull << 32, 1ull << 38, (1ull << 56) - 1};
    enum status status = sys_hw_name(SLOT_HW, SLOT_TASK, "ktest");
    uint64_t cursor = 0;

    if (status == ERR_ARG) {
        EXPECT_STATUS(sys_hw_debug(SLOT_HW, "help", &cursor), ERR_ARG);
        return;
    }
    EXPECT_OK(status);
    EXPECT_STATUS(sys_hw_name(SLOT_HW, FREE_SLOT, "nobody"), ERR_CAP);
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        for (unsigned k = 0; k < sizeof(cursors) / sizeof(cursors[0]); k++) {
            cursor = cursors[k];
            EXPECT_OK(sys_hw_debug(SLOT_HW, commands[i], &cursor));
        }
}

void tests_objects(void)
{
    ktest_run("create/arguments", t_create);
    ktest_run("create/task", t_create_task);
    ktest_run("create/thread", t_create_thread);
    ktest_run("create/gate", t_create_gate);
    ktest_run("create/mem", t_create_mem);
    ktest_run("create/pool", t_create_pool);
    ktest_run("create/quota", t_quota);
    ktest_run("create/no-memory", t_no_memory);
    ktest_run("create/bounds", t_bounds);
    ktest_run("create/nesting", t_nesting);
    ktest_run("hw/errors", t_hw);
    ktest_run("log/errors", t_log);
    ktest_run("object/debugger", t_debugger);
}
