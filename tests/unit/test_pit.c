// SPDX-License-Identifier: BSD-2-Clause
// 8254: every mode against the data sheet's wave forms, read-back, BCD, gate and port 0x61, the
// calibration loop that Linux runs, no drift over a day, merged interrupts, hostile counts.
// links: vmm/pit.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "pit.h"

static struct pit pit;
static uint64_t start;

/* The first tick at which n clocks have passed since `start`. */
static void at(uint64_t clocks)
{
    test_time = start + clock_ticks(&test_clock, clocks, PIT_HZ);
}

static void control(uint8_t value)
{
    out8(&pit_ops, &pit, 3, value);
}

static void count(unsigned channel, unsigned value)
{
    out8(&pit_ops, &pit, channel, (uint8_t)value);
    out8(&pit_ops, &pit, channel, (uint8_t)(value >> 8));
    start = test_time;
}

static unsigned live(unsigned channel)
{
    control((uint8_t)(channel << 6)); /* latch */
    unsigned low = in8(&pit_ops, &pit, channel);
    return low | (unsigned)in8(&pit_ops, &pit, channel) << 8;
}

static bool out2(void)
{
    return in8(&pit_port61_ops, &pit, 0) & 0x20;
}

static void gate2(uint8_t value)
{
    out8(&pit_port61_ops, &pit, 0, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    pit_init(&pit, &test_clock, test_line(0));
    return 0;
}

static void test_mode0(void **state)
{
    (void)state;
    gate2(1);
    control(0xb0);
    assert_false(out2());
    count(2, 1000);
    assert_int_equal(live(2), 1000);
    at(999);
    assert_false(out2());
    assert_int_equal(live(2), 1);
    at(1000);
    test_time--;
    assert_false(out2());
    test_time++;
    assert_true(out2());
    at(1001);
    assert_int_equal(live(2), 0xffff); /* counts on */
    out8(&pit_ops, &pit, 2, 5);        /* the first byte stops it, OUT falls */
    assert_false(out2());
}

/* The fallback of Linux: gate up, mode 0, count, poll bit 5. */
static void test_calibration(void **state)
{
    (void)state;
    const unsigned latch = 1193182 / (1000 / 10); /* 10 ms */
    gate2((in8(&pit_port61_ops, &pit, 0) & ~2) | 1);
    control(0xb0);
    count(2, latch);
    while (!out2())
        test_time += 7000;
    uint64_t ticks = test_time - start;
    uint64_t exact = mul_div64(latch, TEST_HZ, PIT_HZ);
    assert_true(ticks >= exact && ticks < exact + 7001);
}

static void test_gate_pauses(void **state)
{
    (void)state;
    control(0xb0);
    count(2, 100);
    at(500);
    assert_int_equal(live(2), 100); /* the gate is low */
    assert_false(out2());
    gate2(1);
    start = test_time;
    at(60);
    assert_int_equal(live(2), 40);
    gate2(0);
    at(1000);
    assert_int_equal(live(2), 40);
    gate2(1);
    start = test_time;
    at(39);
    assert_false(out2());
    at(41);
    assert_true(out2());
}

static void test_mode1(void **state)
{
    (void)state;
    control(0xb2);
    count(2, 50);
    at(200);
    assert_true(out2()); /* waits for the trigger */
    gate2(1);
    start = test_time;
    at(49);
    assert_false(out2());
    gate2(0); /* the level does not matter */
    assert_false(out2());
    gate2(1); /* triggered again */
    start = test_time;
    at(49);
    assert_false(out2());
    at(50);
    assert_true(out2());
}

static void test_mode2(void **state)
{
    (void)state;
    gate2(1);
    control(0xb4);
    count(2, 10);
    for (unsigned i = 0; i < 35; i++) {
        at(i);
        assert_int_equal(out2(), i % 10 != 9);
        assert_int_equal(live(2), 10 - i % 10);
    }
    uint64_t period = start + clock_ticks(&test_clock, 30, PIT_HZ);
    count(2, 20); /* from the next period on */
    start = period;
    control(0xe8); /* read back status of channel 2 */
    assert_int_equal(in8(&pit_ops, &pit, 2), 0x80 | 0x40 | 0x34);
    at(9);
    assert_false(out2());
    at(11);
    assert_int_equal(live(2), 19);
    control(0xe8);
    assert_int_equal(in8(&pit_ops, &pit, 2), 0x80 | 0x34);
    at(28);
    assert_true(out2());
    at(29);
    assert_false(out2());
    gate2(0);
    assert_true(out2()); /* the gate forces OUT high */
    at(60);
    assert_true(out2());
    gate2(1); /* and its edge starts over */
    assert_int_equal(live(2), 20);
}

static void test_mode3(void **state)
{
    (void)state;
    gate2(1);
    control(0xb6);
    count(2, 8);
    static const unsigned even[8] = {8, 6, 4, 2, 8, 6, 4, 2};
    for (unsigned i = 0; i < 20; i++) {
        at(i);
        assert_int_equal(live(2), even[i % 8]);
        assert_int_equal(out2(), i % 8 < 4);
    }
    control(0xb6);
    count(2, 5);
    static const unsigned odd[5] = {4, 2, 0, 4, 2};
    for (unsigned i = 0; i < 20; i++) {
        at(i);
        assert_int_equal(live(2), odd[i % 5]);
        assert_int_equal(out2(), i % 5 < 3);
    }
}

static void test_mode4_and_5(void **state)
{
    (void)state;
    gate2(1);
    control(0xb8);
    count(2, 10);
    at(9);
    assert_true(out2());
    at(10);
    assert_false(out2());
    at(11);
    assert_true(out2());
    gate2(0);
    control(0xba);
    count(2, 10);
    at(10);
    assert_true(out2());
    gate2(1);
    start = test_time;
    at(10);
    assert_false(out2());
}

static void test_bcd(void **state)
{
    (void)state;
    gate2(1);
    control(0xb1);
    count(2, 0x1234);
    at(235);
    assert_int_equal(live(2), 0x0999);
    control(0xb1);
    count(2, 0); /* 10000 */
    at(1);
    assert_int_equal(live(2), 0x9999);
    control(0xb1);
    count(2, 0xffff); /* not decimal at all */
    at(1);
    live(2);
}

static void test_byte_modes(void **state)
{
    (void)state;
    control(0x14); /* channel 0, low byte only, mode 2 */
    out8(&pit_ops, &pit, 0, 100);
    start = test_time;
    at(1);
    assert_int_equal(in8(&pit_ops, &pit, 0), 99);
    control(0x24); /* high byte only */
    out8(&pit_ops, &pit, 0, 2);
    start = test_time;
    at(1);
    assert_int_equal(in8(&pit_ops, &pit, 0), 1);
    control(0x34);
    count(0, 0x1234);
    control(0xc2); /* read back count and status of channel 0 */
    at(100);
    assert_int_equal(in8(&pit_ops, &pit, 0), 0x80 | 0x34);
    control(0xc2); /* ignored for the count, which was not read yet */
    assert_int_equal(in8(&pit_ops, &pit, 0), 0x80 | 0x34);
    assert_int_equal(in8(&pit_ops, &pit, 0), 0x34);
    assert_int_equal(in8(&pit_ops, &pit, 0), 0x12);
    assert_int_equal(in8(&pit_ops, &pit, 0), (0x1234 - 100) & 0xff);
    assert_int_equal(in8(&pit_ops, &pit, 0), (0x1234 - 100) >> 8);
}

static void test_irq_periodic(void **state)
{
    (void)state;
    assert_true(pit_deadline(&pit) == CLOCK_NEVER);
    control(0x34);
    count(0, 11932); /* 100 Hz */
    uint64_t origin = start;
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(pit_deadline(&pit) == origin + clock_ticks(&test_clock, 11932ull * i, PIT_HZ));
        test_time = pit_deadline(&pit) - 1;
        pit_expire(&pit, test_time);
        assert_int_equal(test_edges[0], i - 1);
        test_time++;
        pit_expire(&pit, test_time);
        assert_int_equal(test_edges[0], i);
    }
    /* A day later: one interrupt for all that was missed, and still in phase. */
    test_time = origin + clock_ticks(&test_clock, 11932ull * 8640000 + 5, PIT_HZ);
    pit_expire(&pit, test_time);
    assert_int_equal(test_edges[0], 1001);
    assert_true(pit_deadline(&pit) ==
                origin + clock_ticks(&test_clock, 11932ull * 8640001, PIT_HZ));
}

