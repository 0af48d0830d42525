// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own page tables, the window onto pools, and the x86 part of tasks and guests.
#pragma once

#include "x86.h"
#include <stddef.h>

#define PTE_P   1ull
#define PTE_W   2ull
#define PTE_U   4ull
#define PTE_PWT 8ull
#define PTE_PCD 16ull
#define PTE_PS  0x80ull
#define PTE_G   0x100ull
#define PTE_NX  (1ull << 63)

extern uint64_t kernel_pml4[512];
extern uint64_t
    tss_table[512]; // maps TSS_BASE: per CPU a TSS page and the two pages of the bitmap that denies every port

uint64_t kernel_phys(const void *image_address); // of something in the kernel's image
// At boot: the flat array of window entries (one per page of [0, top)), and the number of entries.
void window_init(uint64_t *entries, uint64_t count);
