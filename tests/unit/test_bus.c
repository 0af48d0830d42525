// SPDX-License-Identifier: BSD-2-Clause
// The bus: lookup, cache, splitting, absent addresses, hostile sizes. And the clock's
// arithmetic.
// links: vmm/bus.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "bus.h"

struct fake {
    uint64_t offset, value;
    unsigned size, reads, writes;
    uint8_t bytes[16];
};

static uint64_t fake_read(void *dev, uint64_t offset, unsigned size)
{
    struct fake *f = dev;
    uint64_t value = 0;
    f->reads++;
    f->offset = offset;
    f->size = size;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)f->bytes[(offset + i) % 16] << 8 * i;
    return size < 8 ? value | ~0ull << 8 * size : value; /* rubbish above: the bus must cut it */
}

static void fake_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct fake *f = dev;
    f->writes++;
    f->offset = offset;
    f->size = size;
    f->value = value;
    for (unsigned i = 0; i < size; i++)
        f->bytes[(offset + i) % 16] = (uint8_t)(value >> 8 * i);
}

static const struct device_ops byte_ops = {"byte", .read = fake_read, .write = fake_write,
                                           .width = 1};
static const struct device_ops dword_ops = {"dword", .read = fake_read, .write = fake_write,
                                            .width = 4};
static const struct device_ops any_ops = {"any", .read = fake_read, .write = fake_write};

static struct bus bus;
static struct fake a, b;

static int setup(void **state)
{
    (void)state;
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    for (unsigned i = 0; i < 16; i++) {
        a.bytes[i] = (uint8_t)(0xa0 + i);
        b.bytes[i] = (uint8_t)(0xb0 + i);
    }
    bus_init(&bus, "test");
    return 0;
}

