// SPDX-License-Identifier: BSD-2-Clause
// MC146818. Time is a count of seconds that advances by whole seconds of ticks, so it does not
// drift; the time bytes are computed when read, and live in CMOS only while the guest has stopped
// the clock (SET, or the divider held in reset) to write them.
#include "rtc.h"

#include "rtc_time.h"

#include <stdio.h>
#include <string.h>

enum { REG_A = 0x0a, REG_B = 0x0b, REG_C = 0x0c, REG_D = 0x0d };

#define A_UIP     0x80
#define A_DIVIDER 0x70
#define A_RATE    0x0f
#define B_SET     0x80
#define B_PIE     0x40
#define B_AIE     0x20
#define B_UIE     0x10
#define C_IRQ     0x80
#define C_PERIOD  0x40
#define C_ALARM   0x20
#define C_UPDATE  0x10
#define D_VALID   0x80

#define CRYSTAL_HZ 32768

/* UIP is raised 244 us before the update (8 clocks of the crystal); the update itself takes no
 * time. */
#define UIP_CLOCKS 8

/* The divider chain runs only with the value for 32768 Hz; 6 and 7 hold it in reset. */
static bool stopped(const struct rtc *rtc)
{
    return rtc->s.cmos[REG_B] & B_SET || (rtc->s.cmos[REG_A] & A_DIVIDER) != 0x20;
}

/* Crystal clocks per periodic interrupt, 0: none. */
static unsigned period(const struct rtc *rtc)
{
    unsigned rate = rtc->s.cmos[REG_A] & A_RATE;
    if (rate == 0 || (rtc->s.cmos[REG_A] & A_DIVIDER) != 0x20)
        return 0;
    return rate <= 2 ? 64u << rate : 1u << (rate - 1); /* 1 and 2 stand for 256 and 128 Hz */
}

static uint64_t periods(const struct rtc *rtc, uint64_t now)
{
    return clock_units(rtc->clock, clock_since(now, rtc->s.divider), CRYSTAL_HZ) / period(rtc);
}

static uint8_t time_byte(const struct rtc *rtc, unsigned index)
{
    uint8_t b = rtc->s.cmos[REG_B];
    struct rtc_fields f;
    rtc_split(rtc->s.seconds, &f);
    switch (index) {
    case RTC_SECOND:
        return rtc_encode(f.second, b);
    case RTC_MINUTE:
        return rtc_encode(f.minute, b);
    case RTC_HOUR:
        return rtc_encode_hour(f.hour, b);
    case RTC_WEEKDAY:
        return rtc_encode((f.weekday - 1 + rtc->s.weekday_shift) % 7 + 1, b);
    case RTC_DAY:
        return rtc_encode(f.day, b);
    case RTC_MONTH:
        return rtc_encode(f.month, b);
    case RTC_YEAR:
        return rtc_encode((unsigned)((f.year % 100 + 100) % 100), b);
    default: /* the century is BCD in all modes that firmware knows */
        return rtc_encode((unsigned)((f.year / 100 % 100 + 100) % 100), 0);
    }
}

