// SPDX-License-Identifier: BSD-2-Clause
// What models of PCI devices call to describe themselves, and their BARs: PCI Local Bus 3.0
// sections 6.2.5 and 6.7. The bridges, which every VM has, need none of it. HAZARD: a guest moves a
// BAR while decoding is on, half of a 64-bit one first, onto RAM, the Local APIC or its neighbour.
// A BAR that finds its place taken stays unmapped, and gets it when it becomes free.
#include "pci.h"

#include <string.h>

#define PORTS_END   0x10000ull
#define MEMORY_BITS 52

void pci_set_intx(struct pci_function *f, bool level)
{
    if (f->intx == level)
        return;
    f->intx = level;
    pci_update_intx(f);
}

void pci_subsystem(struct pci_function *f, uint16_t vendor, uint16_t device)
{
    memcpy(f->config + PCI_SUBSYSTEM_VENDOR_ID, &vendor, 2);
    memcpy(f->config + PCI_SUBSYSTEM_ID, &device, 2);
}

uint8_t pci_add_capability(struct pci_function *f, uint8_t id, unsigned size)
{
    unsigned at = f->next_capability;
    if (size < 2 || size > PCI_CFG_SPACE_SIZE - at)
        return 0;
    f->config[f->last_capability != 0 ? f->last_capability + PCI_CAP_LIST_NEXT
                                      : PCI_CAPABILITY_LIST] = (uint8_t)at;
    f->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    f->config[at] = id;
    f->last_capability = (uint8_t)at;
    at = (at + size + 3) & ~3u;
    f->next_capability = (uint8_t)(at < PCI_CFG_SPACE_SIZE ? at : PCI_CFG_SPACE_SIZE - 1);
    return f->last_capability;
}

static uint32_t register32(const struct pci_function *f, unsigned offset)
{
    uint32_t value;
    memcpy(&value, f->config + offset, 4);
    return value;
}

/* Where the registers put a BAR; PCI_UNMAPPED: nowhere. Address 0, and the ones that are written to
 * learn the size, mean nowhere too. */
static uint64_t wanted(const struct pci_bus *bus, const struct pci_function *f, unsigned index)
{
    const struct pci_bar *bar = &f->bar[index];
    bool io = bar->kind == PCI_BAR_IO;
    if (bar->kind == PCI_BAR_NONE ||
        !(f->config[PCI_COMMAND] & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
        return PCI_UNMAPPED;
    uint64_t address = register32(f, PCI_BASE_ADDRESS_0 + 4 * index);
    uint64_t end = io ? PORTS_END : UINT32_MAX;
    if (bar->kind == PCI_BAR_MEM64) {
        address |= (uint64_t)register32(f, PCI_BASE_ADDRESS_0 + 4 * index + 4) << 32;
        end = 1ull << MEMORY_BITS;
    }
    address &= ~(bar->size - 1);
    if (address == 0 || address >= end || bar->size > end - address ||
        (!io && pci_in_ram(bus, address, bar->size)))
        return PCI_UNMAPPED;
    return address;
}

static uint64_t ones(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return UINT64_MAX;
}

static void drop(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)dev;
    (void)offset;
    (void)size;
    (void)value;
}

/* Holds the place of a BAR that is memory. */
static const struct device_ops memory_ops = {.name = "pci-memory", .read = ones, .write = drop};

static void place_one(struct pci_bus *bus, struct pci_function *f, unsigned index)
{
    struct pci_bar *bar = &f->bar[index];
    struct bus *where = bar->kind == PCI_BAR_IO ? bus->ports : bus->mmio;
    uint64_t address = wanted(bus, f, index);
    if (address == PCI_UNMAPPED || bar->address != PCI_UNMAPPED)
        return;
    if (!bus_add(where, address, bar->size, bar->ops != NULL ? bar->ops : &memory_ops, bar->dev)) {
        bus->blocked = true;
        return;
    }
    bar->address = address;
    if (bar->moved != NULL)
        bar->moved(bar->dev, index, address);
}

static void place(struct pci_bus *bus, struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        place_one(bus, f, i);
}

static bool displace(struct pci_bus *bus, struct pci_function *f, bool all)
{
    bool freed = false;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &f->bar[i];
        if (bar->address == PCI_UNMAPPED || (!all && bar->address == wanted(bus, f, i)))
            continue;
        bus_remove(bar->kind == PCI_BAR_IO ? bus->ports : bus->mmio, bar->address);
        bar->address = PCI_UNMAPPED;
        if (bar->moved != NULL)
            bar->moved(bar->dev, i, PCI_UNMAPPED);
        freed = true;
    }
    return freed;
}

bool pci_add_bar(struct pci_function *f, unsigned index, enum pci_bar_kind kind, bool prefetchable,
                 uint64_t size, const struct device_ops *ops, void *dev)
{
    bool io = kind == PCI_BAR_IO, wide = kind == PCI_BAR_MEM64;
    if (index + wide >= PCI_BARS || kind == PCI_BAR_NONE || f->bar[index].kind != PCI_BAR_NONE ||
        (wide && f->bar[index + 1].kind != PCI_BAR_NONE) ||
        (index > 0 && f->bar[index - 1].kind == PCI_BAR_MEM64) || size & (size - 1) ||
        size < (io ? 4 : 16) ||
        size > (io     ? 1ull << 12
                : wide ? 1ull << 40
                       : 1ull << 30))
        return false;
    static const struct pci_bar_ops bar_ops = {
        .place = place, .displace = displace, .assign = pci_assign_bars};
    f->bars = &bar_ops;
    f->bar[index] = (struct pci_bar){kind, prefetchable, size, ops, dev, NULL, PCI_UNMAPPED};
    uint64_t mask = ~(size - 1);
    unsigned at = PCI_BASE_ADDRESS_0 + 4 * index;
    memcpy(f->writable + at, &mask, wide ? 8 : 4);
    f->config[at] = (uint8_t)(io ? PCI_BASE_ADDRESS_SPACE_IO
                                 : (wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
                                       (prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
    f->writable[PCI_COMMAND] |= io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    return true;
}
