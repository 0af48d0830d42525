// SPDX-License-Identifier: BSD-2-Clause
// Instruction emulator: bit scans and counts, CRC32, ADCX and ADOX, and BMI1 and BMI2, which are
// the general-register instructions in VEX encoding (SDM vol. 2). See emulate.h. Whether the guest
// has them the processor has decided before it came to the access.
#include "emulate_alu.h"
#include "emulate_internal.h"

#define FLAGS_ARITH (RFLAGS_SF | RFLAGS_ZF | RFLAGS_PF | RFLAGS_CF | RFLAGS_AF | RFLAGS_OF)

// Opcode with the prefix that selects it.
#define OP(prefixes, opcode) ((prefixes) << 8 | (opcode))
enum { P66 = PREFIX_OPERAND_SIZE, PF2 = PREFIX_REPNE, PF3 = PREFIX_REP };

static unsigned selector(const struct insn *insn)
{
    unsigned repeat = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);

    return OP(repeat ? repeat : insn->prefixes & PREFIX_OPERAND_SIZE, insn->opcode);
}

static void set_flags(struct emulation *e, uint64_t result, bool carry)
{
    alu_binary(ALU_OR, result, result, e->size, &e->flags);
    e->flags |= carry ? RFLAGS_CF : 0;
}

// What F3 0F BC and F3 0F BD do: processors without BMI1 and LZCNT take them for BSF and BSR.
static bool scans_are_counts(bool reverse)
{
    uint64_t result;

    if (reverse)
        __asm__("rep bsrq %1, %0" : "=r"(result) : "r"(1ull << 62) : "cc");
    else
        __asm__("rep bsfq %1, %0" : "=r"(result) : "r"(0ull) : "cc");
    return result == (reverse ? 1 : 64);
}

static enum emulate_status scan(struct emulation *e, bool reverse, bool count)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    unsigned bit = !value
                       ? 8 * e->size
                       : (unsigned)(reverse ? 63 - __builtin_clzll(value) : __builtin_ctzll(value));
    e->flags &= ~FLAGS_ARITH;
    if (!count || !scans_are_counts(reverse)) {
        e->flags |= value ? 0 : RFLAGS_ZF; // and the register stays
        if (value)
            emulate_set(e, reg, e->size, bit);
        return EMULATE_OK;
    }
    uint64_t result = reverse && value ? 8 * e->size - 1 - bit : bit;
    e->flags |= (value ? 0 : RFLAGS_CF) | (result ? 0 : RFLAGS_ZF);
    emulate_set(e, reg, e->size, result);
    return EMULATE_OK;
}

static enum emulate_status population(struct emulation *e)
{
    uint64_t value, result = 0;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    for (uint64_t left = value; left; left &= left - 1)
        result++;
    e->flags = (e->flags & ~FLAGS_ARITH) | (value ? 0 : RFLAGS_ZF);
    emulate_set(e, insn_reg(e->insn), e->size, result);
    return EMULATE_OK;
}

// CRC-32C with reflected bits.
static enum emulate_status crc32(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    uint64_t crc = emulate_get(e, reg, 4);
    for (unsigned i = 0; i < 8 * e->size; i++, value >>= 1)
        crc = crc >> 1 ^ ((crc ^ value) & 1 ? 0x82f63b78 : 0);
    emulate_set(e, reg, 4, crc);
    return EMULATE_OK;
}

// ADCX and ADOX: `flag` is both carry in and carry out.
static enum emulate_status add_flag(struct emulation *e, uint64_t flag)
{
    uint64_t flags = e->flags & flag ? RFLAGS_CF : 0, value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_binary(ALU_ADC, emulate_get(e, insn_reg(e->insn), e->size), value, e->size, &flags);
    e->flags = (e->flags & ~flag) | (flags & RFLAGS_CF ? flag : 0);
    emulate_set(e, insn_reg(e->insn), e->size, value);
    return EMULATE_OK;
}

static uint64_t deposit(uint64_t value, uint64_t mask, bool extract)
{
    uint64_t result = 0;

    for (uint64_t bit = 1; mask; bit <<= 1) { // bound: the bits of the mask
        uint64_t lowest = mask & -mask;
        result |= value & (extract ? lowest : bit) ? (extract ? bit : lowest) : 0;
        mask &= mask - 1;
    }
    return result;
}

