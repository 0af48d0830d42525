// SPDX-License-Identifier: BSD-2-Clause
// The kind "watchdog": a VM whose watchdog ran out starts anew.
#include "device_kind.h"
#include "i6300esb.h"
#include "vm_alloc.h"

#include <stdio.h>

static void bark(void *ctx)
{
    const struct device_env *env = ctx;

    env->stop(env->vm, TASK_REBOOT, "its watchdog ran out");
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct chipset *c = env->chipset;
    struct i6300esb *dog = vm_alloc(sizeof(*dog));

    (void)config;
    if (dog == NULL) {
        snprintf(error, size, "no memory for it");
        return false;
    }
    if (!i6300esb_init(dog, env->pci, &c->clock, bark, (void *)env) ||
        !chipset_add_device(c, &i6300esb_ops, dog) ||
        !chipset_add_timer(c, &dog->deadline, i6300esb_expire, dog)) {
        snprintf(error, size, "its place on the PCI bus is taken");
        return false;
    }
    return true;
}

DEVICE_KIND(watchdog, .name = "watchdog", .create = create);
