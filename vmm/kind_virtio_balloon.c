// SPDX-License-Identifier: BSD-2-Clause
// The kind "virtio-balloon".
#include "virtio_balloon.h"
#include "virtio_kind.h"

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct virtio_balloon *b = virtio_kind_alloc(sizeof(*b), error, size);

    (void)config;
    return b &&
           virtio_kind_attach(env, &b->v, virtio_balloon_init(b, env->pci, env->ram), error, size);
}

DEVICE_KIND(virtio_balloon, .name = "virtio-balloon", .create = create);
