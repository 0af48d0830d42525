// SPDX-License-Identifier: BSD-2-Clause
// Instructions, registers and the kernel's address-space layout.
#pragma once

#include "layout.h"
#include <stdbool.h>
#include <stdint.h>

#define MSR_APIC_BASE      0x1b
#define MSR_TSC_DEADLINE   0x6e0
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_FMASK          0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_PAT            0x277

#define CR0_TS (1ull << 3)
#define CR4_PGE  (1ull << 7)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_PCIDE (1ull << 17)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}
static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t value)
{
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint64_t read_cr0(void)
{
    uint64_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
static inline void write_cr0(uint64_t value)
{
    asm volatile("mov %0, %%cr0" ::"r"(value) : "memory");
}
static inline uint64_t read_cr2(void)
{
    uint64_t value;

    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}
static inline uint64_t read_cr3(void)
{
    uint64_t value;

    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
static inline void write_cr3(uint64_t value)
{
    asm volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}
static inline uint64_t read_cr4(void)
{
    uint64_t value;

    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
static inline void write_cr4(uint64_t value)
{
    asm volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}
static inline void invlpg(uint64_t address)
{
    asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}
