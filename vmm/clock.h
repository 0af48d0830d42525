// SPDX-License-Identifier: BSD-2-Clause
// Time for device models: one unit everywhere, ticks of the host's TSC. A device keeps the tick at
// which a period began and derives all else from it with 128-bit arithmetic, so nothing drifts.
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include "bulkhead/math.h"

#include <stddef.h>
#include <stdint.h>

/* No deadline. */
#define CLOCK_NEVER UINT64_MAX

struct clock {
    uint64_t hz;                /* ticks per second, CLOCK_HZ_MIN .. CLOCK_HZ_MAX */
    uint64_t (*now)(void *ctx); /* NULL: the TSC; tests pass a clock of their own */
    void *ctx;
    uint64_t min_period; /* ticks, set by clock_init: see there */
};

#define CLOCK_HZ_MIN 1000000ull
#define CLOCK_HZ_MAX 100000000000ull

/* Guests cannot make a periodic timer fire more often than this: 20 us. HAZARD: without the limit a
 * period of one count keeps the vmm in its timer code and the guest gets no instruction done. The
 * counters that the guest reads stay exact; only the interrupts are merged. */
#define CLOCK_MIN_PERIOD_HZ 50000

/* Sets up a clock; `hz` is clamped to the supported range. `now` may be NULL for the TSC. */
void clock_init(struct clock *clock, uint64_t hz, uint64_t (*now)(void *ctx), void *ctx);

/* The time, in ticks. */
static inline uint64_t clock_now(const struct clock *clock)
{
    if (__builtin_expect(clock->now != NULL, 0))
        return clock->now(clock->ctx);
    return __builtin_ia32_rdtsc();
}

/* Ticks from `origin` to `now`; 0 when the origin lies ahead. */
static inline uint64_t clock_since(uint64_t now, uint64_t origin)
{
    return now > origin ? now - origin : 0;
}

/* `origin` + `ticks`, saturated to CLOCK_NEVER. */
static inline uint64_t clock_add(uint64_t origin, uint64_t ticks)
{
    return ticks > CLOCK_NEVER - origin ? CLOCK_NEVER : origin + ticks;
}

/* Whole periods of a `rate` Hz signal within `ticks`. */
static inline uint64_t clock_units(const struct clock *clock, uint64_t ticks, uint64_t rate)
{
    return mul_div64(ticks, rate, clock->hz);
}

/* The fewest ticks after which clock_units() gives `units`. */
static inline uint64_t clock_ticks(const struct clock *clock, uint64_t units, uint64_t rate)
{
    return mul_div64_up(units, clock->hz, rate);
}

#endif
