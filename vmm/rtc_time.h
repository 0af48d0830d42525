// SPDX-License-Identifier: BSD-2-Clause
// Calendar arithmetic and the encoding of the MC146818's time bytes, apart from the device.
#ifndef VMM_RTC_TIME_H
#define VMM_RTC_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define RTC_SECOND       0
#define RTC_SECOND_ALARM 1
#define RTC_MINUTE       2
#define RTC_MINUTE_ALARM 3
#define RTC_HOUR         4
#define RTC_HOUR_ALARM   5
#define RTC_WEEKDAY      6
#define RTC_DAY          7
#define RTC_MONTH        8
#define RTC_YEAR         9

#define RTC_B_24H    0x02 /* bits of register B that decide the encoding */
#define RTC_B_BINARY 0x04

/* No alarm will come. */
#define RTC_NO_ALARM UINT32_MAX

struct rtc_fields {
    int64_t year;
    unsigned month, day; /* from 1 */
    unsigned hour, minute, second;
    unsigned weekday; /* 1: Sunday */
};

/* Seconds since 1970 to a date, and back. Fields out of range carry over; any value is safe. */
void rtc_split(int64_t seconds, struct rtc_fields *fields);
int64_t rtc_join(const struct rtc_fields *fields);

/* One number as register B wants it. */
uint8_t rtc_encode(unsigned value, uint8_t b);
unsigned rtc_decode(uint8_t byte, uint8_t b);
uint8_t rtc_encode_hour(unsigned hour, uint8_t b);
unsigned rtc_decode_hour(uint8_t byte, uint8_t b);

/* Seconds from `seconds` until the alarm bytes match next, 1..86400, or RTC_NO_ALARM. Alarm bytes
 * from 0xc0 up match anything. */
uint32_t rtc_next_alarm(int64_t seconds, const uint8_t *cmos, uint8_t b);

#endif
