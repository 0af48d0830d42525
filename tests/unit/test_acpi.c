// SPDX-License-Identifier: BSD-2-Clause
// The ACPI tables, walked as an operating system walks them: root pointer, lists, checksums,
// contents.
// iasl reads what is AML in them.
// links: vmm/acpi.c vmm/ssdt.c vmm/ssdt_slots.c vmm/guest_memory.c
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "acpi.h"

static struct guest_ram ram = {.size = 2u << 20};

static int setup(void **state)
{
    (void)state;
    ram.base = aligned_alloc(4096, ram.size);
    memset(ram.base, 0, ram.size);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(ram.base);
    return 0;
}

static uint64_t get(uint64_t address, unsigned bytes)
{
    uint64_t value = 0;
    assert_true(guest_ram_read(&ram, address, &value, bytes));
    return value;
}

static void assert_sum(uint64_t address, size_t length)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += (uint8_t)get(address + i, 1);
    assert_int_equal(sum, 0);
}

// The table of that name by the XSDT, which must agree with the RSDT; 0: none.
static uint64_t table(uint64_t rsdp, const char *name)
{
    uint64_t rsdt = get(rsdp + 16, 4), xsdt = get(rsdp + 24, 8), found = 0;
    assert_memory_equal(ram.base + rsdt, "RSDT", 4);
    assert_memory_equal(ram.base + xsdt, "XSDT", 4);
    assert_sum(rsdt, get(rsdt + 4, 4));
    assert_sum(xsdt, get(xsdt + 4, 4));
    size_t count = (get(xsdt + 4, 4) - 36) / 8;
    assert_int_equal(count, (get(rsdt + 4, 4) - 36) / 4);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = get(xsdt + 36 + i * 8, 8);
        assert_int_equal(at, get(rsdt + 36 + i * 4, 4));
        assert_sum(at, get(at + 4, 4));
        if (memcmp(ram.base + at, name, 4) == 0)
            found = at;
    }
    return found;
}

static void test_roots(void **state)
{
    (void)state;
    const struct acpi_options o = {.vcpus = 2};
    uint64_t rsdp = acpi_build(&ram, &o);
    assert_true(rsdp >= 0xe0000 && rsdp < 0x100000 && rsdp % 16 == 0);
    assert_memory_equal(ram.base + rsdp, "RSD PTR ", 8);
    assert_int_equal(get(rsdp + 15, 1), 2);
    assert_sum(rsdp, 20);
    assert_sum(rsdp, 36);
    assert_int_equal(table(rsdp, "HPET"), 0);
    const struct acpi_options with = {.vcpus = 1, .hpet = true};
    uint64_t hpet = table(acpi_build(&ram, &with), "HPET");
    assert_int_equal(get(hpet + 44, 8), 0xfed00000);
}

static void test_fadt(void **state)
{
    (void)state;
    const struct acpi_options o = {.vcpus = 1};
    uint64_t f = table(acpi_build(&ram, &o), "FACP");
    assert_int_not_equal(f, 0);
    uint64_t facs = get(f + 36, 4), dsdt = get(f + 40, 4);
    assert_memory_equal(ram.base + facs, "FACS", 4);
    assert_int_equal(facs % 64, 0);
    assert_int_equal(get(facs + 4, 4), 64);
    assert_memory_equal(ram.base + dsdt, "DSDT", 4);
    assert_sum(dsdt, get(dsdt + 4, 4));
    assert_int_equal(get(f + 140, 8), dsdt);
    assert_int_equal(get(f + 46, 2), 9); // SCI
    assert_int_equal(get(f + 48, 4), 0); // no SMI: always in ACPI mode
    assert_int_equal(get(f + 56, 4), 0x600);
    assert_int_equal(get(f + 64, 4), 0x604);
    assert_int_equal(get(f + 76, 4), 0x608);
    assert_int_equal(get(f + 109, 2), 0x15); // serial port; no 8042, no VGA, no ASPM
    assert_int_equal(get(f + 116 + 4, 8), 0xcf9);
    assert_int_equal(get(f + 128, 1), 6);
    assert_int_equal(get(f + 208 + 4, 8), 0x608);
    // \_S5 = Package { 5, 5, 0, 0 }
    assert_non_null(memmem(ram.base + dsdt, get(dsdt + 4, 4),
                           "\x08_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00", 14));
    assert_int_equal(get(f + 80, 4), 0x620); // GPE0
    assert_int_equal(get(f + 92, 1), 16);
}

