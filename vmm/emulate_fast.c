// SPDX-License-Identifier: BSD-2-Clause
// The fast path of mmio_emulate(). A register of the Local APIC is one MOV, and a
// kernel has few of them: each is kept by its address, decoded, with all that this rests on: CR3,
// the page-table entries that lead to the code, and the code itself.
//
// HAZARD: the guest may change any of it at any time without telling, so all of it is compared
// with memory at each use. Rights are not checked again: the hardware has just executed the
// instruction up to its access.
#include "emulate_fast.h"
#include "emulate_alu.h"

#include <string.h>

#define PAGE_SIZE 4096u

static struct mmio_site *site_of(struct mmio *m, uint64_t rip)
{
    return &m->sites[(rip ^ rip >> 4 ^ rip >> 8) % MMIO_SITES];
}

void mmio_flush(struct mmio *m)
{
    for (unsigned i = 0; i < MMIO_SITES; i++)
        m->sites[i].rip = 0;
}

// Fills *move when `insn` is MOV or MOVZX between memory and a register, or from an immediate.
static bool move_of(struct mmio_move *move, const struct insn *insn, uint64_t rip)
{
    unsigned reg = insn_reg(insn);
    unsigned size = insn->opcode & 1 ? insn->operand_size : 1;
    unsigned extend = size;

    if (insn->encoding != ENCODING_LEGACY || !insn->has_modrm || !insn->has_memory ||
        insn->address_size != 8 || insn->overridden)
        return false;
    if (insn->map == MAP_ONE_BYTE && insn->opcode >= 0x88 && insn->opcode <= 0x8b) {
        move->write = insn->opcode < 0x8a;
    } else if (insn->map == MAP_ONE_BYTE && (insn->opcode & ~1) == 0xc6) {
        move->write = true;
        reg = REG_NONE;
    } else if (insn->map == MAP_0F && (insn->opcode & ~1) == 0xb6) {
        move->write = false;
        size = insn->opcode & 1 ? 2 : 1;
        extend = insn->operand_size;
    } else {
        return false;
    }
    if (extend == 1 && !insn->rex && reg >= 4 && reg != REG_NONE) // AH to BH
        return false;

    move->size = size;
    move->reg = reg;
    move->base = insn->base == BASE_RIP ? REG_NONE : insn->base;
    move->index = insn->index;
    move->scale = insn->scale;
    move->mask = size_mask(size);
    move->keep = extend < 4 ? ~size_mask(extend) : 0;
    move->address = insn->disp + (insn->base == BASE_RIP ? rip + insn->length : 0);
    move->value = insn->imm;
    return true;
}

void fast_remember(struct mmio *m, const struct cpu_view *cpu, const struct insn *insn,
                   const uint8_t *bytes, const uint8_t *host, const struct translation *t)
{
    struct mmio_site *site = site_of(m, cpu->rip);
    struct mmio_move move = {0};
    unsigned offset = cpu->rip & (PAGE_SIZE - 1);

    // An RIP above 4 GiB is 64-bit mode whatever CS says; 5-level paging has an entry too many.
    if (cpu->mode != CPU_MODE_64 || cpu->rip >> 32 == 0 ||
        offset > PAGE_SIZE - sizeof(site->code) || t->levels == 0 || t->levels > 4 ||
        t->entry_size != 8 || !move_of(&move, insn, cpu->rip))
        return;
    *site =
        (struct mmio_site){.rip = cpu->rip, .cr3 = cpu->cr3, .host = host + offset, .move = move};
    site->length = insn->length;
    memcpy(site->code, host + offset, sizeof(site->code));
    if (memcmp(site->code, bytes, insn->length) != 0) // it has changed since it was decoded
        site->rip = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned from = i < t->levels ? i : t->levels - 1;
        site->entry[i].at = t->visited[from].entry;
        site->entry[i].value = t->visited[from].value;
    }
}

static inline bool still_valid(const struct mmio_site *site, const struct cpu_view *cpu)
{
    uint64_t code[2];
    uint64_t changed = 0;

    if (site->rip != cpu->rip || site->rip == 0 || site->cr3 != cpu->cr3 || cpu->cr4 & CR4_LA57)
        return false;
    memcpy(code, site->host, sizeof(code));
    changed |= code[0] ^ site->code[0];
    changed |= code[1] ^ site->code[1];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++)
        changed |= __atomic_load_n(site->entry[i].at, __ATOMIC_RELAXED) ^ site->entry[i].value;
    return changed == 0;
}

bool fast_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write)
{
    const struct mmio_site *site = site_of(m, cpu->rip);
    const struct mmio_move *move = &site->move;
    uint64_t *gpr = cpu->gpr;

    if (!still_valid(site, cpu))
        return false;

    // An access that crosses pages faults at the start of the second one: the addresses differ.
    uint64_t address = move->address;
    if (move->base != REG_NONE)
        address += gpr[move->base];
    if (move->index != REG_NONE)
        address += gpr[move->index] << move->scale;
    if (move->write != write || (address ^ gpa) % PAGE_SIZE != 0 ||
        gpa % PAGE_SIZE + move->size > PAGE_SIZE)
        return false;

    uint64_t length = site->length;
    if (write) {
        uint64_t value = move->reg != REG_NONE ? gpr[move->reg] : move->value;
        m->ops->write(m->ctx, gpa, move->size, value & move->mask);
    } else {
        uint64_t value = m->ops->read(m->ctx, gpa, move->size);
        gpr[move->reg] = (gpr[move->reg] & move->keep) | (value & move->mask);
    }
    cpu->rip += length;
    cpu->rflags &= ~RFLAGS_RF;
    return true;
}
