// SPDX-License-Identifier: BSD-2-Clause
// 8042 and keyboard: what SeaBIOS and Linux ask at their start, scan codes of typed text with and
// without translation, function keys, timing, room, reset, snapshots.
// links: vmm/ps2.c vmm/ps2_keys.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "ps2.h"

static struct ps2 ps2;
static unsigned resets, rooms;

static void on_reset(void *ctx)
{
    (void)ctx;
    resets++;
}

static const char *more; /* offered when there is room */
static size_t more_left;

static void on_room(void *ctx)
{
    (void)ctx;
    rooms++;
    size_t taken = ps2_type(&ps2, (const uint8_t *)more, more_left);
    more += taken;
    more_left -= taken;
}

static uint8_t status(void)
{
    return in8(&ps2_command_ops, &ps2, 0);
}

static uint8_t data(void)
{
    return in8(&ps2_ops, &ps2, 0);
}

static void send(uint8_t byte)
{
    out8(&ps2_ops, &ps2, 0, byte);
}

static void command(uint8_t byte)
{
    out8(&ps2_command_ops, &ps2, 0, byte);
}

static void expect(unsigned count, const uint8_t *bytes)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(status() & 1);
        assert_int_equal(data(), bytes[i]);
    }
    assert_false(status() & 1);
}
#define EXPECT(...)                               \
    do {                                          \
        const uint8_t bytes_[] = {__VA_ARGS__};   \
        expect((unsigned)sizeof(bytes_), bytes_); \
    } while (0)

static void pass_ms(unsigned ms)
{
    uint64_t end = test_time + test_us(1000ull * ms);
    while (ps2.deadline <= end) {
        test_time = ps2.deadline;
        ps2_expire(&ps2, test_time);
        assert_true(ps2.deadline > test_time);
    }
    test_time = end;
}

