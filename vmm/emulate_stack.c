// SPDX-License-Identifier: BSD-2-Clause
// Instruction emulator: near jumps and the stack, of which either operand may be the device. See
// emulate.h. Nothing changes before the last access succeeded.
#include "emulate_alu.h"
#include "emulate_internal.h"

static unsigned stack_width(const struct emulation *e)
{
    if (e->cpu->mode == CPU_MODE_64)
        return 8;
    return e->cpu->seg[SEG_SS].attributes & SEGMENT_BIG ? 4 : 2;
}

static enum emulate_status push(struct emulation *e, uint64_t value)
{
    unsigned width = stack_width(e);
    uint64_t rsp = (emulate_get_address(e, RSP, width) - e->size) & size_mask(width);
    enum emulate_status status = emulate_write_at(e, SEG_SS, rsp, e->size, value);

    if (status == EMULATE_OK)
        emulate_set_address(e, RSP, width, rsp);
    return status;
}

// Pops from the address in `pointer`, RSP or of LEAVE RBP, and drops `more` bytes.
static enum emulate_status pop(struct emulation *e, unsigned pointer, unsigned more,
                               uint64_t *value)
{
    unsigned width = stack_width(e);
    uint64_t from = emulate_get_address(e, pointer, width);
    enum emulate_status status = emulate_read_at(e, SEG_SS, from, e->size, value);

    if (status == EMULATE_OK)
        emulate_set_address(e, RSP, width, from + e->size + more);
    return status;
}

// The ModRM operand, which may be a register.
static enum emulate_status load_operand(struct emulation *e, uint64_t *value)
{
    if (e->insn->has_memory)
        return emulate_load(e, e->size, WALK_READ, value);
    *value = emulate_get(e, insn_rm(e->insn), e->size);
    return EMULATE_OK;
}

static enum emulate_status store_operand(struct emulation *e, uint64_t value)
{
    if (e->insn->has_memory)
        return emulate_store(e, e->size, value);
    emulate_set(e, insn_rm(e->insn), e->size, value);
    return EMULATE_OK;
}

// POP's own address is computed with the stack pointer after the pop.
static enum emulate_status pop_operand(struct emulation *e)
{
    uint64_t old = e->cpu->gpr[RSP], value;
    enum emulate_status status = pop(e, RSP, 0, &value);

    if (status == EMULATE_OK)
        status = store_operand(e, value);
    if (status != EMULATE_OK)
        e->cpu->gpr[RSP] = old;
    return status;
}

// Checks where a jump goes: before anything is pushed.
static enum emulate_status jump(struct emulation *e, uint64_t target)
{
    target &= size_mask(e->size);
    if (e->cpu->mode == CPU_MODE_64 ? !linear_is_canonical(target, e->cpu->cr4)
                                    : target > e->cpu->seg[SEG_CS].limit) {
        *e->fault = (struct guest_fault){.vector = VECTOR_GP, .has_error = e->cpu->cr0 & CR0_PE};
        return EMULATE_FAULT;
    }
    e->rip = target;
    return EMULATE_OK;
}

static enum emulate_status call(struct emulation *e, uint64_t target)
{
    uint64_t next = e->rip;
    enum emulate_status status = jump(e, target);

    return status == EMULATE_OK ? push(e, next) : status;
}

static enum emulate_status return_near(struct emulation *e, unsigned more)
{
    uint64_t old = e->cpu->gpr[RSP], target;
    enum emulate_status status = pop(e, RSP, more, &target);

    if (status == EMULATE_OK)
        status = jump(e, target);
    if (status != EMULATE_OK)
        e->cpu->gpr[RSP] = old;
    return status;
}

// FF: CALL, JMP, PUSH. In 64-bit mode the branches ignore 66.
static enum emulate_status group5(struct emulation *e)
{
    unsigned op = e->insn->reg;
    uint64_t value;

    if (op != 2 && op != 4 && op != 6)
        return EMULATE_UNSUPPORTED;
    if (e->cpu->mode == CPU_MODE_64 && (op != 6 || e->size == 4))
        e->size = 8;
    enum emulate_status status = load_operand(e, &value);
    if (status != EMULATE_OK)
        return status;
    return op == 2 ? call(e, value) : op == 4 ? jump(e, value) : push(e, value);
}

enum emulate_status emulate_stack(struct emulation *e)
{
    const struct insn *insn = e->insn;
    unsigned size = e->size, op = insn->opcode, reg = (op & 7) | (insn->rex & REX_B) << 3;
    bool branch = op == 0xc2 || op == 0xc3 || op == 0xe8;
    enum emulate_status status;
    uint64_t value;

    e->size = branch && e->cpu->mode == CPU_MODE_64 ? 8 : insn->operand_size;
    switch (op) {
    case 0x50 ... 0x57:
        return push(e, emulate_get_address(e, reg, e->size));
    case 0x58 ... 0x5f:
        status = pop(e, RSP, 0, &value);
        if (status == EMULATE_OK)
            emulate_set(e, reg, e->size, value);
        return status;
    case 0x68:
    case 0x6a:
        return push(e, (uint64_t)insn->imm);
    case 0x8f:
        return pop_operand(e);
    case 0x9c: // PUSHF: without RF and VM
        return push(e, e->cpu->rflags & 0xfcffff);
    case 0xc2:
        return return_near(e, insn->imm & 0xffff);
    case 0xc3:
        return return_near(e, 0);
    case 0xc9: // LEAVE
        status = pop(e, RBP, 0, &value);
        if (status == EMULATE_OK)
            emulate_set(e, RBP, e->size, value);
        return status;
    case 0xe8:
        return call(e, e->rip + (uint64_t)insn->imm);
    case 0xff:
        return group5(e);
    default:
        e->size = size;
        return EMULATE_UNSUPPORTED;
    }
}
