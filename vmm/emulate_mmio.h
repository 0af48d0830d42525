// SPDX-License-Identifier: BSD-2-Clause
// Completes a guest access to device memory from a nested page fault: fetches the instruction
// through the guest's own page tables, decodes and executes it against RAM and devices.
#pragma once

#include "emulate.h"

// The machine around the vCPU. All callbacks get the ctx of struct mmio.
struct mmio_ops {
    // RAM by guest-physical address: see guest_ram_fn. The emulator also asks for whole 4 KiB
    // pages.
    guest_ram_fn *ram;
    // A device access of 1, 2, 4 or 8 bytes inside one page. Must accept any address; what nothing
    // answers reads as ones and is dropped when written.
    uint64_t (*read)(void *ctx, uint64_t gpa, unsigned size);
    void (*write)(void *ctx, uint64_t gpa, unsigned size, uint64_t value);
    // Completes the view: rflags, cr0, cr3, cr4, efer, seg, mode and cpl. Called at most once for
    // an access, and not by the fast path. NULL when the view is always complete.
    void (*load_state)(void *ctx, struct cpu_view *cpu);
};

#define MMIO_SITES 32

// A MOV, reduced to what executing it takes.
struct mmio_move {
    uint8_t size;     // of the access, 1 to 8 bytes
    uint8_t reg;      // enum gpr, or REG_NONE: `value` is stored
    uint8_t base;     // enum gpr or REG_NONE
    uint8_t index;    // enum gpr or REG_NONE
    uint8_t scale;    // shift of the index
    bool write;       // to memory
    uint64_t mask;    // of the bits that the access has
    uint64_t keep;    // bits of the register that a load leaves
    uint64_t address; // displacement, or address of an operand relative to RIP
    uint64_t value;   // immediate
};

// An instruction of 64-bit code that made an exit, and what was found out about it. See
// emulate_fast.c for why this cannot go stale.
struct mmio_site {
    uint64_t rip; // 0: empty
    uint64_t cr3;
    const uint8_t *host; // where the code lies
    uint64_t code[2];    // its first 16 bytes
    struct {
        const uint64_t *at;
        uint64_t value;
    } entry[4];     // page-table entries; the last one is repeated where a large page needs fewer
    uint8_t length; // of the instruction
    struct mmio_move move;
};

// One per vCPU. Set the first four fields, then call mmio_flush().
struct mmio {
    const struct mmio_ops *ops;
    void *ctx;
    uint8_t physical_bits; // as struct paging
    bool no_1g_pages;
    struct mmio_site sites[MMIO_SITES];
};

// Forgets kept host addresses: at the start, and whenever the RAM map of the guest changes.
void mmio_flush(struct mmio *m);

// Executes the instruction at cpu->rip, which accessed device address `gpa`; `write` tells the
// direction that hardware reported. The fast path, a MOV in 64-bit mode above 4 GiB that was met
// before, needs of the view only gpr, rip, cr3 and cr4. rflags is read and written: RF is cleared.
// Not for faults of instruction fetches, nor for those of the guest's own table walks. The caller
// clears the interrupt shadow, and raises #DB when TF was set, on EMULATE_OK.
enum emulate_status mmio_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write,
                                 struct guest_fault *fault);

// Copies up to 15 bytes of the instruction at cpu->rip, for a debugger or a report. Returns
// EMULATE_OK and the count in *n, which is below 15 only when the following page cannot be fetched
// or the code segment ends. The view must be complete.
enum emulate_status mmio_fetch(struct mmio *m, const struct cpu_view *cpu,
                               uint8_t bytes[INSN_MAX_LENGTH], unsigned *n,
                               struct guest_fault *fault);
