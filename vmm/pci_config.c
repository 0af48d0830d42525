// SPDX-License-Identifier: BSD-2-Clause
// Configuration space: ports 0xCF8 and 0xCFC, ECAM, BARs. PCI Local Bus 3.0 sections 3.2.2.3 and
// 6.2.5, PCI Express 5.0 sections 7.2.2 and 7.5.1.2. HAZARD: a guest moves a BAR while decoding is
// on, half of a 64-bit one first, onto RAM, the Local APIC or its neighbour. A BAR that finds its
// place taken stays unmapped, and gets it when it becomes free.
#include "pci.h"

#include <string.h>

#include "platform.h"

#define CONFIG_DATA    0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS   0x80fffffcu
#define BARS_END       (PCI_BASE_ADDRESS_0 + 4 * PCI_BARS)
#define PORTS_END      0x10000ull
#define MEMORY_BITS    52

static uint32_t register32(const struct pci_function *f, unsigned offset)
{
    uint32_t value;
    memcpy(&value, f->config + offset, 4);
    return value;
}

static bool in_ram(const struct pci_bus *bus, uint64_t address, uint64_t size)
{
    uint64_t high_end = PLATFORM_HIGH_RAM + bus->ram_high;
    return address < bus->ram_low || (address < high_end && address + size > PLATFORM_HIGH_RAM);
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
        (!io && in_ram(bus, address, bar->size)))
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

static void place(struct pci_bus *bus, struct pci_function *f, unsigned index, uint64_t address)
{
    struct pci_bar *bar = &f->bar[index];
    struct bus *where = bar->kind == PCI_BAR_IO ? bus->ports : bus->mmio;
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

static bool displace(struct pci_bus *bus, struct pci_function *f, unsigned index)
{
    struct pci_bar *bar = &f->bar[index];
    if (bar->address == PCI_UNMAPPED)
        return false;
    bus_remove(bar->kind == PCI_BAR_IO ? bus->ports : bus->mmio, bar->address);
    bar->address = PCI_UNMAPPED;
    if (bar->moved != NULL)
        bar->moved(bar->dev, index, PCI_UNMAPPED);
    return true;
}

/* ECAM has no function of its own; the bus is its device. */
static uint64_t ecam_read(void *dev, uint64_t offset, unsigned size)
{
    if (offset >> 20 != 0) /* another bus than 0 */
        return UINT64_MAX;
    return pci_config_read(dev, (uint8_t)(offset >> 12), offset & 0xfff, size);
}

static void ecam_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset >> 20 == 0)
        pci_config_write(dev, (uint8_t)(offset >> 12), offset & 0xfff, size, (uint32_t)value);
}

static const struct device_ops ecam_ops = {
    .name = "pci-ecam", .read = ecam_read, .write = ecam_write, .width = 4};

static void place_ecam(struct pci_bus *bus)
{
    if (bus->ecam_wanted == PCI_UNMAPPED || bus->ecam != PCI_UNMAPPED)
        return;
    if (!in_ram(bus, bus->ecam_wanted, bus->ecam_size) &&
        bus_add(bus->mmio, bus->ecam_wanted, bus->ecam_size, &ecam_ops, bus))
        bus->ecam = bus->ecam_wanted;
    else
        bus->blocked = true;
}

/* Something gave up its place: those that had found theirs taken try again. */
static void retry(struct pci_bus *bus)
{
    if (!bus->blocked)
        return;
    bus->blocked = false;
    place_ecam(bus);
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        for (unsigned bar = 0; bus->function[i] != NULL && bar < PCI_BARS; bar++)
            place(bus, bus->function[i], bar, wanted(bus, bus->function[i], bar));
}

void pci_map_bars(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;
    bool freed = false;
    if (bus == NULL)
        return;
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (wanted(bus, f, i) != f->bar[i].address)
            freed |= displace(bus, f, i);
    for (unsigned i = 0; i < PCI_BARS; i++)
        place(bus, f, i, wanted(bus, f, i));
    if (freed)
        retry(bus);
}

