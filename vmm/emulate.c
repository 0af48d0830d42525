// SPDX-License-Identifier: BSD-2-Clause
// Instruction emulator: operands, addresses, and the one-byte opcodes but string and stack ones.
// See emulate.h.
//
// Every instruction works on copies and commits registers and flags only after its last memory
// access succeeded, so that a fault leaves the guest as it was.
#include "emulate.h"
#include "emulate_alu.h"
#include "emulate_internal.h"

// Not in every vmm.
#pragma weak emulate_extended

enum cpu_mode cpu_mode_of(const struct vcpu_segment *cs, uint64_t efer)
{
    if (efer & EFER_LMA && cs->attributes & SEGMENT_LONG)
        return CPU_MODE_64;
    return cs->attributes & SEGMENT_BIG ? CPU_MODE_32 : CPU_MODE_16;
}

uint64_t emulate_get(const struct emulation *e, unsigned number, unsigned size)
{
    if (size == 1 && !e->insn->rex && number >= 4)
        return e->cpu->gpr[number & 3] >> 8 & 0xff;
    return e->cpu->gpr[number & 15] & size_mask(size);
}

void emulate_set(struct emulation *e, unsigned number, unsigned size, uint64_t value)
{
    if (size == 1 && !e->insn->rex && number >= 4) {
        uint64_t *reg = &e->cpu->gpr[number & 3];
        *reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
        return;
    }
    uint64_t *reg = &e->cpu->gpr[number & 15];
    uint64_t mask = size == 4 ? ~0ull : size_mask(size);
    *reg = (*reg & ~mask) | (value & size_mask(size));
}

uint64_t emulate_get_address(const struct emulation *e, unsigned number, unsigned size)
{
    return e->cpu->gpr[number & 15] & size_mask(size);
}

void emulate_set_address(struct emulation *e, unsigned number, unsigned size, uint64_t value)
{
    uint64_t *reg = &e->cpu->gpr[number & 15];
    uint64_t keep = size == 2 ? ~0xffffull : 0;

    *reg = (*reg & keep) | (value & size_mask(size));
}

uint64_t insn_effective_address(const struct insn *insn, const struct cpu_view *cpu)
{
    uint64_t address = insn->disp;

    if (insn->base == BASE_RIP)
        address += cpu->rip + insn->length;
    else if (insn->base != REG_NONE)
        address += cpu->gpr[insn->base & 15];
    if (insn->index != REG_NONE)
        address += cpu->gpr[insn->index & 15] << insn->scale;
    return address & size_mask(insn->address_size);
}

static bool segment_fault(const struct cpu_view *cpu, unsigned seg, struct guest_fault *fault)
{
    // Real mode pushes no error codes.
    *fault = (struct guest_fault){.vector = seg == SEG_SS ? VECTOR_SS : VECTOR_GP,
                                  .has_error = cpu->cr0 & CR0_PE};
    return false;
}

bool segment_linear(const struct cpu_view *cpu, unsigned seg, uint64_t offset, unsigned size,
                    bool write, uint64_t *linear, struct guest_fault *fault)
{
    if (cpu->mode == CPU_MODE_64) {
        uint64_t base = seg == SEG_FS || seg == SEG_GS ? cpu->seg[seg].base : 0;
        *linear = base + offset;
        if (linear_is_canonical(*linear, cpu->cr4) &&
            linear_is_canonical(*linear + size - 1, cpu->cr4))
            return true;
        return segment_fault(cpu, seg, fault);
    }

    const struct vcpu_segment *s = &cpu->seg[seg];
    uint32_t attributes = s->attributes;
    uint64_t last = offset + size - 1;
    bool code = attributes & SEGMENT_CODE;

    if (attributes & SEGMENT_NO_USE || !(attributes & SEGMENT_PRESENT))
        return segment_fault(cpu, seg, fault);
    // Real mode and virtual-8086 mode check limits but not types.
    if (cpu->cr0 & CR0_PE && !(cpu->rflags & RFLAGS_VM)) {
        bool usable =
            write ? !code && attributes & SEGMENT_WRITABLE : !code || attributes & SEGMENT_WRITABLE;
        if (!usable)
            return segment_fault(cpu, seg, fault);
    }
    if (!code && attributes & SEGMENT_DOWN) {
        uint64_t top = attributes & SEGMENT_BIG ? 0xffffffff : 0xffff;
        if (offset <= s->limit || last > top)
            return segment_fault(cpu, seg, fault);
    } else if (last > s->limit) {
        return segment_fault(cpu, seg, fault);
    }
    *linear = (uint32_t)(s->base + offset);
    return true;
}

