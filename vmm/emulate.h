// SPDX-License-Identifier: BSD-2-Clause
// Executes one instruction of a guest that accesses memory, for accesses that hardware handed to
// the vmm: integer instructions with a memory operand and near stack operations, and the moves of
// MMX, SSE and AVX (SDM vol. 2). docs/virtual-machine.md lists them, and what is left out. Memory
// is reached only through callbacks on linear addresses.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/vcpu.h"
#include "decode.h"
#include "paging.h"
#include "x86.h"

enum emulate_status {
    EMULATE_OK,          // done: registers, flags and rip are those after the instruction
    EMULATE_AGAIN,       // a repeated string instruction that is not finished: registers hold its
                         // progress, rip still points at it. Enter the guest or call again
    EMULATE_FAULT,       // inject *fault; rip points at the instruction
    EMULATE_RETRY,       // nothing was done: enter the guest again
    EMULATE_FPU,         // cpu->fpu is needed and NULL. Nothing was done
    EMULATE_UNSUPPORTED, // not an instruction that this file knows
    EMULATE_NO_MEMORY,   // page tables or data where the machine has neither RAM nor a device
};

// The guest's vector registers: an XSAVE area in standard format, or an FXSAVE area.
struct emulate_fpu {
    uint8_t *area;     // 4 KiB
    bool xsave;        // it has the XSAVE header
    uint16_t ymm, zmm; // offsets of the components AVX (2) and ZMM_Hi256 (6), CPUID 0xD; 0: none
    bool changed;      // by the instruction
};

// What the emulator needs of a vCPU. Only gpr, rip, rflags and *fpu are changed.
struct cpu_view {
    uint64_t *gpr; // 16, by enum gpr
    uint64_t rip, rflags;
    uint64_t cr0, cr3, cr4, efer;
    const struct vcpu_segment *seg; // six, by enum seg; see cpu_mode_of() and cpu_cpl_of()
    const uint64_t *pdpte;          // VMX with PAE paging: the four loaded ones; else NULL
    struct emulate_fpu *fpu;        // NULL: not at hand, see EMULATE_FPU
    uint8_t mode;                   // enum cpu_mode
    uint8_t cpl;
};

// Memory, by linear address. Sizes are 1, 2, 4, 8, 16 or 32 bytes, in size / 8 words; an access may
// cross pages. `intent` of a read is WALK_WRITE when a write to the same place follows: permission
// is then checked first. Of a value below 8 bytes the upper bits are 0.
// On EMULATE_FAULT *fault is filled; any status but EMULATE_OK ends the instruction, and nothing
// of a refused write may have happened.
struct emulate_ops {
    enum emulate_status (*read)(void *ctx, uint64_t linear, unsigned size, enum walk_access intent,
                                uint64_t *value, struct guest_fault *fault);
    enum emulate_status (*write)(void *ctx, uint64_t linear, unsigned size, const uint64_t *value,
                                 struct guest_fault *fault);
};

// Iterations of a repeated string instruction in one call; with RFLAGS.TF set one, so that the trap
// comes after each.
#define EMULATE_STRING_MAX 128

// Executes `insn`, decoded at cpu->rip in cpu->mode. Reads with `intent` and writes arrive in
// program order, at most 2 * EMULATE_STRING_MAX of them. Clears RFLAGS.RF; a set TF and the
// interrupt shadow are the caller's to honour.
enum emulate_status emulate(struct cpu_view *cpu, const struct insn *insn,
                            const struct emulate_ops *ops, void *ctx, struct guest_fault *fault);

// Code width and privilege level from segments and EFER.
enum cpu_mode cpu_mode_of(const struct vcpu_segment *cs, uint64_t efer);

static inline uint8_t cpu_cpl_of(const struct vcpu_segment *ss)
{
    return ss->attributes >> 5 & 3;
}

// Turns `offset` in segment `seg` (enum seg) into a linear address, with the checks that a read or
// write of `size` bytes makes: false fills *fault with #GP(0) or #SS(0).
bool segment_linear(const struct cpu_view *cpu, unsigned seg, uint64_t offset, unsigned size,
                    bool write, uint64_t *linear, struct guest_fault *fault);

// Address of the memory operand inside its segment.
uint64_t insn_effective_address(const struct insn *insn, const struct cpu_view *cpu);
