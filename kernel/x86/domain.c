// SPDX-License-Identifier: BSD-2-Clause
// Side channels of the processor, handled where the security domain of a CPU changes: never per exit, not on the IPC
// fast path (where it would be needed, FLAG_SLOW keeps threads away from it). Intel: "Deep Dive" documents, SDM 4 table
// 2-2; AMD: APM 2 3.2.9, "Indirect Branch Control Extension".
#include "domain.h"
#include "boot.h"
#include "insn.h"
#include "layout.h"

unsigned domain_need;

enum { // IA32_ARCH_CAPABILITIES
    RDCL_NO = 1 << 0,
    IBRS_ALL = 1 << 1,
    SKIP_L1DFL = 1 << 3,
    MDS_NO = 1 << 5,
    TAA_NO = 1 << 8,
    MMIO_NO = 7 << 13, // SBDR, FBSDP and PSDP
    FB_CLEAR = 1 << 17,
    RFDS_NO = 1 << 27,
    RFDS_CLEAR = 1 << 28,
};

unsigned domain_needs(const struct domain_facts *f)
{
    const uint32_t edx = f->leaf7_edx, amd = f->leaf8_ebx;
    const uint64_t caps = f->capabilities;
    unsigned need = 0;

    if (!f->intel) {
        need |= amd & 1u << 12 ? NEED_IBPB : 0;
        if (f->leaf21_eax & 1u << 8)
            need |= NEED_AIBRS;
        else if (amd & 1u << 14 && amd & 1u << 16) // IBRS, and it may always be on
            need |= NEED_IBRS;
        return need;
    }
    need |= edx & 1u << 26 ? NEED_IBPB | (caps & IBRS_ALL ? NEED_IBRS : 0) : 0;
    if (!(caps & RDCL_NO)) // it says that the processor is free of L1TF and LazyFP as well
        need |= NEED_PTI | NEED_EAGER | (edx & 1u << 28 && !(caps & SKIP_L1DFL) ? NEED_L1D : 0);
    bool taa = f->leaf7_ebx & 1u << 11 && !(caps & TAA_NO); // with RTM
    if ((edx & 1u << 10 && (!(caps & MDS_NO) || taa)) || (caps & FB_CLEAR && (caps & MMIO_NO) != MMIO_NO) ||
        (caps & RFDS_CLEAR && !(caps & RFDS_NO)))
        need |= NEED_VERW;
    // HAZARD: to save the state of a former domain after its traces were cleared would leave new ones.
    return need & (NEED_L1D | NEED_VERW) ? need | NEED_EAGER : need;
}

void domain_init(bool first)
{
    if (first) {
        struct cpuid_regs f7 = cpuid_checked(7, 0);
        struct domain_facts f = {.intel = cpuid(0, 0).ecx == 0x6c65746e, // "ntel"
                                 .leaf7_ebx = f7.ebx,
                                 .leaf7_edx = f7.edx,
                                 .leaf8_ebx = cpuid_checked(0x80000008, 0).ebx,
                                 .leaf21_eax = cpuid_checked(0x80000021, 0).eax};
        if (f7.edx & 1u << 29)
            f.capabilities = rdmsr(MSR_ARCH_CAPABILITIES);
        domain_need = domain_needs(&f);
        if (domain_need & NEED_PTI && !boot_option("accept=meltdown"))
            panic("Meltdown: a task could read the kernel's memory on this processor, and its guests' registers there. "
                  "To run on it all the same, put accept=meltdown on the kernel's command line. CPUID signature:",
                  cpuid(1, 0).eax);
    }
    if (domain_need & NEED_IBRS)
        wrmsr(MSR_SPEC_CTRL, 1);
    if (domain_need & NEED_AIBRS)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
}

void domain_enter(struct cpu *cpu, uint32_t domain)
{
    static const uint16_t writable = SEL_KERNEL_DS; // VERW clears only in its form with an operand in memory

    cpu->domain = domain;
    if (domain_need & NEED_IBPB)
        wrmsr(MSR_PRED_CMD, 1);
    if (domain_need & NEED_L1D)
        wrmsr(MSR_FLUSH_CMD, 1);
    if (domain_need & NEED_VERW)
        asm volatile("verw %0" ::"m"(writable) : "cc");
}
