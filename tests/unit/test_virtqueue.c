// SPDX-License-Identifier: BSD-2-Clause
// Split virtqueues: chains, indirect tables, event index, notification flags, and every kind of
// malformed ring.
// links: vmm/virtqueue.c vmm/guest_memory.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtqueue.h"

#define SIZE  8u
#define RAM   0x100000u
#define DESC  0x1000u
#define AVAIL 0x2000u
#define USED  0x3000u
#define TABLE 0x4000u
#define DATA  0x10000u

static _Alignas(4096) uint8_t memory[RAM];
static struct guest_ram ram = {memory, RAM};
static struct vring_desc *const desc = (void *)(memory + DESC);
static struct vring_avail *const avail = (void *)(memory + AVAIL);
static struct vring_used *const used = (void *)(memory + USED);
static struct vring_desc *const table = (void *)(memory + TABLE);
static struct virtqueue q;
static struct virtqueue_chain chain;

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    virtqueue_reset(&q, &ram, SIZE);
    q.desc = DESC;
    q.driver = AVAIL;
    q.device = USED;
    q.indirect = true;
    assert_true(virtqueue_enable(&q));
    return 0;
}

static void offer(uint16_t head)
{
    avail->ring[avail->idx % SIZE] = head;
    avail->idx++;
}

static struct vring_desc entry(uint64_t address, uint32_t size, uint16_t flags, uint16_t next)
{
    return (struct vring_desc){address, size, flags, next};
}

static void expect_broken(void)
{
    assert_true(virtqueue_pending(&q));
    assert_false(virtqueue_pop(&q, &chain));
    assert_true(q.broken);
    assert_false(virtqueue_pending(&q));
    assert_false(virtqueue_pop(&q, &chain));
    assert_false(virtqueue_should_notify(&q));
}

