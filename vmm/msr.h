// SPDX-License-Identifier: BSD-2-Clause
// Model-specific registers of one vCPU: what RDMSR and WRMSR do when they exit. cpu_model.def lists
// them. Processor state stays in the vCPU page, which this code reads and writes by field; the rest
// is kept here.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/vcpu.h"
#include "cpuid.h"
#include "pv_eoi.h"
#include "pvclock.h"

enum msr_result { MSR_OK, MSR_GP };

// MSRs whose effect lies in other parts of the vmm. All functions are required.
struct msr_hooks {
    void *context;
    uint64_t (*tsc_read)(void *context); // the guest's TSC now
    void (*tsc_write)(void *context, uint64_t value);
    // The Local APIC's: APIC_BASE, TSC_DEADLINE, and 0x800..0x8FF for x2APIC. False: #GP.
    bool (*apic_read)(void *context, uint32_t index, uint64_t *value);
    bool (*apic_write)(void *context, uint32_t index, uint64_t value);
    struct pv_eoi *pv_eoi; // NULL: the model hides it
};

#define MSR_STORED_MAX 32 // registers of kind MSR_STORE

struct msr_state {
    struct cpu_model *model; // its apic_disabled follows APIC_BASE
    struct vcpu_page
        *page; // the groups that msr_groups names must be in it (or unchanged since they were)
    struct pvclock *pvclock; // may be NULL when the model hides the clock
    struct msr_hooks hooks;
    uint64_t stored[MSR_STORED_MAX];
    uint64_t unknown;      // accesses to MSRs that are not in the table
    uint32_t unknown_last; // index of the latest of them
};

// State after power on. model, page, pvclock and what hooks->context points to must outlive it;
// hooks is copied.
void msr_init(struct msr_state *state, struct cpu_model *model, struct vcpu_page *page,
              struct pvclock *pvclock, const struct msr_hooks *hooks);

// The MTRRs as firmware leaves them, for a kernel that starts without: all is write-back but VGA's
// memory and the device hole below 4 GiB.
void msr_firmware_state(struct msr_state *state);

// Groups of the vCPU page (GROUP_*) that an access to this MSR reads or writes; 0 for most.
uint32_t msr_groups(uint32_t index);

// RDMSR. MSR_GP: the guest gets #GP(0), *value is 0.
enum msr_result msr_read(struct msr_state *state, uint32_t index, uint64_t *value);

// WRMSR. MSR_GP: the guest gets #GP(0), nothing changed. A change to the vCPU page adds its group
// to page->dirty. When it is GROUP_SEG or GROUP_SYSCALL the main loop must have that whole group in
// the page.
enum msr_result msr_write(struct msr_state *state, uint32_t index, uint64_t value);

// The page's MSRs after INIT or power on: PAT and XCR0 get their reset values, the others 0.
void msr_reset_page(struct vcpu_page *page);
