// SPDX-License-Identifier: BSD-2-Clause
// Instruction emulator: instructions of MMX, SSE and AVX that move data between memory and vector
// registers without computing (SDM vol. 2), up to 256 bits. See emulate.h.
//
// The registers are in an XSAVE area, SDM vol. 1 13.4: a component whose bit in XSTATE_BV is clear
// is in its initial state, whatever its bytes say.
#include <string.h>

#include "emulate_alu.h"
#include "emulate_internal.h"

enum { OFFSET_X87 = 0, OFFSET_ST = 32, OFFSET_XMM = 160, OFFSET_XSTATE_BV = 512 };
enum { COMPONENT_X87 = 0, COMPONENT_SSE = 1, COMPONENT_AVX = 2, COMPONENT_ZMM = 6 };

enum kind {
    LOAD,       // zero-extended
    STORE,      // the low part
    LOAD_LOW,   // 8 bytes, of which the others come from vvvv, or stay
    LOAD_HIGH,  //
    STORE_HIGH, // 8 bytes
    DUP_DOUBLE, // MOVDDUP
    DUP_EVEN,   // MOVSLDUP
    DUP_ODD,    // MOVSHDUP
    BROADCAST,
    INSERT,  // element by immediate; the others come from vvvv, or stay
    EXTRACT, // element by immediate
    MMX_LOAD,
    MMX_STORE,
};

// Sizes besides 1 to 16 bytes.
enum { FULL = 0, BY_W = 255 }; // 16 or 32 by VEX.L; 4 or 8 by W
enum {
    ALIGNED = 1,
    LEGACY_ALIGNED = 2,
    VEX_ONLY = 4,
    LEGACY_ONLY = 8,
    WIDE_ONLY = 16,
    NARROW = 32
};
// Prefixes that select the row, one bit each.
enum { NP = 1, P66 = 2, PF3 = 4, PF2 = 8 };

struct row {
    uint8_t map, opcode, prefixes, kind, size, traits;
};

