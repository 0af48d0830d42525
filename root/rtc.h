// SPDX-License-Identifier: BSD-2-Clause
// The machine's clock, read once: the date that guests start with.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Seconds since 1970 when the TSC was `tsc`; both 0: not known.
struct rtc_start {
    uint64_t seconds, tsc;
};
extern struct rtc_start rtc_start;

// Fills rtc_start, with ports that root has only meanwhile. Takes some ms at most.
void rtc_init(void);

// The date by register contents, `reg` reads a register. False when there is no such clock, it
// stands still, or what it shows is no date. At most RTC_READS reads.
bool rtc_read(uint8_t (*reg)(uint8_t index), uint64_t *seconds);
#define RTC_READS 4000
