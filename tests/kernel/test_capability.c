// SPDX-License-Identifier: BSD-2-Clause
// Capabilities: copies with fewer rights, one-bit signals, revocation, stale words after a slot was
// used again, and the rights that each operation needs.
#include "ktest.h"

enum { SIGNAL = T, TASK, COPY, WEAK, THREAD, MEM, OTHER, GATE, BIT, BIT2, POOL };

static uint64_t cap_word(unsigned task, unsigned slot)
{
    uint64_t word = ~0ull, type;

    EXPECT_OK(sys_task_read_cap(task, slot, &word, &type));
    return word;
}

static void t_copy(void)
{
    uint64_t word, type, bits;

    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
    EXPECT_STATUS(sys_cap_copy(FREE_SLOT, SIGNAL, TASK, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SIGNAL, SIGNAL, TASK, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, FREE_SLOT, TASK, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, CAP_SLOTS, TASK, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, FREE_SLOT, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, SIGNAL, 1, 15), ERR_CAP);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, 0, 15), ERR_SLOT);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, CAP_SLOTS, 15), ERR_SLOT);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, SIGNAL, 15), ERR_SLOT);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, 1, 0x1000), ERR_ARG);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, TASK, TASK, 1, RIGHT_RAISE | RIGHT_BIT(1)),
                  ERR_ARG); // no signal
    EXPECT_OK(sys_cap_copy(SLOT_TASK, TASK, SLOT_TASK, WEAK, RIGHT_MAP));
    EXPECT_STATUS(sys_cap_copy(WEAK, 1, TASK, 1, 15), ERR_RIGHTS);
    EXPECT_STATUS(sys_cap_copy(SLOT_TASK, SIGNAL, WEAK, 1, 15), ERR_RIGHTS);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, 1, RIGHT_WAIT));
    EXPECT_OK(sys_task_read_cap(TASK, 1, &word, &type));
    EXPECT_EQ(type, OBJ_SIGNAL);
    EXPECT_EQ(word >> 20 & 0xfff, RIGHT_WAIT);
    EXPECT_OK(sys_cap_copy(TASK, 1, SLOT_TASK, COPY, RIGHT_ALL)); // rights do not grow
    EXPECT_EQ(cap_word(SLOT_TASK, COPY) >> 20 & 0xfff, RIGHT_WAIT);
    EXPECT_STATUS(sys_raise(COPY, 1), ERR_RIGHTS);
    EXPECT_STATUS(sys_destroy(COPY), ERR_RIGHTS);
    EXPECT_STATUS(sys_revoke(COPY), ERR_RIGHTS);
    EXPECT_OK(sys_raise(SIGNAL, 4));
    EXPECT_OK(sys_poll(COPY, &bits));
    EXPECT_EQ(bits, 4);
}

static void t_one_bit(void)
{
    uint64_t bits;

    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, BIT, RIGHT_ALL | RIGHT_BIT(63)));
    EXPECT_EQ(cap_word(SLOT_TASK, BIT) >> 20 & 0xfff,
              RIGHT_RAISE | RIGHT_BIT(63)); // may do nothing else
    EXPECT_OK(sys_raise(BIT, 0xff));
    EXPECT_OK(sys_poll(SIGNAL, &bits));
    EXPECT_EQ(bits, 1ull << 63);
    // The restriction survives each further copy, whatever is asked for.
    static const unsigned rights[] = {RIGHT_ALL, RIGHT_ALL | RIGHT_BIT(0), RIGHT_RAISE, 0xfff,
                                      RIGHT_BIT(3)};
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_OK(sys_cap_copy(SLOT_TASK, BIT, SLOT_TASK, BIT2, rights[i]));
        enum status status = sys_raise(BIT2, 0xff);
        EXPECT_STATUS(status, rights[i] & RIGHT_RAISE ? OK : ERR_RIGHTS);
        sys_poll(SIGNAL, &bits);
        EXPECT_EQ(bits, status == OK ? 1ull << 63 : 0);
        EXPECT_OK(sys_cap_drop(SLOT_TASK, BIT2));
    }
    // An interrupt must not raise another bit through it either.
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, OTHER, SLOT_HW, 3, BIT, 5), ERR_RIGHTS);
    EXPECT_OK(sys_create_irq(SLOT_POOL, OTHER, SLOT_HW, 3, BIT, 63));
}

static void t_drop(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
    EXPECT_STATUS(sys_cap_drop(FREE_SLOT, 1), ERR_CAP);
    EXPECT_STATUS(sys_cap_drop(SIGNAL, 1), ERR_CAP);
    EXPECT_STATUS(sys_cap_drop(TASK, CAP_SLOTS), ERR_ARG);
    EXPECT_STATUS(sys_cap_drop(TASK, ~0u), ERR_ARG);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, TASK, SLOT_TASK, WEAK, RIGHT_MAP));
    EXPECT_STATUS(sys_cap_drop(WEAK, 1), ERR_RIGHTS);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, 1, RIGHT_ALL));
    EXPECT_OK(sys_cap_drop(TASK, 1));
    EXPECT_EQ(cap_word(TASK, 1), 0);
    EXPECT_OK(sys_cap_drop(TASK, 1)); // empty: no error
    EXPECT_OK(sys_raise(SIGNAL, 1));  // the object stays
}

