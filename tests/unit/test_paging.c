// SPDX-License-Identifier: BSD-2-Clause
// Guest page walk: all formats, rights, reserved bits, accessed and dirty bits, hostile tables.
// links: vmm/paging.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "paging.h"

#define RAM_SIZE 0x20000u
#define ROM_BASE 0x80000000ull // one page that may be read only

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

static _Alignas(4096) uint8_t ram[RAM_SIZE];
static _Alignas(4096) uint8_t rom[4096];
static void (*on_access)(uint64_t gpa, bool write);

static void *ram_at(void *ctx, uint64_t gpa, size_t size, bool write)
{
    (void)ctx;
    if (on_access)
        on_access(gpa, write);
    if (gpa >= ROM_BASE && gpa - ROM_BASE <= sizeof(rom) - size)
        return write ? NULL : rom + (gpa - ROM_BASE);
    return gpa <= RAM_SIZE - size ? ram + gpa : NULL;
}

static void put64(uint64_t gpa, uint64_t value)
{
    memcpy(ram + gpa, &value, 8);
}

static void put32(uint64_t gpa, uint32_t value)
{
    memcpy(ram + gpa, &value, 4);
}

static uint64_t get64(uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, ram + gpa, 8);
    return value;
}

static uint32_t get32(uint64_t gpa)
{
    return (uint32_t)get64(gpa);
}

static struct paging long_mode(void)
{
    return (struct paging){.ram = ram_at,
                           .cr0 = CR0_PE | CR0_PG | CR0_WP,
                           .cr3 = 0x1000,
                           .cr4 = CR4_PAE,
                           .efer = EFER_LMA | EFER_NXE,
                           .physical_bits = 40};
}

// PML4 0x1000, PDPT 0x2000, PD 0x3000, PT 0x4000 mapping linear 0xffff800000005000 to 0x7000.
#define LINEAR 0xffff800000005123ull

static void map_long_mode(uint64_t leaf_bits)
{
    memset(ram, 0, sizeof(ram));
    on_access = NULL;
    put64(0x1000 + 256 * 8, 0x2000 | P | W | U);
    put64(0x2000, 0x3000 | P | W | U);
    put64(0x3000, 0x4000 | P | W | U);
    put64(0x4000 + 5 * 8, 0x7000 | leaf_bits);
}

static void expect_fault(const struct paging *p, uint64_t linear, enum walk_access access,
                         uint32_t error)
{
    struct translation t;
    struct guest_fault fault = {0};

    assert_int_equal(paging_walk(p, linear, access, &t, &fault), WALK_FAULT);
    assert_int_equal(fault.vector, 14);
    assert_true(fault.has_error);
    assert_int_equal(fault.error, error);
    assert_int_equal(fault.cr2, linear);
}

// Whether the entries that the walk tells of are those that it used.
static bool still_valid(const struct translation *t)
{
    for (unsigned i = 0; i < t->levels; i++)
        if (memcmp(t->visited[i].entry, &t->visited[i].value, t->entry_size) != 0)
            return false;
    return true;
}

static void expect_gpa(const struct paging *p, uint64_t linear, enum walk_access access,
                       uint64_t gpa, uint64_t page_size)
{
    struct translation t;
    struct guest_fault fault;

    assert_int_equal(paging_walk(p, linear, access, &t, &fault), WALK_OK);
    assert_int_equal(t.gpa, gpa);
    assert_int_equal(t.page_size, page_size);
    assert_true(still_valid(&t));
}

static void no_paging(void **unused)
{
    struct paging p = {.ram = ram_at, .cr0 = CR0_PE, .physical_bits = 40};
    struct translation t;
    struct guest_fault fault;

    (void)unused;
    on_access = NULL;
    assert_int_equal(paging_walk(&p, 0xfee000b0, WALK_WRITE, &t, &fault), WALK_OK);
    assert_int_equal(t.gpa, 0xfee000b0);
    assert_int_equal(t.levels, 0);
    assert_true(still_valid(&t));
}

