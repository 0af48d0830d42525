// SPDX-License-Identifier: BSD-2-Clause
// I/O APICs: a GSI has the vector VECTOR_GSI + GSI, is delivered to the boot CPU, and is masked while nobody has bound
// it.
#include "apic.h"
#include "../cpu.h"
#include "x86.h"

struct ioapic {
    volatile uint32_t *regs; // index at 0, data at 0x10
    uint32_t base, pins;
};
static struct ioapic ioapics[IOAPIC_MAX];
static unsigned ioapic_count;
struct irq *gsi_irqs[GSI_MAX];
static uint32_t isa_flags[16]; // of the GSI with that number, from the MADT's overrides

#define MASKED (1u << 16)
#define LEVEL  (1u << 15)
#define LOW    (1u << 13)

static uint32_t ioapic_read(struct ioapic *io, unsigned reg)
{
    io->regs[0] = reg;
    return io->regs[4];
}

static void ioapic_write(struct ioapic *io, unsigned reg, uint32_t value)
{
    io->regs[0] = reg;
    io->regs[4] = value;
}

void ioapic_add(uint64_t address, uint32_t gsi_base)
{
    if (ioapic_count == IOAPIC_MAX || gsi_base >= GSI_MAX)
        return;
    struct ioapic *io = &ioapics[ioapic_count++];
    io->regs = (volatile uint32_t *)address;
    io->base = gsi_base;
    io->pins = (ioapic_read(io, 1) >> 16 & 0xff) + 1;
    for (unsigned pin = 0; pin < io->pins; pin++)
        ioapic_write(io, 0x10 + 2 * pin, MASKED);
}

void ioapic_override(uint32_t gsi, uint16_t flags)
{
    if (gsi < 16)
        isa_flags[gsi] = ((flags & 3) == 3 ? LOW : 0) | ((flags >> 2 & 3) == 3 ? LEVEL : 0);
}

static struct ioapic *ioapic_of(unsigned gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++)
        if (gsi >= ioapics[i].base && gsi < ioapics[i].base + ioapics[i].pins)
            return &ioapics[i];
    return NULL;
}

void arch_irq_mask(unsigned gsi, bool mask)
{
    struct ioapic *io = ioapic_of(gsi);
    unsigned reg = 0x10 + 2 * (gsi - io->base);
    uint32_t entry = ioapic_read(io, reg);

    ioapic_write(io, reg, mask ? entry | MASKED : entry & ~MASKED);
}

enum status arch_irq_bind(unsigned gsi, uint32_t flags, void *irq)
{
    struct ioapic *io = gsi < GSI_MAX ? ioapic_of(gsi) : NULL;

    if (!io)
        return ERR_RANGE;
    if (irq && gsi_irqs[gsi])
        return ERR_BUSY;
    unsigned reg = 0x10 + 2 * (gsi - io->base);
    ioapic_write(io, reg, MASKED);
    gsi_irqs[gsi] = irq;
    if (!irq)
        return OK;
    uint32_t entry = VECTOR_GSI + gsi;
    entry |= flags & IRQ_LEVEL ? LEVEL : 0;
    entry |= flags & IRQ_LOW ? LOW : 0;
    entry |= gsi < 16 ? isa_flags[gsi] : 0;
    ioapic_write(io, reg + 1, arch_cpu(0)->apic_id << 24);
    ioapic_write(io, reg, entry);
    return OK;
}
