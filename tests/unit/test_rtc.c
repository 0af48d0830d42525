// SPDX-License-Identifier: BSD-2-Clause
// MC146818: calendar, encodings, setting the clock as Linux does, UIP, the three interrupts,
// CMOS memory.
// links: vmm/rtc.c vmm/rtc_time.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include <time.h>

#include "rtc.h"
#include "rtc_time.h"

#define NEW_YEAR 1704067200 /* 2024-01-01 00:00:00, a Monday */

static struct rtc rtc;

static uint8_t get(unsigned index)
{
    out8(&rtc_ops, &rtc, 0, (uint8_t)index);
    return in8(&rtc_ops, &rtc, 1);
}

static void set(unsigned index, uint8_t value)
{
    out8(&rtc_ops, &rtc, 0, (uint8_t)index);
    out8(&rtc_ops, &rtc, 1, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    rtc_init(&rtc, &test_clock, test_line(8), NEW_YEAR);
    return 0;
}

static void expect_time(unsigned y, unsigned mo, unsigned d, unsigned h, unsigned mi, unsigned s)
{
    assert_int_equal(get(9), y);
    assert_int_equal(get(8), mo);
    assert_int_equal(get(7), d);
    assert_int_equal(get(4), h);
    assert_int_equal(get(2), mi);
    assert_int_equal(get(0), s);
}

static void test_calendar(void **state)
{
    (void)state;
    for (int64_t t = -2000000000; t < 8000000000; t += 1234567) {
        struct rtc_fields f;
        rtc_split(t, &f);
        time_t seconds = t;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        assert_int_equal(f.year, tm.tm_year + 1900);
        assert_int_equal(f.month, tm.tm_mon + 1);
        assert_int_equal(f.day, tm.tm_mday);
        assert_int_equal(f.hour, tm.tm_hour);
        assert_int_equal(f.minute, tm.tm_min);
        assert_int_equal(f.second, tm.tm_sec);
        assert_int_equal(f.weekday, tm.tm_wday + 1);
        assert_int_equal(rtc_join(&f), t);
    }
    struct rtc_fields f;
    rtc_split(INT64_MAX, &f);
    rtc_split(INT64_MIN, &f);
}

static void test_read(void **state)
{
    (void)state;
    expect_time(0x24, 1, 1, 0, 0, 0);
    assert_int_equal(get(6), 2);
    assert_int_equal(get(RTC_CENTURY), 0x20);
    test_time += TEST_HZ - 1;
    assert_int_equal(get(0), 0);
    test_time++;
    assert_int_equal(get(0), 1);
    test_time += TEST_HZ * (86400ull * 59 + 3600 * 23 + 60 * 58 + 57);
    expect_time(0x24, 2, 0x29, 0x23, 0x58, 0x58);
    assert_int_equal(in8(&rtc_ops, &rtc, 0), 0xff);
    assert_int_equal(get(0x0d), 0x80);
}

static void test_encodings(void **state)
{
    (void)state;
    test_time += TEST_HZ * (13 * 3600 + 45 * 60 + 30);
    assert_int_equal(get(4), 0x13);
    set(0x0b, 0x06);
    expect_time(24, 1, 1, 13, 45, 30);
    set(0x0b, 0x00); /* 12 hours, BCD */
    assert_int_equal(get(4), 0x81);
    set(0x0b, 0x04);
    assert_int_equal(get(4), 0x81);
    set(4, 12); /* 12 am */
    set(0x0b, 0x02);
    assert_int_equal(get(4), 0);
    set(0x0b, 0x00);
    set(4, 0x92); /* 12 pm */
    set(0x0b, 0x02);
    assert_int_equal(get(4), 0x12);
}

/* As Linux sets the clock: SET, divider reset, values, divider on, SET off. */
static void test_set(void **state)
{
    (void)state;
    set(0x0b, 0x82);
    set(0x0a, 0x76);
    test_time += 10 * TEST_HZ;
    assert_int_equal(get(0), 0); /* stopped */
    static const uint8_t values[][2] = {{9, 0x99}, {8, 0x12}, {7, 0x31}, {4, 0x23},
                                        {2, 0x59}, {0, 0x59}, {6, 6},    {RTC_CENTURY, 0x19}};
    for (unsigned i = 0; i < 8; i++) {
        set(values[i][0], values[i][1]);
        assert_int_equal(get(values[i][0]), values[i][1]);
    }
    set(0x0b, 0x02);
    set(0x0a, 0x26);
    expect_time(0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
    assert_int_equal(get(6), 6);
    test_time += TEST_HZ / 2 + 2; /* the first update half a second after the divider starts */
    expect_time(0, 1, 1, 0, 0, 0);
    assert_int_equal(get(6), 7);
    assert_int_equal(get(RTC_CENTURY), 0x20);
    /* SET alone keeps the phase. */
    test_time += TEST_HZ / 4;
    set(0x0b, 0x82);
    set(2, 0x30);
    test_time += 5 * TEST_HZ;
    set(0x0b, 0x02);
    expect_time(0, 1, 1, 0, 0x30, 0);
    test_time += TEST_HZ / 4 * 3 + 4;
    expect_time(0, 1, 1, 0, 0x30, 1);
    set(0, 0x45); /* without SET */
    expect_time(0, 1, 1, 0, 0x30, 0x45);
}

static void test_rubbish(void **state)
{
    (void)state;
    set(0x0b, 0x82);
    for (unsigned i = 0; i < 10; i++)
        set(i, 0xff);
    set(RTC_CENTURY, 0xff);
    set(0x0b, 0x32);
    test_time += 100 * TEST_HZ;
    for (unsigned i = 0; i < 128; i++)
        get(i);
    set(0x0b, 0x82);
    for (unsigned i = 0; i < 10; i++)
        set(i, 0);
    set(0x0b, 0x02);
    for (unsigned i = 0; i < 128; i++)
        get(i);
}

static void test_uip(void **state)
{
    (void)state;
    assert_int_equal(get(0x0a), 0x26);
    uint64_t begin = test_time;
    test_time = begin + TEST_HZ - test_us(246);
    assert_int_equal(get(0x0a), 0x26);
    test_time = begin + TEST_HZ - test_us(242);
    assert_int_equal(get(0x0a), 0xa6);
    test_time = begin + TEST_HZ;
    assert_int_equal(get(0x0a), 0x26);
    set(0x0b, 0x82);
    test_time = begin + 2 * TEST_HZ - 5;
    assert_int_equal(get(0x0a), 0x26); /* no updates while SET */
    set(0x0a, 0xff);
    assert_int_equal(get(0x0a), 0x7f);
}

static void test_update_interrupt(void **state)
{
    (void)state;
    assert_true(rtc_deadline(&rtc) == CLOCK_NEVER);
    uint64_t begin = test_time;
    set(0x0b, 0x12);
    assert_true(rtc_deadline(&rtc) == begin + TEST_HZ);
    test_time = begin + TEST_HZ;
    rtc_expire(&rtc, test_time);
    assert_true(test_level[8]);
    assert_true(rtc_deadline(&rtc) == CLOCK_NEVER); /* nothing more until C is read */
    assert_int_equal(get(0x0c) & 0xb0, 0x90);
    assert_false(test_level[8]);
    assert_int_equal(get(0x0c) & 0xb0, 0);
    assert_true(rtc_deadline(&rtc) == begin + 2 * TEST_HZ);
    test_time = begin + 100 * TEST_HZ + 3;
    rtc_expire(&rtc, test_time);
    assert_int_equal(test_edges[8], 2);
    set(0x0b, 0x92);
    assert_int_equal(get(0x0b), 0x82); /* SET clears UIE */
    assert_false(test_level[8]);
}

static void test_periodic_interrupt(void **state)
{
    (void)state;
    uint64_t begin = test_time;
    set(0x0b, 0x42); /* 1024 Hz */
    for (unsigned i = 1; i <= 2000; i++) {
        uint64_t due = rtc_deadline(&rtc);
        assert_true(due == begin + clock_ticks(&test_clock, 32ull * i, 32768));
        test_time = due;
        rtc_expire(&rtc, due);
        assert_true(test_level[8]);
        assert_int_equal(get(0x0c) & 0xc0, 0xc0);
    }
    assert_int_equal(test_edges[8], 2000);
    set(0x0a, 0x20);
    assert_true(rtc_deadline(&rtc) == CLOCK_NEVER);
    set(0x0a, 0x21); /* 256 Hz */
    assert_true(rtc_deadline(&rtc) - test_time <= TEST_HZ / 256 + 1);
    set(0x0b, 0x02);
    get(0x0c);
    set(0x0a, 0x2f); /* polled: 2 Hz */
    test_time += TEST_HZ;
    assert_int_equal(get(0x0c) & 0xc0, 0x40);
}

static void test_alarm(void **state)
{
    (void)state;
    uint64_t begin = test_time;
    set(5, 0x01);
    set(3, 0x30);
    set(1, 0x15);
    set(0x0b, 0x22);
    assert_true(rtc_deadline(&rtc) == begin + TEST_HZ * (3600 + 30 * 60 + 15));
    test_time = rtc_deadline(&rtc);
    rtc_expire(&rtc, test_time);
    assert_true(test_level[8]);
    assert_int_equal(get(0x0c) & 0xa0, 0xa0);
    assert_true(rtc_deadline(&rtc) == test_time + 86400 * TEST_HZ);
    set(1, 0xff); /* every second of 1:30 */
    assert_true(rtc_deadline(&rtc) == test_time + TEST_HZ);
    set(3, 0xc0);
    set(5, 0xc0);
    set(1, 0x14); /* each minute at 14 s */
    assert_true(rtc_deadline(&rtc) == test_time + 59 * TEST_HZ);
    set(5, 0x99);
    assert_true(rtc_deadline(&rtc) == CLOCK_NEVER);
    /* Against a search, second by second. */
    static const uint8_t some[] = {0x00, 0x01, 0x07, 0x23, 0x30, 0x59, 0x60, 0xc0, 0xff};
    uint8_t cmos[16] = {0};
    for (unsigned i = 0; i < 729; i++) {
        cmos[1] = some[i % 9], cmos[3] = some[i / 9 % 9], cmos[5] = some[i / 81];
        int64_t t = NEW_YEAR + (i * 7919) % 86400;
        uint32_t found = RTC_NO_ALARM;
        for (uint32_t n = 1; n <= 86400 && found == RTC_NO_ALARM; n++) {
            struct rtc_fields f = {0};
            uint32_t day = (uint32_t)((t + n) % 86400);
            f.hour = day / 3600, f.minute = day / 60 % 60, f.second = day % 60;
            if ((cmos[1] >= 0xc0 || rtc_decode(cmos[1], 2) == f.second) &&
                (cmos[3] >= 0xc0 || rtc_decode(cmos[3], 2) == f.minute) &&
                (cmos[5] >= 0xc0 || rtc_decode(cmos[5], 2) == f.hour))
                found = n;
        }
        assert_int_equal(rtc_next_alarm(t, cmos, 2), found);
    }
}

static void test_cmos(void **state)
{
    (void)state;
    rtc_set_memory(&rtc, 512ull << 20, 1ull << 32);
    assert_int_equal(get(0x15) | get(0x16) << 8, 640);
    assert_int_equal(get(0x30) | get(0x31) << 8, 0xffff);
    assert_int_equal(get(0x34) | get(0x35) << 8, (512 - 16) * 16);
    assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 65536);
    rtc_set_cmos(&rtc, 0x0b, 0xff);
    rtc_set_cmos(&rtc, 500, 0xff);
    assert_int_equal(get(0x0b), 2);
    set(0x40, 0x77);
    assert_int_equal(get(0xc0), 0x77); /* bit 7 is the NMI mask */
    rtc_ops.reset(&rtc);
    assert_int_equal(get(0x40), 0x77);
    set(0x0c, 0xff);
    set(0x0d, 0);
    assert_int_equal(get(0x0d), 0x80);
}

static void test_save(void **state)
{
    (void)state;
    test_time += TEST_HZ * 10 + TEST_HZ / 2;
    test_snapshot(&rtc_ops, &rtc);
    assert_int_equal(get(0), 0x10);
    uint8_t buf[512];
    size_t n = rtc_ops.save(&rtc, buf, sizeof(buf));
    buf[8 + offsetof(struct rtc_state, index)] = 128;
    assert_false(rtc_ops.restore(&rtc, buf, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_calendar, setup),
        cmocka_unit_test_setup(test_read, setup),
        cmocka_unit_test_setup(test_encodings, setup),
        cmocka_unit_test_setup(test_set, setup),
        cmocka_unit_test_setup(test_rubbish, setup),
        cmocka_unit_test_setup(test_uip, setup),
        cmocka_unit_test_setup(test_update_interrupt, setup),
        cmocka_unit_test_setup(test_periodic_interrupt, setup),
        cmocka_unit_test_setup(test_alarm, setup),
        cmocka_unit_test_setup(test_cmos, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
