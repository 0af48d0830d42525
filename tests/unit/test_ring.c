// SPDX-License-Identifier: BSD-2-Clause
// The byte ring: order, wrap-around, when to raise the peer, and a peer that writes any index.
// links: lib/ring.c

#include "bulkhead/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 16u

struct pair {
    struct ring
        *ring; // exactly as large as it has to be, so that the sanitizer sees a step outside
    struct ring_end producer, consumer;
};

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));

    p->ring = aligned_alloc(64, sizeof(struct ring) + 64);
    ring_init(p->ring, SIZE);
    assert_true(ring_open(&p->producer, p->ring, SIZE, RING_PRODUCER));
    assert_true(ring_open(&p->consumer, p->ring, SIZE, RING_CONSUMER));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    free(p->ring);
    free(p);
    return 0;
}

static void keeps_order_across_the_end(void **state)
{
    struct pair *p = *state;
    uint8_t next_in = 0, next_out = 0, bytes[SIZE];

    p->producer.own = p->consumer.own = p->ring->head = p->ring->tail = 0xfffffff9u;
    for (unsigned round = 0; round < 1000; round++) {
        unsigned want = round * 7 % 19,
                 n = want < ring_free(&p->producer) ? want : ring_free(&p->producer);

        for (unsigned i = 0; i < n; i++)
            bytes[i] = next_in++;
        assert_int_equal(ring_write(&p->producer, bytes, n), n);
        n = ring_read(&p->consumer, bytes, round * 5 % 17);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(bytes[i], next_out++);
        assert_int_equal(ring_used(&p->consumer) + ring_free(&p->producer), SIZE);
    }
}

static void takes_what_fits(void **state)
{
    struct pair *p = *state;
    char bytes[64] = "0123456789abcdefghij";

    assert_int_equal(ring_write(&p->producer, bytes, 20), SIZE);
    assert_int_equal(ring_write(&p->producer, bytes, 1), 0);
    assert_int_equal(ring_read(&p->consumer, bytes + 30, 30), SIZE);
    assert_memory_equal(bytes + 30, "0123456789abcdef", SIZE);
    assert_int_equal(ring_read(&p->consumer, bytes, 1), 0);
}

static void raises_only_when_needed(void **state)
{
    struct pair *p = *state;
    char bytes[SIZE] = {0};

    ring_write(&p->producer, bytes, 4);
    assert_true(p->producer.raise); // it was empty
    p->producer.raise = false;
    ring_write(&p->producer, bytes, 4);
    assert_false(p->producer.raise); // the consumer has not come yet
    ring_read(&p->consumer, bytes, 2);
    assert_false(p->consumer.raise); // there was room
    ring_write(&p->producer, bytes, SIZE);
    assert_int_equal(ring_free(&p->producer), 0);
    ring_read(&p->consumer, bytes, 1);
    assert_true(p->consumer.raise); // it was full
}

static void survives_any_index(void **state)
{
    struct pair *p = *state;
    uint32_t values[] = {0, 1, SIZE, SIZE + 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    char bytes[64];

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        p->ring->head = values[i];
        assert_true(ring_used(&p->consumer) <= SIZE);
        assert_true(ring_read(&p->consumer, bytes, 64) <= SIZE);
        p->ring->tail = values[i];
        assert_true(ring_free(&p->producer) <= SIZE);
        assert_true(ring_write(&p->producer, bytes, 64) <= SIZE);
    }
}

static void opens_on_leftovers(void **state)
{
    struct pair *p = *state;
    char bytes[SIZE] = "abc";

    ring_write(&p->producer, bytes, 3);
    assert_true(
        ring_open(&p->producer, p->ring, SIZE, RING_PRODUCER)); // a restarted client goes on
    ring_write(&p->producer, "d", 1);
    assert_int_equal(ring_read(&p->consumer, bytes, SIZE), 4);
    assert_memory_equal(bytes, "abcd", 4);

    p->ring->head = 1000; // its predecessor left nonsense
    assert_true(ring_open(&p->producer, p->ring, SIZE, RING_PRODUCER));
    assert_int_equal(ring_used(&p->consumer), 0);
    assert_int_equal(ring_write(&p->producer, "xy", 2), 2);
    assert_int_equal(ring_read(&p->consumer, bytes, SIZE), 2);
    assert_memory_equal(bytes, "xy", 2);
}

static void recovers_from_a_broken_producer(void **state)
{
    struct pair *p = *state;
    char bytes[SIZE] = {0};

    // Whatever a producer leaves in both indices, its successor can speak again after one look of
    // the consumer.
    for (uint32_t head = 0; head < 4 * SIZE; head++) {
        for (uint32_t tail = 0; tail < 4 * SIZE; tail++) {
            p->ring->head = head;
            p->ring->tail = tail;
            assert_true(ring_open(&p->producer, p->ring, SIZE, RING_PRODUCER));
            while (ring_read(&p->consumer, bytes, SIZE) != 0)
                ;
            assert_int_equal(ring_write(&p->producer, "hello", 5), 5);
            assert_int_equal(ring_read(&p->consumer, bytes, SIZE), 5);
            assert_memory_equal(bytes, "hello", 5);
        }
    }
}

static void checks_the_size(void **state)
{
    struct pair *p = *state;

    assert_false(ring_open(&p->consumer, p->ring, 0, RING_CONSUMER));
    assert_false(ring_open(&p->consumer, p->ring, 24, RING_CONSUMER));
    assert_false(ring_open(&p->consumer, p->ring, 1u << 31, RING_CONSUMER));
    assert_int_equal(ring_capacity(sizeof(struct ring)), 0);
    assert_int_equal(ring_capacity(4096), 2048);
    assert_int_equal(ring_capacity(128 + 64), 64);
    assert_int_equal(ring_capacity(1ull << 40), 1u << 30);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_order_across_the_end),
        TEST(takes_what_fits),
        TEST(raises_only_when_needed),
        TEST(survives_any_index),
        TEST(opens_on_leftovers),
        TEST(checks_the_size),
        TEST(recovers_from_a_broken_producer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
