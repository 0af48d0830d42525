// SPDX-License-Identifier: BSD-2-Clause
// Privileged instructions that the virtualization and FPU code uses, one inline function each.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// clang-format off
enum msr {
    MSR_FEATURE_CONTROL = 0x3a, MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49, MSR_ARCH_CAPABILITIES = 0x10a, MSR_FLUSH_CMD = 0x10b,
    MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176, MSR_PAT = 0x277,
    MSR_EFER = 0xc0000080, MSR_STAR = 0xc0000081, MSR_LSTAR = 0xc0000082, MSR_CSTAR = 0xc0000083, MSR_SFMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100, MSR_GS_BASE = 0xc0000101, MSR_KERNEL_GS_BASE = 0xc0000102, MSR_TSC_AUX = 0xc0000103,
    MSR_VM_CR = 0xc0010114, MSR_VM_HSAVE_PA = 0xc0010117,
};
// clang-format on

#define CR0_PE 0x1ull
#define CR0_TS 0x8ull
#define CR0_ET 0x10ull
#define CR0_NW 0x20000000ull
#define CR0_CD 0x40000000ull
#define CR0_PG 0x80000000ull

#define CR4_MCE        (1ull << 6)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_VMXE       (1ull << 13)
#define CR4_OSXSAVE    (1ull << 18)

#define EFER_LME    (1ull << 8)
#define EFER_LMA    (1ull << 10)
#define EFER_SVME   (1ull << 12)
#define EFER_AIBRSE (1ull << 21)

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

// Zeroes when the processor has no such leaf.
static inline struct cpuid_regs cpuid_checked(uint32_t leaf, uint32_t subleaf)
{
    if (cpuid(leaf & 0x80000000u, 0).eax < leaf)
        return (struct cpuid_regs){0};
    return cpuid(leaf, subleaf);
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

// The value must be one that the processor takes: the kernel does not survive a #GP here.
static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

#define CONTROL_REGISTER(n)                                             \
    static inline uint64_t read_cr##n(void)                             \
    {                                                                   \
        uint64_t value;                                                 \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value)::"memory"); \
        return value;                                                   \
    }                                                                   \
    static inline void write_cr##n(uint64_t value)                      \
    {                                                                   \
        __asm__ volatile("mov %0, %%cr" #n ::"r"(value) : "memory");    \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)
#undef CONTROL_REGISTER

static inline void clts(void)
{
    __asm__ volatile("clts" ::: "memory");
}

static inline uint64_t xgetbv(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint64_t value)
{
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}
