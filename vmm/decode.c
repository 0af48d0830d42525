// SPDX-License-Identifier: BSD-2-Clause
// x86 instruction decoder: see decode.h. The bytes belong to a guest: each is read once, through
// a cursor that returns 0 past the end and remembers it, so that no path needs its own check.
#include "decode.h"

struct cursor {
    const uint8_t *bytes;
    unsigned at, limit;
    bool overrun;
};

static uint8_t next(struct cursor *c)
{
    if (c->at >= c->limit) {
        c->overrun = true;
        return 0;
    }
    return c->bytes[c->at++];
}

static uint8_t peek(const struct cursor *c)
{
    return c->at < c->limit ? c->bytes[c->at] : 0;
}

static int64_t next_signed(struct cursor *c, unsigned size)
{
    uint64_t value = 0;

    if (size == 0)
        return 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)next(c) << (8 * i);
    unsigned unused = 64 - 8 * size;
    return (int64_t)(value << unused) >> unused;
}

// Returns the first byte that is not a legacy or REX prefix. Ends: past the limit next() gives 0.
static uint8_t parse_prefixes(struct cursor *c, struct insn *insn, enum cpu_mode mode)
{
    for (;;) {
        uint8_t byte = next(c);
        uint8_t rex = 0;

        switch (byte) {
        case 0x66:
            insn->prefixes |= PREFIX_OPERAND_SIZE;
            break;
        case 0x67:
            insn->prefixes |= PREFIX_ADDRESS_SIZE;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            // 64-bit mode ignores these four; an earlier FS or GS override stays in effect.
            if (mode != CPU_MODE_64) {
                insn->segment = byte >> 3 & 3;
                insn->overridden = true;
            }
            break;
        case 0x64:
        case 0x65:
            insn->segment = byte - 0x64 + SEG_FS;
            insn->overridden = true;
            break;
        case 0xf0:
            insn->prefixes |= PREFIX_LOCK;
            break;
        case 0xf2:
            insn->prefixes = (insn->prefixes & ~PREFIX_REP) | PREFIX_REPNE;
            break;
        case 0xf3:
            insn->prefixes = (insn->prefixes & ~PREFIX_REPNE) | PREFIX_REP;
            break;
        default:
            if (mode != CPU_MODE_64 || (byte & 0xf0) != 0x40)
                return byte;
            rex = byte;
        }
        // REX counts only directly before the opcode: any later prefix cancels it.
        insn->rex = rex;
    }
}

static void set_pp(struct insn *insn, unsigned pp)
{
    static const uint8_t prefix[4] = {0, PREFIX_OPERAND_SIZE, PREFIX_REP, PREFIX_REPNE};

    insn->prefixes |= prefix[pp & 3];
}

// VEX (C4, C5) and EVEX (62) payloads up to the opcode. R, X and B are stored inverted. In 16- and
// 32-bit mode the first two bits of the payload are ones (else it is LES, LDS or BOUND), and B is
// ignored.
static bool parse_vex(struct cursor *c, struct insn *insn, uint8_t escape, enum cpu_mode mode)
{
    if (insn->rex || insn->prefixes & ~PREFIX_ADDRESS_SIZE)
        return false;

    uint8_t p0 = next(c);
    uint8_t p1 = p0;
    insn->map = MAP_0F;
    insn->encoding = ENCODING_VEX;
    insn->rex = 0x40 | (~p0 >> 5 & REX_R);
    if (escape != 0xc5) {
        p1 = next(c);
        insn->rex = 0x40 | (~p0 >> 5 & (REX_R | REX_X | REX_B)) | (p1 >> 4 & REX_W);
        insn->map = p0 & 0x1f;
    }
    if (escape == 0x62) {
        insn->encoding = ENCODING_EVEX;
        insn->map = p0 & 7;
        next(c);
        if (p0 & 8 || !(p1 & 4))
            return false;
    }
    insn->vvvv = ~p1 >> 3 & (mode == CPU_MODE_64 ? 15 : 7);
    insn->wide = p1 & 4;
    if (mode != CPU_MODE_64)
        insn->rex &= ~REX_B;
    set_pp(insn, p1);
    insn->opcode = next(c);
    if (insn->map >= MAP_0F && insn->map <= MAP_0F3A)
        return true;
    return escape == 0x62 && (insn->map == MAP_5 || insn->map == MAP_6);
}

