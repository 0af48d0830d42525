// SPDX-License-Identifier: BSD-2-Clause
// Fast path of mmio_emulate(): a register of the Local APIC is one MOV, and drivers use few code
// pages. The hardware has just executed the instruction up to its access, so neither the rights of
// the code page nor those of the data are checked again; which page it is, and what the bytes are,
// is read anew each time.
#include "emulate_fast.h"
#include "emulate_alu.h"

#include <string.h>

#define PAGE_SIZE 4096u

// A decoded MOV: 88 to 8B, C6, C7, MOVZX (0F B6, B7), with 66 and REX prefixes at most.
struct move {
    uint8_t length;
    uint8_t size;   // of the memory access
    uint8_t extend; // of the register, for loads
    uint8_t reg;    // register number, or HIGH_BYTE + 0..3 for AH to BH, or IMMEDIATE
    bool write;
    uint64_t value;   // with IMMEDIATE
    uint64_t address; // effective address
};

enum { HIGH_BYTE = 16, IMMEDIATE = 0xff };

static struct mmio_code_page *slot_of(struct mmio *m, uint64_t linear)
{
    return &m->code[linear / PAGE_SIZE % MMIO_CODE_PAGES];
}

void fast_remember(struct mmio *m, const struct cpu_view *cpu, uint64_t page, const uint8_t *host,
                   const struct translation *t)
{
    *slot_of(m, page) = (struct mmio_code_page){
        .page = page,
        .cr3 = cpu->cr3,
        .la57 = cpu->cr4 & CR4_LA57,
        .host = host,
        .translation = *t,
    };
}

static uint64_t load32(const uint8_t *bytes)
{
    int32_t value;

    memcpy(&value, bytes, sizeof(value));
    return (uint64_t)(int64_t)value;
}

// The longest form is 12 bytes, so `b` needs no bounds.
static bool decode_move(struct move *move, const uint8_t b[16], const struct cpu_view *cpu)
{
    unsigned i = 0, rex = 0, operand = 4, mod, rm, op;
    bool immediate = false;

    move->extend = 0;
    move->value = 0;
    if (b[i] == 0x66) {
        operand = 2;
        i++;
    }
    if ((b[i] & 0xf0) == 0x40) {
        rex = b[i++];
        if (rex & REX_W)
            operand = 8;
    }
    op = b[i++];
    switch (op) {
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
        move->size = move->extend = op & 1 ? operand : 1;
        move->write = op < 0x8a;
        break;
    case 0xc6:
    case 0xc7:
        move->size = op & 1 ? operand : 1;
        move->write = immediate = true;
        if (b[i] & 0x38)
            return false;
        break;
    case 0x0f:
        op = b[i++];
        if ((op & ~1) != 0xb6)
            return false;
        move->size = op & 1 ? 2 : 1;
        move->extend = operand;
        move->write = false;
        break;
    default:
        return false;
    }

    mod = b[i] >> 6;
    rm = b[i] & 7;
    move->reg = (b[i++] >> 3 & 7) | (rex & REX_R) << 1;
    if (mod == 3)
        return false;
    // A byte register: the source of a write, or the destination of a load that does not extend.
    unsigned width = move->write ? move->size : move->extend;
    if (width == 1 && !rex && move->reg >= 4)
        move->reg += HIGH_BYTE - 4;

    uint64_t address = 0;
    bool rip = false;
    unsigned base = rm;
    if (rm == 4) {
        unsigned index = (b[i] >> 3 & 7) | (rex & REX_X) << 2;
        if (index != 4)
            address = cpu->gpr[index] << (b[i] >> 6);
        base = b[i++] & 7;
    }
    if (mod == 0 && base == 5) {
        rip = rm == 5;
        address += load32(b + i);
        i += 4;
    } else {
        address += cpu->gpr[base | (rex & REX_B) << 3];
        if (mod == 1) {
            address += (uint64_t)(int64_t)(int8_t)b[i++];
        } else if (mod == 2) {
            address += load32(b + i);
            i += 4;
        }
    }
    if (immediate) {
        move->reg = IMMEDIATE;
        if (move->size == 1) {
            move->value = b[i++];
        } else if (move->size == 2) {
            move->value = b[i] | b[i + 1] << 8;
            i += 2;
        } else {
            move->value = load32(b + i);
            i += 4;
        }
    }
    move->length = i;
    move->address = rip ? address + cpu->rip + i : address;
    return true;
}

static uint64_t source(const struct move *move, const struct cpu_view *cpu)
{
    if (move->reg == IMMEDIATE)
        return move->value & size_mask(move->size);
    if (move->reg >= HIGH_BYTE)
        return cpu->gpr[move->reg - HIGH_BYTE] >> 8 & 0xff;
    return cpu->gpr[move->reg] & size_mask(move->size);
}

static void set_destination(const struct move *move, struct cpu_view *cpu, uint64_t value)
{
    value &= size_mask(move->size);
    if (move->reg >= HIGH_BYTE) {
        uint64_t *reg = &cpu->gpr[move->reg - HIGH_BYTE];
        *reg = (*reg & ~0xff00ull) | value << 8;
    } else if (move->extend >= 4) {
        cpu->gpr[move->reg] = value;
    } else {
        uint64_t *reg = &cpu->gpr[move->reg];
        *reg = (*reg & ~size_mask(move->extend)) | value;
    }
}

bool fast_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write)
{
    unsigned offset = cpu->rip & (PAGE_SIZE - 1);
    const struct mmio_code_page *code = slot_of(m, cpu->rip);
    uint8_t bytes[16];
    struct move move;

    // An RIP above 4 GiB is 64-bit mode: so CS need not be known.
    if (cpu->rip >> 32 == 0 || code->page != cpu->rip - offset || code->cr3 != cpu->cr3 ||
        code->la57 != (cpu->cr4 & CR4_LA57) || offset > PAGE_SIZE - sizeof(bytes) ||
        !paging_still_valid(&code->translation))
        return false;
    memcpy(bytes, code->host + offset, sizeof(bytes));

    // An access that crosses pages faults at the start of the second one: the addresses differ.
    if (!decode_move(&move, bytes, cpu) || move.write != write ||
        ((move.address ^ gpa) & (PAGE_SIZE - 1)) != 0 ||
        (gpa & (PAGE_SIZE - 1)) + move.size > PAGE_SIZE)
        return false;
    if (write)
        m->ops->write(m->ctx, gpa, move.size, source(&move, cpu));
    else
        set_destination(&move, cpu, m->ops->read(m->ctx, gpa, move.size));
    cpu->rip += move.length;
    cpu->rflags &= ~RFLAGS_RF;
    return true;
}
