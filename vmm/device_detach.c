// SPDX-License-Identifier: BSD-2-Clause
// The monitor's command that detaches PCI devices, and the ports of their removal.
#include "device_detach.h"

#include <string.h>

#include "platform.h"

bool device_detach_init(const struct device_env *env)
{
    return bus_add(&env->chipset->ports, PLATFORM_PCI_HOTPLUG, 16, &pci_hotplug_ops, env->pci);
}

/* `detach NAME`: with the guest's consent; `detach NAME now`: without. */
static bool detach(void *dev, const char *arguments, struct monitor *monitor)
{
    struct pci_function *f = dev;

    if (f->bus == NULL) {
        monitor_print(monitor, "it is detached already\n");
        return false;
    }
    if (strcmp(arguments, "now") == 0) {
        pci_remove(f->bus, f);
        return true;
    }
    if (*arguments != '\0') {
        monitor_print(monitor, "after the name only \"now\" is known\n");
        return false;
    }
    if (pci_detach(f->bus, f)) {
        monitor_print(monitor, "the guest is asked to let it go\n");
        return true;
    }
    monitor_print(monitor, "this slot cannot be asked for; add \"now\" to pull it out\n");
    return false;
}

void device_detach_offer(const struct device_env *env, struct pci_function *const before[],
                         const char *name)
{
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        if (env->pci->function[i] != NULL && before[i] == NULL)
            monitor_add(env->monitor, "detach", name,
                        "asks the guest to let go of it; now: at once", detach,
                        env->pci->function[i]);
}
