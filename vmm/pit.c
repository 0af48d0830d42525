// SPDX-License-Identifier: BSD-2-Clause
// 8254: a channel's whole state is the tick at which its count was loaded; counter and OUT are
// computed from that when somebody looks. A new count in modes 2 and 3 takes effect at the end of
// the full period (the data sheet allows mode 3 to do so after half). OUT is high on a count of 1
// in no phase of mode 2, which the data sheet forbids; it is merely counted.
#include "pit.h"

#include <stdio.h>
#include <string.h>

static uint32_t modulus(const struct pit_channel *ch)
{
    return ch->bcd ? 10000 : 65536;
}

static bool periodic(const struct pit_channel *ch)
{
    return ch->mode == 2 || ch->mode == 3;
}

/* Clock edges since the count was loaded. */
static uint64_t elapsed(const struct pit *pit, const struct pit_channel *ch, uint64_t now)
{
    uint64_t ticks = ch->stopped ? ch->frozen : clock_since(now, ch->origin);
    return clock_units(pit->clock, ticks, PIT_HZ);
}

static uint64_t after(const struct pit *pit, const struct pit_channel *ch, uint64_t edges)
{
    return clock_add(ch->origin, clock_ticks(pit->clock, edges, PIT_HZ));
}

/* Takes over a count that was waiting for the end of the period. */
static void reload(const struct pit *pit, struct pit_channel *ch, uint64_t now)
{
    if (ch->next_count == 0 || !periodic(ch) || !ch->armed || ch->stopped)
        return;
    if (elapsed(pit, ch, now) < ch->count)
        return;
    ch->origin = after(pit, ch, ch->count);
    ch->count = ch->next_count;
    ch->next_count = 0;
}

static bool output(const struct pit_channel *ch, uint64_t edges)
{
    if (!ch->armed)
        return ch->mode != 0;
    switch (ch->mode) {
    case 0:
    case 1:
        return edges >= ch->count;
    case 2:
        return !ch->gate || edges % ch->count != ch->count - 1;
    case 3:
        return !ch->gate || edges % ch->count < (ch->count + 1) / 2;
    default:
        return edges != ch->count;
    }
}

static uint16_t to_bcd(uint32_t value)
{
    return (uint16_t)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 |
                      value / 1000 % 10 << 12);
}

static uint16_t counter(const struct pit_channel *ch, uint64_t edges)
{
    uint32_t value = ch->count;
    if (ch->armed && ch->mode == 2) {
        value = ch->count - (uint32_t)(edges % ch->count);
    } else if (ch->armed && ch->mode == 3) {
        /* Counts by two, twice per period; an odd count has one more clock in the first half. */
        uint32_t phase = (uint32_t)(edges % ch->count);
        uint32_t half = (ch->count + 1) / 2;
        value = (ch->count & ~1u) - 2 * (phase < half ? phase : phase - half);
    } else if (ch->armed) {
        uint32_t m = modulus(ch);
        value = (uint32_t)((ch->count + m - edges % m) % m);
    }
    return ch->bcd ? to_bcd(value) : (uint16_t)value;
}

bool pit_out(struct pit *pit, unsigned channel, uint64_t now)
{
    if (channel > 2)
        return false;
    struct pit_channel *ch = &pit->s.channel[channel];
    reload(pit, ch, now);
    return output(ch, elapsed(pit, ch, now));
}

/* Finds channel 0's next rising edge of OUT. Its gate is wired high, so modes 1 and 5 never start.
 */
static void schedule(struct pit *pit, uint64_t now)
{
    const struct pit_channel *ch = &pit->s.channel[0];
    pit->deadline = CLOCK_NEVER;
    if (!ch->armed || ch->stopped)
        return;
    uint64_t edges = elapsed(pit, ch, now);
    if (periodic(ch)) {
        uint64_t at = after(pit, ch, (edges / ch->count + 1) * ch->count);
        uint64_t limit = clock_add(pit->s.last_irq, pit->clock->min_period);
        pit->deadline = at > limit ? at : limit;
    } else if (ch->mode == 0 && edges < ch->count) {
        pit->deadline = after(pit, ch, ch->count);
    } else if (ch->mode == 4 && edges <= ch->count) {
        pit->deadline = after(pit, ch, ch->count + 1ull);
    }
}

void pit_expire(struct pit *pit, uint64_t now)
{
    if (now < pit->deadline)
        return;
    reload(pit, &pit->s.channel[0], now);
    pit->s.last_irq = now;
    schedule(pit, now);
    irq_line_pulse(&pit->irq);
}