static void test_madt(void **state)
{
    (void)state;
    const struct acpi_options o = {.vcpus = 64};
    uint64_t m = table(acpi_build(&ram, &o), "APIC");
    uint64_t end = m + get(m + 4, 4);
    assert_int_equal(get(m + 36, 4), 0xfee00000);
    unsigned seen[8] = {0};
    uint64_t at = m + 44;
    while (at < end) {
        unsigned type = (unsigned)get(at, 1), length = (unsigned)get(at + 1, 1);
        assert_true(length >= 2 && type < 8);
        if (type == 0) {
            assert_int_equal(get(at + 3, 1), seen[0]);
            assert_int_equal(get(at + 4, 4), 1);
        }
        if (type == 1)
            assert_int_equal(get(at + 4, 4), 0xfec00000);
        if (type == 2)
            assert_int_equal(get(at + 4, 4), get(at + 3, 1) == 0 ? 2 : 9);
        seen[type]++;
        at += length;
    }
    assert_int_equal(at, end);
    assert_true(seen[0] == 64 && seen[1] == 1 && seen[2] == 2 && seen[4] == 1);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct acpi_options bad[] = {{.vcpus = 0}, {.vcpus = 65}, {.vcpus = 255}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(acpi_build(&ram, &bad[i]), 0);
    const struct acpi_options o = {.vcpus = 1};
    const struct guest_ram tiny = {ram.base, 0xe0000};
    assert_int_equal(acpi_build(&tiny, &o), 0);
}

static const struct acpi_options full = {
    .vcpus = 8,
    .hpet = true,
    .ps2 = true,
    .com2 = true,
    .window64 = PLATFORM_PCI64,
    .window64_size = PLATFORM_PCI64_SIZE,
    .removable_slots = 0x7ffffffe,
};

static void test_mcfg(void **state)
{
    (void)state;
    uint64_t m = table(acpi_build(&ram, &full), "MCFG");
    assert_int_equal(get(m + 4, 4), 60);
    assert_int_equal(get(m + 44, 8), 0xb0000000);
    assert_int_equal(get(m + 54, 2), 0); // from bus 0 to bus 0
    struct acpi_options o = full;
    o.ecam = 0xe0000000;
    m = table(acpi_build(&ram, &o), "MCFG");
    assert_int_equal(get(m + 44, 8), 0xe0000000);
    o.ecam = 0xb1000000;
    assert_int_equal(acpi_build(&ram, &o), 0);
    o.ecam = 1ull << 32;
    assert_int_equal(acpi_build(&ram, &o), 0);
}

// As firmware's script does it: addresses are added to fields, then sums are made. The result is
// the same as what is built for that address.
static void test_image(void **state)
{
    (void)state;
    static uint8_t one[ACPI_IMAGE_SIZE], two[ACPI_IMAGE_SIZE];
    const uint64_t base = 0x7fe00000;
    struct acpi_image a = {.tables = one, .size = sizeof(one)},
                      b = {.tables = two, .size = sizeof(two)};
    assert_true(acpi_tables(&a, &full, ACPI_RELOCATABLE));
    assert_true(acpi_tables(&b, &full, base));
    assert_int_equal(a.length, b.length);
    for (unsigned i = 0; i < a.pointers; i++) {
        uint8_t *at = (a.pointer[i].in_rsdp ? a.rsdp : one) + a.pointer[i].offset;
        uint64_t value = 0;
        memcpy(&value, at, a.pointer[i].size);
        assert_true(value < a.length);
        value += base;
        memcpy(at, &value, a.pointer[i].size);
    }
    for (unsigned i = 0; i < a.checksums; i++) {
        uint8_t *bytes = a.checksum[i].in_rsdp ? a.rsdp : one, sum = 0;
        assert_int_equal(bytes[a.checksum[i].offset], 0);
        for (uint32_t n = 0; n < a.checksum[i].length; n++)
            sum += bytes[a.checksum[i].start + n];
        bytes[a.checksum[i].offset] = (uint8_t)-sum;
    }
    assert_memory_equal(a.rsdp, b.rsdp, sizeof(a.rsdp));
    assert_memory_equal(one, two, a.length);
    for (b.size = 0; b.size < a.length; b.size += 61)
        assert_false(acpi_tables(&b, &full, base));
}

static void save(const char *name, uint64_t at)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(ram.base + at, 1, get(at + 4, 4), f), get(at + 4, 4));
    fclose(f);
}

static void expect_text(const char *file, const char *text)
{
    static char content[1 << 20];
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    content[fread(content, 1, sizeof(content) - 1, f)] = 0;
    fclose(f);
    if (!strstr(content, text))
        fail_msg("no %s", text);
}

static void test_aml(void **state)
{
    (void)state;
    char folder[] = "/tmp/acpiXXXXXX", command[128];
    uint64_t rsdp = acpi_build(&ram, &full), fadt = table(rsdp, "FACP");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    save("dsdt.aml", get(fadt + 40, 4));
    save("ssdt.aml", table(rsdp, "SSDT"));
    assert_int_equal(system("iasl -e dsdt.aml -d ssdt.aml >log 2>&1 && "
                            "iasl -e ssdt.aml -d dsdt.aml >>log 2>&1"),
                     0);
    expect_text("ssdt.dsl", "Name (PS2P, 0x0000000F)");
    expect_text("ssdt.dsl", "Name (WE32, 0xFEBFFFFF)");
    expect_text("ssdt.dsl", "Name (WL64, 0x0000000400000000)");
    expect_text("ssdt.dsl", "Device (S1E)");
    expect_text("ssdt.dsl", "Notify (S01, 0x03)");
    expect_text("ssdt.dsl", "PEJT = 0x40000000");
    expect_text("dsdt.dsl", "Method (_E01");
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots),    cmocka_unit_test(test_fadt), cmocka_unit_test(test_madt),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_mcfg), cmocka_unit_test(test_image),
        cmocka_unit_test(test_aml)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
