// SPDX-License-Identifier: BSD-2-Clause
// Integer arithmetic with x86 flags: see emulate_alu.h.
#include "emulate_alu.h"
#include "x86.h"

#define FLAGS_SZP   (RFLAGS_SF | RFLAGS_ZF | RFLAGS_PF)
#define FLAGS_ARITH (FLAGS_SZP | RFLAGS_CF | RFLAGS_AF | RFLAGS_OF)

static bool top_bit(uint64_t value, unsigned size)
{
    return value >> (8 * size - 1) & 1;
}

static uint64_t flag(bool set, uint64_t bit)
{
    return set ? bit : 0;
}

static uint64_t szp(uint64_t result, unsigned size)
{
    unsigned parity = (result ^ result >> 4) & 0xf;

    return flag(result == 0, RFLAGS_ZF) | flag(top_bit(result, size), RFLAGS_SF) |
           flag(0x9669 >> parity & 1, RFLAGS_PF);
}

uint64_t alu_binary(enum alu_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
    uint64_t mask = size_mask(size);
    uint64_t carry = (op == ALU_ADC || op == ALU_SBB) && *flags & RFLAGS_CF;
    uint64_t carries = 0; // out of each bit
    uint64_t result = 0;
    bool overflow = false;

    a &= mask;
    b &= mask;
    switch (op) {
    case ALU_ADD:
    case ALU_ADC:
        result = (a + b + carry) & mask;
        carries = (a & b) | ((a | b) & ~result);
        overflow = top_bit((a ^ result) & (b ^ result), size);
        break;
    case ALU_SUB:
    case ALU_SBB:
    case ALU_CMP:
        result = (a - b - carry) & mask;
        carries = (~a & b) | ((~a | b) & result);
        overflow = top_bit((a ^ b) & (a ^ result), size);
        break;
    case ALU_OR:
        result = a | b;
        break;
    case ALU_AND:
        result = a & b;
        break;
    case ALU_XOR:
        result = a ^ b;
        break;
    }
    *flags = (*flags & ~FLAGS_ARITH) | szp(result, size) | flag(top_bit(carries, size), RFLAGS_CF) |
             flag(carries & 8, RFLAGS_AF) | flag(overflow, RFLAGS_OF);
    return result;
}

uint64_t alu_step(bool decrement, uint64_t a, unsigned size, uint64_t *flags)
{
    uint64_t carry = *flags & RFLAGS_CF;
    uint64_t result = alu_binary(decrement ? ALU_SUB : ALU_ADD, a, 1, size, flags);

    *flags = (*flags & ~RFLAGS_CF) | carry;
    return result;
}

static void set_carry_overflow(uint64_t *flags, bool carry, bool overflow)
{
    *flags =
        (*flags & ~(RFLAGS_CF | RFLAGS_OF)) | flag(carry, RFLAGS_CF) | flag(overflow, RFLAGS_OF);
}

// Rotation through `width` bits, 9..65 with the carry: 0 <= count < width.
static unsigned __int128 rotate_left(unsigned __int128 value, unsigned count, unsigned width)
{
    unsigned __int128 mask = ((unsigned __int128)1 << width) - 1;

    return ((value << count) | (value >> (width - count))) & mask;
}

static uint64_t rotate(enum shift_op op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
    unsigned width = 8 * size;
    bool carry = *flags & RFLAGS_CF;
    bool right = op == SHIFT_ROR || op == SHIFT_RCR;
    uint64_t result;

    if (op == SHIFT_ROL || op == SHIFT_ROR) {
        count %= width;
        result = rotate_left(a, right ? (width - count) % width : count, width);
        carry = right ? top_bit(result, size) : result & 1;
    } else {
        unsigned __int128 wide = (unsigned __int128)carry << width | a;

        count %= width + 1;
        wide = rotate_left(wide, right ? (width + 1 - count) % (width + 1) : count, width + 1);
        result = (uint64_t)wide & size_mask(size);
        carry = wide >> width & 1;
    }
    bool overflow = top_bit(result, size) ^ (right ? result >> (width - 2) & 1 : carry);
    set_carry_overflow(flags, carry, overflow);
    return result;
}

