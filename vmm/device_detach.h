// SPDX-License-Identifier: BSD-2-Clause
// Detaching the PCI devices that an entry names while the guest runs. It is linked into the vmms
// that have devices, as their kinds are; elsewhere nothing is removable.
#pragma once

#include "device_kind.h"

/* The ports by which a guest lets go of a slot (pci_hotplug.c). False: taken. */
bool device_detach_init(const struct device_env *env);

/* The PCI functions that are not in `before`, brought by the latest device, can be detached by its
 * name. */
void device_detach_offer(const struct device_env *env, struct pci_function *const before[],
                         const char *name);
