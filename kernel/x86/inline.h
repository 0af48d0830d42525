// SPDX-License-Identifier: BSD-2-Clause
// Those functions of arch.h that are a few instructions here.
#pragma once

#include "layout.h"
#include <stdint.h>

struct cpu;

static inline uint64_t arch_time(void)
{
    uint32_t low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline struct cpu *this_cpu(void)
{
    uint64_t rsp;

    asm("mov %%rsp, %0" : "=r"(rsp));
    return (struct cpu *)((rsp & ~(uint64_t)(CPU_REGION_SIZE - 1)) + CPU_STACK_TOP);
}

// HAZARD: an interrupt that is taken here saves no registers (entry.S), so all that a call may change are lost. Nowhere
// else but in the idle loop does the kernel let interrupts in.
static inline void arch_preempt_point(void)
{
    asm volatile("sti; nop; cli" ::: "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}
