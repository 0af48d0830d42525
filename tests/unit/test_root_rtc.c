// SPDX-License-Identifier: BSD-2-Clause
// The machine's clock on faked ports: encodings, updates in progress, clocks that show nonsense.

// links: root/rtc.c root/caps.c lib/status.c
#include "root_fake.h"

#include "root/caps.h"
#include "root/rtc.h"

#define B_BINARY 4
#define B_24H    2
#define UIP      0x80

static uint8_t clock_regs[14], next_regs[14];
static unsigned reads, uip_reads, change_at; // reads until the clock moves to next_regs; 0: never

static uint8_t reg(uint8_t index)
{
    assert_true(index < sizeof(clock_regs));
    assert_true(++reads <= RTC_READS);
    if (change_at && reads == change_at)
        memcpy(clock_regs, next_regs, sizeof(clock_regs));
    if (index == 10)
        return uip_reads && uip_reads-- ? UIP | 0x26 : 0x26;
    return clock_regs[index];
}

static void set(uint8_t b, uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute,
                uint8_t second)
{
    memset(clock_regs, 0xee, sizeof(clock_regs)); // alarms and day of the week do not matter
    clock_regs[0] = second;
    clock_regs[2] = minute;
    clock_regs[4] = hour;
    clock_regs[7] = day;
    clock_regs[8] = month;
    clock_regs[9] = year;
    clock_regs[11] = b;
    clock_regs[13] = 0x80;
    reads = uip_reads = change_at = 0;
}

// Seconds read; 0: refused.
static uint64_t seconds(void)
{
    uint64_t value = 0;

    reads = 0;
    return rtc_read(reg, &value) ? value : 0;
}

static void test_encodings(void **state)
{
    (void)state;
    set(B_24H, 0x26, 0x11, 0x22, 0x14, 0x40, 0x08);
    assert_int_equal(seconds(), 1795358408);
    set(B_24H | B_BINARY, 26, 11, 22, 14, 40, 8);
    assert_int_equal(seconds(), 1795358408);
    set(0, 0x26, 0x11, 0x22, 0x82, 0x40, 0x08); // 2 pm
    assert_int_equal(seconds(), 1795358408);
    set(B_BINARY, 26, 11, 22, 0x80 | 2, 40, 8);
    assert_int_equal(seconds(), 1795358408);
    set(0, 0x26, 0x11, 0x22, 0x12, 0x40, 0x08); // 12 am is 0
    assert_int_equal(seconds(), 1795358408 - 14 * 3600);
    set(0, 0x26, 0x11, 0x22, 0x92, 0x40, 0x08); // 12 pm
    assert_int_equal(seconds(), 1795358408 - 2 * 3600);
}

static void test_calendar(void **state)
{
    (void)state;
    // Each day of the century comes after the one before.
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t expected = 946684800; // 2000-01-01

    for (uint8_t year = 0; year < 100; year++)
        for (uint8_t month = 1; month <= 12; month++) {
            uint8_t last = days[month - 1] + (month == 2 && year % 4 == 0);
            for (uint8_t day = 1; day <= last; day++, expected += 86400) {
                set(B_24H | B_BINARY, year, month, day, 0, 0, 0);
                assert_int_equal(seconds(), expected);
            }
            set(B_24H | B_BINARY, year, month, last + 1, 0, 0, 0);
            assert_int_equal(seconds(), 0);
        }
    assert_int_equal(expected, 4102444800); // 2100-01-01
}

static void test_update(void **state)
{
    (void)state;
    set(B_24H, 0x26, 0x12, 0x31, 0x23, 0x59, 0x59);
    uint64_t before = seconds();
    for (unsigned at = 1; at < 20; at++) { // whenever it happens
        set(B_24H, 0x27, 0x01, 0x01, 0, 0, 0);
        memcpy(next_regs, clock_regs, sizeof(next_regs));
        set(B_24H, 0x26, 0x12, 0x31, 0x23, 0x59, 0x59);
        change_at = at;
        uint64_t got = seconds();
        assert_true(got == before || got == before + 1);
    }
    set(B_24H, 0x26, 0x11, 0x22, 0x14, 0x40, 0x08);
    uip_reads = 1000;
    assert_int_equal(seconds(), 1795358408);
    uip_reads = 100000;
    assert_int_equal(seconds(), 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const uint8_t bad[][7] = {
        {B_24H, 0x26, 0x13, 0x01, 0, 0, 0},        {B_24H, 0x26, 0, 0x01, 0, 0, 0},
        {B_24H, 0x26, 0x01, 0, 0, 0, 0},           {B_24H, 0x26, 0x01, 0x01, 0x24, 0, 0},
        {B_24H, 0x26, 0x01, 0x01, 0, 0x60, 0},     {B_24H, 0x26, 0x01, 0x01, 0, 0, 0x60},
        {B_24H, 0xff, 0x01, 0x01, 0, 0, 0},        {0, 0x26, 0x01, 0x01, 0, 0, 0},
        {0, 0x26, 0x01, 0x01, 0x13, 0, 0},         {B_24H, 0x26, 0x01, 0x01, 0x82, 0, 0},
        {B_24H | 0x80, 0x26, 0x01, 0x01, 0, 0, 0}, // SET: it stands still
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const uint8_t *b = bad[i];
        set(b[0], b[1], b[2], b[3], b[4], b[5], b[6]);
        assert_int_equal(seconds(), 0);
    }
    set(B_24H, 0x26, 0x11, 0x22, 0x14, 0x40, 0x08);
    clock_regs[13] = 0; // the battery was empty
    assert_int_equal(seconds(), 0);
    memset(clock_regs, 0xff, sizeof(clock_regs)); // no clock
    assert_int_equal(seconds(), 0);
}

// Root keeps nothing of it where it fails. (The fake machine has no ports 0x70, 0x71.)
static void test_without_ports(void **state)
{
    (void)state;
    fake_init();
    caps_init(SLOT_BOOT_MEM + 5);
    rtc_init();
    assert_int_equal(rtc_start.seconds | rtc_start.tsc, 0);
    fake_add_mem(MEM_PORTS, 0x22, 0x7e, SLOT_BOOT_MEM + 2);
    fake_fail = 2; // the mapping
    unsigned before = fake_count(OBJ_NONE);
    rtc_init();
    assert_int_equal(rtc_start.seconds | rtc_start.tsc, 0);
    assert_int_equal(fake_count(OBJ_NONE), before);
    assert_int_equal(fake_said[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings),     cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_update),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_without_ports),
    };
    return cmocka_run_group_tests_name("root_rtc", tests, NULL, NULL);
}
