// SPDX-License-Identifier: BSD-2-Clause
// MSI and MSI-X: PCI Local Bus 3.0 section 6.8; the message's meaning to the APICs: SDM 3A 11.11. A
// message is a write to memory: without bus mastering it is not sent, and one that does not go to
// the APICs' range is dropped.
#include "pci.h"

#include <string.h>

#define TABLE_BAR_SIZE 0x1000
#define PENDING_OFFSET 0x800
#define MSI_SIZE       14 /* one vector, 64-bit address */
#define APIC_RANGE     0xfee00000u

static bool flag16(const struct pci_function *f, unsigned offset, unsigned flag)
{
    return (f->config[offset] | f->config[offset + 1] << 8) & (int)flag;
}

bool pci_msi_enabled(const struct pci_function *f)
{
    return f->msi != 0 && flag16(f, f->msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
}

bool pci_msix_enabled(const struct pci_function *f)
{
    return f->msix.count != 0 &&
           flag16(f, f->msix.capability + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
}

static void send(struct pci_function *f, uint64_t address, uint32_t data)
{
    if (f->bus == NULL || !pci_may_dma(f) || (address & ~0xfffffull) != APIC_RANGE)
        return;
    struct apic_message message = {
        .dest = (uint32_t)(address >> 12 & 0xff),
        .vector = (uint8_t)data,
        .mode = data >> 8 & 7,
        .logical = (address & 4) != 0,
    };
    apic_bus_send(f->bus->apics, &message);
}

void pci_msi(struct pci_function *f)
{
    uint64_t address;
    uint16_t data;
    if (!pci_msi_enabled(f))
        return;
    memcpy(&address, f->config + f->msi + PCI_MSI_ADDRESS_LO, 8);
    memcpy(&data, f->config + f->msi + PCI_MSI_DATA_64, 2);
    send(f, address, data);
}

static bool masked(const struct pci_function *f, unsigned vector)
{
    return flag16(f, f->msix.capability + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_MASKALL) ||
           f->msix.entry[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void pci_msix(struct pci_function *f, unsigned vector)
{
    if (vector >= f->msix.count || !pci_msix_enabled(f))
        return;
    if (masked(f, vector))
        f->msix.pending |= 1ull << vector;
    else
        send(f, f->msix.entry[vector].address, f->msix.entry[vector].data);
}

static void update(struct pci_function *f)
{
    if (!pci_msix_enabled(f))
        return;
    for (unsigned i = 0; i < f->msix.count && f->msix.pending != 0; i++) {
        if (!(f->msix.pending >> i & 1) || masked(f, i))
            continue;
        f->msix.pending &= ~(1ull << i);
        send(f, f->msix.entry[i].address, f->msix.entry[i].data);
    }
}

static void reset(struct pci_function *f)
{
    memset(f->msix.entry, 0, sizeof(f->msix.entry));
    for (unsigned i = 0; i < PCI_VECTORS; i++)
        f->msix.entry[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
    f->msix.pending = 0;
}

/* Any access within the table is answered, though drivers use aligned doublewords. */
static uint64_t table_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_function *f = dev;
    uint64_t value = 0;
    size_t table = f->msix.count * sizeof(f->msix.entry[0]);
    if (offset < table && size <= table - offset)
        memcpy(&value, (const uint8_t *)f->msix.entry + offset, size);
    else if (offset >= PENDING_OFFSET && offset < PENDING_OFFSET + 8)
        value = f->msix.pending >> 8 * (offset & 7);
    return value;
}

static void table_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_function *f = dev;
    size_t table = f->msix.count * sizeof(f->msix.entry[0]);
    if (offset >= table || size > table - offset)
        return;
    memcpy((uint8_t *)f->msix.entry + offset, &value, size);
    unsigned last = (unsigned)(offset + size - 1) / sizeof(f->msix.entry[0]);
    for (unsigned i = (unsigned)offset / sizeof(f->msix.entry[0]); i <= last; i++) {
        f->msix.entry[i].address &= ~3ull;
        f->msix.entry[i].control &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    update(f);
}

static const struct device_ops table_ops = {
    .name = "msix-table", .read = table_read, .write = table_write};

static const char *enabled(const struct pci_function *f)
{
    return pci_msix_enabled(f) ? "msi-x" : pci_msi_enabled(f) ? "msi" : NULL;
}

static const struct pci_message_ops message_ops = {
    .enabled = enabled, .update = update, .reset = reset};

bool pci_add_msix(struct pci_function *f, unsigned index, unsigned vectors)
{
    if (vectors == 0 || vectors > PCI_VECTORS || f->msix.count != 0)
        return false;
    if (f->next_capability > PCI_CFG_SPACE_SIZE - PCI_CAP_MSIX_SIZEOF ||
        !pci_add_bar(f, index, PCI_BAR_MEM32, false, TABLE_BAR_SIZE, &table_ops, f))
        return false;
    uint8_t at = pci_add_capability(f, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
    f->messages = &message_ops;
    f->msix.count = vectors;
    f->msix.bar = (uint8_t)index;
    f->msix.capability = at;
    f->config[at + PCI_MSIX_FLAGS] = (uint8_t)(vectors - 1);
    f->writable[at + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
    f->config[at + PCI_MSIX_TABLE] = (uint8_t)index;
    f->config[at + PCI_MSIX_PBA] = (uint8_t)(PENDING_OFFSET & 0xff) | (uint8_t)index;
    f->config[at + PCI_MSIX_PBA + 1] = PENDING_OFFSET >> 8;
    reset(f);
    return true;
}

bool pci_add_msi(struct pci_function *f)
{
    uint8_t at = pci_add_capability(f, PCI_CAP_ID_MSI, MSI_SIZE);
    if (at == 0)
        return false;
    f->messages = &message_ops;
    f->msi = at;
    f->config[at + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_64BIT;
    f->writable[at + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE;
    memset(f->writable + at + PCI_MSI_ADDRESS_LO, 0xff, 10);
    f->writable[at + PCI_MSI_ADDRESS_LO] = 0xfc;
    return true;
}
