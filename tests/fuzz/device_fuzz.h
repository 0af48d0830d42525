// SPDX-License-Identifier: BSD-2-Clause
// What the fuzz targets of the device models share: input as a stream, a clock, interrupt lines,
// the interpreter of register accesses, and the check that timers neither stall nor storm.
#ifndef DEVICE_FUZZ_H
#define DEVICE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "irq.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define FUZZ_HZ 2399999993ull

static const uint8_t *fuzz_data;
static size_t fuzz_left;
static uint64_t fuzz_time;
static struct clock fuzz_clock;
static unsigned fuzz_irqs;

static inline uint64_t fuzz_take(unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && i < 8 && fuzz_left > 0; i++, fuzz_left--)
        value |= (uint64_t)*fuzz_data++ << 8 * i;
    return value;
}

static inline uint64_t fuzz_now(void *ctx)
{
    (void)ctx;
    return fuzz_time;
}

static inline void fuzz_irq(void *ctx, unsigned line, bool level)
{
    (void)ctx;
    CHECK(line < 24);
    fuzz_irqs += level;
}

static const struct irq_sink fuzz_sink = {fuzz_irq, NULL};

static inline void fuzz_begin(const uint8_t *data, size_t size)
{
    fuzz_data = data;
    fuzz_left = size;
    fuzz_time = 5 * FUZZ_HZ;
    fuzz_irqs = 0;
    clock_init(&fuzz_clock, FUZZ_HZ, fuzz_now, NULL);
}

/* From nanoseconds to years. */
static inline uint64_t fuzz_step(void)
{
    uint64_t step = fuzz_take(2) << fuzz_take(1) % 44;
    return step;
}

/* One access of a size that the device takes, inside a region of `region` bytes. */
static inline void fuzz_access(const struct device_ops *ops, void *dev, uint64_t region, bool write)
{
    unsigned widest = ops->width ? ops->width : 8;
    unsigned size = 1u << fuzz_take(1) % 4;
    while (size > widest || size > region)
        size /= 2;
    uint64_t offset = fuzz_take(2) % (region - size + 1);
    if (!write) {
        ops->read(dev, offset, size);
        return;
    }
    uint64_t value = fuzz_take(size);
    ops->write(dev, offset, size, value);
}

/* A snapshot is taken back, also when bytes of it were changed, if the device accepts that. */
static inline void fuzz_snapshot(const struct device_ops *ops, void *dev)
{
    static uint8_t buf[8192];
    static char text[4096];
    size_t n = ops->save(dev, buf, sizeof(buf));
    CHECK(n > 0);
    CHECK(ops->restore(dev, buf, n));
    for (unsigned i = fuzz_take(1) % 8; i > 0; i--) {
        size_t at = fuzz_take(2) % n;
        buf[at] = (uint8_t)fuzz_take(1);
    }
    ops->restore(dev, buf, n);
    size_t size = fuzz_take(2) % sizeof(text);
    CHECK(ops->info(dev, text, size) <= size);
}

/* Time passes up to the next step in the input; expiry must come to an end, 20 us apart on average.
 */
static inline void fuzz_pass(uint64_t (*deadline)(void *dev),
                             void (*expire)(void *dev, uint64_t now), void *dev)
{
    uint64_t step = fuzz_step();
    if (step > FUZZ_HZ / 100) { /* far ahead: late for everything */
        fuzz_time += step;
        expire(dev, fuzz_time);
        CHECK(deadline(dev) > fuzz_time);
        return;
    }
    uint64_t end = fuzz_time + step;
    uint64_t limit = step / fuzz_clock.min_period + 8;
    for (uint64_t n = 0; deadline(dev) <= end; n++) {
        CHECK(n < limit * 8); /* eight timers at most share a deadline */
        if (deadline(dev) > fuzz_time)
            fuzz_time = deadline(dev);
        expire(dev, fuzz_time);
    }
    fuzz_time = end;
}

#endif
