// SPDX-License-Identifier: BSD-2-Clause
// Instruction emulator: opcodes of the 0F and 0F38 maps. See emulate.h.
#include "emulate_alu.h"
#include "emulate_internal.h"

// MOVZX, MOVSX: the low opcode bit is the size of the source.
static enum emulate_status move_extend(struct emulation *e, bool is_signed)
{
    unsigned from = e->insn->opcode & 1 ? 2 : 1;
    uint64_t value;
    enum emulate_status status = emulate_load(e, from, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    if (is_signed)
        value = sign_extend(value, from);
    emulate_set(e, insn_reg(e->insn), e->insn->operand_size, value);
    return EMULATE_OK;
}

// The memory is read, and the upper half of a 32-bit destination cleared, even when not moved.
static enum emulate_status move_conditional(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    if (!alu_condition(e->insn->opcode & 15, e->flags))
        value = emulate_get(e, reg, e->size);
    // In 16- and 32-bit mode the upper half cannot be seen; writing it there does no harm.
    emulate_set(e, reg, e->size, value);
    return EMULATE_OK;
}

// BT, BTS, BTR, BTC. A register operand is a signed bit offset that reaches beyond the operand.
static enum emulate_status bit_test(struct emulation *e, unsigned op, bool immediate)
{
    struct insn moved = *e->insn;
    unsigned width = 8 * e->size;
    uint64_t offset = (uint64_t)e->insn->imm;
    uint64_t value, bit;
    enum emulate_status status;

    if (!immediate) {
        int64_t index = sign_extend(emulate_get(e, insn_reg(e->insn), e->size), e->size);
        offset = (uint64_t)index;
        moved.disp += (index >> (e->size == 2 ? 4 : e->size == 4 ? 5 : 6)) * (int64_t)e->size;
    }
    struct emulation at = *e;
    at.insn = &moved;
    status = emulate_load(&at, e->size, op == 0 ? WALK_READ : WALK_WRITE, &value);
    if (status != EMULATE_OK)
        return status;

    bit = 1ull << (offset & (width - 1));
    e->flags = (e->flags & ~RFLAGS_CF) | (value & bit ? RFLAGS_CF : 0);
    if (op == 0)
        return EMULATE_OK;
    if (op == 1)
        value |= bit;
    else if (op == 2)
        value &= ~bit;
    else
        value ^= bit;
    return emulate_store(&at, e->size, value);
}

static enum emulate_status shift_double(struct emulation *e)
{
    bool right = e->insn->opcode >= 0xac;
    unsigned count = (e->insn->opcode & 1 ? e->cpu->gpr[RCX] : (uint64_t)e->insn->imm) & 0xff;
    uint64_t value;
    enum emulate_status status;

    e->size = e->insn->operand_size;
    status = emulate_load(e, e->size, WALK_WRITE, &value);
    if (status != EMULATE_OK)
        return status;
    value = alu_shift_double(right, value, emulate_get(e, insn_reg(e->insn), e->size), count,
                             e->size, &e->flags);
    return emulate_store(e, e->size, value);
}

// The memory is written in either case, as the processor does.
static enum emulate_status compare_exchange(struct emulation *e)
{
    uint64_t accumulator = emulate_get_address(e, RAX, e->size);
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_WRITE, &value);

    if (status != EMULATE_OK)
        return status;
    bool equal = accumulator == value;
    alu_binary(ALU_CMP, accumulator, value, e->size, &e->flags);
    uint64_t source = emulate_get(e, insn_reg(e->insn), e->size);
    status = emulate_store(e, e->size, equal ? source : value);
    if (status == EMULATE_OK && !equal)
        emulate_set(e, RAX, e->size, value);
    return status;
}

// CMPXCHG8B and CMPXCHG16B, which must be aligned. Only ZF changes.
static enum emulate_status compare_exchange_pair(struct emulation *e)
{
    uint64_t *gpr = e->cpu->gpr;
    unsigned half = e->insn->rex & REX_W ? 8 : 4;
    uint64_t old[2], new[2] = {gpr[RBX], gpr[RCX]};
    enum emulate_status status;

