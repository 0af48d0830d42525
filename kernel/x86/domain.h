// SPDX-License-Identifier: BSD-2-Clause
// Security domains of a CPU (a VM with its vmm; root and the servers are one, number 0) and what a change of domain
// must clear, docs/threat-model.md.
#pragma once

#include "../cpu.h"

enum domain_need {
    NEED_IBPB = 1,   // branch predictors are cleared: Spectre v2 between domains
    NEED_L1D = 2,    // the L1 data cache is flushed: L1TF
    NEED_VERW = 4,   // buffers are cleared: MDS, TAA, MMIO stale data, RFDS
    NEED_EAGER = 8,  // extended state leaves the registers with its task: LazyFP
    NEED_IBRS = 16,  // set once, protects the kernel from then on
    NEED_AIBRS = 32, // the same, AMD
    NEED_PTI = 64,   // the kernel would have to be unmapped from user tables: Meltdown
    NEED_FLUSH = NEED_IBPB | NEED_L1D | NEED_VERW,
};

struct domain_facts {
    bool intel;
    uint32_t leaf7_ebx, leaf7_edx; // CPUID
    uint32_t leaf8_ebx;            // 0x80000008
    uint32_t leaf21_eax;           // 0x80000021
    uint64_t capabilities;         // IA32_ARCH_CAPABILITIES, 0 without it
};
unsigned domain_needs(const struct domain_facts *facts); // NEED_*

extern unsigned domain_need;  // of this machine
void domain_init(bool first); // on each CPU; before fpu_init
// On a switch to a task of another domain, when nothing of the former's is touched any more.
void domain_enter(struct cpu *cpu, uint32_t domain);