static void four_levels(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P | W);
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123, 4096);
    assert_int_equal(get64(0x4028), 0x7000 | P | W | A);
    assert_int_equal(get64(0x1000 + 256 * 8), 0x2000 | P | W | U | A);
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x7123, 4096);
    assert_int_equal(get64(0x4028), 0x7000 | P | W | A | D);
    assert_int_equal(get64(0x3000), 0x4000 | P | W | U | A); // D only in the last one

    // The not-present levels, one after the other.
    expect_fault(&p, LINEAR + 0x1000, WALK_READ, 0);
    expect_fault(&p, LINEAR + 0x1000, WALK_WRITE, PAGE_FAULT_WRITE);
    put64(0x3000, 0);
    expect_fault(&p, LINEAR, WALK_READ, 0);
    put64(0x1000 + 256 * 8, 0);
    expect_fault(&p, LINEAR, WALK_FETCH, PAGE_FAULT_FETCH);
}

static void non_canonical(void **unused)
{
    struct paging p = long_mode();
    struct translation t;
    struct guest_fault fault = {0};

    (void)unused;
    map_long_mode(P | W);
    assert_int_equal(paging_walk(&p, 0x800000000000, WALK_READ, &t, &fault), WALK_FAULT);
    assert_int_equal(fault.vector, 13);
    assert_true(fault.has_error);
    assert_int_equal(fault.error, 0);
}

static void large_pages(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P);
    put64(0x3000, 0x40000000 | P | W | PS);
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x40005123, 2 << 20);
    assert_int_equal(get64(0x3000), 0x40000000 | P | W | PS | A | D);
    put64(0x3000, 0x40002000 | P | W | PS); // bit 13 is reserved
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    put64(0x3000, 0x40001000 | P | W | PS); // bit 12 is PAT
    expect_gpa(&p, LINEAR, WALK_READ, 0x40005123, 2 << 20);

    put64(0x2000, 0x80000000 | P | W | PS);
    expect_gpa(&p, LINEAR, WALK_READ, 0x80005123, 1 << 30);
    p.no_1g_pages = true;
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    put64(0x1000 + 256 * 8, 0x2000 | P | W | PS);
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
}

static void five_levels(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P | W);
    p.cr4 |= CR4_LA57;
    p.cr3 = 0x8000;
    put64(0x8000 + 1 * 8, 0x1000 | P | W | U);
    uint64_t linear = (1ull << 48) | (LINEAR & 0xffffffffffff); // canonical with 57 bits only
    expect_gpa(&p, linear, WALK_READ, 0x7123, 4096);
    assert_int_equal(get64(0x8008), 0x1000 | P | W | U | A);
}

static void supervisor_rights(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P);
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123, 4096);
    expect_fault(&p, LINEAR, WALK_WRITE, PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE);
    assert_int_equal(get64(0x4028), 0x7000 | P | A); // no D after a fault
    p.cr0 &= ~CR0_WP;
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x7123, 4096);
    p.cr0 |= CR0_WP;

    map_long_mode(P | W | NX);
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x7123, 4096);
    expect_fault(&p, LINEAR, WALK_FETCH, PAGE_FAULT_PRESENT | PAGE_FAULT_FETCH);
    p.efer &= ~EFER_NXE;
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    p.efer |= EFER_NXE;

    // A write right missing at an upper level counts as well.
    map_long_mode(P | W);
    put64(0x2000, 0x3000 | P | U);
    expect_fault(&p, LINEAR, WALK_WRITE, PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE);
    put64(0x2000, 0x3000 | P | W | NX);
    expect_fault(&p, LINEAR, WALK_FETCH, PAGE_FAULT_PRESENT | PAGE_FAULT_FETCH);
}

static void user_rights(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    p.cpl = 3;
    map_long_mode(P | W | U);
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x7123, 4096);
    map_long_mode(P | U);
    p.cr0 &= ~CR0_WP;
    expect_fault(&p, LINEAR, WALK_WRITE, PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE | PAGE_FAULT_USER);
    map_long_mode(P | W);
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_USER);
    p.implicit = true;
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123, 4096);
}

