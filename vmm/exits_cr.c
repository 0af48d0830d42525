// SPDX-License-Identifier: BSD-2-Clause
// Accesses to control and debug registers that the processor does not make by itself: what SDM 2B
// "MOV - Move to/from Control Registers" and "MOV - Move to/from Debug Registers" check, and what a
// change of paging mode brings with it.
#include <string.h>

#include "vm.h"

#define CR0_NE    (1ull << 5)
#define CR0_ET    (1ull << 4)
#define CR0_NW    (1ull << 29)
#define CR0_CD    (1ull << 30)
#define CR0_TS    (1ull << 3)
#define CR4_DE    (1ull << 3)
#define CR4_UMIP  (1ull << 11)
#define CR4_VMXE  (1ull << 13)
#define CR4_SMXE  (1ull << 14)
#define CR4_PCIDE (1ull << 17)
#define EFER_LME  (1ull << 8)
#define DR6_BD    (1u << 13)
#define DR7_GD    (1u << 13)

// PAE paging outside of long mode: the processor holds the four entries from here on. VT-x takes
// them from the page.
static bool load_pdptes(struct vcpu *vcpu, uint64_t cr0, uint64_t cr4)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t entries[4];

    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || page->efer & EFER_LME)
        return true;
    if (!guest_ram_read(&vcpu->vm->ram, page->cr3 & 0xffffffe0, entries, sizeof(entries)))
        return false;
    memcpy(page->pdpte, entries, sizeof(entries));
    page->dirty |= GROUP_PDPTE;
    return true;
}

static bool write_cr0(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t old = page->cr0, changed = old ^ value;

    if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) ||
        (value & CR0_NW && !(value & CR0_CD)))
        return false;
    value |= CR0_ET;
    if (changed & CR0_PG) {
        bool on = value & CR0_PG, long_code = page->seg[SEG_CS].attributes & SEGMENT_LONG;
        if (on && page->efer & EFER_LME && (!(page->cr4 & CR4_PAE) || long_code))
            return false;
        if (!on && (page->cr4 & CR4_PCIDE || (page->efer & EFER_LMA && long_code)))
            return false;
    }
    if (changed & (CR0_PG | CR0_CD | CR0_NW) && !load_pdptes(vcpu, value, page->cr4))
        return false;
    page->cr0 = value;
    // The kernel makes LMA from LME and PG; the page's copy follows.
    page->efer =
        page->efer & EFER_LME && value & CR0_PG ? page->efer | EFER_LMA : page->efer & ~EFER_LMA;
    page->dirty |= GROUP_CR;
    return true;
}

static bool write_cr4(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t changed = page->cr4 ^ value;

    if (value >> 32 || value & (CR4_VMXE | CR4_SMXE))
        return false;
    if (page->efer & EFER_LMA && changed & (CR4_PAE | CR4_LA57))
        return false;
    if (changed & value & CR4_PCIDE && (!(page->efer & EFER_LMA) || page->cr3 & 0xfff))
        return false;
    if (changed & (CR4_PAE | CR4_PSE) && !load_pdptes(vcpu, page->cr0, value))
        return false;
    page->cr4 = value;
    page->dirty |= GROUP_CR;
    return true;
}

static bool write_cr(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    struct vcpu_page *page = vcpu->page;

    switch (number) {
    case 0:
        return write_cr0(vcpu, value);
    case 2:
        page->cr2 = value;
        break;
    case 3:
        page->cr3 = value & ~(1ull << 63);
        if (!load_pdptes(vcpu, page->cr0, page->cr4))
            return false;
        break;
    case 4:
        return write_cr4(vcpu, value);
    case 8:
        if (value > 15)
            return false;
        lapic_set_cr8(vcpu->lapic, value);
        return true;
    default:
        return false;
    }
    page->dirty |= GROUP_CR;
    return true;
}

static uint64_t read_cr(struct vcpu *vcpu, unsigned number)
{
    switch (number) {
    case 0:
        return vcpu->page->cr0;
    case 2:
        return vcpu->page->cr2;
    case 3:
        return vcpu->page->cr3;
    case 4:
        return vcpu->page->cr4;
    default:
        return lapic_cr8(vcpu->lapic);
    }
}

// LMSW sets PE but cannot clear it.
static uint64_t lmsw(uint64_t cr0, uint64_t source)
{
    return (cr0 & ~0xeull) | (source & 0xf);
}

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_CLTS, ACCESS_LMSW, ACCESS_SMSW };

