// SPDX-License-Identifier: BSD-2-Clause
// Inside the SVM backend: features found at boot, state groups.
#pragma once

#include "../virt.h"
#include "vmcb.h"

extern bool svm_virtual_events; // inject=virtual on the kernel's command line
// Loads the groups of `dirty` from the page into the VMCB.
void svm_load(struct vcpu *v, struct vcpu_page *page, uint32_t dirty);
// Stores the groups of `want` into the page.
void svm_store(struct vcpu *v, struct vcpu_page *page, uint32_t want);
// Sets the intercepts: `must`, what the vmm asked for, and what the vCPU's state needs.
void svm_intercepts(struct vcpu *v);
