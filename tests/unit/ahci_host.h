// SPDX-License-Identifier: BSD-2-Clause
// What the unit test and the fuzz target of the AHCI controller share: guest memory, a disk in
// memory that can be slow or broken, and a PCI bus that only counts interrupts.
#ifndef AHCI_HOST_H
#define AHCI_HOST_H

#include <string.h>

#include "ahci.h"

#define HOST_RAM     (1u << 20)
#define HOST_SECTORS 256u

static uint8_t host_memory[HOST_RAM];
static const struct guest_ram host_ram = {host_memory, HOST_RAM};
static uint8_t host_disk[HOST_SECTORS * BLOCK_SECTOR];
static bool host_level, host_slow, host_broken;
static unsigned host_discards, host_flushes;
static struct block_request *host_pending;

void pci_init(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device,
              uint32_t class_code, uint8_t revision)
{
    (void)vendor, (void)device, (void)class_code, (void)revision;
    f->name = name;
    f->config[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
}

bool pci_add_bar(struct pci_function *f, unsigned index, enum pci_bar_kind kind, bool prefetchable,
                 uint64_t size, const struct device_ops *ops, void *dev)
{
    (void)f, (void)index, (void)kind, (void)prefetchable, (void)ops, (void)dev;
    return size == AHCI_SIZE;
}

bool pci_add_msi(struct pci_function *f)
{
    (void)f;
    return true;
}

bool pci_add(struct pci_bus *bus, struct pci_function *f, unsigned slot, unsigned function)
{
    (void)bus, (void)f, (void)slot, (void)function;
    return true;
}

void pci_set_intx(struct pci_function *f, bool level)
{
    (void)f;
    host_level = level;
}

bool pci_msi_enabled(const struct pci_function *f)
{
    (void)f;
    return false;
}

void pci_msi(struct pci_function *f)
{
    (void)f;
}

static void host_perform(const struct block_request *r)
{
    uint64_t at = r->sector * BLOCK_SECTOR;
    for (unsigned i = 0; i < r->segments; i++) {
        if (r->op == BLOCK_READ)
            memcpy(r->segment[i].address, host_disk + at, r->segment[i].size);
        else if (r->op == BLOCK_WRITE)
            memcpy(host_disk + at, r->segment[i].address, r->segment[i].size);
        at += r->segment[i].size;
    }
    if (r->op == BLOCK_DISCARD)
        memset(host_disk + r->sector * BLOCK_SECTOR, 0, r->count * BLOCK_SECTOR);
}

static void host_submit(struct block_backend *backend, struct block_request *r)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < r->segments; i++)
        bytes += r->segment[i].size;
    if (r->sector > backend->sectors || r->count > backend->sectors - r->sector ||
        ((r->op == BLOCK_READ || r->op == BLOCK_WRITE) && bytes != r->count * BLOCK_SECTOR))
        __builtin_trap(); // the controller has to check
    host_discards += r->op == BLOCK_DISCARD;
    host_flushes += r->op == BLOCK_FLUSH;
    if (host_slow) {
        host_pending = r;
        return;
    }
    if (!host_broken)
        host_perform(r);
    r->done(r, host_broken ? BLOCK_IO_ERROR : BLOCK_OK);
}

// Ends the request that a slow disk has.
static inline bool host_complete(void)
{
    struct block_request *r = host_pending;
    host_pending = NULL;
    if (r == NULL)
        return false;
    host_perform(r);
    r->done(r, BLOCK_OK);
    return true;
}

#endif
