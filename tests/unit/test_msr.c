// SPDX-License-Identifier: BSD-2-Clause
// RDMSR and WRMSR: values that Linux depends on, the refusals of hardware, and that no index or
// value does harm.
// links: vmm/msr.c vmm/cpuid.c vmm/pvclock.c vmm/pv_eoi.c vmm/guest_memory.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "msr.h"

#define CANONICAL_HIGH 0xffff800000000000ull
#define NOT_CANONICAL  0x0000800000000000ull

static uint8_t memory[8192] __attribute__((aligned(4096)));
static const struct guest_ram ram = {memory, sizeof(memory)};
static struct cpu_model model;
static struct vcpu_page page;
static struct pvclock pvclock;
static struct pv_eoi eoi;
static struct msr_state msr;
static uint64_t tsc, apic_base, apic_last;
static uint32_t apic_index;

static uint64_t tsc_read(void *context)
{
    assert_ptr_equal(context, &msr);
    return tsc;
}

static void tsc_write(void *context, uint64_t value)
{
    (void)context;
    tsc = value;
}

static bool apic_read(void *context, uint32_t index, uint64_t *value)
{
    (void)context;
    apic_index = index;
    *value = index == 0x1b ? apic_base : 0x1234;
    return index != 0x83f;
}

static bool apic_write(void *context, uint32_t index, uint64_t value)
{
    (void)context;
    apic_index = index;
    apic_last = value;
    if (index == 0x1b && value & 0xff)
        return false;
    if (index == 0x1b)
        apic_base = value;
    return true;
}

static void amd_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)subleaf;
    *out = (struct cpuid_regs){0x80000020, leaf ? 0 : 0x68747541, 0, 1u << 20};
}

static void intel_host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)subleaf;
    *out = (struct cpuid_regs){0x80000008, leaf ? 0 : 0x756e6547, 0, 0}; // no NX
    if (leaf == 0x80000008)
        out->eax = 36;
}

static void make(cpuid_host_fn *host, bool hide_pvclock, bool x2apic)
{
    struct cpu_options o = {
        .vcpus = 1, .host = host, .pv_eoi = true, .hide_pvclock = hide_pvclock, .x2apic = x2apic};
    cpuid_init(&model, &o, 1000000000);
    memset(&page, 0, sizeof(page));
    pvclock_init(&pvclock, &ram, 1000000000, 0, 0);
    const struct msr_hooks hooks = {&msr, tsc_read, tsc_write, apic_read, apic_write, &eoi};
    pv_eoi_init(&eoi, &ram);
    apic_base = 0xfee00900;
    msr_init(&msr, &model, &page, &pvclock, &hooks);
    msr_reset_page(&page);
    page.dirty = 0;
}

static int setup(void **state)
{
    (void)state;
    make(amd_host, false, false);
    return 0;
}

static uint64_t get(uint32_t index)
{
    uint64_t value;
    assert_int_equal(msr_read(&msr, index, &value), MSR_OK);
    return value;
}

static void accept(uint32_t index, uint64_t value)
{
    assert_int_equal(msr_write(&msr, index, value), MSR_OK);
}

static void refuse(uint32_t index, uint64_t value)
{
    struct vcpu_page before = page;
    assert_int_equal(msr_write(&msr, index, value), MSR_GP);
    assert_memory_equal(&before, &page, sizeof(page)); // nothing changed
}

static void refuse_read(uint32_t index)
{
    uint64_t value = 1;
    assert_int_equal(msr_read(&msr, index, &value), MSR_GP);
    assert_int_equal(value, 0);
}

