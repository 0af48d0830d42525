// SPDX-License-Identifier: BSD-2-Clause
// Set-up of the device models' clock.
#include "clock.h"

void clock_init(struct clock *clock, uint64_t hz, uint64_t (*now)(void *ctx), void *ctx)
{
    if (hz < CLOCK_HZ_MIN)
        hz = CLOCK_HZ_MIN;
    if (hz > CLOCK_HZ_MAX)
        hz = CLOCK_HZ_MAX;
    clock->hz = hz;
    clock->now = now;
    clock->ctx = ctx;
    clock->min_period = hz / CLOCK_MIN_PERIOD_HZ;
}