enum emulate_status emulate_raise(struct emulation *e, enum x86_vector vector)
{
    *e->fault = (struct guest_fault){.vector = vector};
    return EMULATE_FAULT;
}

// Finds e->linear.
static enum emulate_status locate(struct emulation *e, unsigned size, bool write, bool aligned)
{
    uint64_t offset = insn_effective_address(e->insn, e->cpu);

    if (!segment_linear(e->cpu, e->insn->segment, offset, size, write, &e->linear, e->fault))
        return EMULATE_FAULT;
    if (!aligned || e->linear % size == 0)
        return EMULATE_OK;
    *e->fault = (struct guest_fault){.vector = VECTOR_GP, .has_error = e->cpu->cr0 & CR0_PE};
    return EMULATE_FAULT;
}

enum emulate_status emulate_load_wide(struct emulation *e, unsigned size, enum walk_access intent,
                                      bool aligned, uint64_t *value)
{
    enum emulate_status status = locate(e, size, intent == WALK_WRITE, aligned);

    return status == EMULATE_OK ? e->ops->read(e->ctx, e->linear, size, intent, value, e->fault)
                                : status;
}

enum emulate_status emulate_store_wide(struct emulation *e, unsigned size, bool aligned,
                                       const uint64_t *value)
{
    enum emulate_status status = locate(e, size, true, aligned);

    return status == EMULATE_OK ? e->ops->write(e->ctx, e->linear, size, value, e->fault) : status;
}

enum emulate_status emulate_load(struct emulation *e, unsigned size, enum walk_access intent,
                                 uint64_t *value)
{
    return emulate_load_wide(e, size, intent, false, value);
}

enum emulate_status emulate_store(struct emulation *e, unsigned size, uint64_t value)
{
    value &= size_mask(size);
    return emulate_store_wide(e, size, false, &value);
}

enum emulate_status emulate_read_at(struct emulation *e, unsigned seg, uint64_t offset,
                                    unsigned size, uint64_t *value)
{
    uint64_t linear;

    if (!segment_linear(e->cpu, seg, offset, size, false, &linear, e->fault))
        return EMULATE_FAULT;
    return e->ops->read(e->ctx, linear, size, WALK_READ, value, e->fault);
}

enum emulate_status emulate_write_at(struct emulation *e, unsigned seg, uint64_t offset,
                                     unsigned size, uint64_t value)
{
    uint64_t linear;

    if (!segment_linear(e->cpu, seg, offset, size, true, &linear, e->fault))
        return EMULATE_FAULT;
    value &= size_mask(size);
    return e->ops->write(e->ctx, linear, size, &value, e->fault);
}

// op memory, operand.
static enum emulate_status alu_to_memory(struct emulation *e, unsigned op, uint64_t operand)
{
    uint64_t value;
    enum emulate_status status =
        emulate_load(e, e->size, op == ALU_CMP ? WALK_READ : WALK_WRITE, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_binary(op, value, operand, e->size, &e->flags);
    return op == ALU_CMP ? EMULATE_OK : emulate_store(e, e->size, value);
}

// op register, memory.
static enum emulate_status alu_to_register(struct emulation *e, unsigned op, unsigned reg)
{
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_binary(op, emulate_get(e, reg, e->size), value, e->size, &e->flags);
    if (op != ALU_CMP)
        emulate_set(e, reg, e->size, value);
    return EMULATE_OK;
}

static enum emulate_status test(struct emulation *e, uint64_t operand)
{
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status == EMULATE_OK)
        alu_binary(ALU_AND, value, operand, e->size, &e->flags);
    return status;
}