static void test_efer(void **state)
{
    (void)state;
    accept(0xc0000080, 0x901);
    assert_int_equal(page.efer, 0x901);
    assert_int_equal(page.dirty, GROUP_EFER_PAT);
    refuse(0xc0000080, 0x1901); // SVME
    refuse(0xc0000080, 0x4901); // FFXSR
    refuse(0xc0000080, 1ull << 63);
    page.cr0 = 0x80000001;
    page.efer = 0xd01;         // the processor has set LMA
    refuse(0xc0000080, 0xc01); // LME off with paging on
    accept(0xc0000080, 0x900);
    assert_int_equal(page.efer, 0xd00); // LMA stays
    page.cr0 = 1;
    page.efer = 0x900;
    accept(0xc0000080, 0xd00);
    assert_int_equal(page.efer, 0x900); // and cannot be set
    make(intel_host, false, false);
    refuse(0xc0000080, 0x800); // the host has no NX
    assert_int_equal(msr_groups(0xc0000080), GROUP_EFER_PAT | GROUP_CR);
}

static void test_addresses(void **state)
{
    (void)state;
    const uint32_t index[] = {0x175,      0x176,      0xc0000082, 0xc0000083,
                              0xc0000100, 0xc0000101, 0xc0000102};
    for (size_t i = 0; i < sizeof(index) / sizeof(*index); i++) {
        accept(index[i], CANONICAL_HIGH + 8);
        assert_int_equal(get(index[i]), CANONICAL_HIGH + 8);
        accept(index[i], NOT_CANONICAL - 1);
        refuse(index[i], NOT_CANONICAL);
        refuse(index[i], CANONICAL_HIGH - 1);
        refuse(index[i], 1ull << 63);
    }
    assert_int_equal(page.seg[SEG_FS].base, NOT_CANONICAL - 1);
    assert_int_equal(page.dirty, GROUP_SYSENTER | GROUP_SYSCALL | GROUP_SEG);
    accept(0xc0000081, UINT64_MAX);
    assert_int_equal(page.star, UINT64_MAX);
    accept(0xc0000084, 0x47700);
    refuse(0xc0000084, 1ull << 32);
    accept(0xc0000103, 5);
    refuse(0xc0000103, 1ull << 32);
    assert_int_equal(page.tsc_aux, 5);
    accept(0x174, 0x500000010);
    assert_int_equal(get(0x174), 0x10);
    assert_int_equal(msr_groups(0xc0000101), GROUP_SEG);
    assert_int_equal(msr_groups(0x10), 0);
    assert_int_equal(msr_groups(0xdead), 0);
}

static void test_memory_types(void **state)
{
    (void)state;
    assert_int_equal(get(0x277), 0x0007040600070406);
    accept(0x277, 0x0007010600070106);
    refuse(0x277, 2);
    refuse(0x277, 3ull << 56);
    refuse(0x277, 0x0807010600070106);
    refuse(0x277, 1ull << 63);
}

// amd_host has 32 bits of physical address.
static void test_mtrr(void **state)
{
    (void)state;
    const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                              0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    const unsigned bad[] = {2, 3, 7, 8, 0x40, 0x86, 0xff};
    assert_int_equal(get(0xfe), 0x508);
    refuse(0xfe, 0x508);
    assert_int_equal(get(0x2ff), 0);
    accept(0x2ff, 0xc06);
    assert_int_equal(get(0x2ff), 0xc06);
    refuse(0x2ff, 0x1806);
    refuse(0x2ff, 0x906);
    refuse(0x2ff, 1ull << 32 | 0x806);
    for (unsigned i = 0; i < 7; i++) {
        refuse(0x2ff, 0x800 | bad[i]);
        refuse(0x200, bad[i]);
        refuse(0x26f, (uint64_t)bad[i] << 8 * i);
    }
    for (uint32_t i = 0x200; i < 0x210; i += 2) {
        assert_int_equal(get(i), 0);
        assert_int_equal(get(i + 1), 0);
        accept(i, 0xc0000001 + i * 0x1000);
        accept(i + 1, 0xfffff800 - i * 0x1000);
    }
    for (uint32_t i = 0; i < 11; i++) {
        assert_int_equal(get(fixed[i]), 0);
        accept(fixed[i], 0x0605040100010400 + i % 2);
    }
    refuse(0x200, 0xc0000106); // reserved bits
    refuse(0x200, 0xc0000806);
    refuse(0x201, 0xc0000806);
    refuse(0x201, 0xc0000c00);
    refuse(0x200, 0x100000000); // beyond physical addresses
    refuse(0x201, 0x100000800);
    refuse(0x20f, 1ull << 63);
    for (uint32_t i = 0x200; i < 0x210;
         i += 2) { // all are what was written to them, and nothing else
        assert_int_equal(get(i), 0xc0000001 + i * 0x1000);
        assert_int_equal(get(i + 1), 0xfffff800 - i * 0x1000);
    }
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(get(fixed[i]), 0x0605040100010400 + i % 2);
    assert_int_equal(get(0x2ff), 0xc06);
    refuse_read(0x1ff);
    refuse_read(0x210);
    refuse_read(0x251);
    refuse_read(0x25a);
    refuse_read(0x267);
    refuse_read(0x270);
}

