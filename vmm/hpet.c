// SPDX-License-Identifier: BSD-2-Clause
// HPET. The counter is computed when somebody looks. A timer remembers at which count it matches
// next, so a match is found by comparing, never by stepping. A match that lies behind the counter
// comes when the counter has wrapped around, as on hardware: for 32 bits after 268 s.
#include "hpet.h"

#include <stdio.h>
#include <string.h>

enum {
    REG_ID = 0x000,
    REG_CONFIG = 0x010,
    REG_STATUS = 0x020,
    REG_COUNTER = 0x0f0,
    REG_TIMER = 0x100, /* and 0x20 for each: configuration, comparator, FSB route */
};

#define CONFIG_ENABLE 1u
#define CONFIG_LEGACY 2u

#define TIMER_LEVEL    (1u << 1)
#define TIMER_ENABLE   (1u << 2)
#define TIMER_PERIODIC (1u << 3)
#define TIMER_CAN      (1u << 4 | 1u << 5) /* periodic, 64 bits */
#define TIMER_SET      (1u << 6)           /* the next write sets the comparator, too */
#define TIMER_32BIT    (1u << 8)
#define TIMER_ROUTE    (31u << 9)
#define TIMER_FLAGS    (TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET | TIMER_32BIT)

#define LEGACY_LINES (1u << HPET_LINE_PIT | 1u << HPET_LINE_RTC)

static bool running(const struct hpet *hpet)
{
    return hpet->s.config & CONFIG_ENABLE;
}

/* Counts since the counter was started or set. */
static uint64_t elapsed(const struct hpet *hpet, uint64_t now)
{
    if (!running(hpet))
        return 0;
    return clock_units(hpet->clock, clock_since(now, hpet->s.origin), HPET_HZ);
}

static unsigned route(const struct hpet *hpet, unsigned n)
{
    if (hpet->s.config & CONFIG_LEGACY && n < 2)
        return n == 0 ? HPET_LINE_PIT : HPET_LINE_RTC;
    return (hpet->s.timer[n].config & TIMER_ROUTE) >> 9;
}

/* Whether the timer's interrupts lead anywhere: route 0 after reset does not. */
static bool connected(const struct hpet *hpet, unsigned n)
{
    if (hpet->s.config & CONFIG_LEGACY && n < 2)
        return true;
    return HPET_ROUTES >> route(hpet, n) & 1;
}

/* Drives the lines: levels of level-triggered timers, and what comes from the 8254 and the RTC. */
static void drive(struct hpet *hpet)
{
    uint32_t lines = hpet->s.config & CONFIG_LEGACY ? 0 : hpet->s.inputs;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        uint32_t config = hpet->s.timer[n].config;
        if (config & TIMER_LEVEL && config & TIMER_ENABLE && running(hpet) && connected(hpet, n) &&
            hpet->s.status >> n & 1)
            lines |= 1u << route(hpet, n);
    }
    uint32_t changed = lines ^ hpet->lines;
    hpet->lines = lines;
    for (; changed != 0; changed &= changed - 1) {
        unsigned line = (unsigned)__builtin_ctz(changed);
        irq_set(hpet->irqs, line, lines >> line & 1);
    }
}

static void legacy_set(void *ctx, unsigned line, bool level)
{
    struct hpet *hpet = ctx;
    if (line != HPET_LINE_PIT && line != HPET_LINE_RTC)
        return;
    if (level)
        hpet->s.inputs |= 1u << line;
    else
        hpet->s.inputs &= ~(1u << line);
    drive(hpet);
}

/* Finds the next match, from the comparator: after any change of it or of the counter. */
static void aim(struct hpet *hpet, unsigned n, uint64_t now)
{
    struct hpet_timer *t = &hpet->s.timer[n];
    uint64_t count = elapsed(hpet, now), ahead = t->comparator - (hpet->s.base + count);
    if (t->config & TIMER_32BIT)
        ahead = (uint32_t)ahead;
    t->due = clock_add(count, ahead);
}

static void aim_all(struct hpet *hpet, uint64_t now)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        aim(hpet, n, now);
}

static void matched(struct hpet *hpet, unsigned n, uint64_t count, uint64_t now)
{
    struct hpet_timer *t = &hpet->s.timer[n];
    if (t->config & TIMER_PERIODIC && t->period != 0) {
        uint64_t periods = (count - t->due) / t->period + 1;
        t->comparator += periods * t->period;
        if (t->config & TIMER_32BIT)
            t->comparator = (uint32_t)t->comparator;
        t->due = clock_add(t->due, mul_div64(periods, t->period, 1));
    } else if (t->config & TIMER_32BIT) {
        uint64_t wraps = ((count - t->due) >> 32) + 1;
        t->due = clock_add(t->due, mul_div64(wraps, 1ull << 32, 1));
    } else {
        t->due = CLOCK_NEVER;
    }
    t->last = now;
    if (t->config & TIMER_LEVEL) {
        hpet->s.status |= 1u << n;
    } else if (t->config & TIMER_ENABLE && connected(hpet, n)) {
        unsigned line = route(hpet, n);
        if (!(hpet->lines >> line & 1)) {
            irq_set(hpet->irqs, line, true);
            irq_set(hpet->irqs, line, false);
        }
    }
}

