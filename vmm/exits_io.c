// SPDX-License-Identifier: BSD-2-Clause
// Port accesses. IN and OUT need no decoding; INS and OUTS go through the guest's memory, a bounded
// number of elements for each exit: between them registers hold the progress, as on the processor.
#include "vm.h"

#define STRING_MAX 128 // elements of one exit

void exit_io(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t q = page->qualification, value;
    unsigned size = IO_SIZE(q);

    if (unlikely(q & IO_STRING)) {
        exit_io_string(vcpu);
        return;
    }
    if (q & IO_IN) {
        bus_read(&vcpu->vm->chipset.ports, IO_PORT(q), size, &value);
        uint64_t keep = size == 4 ? 0 : ~0ull << 8 * size; // 32-bit results clear the upper half
        page->gpr[RAX] = (page->gpr[RAX] & keep) | value;
    } else {
        value = page->gpr[RAX] & (size == 4 ? 0xffffffff : (1u << 8 * size) - 1);
        bus_write(&vcpu->vm->chipset.ports, IO_PORT(q), size, value);
    }
    vcpu_advance(vcpu, 1); // the processor tells the length of these
}

// One element between port and memory at `offset` in segment `seg`; by bytes, as it may cross a
// page.
static enum emulate_status element(struct vcpu *vcpu, const struct cpu_view *view, unsigned seg,
                                   uint64_t offset, struct guest_fault *fault)
{
    uint64_t q = vcpu->page->qualification, linear, value = 0;
    unsigned size = IO_SIZE(q);
    bool in = q & IO_IN;
    uint64_t gpa[4];
    struct paging paging = {
        .ram = vcpu->mmio.ops->ram,
        .ctx = vcpu,
        .cr0 = view->cr0,
        .cr3 = view->cr3,
        .cr4 = view->cr4,
        .efer = view->efer,
        .rflags = view->rflags,
        .cpl = view->cpl,
        .physical_bits = vcpu->mmio.physical_bits,
        .no_1g_pages = vcpu->mmio.no_1g_pages,
    };

    if (!segment_linear(view, seg, offset, size, in, &linear, fault))
        return EMULATE_FAULT;
    for (unsigned i = 0; i < size; i++) { // all checks first: a port access cannot be taken back
        struct translation t;
        uint64_t at = view->mode == CPU_MODE_64 ? linear + i : (uint32_t)(linear + i);

        switch (paging_walk(&paging, at, in ? WALK_WRITE : WALK_READ, &t, fault)) {
        case WALK_OK:
            break;
        case WALK_FAULT:
            return EMULATE_FAULT;
        case WALK_NO_RAM:
            return EMULATE_NO_MEMORY;
        case WALK_RETRY:
            return EMULATE_RETRY;
        }
        gpa[i] = t.gpa;
    }
    if (in)
        bus_read(&vcpu->vm->chipset.ports, IO_PORT(q), size, &value);
    for (unsigned i = 0; i < size; i++) {
        uint8_t *byte = guest_ram_at(&vcpu->vm->ram, gpa[i], 1);
        uint64_t part;

        if (in) {
            if (byte)
                *byte = (uint8_t)(value >> 8 * i);
            else
                bus_write(&vcpu->vm->chipset.mmio, gpa[i], 1, value >> 8 * i & 0xff);
        } else {
            if (byte)
                part = *byte;
            else
                bus_read(&vcpu->vm->chipset.mmio, gpa[i], 1, &part);
            value |= part << 8 * i;
        }
    }
    if (!in)
        bus_write(&vcpu->vm->chipset.ports, IO_PORT(q), size, value);
    return EMULATE_OK;
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return mask == 0xffff ? (old & ~mask) | (value & mask) : value & mask;
}

void exit_io_string(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t q = page->qualification;
    struct cpu_view view;
    struct insn insn;
    struct guest_fault fault;

    if (!vcpu_has(vcpu, GROUPS_CODE) || !vcpu_decode(vcpu, &view, &insn))
        return;
    // HAZARD: another instruction may stand there by now; then the port and size of the exit are
    // not its own.
    if (insn.map != MAP_ONE_BYTE || (insn.opcode & ~1u) != (q & IO_IN ? 0x6c : 0x6e))
        return;
    uint64_t mask = insn.address_size == 8 ? ~0ull : (1ull << 8 * insn.address_size) - 1;
    unsigned index = q & IO_IN ? RDI : RSI, seg = q & IO_IN ? SEG_ES : insn.segment;
    bool repeat = insn.prefixes & (PREFIX_REP | PREFIX_REPNE);
    uint64_t step = page->rflags & RFLAGS_DF ? -(uint64_t)IO_SIZE(q) : IO_SIZE(q);
    bool step_by_step = page->rflags & RFLAGS_TF; // then the trap comes after each element
    unsigned done = 0, most = step_by_step ? 1 : STRING_MAX;

    while (done < most && !vcpu->vm->end && !(repeat && (page->gpr[RCX] & mask) == 0)) {
        enum emulate_status status = element(vcpu, &view, seg, page->gpr[index] & mask, &fault);
        if (status != EMULATE_OK) {
            vcpu_emulated(vcpu, status, &fault, "string port access");
            return;
        }
        page->gpr[index] = merge(page->gpr[index], page->gpr[index] + step, mask);
        done++;
        if (!repeat)
            break;
        page->gpr[RCX] = merge(page->gpr[RCX], page->gpr[RCX] - 1, mask);
    }
    if (!repeat || (page->gpr[RCX] & mask) == 0)
        vcpu_done(vcpu, page->rip + insn.length);
    else if (step_by_step)
        vcpu_done(vcpu, page->rip);
}
