// SPDX-License-Identifier: BSD-2-Clause
// A PCI bus for one function, for the tests of PCI devices without the bus itself: interrupts are
// counted, configuration space is plain memory, BARs are reached through pci_fake_bar().
#ifndef PCI_FAKE_H
#define PCI_FAKE_H

#include <string.h>

#include "pci.h"

static bool pci_fake_msix_on;
static unsigned pci_fake_messages[PCI_VECTORS];
static bool pci_fake_full; /* the bus refuses */

void pci_init(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device,
              uint32_t class_code, uint8_t revision)
{
    memset(f, 0, sizeof(*f));
    f->name = name;
    memcpy(f->config + PCI_VENDOR_ID, &vendor, 2);
    memcpy(f->config + PCI_DEVICE_ID, &device, 2);
    uint32_t class_revision = class_code << 8 | revision;
    memcpy(f->config + PCI_CLASS_REVISION, &class_revision, 4);
    f->next_capability = PCI_STD_HEADER_SIZEOF;
    f->writable[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
}

void pci_subsystem(struct pci_function *f, uint16_t vendor, uint16_t device)
{
    memcpy(f->config + PCI_SUBSYSTEM_VENDOR_ID, &vendor, 2);
    memcpy(f->config + PCI_SUBSYSTEM_ID, &device, 2);
}

uint8_t pci_add_capability(struct pci_function *f, uint8_t id, unsigned size)
{
    uint8_t at = f->next_capability;
    if (at + size > PCI_CFG_SPACE_SIZE - 4)
        return 0;
    f->config[at] = id;
    f->config[at + 1] = f->config[PCI_CAPABILITY_LIST];
    f->config[PCI_CAPABILITY_LIST] = at;
    f->next_capability = (uint8_t)(at + (size + 3) / 4 * 4);
    return at;
}

bool pci_add_bar(struct pci_function *f, unsigned index, enum pci_bar_kind kind, bool prefetchable,
                 uint64_t size, const struct device_ops *ops, void *dev)
{
    if (index >= PCI_BARS || size == 0 || (size & (size - 1)))
        return false;
    f->bar[index] = (struct pci_bar){
        .kind = kind, .prefetchable = prefetchable, .size = size, .ops = ops, .dev = dev};
    return true;
}

bool pci_add_msix(struct pci_function *f, unsigned index, unsigned vectors)
{
    if (vectors > PCI_VECTORS)
        return false;
    f->msix.count = vectors;
    f->msix.bar = (uint8_t)index;
    f->msix.capability = pci_add_capability(f, PCI_CAP_ID_MSIX, 12);
    return f->msix.capability != 0;
}

bool pci_add(struct pci_bus *bus, struct pci_function *f, unsigned slot, unsigned function)
{
    (void)slot, (void)function;
    f->bus = bus;
    f->config[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
    pci_fake_msix_on = false;
    memset(pci_fake_messages, 0, sizeof(pci_fake_messages));
    return !pci_fake_full;
}

void pci_set_intx(struct pci_function *f, bool level)
{
    f->intx = level;
}

bool pci_msix_enabled(const struct pci_function *f)
{
    (void)f;
    return pci_fake_msix_on;
}

void pci_msix(struct pci_function *f, unsigned vector)
{
    if (vector < f->msix.count)
        pci_fake_messages[vector]++;
}

size_t pci_save(struct pci_function *f, void *buf, size_t size)
{
    return snapshot_save(buf, size, SNAPSHOT_ID('p', 'c', 'f', 1), f->config, sizeof(f->config));
}

bool pci_restore(struct pci_function *f, const void *buf, size_t size)
{
    return snapshot_load(buf, size, SNAPSHOT_ID('p', 'c', 'f', 1), f->config, sizeof(f->config));
}

/* As a guest's configuration cycles. */
static inline uint64_t pci_fake_read(struct pci_function *f, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    if (f->config_read)
        f->config_read(f->dev, offset, size);
    memcpy(&value, f->config + offset, size);
    return value;
}

static inline void pci_fake_write(struct pci_function *f, unsigned offset, unsigned size,
                                  uint64_t value)
{
    bool dma = pci_may_dma(f);
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = f->writable[offset + i];
        f->config[offset + i] =
            (uint8_t)((f->config[offset + i] & ~mask) | (value >> (8 * i) & mask));
    }
    f->dma_began = !dma && pci_may_dma(f);
    if (f->config_written)
        f->config_written(f->dev, offset, size);
}

#endif