static void load(struct pit_channel *ch, uint32_t count, uint64_t now)
{
    ch->count = count;
    ch->next_count = 0;
    ch->origin = now;
    ch->frozen = 0;
    ch->armed = 1;
    ch->stopped = !ch->gate && ch->mode != 1 && ch->mode != 5;
}

static void set_count(const struct pit *pit, struct pit_channel *ch, uint32_t raw, uint64_t now)
{
    uint32_t count = raw;
    if (ch->bcd)
        count = (raw & 15) + (raw >> 4 & 15) * 10 + (raw >> 8 & 15) * 100 + (raw >> 12) * 1000;
    if (count == 0)
        count = modulus(ch);
    if (ch->mode == 1 || ch->mode == 5) {
        ch->next_count = count; /* loaded by the trigger */
    } else if (periodic(ch) && ch->armed && !ch->stopped) {
        /* The boundary that counts is the next one from here: move the origin up to this period. */
        reload(pit, ch, now);
        uint64_t periods = elapsed(pit, ch, now) / ch->count;
        ch->origin = after(pit, ch, periods * ch->count);
        ch->next_count = count;
    } else {
        load(ch, count, now);
    }
}

static void write_count(struct pit *pit, struct pit_channel *ch, uint8_t value, uint64_t now)
{
    if (ch->rw == 1) {
        set_count(pit, ch, value, now);
    } else if (ch->rw == 2) {
        set_count(pit, ch, (uint32_t)value << 8, now);
    } else if (!ch->write_high) {
        ch->write_low = value;
        ch->write_high = 1;
        if (ch->mode == 0)
            ch->armed = 0; /* the first byte stops the count and drives OUT low */
    } else {
        ch->write_high = 0;
        set_count(pit, ch, (uint32_t)value << 8 | ch->write_low, now);
    }
}

static void latch_count(const struct pit *pit, struct pit_channel *ch, uint64_t now)
{
    if (ch->latched)
        return; /* kept until it is read */
    reload(pit, ch, now);
    ch->latch = counter(ch, elapsed(pit, ch, now));
    ch->latched = ch->rw == 3 ? 2 : 1;
}

static void latch_status(const struct pit *pit, struct pit_channel *ch, uint64_t now)
{
    if (ch->status_latched)
        return;
    reload(pit, ch, now);
    unsigned null_count = ch->next_count != 0 || !ch->armed;
    unsigned out = output(ch, elapsed(pit, ch, now));
    ch->status_latch = (uint8_t)(out << 7 | null_count << 6 | (unsigned)ch->rw << 4 |
                                 (unsigned)ch->mode << 1 | ch->bcd);
    ch->status_latched = 1;
}

static void write_control(struct pit *pit, uint8_t value, uint64_t now)
{
    unsigned select = value >> 6;
    if (select == 3) { /* read back */
        for (unsigned i = 0; i < 3; i++) {
            if (!(value & 2u << i))
                continue;
            if (!(value & 0x20))
                latch_count(pit, &pit->s.channel[i], now);
            if (!(value & 0x10))
                latch_status(pit, &pit->s.channel[i], now);
        }
        return;
    }
    struct pit_channel *ch = &pit->s.channel[select];
    uint8_t rw = value >> 4 & 3;
    if (rw == 0) {
        latch_count(pit, ch, now);
        return;
    }
    uint8_t mode = value >> 1 & 7;
    ch->mode = mode > 5 ? mode - 4 : mode;
    ch->bcd = value & 1;
    ch->rw = rw;
    if (ch->count > modulus(ch))
        ch->count = modulus(ch);
    ch->next_count = 0;
    ch->armed = 0;
    ch->stopped = 0;
    ch->latched = 0;
    ch->status_latched = 0;
    ch->read_high = 0;
    ch->write_high = 0;
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct pit *pit = dev;
    uint64_t now = clock_now(pit->clock);
    pit_expire(pit, now); /* an interrupt that is due must not be lost by reprogramming */
    if ((offset & 3) == 3)
        write_control(pit, (uint8_t)value, now);
    else
        write_count(pit, &pit->s.channel[offset & 3], (uint8_t)value, now);
    schedule(pit, now);
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct pit *pit = dev;
    if ((offset & 3) == 3)
        return 0xff;
    struct pit_channel *ch = &pit->s.channel[offset & 3];
    if (ch->status_latched) {
        ch->status_latched = 0;
        return ch->status_latch;
    }
    uint16_t value = ch->latch;
    if (ch->latched) {
        ch->latched--;
    } else {
        uint64_t now = clock_now(pit->clock);
        reload(pit, ch, now);
        value = counter(ch, elapsed(pit, ch, now));
    }
    bool high = ch->rw == 2 || (ch->rw == 3 && ch->read_high);
    if (ch->rw == 3)
        ch->read_high = !ch->read_high;
    return high ? value >> 8 : value & 0xff;
}