static uint8_t vex_shape(const struct insn *insn)
{
    if (insn->map == MAP_0F3A)
        return SHAPE_MODRM | IMM_8;
    if (insn->map != MAP_0F)
        return SHAPE_MODRM;
    switch (insn->opcode) {
    case 0x77: // VZEROUPPER, VZEROALL
        return insn->encoding == ENCODING_VEX ? 0 : SHAPE_INVALID;
    case 0x70 ... 0x73:
    case 0xc2:
    case 0xc4 ... 0xc6:
        return SHAPE_MODRM | IMM_8;
    default:
        return SHAPE_MODRM;
    }
}

static uint8_t legacy_shape(struct cursor *c, struct insn *insn, uint8_t byte)
{
    insn->opcode = byte;
    if (byte != 0x0f)
        return decode_shape_one_byte[byte];

    insn->map = MAP_0F;
    insn->opcode = byte = next(c);
    if (byte == 0x38 || byte == 0x3a) {
        const uint16_t *valid = byte == 0x38 ? decode_valid_0f38 : decode_valid_0f3a;
        insn->map = byte == 0x38 ? MAP_0F38 : MAP_0F3A;
        insn->opcode = byte = next(c);
        if (!(valid[byte >> 4] >> (byte & 15) & 1))
            return SHAPE_INVALID;
        return insn->map == MAP_0F38 ? SHAPE_MODRM : SHAPE_MODRM | IMM_8;
    }
    // EXTRQ and INSERTQ of SSE4a have two immediate bytes; without a prefix it is VMREAD.
    if (byte == 0x78 && insn->prefixes & (PREFIX_OPERAND_SIZE | PREFIX_REPNE))
        return SHAPE_MODRM | IMM_16;
    return decode_shape_0f[byte];
}

static void set_sizes(struct insn *insn, uint8_t shape, enum cpu_mode mode)
{
    bool other_operand = insn->prefixes & PREFIX_OPERAND_SIZE;
    bool other_address = insn->prefixes & PREFIX_ADDRESS_SIZE;

    if (mode == CPU_MODE_64) {
        insn->address_size = other_address ? 4 : 8;
        if (insn->rex & REX_W)
            insn->operand_size = 8;
        else if (other_operand)
            insn->operand_size = 2;
        else
            insn->operand_size = shape & SHAPE_DEFAULT_64 ? 8 : 4;
    } else {
        insn->address_size = (mode == CPU_MODE_32) != other_address ? 4 : 2;
        insn->operand_size = (mode == CPU_MODE_32) != other_operand ? 4 : 2;
    }
}

static void parse_address16(struct cursor *c, struct insn *insn)
{
    static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[8] = {RSI, RDI, RSI, RDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};

    insn->base = base[insn->rm];
    insn->index = index[insn->rm];
    if (insn->mod == 0 && insn->rm == 6) {
        insn->base = REG_NONE;
        insn->disp = next_signed(c, 2);
    } else if (insn->mod != 0) {
        insn->disp = next_signed(c, insn->mod);
    }
}

static void parse_address(struct cursor *c, struct insn *insn, enum cpu_mode mode)
{
    unsigned base = insn->rm;
    unsigned disp_size = insn->mod == 1 ? 1 : insn->mod == 2 ? 4 : 0;

    insn->base = insn_rm(insn);
    if (insn->rm == 4) {
        uint8_t sib = next(c);
        unsigned index = (sib >> 3 & 7) | (insn->rex & REX_X) << 2;

        base = sib & 7;
        insn->base = base | (insn->rex & REX_B) << 3;
        insn->scale = sib >> 6;
        if (index != 4)
            insn->index = index;
    }
    if (insn->mod == 0 && base == 5) {
        disp_size = 4;
        insn->base = mode == CPU_MODE_64 && insn->rm == 5 ? BASE_RIP : REG_NONE;
    }
    insn->disp = next_signed(c, disp_size);
}