static void test_irq_one_shot(void **state)
{
    (void)state;
    control(0x30);
    count(0, 1000);
    uint64_t due = pit_deadline(&pit);
    assert_true(due == start + clock_ticks(&test_clock, 1000, PIT_HZ));
    test_time = due + 5;
    control(0x30); /* programmed again when it was due: not lost */
    assert_int_equal(test_edges[0], 1);
    assert_true(pit_deadline(&pit) == CLOCK_NEVER);
    count(0, 1000);
    pit_expire(&pit, pit_deadline(&pit));
    assert_int_equal(test_edges[0], 2);
    test_time += test_us(100000);
    pit_expire(&pit, test_time);
    assert_int_equal(test_edges[0], 2);
    control(0x38); /* mode 4: one clock later */
    count(0, 1000);
    assert_true(pit_deadline(&pit) == start + clock_ticks(&test_clock, 1001, PIT_HZ));
}

static void test_storm(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        control(0x34);
        count(0, n == 2 ? 2 : 1); /* periods of 1 us */
        unsigned before = test_edges[0];
        uint64_t end = test_time + test_us(10000);
        while (pit_deadline(&pit) < end) {
            test_time = pit_deadline(&pit);
            pit_expire(&pit, test_time);
        }
        assert_in_range(test_edges[0] - before, 400, 501);
    }
}