struct operation {
    enum access access;
    unsigned number, gpr; // of the control or debug register, and of the general one
    uint64_t source;      // ACCESS_LMSW
    uint64_t next;        // RIP behind it
    bool wide;            // 64-bit operands
    bool memory;          // ACCESS_SMSW: the destination is memory
    uint8_t size;         // ACCESS_SMSW: of the register in bytes
};

// The source of LMSW may be in memory. HAZARD: SVM lets the exit come before the fault of that
// access (QEMU does so). False: that has been answered.
static bool lmsw_source(struct vcpu *vcpu, const struct cpu_view *view, const struct insn *insn,
                        struct operation *o)
{
    struct guest_fault fault;
    uint64_t linear;

    if (insn->mod == 3) {
        o->source = view->gpr[insn_rm(insn)];
        return true;
    }
    uint64_t offset = insn_effective_address(insn, view);
    struct paging paging = {.ram = vcpu->mmio.ops->ram,
                            .ctx = vcpu,
                            .cr0 = view->cr0,
                            .cr3 = view->cr3,
                            .cr4 = view->cr4,
                            .efer = view->efer,
                            .rflags = view->rflags,
                            .cpl = view->cpl,
                            .physical_bits = vcpu->mmio.physical_bits,
                            .no_1g_pages = vcpu->mmio.no_1g_pages};
    struct translation t;
    uint8_t byte = 0xff; // only the low four bits matter
    enum walk_status walked = WALK_FAULT;
    if (segment_linear(view, insn->segment, offset, 2, false, &linear, &fault))
        walked = paging_walk(&paging, linear, WALK_READ, &t, &fault);
    if (walked != WALK_OK) {
        vcpu_emulated(vcpu,
                      walked == WALK_FAULT   ? EMULATE_FAULT
                      : walked == WALK_RETRY ? EMULATE_RETRY
                                             : EMULATE_NO_MEMORY,
                      &fault, "LMSW");
        return false;
    }
    guest_ram_read(&vcpu->vm->ram, t.gpa, &byte, 1);
    o->source = byte;
    return true;
}

// Finds out what the instruction at RIP is; `debug` tells the two register files apart. False: that
// has been answered.
static bool decode_operation(struct vcpu *vcpu, bool debug, struct operation *o)
{
    struct cpu_view view;
    struct insn insn;
    bool known = false;

    if (!vcpu_decode(vcpu, &view, &insn))
        return false;
    *o = (struct operation){.number = insn_reg(&insn),
                            .gpr = insn.rm | (insn.rex & REX_B) << 3,
                            .next = vcpu->page->rip + insn.length,
                            .wide = view.mode == CPU_MODE_64,
                            .memory = insn.has_memory,
                            .size = insn.operand_size};
    if (insn.prefixes & PREFIX_LOCK && o->number == 0) // AMD: LOCK MOV CR0 is CR8 in legacy mode
        o->number = 8;
    switch (insn.map == MAP_0F ? insn.opcode : 0) {
    case 0x20 ... 0x23:
        o->access = insn.opcode & 2 ? ACCESS_WRITE : ACCESS_READ;
        known = (insn.opcode & 1) == debug;
        break;
    case 0x06:
        o->access = ACCESS_CLTS;
        known = !debug;
        break;
    case 0x01:
        o->access = insn.reg == 4 ? ACCESS_SMSW : ACCESS_LMSW;
        known = !debug && (insn.reg == 4 || insn.reg == 6);
        break;
    }
    if (!known) { // to enter the guest again would only bring the same exit
        vcpu_emulated(vcpu, EMULATE_UNSUPPORTED, NULL,
                      debug ? "debug register access" : "control register access");
        return false;
    }
    return o->access != ACCESS_LMSW || lmsw_source(vcpu, &view, &insn, o);
}

static void set_gpr(struct vcpu *vcpu, const struct operation *o, uint64_t value)
{
    vcpu->page->gpr[o->gpr] = o->wide ? value : (uint32_t)value;
}

