// SPDX-License-Identifier: BSD-2-Clause
// The kinds "ahci-disk" and "ahci-cd": drives on one AHCI controller, which the first of them
// makes.
#include <stdio.h>

#include "ahci.h"
#include "block_memory.h"
#include "device_kind.h"
#include "vm_alloc.h"

static struct ahci *controller;

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct block_memory *memory = vm_alloc(sizeof(*memory));
    bool cdrom = config->flags & DEVICE_CDROM;

    if (controller == NULL || controller->pci.bus != env->pci) {
        controller = vm_alloc(sizeof(*controller));
        if (controller != NULL && (!ahci_init(controller, env->pci, env->ram) ||
                                   !chipset_add_device(env->chipset, &ahci_ops, controller))) {
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
