// SPDX-License-Identifier: BSD-2-Clause
// Configuration space: ports 0xCF8 and 0xCFC, ECAM. PCI Local Bus 3.0 section 3.2.2.3, PCI Express
// 5.0 sections 7.2.2 and 7.5.1.2. HAZARD: a guest moves ECAM onto RAM, the Local APIC or a BAR:
// what finds its place taken stays unmapped, and gets it when it becomes free.
#include "pci.h"

#include <string.h>

#include "platform.h"

#define CONFIG_DATA    0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS   0x80fffffcu
#define BARS_END       (PCI_BASE_ADDRESS_0 + 4 * PCI_BARS)

bool pci_in_ram(const struct pci_bus *bus, uint64_t address, uint64_t size)
{
    uint64_t high_end = PLATFORM_HIGH_RAM + bus->ram_high;
    return address < bus->ram_low || (address < high_end && address + size > PLATFORM_HIGH_RAM);
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
    if (!pci_in_ram(bus, bus->ecam_wanted, bus->ecam_size) &&
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
        if (bus->function[i] != NULL && bus->function[i]->bars != NULL)
            bus->function[i]->bars->place(bus, bus->function[i]);
}

void pci_map_bars(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;
    if (bus == NULL || f->bars == NULL)
        return;
    bool freed = f->bars->displace(bus, f, false);
    f->bars->place(bus, f);
    if (freed)
        retry(bus);
}

void pci_unmap_bars(struct pci_bus *bus, struct pci_function *f)
{
    if (f->bars != NULL && f->bars->displace(bus, f, true))
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
    bool dma = pci_may_dma(f);
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
    f->dma_began = !dma && pci_may_dma(f);
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
