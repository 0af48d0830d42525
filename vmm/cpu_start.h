// SPDX-License-Identifier: BSD-2-Clause
// The processor state in which a boot loader hands the machine to a guest, in the terms of the vCPU
// page. What is not named here starts as after INIT: DR7 0x400, PAT 0x0007040600070406, all other
// MSRs 0, activity 0.
#pragma once

#include <stdint.h>

#include "bulkhead/vcpu.h"

struct cpu_start {
    uint64_t gpr[16]; // enum gpr; RSP among them
    uint64_t rip, rflags;
    uint64_t cr0, cr3, cr4, efer;
    struct vcpu_segment seg[SEG_COUNT]; // enum seg
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
};

// Groups of the vCPU page that a start state fills.
#define CPU_START_GROUPS (GROUP_CR | GROUP_SEG | GROUP_TABLES | GROUP_EFER_PAT)

// Access rights, SDM 3C 24.4.1: type, S, DPL 0, P, L, D/B, G
#define SEGMENT_CODE64   0xa09bu
#define SEGMENT_CODE32   0xc09bu
#define SEGMENT_DATA     0xc093u
#define SEGMENT_CODE16   0x009bu // real mode
#define SEGMENT_DATA16   0x0093u
#define SEGMENT_LDT      0x0082u
#define SEGMENT_TSS      0x008bu // busy: VM entry demands it of TR
#define SEGMENT_UNUSABLE 0x10000u
