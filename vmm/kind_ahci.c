// SPDX-License-Identifier: BSD-2-Clause
// The kinds "ahci-disk" and "ahci-cd": drives on one AHCI controller, which the first of them
// makes.
#include <stdio.h>
#include <string.h>

#include "ahci.h"
#include "block_memory.h"
#include "device_kind.h"
#include "vm_alloc.h"

static struct ahci *controller;

static void reset(void *dev)
{
    ahci_ops.reset(dev);
}

// The length of the PCI function's part, that part, the controller's.
static size_t save(void *dev, void *buf, size_t size)
{
    struct ahci *ahci = dev;
    uint8_t *to = buf;
    uint32_t length = 0;

    if (size < sizeof(length))
        return 0;
    size -= sizeof(length);
    length = (uint32_t)pci_save(&ahci->pci, to + sizeof(length), size);
    if (length == 0)
        return 0;
    memcpy(to, &length, sizeof(length));
    size_t more = ahci_ops.save(dev, to + sizeof(length) + length, size - length);
    return more ? sizeof(length) + length + more : 0;
}

// The function first: the commands that wait need bus mastering.
static bool restore(void *dev, const void *buf, size_t size)
{
    struct ahci *ahci = dev;
    const uint8_t *from = buf;
    uint32_t length;

    if (size < sizeof(length))
        return false;
    memcpy(&length, from, sizeof(length));
    size -= sizeof(length);
    from += sizeof(length);
    return length <= size && pci_restore(&ahci->pci, from, length) &&
           ahci_ops.restore(dev, from + length, size - length);
}

static size_t info(void *dev, char *buf, size_t size)
{
    return ahci_ops.info(dev, buf, size);
}

static const struct device_ops controller_ops = {
    .name = "ahci", .reset = reset, .save = save, .restore = restore, .info = info};

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct block_memory *memory = vm_alloc(sizeof(*memory));
    bool cdrom = config->flags & DEVICE_CDROM;

    if (controller == NULL || controller->pci.bus != env->pci) {
        controller = vm_alloc(sizeof(*controller));
        if (controller != NULL &&
            (!ahci_init(controller, env->pci, env->ram, &env->chipset->clock) ||
             !chipset_add_device(env->chipset, &controller_ops, controller) ||
             !chipset_add_timer(env->chipset, &controller->deadline, ahci_expire, controller))) {
            snprintf(error, size, "the VM has too many devices");
            return false;
        }
    }
    if (memory == NULL || controller == NULL) {
        snprintf(error, size, "no memory for it");
        return false;
    }
    struct block_backend *backend = block_memory_init(memory, (void *)config->address, config->size,
                                                      cdrom || config->flags & DEVICE_READ_ONLY);
    if (ahci_attach(controller, backend, cdrom))
        return true;
    snprintf(error, size, "the AHCI controller has %u ports", AHCI_PORTS);
    return false;
}

DEVICE_KIND(ahci_disk, .name = "ahci-disk", .create = create);
DEVICE_KIND(ahci_cd, .name = "ahci-cd", .create = create);
