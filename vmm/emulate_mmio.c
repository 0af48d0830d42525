// SPDX-License-Identifier: BSD-2-Clause
// Memory side of the emulator: instruction fetch, and linear accesses to RAM and devices. See
// emulate_mmio.h; the fast path is in emulate_fast.c.
//
// HAZARD: guest memory changes under us. Instruction bytes are copied once, then decoded; an
// instruction that another CPU rewrote after the fault is executed as it reads now, which is one
// of the outcomes that real hardware allows.
#include "emulate_mmio.h"
#include "emulate_fast.h"
#include "emulate_alu.h"

#include <string.h>

#define PAGE_SIZE 4096u

// The part of an access that lies in one page.
struct piece {
    uint64_t gpa;
    unsigned size;
    uint8_t *ram; // NULL: a device
};

struct access {
    struct mmio *mmio;
    const struct cpu_view *cpu;
};

static enum emulate_status walk(struct mmio *m, const struct cpu_view *cpu, uint64_t linear,
                                enum walk_access access, struct translation *t,
                                struct guest_fault *fault)
{
    static const enum emulate_status status[] = {
        [WALK_OK] = EMULATE_OK,
        [WALK_FAULT] = EMULATE_FAULT,
        [WALK_NO_RAM] = EMULATE_NO_MEMORY,
        [WALK_RETRY] = EMULATE_RETRY,
    };
    struct paging paging = {
        .ram = m->ops->ram,
        .ctx = m->ctx,
        .cr0 = cpu->cr0,
        .cr3 = cpu->cr3,
        .cr4 = cpu->cr4,
        .efer = cpu->efer,
        .rflags = cpu->rflags,
        .pdpte = cpu->pdpte,
        .cpl = cpu->cpl,
        .physical_bits = m->physical_bits,
        .no_1g_pages = m->no_1g_pages,
    };

    return status[paging_walk(&paging, linear, access, t, fault)];
}

// Finds where an access goes, one or two pieces, before anything of it is done.
static enum emulate_status locate(const struct access *a, uint64_t linear, unsigned size,
                                  enum walk_access intent, struct piece pieces[2],
                                  struct guest_fault *fault)
{
    unsigned first = PAGE_SIZE - (linear & (PAGE_SIZE - 1));

    pieces[0].size = size < first ? size : first;
    pieces[1].size = size - pieces[0].size;
    for (unsigned i = 0; i < 2 && pieces[i].size; i++) {
        struct translation t;
        enum emulate_status status = walk(a->mmio, a->cpu, linear, intent, &t, fault);

        if (status != EMULATE_OK)
            return status;
        pieces[i].gpa = t.gpa;
        pieces[i].ram =
            a->mmio->ops->ram(a->mmio->ctx, t.gpa, pieces[i].size, intent == WALK_WRITE);
        linear += pieces[i].size;
        if (a->cpu->mode != CPU_MODE_64)
            linear = (uint32_t)linear;
    }
    return EMULATE_OK;
}

// Aligned operands are read and written as a whole, as another CPU of the guest may expect.
static uint64_t ram_read(const uint8_t *ram, unsigned size)
{
    uint64_t value = 0;

    if ((uintptr_t)ram % size == 0) {
        switch (size) {
        case 1:
            return __atomic_load_n(ram, __ATOMIC_RELAXED);
        case 2:
            return __atomic_load_n((const uint16_t *)ram, __ATOMIC_RELAXED);
        case 4:
            return __atomic_load_n((const uint32_t *)ram, __ATOMIC_RELAXED);
        case 8:
            return __atomic_load_n((const uint64_t *)ram, __ATOMIC_RELAXED);
        }
    }
    memcpy(&value, ram, size);
    return value;
}