    if (e->insn->reg != 1)
        return EMULATE_UNSUPPORTED;
    status = emulate_load_wide(e, 2 * half, WALK_WRITE, half == 8, old);
    if (status != EMULATE_OK)
        return status;
    uint64_t low = old[0] & size_mask(half), high = half == 8 ? old[1] : old[0] >> 32;
    bool equal =
        emulate_get_address(e, RAX, half) == low && emulate_get_address(e, RDX, half) == high;
    if (half == 4)
        new[0] = (uint32_t)gpr[RBX] | gpr[RCX] << 32;
    status = emulate_store_wide(e, 2 * half, half == 8, equal ? new : old);
    if (status != EMULATE_OK)
        return status;
    e->flags = (e->flags & ~RFLAGS_ZF) | (equal ? RFLAGS_ZF : 0);
    if (!equal) {
        emulate_set(e, RAX, half, low);
        emulate_set(e, RDX, half, high);
    }
    return EMULATE_OK;
}

static enum emulate_status exchange_add(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value, sum;
    enum emulate_status status = emulate_load(e, e->size, WALK_WRITE, &value);

    if (status != EMULATE_OK)
        return status;
    sum = alu_binary(ALU_ADD, value, emulate_get(e, reg, e->size), e->size, &e->flags);
    status = emulate_store(e, e->size, sum);
    if (status == EMULATE_OK)
        emulate_set(e, reg, e->size, value);
    return status;
}

static enum emulate_status multiply(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value, high;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_multiply(true, emulate_get(e, reg, e->size), value, e->size, &high, &e->flags);
    emulate_set(e, reg, e->size, value);
    return EMULATE_OK;
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

// MOVBE. With F2 the opcodes are CRC32.
static enum emulate_status move_big_endian(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    unsigned size = e->insn->operand_size;
    uint64_t value;
    enum emulate_status status;

    if (e->insn->opcode == 0xf1)
        return emulate_store(e, size, swap_bytes(emulate_get(e, reg, size), size));
    status = emulate_load(e, size, WALK_READ, &value);
    if (status == EMULATE_OK)
        emulate_set(e, reg, size, swap_bytes(value, size));
    return status;
}

enum emulate_status emulate_two_byte(struct emulation *e)
{
    const struct insn *insn = e->insn;
    bool repeat = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);

    if (insn->map == MAP_0F38) {
        bool movbe = (insn->opcode == 0xf0 || insn->opcode == 0xf1) && !repeat;
        return movbe ? move_big_endian(e) : EMULATE_UNSUPPORTED;
    }
    if (insn->map != MAP_0F)
        return EMULATE_UNSUPPORTED;
    switch (insn->opcode) {
    case 0x01: // SMSW
        return insn->reg == 4 ? emulate_store(e, 2, e->cpu->cr0) : EMULATE_UNSUPPORTED;
    case 0x0d: // prefetches and NOPs name memory but do not access it
    case 0x18 ... 0x1f:
        return EMULATE_OK;
    case 0x40 ... 0x4f:
        e->size = insn->operand_size;
        return move_conditional(e);
    case 0x90 ... 0x9f:
        return emulate_store(e, 1, alu_condition(insn->opcode & 15, e->flags));
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xbb:
        return bit_test(e, insn->opcode >> 3 & 3, false);
    case 0xba:
        e->size = insn->operand_size;
        return bit_test(e, insn->reg & 3, true);
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
        return shift_double(e);
    case 0xaf:
        return multiply(e);
    case 0xb0:
    case 0xb1:
        return compare_exchange(e);
    case 0xb6:
    case 0xb7:
        return move_extend(e, false);
    case 0xbe:
    case 0xbf:
        return move_extend(e, true);
    case 0xc0:
    case 0xc1:
        return exchange_add(e);
    case 0xc3: // MOVNTI
        if (repeat || insn->prefixes & PREFIX_OPERAND_SIZE)
            return EMULATE_UNSUPPORTED;
        e->size = insn->rex & REX_W ? 8 : 4;
        return emulate_store(e, e->size, emulate_get(e, insn_reg(insn), e->size));
    case 0xc7:
        return compare_exchange_pair(e);
    default:
        return EMULATE_UNSUPPORTED;
    }
}
