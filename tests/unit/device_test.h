// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the device models share: a clock that only moves when told, and interrupt lines
// that remember their levels and edges.
#ifndef DEVICE_TEST_H
#define DEVICE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "irq.h"

#define TEST_HZ 3000000007ull /* a prime, so that nothing divides evenly */

static uint64_t test_time;
static struct clock test_clock;
static bool test_level[24];
static unsigned test_edges[24];
static struct irq_sink test_sink;

static inline uint64_t test_now(void *ctx)
{
    (void)ctx;
    return test_time;
}

static inline void test_irq(void *ctx, unsigned line, bool level)
{
    (void)ctx;
    assert_true(line < 24);
    if (level && !test_level[line])
        test_edges[line]++;
    test_level[line] = level;
}

static inline void test_setup(void)
{
    test_time = 1000000007;
    clock_init(&test_clock, TEST_HZ, test_now, NULL);
    memset(test_level, 0, sizeof(test_level));
    memset(test_edges, 0, sizeof(test_edges));
    test_sink = (struct irq_sink){test_irq, NULL};
}

static inline struct irq_line test_line(unsigned line)
{
    return (struct irq_line){&test_sink, line};
}

/* Microseconds in ticks, rounded up. */
static inline uint64_t test_us(uint64_t us)
{
    return mul_div64_up(us, TEST_HZ, 1000000);
}

static inline uint8_t in8(const struct device_ops *ops, void *dev, uint64_t offset)
{
    return (uint8_t)ops->read(dev, offset, 1);
}

static inline void out8(const struct device_ops *ops, void *dev, uint64_t offset, uint8_t value)
{
    ops->write(dev, offset, 1, value);
}

/* A snapshot must be taken back, a cut or foreign one refused; info must not be empty or too long.
 */
static inline void test_snapshot(const struct device_ops *ops, void *dev)
{
    uint8_t buf[4096];
    char text[2048];
    size_t n = ops->save(dev, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(ops->save(dev, buf, n - 1), 0);
    assert_true(ops->restore(dev, buf, n));
    assert_false(ops->restore(dev, buf, n - 1));
    buf[0] ^= 1;
    assert_false(ops->restore(dev, buf, n));
    size_t length = ops->info(dev, text, sizeof(text));
    assert_true(length > 0 && length == strlen(text));
    memset(text, 0x55, sizeof(text));
    assert_true(ops->info(dev, text, 20) < 20);
    assert_int_equal(text[20], 0x55);
}

#endif
