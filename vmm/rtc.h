// SPDX-License-Identifier: BSD-2-Clause
// The MC146818 real-time clock with 128 bytes of CMOS memory, ports 0x70 and 0x71: time and date in
// BCD or binary, 12 or 24 hours, century at 0x32, alarm, periodic and update-ended interrupts, UIP.
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include "clock.h"
#include "device.h"
#include "irq.h"

#include <stdbool.h>
#include <stdint.h>

#define RTC_PORT    0x70
#define RTC_IRQ     8
#define RTC_CENTURY 0x32
#define RTC_BYTES   128

struct rtc_state {
    int64_t seconds;       /* date and time as seconds since 1970-01-01, guest's own time zone */
    uint64_t second_start; /* tick at which that second began */
    uint64_t divider;      /* tick from which periodic interrupts count */
    uint64_t periods_seen; /* periods since then that PF accounts for */
    uint8_t index;
    uint8_t weekday_shift; /* 0..6: how the guest's day of the week differs from the calendar's */
    uint8_t pad[6];
    uint8_t cmos[RTC_BYTES]; /* time bytes are valid only while the clock is stopped */
};

struct rtc {
    struct rtc_state s;
    uint64_t deadline;
    bool irq_level;
    const struct clock *clock;
    struct irq_line irq;
};

extern const struct device_ops rtc_ops; /* 2 ports */

/* Connects and resets the clock; it shows `unix_seconds` now. CMOS memory is cleared. */
void rtc_init(struct rtc *rtc, const struct clock *clock, struct irq_line irq,
              int64_t unix_seconds);

/* Sets a byte of CMOS memory that firmware provides (0x0e..0x7f); others are ignored. */
void rtc_set_cmos(struct rtc *rtc, unsigned index, uint8_t value);

/* Fills in the bytes that tell the memory size: base memory, above 1 MiB, above 16 MiB, above 4
 * GiB. */
void rtc_set_memory(struct rtc *rtc, uint64_t below_4g, uint64_t above_4g);

/* When rtc_expire() must be called: absolute ticks, CLOCK_NEVER when no interrupt is to come. */
static inline uint64_t rtc_deadline(const struct rtc *rtc)
{
    return rtc->deadline;
}

/* Sets the flags that are due at `now` and drives the line. Missed periods are merged into one. */
void rtc_expire(struct rtc *rtc, uint64_t now);

#endif
