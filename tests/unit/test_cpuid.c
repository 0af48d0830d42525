// SPDX-License-Identifier: BSD-2-Clause
// CPUID of the virtual processor, on an AMD and an Intel host made up here, and on the machine that
// runs the test.
// links: vmm/cpuid.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cpuid.h"

#define TSC_HZ 2400000000ull

struct row {
    uint32_t leaf, subleaf;
    struct cpuid_regs r;
};

static const struct row amd_rows[] = {
    {0, 0, {0x10, 0x68747541, 0x444d4163, 0x69746e65}},
    {1, 0, {0x800f12, 0x00040800, 0xffffffff, 0xffffffff}},
    {7, 0, {1, 0xffffffff, 0xffffffff, 0xffffffff}},
    {7, 1, {0xffffffff, 0, 0, 0}},
    {0xd, 0, {7, 0x340, 0x340, 0}},
    {0xd, 1, {0xf, 0x340, 0, 0}},
    {0xd, 2, {0x100, 0x240, 0, 0}},
    {0x80000000, 0, {0x80000020, 0x68747541, 0x444d4163, 0x69746e65}},
    {0x80000001, 0, {0x800f12, 0x1234, 0xffffffff, 0xffffffff}},
    {0x80000002, 0, {1, 2, 3, 4}},
    {0x80000008, 0, {0x3028, 0xffffffff, 0x7007, 9}},
    {0x8000000a, 0, {1, 16, 0, 0xff}},
    {0x8000001d, 0, {0x4121, 0x1c0003f, 0x3f, 0}},
    {0x8000001d, 1, {0x4122, 0x0c0003f, 0xff, 0}},
    {0x8000001d, 2, {0x4143, 0x1c0003f, 0x3ff, 2}},
    {0x8000001d, 3, {0x1c163, 0x3c0003f, 0x1fff, 1}},
    {0x8000001e, 0, {5, 0x102, 0x300, 0}},
};

static const struct row intel_rows[] = {
    {0, 0, {0x14, 0x756e6547, 0x6c65746e, 0x49656e69}},
    {1, 0, {0x50654, 0x00100800, 0xffffffff, 0xffffffff}},
    {2, 0, {0x76036301, 0xf0b6ff, 0, 0xc30000}},
    {4, 0, {0x1c004121, 0x1c0003f, 0x3f, 0}},
    {4, 1, {0x1c004163, 0x1c0003f, 0x3ff, 6}},
    {7, 0, {0, 0xffffffff, 0xffffffff, 0xffffffff}},
    {0xd, 0, {0x2ff, 0, 0xa88, 0}},
    {0xd, 1, {0xf, 0, 0x100, 0}},
    {0xd, 2, {0x100, 0x240, 0, 0}},
    {0xd, 5, {0x40, 0x440, 0, 0}},
    {0xd, 6, {0x200, 0x480, 0, 0}},
    {0xd, 7, {0x400, 0x680, 0, 0}},
    {0xd, 9, {8, 0xa80, 0, 0}},
    {0x80000000, 0, {0x80000008, 0, 0, 0}},
    {0x80000001, 0, {0, 0, 0x121, 0x2c100000}}, // SYSCALL is not told outside 64-bit mode
    {0x80000008, 0, {0x302e, 0, 0, 0}},
};

static void lookup(const struct row *rows, size_t count, uint32_t leaf, uint32_t subleaf,
                   struct cpuid_regs *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < count; i++)
        if (rows[i].leaf == leaf && rows[i].subleaf == subleaf)
            *out = rows[i].r;
}

static void amd_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    lookup(amd_rows, sizeof(amd_rows) / sizeof(*amd_rows), leaf, subleaf, out);
}

static void intel_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    lookup(intel_rows, sizeof(intel_rows) / sizeof(*intel_rows), leaf, subleaf, out);
}

// As Bochs 2.7 tells PKRU: it is there, and has no size and no place.
static void placeless_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    intel_host(leaf, subleaf, out);
    if (leaf == 0xd && subleaf == 9)
        *out = (struct cpuid_regs){0};
}

// A size, but a place in what XSAVE has for its own header.
static void misplaced_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    intel_host(leaf, subleaf, out);
    if (leaf == 0xd && subleaf == 6)
        out->ebx = 575;
}

// As Bochs 2.7: SSE a second time.
static void uncompacted_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    intel_host(leaf, subleaf, out);
    if (leaf == 0xd && subleaf == 1)
        out->ebx = 576 + 256 + 256 + 64 + 512 + 1024 + 8;
}

