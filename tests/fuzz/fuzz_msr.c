// SPDX-License-Identifier: BSD-2-Clause
// Any sequence of RDMSR, WRMSR and CPUID: no crash, a refused write changes nothing, state stays
// what hardware allows.
// links: vmm/msr.c vmm/cpuid.c vmm/pvclock.c vmm/pv_eoi.c vmm/guest_memory.c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "msr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t known[] = {
#define MSR_VALUE(index, ...) index,
#define MSR_STORE(index, ...) index,
#define MSR_PAGE(index, ...)  index,
#define MSR_CALL(index, ...)  index,
#include "cpu_model.def"
};

static uint64_t tsc;

static uint64_t tsc_read(void *context)
{
    (void)context;
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
    *value = index;
    return index & 1;
}

static bool apic_write(void *context, uint32_t index, uint64_t value)
{
    (void)context;
    return (index ^ value) & 1;
}

static uint32_t vendor;

static void host(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)subleaf;
    *out = (struct cpuid_regs){UINT32_MAX, leaf ? UINT32_MAX : vendor, UINT32_MAX, UINT32_MAX};
}

static void canonical(uint64_t address)
{
    if ((uint64_t)((int64_t)(address << 16) >> 16) != address)
        abort();
}

struct step {
    uint32_t what;
    uint32_t index;
    uint64_t value;
};

static void run(struct msr_state *msr, struct vcpu_page *page, const struct step *s)
{
    uint32_t index = s->what & 4 ? s->index : known[s->index % (sizeof(known) / sizeof(*known))];
    uint64_t value;
    struct cpuid_regs regs;
    switch (s->what & 3) {
    case 0:
        if (msr_read(msr, index, &value) == MSR_GP && value != 0)
            abort();
        break;
    case 1: {
        struct vcpu_page before = *page;
        if (msr_write(msr, index, s->value) == MSR_GP && memcmp(&before, page, sizeof(before)) != 0)
            abort();
        break;
    }
    case 2:
        cpuid_get(msr->model, s->index, (uint32_t)s->value, &regs);
        break;
    case 3:
        page->cr0 = s->value;
        msr->model->cr4 = s->value;
        if (cpuid_xcr0_valid(msr->model, s->value))
            msr->model->xcr0 = s->value;
        msr_groups(s->index);
        break;
    }
    canonical(page->lstar);
    canonical(page->kernel_gs_base);
    canonical(page->seg[SEG_FS].base);
    canonical(page->sysenter_eip);
    if (page->efer & ~0xd01ull || page->sfmask >> 32 || page->pat & 0xf8f8f8f8f8f8f8f8)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[8192] __attribute__((aligned(4096)));
    static struct cpu_model model;
    static struct vcpu_page page;
    static struct pvclock pvclock;
    static struct msr_state msr;
    static struct pv_eoi eoi;
    const struct guest_ram ram = {memory, sizeof(memory)};
    const struct msr_hooks hooks = {NULL, tsc_read, tsc_write, apic_read, apic_write, &eoi};
    if (size < 1)
        return 0;
    struct cpu_options o = {.vcpus = 4,
                            .x2apic = data[0] & 1,
                            .pv_eoi = true,
                            .hide_pvclock = data[0] & 2,
                            .xcr0 = UINT64_MAX,
                            .host = host};
    vendor = data[0] & 4 ? 0x756e6547 : 0x68747541;
    cpuid_init(&model, &o, 2000000000);
    pvclock_init(&pvclock, &ram, 2000000000, 0, 0);
    memset(&page, 0, sizeof(page));
    pv_eoi_init(&eoi, &ram);
    msr_init(&msr, &model, &page, &pvclock, &hooks);
    msr_reset_page(&page);
    for (size_t at = 1; at + sizeof(struct step) <= size; at += sizeof(struct step)) {
        struct step s;
        memcpy(&s, data + at, sizeof(s));
        run(&msr, &page, &s);
        pv_eoi_arm(&eoi);
    }
    return 0;
}