static void smep_and_smap(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P | W | U);
    p.cr4 |= CR4_SMEP | CR4_SMAP;
    expect_fault(&p, LINEAR, WALK_FETCH, PAGE_FAULT_PRESENT | PAGE_FAULT_FETCH);
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT);
    p.rflags = RFLAGS_AC;
    expect_gpa(&p, LINEAR, WALK_WRITE, 0x7123, 4096);
    p.implicit = true; // AC does not open implicit accesses
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT);
    p.implicit = false;
    p.cpl = 3;
    expect_gpa(&p, LINEAR, WALK_FETCH, 0x7123, 4096);
}

static void reserved_address_bits(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    map_long_mode(P | W | 1ull << 40);
    expect_fault(&p, LINEAR, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    p.physical_bits = 52;
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123 | 1ull << 40, 4096);
    map_long_mode(P | W | 1ull << 55); // ignored bits
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123, 4096);
}

static void pae(void **unused)
{
    struct paging p = long_mode();
    uint64_t loaded[4] = {0, 0, 0, 0x3000 | P};

    (void)unused;
    memset(ram, 0, sizeof(ram));
    p.efer = EFER_NXE;
    p.cr3 = 0x1fe0; // aligned to 32 bytes, not to a page
    put64(0x1fe0 + 3 * 8, 0x3000 | P);
    put64(0x3000 + 511 * 8, 0x4000 | P | W);
    put64(0x4000 + 0x1ff * 8, 0x7000 | P | W | 1ull << 35);
    expect_gpa(&p, 0xfffff456, WALK_WRITE, 0x7456 | 1ull << 35, 4096);
    assert_int_equal(get64(0x1fe0 + 24), 0x3000 | P); // a PDPTE has no accessed bit
    assert_int_equal(get64(0x4000 + 0x1ff * 8), 0x7000 | P | W | A | D | 1ull << 35);
    put64(0x3000 + 510 * 8, 0x200000 | P | PS);
    expect_gpa(&p, 0xffd00456, WALK_READ, 0x300456, 2 << 20);
    put64(0x3000 + 510 * 8, 0x200000 | P | PS | 1ull << 60); // no ignored bits in PAE
    expect_fault(&p, 0xffd00456, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    expect_fault(&p, 0x456, WALK_READ, 0);
    put64(0x1fe0, 0x3000 | P | W); // writable is reserved in a PDPTE
    expect_fault(&p, 0x456, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);

    // The loaded ones count, whatever memory says now.
    p.pdpte = loaded;
    put64(0x1fe0 + 24, 0);
    expect_gpa(&p, 0xfffff456, WALK_READ, 0x7456 | 1ull << 35, 4096);
}

static void two_levels(void **unused)
{
    struct paging p = long_mode();

    (void)unused;
    memset(ram, 0, sizeof(ram));
    p.efer = 0;
    p.cr4 = 0;
    put32(0x1000 + 0x3ff * 4, 0x3000 | P | W);
    put32(0x3000 + 0x3fe * 4, 0x7000 | P | W);
    expect_gpa(&p, 0xffffe789, WALK_WRITE, 0x7789, 4096);
    assert_int_equal(get32(0x3000 + 0x3fe * 4), 0x7000 | P | W | A | D);
    assert_int_equal(get32(0x1000 + 0x3ff * 4), 0x3000 | P | W | A);

    // Without PSE bit 7 of a directory entry means nothing.
    put32(0x1000 + 4, 0x3000 | P | W | PS);
    expect_gpa(&p, 0x7fe789, WALK_READ, 0x7789, 4096);
    p.cr4 = CR4_PSE;
    put32(0x1000 + 4, 0x00c00000 | P | W | PS | 0x12 << 13); // PSE-36: address bits 32 to 39
    expect_gpa(&p, 0x7fe789, WALK_WRITE, 0x1200ffe789, 4 << 20);
    assert_int_equal(get32(0x1004) & (A | D), A | D);
    put32(0x1000 + 4, 0x00c00000 | P | W | PS | 1 << 21);
    expect_fault(&p, 0x7fe789, WALK_READ, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED);
    // Fetches do not set their error bit without NX and SMEP.
    expect_fault(&p, 0x900000, WALK_FETCH, 0);
}

static void tables_outside_ram(void **unused)
{
    struct paging p = long_mode();
    struct translation t;
    struct guest_fault fault;

    (void)unused;
    map_long_mode(P | W);
    put64(0x2000, 0xfee00000 | P | W);
    assert_int_equal(paging_walk(&p, LINEAR, WALK_READ, &t, &fault), WALK_NO_RAM);
    p.cr3 = ~0ull;
    assert_int_equal(paging_walk(&p, LINEAR, WALK_READ, &t, &fault), WALK_NO_RAM);

    // A table in read-only memory works as long as no bit must be set.
    map_long_mode(P | W);
    put64(0x3000, ROM_BASE | P | W);
    memcpy(rom + 5 * 8, &(uint64_t){0x7000 | P | W | A}, 8);
    p.cr3 = 0x1000;
    expect_gpa(&p, LINEAR, WALK_READ, 0x7123, 4096);
    assert_int_equal(paging_walk(&p, LINEAR, WALK_WRITE, &t, &fault), WALK_NO_RAM);
}

static void table_maps_itself(void **unused)
{
    struct paging p = long_mode();
    struct translation t;
    struct guest_fault fault;

    (void)unused;
    memset(ram, 0, sizeof(ram));
    put64(0x1000 + 511 * 8, 0x1000 | P | W); // recursive slot: all levels are one table
    assert_int_equal(paging_walk(&p, ~0xfffull, WALK_WRITE, &t, &fault), WALK_OK);
    assert_int_equal(t.gpa, 0x1000);
    assert_int_equal(get64(0x1000 + 511 * 8), 0x1000 | P | W | A | D);
}

static unsigned races;

// Plays another CPU that changes the entry between the walker's load and its compare-and-swap.
static void change_entry(uint64_t gpa, bool write)
{
    if (write && gpa == 0x4028 && races) {
        races--;
        put64(0x4028, get64(0x4028) ^ 1ull << 9);
    }
}

static void races_with_another_cpu(void **unused)
{
    struct paging p = long_mode();
    struct translation t;
    struct guest_fault fault;

    (void)unused;
    map_long_mode(P | W);
    on_access = change_entry;
    races = 2;
    assert_int_equal(paging_walk(&p, LINEAR, WALK_WRITE, &t, &fault), WALK_OK);
    map_long_mode(P | W);
    on_access = change_entry;
    races = 1000; // for ever: the walk gives up
    assert_int_equal(paging_walk(&p, LINEAR, WALK_WRITE, &t, &fault), WALK_RETRY);
    assert_true(races > 900);
    on_access = NULL;
}

static void validity(void **unused)
{
    struct paging p = long_mode();
    struct translation t;
    struct guest_fault fault;

    (void)unused;
    map_long_mode(P | W);
    assert_int_equal(paging_walk(&p, LINEAR, WALK_FETCH, &t, &fault), WALK_OK);
    assert_int_equal(t.levels, 4);
    assert_true(still_valid(&t));
    put64(0x3000, get64(0x3000) | 0x5000);
    assert_false(still_valid(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_paging),
        cmocka_unit_test(four_levels),
        cmocka_unit_test(non_canonical),
        cmocka_unit_test(large_pages),
        cmocka_unit_test(five_levels),
        cmocka_unit_test(supervisor_rights),
        cmocka_unit_test(user_rights),
        cmocka_unit_test(smep_and_smap),
        cmocka_unit_test(reserved_address_bits),
        cmocka_unit_test(pae),
        cmocka_unit_test(two_levels),
        cmocka_unit_test(tables_outside_ram),
        cmocka_unit_test(table_maps_itself),
        cmocka_unit_test(races_with_another_cpu),
        cmocka_unit_test(validity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