static void ram_write(uint8_t *ram, unsigned size, uint64_t value)
{
    if ((uintptr_t)ram % size == 0) {
        switch (size) {
        case 1:
            __atomic_store_n(ram, value, __ATOMIC_RELAXED);
            return;
        case 2:
            __atomic_store_n((uint16_t *)ram, value, __ATOMIC_RELAXED);
            return;
        case 4:
            __atomic_store_n((uint32_t *)ram, value, __ATOMIC_RELAXED);
            return;
        case 8:
            __atomic_store_n((uint64_t *)ram, value, __ATOMIC_RELAXED);
            return;
        }
    }
    memcpy(ram, &value, size);
}

// A device sees whole accesses, of more than 8 bytes in words of 8; what is left of one that
// crosses a page reaches it by bytes.
static unsigned unit_of(const struct piece *p, bool whole)
{
    return !whole ? 1 : p->size < 8 ? p->size : 8;
}

static void piece_read(const struct mmio *m, const struct piece *p, bool whole, uint8_t *to)
{
    unsigned unit = unit_of(p, whole);

    for (unsigned i = 0; i < p->size; i += unit) {
        uint64_t value =
            p->ram ? ram_read(p->ram + i, unit) : m->ops->read(m->ctx, p->gpa + i, unit);
        memcpy(to + i, &value, unit);
    }
}

static void piece_write(const struct mmio *m, const struct piece *p, bool whole,
                        const uint8_t *from)
{
    unsigned unit = unit_of(p, whole);

    for (unsigned i = 0; i < p->size; i += unit) {
        uint64_t value = 0;
        memcpy(&value, from + i, unit);
        if (p->ram)
            ram_write(p->ram + i, unit, value);
        else
            m->ops->write(m->ctx, p->gpa + i, unit, value);
    }
}

static enum emulate_status read_linear(void *ctx, uint64_t linear, unsigned size,
                                       enum walk_access intent, uint64_t *value,
                                       struct guest_fault *fault)
{
    const struct access *a = ctx;
    struct piece pieces[2];
    enum emulate_status status = locate(a, linear, size, intent, pieces, fault);

    if (status != EMULATE_OK)
        return status;
    bool whole = pieces[1].size == 0;
    value[0] = 0;
    piece_read(a->mmio, &pieces[0], whole, (uint8_t *)value);
    piece_read(a->mmio, &pieces[1], false, (uint8_t *)value + pieces[0].size);
    return EMULATE_OK;
}

static enum emulate_status write_linear(void *ctx, uint64_t linear, unsigned size,
                                        const uint64_t *value, struct guest_fault *fault)
{
    const struct access *a = ctx;
    struct piece pieces[2];
    enum emulate_status status = locate(a, linear, size, WALK_WRITE, pieces, fault);

    if (status != EMULATE_OK)
        return status;
    bool whole = pieces[1].size == 0;
    piece_write(a->mmio, &pieces[0], whole, (const uint8_t *)value);
    piece_write(a->mmio, &pieces[1], false, (const uint8_t *)value + pieces[0].size);
    return EMULATE_OK;
}

// Where the first byte of an instruction came from.
struct origin {
    struct translation translation;
    const uint8_t *host; // its page
};

// Copies instruction bytes from one page.
static enum emulate_status fetch_page(struct mmio *m, const struct cpu_view *cpu, uint64_t linear,
                                      uint8_t *to, unsigned size, struct origin *from,
                                      struct guest_fault *fault)
{
    unsigned offset = linear & (PAGE_SIZE - 1);
    enum emulate_status status = walk(m, cpu, linear, WALK_FETCH, &from->translation, fault);

    if (status != EMULATE_OK)
        return status;
    from->host = m->ops->ram(m->ctx, from->translation.gpa - offset, PAGE_SIZE, false);
    if (!from->host)
        return EMULATE_NO_MEMORY;
    memcpy(to, from->host + offset, size);
    return EMULATE_OK;
}

static enum emulate_status fetch(struct mmio *m, const struct cpu_view *cpu,
                                 uint8_t bytes[INSN_MAX_LENGTH], unsigned *n, struct origin *from,
                                 struct guest_fault *fault)
{
    uint64_t linear = cpu->rip;
    unsigned size = INSN_MAX_LENGTH;