static void parse_modrm(struct cursor *c, struct insn *insn, enum cpu_mode mode)
{
    uint8_t modrm = next(c);

    insn->has_modrm = true;
    insn->mod = modrm >> 6;
    insn->reg = modrm >> 3 & 7;
    insn->rm = modrm & 7;
    // Moves to and from control and debug registers ignore mod: always registers.
    if (insn->encoding == ENCODING_LEGACY && insn->map == MAP_0F && (insn->opcode & ~3) == 0x20)
        insn->mod = 3;
    if (insn->mod == 3)
        return;

    insn->has_memory = true;
    if (insn->address_size == 2)
        parse_address16(c, insn);
    else
        parse_address(c, insn, mode);
    if (!insn->overridden && (insn->base == RBP || insn->base == RSP))
        insn->segment = SEG_SS;
}

static void parse_immediate(struct cursor *c, struct insn *insn, uint8_t shape, enum cpu_mode mode)
{
    unsigned size = 0;
    unsigned z = insn->operand_size == 2 ? 2 : 4;

    switch (shape & SHAPE_IMM) {
    case IMM_8:
        size = 1;
        break;
    case IMM_16:
        size = 2;
        break;
    case IMM_Z:
        size = z;
        break;
    case IMM_V:
        size = insn->operand_size;
        break;
    case IMM_BRANCH:
        size = mode == CPU_MODE_64 ? 4 : z;
        break;
    case IMM_FAR:
        size = z + 2;
        break;
    case IMM_ENTER:
        size = 3;
        break;
    case IMM_GROUP3:
        if (insn->reg < 2)
            size = insn->opcode & 1 ? z : 1;
        break;
    case IMM_ADDRESS:
        insn->has_memory = true;
        insn->disp = next_signed(c, insn->address_size);
        break;
    }
    insn->imm_size = size;
    insn->imm = next_signed(c, size);
}

// LOCK is valid on these, with a memory destination only (SDM vol. 2A, LOCK).
static bool lock_allowed(const struct insn *insn)
{
    unsigned op = insn->opcode;

    if (!insn->has_memory || insn->encoding != ENCODING_LEGACY)
        return false;
    if (insn->map == MAP_ONE_BYTE) {
        if (op < 0x38)
            return (op & 7) < 2; // ADD to XOR, register to memory
        if (op >= 0x80 && op <= 0x83)
            return insn->reg != 7; // not CMP
        if (op == 0xf6 || op == 0xf7)
            return insn->reg == 2 || insn->reg == 3; // NOT, NEG
        return op == 0x86 || op == 0x87 || ((op == 0xfe || op == 0xff) && insn->reg < 2);
    }
    if (insn->map != MAP_0F)
        return false;
    switch (op) {
    case 0xab: // BTS
    case 0xb3: // BTR
    case 0xbb: // BTC
    case 0xb0: // CMPXCHG
    case 0xb1:
    case 0xc0: // XADD
    case 0xc1:
        return true;
    case 0xba:
        return insn->reg >= 5;
    case 0xc7:
        return insn->reg == 1; // CMPXCHG8B, CMPXCHG16B
    default:
        return false;
    }
}