static void test_empty(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_false(bus_read(&bus, 0, 1, &value));
    assert_int_equal(value, 0xff);
    assert_false(bus_read(&bus, 0, 8, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_false(bus_write(&bus, 0x3f8, 4, 1));
    assert_int_equal(bus.absent_reads, 2);
    assert_int_equal(bus.absent_writes, 1);
    assert_int_equal(bus.absent_last, 0x3f8);
}

static void test_hit(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(bus_add(&bus, 0x3f8, 8, &byte_ops, &a));
    for (unsigned i = 0; i < 2; i++) { /* the second time from the cache */
        assert_true(bus_read(&bus, 0x3fa, 1, &value));
        assert_int_equal(value, 0xa2);
        assert_int_equal(a.offset, 2);
        assert_true(bus_write(&bus, 0x3ff, 1, 0x1234));
        assert_int_equal(a.value, 0x34);
        assert_int_equal(a.offset, 7);
    }
    assert_false(bus_read(&bus, 0x3f7, 1, &value));
    assert_false(bus_read(&bus, 0x400, 1, &value));
}

static void test_split(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(bus_add(&bus, 0x10, 4, &byte_ops, &a));
    assert_true(bus_add(&bus, 0x14, 4, &dword_ops, &b));
    assert_true(bus_read(&bus, 0x10, 4, &value));
    assert_int_equal(value, 0xa3a2a1a0);
    assert_int_equal(a.reads, 4);
    assert_true(bus_read(&bus, 0x14, 4, &value));
    assert_int_equal(value, 0xb3b2b1b0);
    assert_int_equal(b.reads, 1);
    assert_true(bus_read(&bus, 0x12, 4, &value)); /* across both */
    assert_int_equal(value, 0xb1b0a3a2);
    assert_int_equal(b.size, 2);
    assert_true(bus_read(&bus, 0x16, 4, &value)); /* over the end: ones */
    assert_int_equal(value, 0xffffb3b2);
    assert_true(bus_read(&bus, 0xe, 8, &value)); /* over the start */
    assert_int_equal(value, 0xb1b0a3a2a1a0ffff);
    assert_true(bus_write(&bus, 0x13, 2, 0xeeff));
    assert_int_equal(a.bytes[3], 0xff);
    assert_int_equal(b.bytes[0], 0xee);
    assert_int_equal(bus.absent_reads, 0);
}

static void test_wide(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(bus_add(&bus, 0xfee00000, 0x1000, &any_ops, &a));
    assert_true(bus_read(&bus, 0xfee00008, 8, &value));
    assert_int_equal(value, 0xafaeadacabaaa9a8);
    assert_int_equal(a.reads, 1);
    assert_true(bus_read(&bus, 0xfee00ffe, 4, &value));
    assert_int_equal(value, 0xffffafae);
    assert_true(bus_add(&bus, 0xfee01000, 0x10, &dword_ops, &b));
    assert_true(bus_read(&bus, 0xfee01000, 8, &value));
    assert_int_equal(value, 0xb7b6b5b4b3b2b1b0);
    assert_int_equal(b.reads, 2);
}

static void test_sizes(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(bus_add(&bus, 0, 16, &any_ops, &a));
    assert_false(bus_read(&bus, 0, 0, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_false(bus_read(&bus, 0, 9, &value));
    assert_false(bus_read(&bus, 0, UINT32_MAX, &value));
    assert_false(bus_write(&bus, 0, 0, 1));
    assert_false(bus_write(&bus, 0, 100, 1));
    assert_int_equal(a.reads + a.writes, 0);
    assert_true(bus_read(&bus, 3, 3, &value));
    assert_int_equal(value, 0xa5a4a3);
}

static void test_edges_of_space(void **state)
{
    (void)state;
    uint64_t value;
    assert_false(bus_add(&bus, UINT64_MAX, 2, &any_ops, &a));
    assert_true(bus_add(&bus, UINT64_MAX - 3, 4, &any_ops, &a));
    assert_true(bus_read(&bus, UINT64_MAX, 1, &value));
    assert_int_equal(value, 0xa3);
    assert_true(bus_read(&bus, UINT64_MAX, 8, &value)); /* goes round: nobody there */
    assert_int_equal(value, 0xffffffffffffffa3);
    assert_false(bus_read(&bus, 0, 8, &value));
}

static void test_add(void **state)
{
    (void)state;
    assert_false(bus_add(&bus, 5, 0, &any_ops, &a));
    assert_true(bus_add(&bus, 0x20, 0x10, &any_ops, &a));
    assert_false(bus_add(&bus, 0x20, 1, &any_ops, &b));
    assert_false(bus_add(&bus, 0x2f, 1, &any_ops, &b));
    assert_false(bus_add(&bus, 0x10, 0x11, &any_ops, &b));
    assert_true(bus_add(&bus, 0x10, 0x10, &any_ops, &b));
    assert_true(bus_add(&bus, 0x30, 1, &any_ops, &b));
    unsigned n = 3;
    while (n < BUS_REGIONS)
        assert_true(bus_add(&bus, 0x1000 + 16 * n++, 16, &any_ops, &b));
    assert_false(bus_add(&bus, 0x8000, 1, &any_ops, &b));
    for (unsigned i = 3; i < BUS_REGIONS; i++) {
        const struct bus_region *r = bus_find(&bus, 0x1000 + 16 * i + 15);
        assert_non_null(r);
        assert_int_equal(r->base, 0x1000 + 16 * i);
    }
    assert_true(bus_remove(&bus, 0x20));
    assert_false(bus_remove(&bus, 0x20));
    assert_null(bus_find(&bus, 0x25));
    assert_true(bus_add(&bus, 0x28, 4, &any_ops, &b));
    char text[64];
    assert_int_equal(bus_info(&bus, text, sizeof(text)), sizeof(text) - 1);
}

static void test_math(void **state)
{
    (void)state;
    assert_int_equal(mul_div64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(mul_div64(10, 3, 4), 7);
    assert_int_equal(mul_div64_up(10, 3, 4), 8);
    assert_int_equal(mul_div64_up(8, 3, 4), 6);
    assert_int_equal(mul_div64(1, 1, 0), UINT64_MAX);
    assert_int_equal(mul_div64_up(1, 1, 0), UINT64_MAX);
    assert_int_equal(mul_div64(1ull << 63, 4, 2), UINT64_MAX);
    assert_int_equal(mul_div64(1ull << 63, 4, 4), 1ull << 63);
    assert_int_equal(mul_div64_up(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(clock_since(3, 5), 0);
    assert_int_equal(clock_add(UINT64_MAX - 1, 5), CLOCK_NEVER);
    test_setup();
    for (uint64_t n = 1; n < 100000; n += 37) { /* the tick of a count is the first that shows it */
        uint64_t ticks = clock_ticks(&test_clock, n, 1193182);
        assert_int_equal(clock_units(&test_clock, ticks, 1193182), n);
        assert_int_equal(clock_units(&test_clock, ticks - 1, 1193182), n - 1);
    }
    struct clock clock;
    clock_init(&clock, 0, NULL, NULL);
    assert_int_equal(clock.hz, CLOCK_HZ_MIN);
    assert_true(clock_now(&clock) <= clock_now(&clock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty, setup),
        cmocka_unit_test_setup(test_hit, setup),
        cmocka_unit_test_setup(test_split, setup),
        cmocka_unit_test_setup(test_wide, setup),
        cmocka_unit_test_setup(test_sizes, setup),
        cmocka_unit_test_setup(test_edges_of_space, setup),
        cmocka_unit_test_setup(test_add, setup),
        cmocka_unit_test_setup(test_math, setup),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