static void test_mtrr_firmware(void **state)
{
    (void)state;
    msr_firmware_state(&msr);
    assert_int_equal(get(0x2ff), 0xc06);
    assert_int_equal(get(0x200), 0x80000000);
    assert_int_equal(get(0x201), 0x80000800);
    assert_int_equal(get(0x203), 0); // off
    assert_int_equal(get(0x20f), 0);
    assert_int_equal(get(0x250), 0x0606060606060606);
    assert_int_equal(get(0x258), 0x0606060606060606);
    assert_int_equal(get(0x259), 0);
    assert_int_equal(get(0x268), 0x0606060606060606);
    assert_int_equal(get(0x26f), 0x0606060606060606);
    assert_int_equal(get(0x17a), 0);
    make(intel_host, false, false); // 36 bits
    msr_firmware_state(&msr);
    assert_int_equal(get(0x201), 0xf80000800);
    accept(0x201, get(0x201));
    accept(0x200, 0xf00000006);
    refuse(0x200, 0x1000000006);
}

// What Linux 6.1 does while it boots, per vendor; see docs/virtual-machine.md.
static void test_linux(void **state)
{
    (void)state;
    accept(0x8b, 0);
    assert_int_equal((uint32_t)get(0x8b), 1);
    assert_int_equal(get(0x179), 0);
    assert_int_equal(get(0xc0010015) >> 24 & 1, 1);
    assert_int_equal(get(0xc0010010), 0);
    uint64_t nb = get(0xc001001f);
    assert_int_equal(nb, 1ull << 46);
    accept(0xc001001f, nb);
    accept(0xc0011029, get(0xc0011029) | 2);
    refuse_read(0x1a0);
    refuse_read(0x17);
    refuse_read(0xc0010114); // VM_CR
    make(intel_host, false, false);
    uint64_t misc = get(0x1a0);
    assert_int_equal(misc & 1, 1);
    assert_int_equal(misc & (1ull << 34 | 1u << 22), 0);
    accept(0x1a0, misc);
    refuse(0x1a0, misc | 1u << 20);
    assert_int_equal(get(0x8b) >> 32, 1);
    assert_int_equal(get(0x17), 0);
    assert_int_equal(get(0x3a), 1);
    refuse(0x3a, 5);
    refuse_read(0xc0010015);
    accept(0x1d9, 3);
    assert_int_equal(get(0x1d9), 0);
    refuse(0x1d9, 0x40);
    accept(0x17a, 4);
    assert_int_equal(get(0x17a), 4);
    refuse(0x17a, 8);
}

static void test_hidden(void **state)
{
    (void)state;
    const uint32_t hidden[] = {0x3b,       0x48,       0x49,  0x10a, 0x10b,
                               0x38f,      0x480,      0x570, 0xda0, 0xc0000104,
                               0xc0010117, 0x4b564d02, 0x11,  0x12,  0x800};
    uint64_t before = msr.unknown;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
        refuse_read(hidden[i]);
        refuse(hidden[i], 0);
        assert_int_equal(msr.unknown_last, hidden[i]);
    }
    assert_int_equal(msr.unknown - before, 2 * sizeof(hidden) / sizeof(*hidden));
}

