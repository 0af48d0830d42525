// SPDX-License-Identifier: BSD-2-Clause
// KVM's clock: precision of the factor, layout in guest memory, refusal of bad addresses.
// links: vmm/pvclock.c vmm/guest_memory.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pvclock.h"

static uint8_t memory[16384] __attribute__((aligned(4096)));
static const struct guest_ram ram = {memory, sizeof(memory)};

// What a guest computes.
static uint64_t pvclock_ns(const struct pvclock *clock, uint64_t tsc)
{
    uint64_t delta = tsc - clock->tsc_base;
    delta = clock->shift < 0 ? delta >> -clock->shift : delta << clock->shift;
    return (uint64_t)((unsigned __int128)delta * clock->mult >> 32);
}

static void test_scale(void **state)
{
    (void)state;
    const uint64_t rates[] = {1000,       1000000,    25000000,      100000000,
                              999999999,  1000000000, 1000000001,    2399987654,
                              2400000000, 3579545000, 5000000000ull, 1000000000000ull};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct pvclock c;
        pvclock_init(&c, &ram, rates[i], 0, 0);
        assert_true(c.mult >= 0x80000000u);
        for (uint64_t seconds = 1; seconds <= 1000; seconds *= 10) {
            uint64_t ns = pvclock_ns(&c, seconds * rates[i]), exact = seconds * 1000000000;
            uint64_t error = ns > exact ? ns - exact : exact - ns;
            assert_true(error <= seconds + 1); // 1 ns a second
        }
    }
}

// What Linux makes of the factor to learn the TSC's frequency.
static void test_linux_frequency(void **state)
{
    (void)state;
    const uint64_t rates[] = {100000000, 999000000, 2400000000, 3500123000, 4700000000ull};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        uint32_t mult;
        int8_t shift;
        pvclock_scale(rates[i], &mult, &shift);
        uint64_t khz = (1000000ull << 32) / mult;
        khz = shift < 0 ? khz << -shift : khz >> shift;
        uint64_t exact = rates[i] / 1000;
        assert_true(khz + 2 >= exact && khz <= exact + 2);
    }
}

static void test_pages(void **state)
{
    (void)state;
    struct pvclock c;
    memset(memory, 0, sizeof(memory));
    pvclock_init(&c, &ram, 2000000000, 12345, 1700000000ull * 1000000000 + 42);
    assert_true(pvclock_write_system_time(&c, 0x1000 | 1));
    uint32_t w[8];
    memcpy(w, memory + 0x1000, 32);
    assert_int_equal(w[0], 2); // version
    assert_int_equal(w[2], 12345);
    assert_int_equal(w[4] | w[5], 0);
    assert_int_equal(w[6], 0x80000000); // 0.5 ns a tick
    assert_int_equal(w[7], 1 << 8);     // shift 0, stable
    assert_int_equal(pvclock_ns(&c, 12345 + 2000000000ull), 1000000000);
    assert_true(pvclock_write_wall_clock(&c, 0x2004));
    memcpy(w, memory + 0x2004, 12);
    assert_int_equal(w[0], 2);
    assert_int_equal(w[1], 1700000000);
    assert_int_equal(w[2], 42);
    pvclock_rebase(&c, 99999, 7);
    memcpy(w, memory + 0x1000, 32);
    assert_int_equal(w[0], 4);
    assert_int_equal(w[2], 99999);
    memcpy(w, memory + 0x2004, 12);
    assert_int_equal(w[1], 0);
    assert_int_equal(w[2], 7);
    assert_true(pvclock_write_system_time(&c, 0x1000)); // off
    pvclock_rebase(&c, 1, 1);
    memcpy(w, memory + 0x1000, 32);
    assert_int_equal(w[0], 4);
}

static void test_bad_addresses(void **state)
{
    (void)state;
    struct pvclock c;
    pvclock_init(&c, &ram, 2000000000, 0, 0);
    const uint64_t bad[] = {16384,       16384 - 28,         0xc0000000,
                            0x100000000, UINT64_MAX & ~3ull, 1ull << 63};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pvclock_write_system_time(&c, bad[i] | 1));
    assert_false(pvclock_write_system_time(&c, 0x1003));
    assert_true(pvclock_write_system_time(&c, (16384 - 32) | 1));
    const uint64_t wall[] = {16384, 16384 - 8, 0x1001, 0x1002, UINT64_MAX, UINT64_MAX - 3};
    for (size_t i = 0; i < sizeof(wall) / sizeof(*wall); i++)
        assert_false(pvclock_write_wall_clock(&c, wall[i]));
    assert_true(pvclock_write_wall_clock(&c, 16384 - 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_linux_frequency),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_bad_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
