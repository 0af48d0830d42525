// SPDX-License-Identifier: BSD-2-Clause
// APIC virtualization, SDM 3C chapter 29: the processor keeps TPR, IRR, ISR and PPR in the virtual-APIC page and
// delivers from it. HAZARD: the vmm writes that page and the interrupt status as it likes, at any time: the kernel
// takes nothing from them, and what the processor makes of them is a vector for the guest.
#include "vmx.h"
#include "../insn.h"

void vmx_apic_reset(const struct vcpu *v)
{
    vmwrite(VIRTUAL_APIC, virt_to_phys(v->apic));
    vmwrite(APIC_ACCESS, virt_to_phys(v->guest->apic_access));
    vmwrite(INTERRUPT_STATUS, 0);
    vmwrite(TPR_THRESHOLD, 0);
    vmx_apic_load(v->page, false);
}

// Off, all accesses to the APIC page still exit. The TPR shadow, on which the others depend, goes with the exits of
// CR8.
void vmx_apic_load(const struct vcpu_page *page, bool on)
{
    vmwrite(SECONDARY_CONTROLS, vmx_features.controls[SECONDARY] | SECONDARY_ACCESSES | (on ? SECONDARY_APIC : 0));
    for (unsigned i = 0; i < 4; i++) // bound: 4
        vmwrite(EOI_EXIT + 2 * i, READ_ONCE(page->eoi_exit[i]));
}

// SDM 3C table 27-6: an offset, and in bits 12..15 0 read, 1 write, 2 fetch, 3 or 10 while an event was delivered, 15
// other guest-physical accesses.
void vmx_apic_access(struct vcpu_page *page)
{
    uint64_t q = vmread(QUALIFICATION);
    unsigned type = q >> 12 & 15;

    page->length = 0;
    page->gpa = APIC_PAGE | (q & 0xfff);
    page->qualification = MEMORY_PRESENT | (type == 1    ? MEMORY_WRITE
                                            : type == 2  ? MEMORY_FETCH
                                            : type == 15 ? MEMORY_WALK
                                                         : 0);
}