static bool is_time(unsigned index)
{
    return index == RTC_SECOND || index == RTC_MINUTE || index == RTC_HOUR ||
           (index >= RTC_WEEKDAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static void store_time(struct rtc *rtc)
{
    for (unsigned i = 0; i <= RTC_YEAR; i++)
        if (is_time(i))
            rtc->s.cmos[i] = time_byte(rtc, i);
    rtc->s.cmos[RTC_CENTURY] = time_byte(rtc, RTC_CENTURY);
}

static void load_time(struct rtc *rtc)
{
    const uint8_t *cmos = rtc->s.cmos;
    uint8_t b = cmos[REG_B];
    struct rtc_fields f = {
        .year = rtc_decode(cmos[RTC_CENTURY], 0) * 100 + rtc_decode(cmos[RTC_YEAR], b),
        .month = rtc_decode(cmos[RTC_MONTH], b),
        .day = rtc_decode(cmos[RTC_DAY], b),
        .hour = rtc_decode_hour(cmos[RTC_HOUR], b),
        .minute = rtc_decode(cmos[RTC_MINUTE], b),
        .second = rtc_decode(cmos[RTC_SECOND], b),
    };
    unsigned weekday = rtc_decode(cmos[RTC_WEEKDAY], b);
    rtc->s.seconds = rtc_join(&f);
    rtc_split(rtc->s.seconds, &f);
    rtc->s.weekday_shift = (uint8_t)((weekday + 7 - f.weekday % 7) % 7);
}

/* Brings time and flags up to `now`; drives the line; finds the deadline. */
static void update(struct rtc *rtc, uint64_t now)
{
    struct rtc_state *s = &rtc->s;
    uint8_t b = s->cmos[REG_B];
    uint8_t *flags = &s->cmos[REG_C];
    uint32_t alarm = RTC_NO_ALARM;
    rtc->deadline = CLOCK_NEVER;

    if (!stopped(rtc)) {
        uint64_t passed = clock_since(now, s->second_start) / rtc->clock->hz;
        if (passed != 0) {
            *flags |= C_UPDATE;
            if (!(*flags & C_ALARM) && rtc_next_alarm(s->seconds, s->cmos, b) <= passed)
                *flags |= C_ALARM;
            s->seconds += (int64_t)passed;
            s->second_start += passed * rtc->clock->hz;
        }
        if (b & B_UIE && !(*flags & C_UPDATE))
            rtc->deadline = clock_add(s->second_start, rtc->clock->hz);
        if (b & B_AIE && !(*flags & C_ALARM))
            alarm = rtc_next_alarm(s->seconds, s->cmos, b);
        if (alarm != RTC_NO_ALARM) {
            uint64_t at = clock_add(s->second_start, alarm * rtc->clock->hz);
            rtc->deadline = at < rtc->deadline ? at : rtc->deadline;
        }
    }
    if (period(rtc) != 0) {
        uint64_t count = periods(rtc, now);
        if (count != s->periods_seen)
            *flags |= C_PERIOD;
        s->periods_seen = count;
        /* The shortest period is 122 us: no need to limit it. None is due before the guest has read
         * C. */
        if (b & B_PIE && !(*flags & C_PERIOD)) {
            uint64_t clocks = (count + 1) * period(rtc);
            uint64_t at = clock_add(s->divider, clock_ticks(rtc->clock, clocks, CRYSTAL_HZ));
            rtc->deadline = at < rtc->deadline ? at : rtc->deadline;
        }
    }
    bool level = *flags & b & (B_PIE | B_AIE | B_UIE);
    *flags = level ? *flags | C_IRQ : *flags & (uint8_t)~C_IRQ;
    if (level != rtc->irq_level) {
        rtc->irq_level = level;
        irq_line_set(&rtc->irq, level);
    }
}

void rtc_expire(struct rtc *rtc, uint64_t now)
{
    if (now >= rtc->deadline)
        update(rtc, now);
}

static uint8_t register_a(const struct rtc *rtc, uint64_t now)
{
    uint8_t a = rtc->s.cmos[REG_A];
    uint64_t ahead = clock_ticks(rtc->clock, UIP_CLOCKS, CRYSTAL_HZ);
    if (!stopped(rtc) && clock_since(now, rtc->s.second_start) + ahead >= rtc->clock->hz)
        a |= A_UIP;
    return a;
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct rtc *rtc = dev;
    unsigned index = rtc->s.index % RTC_BYTES;
    if (!(offset & 1))
        return 0xff; /* the index is write only */
    if (index > REG_D && index != RTC_CENTURY)
        return rtc->s.cmos[index];
    uint64_t now = clock_now(rtc->clock);
    update(rtc, now);
    if (is_time(index) && !stopped(rtc))
        return time_byte(rtc, index);
    if (index == REG_A)
        return register_a(rtc, now);
    uint8_t value = rtc->s.cmos[index];
    if (index == REG_C) { /* reading acknowledges */
        rtc->s.cmos[REG_C] = 0;
        update(rtc, now);
    }
    return value;
}

/* Registers A and B can stop and start the clock. */
static void write_control(struct rtc *rtc, unsigned index, uint8_t value, uint64_t now)
{
    struct rtc_state *s = &rtc->s;
    bool was_stopped = stopped(rtc);
    uint8_t before = s->cmos[index];
    if (!was_stopped)
        store_time(rtc);
    if (index == REG_A)
        s->cmos[REG_A] = value & (A_DIVIDER | A_RATE);
    else /* SET clears the update-ended interrupt */
        s->cmos[REG_B] = value & B_SET ? value & (uint8_t)~B_UIE : value;
    if (index == REG_A && (value & A_DIVIDER) == 0x20 && (before & A_DIVIDER) != 0x20) {
        /* The divider starts from reset: the first update comes half a second later. */
        s->divider = now;
        s->second_start = clock_since(now, rtc->clock->hz / 2);
    } else if (was_stopped && !stopped(rtc)) {
        /* The divider ran on: keep its phase, count no second of the stop. */
        s->second_start += clock_since(now, s->second_start) / rtc->clock->hz * rtc->clock->hz;
    }
    if (was_stopped && !stopped(rtc))
        load_time(rtc);
    if (index == REG_A && period(rtc) != 0)
        s->periods_seen = periods(rtc, now);
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct rtc *rtc = dev;
    uint8_t byte = (uint8_t)value;
    if (!(offset & 1)) {
        rtc->s.index = byte & 0x7f; /* bit 7 masks NMI on some boards: not here */
        return;
    }
    unsigned index = rtc->s.index % RTC_BYTES;
    if (index == REG_C || index == REG_D)
        return;
    if (index > REG_D && index != RTC_CENTURY) {
        rtc->s.cmos[index] = byte;
        return;
    }
    uint64_t now = clock_now(rtc->clock);
    update(rtc, now);
    if (index == REG_A || index == REG_B) {
        write_control(rtc, index, byte, now);
    } else if (is_time(index) && !stopped(rtc)) {
        store_time(rtc);
        rtc->s.cmos[index] = byte;
        load_time(rtc);
    } else {
        rtc->s.cmos[index] = byte;
    }
    update(rtc, now);
}

/* A reset of the machine leaves time and memory alone, as the battery does; interrupts go off. */
static void reset(void *dev)
{
    struct rtc *rtc = dev;
    rtc->s.cmos[REG_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE);
    rtc->s.cmos[REG_C] = 0;
    rtc->s.index = 0;
    update(rtc, clock_now(rtc->clock));
}

void rtc_init(struct rtc *rtc, const struct clock *clock, struct irq_line irq, int64_t unix_seconds)
{
    memset(rtc, 0, sizeof(*rtc));
    rtc->clock = clock;
    rtc->irq = irq;
    rtc->s.seconds = unix_seconds;
    rtc->s.second_start = clock_now(clock);
    rtc->s.divider = rtc->s.second_start;
    rtc->s.cmos[REG_A] = 0x26; /* 32768 Hz, 1024 Hz periodic */
    rtc->s.cmos[REG_B] = RTC_B_24H;
    rtc->s.cmos[REG_D] = D_VALID;
    reset(rtc);
}

void rtc_set_cmos(struct rtc *rtc, unsigned index, uint8_t value)
{
    if (index > REG_D && index < RTC_BYTES && index != RTC_CENTURY)
        rtc->s.cmos[index] = value;
}

static void set_cmos16(struct rtc *rtc, unsigned index, uint64_t value)
{
    if (value > 0xffff)
        value = 0xffff;
    rtc_set_cmos(rtc, index, (uint8_t)value);
    rtc_set_cmos(rtc, index + 1, (uint8_t)(value >> 8));
}

void rtc_set_memory(struct rtc *rtc, uint64_t below_4g, uint64_t above_4g)
{
    uint64_t kib = below_4g >> 10;
    set_cmos16(rtc, 0x15, kib < 640 ? kib : 640);
    uint64_t extended = kib > 1024 ? kib - 1024 : 0;
    set_cmos16(rtc, 0x17, extended);
    set_cmos16(rtc, 0x30, extended);
    set_cmos16(rtc, 0x34, kib > 16384 ? (kib - 16384) / 64 : 0);
    uint64_t high = above_4g >> 16;
    rtc_set_cmos(rtc, 0x5b, (uint8_t)high);
    rtc_set_cmos(rtc, 0x5c, (uint8_t)(high >> 8));
    rtc_set_cmos(rtc, 0x5d, (uint8_t)(high >> 16));
}

#define RTC_SNAPSHOT SNAPSHOT_ID('R', 'T', 'C', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    struct rtc *rtc = dev;
    uint64_t now = clock_now(rtc->clock);
    update(rtc, now);
    struct rtc_state s = rtc->s;
    s.second_start = clock_since(now, s.second_start);
    s.divider = clock_since(now, s.divider);
    return snapshot_save(buf, size, RTC_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct rtc *rtc = dev;
    struct rtc_state s;
    if (!snapshot_load(buf, size, RTC_SNAPSHOT, &s, sizeof(s)))
        return false;
    const int64_t limit = 1ll << 40; /* about 35,000 years */
    if (s.index >= RTC_BYTES || s.weekday_shift > 6 || s.seconds > limit || s.seconds < -limit ||
        s.cmos[REG_A] & A_UIP || s.cmos[REG_D] != D_VALID)
        return false;
    uint64_t now = clock_now(rtc->clock);
    s.second_start = clock_since(now, s.second_start);
    s.divider = clock_since(now, s.divider);
    rtc->s = s;
    update(rtc, now);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    struct rtc *rtc = dev;
    struct rtc_fields f;
    update(rtc, clock_now(rtc->clock));
    rtc_split(rtc->s.seconds, &f);
    return info_length(snprintf(buf, size,
                                "rtc: %d-%02u-%02u %02u:%02u:%02u%s a %02x b %02x c %02x irq %d\n",
                                (int)f.year, f.month, f.day, f.hour, f.minute, f.second,
                                stopped(rtc) ? " stopped" : "", rtc->s.cmos[REG_A],
                                rtc->s.cmos[REG_B], rtc->s.cmos[REG_C], (int)rtc->irq_level),
                       size);
}

const struct device_ops rtc_ops = {
    .name = "rtc",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};
