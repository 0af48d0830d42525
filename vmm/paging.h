// SPDX-License-Identifier: BSD-2-Clause
// Walk of a guest's page tables (SDM 3A chapter 4): no paging, 32-bit with PSE, PAE, 4-level and
// 5-level. Protection keys and shadow stacks are not modelled: the virtual CPU has neither.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "x86.h"

#define PAGE_FAULT_PRESENT  (1u << 0)
#define PAGE_FAULT_WRITE    (1u << 1)
#define PAGE_FAULT_USER     (1u << 2)
#define PAGE_FAULT_RESERVED (1u << 3)
#define PAGE_FAULT_FETCH    (1u << 4)

#define PAGING_LEVELS 5

// Host address of guest-physical range [gpa, gpa + size), or NULL unless all of it is RAM of the
// guest, readable, and for `write` writable. The range never crosses a 4 KiB boundary and is
// hostile: any 64-bit number. The address must stay valid as long as translations are kept.
typedef void *guest_ram_fn(void *ctx, uint64_t gpa, size_t size, bool write);

struct paging {
    guest_ram_fn *ram;
    void *ctx;
    uint64_t cr0, cr3, cr4, efer, rflags;
    const uint64_t *pdpte; // PAE: the four loaded PDPTEs (VMX), or NULL to read them from memory
    uint8_t cpl;           // 0..3; 3 makes user accesses
    uint8_t physical_bits; // MAXPHYADDR that the guest sees, 32..52: above it bits are reserved
    bool no_1g_pages;      // CPUID told the guest so: bit 7 of a PDPTE is reserved
    bool implicit;         // access to a system structure: supervisor, whatever the CPL
};

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH };

enum walk_status {
    WALK_OK,
    WALK_FAULT,  // inject *fault
    WALK_NO_RAM, // a table lies outside RAM, or an accessed or dirty bit in read-only memory
    WALK_RETRY,  // another CPU of the guest keeps changing the tables: enter the guest again
};

// Exception to inject. The address of a page fault goes to CR2.
struct guest_fault {
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t cr2;
};

// One translation, with the table entries that it came from, so that it can be checked cheaply.
struct translation {
    uint64_t gpa;       // of the linear address asked for
    uint64_t page_size; // 4 KiB, 2 MiB, 4 MiB or 1 GiB; 4 KiB without paging
    unsigned levels;    // entries visited, 0..5
    struct {
        const void *entry; // host address
        uint64_t value;    // after accessed and dirty bits were set
    } visited[PAGING_LEVELS];
    uint8_t entry_size; // 4 or 8 bytes
};

// Translates `linear` as the processor would, and sets accessed and dirty bits like it. Outside
// 64-bit mode the caller passes 32-bit addresses. Every table entry is read once; where setting a
// bit races with another CPU, the walk starts again, a bounded number of times. A non-canonical
// address gives #GP(0). The gpa may be anything up to physical_bits: it is not checked against RAM.
enum walk_status paging_walk(const struct paging *p, uint64_t linear, enum walk_access access,
                             struct translation *out, struct guest_fault *fault);

static inline bool linear_is_canonical(uint64_t linear, uint64_t cr4)
{
    unsigned unused = cr4 & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}
