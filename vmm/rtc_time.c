// SPDX-License-Identifier: BSD-2-Clause
// Dates count from 1 March of year 0, so that the leap day is a year's last and months follow one
// formula; a 400-year era has 146,097 days. All inputs are bounded bytes or checked, so nothing
// overflows.
#include "rtc_time.h"

#define DAY_SECONDS  86400
#define ERA_DAYS     146097
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

/* Years -100000 to +100000 are enough for anybody and keep the arithmetic far from its limits. */
#define SECONDS_MAX (100000ll * 366 * DAY_SECONDS)

void rtc_split(int64_t seconds, struct rtc_fields *fields)
{
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    if (seconds < -SECONDS_MAX)
        seconds = -SECONDS_MAX;
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    fields->hour = (unsigned)(rest / 3600);
    fields->minute = (unsigned)(rest / 60 % 60);
    fields->second = (unsigned)(rest % 60);
    int64_t weekday = (days + 4) % 7; /* 1970-01-01 was a Thursday */
    fields->weekday = (unsigned)(weekday < 0 ? weekday + 7 : weekday) + 1;
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    unsigned in_era = (unsigned)(days - era * ERA_DAYS);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153; /* 0: March */
    fields->day = in_year - (153 * month + 2) / 5 + 1;
    fields->month = month < 10 ? month + 3 : month - 9;
    fields->year = era * 400 + year + (fields->month <= 2);
}

int64_t rtc_join(const struct rtc_fields *fields)
{
    unsigned month = fields->month < 1 ? 1 : fields->month > 12 ? 12 : fields->month;
    int64_t year = fields->year - (month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;
    int64_t days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + in_year;
    days += (int64_t)fields->day - 1 - DAYS_TO_1970;
    return days * DAY_SECONDS + (int64_t)fields->hour * 3600 + (int64_t)fields->minute * 60 +
           fields->second;
}

uint8_t rtc_encode(unsigned value, uint8_t b)
{
    return (uint8_t)(b & RTC_B_BINARY ? value : (value / 10 % 10 << 4 | value % 10));
}

unsigned rtc_decode(uint8_t byte, uint8_t b)
{
    return b & RTC_B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15u);
}

uint8_t rtc_encode_hour(unsigned hour, uint8_t b)
{
    if (b & RTC_B_24H)
        return rtc_encode(hour, b);
    unsigned twelve = hour % 12 == 0 ? 12 : hour % 12;
    return rtc_encode(twelve, b) | (hour >= 12 ? 0x80 : 0);
}

unsigned rtc_decode_hour(uint8_t byte, uint8_t b)
{
    if (b & RTC_B_24H)
        return rtc_decode(byte, b);
    return rtc_decode(byte & 0x7f, b) % 12 + (byte & 0x80 ? 12 : 0);
}

/* The smallest value >= from that matches the alarm byte's number, below limit; or limit. */
static unsigned match(unsigned from, bool any, unsigned wanted, unsigned limit)
{
    if (any)
        return from;
    return wanted >= from && wanted < limit ? wanted : limit;
}

uint32_t rtc_next_alarm(int64_t seconds, const uint8_t *cmos, uint8_t b)
{
    struct rtc_fields f;
    rtc_split(seconds, &f);
    unsigned now = f.hour * 3600 + f.minute * 60 + f.second;
    bool any_s = cmos[RTC_SECOND_ALARM] >= 0xc0, any_m = cmos[RTC_MINUTE_ALARM] >= 0xc0;
    bool any_h = cmos[RTC_HOUR_ALARM] >= 0xc0;
    unsigned second = rtc_decode(cmos[RTC_SECOND_ALARM], b);
    unsigned minute = rtc_decode(cmos[RTC_MINUTE_ALARM], b);
    unsigned hour = rtc_decode_hour(cmos[RTC_HOUR_ALARM], b);
    if ((!any_s && second > 59) || (!any_m && minute > 59) || (!any_h && hour > 23))
        return RTC_NO_ALARM;
    /* Today after this second, then tomorrow up to it. An hour that matches but has no match left
     * in it is left for the next one, so the loop runs a few times at most. */
    for (unsigned day = 0; day < 2; day++) {
        unsigned from = day == 0 ? now + 1 : 0;
        for (unsigned step = 0; step < 8 && from < DAY_SECONDS; step++) {
            unsigned h = match(from / 3600, any_h, hour, 24);
            if (h == 24)
                break;
            unsigned start = h * 3600 > from ? h * 3600 : from;
            unsigned m = match(start / 60 % 60, any_m, minute, 60);
            if (m == 60) {
                from = (h + 1) * 3600;
                continue;
            }
            if (h * 3600 + m * 60 > start)
                start = h * 3600 + m * 60;
            unsigned s = match(start % 60, any_s, second, 60);
            if (s == 60) {
                from = h * 3600 + (m + 1) * 60;
                continue;
            }
            return h * 3600 + m * 60 + s + day * DAY_SECONDS - now;
        }
    }
    return RTC_NO_ALARM;
}