/* Brings everything up to `now` and finds the deadline. */
static void update(struct hpet *hpet, uint64_t now)
{
    uint64_t count = elapsed(hpet, now);
    hpet->deadline = CLOCK_NEVER;
    if (!running(hpet)) {
        drive(hpet);
        return;
    }
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &hpet->s.timer[n];
        /* HAZARD: a period of one count, see CLOCK_MIN_PERIOD_HZ. */
        uint64_t soonest = clock_add(t->last, hpet->clock->min_period);
        if (count >= t->due && now >= soonest)
            matched(hpet, n, count, now);
        if (!(t->config & TIMER_ENABLE) || t->due == CLOCK_NEVER ||
            (t->config & TIMER_LEVEL && hpet->s.status >> n & 1))
            continue;
        uint64_t at = clock_add(hpet->s.origin, clock_ticks(hpet->clock, t->due, HPET_HZ));
        soonest = clock_add(t->last, hpet->clock->min_period);
        if (at < soonest)
            at = soonest;
        if (at < hpet->deadline)
            hpet->deadline = at;
    }
    drive(hpet);
}

void hpet_expire(void *dev, uint64_t now)
{
    struct hpet *hpet = dev;
    if (now >= hpet->deadline)
        update(hpet, now);
}

static uint64_t read_register(const struct hpet *hpet, uint64_t reg, uint64_t now)
{
    switch (reg) {
    case REG_ID:
        return (uint64_t)HPET_PERIOD_FS << 32 | HPET_ID;
    case REG_CONFIG:
        return hpet->s.config;
    case REG_STATUS:
        return hpet->s.status;
    case REG_COUNTER:
        return hpet->s.base + elapsed(hpet, now);
    }
    if (reg < REG_TIMER || reg >= REG_TIMER + 0x20 * HPET_TIMERS)
        return 0;
    const struct hpet_timer *t = &hpet->s.timer[(reg - REG_TIMER) / 0x20];
    switch (reg % 0x20) {
    case 0x00:
        return (uint64_t)HPET_ROUTES << 32 | TIMER_CAN | t->config;
    case 0x08:
        return t->comparator;
    default:
        return 0;
    }
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size; /* the bus cuts the value; what lies behind the register is 0 */
    struct hpet *hpet = dev;
    uint64_t reg = offset & ~7ull, now = clock_now(hpet->clock);
    if (reg != REG_COUNTER)
        update(hpet, now);
    return read_register(hpet, reg, now) >> 8 * (offset & 7);
}

static void write_config(struct hpet *hpet, uint32_t value, uint64_t now)
{
    bool was = running(hpet);
    uint64_t counter = hpet->s.base + elapsed(hpet, now);
    hpet->s.config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
    if (was != running(hpet)) {
        hpet->s.base = counter;
        hpet->s.origin = now;
        aim_all(hpet, now);
    }
}

static void write_timer_config(struct hpet *hpet, unsigned n, uint32_t value, uint64_t now)
{
    struct hpet_timer *t = &hpet->s.timer[n];
    uint32_t before = t->config;
    t->config = (value & TIMER_FLAGS) | (before & TIMER_ROUTE);
    /* A route that is not offered reads back differently from what was written: 2.3.8. */
    if (HPET_ROUTES >> ((value & TIMER_ROUTE) >> 9) & 1 || !(value & TIMER_ROUTE))
        t->config = (t->config & ~TIMER_ROUTE) | (value & TIMER_ROUTE);
    if (!(t->config & TIMER_LEVEL))
        hpet->s.status &= ~(1u << n);
    if (t->config & TIMER_32BIT && !(before & TIMER_32BIT)) {
        t->comparator = (uint32_t)t->comparator;
        t->period = (uint32_t)t->period;
    }
    if ((t->config ^ before) & (TIMER_32BIT | TIMER_PERIODIC))
        aim(hpet, n, now);
}

/* `mask`: the half that is written, or all. A periodic timer takes the value as its period, and as
 * its comparator only after TIMER_SET: 2.3.9.2.2. */
static void write_comparator(struct hpet *hpet, unsigned n, uint64_t value, uint64_t mask,
                             uint64_t now)
{
    struct hpet_timer *t = &hpet->s.timer[n];
    if (t->config & TIMER_32BIT)
        mask &= UINT32_MAX;
    if (t->config & TIMER_PERIODIC)
        t->period = (t->period & ~mask) | (value & mask);
    if (!(t->config & TIMER_PERIODIC) || t->config & TIMER_SET) {
        t->comparator = (t->comparator & ~mask) | (value & mask);
        aim(hpet, n, now);
    }
    t->config &= ~TIMER_SET;
}

