// SPDX-License-Identifier: BSD-2-Clause
// What the kinds of virtio devices share.
#include "virtio_kind.h"

#include <stdio.h>

void *virtio_kind_alloc(size_t bytes, char *error, size_t size)
{
    void *memory = vm_alloc(bytes);

    if (!memory)
        snprintf(error, size, "no memory for it");
    return memory;
}

bool virtio_kind_attach(const struct device_env *env, struct virtio_device *v, bool added,
                        char *error, size_t size)
{
    if (!added)
        snprintf(error, size, "there is no free PCI slot");
    else if (!chipset_add_device(env->chipset, &virtio_device_ops, v) ||
             !chipset_add_timer(env->chipset, &v->again_at, virtio_expire, v))
        snprintf(error, size, "the VM has too many devices");
    else
        return true;
    return false;
}
