// SPDX-License-Identifier: BSD-2-Clause
// Finds the kinds of devices that this vmm was linked with, and creates what the VM's entry names.
#include <stdio.h>
#include <string.h>

#include "device_kind.h"
#include "firmware.h"

/* lib/task.lds, or the linker by itself on the host, where there may be no kind at all. */
extern const struct device_kind __start_device_kinds[] __attribute__((weak));
extern const struct device_kind __stop_device_kinds[] __attribute__((weak));

static const struct device_kind *find(const char *name)
{
    const struct device_kind *kind = __start_device_kinds;

    while (kind < __stop_device_kinds && strcmp(kind->name, name) != 0)
        kind++;
    return kind < __stop_device_kinds ? kind : NULL;
}

/* Last: the ACPI tables that it gets describe the other devices. */
static bool create_firmware(const struct device_env *env, char *error, size_t size)
{
    const struct device_kind *kind = find(FIRMWARE_KIND);
    char why[96] = "this vmm can start none";

    if (kind != NULL && kind->create(env, NULL, why, sizeof(why)))
        return true;
    snprintf(error, size, "firmware: %s", why);
    return false;
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
    if (pci_detach(f->bus, f, NULL, NULL)) {
        monitor_print(monitor, "the guest is asked to let it go\n");
        return true;
    }
    monitor_print(monitor, "this slot cannot be asked for; add \"now\" to pull it out\n");
    return false;
}

static bool show_pci(void *dev, const char *arguments, struct monitor *monitor)
{
    static char text[8192];

    (void)arguments;
    monitor_write(monitor, text, pci_info(dev, text, sizeof(text)));
    return true;
}

/* The PCI functions that the latest device brought can be detached by its name. */
static void offer_detach(const struct device_env *env, struct pci_function *const before[],
                         const char *name)
{
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        if (env->pci->function[i] != NULL && before[i] == NULL)
            monitor_add(env->monitor, "detach", name,
                        "asks the guest to let go of it; now: at once", detach,
                        env->pci->function[i]);
}

bool devices_create(const struct device_env *env, char *error, size_t size)
{
    const struct task_info *info = env->info;
    struct pci_function *before[PCI_FUNCTIONS];
    char why[96];

    monitor_add(env->monitor, "pci", NULL, "the PCI functions and where their BARs are", show_pci,
                env->pci);
    for (unsigned i = 0; i < info->device_count && i < TASK_DEVICE_MAX; i++) {
        const struct task_device *config = &info->devices[i];
        const struct device_kind *kind = find(config->kind);

        why[0] = 0;
        memcpy(before, env->pci->function, sizeof(before));
        if (kind == NULL) {
            snprintf(error, size, "device %s: this vmm has no devices of kind %s", config->name,
                     config->kind);
            return false;
        }
        if (!kind->create(env, config, why, sizeof(why))) {
            snprintf(error, size, "device %s: %s", config->name, *why ? why : "cannot be made");
            return false;
        }
        offer_detach(env, before, config->name);
    }
    return info->kernel_kind != KERNEL_FIRMWARE || create_firmware(env, error, size);
}