static void set_gate(const struct pit *pit, struct pit_channel *ch, bool gate, uint64_t now)
{
    if (gate == (ch->gate != 0))
        return;
    if (!gate) {
        reload(pit, ch, now);
        if (ch->armed && ch->mode != 1 && ch->mode != 5) {
            ch->frozen = clock_since(now, ch->origin);
            ch->stopped = 1;
        }
        ch->gate = 0;
        return;
    }
    ch->gate = 1;
    if (ch->mode == 1 || ch->mode == 5) {
        if (ch->next_count != 0 || ch->armed)
            load(ch, ch->next_count ? ch->next_count : ch->count, now);
    } else if (periodic(ch)) {
        if (ch->armed)
            load(ch, ch->next_count ? ch->next_count : ch->count, now);
    } else if (ch->stopped) {
        ch->origin = clock_since(now, ch->frozen);
        ch->stopped = 0;
    }
}

static uint64_t port61_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    struct pit *pit = dev;
    uint64_t now = clock_now(pit->clock);
    /* Memory refresh: a request every 18 clocks toggles bit 4; guests use it as a 15 us clock. */
    uint64_t refresh = clock_units(pit->clock, now, PIT_HZ) / 18 & 1;
    return pit->s.channel[2].gate | pit->s.speaker | refresh << 4 |
           (uint64_t)pit_out(pit, 2, now) << 5;
}

static void port61_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct pit *pit = dev;
    pit->s.speaker = value & 0x0e;
    set_gate(pit, &pit->s.channel[2], value & 1, clock_now(pit->clock));
}

static void reset(void *dev)
{
    struct pit *pit = dev;
    memset(&pit->s, 0, sizeof(pit->s));
    for (unsigned i = 0; i < 3; i++) {
        pit->s.channel[i].count = 65536;
        pit->s.channel[i].rw = 3;
        pit->s.channel[i].mode = 3;
        pit->s.channel[i].gate = i != 2;
    }
    pit->deadline = CLOCK_NEVER;
}

void pit_init(struct pit *pit, const struct clock *clock, struct irq_line irq)
{
    pit->clock = clock;
    pit->irq = irq;
    reset(pit);
}

#define PIT_SNAPSHOT SNAPSHOT_ID('P', 'I', 'T', 1)

/* Ticks are saved relative to the present, so that a snapshot can go on at another time. */
static size_t save(void *dev, void *buf, size_t size)
{
    const struct pit *pit = dev;
    struct pit_state s = pit->s;
    uint64_t now = clock_now(pit->clock);
    for (unsigned i = 0; i < 3; i++)
        s.channel[i].origin = clock_since(now, s.channel[i].origin);
    s.last_irq = clock_since(now, s.last_irq);
    return snapshot_save(buf, size, PIT_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct pit *pit = dev;
    struct pit_state s;
    if (!snapshot_load(buf, size, PIT_SNAPSHOT, &s, sizeof(s)))
        return false;
    uint64_t now = clock_now(pit->clock);
    for (unsigned i = 0; i < 3; i++) {
        struct pit_channel *ch = &s.channel[i];
        if (ch->count == 0 || ch->count > 65536 || ch->next_count > 65536 || ch->mode > 5 ||
            ch->rw == 0 || ch->rw > 3 || ch->bcd > 1 || ch->gate > 1 || ch->latched > 2)
            return false;
        ch->origin = clock_since(now, ch->origin);
    }
    s.last_irq = clock_since(now, s.last_irq);
    s.speaker &= 0x0e;
    pit->s = s;
    schedule(pit, now);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    struct pit *pit = dev;
    size_t n = 0;
    uint64_t now = clock_now(pit->clock);
    for (unsigned i = 0; i < 3; i++) {
        const struct pit_channel *ch = &pit->s.channel[i];
        n += info_length(snprintf(buf + n, size - n,
                                  "pit%u: mode %u count %u at %u out %d gate %u %s\n", i, ch->mode,
                                  ch->count, counter(ch, elapsed(pit, ch, now)),
                                  (int)pit_out(pit, i, now), ch->gate,
                                  !ch->armed    ? "idle"
                                  : ch->stopped ? "stopped"
                                                : "counting"),
                         size - n);
    }
    return n;
}

const struct device_ops pit_ops = {
    .name = "pit",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};

const struct device_ops pit_port61_ops = {
    .name = "port61",
    .read = port61_read,
    .write = port61_write,
    .width = 1,
};
