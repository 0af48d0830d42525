// SPDX-License-Identifier: BSD-2-Clause
// What a processor needs at a change of domain, from what CPUID and IA32_ARCH_CAPABILITIES tell.
// links: kernel/x86/domain.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "x86/boot.h"
#include "x86/domain.h"

bool boot_option(const char *name)
{
    (void)name;
    return false;
}

void panic(const char *what, uint64_t value)
{
    (void)value;
    fail_msg("%s", what);
    abort();
}

#define RTM        (1u << 11)
#define MD_CLEAR   (1u << 10)
#define SPEC       (1u << 26)
#define L1D_FLUSH  (1u << 28)
#define CAPS       (1u << 29)
#define RDCL_NO    1ull
#define IBRS_ALL   2ull
#define SKIP_L1DFL 8ull
#define MDS_NO     0x20ull
#define TAA_NO     0x100ull
#define MMIO_NO    0xe000ull
#define FB_CLEAR   (1ull << 17)
#define RFDS_NO    (1ull << 27)
#define RFDS_CLEAR (1ull << 28)

static const struct {
    const char *name;
    struct domain_facts facts;
    unsigned need;
} rows[] = {
    {"Intel, old microcode: nothing can be cleared", {.intel = true}, NEED_PTI | NEED_EAGER},
    {"Haswell, Skylake: all of it",
     {.intel = true, .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH, .leaf7_ebx = RTM},
     NEED_PTI | NEED_EAGER | NEED_IBPB | NEED_L1D | NEED_VERW},
    {"the same, L1D flushed by a hypervisor below",
     {.intel = true, .leaf7_edx = SPEC | L1D_FLUSH | CAPS, .capabilities = SKIP_L1DFL | MDS_NO},
     NEED_PTI | NEED_EAGER | NEED_IBPB},
    {"Cascade Lake before MDS_NO",
     {.intel = true,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities = RDCL_NO | IBRS_ALL | SKIP_L1DFL},
     NEED_IBPB | NEED_IBRS | NEED_VERW | NEED_EAGER},
    {"Cascade Lake with TSX",
     {.intel = true,
      .leaf7_ebx = RTM,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities = RDCL_NO | IBRS_ALL | SKIP_L1DFL | MDS_NO},
     NEED_IBPB | NEED_IBRS | NEED_VERW | NEED_EAGER},
    {"the same with TSX off",
     {.intel = true,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities = RDCL_NO | IBRS_ALL | SKIP_L1DFL | MDS_NO},
     NEED_IBPB | NEED_IBRS},
    {"Ice Lake server: MMIO stale data",
     {.intel = true,
      .leaf7_ebx = RTM,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities = RDCL_NO | IBRS_ALL | SKIP_L1DFL | MDS_NO | TAA_NO | FB_CLEAR},
     NEED_IBPB | NEED_IBRS | NEED_VERW | NEED_EAGER},
    {"Sapphire Rapids",
     {.intel = true,
      .leaf7_ebx = RTM,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities =
          RDCL_NO | IBRS_ALL | SKIP_L1DFL | MDS_NO | TAA_NO | MMIO_NO | FB_CLEAR | RFDS_NO},
     NEED_IBPB | NEED_IBRS},
    {"Gracemont: register files",
     {.intel = true,
      .leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH | CAPS,
      .capabilities = RDCL_NO | IBRS_ALL | SKIP_L1DFL | MDS_NO | TAA_NO | MMIO_NO | RFDS_CLEAR},
     NEED_IBPB | NEED_IBRS | NEED_VERW | NEED_EAGER},
    {"AMD without the microcode", {.leaf8_ebx = 0}, 0},
    {"AMD: Intel's bits mean nothing", {.leaf7_edx = MD_CLEAR | SPEC | L1D_FLUSH}, 0},
    {"Zen", {.leaf8_ebx = 1u << 12}, NEED_IBPB},
    {"Zen 2: IBRS, not for always", {.leaf8_ebx = 1u << 12 | 1u << 14}, NEED_IBPB},
    {"Zen 3: IBRS always on", {.leaf8_ebx = 1u << 12 | 1u << 14 | 1u << 16}, NEED_IBPB | NEED_IBRS},
    {"Zen 4: automatic IBRS",
     {.leaf8_ebx = 1u << 12 | 1u << 14 | 1u << 16, .leaf21_eax = 1u << 8},
     NEED_IBPB | NEED_AIBRS},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (domain_needs(&rows[i].facts) != rows[i].need)
            fail_msg("%s: 0x%x, not 0x%x", rows[i].name, domain_needs(&rows[i].facts),
                     rows[i].need);
}

// A processor that is free of everything is left alone; each freedom that is taken away shows.
static void test_each_bit(void **state)
{
    const uint64_t all = RDCL_NO | SKIP_L1DFL | MDS_NO | TAA_NO | MMIO_NO | RFDS_NO;
    struct domain_facts f = {.intel = true,
                             .leaf7_ebx = RTM,
                             .leaf7_edx = MD_CLEAR | L1D_FLUSH | CAPS,
                             .capabilities = all | FB_CLEAR | RFDS_CLEAR};

    (void)state;
    assert_int_equal(domain_needs(&f), 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct domain_facts one = f;
        one.capabilities &= ~(1ull << bit);
        unsigned want = !(all >> bit & 1) || bit == 3 ? 0
                        : bit == 0                    ? NEED_PTI | NEED_EAGER
                                                      : NEED_VERW | NEED_EAGER;
        assert_int_equal(domain_needs(&one), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_each_bit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