static void t_revoke(void)
{
    uint64_t bits;

    EXPECT_STATUS(sys_revoke(FREE_SLOT), ERR_CAP);
    EXPECT_STATUS(sys_revoke(CAP_SLOTS), ERR_CAP);
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, SIGNAL, 0, 63));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, TASK, 1, RIGHT_ALL));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, COPY, RIGHT_ALL));
    for (unsigned i = 0; i < 50; i++) {
        EXPECT_OK(sys_revoke(SIGNAL));
        EXPECT_STATUS(sys_raise(COPY, 1), ERR_CAP);
        EXPECT_EQ(cap_word(TASK, 1), 0);
        EXPECT_OK(sys_raise(SIGNAL, 1)); // the one named lives
        EXPECT_OK(sys_poll(SIGNAL, &bits));
        EXPECT_OK(sys_cap_drop(SLOT_TASK, COPY));
        EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, COPY, RIGHT_ALL));
    }
    // A task whose fault signal was revoked faults in silence.
    EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD, TASK, THREAD_ACTIVE, 0, 40));
    EXPECT_OK(sys_thread_start(THREAD, 0x1000, 0x2000, 0));
    WAIT_UNTIL(thread_report_of(THREAD) == REPORT_FAULTED);
    EXPECT_STATUS(sys_poll(SIGNAL, &bits), ERR_TIMEOUT);
}

// A capability word outlives its object in a table; the object's slot is used again at once. It
// must never come to life.
static void t_stale(void)
{
    uint64_t word, type, first = 0;
    unsigned same = 0;

    for (unsigned i = 0; i < 300; i++) {
        EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
        EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, COPY, RIGHT_ALL));
        EXPECT_OK(sys_task_read_cap(SLOT_TASK, SIGNAL, &word, &type));
        first = i ? first : word;
        same += (word & 0xfffff) == (first & 0xfffff); // the object table's slot
        EXPECT_OK(sys_destroy(SIGNAL));
        EXPECT_STATUS(sys_raise(COPY, 1), ERR_CAP);
        if (i & 1)
            EXPECT_OK(sys_create_signal(SLOT_POOL, OTHER));
        else
            EXPECT_OK(sys_create_task(SLOT_POOL, OTHER, CAP_NONE, 0, 0));
        EXPECT_STATUS(sys_raise(COPY, 1), ERR_CAP);
        EXPECT_STATUS(sys_destroy(COPY), ERR_CAP);
        EXPECT_EQ(cap_word(SLOT_TASK, COPY), 0);
        EXPECT_OK(sys_destroy(OTHER));
        EXPECT_OK(sys_cap_drop(SLOT_TASK, COPY));
    }
    EXPECT(same > 100); // else the test shows nothing
}

static void t_destroy(void)
{
    EXPECT_STATUS(sys_destroy(FREE_SLOT), ERR_CAP);
    EXPECT_STATUS(sys_destroy(CAP_SLOTS), ERR_CAP);
    EXPECT_STATUS(sys_destroy(0xffff), ERR_CAP);
    for (unsigned type = OBJ_MEM; type <= OBJ_SIGNAL; type++) {
        if (type == OBJ_GUEST || type == OBJ_GATE)
            continue;
        enum status status = type == OBJ_MEM    ? ram_new(OTHER, 0, PAGE)
                             : type == OBJ_TASK ? sys_create_task(SLOT_POOL, OTHER, CAP_NONE, 0, 0)
                             : type == OBJ_THREAD ? sys_create_thread(SLOT_POOL, OTHER, SLOT_TASK,
                                                                      THREAD_WORKER, 0, 1)
                                                  : sys_create_signal(SLOT_POOL, OTHER);
        EXPECT_OK(status);
        EXPECT_OK(sys_cap_copy(SLOT_TASK, OTHER, SLOT_TASK, WEAK, RIGHT_ALL & ~RIGHT_CTRL));
        EXPECT_STATUS(sys_destroy(WEAK), ERR_RIGHTS);
        EXPECT_OK(sys_destroy(OTHER));
        EXPECT_EQ(cap_word(SLOT_TASK, OTHER), 0);
        EXPECT_STATUS(sys_destroy(OTHER), ERR_CAP);
        EXPECT_OK(sys_cap_drop(SLOT_TASK, WEAK));
    }
}

static void t_task_ctl(void)
{
    uint64_t word, type, time;

    EXPECT_OK(sys_create_task(SLOT_POOL, TASK, CAP_NONE, 0, 0));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, TASK, SLOT_TASK, WEAK, RIGHT_MAP));
    EXPECT_STATUS(sys_task_read_cap(FREE_SLOT, 1, &word, &type), ERR_CAP);
    EXPECT_STATUS(sys_task_read_cap(SLOT_POOL, 1, &word, &type), ERR_CAP);
    EXPECT_STATUS(sys_task_read_cap(WEAK, 1, &word, &type), ERR_RIGHTS);
    EXPECT_STATUS(sys_task_read_cap(TASK, CAP_SLOTS, &word, &type), ERR_ARG);
    EXPECT_STATUS(sys_invoke6(SYS_TASK_CTL, TASK, 2, 0, 0, 0, 0, 0, 0), ERR_ARG);
    EXPECT_STATUS(sys_invoke6(SYS_TASK_CTL, TASK, ~0ull, 0, 0, 0, 0, 0, 0), ERR_ARG);
    EXPECT_OK(sys_task_time(TASK, &time, NULL));
    EXPECT_EQ(time, 0);
    EXPECT_OK(sys_task_read_cap(TASK, 1, &word, &type));
    EXPECT(word == 0 && type == OBJ_NONE);
    EXPECT_OK(sys_task_read_cap(SLOT_TASK, SLOT_HW, &word, &type));
    EXPECT(word != 0 && type == OBJ_HW);
}

void tests_capabilities(void)
{
    ktest_run("cap/copy", t_copy);
    ktest_run("cap/one-bit", t_one_bit);
    ktest_run("cap/drop", t_drop);
    ktest_run("cap/revoke", t_revoke);
    ktest_run("cap/stale", t_stale);
    ktest_run("cap/destroy", t_destroy);
    ktest_run("cap/task-ctl", t_task_ctl);
}