static void test_enable(void **state)
{
    (void)state;
    static const struct {
        uint64_t desc, driver, device;
        uint16_t size;
        bool good;
    } cases[] = {
        {DESC, AVAIL, USED, SIZE, true},
        {DESC, AVAIL, USED, 1, true},
        {DESC, AVAIL, USED, 0, false},
        {DESC, AVAIL, USED, 3, false},
        {DESC, AVAIL, USED, SIZE * 2, false},
        {DESC + 8, AVAIL, USED, SIZE, false},
        {DESC, AVAIL + 1, USED, SIZE, false},
        {DESC, AVAIL, USED + 2, SIZE, false},
        {RAM - SIZE * 16, AVAIL, USED, SIZE, true},
        {RAM - SIZE * 16 + 16, AVAIL, USED, SIZE, false},
        {DESC, RAM - 6 - SIZE * 2, USED, SIZE, true},
        {DESC, RAM - 4 - SIZE * 2, USED, SIZE, false},
        {DESC, AVAIL, RAM - 8 - SIZE * 8, SIZE, true},
        {DESC, AVAIL, RAM - 4 - SIZE * 8, SIZE, false},
        {UINT64_MAX & ~15ull, AVAIL, USED, SIZE, false},
        {DESC, AVAIL, UINT64_MAX & ~3ull, SIZE, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        virtqueue_reset(&q, &ram, SIZE);
        assert_int_equal(q.size, SIZE);
        q.desc = cases[i].desc;
        q.driver = cases[i].driver;
        q.device = cases[i].device;
        q.size = cases[i].size;
        assert_int_equal(virtqueue_enable(&q), cases[i].good);
        assert_int_equal(q.enabled, cases[i].good);
    }
    virtqueue_reset(&q, &ram, SIZE); /* nothing works while it is not enabled */
    assert_false(virtqueue_pending(&q));
    assert_false(virtqueue_pop(&q, &chain));
    virtqueue_push(&q, 0, 0);
    virtqueue_want_kick(&q, true);
    assert_false(virtqueue_should_notify(&q));
}

static void test_chain(void **state)
{
    (void)state;
    desc[5] = entry(DATA, 16, VRING_DESC_F_NEXT, 2);
    desc[2] = entry(DATA + 0x100, 3, VRING_DESC_F_NEXT, 7);
    desc[7] = entry(DATA + 0x200, 5, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
    desc[0] = entry(DATA + 0x300, 1, VRING_DESC_F_WRITE, 99);
    memcpy(memory + DATA, "0123456789abcdef", 16);
    memcpy(memory + DATA + 0x100, "xyz", 3);
    assert_false(virtqueue_pop(&q, &chain));
    assert_false(q.broken);
    offer(5);
    assert_true(virtqueue_pop(&q, &chain));
    assert_int_equal(chain.head, 5);
    assert_int_equal(chain.readable, 2);
    assert_int_equal(chain.writable, 2);
    assert_int_equal(chain.readable_size, 19);
    assert_int_equal(chain.writable_size, 6);
    char text[32] = {0};
    assert_int_equal(virtqueue_read(&chain, 14, text, sizeof(text)), 5);
    assert_string_equal(text, "efxyz");
    assert_int_equal(virtqueue_read(&chain, 16, text, 2), 2);
    assert_memory_equal(text, "xy", 2);
    assert_int_equal(virtqueue_read(&chain, 19, text, 2), 0);
    assert_int_equal(virtqueue_read(&chain, UINT64_MAX, text, 2), 0);
    assert_int_equal(virtqueue_write(&chain, 4, "AB", 2), 2);
    assert_int_equal(virtqueue_write(&chain, 5, "C", 2), 1);
    assert_int_equal(memory[DATA + 0x204], 'A');
    assert_int_equal(memory[DATA + 0x205], 0);
    assert_int_equal(memory[DATA + 0x300], 'C');
    virtqueue_push(&q, chain.head, 6);
    assert_int_equal(used->idx, 1);
    assert_int_equal(used->ring[0].id, 5);
    assert_int_equal(used->ring[0].len, 6);
    assert_false(virtqueue_pending(&q));
}

static void test_unpop(void **state)
{
    (void)state;
    desc[1] = entry(DATA, 16, 0, 0);
    offer(1);
    assert_true(virtqueue_pop(&q, &chain));
    assert_false(virtqueue_pop(&q, &chain));
    virtqueue_unpop(&q);
    assert_true(virtqueue_pending(&q));
    assert_true(virtqueue_pop(&q, &chain));
    assert_int_equal(chain.head, 1);
}

static void test_wrap(void **state)
{
    (void)state;
    desc[3] = entry(DATA, 1, VRING_DESC_F_WRITE, 0);
    for (unsigned i = 0; i < 70000; i++) {
        offer(3);
        assert_true(virtqueue_pop(&q, &chain));
        virtqueue_push(&q, 3, 1);
        assert_true(virtqueue_should_notify(&q));
        assert_int_equal(used->idx, (uint16_t)(i + 1));
    }
}

static void test_indirect(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VIRTQUEUE_SEGMENTS; i++)
        table[i] = entry(DATA + 16 * i, 16,
                         (i < VIRTQUEUE_SEGMENTS - 1 ? VRING_DESC_F_NEXT : 0) |
                             (i >= 100 ? VRING_DESC_F_WRITE : 0),
                         (uint16_t)(i + 1));
    /* An indirect table alone, longer than the queue. */
    desc[0] = entry(TABLE, VIRTQUEUE_SEGMENTS * 16, VRING_DESC_F_INDIRECT, 0);
    offer(0);
    assert_true(virtqueue_pop(&q, &chain));
    assert_int_equal(chain.readable, 100);
    assert_int_equal(chain.writable, VIRTQUEUE_SEGMENTS - 100);
    /* Behind ordinary pieces, at an odd address; its write flag means nothing. */
    memcpy(memory + TABLE + 0x4001, table + 100, 16);
    desc[1] = entry(DATA, 8, VRING_DESC_F_NEXT, 4);
    desc[4] = entry(TABLE + 0x4001, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
    memory[TABLE + 0x4001 + 12] = VRING_DESC_F_WRITE;
    offer(1);
    assert_true(virtqueue_pop(&q, &chain));
    assert_int_equal(chain.readable, 1);
    assert_int_equal(chain.writable, 1);
}

static void test_malformed(void **state)
{
    static const struct {
        struct vring_desc first, second; /* descriptors 0 and 1 */
        struct vring_desc table[2];
    } cases[] = {
        {{DATA, 0, 0, 0}, {0, 0, 0, 0}, {{0}}},          /* empty */
        {{RAM - 8, 9, 0, 0}, {0, 0, 0, 0}, {{0}}},       /* past the end */
        {{UINT64_MAX, 2, 0, 0}, {0, 0, 0, 0}, {{0}}},    /* wraps */
        {{0xd0000000, 4096, 2, 0}, {0, 0, 0, 0}, {{0}}}, /* devices */
        {{DATA, 1, 1, 0}, {0, 0, 0, 0}, {{0}}},          /* a loop of one */
        {{DATA, 1, 1, 1}, {DATA, 1, 1, 0}, {{0}}},       /* of two */
        {{DATA, 1, 1, SIZE}, {0, 0, 0, 0}, {{0}}},       /* next out of range */
        {{DATA, 1, 1, 0xffff}, {0, 0, 0, 0}, {{0}}},
        {{DATA, 1, 3, 1}, {DATA, 1, 0, 0}, {{0}}}, /* readable behind writable */
        {{TABLE, 0, 4, 0}, {0, 0, 0, 0}, {{0}}},   /* empty table */
        {{TABLE, 15, 4, 0}, {0, 0, 0, 0}, {{0}}},
        {{TABLE, 17, 4, 0}, {0, 0, 0, 0}, {{0}}},
        {{TABLE, 16, 5, 1}, {DATA, 1, 0, 0}, {{DATA, 1, 0, 0}}}, /* table with a next */
        {{RAM - 16, 32, 4, 0}, {0, 0, 0, 0}, {{0}}},             /* table out of range */
        {{TABLE, 32, 4, 0}, {0, 0, 0, 0}, {{TABLE, 16, 4, 0}}},  /* table in a table */
        {{TABLE, 32, 4, 0}, {0, 0, 0, 0}, {{DATA, 1, 1, 2}}},    /* next out of the table */
        {{TABLE, 32, 4, 0}, {0, 0, 0, 0}, {{DATA, 1, 1, 0}}},    /* loop in a table */
        {{TABLE, 32, 4, 0}, {0, 0, 0, 0}, {{DATA, 0, 0, 0}}},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup(state);
        desc[0] = cases[i].first;
        desc[1] = cases[i].second;
        table[0] = cases[i].table[0];
        table[1] = cases[i].table[1];
        offer(0);
        expect_broken();
    }
    setup(state); /* the head is out of range */
    offer(SIZE);
    expect_broken();
    setup(state); /* indirect without that feature */
    q.indirect = false;
    desc[0] = entry(TABLE, 16, VRING_DESC_F_INDIRECT, 0);
    table[0] = entry(DATA, 1, 0, 0);
    offer(0);
    expect_broken();
    setup(state); /* the index jumps */
    desc[0] = entry(DATA, 1, 0, 0);
    avail->idx = SIZE + 1;
    expect_broken();
    setup(state); /* or goes back */
    avail->idx = 0xffff;
    expect_broken();
    setup(state); /* more pieces than a chain may have */
    for (unsigned i = 0; i <= VIRTQUEUE_SEGMENTS; i++)
        table[i] = entry(DATA, 1, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
    table[VIRTQUEUE_SEGMENTS].flags = 0;
    desc[0] = entry(TABLE, 16 * (VIRTQUEUE_SEGMENTS + 1), VRING_DESC_F_INDIRECT, 0);
    offer(0);
    expect_broken();
}

/* More than 4 GiB in a chain, through a RAM that claims to be so large (only addresses count). */
static void test_too_long(void **state)
{
    (void)state;
    struct guest_ram large = {memory, 3ull << 30};
    q.ram = &large;
    desc[0] = entry(0, 0x90000000, VRING_DESC_F_NEXT, 1);
    desc[1] = entry(0, 0x90000000, 0, 0);
    offer(0);
    expect_broken();
}

static void test_flags(void **state)
{
    (void)state;
    desc[0] = entry(DATA, 1, VRING_DESC_F_WRITE, 0);
    assert_false(virtqueue_should_notify(&q));
    virtqueue_push(&q, 0, 1);
    assert_true(virtqueue_should_notify(&q));
    assert_false(virtqueue_should_notify(&q));
    avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    virtqueue_push(&q, 0, 1);
    assert_false(virtqueue_should_notify(&q));
    virtqueue_want_kick(&q, false);
    assert_int_equal(used->flags, VRING_USED_F_NO_NOTIFY);
    virtqueue_want_kick(&q, true);
    assert_int_equal(used->flags, 0);
}

static void test_events(void **state)
{
    (void)state;
    uint16_t *used_event = &avail->ring[SIZE];
    uint16_t *avail_event = (uint16_t *)(void *)&used->ring[SIZE];
    q.event_idx = true;
    desc[0] = entry(DATA, 1, VRING_DESC_F_WRITE, 0);
    avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* means nothing with the event index */
    *used_event = 2;
    for (unsigned i = 0; i < 6; i++) {
        virtqueue_push(&q, 0, 1);
        assert_int_equal(virtqueue_should_notify(&q), i == 2);
    }
    *used_event = 8; /* several at once */
    for (unsigned i = 0; i < 4; i++)
        virtqueue_push(&q, 0, 1);
    assert_true(virtqueue_should_notify(&q));
    offer(0);
    offer(0);
    assert_true(virtqueue_pop(&q, &chain));
    virtqueue_want_kick(&q, false);
    assert_int_equal(*avail_event, 0);
    assert_true(virtqueue_pop(&q, &chain));
    virtqueue_want_kick(&q, true);
    assert_int_equal(*avail_event, 2);
    assert_int_equal(used->flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enable, setup),   cmocka_unit_test_setup(test_chain, setup),
        cmocka_unit_test_setup(test_unpop, setup),    cmocka_unit_test_setup(test_wrap, setup),
        cmocka_unit_test_setup(test_indirect, setup), cmocka_unit_test_setup(test_malformed, setup),
        cmocka_unit_test_setup(test_too_long, setup), cmocka_unit_test_setup(test_flags, setup),
        cmocka_unit_test_setup(test_events, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