static void test_hooks(void **state)
{
    (void)state;
    tsc = 77;
    assert_int_equal(get(0x10), 77);
    accept(0x10, 1ull << 40);
    assert_int_equal(tsc, 1ull << 40);
    assert_int_equal(get(0x1b), 0xfee00900);
    accept(0x1b, 0xfee00100);
    assert_true(model.apic_disabled);
    refuse(0x1b, 0xfee00901);
    assert_true(model.apic_disabled);
    accept(0x1b, 0xfee00900);
    assert_false(model.apic_disabled);
    accept(0x6e0, 99);
    assert_int_equal(apic_index, 0x6e0);
    assert_int_equal(apic_last, 99);
    refuse(0x80b, 0); // x2APIC is hidden
    make(amd_host, false, true);
    accept(0x80b, 0);
    assert_int_equal(apic_index, 0x80b);
    assert_int_equal(get(0x802), 0x1234);
    uint64_t value;
    assert_int_equal(msr_read(&msr, 0x83f, &value), MSR_GP);
    refuse(0x900, 0);
}

static void test_pvclock(void **state)
{
    (void)state;
    accept(0x4b564d01, 0x101);
    assert_int_equal(memory[0x100], 2);
    assert_int_equal(get(0x4b564d01), 0x101);
    accept(0x4b564d00, 0x200);
    assert_int_equal(get(0x4b564d00), 0x200);
    refuse(0x4b564d01, 0x2001);
    refuse(0x4b564d00, 0x2000);
    make(amd_host, true, false);
    refuse(0x4b564d01, 0x101);
    refuse_read(0x4b564d00);
}

static void test_pv_eoi(void **state)
{
    uint64_t value;

    (void)state;
    memory[0x104] = 0;
    assert_int_equal(msr_write(&msr, 0x4b564d04, 0x104 | 1), MSR_OK);
    assert_int_equal(msr_read(&msr, 0x4b564d04, &value), MSR_OK);
    assert_int_equal(value, 0x105);
    pv_eoi_arm(&eoi);
    assert_true(eoi.armed);
    assert_int_equal(memory[0x104], 1);
    assert_false(pv_eoi_take(&eoi)); // the guest did not use it
    assert_false(eoi.armed);
    assert_int_equal(memory[0x104], 0);
    pv_eoi_arm(&eoi);
    memory[0x104] = 0; // the guest did
    assert_true(pv_eoi_take(&eoi));
    assert_int_equal(msr_write(&msr, 0x4b564d04, 0x100 | 3), MSR_GP);
    assert_int_equal(msr_write(&msr, 0x4b564d04, sizeof(memory) | 1), MSR_GP);
    assert_int_equal(msr_write(&msr, 0x4b564d04, UINT64_MAX & ~2ull), MSR_GP);
    assert_int_equal(eoi.value, 0x105);
    assert_int_equal(msr_write(&msr, 0x4b564d04, 0), MSR_OK);
    pv_eoi_arm(&eoi);
    assert_false(eoi.armed);
    make(amd_host, true, false); // without the clock's signature nobody would look for it
    assert_int_equal(msr_read(&msr, 0x4b564d04, &value), MSR_GP);
    assert_int_equal(msr_write(&msr, 0x4b564d04, 0x105), MSR_GP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_efer, setup),
        cmocka_unit_test_setup(test_addresses, setup),
        cmocka_unit_test_setup(test_memory_types, setup),
        cmocka_unit_test_setup(test_mtrr, setup),
        cmocka_unit_test_setup(test_mtrr_firmware, setup),
        cmocka_unit_test_setup(test_linux, setup),
        cmocka_unit_test_setup(test_hidden, setup),
        cmocka_unit_test_setup(test_hooks, setup),
        cmocka_unit_test_setup(test_pvclock, setup),
        cmocka_unit_test_setup(test_pv_eoi, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