void pci_unmap_bars(struct pci_bus *bus, struct pci_function *f)
{
    bool freed = false;
    for (unsigned i = 0; i < PCI_BARS; i++)
        freed |= displace(bus, f, i);
    if (freed)
        retry(bus);
}

void pci_set_ecam(struct pci_bus *bus, uint64_t address, uint64_t size)
{
    if (address == bus->ecam_wanted && (address == PCI_UNMAPPED || size == bus->ecam_size))
        return;
    bool freed = bus->ecam != PCI_UNMAPPED;
    if (freed)
        bus_remove(bus->mmio, bus->ecam);
    bus->ecam = PCI_UNMAPPED;
    bus->ecam_wanted = address;
    bus->ecam_size = size;
    place_ecam(bus);
    if (freed)
        retry(bus);
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

uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size)
{
    struct pci_function *f = bus->function[devfn];
    uint32_t value = 0;
    if (f == NULL || size > 4 || offset > PCI_CFG_SPACE_EXP_SIZE - size)
        return UINT32_MAX;
    if (f->config_read != NULL)
        f->config_read(f->dev, offset, size);
    memcpy(&value, f->config + offset, size);
    return value;
}

/* Whether a write of [offset, offset + size) touched [from, to). */
static bool touched(unsigned offset, unsigned size, unsigned from, unsigned to)
{
    return offset < to && offset + size > from;
}

void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size,
                      uint32_t value)
{
    struct pci_function *f = bus->function[devfn];
    if (f == NULL || size > 4 || offset > PCI_CFG_SPACE_SIZE - size)
        return;
    for (unsigned i = offset; i < offset + size; i++, value >>= 8) {
        uint8_t byte = (uint8_t)value;
        f->config[i] = (uint8_t)((f->config[i] & ~f->writable[i]) | (byte & f->writable[i]));
        f->config[i] &= (uint8_t) ~(byte & f->clear[i]);
    }
    bool command = touched(offset, size, PCI_COMMAND, PCI_COMMAND + 2);
    if (command || touched(offset, size, PCI_BASE_ADDRESS_0, BARS_END))
        pci_map_bars(f);
    if (command || offset >= PCI_STD_HEADER_SIZEOF) {
        pci_update_intx(f);
        if (f->messages != NULL)
            f->messages->update(f);
    }
    if (f->config_written != NULL)
        f->config_written(f->dev, offset, size);
}

/* The address register takes doublewords only; anything else at its ports is not for PCI. */
static uint64_t address_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_bus *bus = dev;
    return offset == 0 && size == 4 && !bus->no_ports ? bus->address : UINT64_MAX;
}

static void address_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_bus *bus = dev;
    if (offset == 0 && size == 4)
        bus->address = (uint32_t)value & ADDRESS_BITS;
}

static bool selected(const struct pci_bus *bus)
{
    return !bus->no_ports && bus->address & ADDRESS_ENABLE && !(bus->address & 0xff0000);
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = dev;
    if (!selected(bus))
        return UINT64_MAX;
    return pci_config_read(bus, (uint8_t)(bus->address >> 8),
                           (bus->address & 0xfc) + (unsigned)offset, size);
}

static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_bus *bus = dev;
    if (selected(bus))
        pci_config_write(bus, (uint8_t)(bus->address >> 8),
                         (bus->address & 0xfc) + (unsigned)offset, size, (uint32_t)value);
}

const struct device_ops pci_address_ops = {
    .name = "pci-address", .read = address_read, .write = address_write, .width = 4};
static const struct device_ops data_ops = {
    .name = "pci-data", .read = data_read, .write = data_write, .width = 4};

bool pci_bus_init(struct pci_bus *bus, struct bus *ports, struct bus *mmio, struct apic_bus *apics,
                  const struct irq_sink *irqs)
{
    memset(bus, 0, sizeof(*bus));
    bus->ports = ports;
    bus->mmio = mmio;
    bus->apics = apics;
    bus->irqs = irqs;
    bus->ecam = bus->ecam_wanted = PCI_UNMAPPED;
    memset(bus->pirq, 0x80, sizeof(bus->pirq));
    return bus_add(ports, CONFIG_DATA, 4, &data_ops, bus);
}
