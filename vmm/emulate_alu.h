// SPDX-License-Identifier: BSD-2-Clause
// Integer arithmetic of x86 with exact flags (SDM vol. 1 3.4.3 and the instruction pages of vol.
// 2). Sizes are 1, 2, 4 or 8 bytes. Operands may have any bits above their size; results have none.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// In the order of their encodings.
enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum shift_op {
    SHIFT_ROL,
    SHIFT_ROR,
    SHIFT_RCL,
    SHIFT_RCR,
    SHIFT_SHL,
    SHIFT_SHR,
    SHIFT_SAL,
    SHIFT_SAR
};

static inline uint64_t size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

static inline int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused = 64 - 8 * size;

    return (int64_t)(value << unused) >> unused;
}

// Result of `a op b`, for CMP the difference. Updates all arithmetic flags in *flags; AF of the
// logical operations, which is undefined, becomes 0.
uint64_t alu_binary(enum alu_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags);

// INC and DEC: as ADD and SUB of 1, but CF is kept.
uint64_t alu_step(bool decrement, uint64_t a, unsigned size, uint64_t *flags);

// Shifts and rotations. The count is masked as the processor does.
uint64_t alu_shift(enum shift_op op, uint64_t a, unsigned count, unsigned size, uint64_t *flags);

// SHLD and SHRD: shifts `a`, filling with bits of `b`.
uint64_t alu_shift_double(bool right, uint64_t a, uint64_t b, unsigned count, unsigned size,
                          uint64_t *flags);

// Product, low half returned, high half in *high. CF and OF tell whether the high half matters.
uint64_t alu_multiply(bool is_signed, uint64_t a, uint64_t b, unsigned size, uint64_t *high,
                      uint64_t *flags);

// Quotient and remainder of high:low, whose halves have `size` bytes, by `divisor`. False: #DE.
bool alu_divide(bool is_signed, uint64_t high, uint64_t low, uint64_t divisor, unsigned size,
                uint64_t *quotient, uint64_t *remainder);

// Condition code 0..15 of Jcc, SETcc and CMOVcc.
bool alu_condition(unsigned code, uint64_t flags);
