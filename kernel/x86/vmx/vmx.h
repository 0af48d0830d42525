// SPDX-License-Identifier: BSD-2-Clause
// Inside the VMX backend.
#pragma once

#include "../virt.h"
#include "vmcs.h"

struct vmx_features {
    uint32_t controls[CONTROL_GROUPS]; // that every VMCS has: `must`, what the processor insists
                                       // on, instructions that it offers
    uint64_t cr0_fixed, cr4_fixed;     // bits that must be 1 in a guest
    uint64_t cr0_allowed, cr4_allowed; // bits that may be 1
    uint64_t cr0_mask, cr4_mask;       // bits whose change by the guest exits
    uint32_t timer;                    // preemption timer: a time slice
    uint64_t msr_bitmap;               // physical
};
extern struct vmx_features vmx_features;

// What the VMCSs of a CPU have in common, and the host's values of the MSRs that a VMCS does not
// switch.
struct vmx_host {
    uint64_t star, lstar, sfmask;
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } gdtr;
    bool tss_cut; // a VM exit set TR.limit to 0x67 (SDM 3C 27.5.2): the I/O bitmap is out of reach
                  // until LTR
};
extern struct vmx_host vmx_hosts[CPU_MAX];

// run.c
enum vcpu_exit vmx_run(struct vcpu *v, struct vcpu_page *page);
void vmx_leave(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit);
void vmx_msrs_leave(struct vcpu *v); // the host's are in the registers afterwards
void vmx_msrs_set(struct vcpu *v, uint64_t star, uint64_t lstar, uint64_t sfmask); // the guest's

// state.c
void vmx_host_state(const struct vmx_host *host); // writes the host area for this CPU
void vmx_reset(struct vcpu *v);                   // controls and the guest area
void vmx_load(struct vcpu *v, struct vcpu_page *page, uint32_t dirty);
void vmx_store(struct vcpu *v, struct vcpu_page *page, uint32_t want);

// apic.c, for vCPUs with VCPU_APIC
void vmx_apic_reset(const struct vcpu *v);
void vmx_apic_load(const struct vcpu_page *page, bool on); // GROUP_CONTROL
void vmx_apic_access(struct vcpu_page *page);              // details of that exit
