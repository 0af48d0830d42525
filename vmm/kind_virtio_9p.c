// SPDX-License-Identifier: BSD-2-Clause
// The device kind "virtio-9p": a folder of the configuration, read-only, as an archive.
#include "virtio_9p.h"
#include "virtio_kind.h"

#include <stdio.h>

_Static_assert(sizeof(struct file_node) == 32, "what tools/config/devices.c gives for each file");

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    const void *archive = (const void *)config->address;
    uint32_t count = config->size ? file_tree_count(archive, config->size) : 0;
    struct virtio_9p *p = virtio_kind_alloc(sizeof(*p), error, size);
    struct file_node *node = p ? virtio_kind_alloc(count * sizeof(*node), error, size) : NULL;

    if (!node)
        return false;
    if (count == 0 || !file_tree_init(&p->server.tree, archive, config->size, node, count)) {
        snprintf(error, size, "its folder's archive is damaged");
        return false;
    }
    return virtio_kind_attach(env, &p->v, virtio_9p_init(p, env->pci, env->ram, config->tag), error,
                              size);
}

DEVICE_KIND(virtio_9p, .name = "virtio-9p", .create = create);
