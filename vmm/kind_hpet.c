// SPDX-License-Identifier: BSD-2-Clause
// The kind "hpet": no entry in `devices` asks for it. The VMs that are told of one are linked with
// it: with firmware, and with `clock: 8254`. Linux would spend 2,300 exits on calibrating against
// it, and then use KVM's clock where there is that.
#include "device_kind.h"
#include "hpet.h"
#include "platform.h"

#include <stdio.h>

_Static_assert(PLATFORM_HPET == HPET_BASE, "ACPI tables and device agree");

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    static struct hpet hpet;
    struct chipset *c = env->chipset;

    (void)config;
    hpet_init(&hpet, &c->clock, &c->irqs);
    c->timer_irqs = hpet.legacy;
    env->acpi->hpet = true;
    if (bus_add(&c->mmio, HPET_BASE, HPET_SIZE, &hpet_ops, &hpet) &&
        chipset_add_device(c, &hpet_ops, &hpet) &&
        chipset_add_timer(c, &hpet.deadline, hpet_expire, &hpet))
        return true;
    snprintf(error, size, "hpet: its place is taken");
    return false;
}

DEVICE_KIND(hpet, .name = "hpet", .create = create);