// clang-format off
static const struct row rows[] = {
    {MAP_0F, 0x10, NP | P66, LOAD, FULL, 0},               // MOVUPS MOVUPD
    {MAP_0F, 0x11, NP | P66, STORE, FULL, 0},
    {MAP_0F, 0x10, PF3, LOAD, 4, 0},                       // MOVSS
    {MAP_0F, 0x11, PF3, STORE, 4, 0},
    {MAP_0F, 0x10, PF2, LOAD, 8, 0},                       // MOVSD
    {MAP_0F, 0x11, PF2, STORE, 8, 0},
    {MAP_0F, 0x12, NP | P66, LOAD_LOW, 8, NARROW},         // MOVLPS MOVLPD
    {MAP_0F, 0x13, NP | P66, STORE, 8, NARROW},
    {MAP_0F, 0x16, NP | P66, LOAD_HIGH, 8, NARROW},        // MOVHPS MOVHPD
    {MAP_0F, 0x17, NP | P66, STORE_HIGH, 8, NARROW},
    {MAP_0F, 0x12, PF3, DUP_EVEN, FULL, LEGACY_ALIGNED},   // MOVSLDUP
    {MAP_0F, 0x16, PF3, DUP_ODD, FULL, LEGACY_ALIGNED},    // MOVSHDUP
    {MAP_0F, 0x12, PF2, DUP_DOUBLE, FULL, 0},              // MOVDDUP
    {MAP_0F, 0x28, NP | P66, LOAD, FULL, ALIGNED},         // MOVAPS MOVAPD
    {MAP_0F, 0x29, NP | P66, STORE, FULL, ALIGNED},
    {MAP_0F, 0x2b, NP | P66, STORE, FULL, ALIGNED},        // MOVNTPS MOVNTPD
    {MAP_0F, 0x6e, P66, LOAD, BY_W, NARROW},               // MOVD MOVQ
    {MAP_0F, 0x7e, P66, STORE, BY_W, NARROW},
    {MAP_0F, 0x7e, PF3, LOAD, 8, NARROW},                  // MOVQ
    {MAP_0F, 0xd6, P66, STORE, 8, NARROW},
    {MAP_0F, 0x6f, P66, LOAD, FULL, ALIGNED},              // MOVDQA
    {MAP_0F, 0x7f, P66, STORE, FULL, ALIGNED},
    {MAP_0F, 0x6f, PF3, LOAD, FULL, 0},                    // MOVDQU
    {MAP_0F, 0x7f, PF3, STORE, FULL, 0},
    {MAP_0F, 0xe7, P66, STORE, FULL, ALIGNED},             // MOVNTDQ
    {MAP_0F, 0xf0, PF2, LOAD, FULL, 0},                    // LDDQU
    {MAP_0F38, 0x2a, P66, LOAD, FULL, ALIGNED},            // MOVNTDQA
    {MAP_0F, 0xc4, P66, INSERT, 2, NARROW},                // PINSRW
    {MAP_0F3A, 0x20, P66, INSERT, 1, NARROW},              // PINSRB
    {MAP_0F3A, 0x22, P66, INSERT, BY_W, NARROW},           // PINSRD PINSRQ
    {MAP_0F3A, 0x14, P66, EXTRACT, 1, NARROW},             // PEXTRB
    {MAP_0F3A, 0x15, P66, EXTRACT, 2, NARROW},             // PEXTRW
    {MAP_0F3A, 0x16, P66, EXTRACT, BY_W, NARROW},          // PEXTRD PEXTRQ
    {MAP_0F3A, 0x17, P66, EXTRACT, 4, NARROW},             // EXTRACTPS
    {MAP_0F38, 0x18, P66, BROADCAST, 4, VEX_ONLY},         // VBROADCASTSS
    {MAP_0F38, 0x19, P66, BROADCAST, 8, VEX_ONLY | WIDE_ONLY},
    {MAP_0F38, 0x1a, P66, BROADCAST, 16, VEX_ONLY | WIDE_ONLY}, // VBROADCASTF128
    {MAP_0F38, 0x5a, P66, BROADCAST, 16, VEX_ONLY | WIDE_ONLY},
    {MAP_0F38, 0x58, P66, BROADCAST, 4, VEX_ONLY},         // VPBROADCASTD Q B W
    {MAP_0F38, 0x59, P66, BROADCAST, 8, VEX_ONLY},
    {MAP_0F38, 0x78, P66, BROADCAST, 1, VEX_ONLY},
    {MAP_0F38, 0x79, P66, BROADCAST, 2, VEX_ONLY},
    {MAP_0F3A, 0x18, P66, INSERT, 16, VEX_ONLY | WIDE_ONLY},  // VINSERTF128 I128
    {MAP_0F3A, 0x38, P66, INSERT, 16, VEX_ONLY | WIDE_ONLY},
    {MAP_0F3A, 0x19, P66, EXTRACT, 16, VEX_ONLY | WIDE_ONLY}, // VEXTRACTF128 I128
    {MAP_0F3A, 0x39, P66, EXTRACT, 16, VEX_ONLY | WIDE_ONLY},
    {MAP_0F, 0x6e, NP, MMX_LOAD, BY_W, LEGACY_ONLY},       // MOVD MOVQ
    {MAP_0F, 0x7e, NP, MMX_STORE, BY_W, LEGACY_ONLY},
    {MAP_0F, 0x6f, NP, MMX_LOAD, 8, LEGACY_ONLY},          // MOVQ
    {MAP_0F, 0x7f, NP, MMX_STORE, 8, LEGACY_ONLY},
    {MAP_0F, 0xe7, NP, MMX_STORE, 8, LEGACY_ONLY},         // MOVNTQ
};
// clang-format on

static const struct row *find(const struct insn *insn)
{
    unsigned prefix = insn->prefixes & PREFIX_REP            ? PF3
                      : insn->prefixes & PREFIX_REPNE        ? PF2
                      : insn->prefixes & PREFIX_OPERAND_SIZE ? P66
                                                             : NP;
    unsigned refused = (insn->encoding == ENCODING_VEX ? LEGACY_ONLY : VEX_ONLY) |
                       (insn->wide ? NARROW : WIDE_ONLY);

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].opcode == insn->opcode && rows[i].map == insn->map && rows[i].prefixes & prefix)
            return rows[i].traits & refused ? NULL : &rows[i];
    return NULL;
}

