// SPDX-License-Identifier: BSD-2-Clause
// Debug output by lines, isa-debug-exit, pvpanic.
// links: vmm/debug_port.c vmm/guest_panic.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "debug_port.h"
#include "guest_panic.h"

#include <stdio.h>

static struct debug_port port;
static char logged[1024];
static uint64_t status;
static unsigned exits, panics, loads;

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    size_t n = strlen(logged);
    assert_true(n + strlen(line) + 2 < sizeof(logged));
    snprintf(logged + n, sizeof(logged) - n, "%s|", line);
}

static void print(const char *text)
{
    for (; *text; text++)
        out8(&debug_port_ops, &port, 0, (uint8_t)*text);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    logged[0] = 0;
    debug_port_init(&port, "debug", log_line, NULL);
    return 0;
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(in8(&debug_port_ops, &port, 0), 0xe9);
    print("hello\tworld\x1b[2J\r\n\n");
    assert_string_equal(logged, "debug: hello world[2J|");
    print("half");
    assert_string_equal(logged, "debug: hello world[2J|");
    debug_port_ops.reset(&port);
    assert_string_equal(logged, "debug: hello world[2J|debug: half|");
    logged[0] = 0;
    for (unsigned i = 0; i < 121; i++)
        print("x");
    assert_int_equal(strlen(logged), strlen("debug: |") + 120);
}

static void test_save(void **state)
{
    (void)state;
    print("kept");
    test_snapshot(&debug_port_ops, &port);
    uint8_t buf[256];
    size_t n = debug_port_ops.save(&port, buf, sizeof(buf));
    debug_port_init(&port, "debug", log_line, NULL);
    assert_true(debug_port_ops.restore(&port, buf, n));
    print("\n");
    assert_string_equal(logged, "debug: kept|");
    buf[8] = 7;
    assert_false(debug_port_ops.restore(&port, buf, n));
}

static void exited(void *ctx, uint64_t value)
{
    (void)ctx;
    status = value;
    exits++;
}

static void panicked(void *ctx)
{
    (void)ctx;
    panics++;
}

static void loaded(void *ctx)
{
    (void)ctx;
    loads++;
}

static void test_panic(void **state)
{
    (void)state;
    struct guest_panic panic = {exited, panicked, loaded, NULL};
    debug_exit_ops.read(&panic, 0, 1);
    assert_int_equal(exits, 0);
    debug_exit_ops.write(&panic, 0, 4, 0x10);
    assert_int_equal(exits, 1);
    assert_int_equal(status, 0x21);
    debug_exit_ops.write(&panic, 0, 4, 0xffffffff);
    assert_int_equal(status, 0x1ffffffff);
    assert_int_equal(in8(&pvpanic_ops, &panic, 0), 3);
    out8(&pvpanic_ops, &panic, 0, 0xfc);
    assert_int_equal(panics + loads, 0);
    out8(&pvpanic_ops, &panic, 0, 2);
    assert_int_equal(loads, 1);
    out8(&pvpanic_ops, &panic, 0, 1);
    assert_int_equal(panics, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines, setup),
        cmocka_unit_test_setup(test_save, setup),
        cmocka_unit_test_setup(test_panic, setup),
    };
    return cmocka_run_group_tests_name("debug_port", tests, NULL, NULL);
}