static struct cpu_model model;

static struct cpuid_regs get(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    cpuid_get(&model, leaf, subleaf, &r);
    return r;
}

static void make(cpuid_host_fn *host, struct cpu_options o)
{
    o.host = host;
    if (!o.vcpus)
        o.vcpus = 1;
    cpuid_init(&model, &o, TSC_HZ);
}

static void assert_zero(struct cpuid_regs r)
{
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void test_ranges(void **state)
{
    (void)state;
    make(amd_host, (struct cpu_options){.xcr0 = 7});
    assert_false(model.intel);
    assert_int_equal(get(0, 0).eax, 0xd);
    assert_int_equal(get(0, 77).ebx, 0x68747541); // ignores the subleaf
    assert_int_equal(get(0x80000000, 0).eax, 0x8000001e);
    assert_zero(get(0xe, 0));
    assert_zero(get(0x16, 0));
    assert_zero(get(0x12345678, 0));
    assert_zero(get(0x8000001f, 0));
    assert_zero(get(0x8000000a, 0)); // SVM
    assert_zero(get(0x40000002, 0));
    assert_zero(get(0xffffffff, 0xffffffff));
    make(intel_host, (struct cpu_options){.xcr0 = 7});
    assert_true(model.intel);
    assert_int_equal(get(0, 0).eax, 0x16);
    const uint32_t beyond[] = {0x17, 0x3fffffff, 0x40000100, 0x80000009, 0xffffffff};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(get(beyond[i], 3).eax, 2400); // the data of leaf 0x16
        assert_int_equal(get(beyond[i], 3).ecx, 100);
    }
    assert_zero(get(0x400000ff, 0));
    assert_zero(get(0x14, 0));
    assert_zero(get(0xa, 0));
}

static void test_features(void **state)
{
    (void)state;
    make(amd_host, (struct cpu_options){.xcr0 = 7});
    struct cpuid_regs r = get(1, 0);
    assert_int_equal(r.eax, 0x800f12);
    assert_int_equal(r.ebx, 0x00010800);
    const uint32_t hidden = 1u << 3 | 1u << 5 | 1u << 21 | 1u << 24 | 1u << 27;
    assert_int_equal(r.ecx & hidden, 0);
    assert_int_equal(r.ecx & (1u << 31 | 1u << 13 | 1u << 28), 1u << 31 | 1u << 13 | 1u << 28);
    assert_int_equal(r.edx & (1u << 9 | 1u << 12 | 1u << 28), 1u << 9 | 1u << 12);
    r = get(7, 0);
    assert_int_equal(r.eax, 1);
    assert_int_equal(r.ebx & (1u << 1 | 1u << 10 | 1u << 16), 0); // TSC_ADJUST, INVPCID, AVX-512
    assert_int_equal(r.ebx & 1u << 5, 1u << 5);
    assert_int_equal(r.ecx & (1u << 3 | 1u << 4 | 1u << 16), 0); // PKU, OSPKE, LA57
    assert_int_equal(r.edx & (1u << 26 | 1u << 29), 0);
    assert_zero(get(7, 2));
    assert_int_equal(get(6, 0).eax, 4);
    assert_int_equal(get(0x80000001, 0).ecx & (1u << 2 | 1u << 9 | 2), 0);
    assert_int_equal(get(0x80000001, 0).edx & (1u << 27), 0);
    assert_int_equal(get(0x80000007, 0).edx, 1u << 8);
    assert_int_equal(get(0x80000002, 0).ecx, 3);

    make(amd_host, (struct cpu_options){.hide_cx16 = true,
                                        .hide_pcid = true,
                                        .hide_invariant_tsc = true,
                                        .x2apic = true,
                                        .tsc_deadline = true,
                                        .invpcid = true,
                                        .rdtscp = true});
    r = get(1, 0);
    assert_int_equal(r.ecx & (1u << 13 | 1u << 17), 0);
    assert_int_equal(r.ecx & (1u << 21 | 1u << 24), 1u << 21 | 1u << 24);
    assert_int_equal(r.ecx & (1u << 26 | 1u << 28 | 1u << 12), 0); // no XSAVE: no AVX, no FMA
    assert_int_equal(get(7, 0).ebx & (1u << 10 | 1u << 5), 1u << 10);
    assert_int_equal(get(0x80000001, 0).edx & (1u << 27), 1u << 27);
    assert_int_equal(get(0x80000007, 0).edx, 0);
    assert_zero(get(0xd, 0));
    assert_zero(get(0xd, 1));

    make(intel_host, (struct cpu_options){.xcr0 = 7});
    r = get(0x80000001, 0);
    assert_int_equal(r.edx, 0x24100800); // NX, 1 GiB pages, long mode, SYSCALL
    assert_int_equal(r.ecx, 0x121);
}

