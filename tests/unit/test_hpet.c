// SPDX-License-Identifier: BSD-2-Clause
// HPET: capabilities, counter, one-shot and periodic timers of both widths, level and edge, legacy
// replacement, what Linux does with it, limits.
// links: vmm/hpet.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "hpet.h"

#define ENABLE   0x004u
#define LEVEL    0x002u
#define PERIODIC 0x008u
#define SET      0x040u
#define BITS32   0x100u
#define ROUTE(n) ((n) << 9)

static struct hpet hpet;

static uint64_t get(uint64_t reg)
{
    return hpet_ops.read(&hpet, reg, 8);
}

static uint32_t get32(uint64_t reg)
{
    return (uint32_t)hpet_ops.read(&hpet, reg, 4);
}

static void put(uint64_t reg, uint64_t value)
{
    hpet_ops.write(&hpet, reg, 8, value);
}

static void put32(uint64_t reg, uint32_t value)
{
    hpet_ops.write(&hpet, reg, 4, value);
}

/* Ticks after which the counter has gone on by `counts`. */
static void pass(uint64_t counts)
{
    uint64_t end = test_time + mul_div64_up(counts, TEST_HZ, HPET_HZ);
    while (hpet.deadline <= end) {
        test_time = hpet.deadline > test_time ? hpet.deadline : test_time;
        hpet_expire(&hpet, test_time);
    }
    test_time = end;
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    hpet_init(&hpet, &test_clock, &test_sink);
    return 0;
}

static void test_identity(void **state)
{
    (void)state;
    assert_int_equal(get(0), 62500000ull << 32 | 0x8086a201);
    assert_int_equal(get32(4), 62500000);
    assert_int_equal(get(0x10), 0);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(get(0x100 + 0x20 * n), 0xc000ull << 32 | 0x30);
        assert_int_equal(get(0x108 + 0x20 * n), UINT64_MAX);
    }
    assert_int_equal(get(0x160), 0); /* no fourth timer */
    put(0, 0);
    put(0x160, 1);
    put(0x3f8, 1);
    assert_int_equal(get(0x3f8), 0);
}

static void test_counter(void **state)
{
    (void)state;
    pass(1000);
    assert_int_equal(get(0xf0), 0);
    put(0x10, 1);
    pass(1000);
    assert_in_range(get(0xf0), 1000, 1001);
    put(0x10, 0);
    uint64_t at = get(0xf0);
    pass(1000);
    assert_int_equal(get(0xf0), at);
    put32(0xf0, 0xfffffff0);
    put32(0xf4, 7);
    put(0x10, 1);
    pass(0x20);
    assert_in_range(get(0xf0), 0x800000010, 0x800000011);
    assert_int_equal(get32(0xf4), 8);
    hpet_ops.write(&hpet, 0xf0, 1, 0); /* too narrow, or crooked */
    hpet_ops.write(&hpet, 0xf2, 4, 0);
    assert_int_equal(get32(0xf4), 8);
}

static void test_one_shot(void **state)
{
    (void)state;
    put(0x10, 1);
    put(0x100, ENABLE | ROUTE(14));
    put(0x108, get(0xf0) + 5000);
    pass(4990);
    assert_int_equal(test_edges[14], 0);
    pass(11);
    assert_int_equal(test_edges[14], 1);
    assert_false(test_level[14]);
    assert_int_equal(hpet.deadline, CLOCK_NEVER);
    put(0x108, get(0xf0) - 1); /* too late: for 64 bits it never comes */
    pass(1000000);
    assert_int_equal(test_edges[14], 1);
    assert_int_equal(get(0x20), 0);
}

static void test_32_bits(void **state)
{
    (void)state;
    put(0xf0, 0x5fffff000);
    put(0x10, 1);
    put(0x140, ENABLE | BITS32 | ROUTE(15));
    put(0x148, 0x123400000400); /* cut */
    assert_int_equal(get(0x148), 0x400);
    pass(0x13f0);
    assert_int_equal(test_edges[15], 0);
    pass(0x20);
    assert_int_equal(test_edges[15], 1);
    pass(1ull << 32); /* and once more around */
    assert_int_equal(test_edges[15], 2);
    put(0x100, ROUTE(14)); /* not enabled: nothing */
    put(0x108, get(0xf0) + 10);
    pass(100);
    assert_int_equal(test_edges[14], 0);
}

