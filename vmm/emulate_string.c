// SPDX-License-Identifier: BSD-2-Clause
// String instructions (SDM vol. 2, REP): each iteration commits before the next, so that a fault
// or a stop in the middle leaves a state from which the guest, or the next call, goes on.
#include "emulate_alu.h"
#include "emulate_internal.h"

struct string {
    unsigned width; // address size
    uint64_t step;  // added to the index registers: plus or minus the operand size
    uint64_t source, destination;
};

static enum emulate_status read_source(struct emulation *e, const struct string *s, uint64_t *value)
{
    return emulate_read_at(e, e->insn->segment, s->source, e->size, value);
}

static enum emulate_status read_destination(struct emulation *e, const struct string *s,
                                            uint64_t *value)
{
    return emulate_read_at(e, SEG_ES, s->destination, e->size, value);
}

static enum emulate_status iterate(struct emulation *e, const struct string *s)
{
    enum emulate_status status = EMULATE_OK;
    uint64_t a = emulate_get_address(e, RAX, e->size);
    uint64_t b;
    unsigned op = e->insn->opcode & ~1;
    bool uses_source = op == 0xa4 || op == 0xa6 || op == 0xac;

    if (uses_source)
        status = read_source(e, s, &a);
    if (status == EMULATE_OK && (op == 0xa6 || op == 0xae)) { // CMPS, SCAS
        status = read_destination(e, s, &b);
        if (status == EMULATE_OK)
            alu_binary(ALU_CMP, a, b, e->size, &e->flags);
    }
    if (status == EMULATE_OK && (op == 0xa4 || op == 0xaa)) // MOVS, STOS
        status = emulate_write_at(e, SEG_ES, s->destination, e->size, a);
    if (status != EMULATE_OK)
        return status;

    if (op == 0xac) // LODS
        emulate_set(e, RAX, e->size, a);
    if (uses_source)
        emulate_set_address(e, RSI, s->width, s->source + s->step);
    if (op != 0xac)
        emulate_set_address(e, RDI, s->width, s->destination + s->step);
    return EMULATE_OK;
}

enum emulate_status emulate_string(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct string s = {.width = insn->address_size};
    bool repeat = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);
    unsigned most = e->cpu->rflags & RFLAGS_TF ? 1 : EMULATE_STRING_MAX;
    bool compares = (insn->opcode & ~1) == 0xa6 || (insn->opcode & ~1) == 0xae;

    s.step = e->flags & RFLAGS_DF ? -(uint64_t)e->size : e->size;
    for (unsigned i = 0; i < most; i++) {
        uint64_t count = emulate_get_address(e, RCX, s.width);
        if (repeat && count == 0)
            return EMULATE_OK;

        s.source = emulate_get_address(e, RSI, s.width);
        s.destination = emulate_get_address(e, RDI, s.width);
        enum emulate_status status = iterate(e, &s);
        if (status != EMULATE_OK)
            return status;
        if (!repeat)
            return EMULATE_OK;

        e->cpu->rflags = e->flags | (e->cpu->rflags & RFLAGS_RF);
        emulate_set_address(e, RCX, s.width, count - 1);
        bool zero = e->flags & RFLAGS_ZF;
        if (count == 1 || (compares && zero != !!(insn->prefixes & PREFIX_REP)))
            return EMULATE_OK;
    }
    return EMULATE_AGAIN;
}