// The result for a destination, of the operand from memory and that in vvvv; with flags. BLSR,
// BLSMSK and BLSI have their destination in vvvv.
static uint64_t compute(struct emulation *e, unsigned op, uint64_t value, uint64_t other)
{
    unsigned width = 8 * e->size, start = other & 0xff, length = other >> 8 & 0xff;
    uint64_t result;

    switch (op) {
    case OP(0, 0xf2): // ANDN
        result = ~other & value;
        set_flags(e, result, false);
        return result;
    case OP(0, 0xf3):
        result = e->insn->reg == 1   ? value & (value - 1)
                 : e->insn->reg == 2 ? value ^ (value - 1)
                                     : value & -value;
        set_flags(e, result, (e->insn->reg == 3) == (value != 0));
        return result;
    case OP(0, 0xf5): // BZHI
        result = start < width ? value & ((1ull << start) - 1) : value;
        set_flags(e, result, start >= width);
        return result;
    case OP(0, 0xf7): // BEXTR
        result = start < width ? value >> start : 0;
        result = length < width ? result & ((1ull << length) - 1) : result;
        set_flags(e, result, false);
        return result;
    case OP(PF2, 0xf5): // PDEP
        return deposit(other, value, false);
    case OP(PF3, 0xf5): // PEXT
        return deposit(other, value, true);
    case OP(P66, 0xf7): // SHLX
        return value << (other & (width - 1));
    case OP(PF2, 0xf7): // SHRX
        return value >> (other & (width - 1));
    default: // SARX
        return (uint64_t)(sign_extend(value, e->size) >> (other & (width - 1)));
    }
}

static bool is_bmi(const struct insn *insn, unsigned op)
{
    switch (op) {
    case OP(0, 0xf3):
        return insn->reg >= 1 && insn->reg <= 3;
    case OP(0, 0xf2):
    case OP(0, 0xf5):
    case OP(0, 0xf7):
    case OP(PF2, 0xf5):
    case OP(PF3, 0xf5):
    case OP(PF2, 0xf6):
    case OP(P66, 0xf7):
    case OP(PF2, 0xf7):
    case OP(PF3, 0xf7):
        return true;
    default:
        return false;
    }
}

static enum emulate_status bmi(struct emulation *e)
{
    const struct insn *insn = e->insn;
    unsigned op = selector(insn), reg = insn_reg(insn);
    bool rotate = insn->map == MAP_0F3A && op == OP(PF2, 0xf0) && insn->vvvv == 0; // RORX
    uint64_t value, high, unused = 0;

    if (insn->wide || !(rotate || (insn->map == MAP_0F38 && is_bmi(insn, op))))
        return EMULATE_UNSUPPORTED;
    e->size = insn->rex & REX_W && e->cpu->mode == CPU_MODE_64 ? 8 : 4;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);
    if (status != EMULATE_OK)
        return status;
    if (rotate) {
        emulate_set(e, reg, e->size,
                    alu_shift(SHIFT_ROR, value, insn->imm & 0xff, e->size, &unused));
    } else if (op == OP(PF2, 0xf6)) { // MULX: when both are the same register it gets the high half
        value = alu_multiply(false, e->cpu->gpr[RDX], value, e->size, &high, &unused);
        emulate_set(e, insn->vvvv, e->size, value);
        emulate_set(e, reg, e->size, high);
    } else {
        uint64_t result = compute(e, op, value, emulate_get(e, insn->vvvv, e->size));
        emulate_set(e, op == OP(0, 0xf3) ? insn->vvvv : reg, e->size, result);
    }
    return EMULATE_OK;
}

static enum emulate_status bits(struct emulation *e)
{
    const struct insn *insn = e->insn;
    unsigned op = selector(insn);
    bool repeated = insn->prefixes & PREFIX_REP;

    if (insn->encoding != ENCODING_LEGACY)
        return bmi(e);
    if (insn->map == MAP_0F && (insn->opcode == 0xbc || insn->opcode == 0xbd)) {
        e->size = insn->operand_size;
        return scan(e, insn->opcode & 1, repeated);
    }
    if (insn->map == MAP_0F && insn->opcode == 0xb8 && repeated) {
        e->size = insn->operand_size;
        return population(e);
    }
    if (insn->map != MAP_0F38)
        return EMULATE_UNSUPPORTED;
    switch (op) {
    case OP(PF2, 0xf0):
    case OP(PF2, 0xf1):
        return crc32(e);
    case OP(P66, 0xf6):
    case OP(PF3, 0xf6):
        e->size = insn->rex & REX_W ? 8 : 4;
        return add_flag(e, op == OP(P66, 0xf6) ? RFLAGS_CF : RFLAGS_OF);
    default:
        return EMULATE_UNSUPPORTED;
    }
}

enum emulate_status emulate_extended(struct emulation *e)
{
    enum emulate_status status = bits(e);

    return status == EMULATE_UNSUPPORTED ? emulate_vector(e) : status;
}