// Bytes of a component at `offset`; before it is written in its initial state, that is put there.
static uint8_t *component(struct emulate_fpu *fpu, unsigned number, unsigned offset, unsigned size,
                          bool write)
{
    uint64_t *present = (uint64_t *)(fpu->area + OFFSET_XSTATE_BV);

    if (fpu->xsave && !(*present >> number & 1)) {
        if (!write)
            return NULL;
        memset(fpu->area + offset, 0, size);
        *present |= 1ull << number;
    }
    fpu->changed |= write;
    return fpu->area + offset;
}

static void get_vector(struct emulate_fpu *fpu, unsigned reg, uint64_t value[4])
{
    const uint8_t *low = component(fpu, COMPONENT_SSE, OFFSET_XMM, 256, false);
    const uint8_t *high = fpu->ymm ? component(fpu, COMPONENT_AVX, fpu->ymm, 256, false) : NULL;

    memset(value, 0, 32);
    if (low)
        memcpy(value, low + 16 * reg, 16);
    if (high)
        memcpy(value + 2, high + 16 * reg, 16);
}

// VEX clears what is above the vector, to the end of the register; other encodings keep it.
static void set_vector(struct emulation *e, unsigned reg, const uint64_t value[4])
{
    static const uint64_t zero[4];
    struct emulate_fpu *fpu = e->cpu->fpu;

    memcpy(component(fpu, COMPONENT_SSE, OFFSET_XMM, 256, true) + 16 * reg, value, 16);
    if (e->insn->encoding != ENCODING_VEX || !fpu->ymm)
        return;
    memcpy(component(fpu, COMPONENT_AVX, fpu->ymm, 256, true) + 16 * reg,
           e->insn->wide ? value + 2 : zero, 16);
    if (fpu->zmm && component(fpu, COMPONENT_ZMM, fpu->zmm, 512, false))
        memset(component(fpu, COMPONENT_ZMM, fpu->zmm, 512, true) + 32 * reg, 0, 32);
}

// SDM vol. 1 9.5.1 and 9.6.2: MMi is physical x87 register i, while the area holds them from the
// top of the stack on. Any use makes register 0 the top, and marks all as in use.
static uint8_t *enter_mmx(struct emulate_fpu *fpu)
{
    bool fresh = !component(fpu, COMPONENT_X87, OFFSET_X87, 24, false);
    uint8_t *x87 = component(fpu, COMPONENT_X87, OFFSET_X87, 24, true), *st = fpu->area + OFFSET_ST;
    uint8_t old[128];
    unsigned top = x87[3] >> 3 & 7;

    if (fresh) {
        memset(st, 0, sizeof(old));
        x87[0] = 0x7f; // FCW
        x87[1] = 0x03;
    }
    memcpy(old, st, sizeof(old));
    for (unsigned i = 0; i < 8; i++)
        memcpy(st + 16 * i, old + 16 * ((i - top) & 7), 16);
    x87[3] &= ~0x38;
    x87[4] = 0xff; // the abridged tag word
    return st;
}

static enum emulate_status mmx(struct emulation *e, bool store, unsigned size)
{
    struct emulate_fpu *fpu = e->cpu->fpu;
    const uint8_t *x87 = component(fpu, COMPONENT_X87, OFFSET_X87, 24, false);
    unsigned reg = e->insn->reg;
    uint64_t value = 0;
    enum emulate_status status;

    if (store && x87)
        memcpy(&value, fpu->area + OFFSET_ST + 16 * ((reg - (x87[3] >> 3)) & 7), size);
    status = store ? emulate_store_wide(e, size, false, &value)
                   : emulate_load_wide(e, size, WALK_READ, false, &value);
    if (status != EMULATE_OK)
        return status;
    uint8_t *st = enter_mmx(fpu) + 16 * reg;
    if (!store) {
        memcpy(st, &value, 8);
        memset(st + 8, 0xff, 2);
    }
    return EMULATE_OK;
}

