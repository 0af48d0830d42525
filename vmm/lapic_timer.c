// SPDX-License-Identifier: BSD-2-Clause
// The Local APIC's timer: one-shot, periodic, TSC deadline (SDM 3A 11.5.4). The count is computed
// from the tick at which it was loaded. A masked timer counts but has no deadline here. HAZARD: a
// period may be one count; interrupts are merged to clock.min_period apart, so the guest cannot
// starve itself or the vmm.
#include "lapic.h"

enum { ONE_SHOT = 0, PERIODIC = 1, TSC_DEADLINE = 2 };

static unsigned mode(const struct lapic *lapic)
{
    return lapic->s.lvt[LVT_TIMER] >> 17 & 3;
}

static unsigned divide_shift(const struct lapic *lapic)
{
    uint32_t value = lapic->s.timer_divide;
    return ((value & 3) + (value >> 1 & 4) + 1) & 7;
}

static uint64_t counts(const struct lapic *lapic, uint64_t now)
{
    uint64_t ticks = clock_since(now, lapic->s.timer_origin);
    return clock_units(lapic->clock, ticks, lapic->timer_hz) >> divide_shift(lapic);
}

/* The tick at which `n` counts have passed since the origin. */
static uint64_t tick_of(const struct lapic *lapic, uint64_t n)
{
    unsigned shift = divide_shift(lapic);
    uint64_t units = n > UINT64_MAX >> shift ? UINT64_MAX : n << shift;
    return clock_add(lapic->s.timer_origin, clock_ticks(lapic->clock, units, lapic->timer_hz));
}

uint32_t lapic_timer_count(const struct lapic *lapic, uint64_t now)
{
    uint32_t initial = lapic->s.timer_initial;
    if (initial == 0 || mode(lapic) >= TSC_DEADLINE)
        return 0;
    uint64_t passed = counts(lapic, now);
    if (mode(lapic) == PERIODIC)
        return initial - (uint32_t)(passed % initial);
    return passed < initial ? initial - (uint32_t)passed : 0;
}

void lapic_timer_schedule(struct lapic *lapic, uint64_t now)
{
    uint32_t initial = lapic->s.timer_initial;
    lapic->deadline = CLOCK_NEVER;
    if (lapic->s.lvt[LVT_TIMER] & LVT_MASKED || !lapic_hw_enabled(lapic))
        return;
    if (mode(lapic) == TSC_DEADLINE) {
        uint64_t guest = lapic->s.tsc_deadline;
        uint64_t guest_now = now + lapic->tsc_offset;
        if (guest != 0)
            lapic->deadline = guest > guest_now ? clock_add(now, guest - guest_now) : now;
    } else if (initial != 0) {
        uint64_t passed = counts(lapic, now);
        if (mode(lapic) == PERIODIC) {
            uint64_t at = tick_of(lapic, (passed / initial + 1) * initial);
            uint64_t limit = clock_add(lapic->s.timer_last, lapic->clock->min_period);
            lapic->deadline = at > limit ? at : limit;
        } else if (passed < initial) {
            lapic->deadline = tick_of(lapic, initial);
        }
    }
}

void lapic_expire(struct lapic *lapic, uint64_t now)
{
    if (now < lapic->deadline)
        return;
    lapic->s.timer_last = now;
    lapic->s.tsc_deadline = 0; /* the timer disarms itself; 0 anyway in the other modes */
    lapic_timer_schedule(lapic, now);
    lapic_local(lapic, LVT_TIMER);
}

void lapic_timer_set_initial(struct lapic *lapic, uint32_t value)
{
    if (mode(lapic) >= TSC_DEADLINE)
        return;
    uint64_t now = clock_now(lapic->clock);
    lapic_expire(lapic, now); /* what is due already must not be lost */
    lapic->s.timer_initial = value;
    lapic->s.timer_origin = now;
    lapic_timer_schedule(lapic, now);
}

void lapic_timer_set_divide(struct lapic *lapic, uint32_t value)
{
    uint64_t now = clock_now(lapic->clock);
    lapic_expire(lapic, now);
    uint32_t count = lapic_timer_count(lapic, now);
    lapic->s.timer_divide = value & 0xb;
    /* The count goes on from where it is, at the new rate. */
    uint64_t passed = (uint64_t)(lapic->s.timer_initial - count) << divide_shift(lapic);
    lapic->s.timer_origin = clock_since(now, clock_ticks(lapic->clock, passed, lapic->timer_hz));
    lapic_timer_schedule(lapic, now);
}

void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value)
{
    uint64_t now = clock_now(lapic->clock);
    lapic_expire(lapic, now);
    unsigned before = mode(lapic);
    if ((value >> 17 & 3) >= TSC_DEADLINE && (!lapic->allow_deadline || (value >> 17 & 3) == 3))
        value &= ~(3u << 17); /* reserved modes read as one-shot */
    bool was_masked = lapic->s.lvt[LVT_TIMER] & LVT_MASKED;
    lapic->s.lvt[LVT_TIMER] = value;
    if (before != mode(lapic) && (before == TSC_DEADLINE || mode(lapic) == TSC_DEADLINE)) {
        lapic->s.tsc_deadline = 0; /* switching to or from TSC-deadline mode disarms the timer */
        lapic->s.timer_initial = 0;
    }
    /* A deadline that passed while the entry was masked is spent. */
    if (was_masked && lapic->s.tsc_deadline != 0 &&
        lapic->s.tsc_deadline <= now + lapic->tsc_offset)
        lapic->s.tsc_deadline = 0;
    lapic_timer_schedule(lapic, now);
}

void lapic_timer_set_deadline(struct lapic *lapic, uint64_t guest_tsc)
{
    if (mode(lapic) != TSC_DEADLINE)
        return;
    uint64_t now = clock_now(lapic->clock);
    lapic_expire(lapic, now);
    lapic->s.tsc_deadline = guest_tsc;
    lapic_timer_schedule(lapic, now);
    lapic_expire(lapic, now); /* at once when it lies in the past */
}