static void write_register(struct hpet *hpet, uint64_t reg, uint64_t value, uint64_t mask,
                           uint64_t now)
{
    bool low = mask & 1;
    switch (reg) {
    case REG_CONFIG:
        if (low)
            write_config(hpet, (uint32_t)value, now);
        return;
    case REG_STATUS:
        hpet->s.status &= ~(uint32_t)(value & mask);
        return;
    case REG_COUNTER:
        hpet->s.base = ((hpet->s.base + elapsed(hpet, now)) & ~mask) | (value & mask);
        hpet->s.origin = now;
        aim_all(hpet, now);
        return;
    }
    if (reg < REG_TIMER || reg >= REG_TIMER + 0x20 * HPET_TIMERS)
        return;
    unsigned n = (unsigned)(reg - REG_TIMER) / 0x20;
    if (reg % 0x20 == 0x00 && low)
        write_timer_config(hpet, n, (uint32_t)value, now);
    else if (reg % 0x20 == 0x08)
        write_comparator(hpet, n, value, mask, now);
}

/* Registers take aligned accesses of 4 and 8 bytes: 2.3.2. Others are ignored. */
static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct hpet *hpet = dev;
    if (size < 4 || offset % size != 0)
        return;
    uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << 8 * (offset & 4);
    uint64_t now = clock_now(hpet->clock);
    update(hpet, now);
    write_register(hpet, offset & ~7ull, size == 8 ? value : value << 8 * (offset & 4), mask, now);
    update(hpet, now);
}

static void reset(void *dev)
{
    struct hpet *hpet = dev;
    uint32_t inputs = hpet->s.inputs;
    memset(&hpet->s, 0, sizeof(hpet->s));
    hpet->s.inputs = inputs;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        hpet->s.timer[n].comparator = UINT64_MAX;
        hpet->s.timer[n].due = CLOCK_NEVER;
    }
    update(hpet, clock_now(hpet->clock));
}

void hpet_init(struct hpet *hpet, const struct clock *clock, const struct irq_sink *irqs)
{
    memset(hpet, 0, sizeof(*hpet));
    hpet->clock = clock;
    hpet->irqs = irqs;
    hpet->legacy = (struct irq_sink){legacy_set, hpet};
    reset(hpet);
}

#define HPET_SNAPSHOT SNAPSHOT_ID('H', 'P', 'T', 1)

/* The counter as it stands, and matches relative to it. */
static size_t save(void *dev, void *buf, size_t size)
{
    struct hpet *hpet = dev;
    uint64_t now = clock_now(hpet->clock), count = elapsed(hpet, now);
    update(hpet, now);
    struct hpet_state s = hpet->s;
    s.base += count;
    s.origin = 0;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &s.timer[n];
        if (t->due != CLOCK_NEVER)
            t->due = t->due > count ? t->due - count : 0;
        t->last = clock_since(now, t->last);
    }
    return snapshot_save(buf, size, HPET_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct hpet *hpet = dev;
    struct hpet_state s;
    if (!snapshot_load(buf, size, HPET_SNAPSHOT, &s, sizeof(s)))
        return false;
    if (s.config & ~(CONFIG_ENABLE | CONFIG_LEGACY) || s.status >> HPET_TIMERS ||
        s.inputs & ~LEGACY_LINES || s.origin != 0)
        return false;
    uint64_t now = clock_now(hpet->clock);
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &s.timer[n];
        unsigned to = (t->config & TIMER_ROUTE) >> 9;
        if (t->config & ~(TIMER_FLAGS | TIMER_ROUTE) || (to != 0 && !(HPET_ROUTES >> to & 1)) ||
            (!(t->config & TIMER_LEVEL) && s.status >> n & 1) ||
            (t->config & TIMER_32BIT && (t->comparator | t->period) >> 32))
            return false;
        t->last = clock_since(now, t->last);
    }
    s.origin = now;
    hpet->s = s;
    update(hpet, now);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct hpet *hpet = dev;
    uint64_t now = clock_now(hpet->clock);
    size_t n =
        info_length(snprintf(buf, size, "hpet: counter %llx%s%s status %x\n",
                             (unsigned long long)(hpet->s.base + elapsed(hpet, now)),
                             running(hpet) ? "" : " stopped",
                             hpet->s.config & CONFIG_LEGACY ? " legacy" : "", hpet->s.status),
                    size);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *t = &hpet->s.timer[i];
        n += info_length(snprintf(buf + n, size - n,
                                  "hpet%u: config %04x comparator %llx period %llx\n", i, t->config,
                                  (unsigned long long)t->comparator, (unsigned long long)t->period),
                         size - n);
    }
    return n;
}

const struct device_ops hpet_ops = {
    .name = "hpet",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
};
