// SPDX-License-Identifier: BSD-2-Clause
// The device kind "virtio-vsock": sockets to the VM at the other end of a link.
#include "net_ring.h"
#include "virtio_kind.h"
#include "virtio_vsock.h"

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct virtio_vsock *s = virtio_kind_alloc(sizeof(*s), error, size);
    struct net_link *link = s ? net_ring_create(env, config, error, size) : NULL;

    return link && virtio_kind_attach(
                       env, &s->v, virtio_vsock_init(s, env->pci, env->ram, link, config->number),
                       error, size);
}

DEVICE_KIND(virtio_vsock, .name = "virtio-vsock", .create = create);
