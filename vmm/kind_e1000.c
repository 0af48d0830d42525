// SPDX-License-Identifier: BSD-2-Clause
// The device kind "e1000": an Intel 82540EM on a network of the configuration.
#include <stdio.h>

#include "device_kind.h"
#include "e1000.h"
#include "net_ring.h"
#include "vm_alloc.h"

static void expire(void *dev, uint64_t now)
{
    e1000_expire(dev, now);
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct e1000 *e = vm_alloc(sizeof(*e));
    struct net_link *link;

    if (e == NULL) {
        snprintf(error, size, "the vmm has no memory left for it");
        return false;
    }
    link = net_ring_create(env, config, error, size);
    if (link == NULL)
        return false;
    if (e1000_init(e, env->pci, env->ram, &env->chipset->clock, link, config->mac) &&
        chipset_add_device(env->chipset, &e1000_ops, e) &&
        chipset_add_timer(env->chipset, &e->deadline, expire, e))
        return true;
    snprintf(error, size, "the machine has too many devices");
    return false;
}

DEVICE_KIND(e1000, .name = "e1000", .create = create);