static void type(const char *text)
{
    assert_int_equal(ps2_type(&ps2, (const uint8_t *)text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    resets = rooms = 0;
    more_left = 0;
    ps2_init(&ps2, &test_clock, test_line(1), on_reset, on_room, NULL);
    return 0;
}

static void test_controller(void **state)
{
    (void)state;
    assert_int_equal(status(), 0x14);
    command(0x20);
    assert_int_equal(status(), 0x1d);
    EXPECT(0x65);
    command(0xaa);
    EXPECT(0x55);
    command(0xab);
    EXPECT(0x00);
    command(0xa8); /* a second port cannot be enabled */
    command(0x20);
    EXPECT(0x65);
    command(0xa9);
    EXPECT(0x01);
    command(0x60);
    send(0x44);
    command(0x20);
    EXPECT(0x64);
    command(0xd3);
    send(0x5a);
    assert_int_equal(status() & 0x21, 0x01);
    EXPECT(0x5a);
    command(0xd4);
    send(0xff);
    assert_int_equal(status() & 0x61, 0x61);
    EXPECT(0xfe);
    assert_int_equal(status() & 0x60, 0);
    command(0xd0);
    EXPECT(0x03);
    command(0xd1);
    send(0xdf);
    command(0xa4);
    EXPECT(0xf1);
    assert_int_equal(resets, 0);
    assert_int_equal(test_edges[1], 5); /* of the answers while the interrupt was on */
}

static void test_keyboard(void **state)
{
    (void)state;
    send(0xff);
    EXPECT(0xfa, 0xaa);
    send(0xf2);
    EXPECT(0xfa, 0xab, 0x41); /* 0x83, translated */
    send(0xed);
    EXPECT(0xfa);
    send(0x02);
    EXPECT(0xfa);
    assert_int_equal(ps2.s.leds, 2);
    send(0xee);
    EXPECT(0xee);
    send(0xf0);
    send(0x00);
    EXPECT(0xfa, 0xfa, 0x02 ^ 0x43); /* translated, as on hardware */
    send(0xf0);
    send(0x03);
    EXPECT(0xfa, 0xfe);
    send(0xf3);
    send(0xf4); /* a command where data was expected */
    EXPECT(0xfa, 0xfa);
    send(0x01);
    EXPECT(0xfe);
    send(0xfe);
    EXPECT(0xfe);
    assert_true(test_edges[1] >= 14); /* an edge for each byte */
}

static void test_typing(void **state)
{
    (void)state;
    type("a");
    EXPECT(0x1e);
    pass_ms(99);
    assert_false(status() & 1);
    pass_ms(2);
    EXPECT(0x9e);
    assert_int_equal(ps2.deadline, CLOCK_NEVER);
    type("A!");
    EXPECT(0x2a, 0x1e);
    pass_ms(16);
    EXPECT(0x9e, 0xaa, 0x2a, 0x02);
    pass_ms(200);
    EXPECT(0x82, 0xaa);
    type("\x03\r");
    EXPECT(0x1d, 0x2e);
    pass_ms(300);
    EXPECT(0xae, 0x9d, 0x1c, 0x9c);
    type("ll"); /* the same key goes up in between */
    EXPECT(0x26);
    pass_ms(50);
    EXPECT(0xa6, 0x26);
    pass_ms(100);
    EXPECT(0xa6);
}

static void test_escapes(void **state)
{
    (void)state;
    type("\x1b[A");
    EXPECT(0xe0, 0x48);
    pass_ms(200);
    EXPECT(0xe0, 0xc8);
    type("\x1bOP\x1b[24~\x1b[1;5D");
    pass_ms(300);
    EXPECT(0x3b, 0xbb, 0x58, 0xd8, 0x1d, 0xe0, 0x4b, 0xe0, 0xcb, 0x9d);
    type("\x1b[99~\x1b[?x"); /* unknown: nothing */
    pass_ms(300);
    assert_false(status() & 1);
    type("\x1b");
    assert_false(status() & 1);
    pass_ms(300);
    EXPECT(0x01, 0x81);
    type("\x1bq");
    pass_ms(300);
    EXPECT(0x01, 0x81, 0x10, 0x90);
    type("\xc3\xa4"); /* not on this keyboard */
    pass_ms(300);
    assert_false(status() & 1);
}

static void test_sets(void **state)
{
    (void)state;
    command(0x60);
    send(0x25); /* no translation */
    type("q\x1b[B");
    pass_ms(300);
    EXPECT(0x15, 0xf0, 0x15, 0xe0, 0x72, 0xe0, 0xf0, 0x72);
    send(0xf0);
    send(0x01);
    EXPECT(0xfa, 0xfa);
    type("q");
    pass_ms(300);
    EXPECT(0x10, 0x90);
}

static void test_flow(void **state)
{
    (void)state;
    char text[100];
    memset(text, 0, sizeof(text));
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    size_t taken = ps2_type(&ps2, (const uint8_t *)text, sizeof(text));
    assert_in_range(taken, PS2_TYPED, PS2_TYPED + 12);
    pass_ms(5000); /* nobody reads: no more than fits */
    assert_in_range(ps2.s.queued, 16, PS2_QUEUE);
    assert_int_equal(rooms, 0);
    more = text + taken;
    more_left = sizeof(text) - taken;
    unsigned keys = 0;
    for (unsigned i = 0; i < 200; i++) {
        while (status() & 1)
            keys += !(data() & 0x80);
        pass_ms(20);
    }
    assert_int_equal(more_left, 0);
    assert_int_equal(keys, sizeof(text));
    assert_true(rooms > 0);
    /* Keys wait while the keyboard is off; not after it is reset. */
    send(0xf5);
    EXPECT(0xfa);
    type("z");
    pass_ms(300);
    assert_false(status() & 1);
    send(0xf4);
    pass_ms(300);
    EXPECT(0xfa, 0x2c, 0xac);
    command(0xad);
    type("z");
    pass_ms(300);
    assert_false(status() & 1);
    command(0xae);
    EXPECT(0x2c, 0xac);
}

static void test_reset(void **state)
{
    (void)state;
    command(0xfe);
    assert_int_equal(resets, 1);
    command(0xff);
    assert_int_equal(resets, 1);
    command(0xd1);
    send(0xfe);
    assert_int_equal(resets, 2);
    type("abc");
    ps2_ops.reset(&ps2);
    assert_int_equal(status(), 0x14);
    assert_false(test_level[1]);
    pass_ms(300);
    assert_false(status() & 1);
}

static void test_save(void **state)
{
    (void)state;
    type("hello");
    test_snapshot(&ps2_ops, &ps2);
    uint8_t buf[512];
    size_t n = ps2_ops.save(&ps2, buf, sizeof(buf));
    ps2_init(&ps2, &test_clock, test_line(1), on_reset, on_room, NULL);
    test_time += 5 * TEST_HZ;
    assert_true(ps2_ops.restore(&ps2, buf, n));
    pass_ms(500);
    EXPECT(0x23, 0xa3, 0x12, 0x92, 0x26, 0xa6, 0x26, 0xa6, 0x18, 0x98);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_controller, setup),
        cmocka_unit_test_setup(test_keyboard, setup),
        cmocka_unit_test_setup(test_typing, setup),
        cmocka_unit_test_setup(test_escapes, setup),
        cmocka_unit_test_setup(test_sets, setup),
        cmocka_unit_test_setup(test_flow, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("ps2", tests, NULL, NULL);
}