static void test_dynamic(void **state)
{
    (void)state;
    make(amd_host, (struct cpu_options){.xcr0 = 7});
    model.cr4 = 1u << 18 | 1u << 22;
    assert_int_equal(get(1, 0).ecx >> 27 & 1, 1);
    assert_int_equal(get(7, 0).ecx >> 4 & 1, 1);
    assert_int_equal(get(7, 1).ecx, 0);
    model.cr4 = 0;
    assert_int_equal(get(1, 0).ecx >> 27 & 1, 0);
    assert_int_equal(get(7, 0).ecx >> 4 & 1, 0);
    model.apic_disabled = true;
    assert_int_equal(get(1, 0).edx >> 9 & 1, 0);
    assert_int_equal(get(0x80000001, 0).edx >> 9 & 1, 0);
    model.apic_disabled = false;
    assert_int_equal(get(1, 0).edx >> 9 & 1, 1);
    assert_int_equal(get(0x80000001, 0).edx >> 9 & 1, 1);
}

static void test_xsave(void **state)
{
    (void)state;
    make(amd_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_int_equal(model.xcr0_supported, 7);
    assert_int_equal(get(0xd, 0).eax, 7);
    assert_int_equal(get(0xd, 0).ebx, 576);
    assert_int_equal(get(0xd, 0).ecx, 0x340);
    model.xcr0 = 7;
    assert_int_equal(get(0xd, 0).ebx, 0x340);
    assert_int_equal(get(0xd, 1).eax, 7); // no XSAVES
    assert_int_equal(get(0xd, 1).ebx, 0x340);
    assert_int_equal(get(0xd, 2).eax, 0x100);
    assert_zero(get(0xd, 3));
    assert_zero(get(0xd, 63));
    assert_zero(get(0xd, UINT32_MAX));

    make(intel_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_int_equal(model.xcr0_supported, 0x2e7); // MPX is not offered
    assert_int_equal(get(0xd, 0).ecx, 0xa88);
    model.xcr0 = 0x203;
    assert_int_equal(get(0xd, 0).ebx, 0xa88);
    assert_int_equal(get(0xd, 1).ebx, 576 + 8); // compacted
    assert_zero(get(0xd, 3));
    assert_int_equal(get(0xd, 9).ebx, 0xa80);
    assert_int_equal(get(7, 0).ebx >> 16 & 1, 1);

    assert_int_equal(get(0xd, 1).eax, 7);
    make(uncompacted_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_int_equal(get(0xd, 1).eax, 5); // no XSAVEC
    assert_int_equal(model.xcr0_supported, 0x2e7);

    make(intel_host, (struct cpu_options){.xcr0 = 0x27}); // a part of AVX-512 is none of it
    assert_int_equal(model.xcr0_supported, 7);
    make(intel_host, (struct cpu_options){.xcr0 = 6});
    assert_int_equal(model.xcr0_supported, 0);
}

static void test_component_without_place(void **state)
{
    (void)state;
    make(intel_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_true(get(7, 0).ecx & 1u << 3); // PKU
    make(placeless_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_int_equal(model.xcr0_supported, 0xe7);
    assert_int_equal(get(0xd, 0).eax, 0xe7);
    assert_int_equal(get(0xd, 0).ecx, 0xa80);
    assert_int_equal(get(7, 0).ecx & 1u << 3, 0);
    assert_false(cpuid_xcr0_valid(&model, 0x2e7));
    make(misplaced_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    assert_int_equal(model.xcr0_supported, 0x207); // none of AVX-512
    assert_int_equal(get(7, 0).ebx & 1u << 16, 0);
}

static void test_xcr0(void **state)
{
    (void)state;
    make(intel_host, (struct cpu_options){.xcr0 = UINT64_MAX});
    const uint64_t good[] = {1, 3, 7, 0xe7, 0x203, 0x2e7};
    const uint64_t bad[] = {0, 2, 5, 0x67, 0xe3, 0xf, 0x18 | 3, 0x403, 1ull << 63 | 3};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(cpuid_xcr0_valid(&model, good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(cpuid_xcr0_valid(&model, bad[i]));
}

static void test_topology(void **state)
{
    (void)state;
    make(intel_host, (struct cpu_options){.vcpus = 3, .apic_id = 2});
    struct cpuid_regs r = get(1, 0);
    assert_int_equal(r.ebx, 0x02040800);
    assert_int_equal(r.edx >> 28 & 1, 1);
    r = get(0xb, 0);
    assert_int_equal(r.eax, 0);
    assert_int_equal(r.ebx, 1);
    assert_int_equal(r.ecx, 0x100);
    assert_int_equal(r.edx, 2);
    r = get(0xb, 1);
    assert_int_equal(r.eax, 2);
    assert_int_equal(r.ebx, 3);
    assert_int_equal(r.ecx, 0x201);
    r = get(0xb, 0x1ff);
    assert_int_equal(r.eax | r.ebx, 0);
    assert_int_equal(r.ecx, 0xff);
    assert_int_equal(r.edx, 2);
    assert_int_equal(get(4, 0).eax, 3u << 26 | 0x121); // L1 is each core's own
    assert_int_equal(get(4, 1).eax, 3u << 26 | 3u << 14 | 0x163);
    assert_zero(get(4, 2));

    make(amd_host, (struct cpu_options){.vcpus = 4, .apic_id = 3});
    assert_int_equal(get(0x8000001e, 0).eax, 3);
    assert_int_equal(get(0x8000001e, 0).ebx, 3);
    assert_int_equal(get(0x8000001e, 0).ecx, 0);
    assert_int_equal(get(0x80000008, 0).ecx, 3 | 2 << 12);
    assert_int_equal(get(0x80000008, 0).eax, 0x3028);
    assert_int_equal(get(0x80000008, 0).ebx, 5);
    assert_int_equal(get(0x80000001, 0).ecx >> 1 & 1, 1);
    assert_int_equal(get(0x8000001d, 2).eax, 0x143);
    assert_int_equal(get(0x8000001d, 3).eax, 3u << 14 | 0x163);
    assert_zero(get(0x8000001d, 4));
    assert_zero(get(4, 0));
}

static void test_clock(void **state)
{
    (void)state;
    make(amd_host, (struct cpu_options){.xcr0 = 7});
    struct cpuid_regs r = get(0x40000000, 0);
    assert_int_equal(r.eax, 0x40000001);
    assert_memory_equal(&r.ebx, "KVMKVMKVM\0\0\0", 12);
    assert_int_equal(get(0x40000001, 0).eax, 1u << 3 | 1u << 24);
    make(intel_host, (struct cpu_options){.hide_pvclock = true});
    r = get(0x40000000, 0);
    assert_int_equal(r.eax, 0x40000000);
    assert_memory_equal(&r.ebx, "BulkheadVirt", 12);
    assert_zero(get(0x40000001, 0));
    r = get(0x15, 0);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, TSC_HZ);
    assert_int_equal(get(0x16, 0).eax, 2400);
    struct cpu_options o = {.vcpus = 1, .host = intel_host};
    cpuid_init(&model, &o, 5000000000ull); // does not fit 32 bits
    r = get(0x15, 0);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, 5000000000ull);
    cpuid_init(&model, &o, 0);
    assert_zero(get(0x15, 0));
}

// A host that answers any leaf with ones must not overflow the table.
static void ones_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)leaf;
    (void)subleaf;
    memset(out, 0xff, sizeof(*out));
}

static void test_strange_hosts(void **state)
{
    (void)state;
    cpuid_host_fn *const hosts[] = {ones_host, intel_host, amd_host, NULL};
    for (size_t h = 0; h < 4; h++) {
        make(hosts[h], (struct cpu_options){.vcpus = 64, .apic_id = 63, .xcr0 = UINT64_MAX});
        assert_true(model.entries < CPUID_ENTRIES);
        for (uint32_t leaf = 0; leaf < 0x40; leaf++)
            for (uint32_t sub = 0; sub < 70; sub++) {
                get(leaf, sub);
                get(0x40000000 + leaf, sub);
                get(0x80000000 + leaf, sub);
            }
        assert_int_equal(get(1, 0).ebx >> 16 & 0xff, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_dynamic),
        cmocka_unit_test(test_xsave),
        cmocka_unit_test(test_component_without_place),
        cmocka_unit_test(test_xcr0),
        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_strange_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
