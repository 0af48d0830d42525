// SPDX-License-Identifier: BSD-2-Clause
// The MC146818's date and time, taken as UTC and as of this century (the century's register has no
// fixed place). HAZARD: during an update, 2 ms each second, the registers show anything: they are
// read twice, and not while UIP announces one.
#include "rtc.h"

#include <string.h>

#include "bulkhead/syscall.h"
#include "bulkhead/task.h"
#include "caps.h"
#include "root.h"

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };
enum { REG_A = 10, REG_B, REG_D = 13 };

#define PORT       0x70 // index; data behind it. Bit 7 of the index masks NMIs: 0
#define A_UIP      0x80
#define B_SET      0x80
#define B_BINARY   0x04
#define B_24H      0x02
#define D_VALID    0x80
#define HOUR_PM    0x80
#define ROUND      (2 * FIELDS + 2) // reads of one attempt
#define DAY_HOURS  24
#define CENTURY    2000
#define UNTIL_2000 10957 // days since 1970

struct rtc_start rtc_start;

static unsigned number(uint8_t byte, uint8_t b)
{
    return b & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15u);
}

static bool to_seconds(const uint8_t raw[FIELDS], uint8_t b, uint64_t *seconds)
{
    static const uint8_t days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned second = number(raw[SECOND], b), minute = number(raw[MINUTE], b);
    unsigned hour = number(raw[HOUR] & (b & B_24H ? 0xff : (uint8_t)~HOUR_PM), b);
    unsigned day = number(raw[DAY], b), month = number(raw[MONTH], b), year = number(raw[YEAR], b);

    if (!(b & B_24H)) {
        if (hour < 1 || hour > 12)
            return false;
        hour = hour % 12 + (raw[HOUR] & HOUR_PM ? 12 : 0);
    }
    if (month < 1 || month > 12 || year > 99)
        return false;
    bool leap = year % 4 == 0; // 2000 was one
    unsigned last = days_of[month - 1] + (leap && month == 2 ? 1u : 0);
    if (day < 1 || day > last || hour >= DAY_HOURS || minute > 59 || second > 59)
        return false;
    unsigned days =
        UNTIL_2000 + 365 * year + (year + 3) / 4 + day - 1 + (leap && month > 2 ? 1u : 0);
    for (unsigned i = 0; i + 1 < month; i++)
        days += days_of[i];
    *seconds = ((days * 24ull + hour) * 60 + minute) * 60 + second;
    return true;
}

bool rtc_read(uint8_t (*reg)(uint8_t index), uint64_t *seconds)
{
    static const uint8_t index[FIELDS] = {0, 2, 4, 7, 8, 9};
    uint8_t first[FIELDS], second[FIELDS], b = reg(REG_B);

    if (b & B_SET || !(reg(REG_D) & D_VALID))
        return false;
    for (unsigned reads = 2; reads + ROUND <= RTC_READS; reads++) {
        if (reg(REG_A) & A_UIP)
            continue;
        for (unsigned i = 0; i < FIELDS; i++)
            first[i] = reg(index[i]);
        for (unsigned i = 0; i < FIELDS; i++)
            second[i] = reg(index[i]);
        reads += 2 * FIELDS;
        if (memcmp(first, second, sizeof(first)) == 0)
            return to_seconds(first, b, seconds);
    }
    return false;
}

static uint8_t cmos(uint8_t index)
{
    uint8_t value;

    __asm__ volatile("outb %b1, %w2; inb %w3, %0"
                     : "=a"(value)
                     : "0"(index), "Nd"((uint16_t)PORT), "d"((uint16_t)(PORT + 1)));
    return value;
}

void rtc_init(void)
{
    const struct boot_mem *mem = boot_ports(PORT, 2);
    unsigned ports = cap_alloc();

    if (mem && ports != CAP_NONE &&
        sys_create_mem(SLOT_POOL, ports, mem->cap, PORT - mem->base, 2) == OK) {
        if (sys_map(SLOT_TASK, ports, 0, PORT, 2, MAP_READ | MAP_WRITE) == OK &&
            rtc_read(cmos, &rtc_start.seconds))
            rtc_start.tsc = task_tsc();
        cap_destroy(&ports);
    } else {
        cap_free(ports);
    }
}