    if (cpu->mode != CPU_MODE_64) {
        const struct vcpu_segment *cs = &cpu->seg[SEG_CS];
        uint32_t offset = cpu->rip;

        if (offset > cs->limit) {
            *fault = (struct guest_fault){.vector = VECTOR_GP, .has_error = cpu->cr0 & CR0_PE};
            return EMULATE_FAULT;
        }
        if (cs->limit - offset < size - 1)
            size = cs->limit - offset + 1;
        linear = (uint32_t)(cs->base + offset);
    }

    unsigned first = PAGE_SIZE - (linear & (PAGE_SIZE - 1));
    *n = size < first ? size : first;
    enum emulate_status status = fetch_page(m, cpu, linear, bytes, *n, from, fault);
    if (status != EMULATE_OK || *n == size)
        return status;

    // The instruction may end before the next page: that one is allowed to be absent.
    struct guest_fault ignored;
    struct origin second;
    uint64_t next = linear + *n;
    if (cpu->mode != CPU_MODE_64)
        next = (uint32_t)next;
    if (fetch_page(m, cpu, next, bytes + *n, size - *n, &second, &ignored) == EMULATE_OK)
        *n = size;
    return EMULATE_OK;
}

enum emulate_status mmio_fetch(struct mmio *m, const struct cpu_view *cpu,
                               uint8_t bytes[INSN_MAX_LENGTH], unsigned *n,
                               struct guest_fault *fault)
{
    struct origin from;

    return fetch(m, cpu, bytes, n, &from, fault);
}

static enum emulate_status raise(const struct cpu_view *cpu, enum x86_vector vector,
                                 struct guest_fault *fault)
{
    *fault = (struct guest_fault){.vector = vector,
                                  .has_error = vector != VECTOR_UD && cpu->cr0 & CR0_PE};
    return EMULATE_FAULT;
}

// Fetches and decodes the instruction at cpu->rip, and keeps it for the fast paths.
static enum emulate_status look(struct mmio *m, struct cpu_view *cpu, struct insn *insn,
                                struct guest_fault *fault)
{
    uint8_t bytes[INSN_MAX_LENGTH];
    struct origin from;
    unsigned n;

    if (m->ops->load_state)
        m->ops->load_state(m->ctx, cpu);

    enum emulate_status status = fetch(m, cpu, bytes, &n, &from, fault);
    if (status != EMULATE_OK)
        return status;
    switch (decode(insn, bytes, n, cpu->mode)) {
    case DECODE_OK:
        fast_remember(m, cpu, insn, bytes, from.host, &from.translation);
        return EMULATE_OK;
    case DECODE_MORE: // the next page went away, or the segment ends, since the fault
        return EMULATE_RETRY;
    case DECODE_INVALID:
        return raise(cpu, VECTOR_UD, fault);
    case DECODE_TOO_LONG:
        return raise(cpu, VECTOR_GP, fault);
    }
    return EMULATE_UNSUPPORTED;
}

// Apart from mmio_emulate(), so that the fast path does not pay for this stack frame.
static __attribute__((noinline)) enum emulate_status
slow_emulate(struct mmio *m, struct cpu_view *cpu, struct guest_fault *fault)
{
    static const struct emulate_ops ops = {.read = read_linear, .write = write_linear};
    struct access access = {.mmio = m, .cpu = cpu};
    struct insn insn;
    enum emulate_status status = look(m, cpu, &insn, fault);

    return status == EMULATE_OK ? emulate(cpu, &insn, &ops, &access, fault) : status;
}

enum emulate_status mmio_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write,
                                 struct guest_fault *fault)
{
    if (fast_emulate(m, cpu, gpa, write))
        return EMULATE_OK;
    return slow_emulate(m, cpu, fault);
}