static void test_periodic(void **state)
{
    (void)state;
    put(0x10, 1);
    put32(0x100, ENABLE | PERIODIC | SET | BITS32 | ROUTE(14));
    put32(0x108, get32(0xf0) + 16000);
    assert_int_equal(get32(0x100) & SET, 0);
    put32(0x108, 1600);
    pass(15990);
    assert_int_equal(test_edges[14], 0);
    pass(20 + 9 * 1600);
    assert_int_equal(test_edges[14], 10);
    assert_in_range(get32(0x108) - get32(0xf0), 1, 1600);
    /* Late: one interrupt for all that was missed, and then in phase again. */
    test_time += test_us(1050);
    hpet_expire(&hpet, test_time);
    assert_int_equal(test_edges[14], 11);
    assert_in_range(get32(0x108) - get32(0xf0), 1, 1600);
    put32(0x108, 1); /* 16 MHz: limited */
    unsigned before = test_edges[14];
    pass(HPET_HZ / 100);
    assert_in_range(test_edges[14] - before, 10, 520);
}

static void test_level_triggered(void **state)
{
    (void)state;
    put(0x10, 1);
    put(0x100, ENABLE | LEVEL | PERIODIC | SET | ROUTE(15));
    put(0x108, 1000);
    put(0x120, ENABLE | LEVEL | ROUTE(15));
    put(0x128, 1500);
    pass(1100);
    assert_true(test_level[15]);
    assert_int_equal(get(0x20), 1);
    pass(500);
    assert_int_equal(get(0x20), 3);
    put(0x20, 1);
    assert_true(test_level[15]); /* the other one still */
    put(0x20, 2);
    assert_false(test_level[15]);
    pass(1000);
    assert_true(test_level[15]);
    put(0x10, 0); /* all interrupts are off while it stands */
    assert_false(test_level[15]);
    put(0x10, 1);
    assert_true(test_level[15]);
    put(0x100, ENABLE | ROUTE(15));
    assert_false(test_level[15]);
    assert_int_equal(get(0x20), 0);
}

static void test_routes(void **state)
{
    (void)state;
    put(0x100, ENABLE | ROUTE(14));
    put(0x100, ENABLE | ROUTE(20)); /* not offered: the old one stays */
    assert_int_equal(get32(0x100), 0x30 | ENABLE | ROUTE(14));
    put(0x100, ENABLE); /* as after reset: leads nowhere */
    put(0x10, 1);
    put(0x108, 100);
    pass(200);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(test_edges[i], 0);
}

static void test_legacy(void **state)
{
    (void)state;
    irq_set(&hpet.legacy, 0, true);
    irq_set(&hpet.legacy, 8, true);
    assert_true(test_level[0] && test_level[8]);
    irq_set(&hpet.legacy, 0, false);
    assert_false(test_level[0]);
    put(0x10, 3);
    assert_false(test_level[8]); /* cut off */
    irq_set(&hpet.legacy, 0, true);
    assert_false(test_level[0]);
    unsigned pit = test_edges[0], rtc = test_edges[8];
    put(0x100, ENABLE);
    put(0x108, get(0xf0) + 100);
    put(0x120, ENABLE);
    put(0x128, get(0xf0) + 200);
    pass(300);
    assert_int_equal(test_edges[0], pit + 1);
    assert_int_equal(test_edges[8], rtc + 1);
    put(0x10, 0);
    assert_true(test_level[0] && test_level[8]); /* back */
}

static void test_save(void **state)
{
    (void)state;
    put(0x10, 1);
    put(0x100, ENABLE | PERIODIC | SET | ROUTE(14));
    put(0x108, 16000);
    pass(8000);
    test_snapshot(&hpet_ops, &hpet);
    uint8_t buf[512];
    size_t n = hpet_ops.save(&hpet, buf, sizeof(buf));
    test_time += 100 * TEST_HZ;
    assert_true(hpet_ops.restore(&hpet, buf, n));
    assert_in_range(get(0xf0), 8000, 8002);
    unsigned before = test_edges[14];
    pass(8010);
    assert_int_equal(test_edges[14], before + 1);
    hpet_ops.reset(&hpet);
    assert_int_equal(get(0xf0), 0);
    assert_int_equal(get(0x10), 0);
    assert_int_equal(hpet.deadline, CLOCK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identity, setup),
        cmocka_unit_test_setup(test_counter, setup),
        cmocka_unit_test_setup(test_one_shot, setup),
        cmocka_unit_test_setup(test_32_bits, setup),
        cmocka_unit_test_setup(test_periodic, setup),
        cmocka_unit_test_setup(test_level_triggered, setup),
        cmocka_unit_test_setup(test_routes, setup),
        cmocka_unit_test_setup(test_legacy, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("hpet", tests, NULL, NULL);
}