uint64_t alu_shift(enum shift_op op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
    unsigned width = 8 * size;
    uint64_t mask = size_mask(size);
    uint64_t result;
    bool carry, overflow;

    a &= mask;
    count &= size == 8 ? 63 : 31;
    if (count == 0)
        return a;
    if (op < SHIFT_SHL)
        return rotate(op, a, count, size, flags);

    if (op == SHIFT_SAR) {
        int64_t wide = sign_extend(a, size);
        result = (uint64_t)(wide >> count) & mask;
        carry = wide >> (count - 1) & 1;
        overflow = false;
    } else if (op == SHIFT_SHR) {
        result = a >> count;
        carry = a >> (count - 1) & 1;
        overflow = top_bit(a, size);
    } else {
        result = a << count & mask;
        carry = count <= width && a >> (width - count) & 1;
        overflow = top_bit(result, size) ^ carry;
    }
    *flags = (*flags & ~(FLAGS_SZP | RFLAGS_AF)) | szp(result, size);
    set_carry_overflow(flags, carry, overflow);
    return result;
}

uint64_t alu_shift_double(bool right, uint64_t a, uint64_t b, unsigned count, unsigned size,
                          uint64_t *flags)
{
    unsigned width = 8 * size;
    uint64_t mask = size_mask(size);
    uint64_t result;
    bool carry;

    a &= mask;
    b &= mask;
    count &= size == 8 ? 63 : 31;
    if (count == 0)
        return a;
    if (count > width) // undefined, 16-bit operands only
        count = width;
    if (right) {
        result = (a >> count | b << (width - count)) & mask;
        carry = a >> (count - 1) & 1;
    } else {
        result = (a << count | b >> (width - count)) & mask;
        carry = a >> (width - count) & 1;
    }
    *flags = (*flags & ~(FLAGS_SZP | RFLAGS_AF)) | szp(result, size);
    set_carry_overflow(flags, carry, top_bit(a ^ result, size));
    return result;
}

uint64_t alu_multiply(bool is_signed, uint64_t a, uint64_t b, unsigned size, uint64_t *high,
                      uint64_t *flags)
{
    uint64_t mask = size_mask(size);
    unsigned __int128 product;
    uint64_t result, unused_high;

    if (is_signed)
        product = (unsigned __int128)((__int128)sign_extend(a, size) * sign_extend(b, size));
    else
        product = (unsigned __int128)(a & mask) * (b & mask);
    result = (uint64_t)product & mask;
    *high = (uint64_t)(product >> (8 * size)) & mask;
    unused_high = is_signed && top_bit(result, size) ? mask : 0;
    set_carry_overflow(flags, *high != unused_high, *high != unused_high);
    return result;
}

bool alu_divide(bool is_signed, uint64_t high, uint64_t low, uint64_t divisor, unsigned size,
                uint64_t *quotient, uint64_t *remainder)
{
    uint64_t mask = size_mask(size);
    unsigned __int128 value = (unsigned __int128)(high & mask) << (8 * size) | (low & mask);
    bool negative = is_signed && top_bit(high, size);
    bool opposite = is_signed && negative != top_bit(divisor, size);
    uint64_t limit = is_signed ? (mask >> 1) + opposite : mask; // of the quotient's magnitude
    uint64_t q, r;

    divisor &= mask;
    if (is_signed && top_bit(divisor, size))
        divisor = -divisor & mask;
    if (negative) {
        unsigned unused = 128 - 16 * size;
        value = -(value << unused) >> unused;
    }
    if ((uint64_t)(value >> 64) >= divisor) // also a divisor of 0
        return false;
    __asm__("divq %4"
            : "=a"(q), "=d"(r)
            : "a"((uint64_t)value), "d"((uint64_t)(value >> 64)), "r"(divisor)
            : "cc");
    if (q > limit)
        return false;
    *quotient = (opposite ? -q : q) & mask;
    *remainder = (negative ? -r : r) & mask;
    return true;
}

bool alu_condition(unsigned code, uint64_t flags)
{
    bool less = !(flags & RFLAGS_SF) != !(flags & RFLAGS_OF);
    bool value = false;

    switch (code >> 1 & 7) {
    case 0:
        value = flags & RFLAGS_OF;
        break;
    case 1:
        value = flags & RFLAGS_CF;
        break;
    case 2:
        value = flags & RFLAGS_ZF;
        break;
    case 3:
        value = flags & (RFLAGS_CF | RFLAGS_ZF);
        break;
    case 4:
        value = flags & RFLAGS_SF;
        break;
    case 5:
        value = flags & RFLAGS_PF;
        break;
    case 6:
        value = less;
        break;
    case 7:
        value = less || flags & RFLAGS_ZF;
        break;
    }
    return value != (code & 1);
}
