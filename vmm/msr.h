// SPDX-License-Identifier: BSD-2-Clause
// Model-specific registers of one vCPU: what RDMSR and WRMSR do when they exit. cpu_model.def lists
// them. Processor state stays in the vCPU page, which this code reads and writes by field; the rest
// is kept here.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/vcpu.h"
#include "cpuid.h"
#include "pvclock.h"

enum msr_result { MSR_OK, MSR_GP };

// MSRs whose effect lies in other parts of the vmm. All entries are required, but the x2apic pair
// may be NULL.
struct msr_hooks {
    void *context;
    uint64_t (*tsc_read)(void *context); // the guest's TSC now
    void (*tsc_write)(void *context, uint64_t value);
    uint64_t (*deadline_read)(
        void *context); // guest TSC at which the APIC timer fires, 0: not armed
    void (*deadline_write)(void *context, uint64_t value);
    void (*apic_base_changed)(void *context, uint64_t value); // after a write that was accepted
    bool (*x2apic_read)(void *context, uint32_t index,
                        uint64_t *value); // MSR 0x800..0x8FF; false: #GP
    bool (*x2apic_write)(void *context, uint32_t index, uint64_t value);
};

#define MSR_STORED_MAX 4 // registers of kind MSR_STORE

struct msr_state {
    struct cpu_model *model; // MSR_PAGE checks and APIC_BASE use and update it
    struct vcpu_page
        *page; // the groups that msr_groups names must be in it (or unchanged since they were)
    struct pvclock *pvclock; // may be NULL when the model hides the clock
    struct msr_hooks hooks;
    uint64_t apic_base;
    uint64_t stored[MSR_STORED_MAX];
    uint64_t unknown;      // accesses to MSRs that are not in the table
    uint32_t unknown_last; // index of the latest of them
};

#define APIC_BASE_BSP  (1u << 8)
#define APIC_BASE_EXTD (1u << 10)
#define APIC_BASE_EN   (1u << 11)

// State after power on. model, page, pvclock and what hooks->context points to must outlive it;
// hooks is copied.
void msr_init(struct msr_state *state, struct cpu_model *model, struct vcpu_page *page,
              struct pvclock *pvclock, const struct msr_hooks *hooks);

// Groups of the vCPU page (GROUP_*) that an access to this MSR reads or writes; 0 for most.
uint32_t msr_groups(uint32_t index);

// RDMSR. MSR_GP: the guest gets #GP(0), *value is 0.
enum msr_result msr_read(struct msr_state *state, uint32_t index, uint64_t *value);

// WRMSR. MSR_GP: the guest gets #GP(0), nothing changed. A change to the vCPU page adds its group
// to page->dirty. When it is GROUP_SEG or GROUP_SYSCALL the main loop must have that whole group in
// the page.
enum msr_result msr_write(struct msr_state *state, uint32_t index, uint64_t value);

// EFER and the page's fields after INIT or power on: PAT gets its reset value, the others 0.
void msr_reset_page(struct vcpu_page *page);