static bool one_byte_valid(const struct insn *insn)
{
    switch (insn->opcode) {
    case 0x62: // BOUND, LES, LDS (the register form is EVEX or VEX), LEA
    case 0xc4:
    case 0xc5:
    case 0x8d:
        return insn->has_memory;
    case 0x8c: // MOV from and to a segment register: six exist, CS cannot be loaded
        return insn->reg < SEG_COUNT - 2;
    case 0x8e:
        return insn->reg < SEG_COUNT - 2 && insn->reg != SEG_CS;
    case 0x8f:
        return insn->reg == 0;
    case 0xc6:
    case 0xc7: // /7 with rm 0 as a register: XABORT, XBEGIN, which have the same length
        return insn->reg == 0 || (insn->reg == 7 && insn->mod == 3 && insn->rm == 0);
    case 0xfe:
        return insn->reg < 2;
    case 0xff: // the far forms are memory only
        return insn->reg != 7 && (insn->has_memory || (insn->reg != 3 && insn->reg != 5));
    default:
        return true;
    }
}

static bool two_byte_valid(const struct insn *insn)
{
    switch (insn->opcode) {
    case 0x00:
        return insn->reg < 6;
    case 0x20: // control registers 0, 2, 3, 4, 8
    case 0x22:
        return insn_reg(insn) < 9 && (0x11d >> insn_reg(insn) & 1);
    case 0x21:
    case 0x23:
        return insn_reg(insn) < 8;
    case 0x71: // vector shifts by immediate: registers only
    case 0x72:
        return !insn->has_memory && (insn->reg == 2 || insn->reg == 4 || insn->reg == 6);
    case 0x73:
        return !insn->has_memory && (insn->reg & 2);
    case 0xb2: // LSS, LFS, LGS, MOVNTI, MOVNTQ
    case 0xb4:
    case 0xb5:
    case 0xc3:
    case 0xe7:
        return insn->has_memory;
    case 0xd7: // PMOVMSKB, MASKMOVQ, MOVMSKPS, PEXTRW
    case 0xf7:
    case 0x50:
    case 0xc5:
        return !insn->has_memory;
    case 0xb8: // POPCNT; JMPE exists on no x86
        return insn->prefixes & PREFIX_REP;
    case 0xba:
        return insn->reg >= 4;
    case 0xc7:
        return insn->has_memory ? insn->reg != 0 && insn->reg != 2 : insn->reg >= 6;
    default:
        return true;
    }
}

static bool parse(struct cursor *c, struct insn *insn, enum cpu_mode mode)
{
    uint8_t byte = parse_prefixes(c, insn, mode);
    uint8_t shape;
    bool vex =
        (byte == 0xc4 || byte == 0xc5 || byte == 0x62) && (mode == CPU_MODE_64 || peek(c) >= 0xc0);

    if (vex) {
        if (!parse_vex(c, insn, byte, mode))
            return false;
        shape = vex_shape(insn);
    } else {
        shape = legacy_shape(c, insn, byte);
    }
    if (shape & SHAPE_INVALID || (shape & SHAPE_NOT_64 && mode == CPU_MODE_64))
        return false;

    set_sizes(insn, shape, mode);
    if (shape & SHAPE_MODRM)
        parse_modrm(c, insn, mode);
    parse_immediate(c, insn, shape, mode);
    insn->length = c->at;

    if (insn->prefixes & PREFIX_LOCK && !lock_allowed(insn))
        return false;
    if (vex)
        return true;
    if (insn->map == MAP_ONE_BYTE)
        return one_byte_valid(insn);
    return insn->map != MAP_0F || two_byte_valid(insn);
}

enum decode_status decode(struct insn *out, const uint8_t *bytes, size_t n, enum cpu_mode mode)
{
    unsigned limit = n < INSN_MAX_LENGTH ? n : INSN_MAX_LENGTH;
    struct cursor c = {.bytes = bytes, .limit = limit};

    *out = (struct insn){.segment = SEG_DS, .base = REG_NONE, .index = REG_NONE};
    bool valid = parse(&c, out, mode);
    if (c.overrun)
        return limit == INSN_MAX_LENGTH ? DECODE_TOO_LONG : DECODE_MORE;
    return valid ? DECODE_OK : DECODE_INVALID;
}