static enum emulate_status load_register(struct emulation *e, unsigned reg)
{
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status == EMULATE_OK)
        emulate_set(e, reg, e->size, value);
    return status;
}

static enum emulate_status exchange(struct emulation *e)
{
    unsigned reg = insn_reg(e->insn);
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_WRITE, &value);

    if (status == EMULATE_OK)
        status = emulate_store(e, e->size, emulate_get(e, reg, e->size));
    if (status == EMULATE_OK)
        emulate_set(e, reg, e->size, value);
    return status;
}

static enum emulate_status shift(struct emulation *e, unsigned count)
{
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_WRITE, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_shift(e->insn->reg, value, count, e->size, &e->flags);
    return emulate_store(e, e->size, value);
}

// AX for bytes, else the pair of RDX and RAX.
static void set_pair(struct emulation *e, uint64_t high, uint64_t low)
{
    if (e->size == 1) {
        emulate_set_address(e, RAX, 2, high << 8 | low);
        return;
    }
    emulate_set(e, RAX, e->size, low);
    emulate_set(e, RDX, e->size, high);
}

static enum emulate_status divide(struct emulation *e, bool is_signed, uint64_t divisor)
{
    uint64_t high = e->size == 1 ? e->cpu->gpr[RAX] >> 8 : e->cpu->gpr[RDX];
    uint64_t quotient, remainder;

    if (!alu_divide(is_signed, high, e->cpu->gpr[RAX], divisor, e->size, &quotient, &remainder))
        return emulate_raise(e, VECTOR_DE);
    set_pair(e, remainder, quotient);
    return EMULATE_OK;
}

// F6 and F7: TEST, NOT, NEG, MUL, IMUL, DIV, IDIV.
static enum emulate_status group3(struct emulation *e)
{
    unsigned op = e->insn->reg;
    uint64_t value, high;
    enum emulate_status status;

    if (op < 2)
        return test(e, e->insn->imm);
    status = emulate_load(e, e->size, op < 4 ? WALK_WRITE : WALK_READ, &value);
    if (status != EMULATE_OK)
        return status;
    if (op == 2)
        return emulate_store(e, e->size, ~value);
    if (op == 3) {
        value = alu_binary(ALU_SUB, 0, value, e->size, &e->flags);
        return emulate_store(e, e->size, value);
    }
    if (op > 5)
        return divide(e, op == 7, value);
    value = alu_multiply(op == 5, e->cpu->gpr[RAX], value, e->size, &high, &e->flags);
    set_pair(e, high, value);
    return EMULATE_OK;
}

static enum emulate_status multiply_immediate(struct emulation *e)
{
    uint64_t value, high;
    enum emulate_status status = emulate_load(e, e->size, WALK_READ, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_multiply(true, value, e->insn->imm, e->size, &high, &e->flags);
    emulate_set(e, insn_reg(e->insn), e->size, value);
    return EMULATE_OK;
}

static enum emulate_status step(struct emulation *e)
{
    uint64_t value;
    enum emulate_status status = emulate_load(e, e->size, WALK_WRITE, &value);

    if (status != EMULATE_OK)
        return status;
    value = alu_step(e->insn->reg == 1, value, e->size, &e->flags);
    return emulate_store(e, e->size, value);
}

// XLAT: its operand is not in a ModRM byte.
static enum emulate_status translate(struct emulation *e)
{
    uint64_t offset = e->cpu->gpr[RBX] + (e->cpu->gpr[RAX] & 0xff), value;
    enum emulate_status status =
        emulate_read_at(e, e->insn->segment, offset & size_mask(e->insn->address_size), 1, &value);

    if (status == EMULATE_OK)
        emulate_set_address(e, RAX, 2, (e->cpu->gpr[RAX] & ~0xffull) | value);
    return status;
}

// MOVSXD; the same opcode is ARPL outside 64-bit mode.
static enum emulate_status move_sign_extend_double(struct emulation *e)
{
    unsigned size = e->size == 2 ? 2 : 4;
    uint64_t value;
    enum emulate_status status;