static void duplicate(enum kind kind, uint64_t v[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t part = kind == DUP_EVEN ? v[i] & 0xffffffff : v[i] >> 32;
        v[i] = kind == DUP_DOUBLE ? v[i & 2] : part << 32 | part;
    }
}

static enum emulate_status load(struct emulation *e, const struct row *row, unsigned size,
                                bool aligned)
{
    struct emulate_fpu *fpu = e->cpu->fpu;
    bool vex = e->insn->encoding == ENCODING_VEX;
    unsigned reg = insn_reg(e->insn), full = e->insn->wide ? 32 : 16;
    unsigned at = row->kind == LOAD_HIGH ? 8 : 0;
    uint64_t value[4] = {0}, old[4];
    enum emulate_status status = emulate_load_wide(e, size, WALK_READ, aligned, value);

    if (status != EMULATE_OK)
        return status;
    switch (row->kind) {
    case INSERT:
        at = (e->insn->imm & (full / size - 1)) * size;
        // fall through
    case LOAD_LOW:
    case LOAD_HIGH:
        get_vector(fpu, vex ? e->insn->vvvv : reg, old);
        memcpy((uint8_t *)old + at, value, size);
        memcpy(value, old, sizeof(value));
        break;
    case DUP_DOUBLE:
    case DUP_EVEN:
    case DUP_ODD:
        duplicate(row->kind, value);
        break;
    case BROADCAST:
        for (unsigned i = size; i < full; i++)
            ((uint8_t *)value)[i] = ((uint8_t *)value)[i - size];
        break;
    }
    set_vector(e, reg, value);
    return EMULATE_OK;
}

static enum emulate_status store(struct emulation *e, const struct row *row, unsigned size,
                                 bool aligned)
{
    uint64_t value[4], part[4] = {0};
    unsigned at = row->kind == STORE_HIGH ? 8 : 0;

    if (row->kind == EXTRACT)
        at = (e->insn->imm & ((e->insn->wide ? 32 : 16) / size - 1)) * size;
    get_vector(e->cpu->fpu, insn_reg(e->insn), value);
    memcpy(part, (const uint8_t *)value + at, size);
    return emulate_store_wide(e, size, aligned, part);
}

enum emulate_status emulate_vector(struct emulation *e)
{
    const struct insn *insn = e->insn;
    const struct cpu_view *cpu = e->cpu;
    const struct row *row = find(insn);
    bool vex = insn->encoding == ENCODING_VEX;

    if (!row)
        return EMULATE_UNSUPPORTED;
    bool is_mmx = row->kind == MMX_LOAD || row->kind == MMX_STORE;
    bool merges = row->kind == LOAD_LOW || row->kind == LOAD_HIGH || row->kind == INSERT;
    if ((vex ? !(cpu->cr4 & CR4_OSXSAVE) : cpu->cr0 & CR0_EM) ||
        (!vex && !is_mmx && !(cpu->cr4 & CR4_OSFXSR)) || (insn->vvvv && !merges))
        return emulate_raise(e, VECTOR_UD);
    if (cpu->cr0 & CR0_TS)
        return emulate_raise(e, VECTOR_NM);
    if (!cpu->fpu)
        return EMULATE_FPU;
    if (vex && !cpu->fpu->ymm)
        return EMULATE_UNSUPPORTED;

    unsigned size = row->size;
    if (size == FULL)
        size = insn->wide ? 32 : row->kind == DUP_DOUBLE ? 8 : 16;
    else if (size == BY_W)
        size = insn->rex & REX_W && cpu->mode == CPU_MODE_64 ? 8 : 4;
    bool aligned = row->traits & ALIGNED || (row->traits & LEGACY_ALIGNED && !vex);
    if (is_mmx)
        return mmx(e, row->kind == MMX_STORE, size);
    if (row->kind == STORE || row->kind == STORE_HIGH || row->kind == EXTRACT)
        return store(e, row, size, aligned);
    return load(e, row, size, aligned);
}