static void test_port61(void **state)
{
    (void)state;
    gate2(0xff);
    assert_int_equal(in8(&pit_port61_ops, &pit, 0) & 0xcf, 0x0f);
    unsigned toggles = 0;
    uint8_t last = in8(&pit_port61_ops, &pit, 0) & 0x10;
    for (unsigned us = 0; us < 1000; us++) {
        test_time += test_us(1);
        uint8_t bit = in8(&pit_port61_ops, &pit, 0) & 0x10;
        toggles += bit != last;
        last = bit;
    }
    assert_in_range(toggles, 65, 67); /* every 15.085 us */
    assert_int_equal(in8(&pit_ops, &pit, 3), 0xff);
}

static void test_save(void **state)
{
    (void)state;
    control(0x34);
    count(0, 5000);
    at(1234);
    uint64_t due = pit_deadline(&pit);
    test_snapshot(&pit_ops, &pit);
    assert_true(pit_deadline(&pit) == due);
    assert_int_equal(live(0), 5000 - 1234);
    uint8_t buf[512];
    size_t n = pit_ops.save(&pit, buf, sizeof(buf));
    test_time += test_us(50000); /* time between save and restore does not count */
    assert_true(pit_ops.restore(&pit, buf, n));
    assert_int_equal(live(0), 5000 - 1234);
    memset(buf + 8 + offsetof(struct pit_channel, count), 0, 4); /* would divide by 0 */
    assert_false(pit_ops.restore(&pit, buf, n));
    pit_ops.reset(&pit);
    assert_true(pit_deadline(&pit) == CLOCK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mode0, setup),
        cmocka_unit_test_setup(test_calibration, setup),
        cmocka_unit_test_setup(test_gate_pauses, setup),
        cmocka_unit_test_setup(test_mode1, setup),
        cmocka_unit_test_setup(test_mode2, setup),
        cmocka_unit_test_setup(test_mode3, setup),
        cmocka_unit_test_setup(test_mode4_and_5, setup),
        cmocka_unit_test_setup(test_bcd, setup),
        cmocka_unit_test_setup(test_byte_modes, setup),
        cmocka_unit_test_setup(test_irq_periodic, setup),
        cmocka_unit_test_setup(test_irq_one_shot, setup),
        cmocka_unit_test_setup(test_storm, setup),
        cmocka_unit_test_setup(test_port61, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