// SVM takes SMSW for a read of CR0; VT-x never lets it exit.
static void smsw(struct vcpu *vcpu, const struct operation *o)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t mask = o->size == 2 ? 0xffff : ~0ull, value = page->cr0;
    struct guest_fault fault;
    struct cpu_view view;

    if (page->cr4 & CR4_UMIP && cpu_cpl_of(&page->seg[SEG_SS])) {
        inject_gp(vcpu);
        return;
    }
    if (!o->memory) {
        value &= o->size == 8 ? ~0ull : 0xffffffff;
        page->gpr[o->gpr] = (page->gpr[o->gpr] & ~mask) | (value & mask);
        vcpu_done(vcpu, o->next);
        return;
    }
    vcpu_view(vcpu, &view);
    enum emulate_status status = mmio_emulate(&vcpu->mmio, &view, 0, true, &fault);
    if (status == EMULATE_OK)
        vcpu_done(vcpu, view.rip);
    else
        vcpu_emulated(vcpu, status, &fault, "SMSW");
}

void exit_cr(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t q = page->qualification;
    struct operation o;
    bool ok = true;

    if (!vcpu_has(vcpu, GROUPS_CODE))
        return;
    if (q & CR_DECODED) {
        bool wide = cpu_mode_of(&page->seg[SEG_CS], page->efer) == CPU_MODE_64;
        o = (struct operation){.number = CR_NUMBER(q),
                               .gpr = CR_GPR(q),
                               .source = q >> 16 & 0xffff,
                               .next = page->rip + page->length,
                               .wide = wide};
        o.access = q & CR_READ   ? ACCESS_READ
                   : q & CR_CLTS ? ACCESS_CLTS
                   : q & CR_LMSW ? ACCESS_LMSW
                                 : ACCESS_WRITE;
    }
    // A processor that decodes may tell no length.
    if ((!(q & CR_DECODED) || !page->length) && !decode_operation(vcpu, false, &o))
        return;
    if (o.access == ACCESS_SMSW) {
        smsw(vcpu, &o);
        return;
    }
    if (cpu_cpl_of(&page->seg[SEG_SS])) { // the processor has checked it; should it not have
        inject_gp(vcpu);
        return;
    }
    switch (o.access) {
    case ACCESS_READ:
        set_gpr(vcpu, &o, read_cr(vcpu, o.number));
        break;
    case ACCESS_WRITE:
        ok = write_cr(vcpu, o.number, o.wide ? page->gpr[o.gpr] : (uint32_t)page->gpr[o.gpr]);
        break;
    case ACCESS_CLTS:
        ok = write_cr0(vcpu, page->cr0 & ~CR0_TS);
        break;
    case ACCESS_LMSW:
        ok = write_cr0(vcpu, lmsw(page->cr0, o.source));
        break;
    case ACCESS_SMSW:
        return;
    }
    if (ok)
        vcpu_done(vcpu, o.next);
    else
        inject_gp(vcpu);
}

static bool write_dr(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    struct vcpu_page *page = vcpu->page;

    if (number < 4) {
        page->dr[number] = value;
    } else {
        if (value >> 32)
            return false;
        if (number == 6)
            page->dr6 = (value & 0xe00f) | DR6_RESET;
        else
            page->dr7 = (value & 0xffff2bff) | DR7_RESET;
    }
    if (number != 6) // DR6 is kept here only: the processor reports in exits
        page->dirty |= GROUP_DEBUG;
    return true;
}

void exit_dr(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    struct operation o;

    if (!vcpu_has(vcpu, GROUPS_CODE) || !decode_operation(vcpu, true, &o))
        return;
    // SDM 3C 25.1.3: the exit comes before these checks.
    if (cpu_cpl_of(&page->seg[SEG_SS])) {
        inject_gp(vcpu);
        return;
    }
    if (o.number > 7 || ((o.number == 4 || o.number == 5) && page->cr4 & CR4_DE)) {
        inject_ud(vcpu);
        return;
    }
    if (page->dr7 & DR7_GD) {
        page->dr6 |= DR6_BD;
        page->dr7 &= ~(uint64_t)DR7_GD;
        page->dirty |= GROUP_DEBUG;
        inject_exception(vcpu, 1, false, 0);
        return;
    }
    if (o.number == 4 || o.number == 5)
        o.number += 2;
    if (o.access == ACCESS_READ)
        set_gpr(vcpu, &o,
                o.number < 4    ? page->dr[o.number]
                : o.number == 6 ? page->dr6
                                : page->dr7);
    else if (!write_dr(vcpu, o.number, o.wide ? page->gpr[o.gpr] : (uint32_t)page->gpr[o.gpr])) {
        inject_gp(vcpu);
        return;
    }
    vcpu_done(vcpu, o.next);
}
