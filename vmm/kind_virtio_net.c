// SPDX-License-Identifier: BSD-2-Clause
// The device kind "virtio-net": a virtio network device on a network of the configuration.
#include "net_ring.h"
#include "virtio_kind.h"
#include "virtio_net.h"

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct virtio_net *n = virtio_kind_alloc(sizeof(*n), error, size);
    struct net_link *link = n ? net_ring_create(env, config, error, size) : NULL;

    return link &&
           virtio_kind_attach(env, &n->v, virtio_net_init(n, env->pci, env->ram, link, config->mac),
                              error, size);
}

DEVICE_KIND(virtio_net, .name = "virtio-net", .create = create);
