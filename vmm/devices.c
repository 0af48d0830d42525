// SPDX-License-Identifier: BSD-2-Clause
// Finds the kinds of devices that this vmm was linked with, and creates what the VM's entry names.
#include <stdio.h>
#include <string.h>

#include "device_detach.h"
#include "device_kind.h"
#include "firmware.h"

// Linked when the VM's entry names devices.
#pragma weak device_detach_init
#pragma weak device_detach_offer

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

/* A VM that shall have one is linked with it. */
static bool create_hpet(const struct device_env *env, char *error, size_t size)
{
    const struct device_kind *kind = find("hpet");

    return kind == NULL || kind->create(env, NULL, error, size);
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

static bool show_pci(void *dev, const char *arguments, struct monitor *monitor)
{
    static char text[8192];

    (void)arguments;
    monitor_write(monitor, text, pci_info(dev, text, sizeof(text)));
    return true;
}

bool devices_create(const struct device_env *env, char *error, size_t size)
{
    const struct task_info *info = env->info;
    struct pci_function *before[PCI_FUNCTIONS];
    char why[96];

    monitor_add(env->monitor, "pci", NULL, "the PCI functions and where their BARs are", show_pci,
                env->pci);
    if (device_detach_init && !device_detach_init(env)) {
        snprintf(error, size, "the ports for the removal of devices are taken");
        return false;
    }
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
        if (device_detach_offer)
            device_detach_offer(env, before, config->name);
    }
    return create_hpet(env, error, size) &&
           (info->kernel_kind != KERNEL_FIRMWARE || create_firmware(env, error, size));
}