    if (e->cpu->mode != CPU_MODE_64)
        return EMULATE_UNSUPPORTED;
    status = emulate_load(e, size, WALK_READ, &value);
    if (status == EMULATE_OK)
        emulate_set(e, insn_reg(e->insn), e->size, sign_extend(value, size));
    return status;
}

static enum emulate_status one_byte(struct emulation *e)
{
    const struct insn *insn = e->insn;
    unsigned op = insn->opcode;

    if (op < 0x40) {
        if ((op & 7) < 2)
            return alu_to_memory(e, op >> 3, emulate_get(e, insn_reg(insn), e->size));
        return alu_to_register(e, op >> 3, insn_reg(insn));
    }
    switch (op) {
    case 0x63:
        e->size = insn->operand_size;
        return move_sign_extend_double(e);
    case 0x69:
    case 0x6b:
        e->size = insn->operand_size;
        return multiply_immediate(e);
    case 0x80 ... 0x83:
        return alu_to_memory(e, insn->reg, insn->imm);
    case 0x84:
    case 0x85:
        return test(e, emulate_get(e, insn_reg(insn), e->size));
    case 0x86:
    case 0x87:
        return exchange(e);
    case 0x88:
    case 0x89:
        return emulate_store(e, e->size, emulate_get(e, insn_reg(insn), e->size));
    case 0x8a:
    case 0x8b:
        return load_register(e, insn_reg(insn));
    case 0x8c:
        return emulate_store(e, 2, e->cpu->seg[insn->reg].selector);
    case 0xa0:
    case 0xa1:
        return load_register(e, RAX);
    case 0xa2:
    case 0xa3:
        return emulate_store(e, e->size, e->cpu->gpr[RAX]);
    case 0xc0:
    case 0xc1:
        return shift(e, insn->imm & 0xff);
    case 0xd0:
    case 0xd1:
        return shift(e, 1);
    case 0xd2:
    case 0xd3:
        return shift(e, e->cpu->gpr[RCX] & 0xff);
    case 0xc6:
    case 0xc7:
        return emulate_store(e, e->size, insn->imm);
    case 0xf6:
    case 0xf7:
        return group3(e);
    case 0xfe:
    case 0xff: // the others are near branches and PUSH, or far
        return insn->reg < 2 ? step(e) : EMULATE_UNSUPPORTED;
    default:
        return EMULATE_UNSUPPORTED;
    }
}

static enum emulate_status execute(struct emulation *e)
{
    const struct insn *insn = e->insn;
    enum emulate_status status;

    if (insn->encoding == ENCODING_EVEX)
        return EMULATE_UNSUPPORTED;
    if (insn->encoding == ENCODING_LEGACY && insn->map == MAP_ONE_BYTE) {
        if (insn->opcode >= 0xa4 && insn->opcode <= 0xaf && (insn->opcode & ~1) != 0xa8)
            return emulate_string(e);
        if (insn->opcode == 0xd7)
            return translate(e);
        status = emulate_stack(e);
        if (status != EMULATE_UNSUPPORTED)
            return status;
    }
    if (!insn->has_memory)
        return EMULATE_UNSUPPORTED;
    if (insn->encoding == ENCODING_LEGACY) {
        status = insn->map == MAP_ONE_BYTE ? one_byte(e) : emulate_two_byte(e);
        if (status != EMULATE_UNSUPPORTED || insn->map == MAP_ONE_BYTE)
            return status;
    }
    return emulate_extended ? emulate_extended(e) : EMULATE_UNSUPPORTED;
}

enum emulate_status emulate(struct cpu_view *cpu, const struct insn *insn,
                            const struct emulate_ops *ops, void *ctx, struct guest_fault *fault)
{
    struct emulation e = {.cpu = cpu, .insn = insn, .ops = ops, .ctx = ctx, .fault = fault};

    e.size = insn->opcode & 1 ? insn->operand_size : 1;
    e.flags = cpu->rflags & ~RFLAGS_RF;
    e.rip = cpu->rip + insn->length;
    enum emulate_status status = execute(&e);
    if (status == EMULATE_OK) {
        cpu->rip = cpu->mode == CPU_MODE_64 ? e.rip : (uint32_t)e.rip;
        cpu->rflags = e.flags;
    }
    return status;
}
