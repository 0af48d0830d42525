// SPDX-License-Identifier: BSD-2-Clause
// What the kernel reads of ACPI's MADT: the CPUs, I/O APICs and overrides, out of tables that
// may be anything.
// links: kernel/x86/acpi.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/x86/acpi.h"

// "Physical" memory: RSDT at 0x100, XSDT at 0x200, MADT at 0x400. What is read is a copy of just
// that length, so that the sanitizer sees who goes beyond it.
#define RSDT   0x100
#define XSDT   0x200
#define MADT   0x400
#define MEMORY 0x2000
static uint8_t memory[MEMORY];
static uint8_t rsdp[36];
static uint32_t madt_length;
static void *copies[64];
static unsigned copy_count;

static const void *read_copy(uint64_t physical, uint64_t size)
{
    if (physical >= MEMORY || size > MEMORY - physical)
        return NULL;
    void *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, memory + physical, size);
    assert_in_range(copy_count, 0, 63);
    copies[copy_count++] = copy;
    return copy;
}

static void put(uint64_t at, uint64_t value, unsigned n)
{
    memcpy(memory + at, &value, n);
}

static void madt_add(const uint8_t *entry, unsigned length)
{
    memcpy(memory + MADT + madt_length, entry, length);
    madt_length += length;
    put(MADT + 4, madt_length, 4);
}

static void cpu(unsigned id, unsigned flags)
{
    madt_add((uint8_t[8]){0, 8, 0, (uint8_t)id, (uint8_t)flags}, 8);
}

static void x2apic(uint32_t id, unsigned flags)
{
    uint8_t entry[16] = {9, 16, 0, 0, (uint8_t)id, (uint8_t)(id >> 8), 0, 0, (uint8_t)flags};

    madt_add(entry, 16);
}

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(rsdp, 0, sizeof(rsdp));
    rsdp[17] = RSDT >> 8;
    put(RSDT + 4, 40, 4);
    put(RSDT + 36, MADT, 4);
    put(XSDT + 4, 44, 4);
    put(XSDT + 36, MADT, 8);
    memcpy(memory + MADT, "APIC", 4);
    put(MADT + 36, 0xfee00000, 4);
    madt_length = 44;
    put(MADT + 4, madt_length, 4);
    return 0;
}

static struct madt parse(const void *root, uint8_t boot_id)
{
    static struct madt madt; // garbage from the last time

    acpi_madt(root, read_copy, boot_id, &madt);
    while (copy_count)
        free(copies[--copy_count]);
    assert_in_range(madt.cpu_count, 1, CPU_MAX);
    assert_in_range(madt.ioapic_count, 1, 8);
    assert_in_range(madt.override_count, 0, 16);
    assert_int_equal(madt.cpu[0], boot_id);
    return madt;
}

static void test_no_tables(void **state)
{
    (void)state;
    struct madt madt = parse(NULL, 3);
    assert_int_equal(madt.cpu_count, 1);
    assert_int_equal(madt.apic, 0xfee00000);
    assert_int_equal(madt.ioapic[0].address, 0xfec00000);
}

static void test_cpus(void **state)
{
    (void)state;
    cpu(0, 1);
    cpu(2, 1); // boots
    cpu(4, 0); // not there
    cpu(6, 2); // may be plugged in some day
    cpu(7, 3);
    cpu(255, 1);  // all CPUs
    x2apic(2, 1); // again
    x2apic(7, 1);
    x2apic(9, 1);
    x2apic(10, 0);
    x2apic(256, 1);
    for (unsigned extended = 0; extended < 2; extended++) {
        rsdp[15] = extended ? 2 : 0;
        rsdp[25] = XSDT >> 8;
        struct madt madt = parse(rsdp, 2);
        assert_int_equal(madt.cpu_count, 4);
        assert_memory_equal(madt.cpu, ((uint8_t[]){2, 0, 7, 9}), 4);
        assert_int_equal(madt.cpu_ignored, 2);
    }
}

static void test_too_many_cpus(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 255; i++)
        cpu(254 - i, 1);
    struct madt madt = parse(rsdp, 5);
    assert_int_equal(madt.cpu_count, CPU_MAX);
    assert_int_equal(madt.cpu_ignored, 255 - CPU_MAX);
    assert_int_equal(madt.cpu[CPU_MAX - 1], 254 - (CPU_MAX - 2));
}

static void test_ioapics(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        madt_add((uint8_t[12]){1, 12, 0, 0, 0, 0x10, (uint8_t)(0xc0 + i), 0xfe, (uint8_t)(24 * i)},
                 12);
    for (unsigned i = 0; i < 20; i++)
        madt_add((uint8_t[10]){2, 10, 0, 0, (uint8_t)(i + 2), 0, 0, 0, 0xf}, 10);
    madt_add((uint8_t[12]){5, 12, 0, 0, 0, 0, 0xe1, 0xfe}, 12);
    struct madt madt = parse(rsdp, 0);
    assert_int_equal(madt.ioapic_count, 8);
    assert_int_equal(madt.ioapic[1].address, 0xfec11000);
    assert_int_equal(madt.ioapic[1].gsi_base, 24);
    assert_int_equal(madt.override_count, 16);
    assert_int_equal(madt.override[15].gsi, 17);
    assert_int_equal(madt.override[15].flags, 0xf);
    assert_int_equal(madt.apic, 0xfee10000);
}

// Entries and tables whose lengths lie.
static void test_broken(void **state)
{
    (void)state;
    cpu(1, 1);
    madt_add((uint8_t[4]){0, 4, 0, 2}, 4); // too short for what it is
    madt_add((uint8_t[8]){9, 8, 0, 0, 3, 0, 0, 0}, 8);
    cpu(4, 1);
    madt_add((uint8_t[8]){0, 0, 0, 5, 1}, 8); // ends the walk
    cpu(6, 1);
    struct madt madt = parse(rsdp, 0);
    assert_int_equal(madt.cpu_count, 3);
    assert_memory_equal(madt.cpu, ((uint8_t[]){0, 1, 4}), 3);
    for (uint32_t length = 0; length < 120; length++) { // cut anywhere
        put(MADT + 4, length, 4);
        parse(rsdp, 0);
    }
    put(MADT + 4, 0xffffffff, 4);
    assert_int_equal(parse(rsdp, 0).cpu_count, 1);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned n = 0; n < 2000; n++) {
        for (unsigned i = 44; i < 600; i++) {
            seed = seed * 6364136223846793005u + 1;
            unsigned value = seed >> 40;
            memory[MADT + i] = value & 0x300 ? (value & 15) : value;
        }
        put(MADT + 4, 44 + (seed >> 50) % 556, 4);
        parse(rsdp, (uint8_t)(seed >> 33));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_tables, setup),
        cmocka_unit_test_setup(test_cpus, setup),
        cmocka_unit_test_setup(test_too_many_cpus, setup),
        cmocka_unit_test_setup(test_ioapics, setup),
        cmocka_unit_test_setup(test_broken, setup),
        cmocka_unit_test_setup(test_random, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
