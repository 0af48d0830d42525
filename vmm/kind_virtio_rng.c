// SPDX-License-Identifier: BSD-2-Clause
// The kind "virtio-rng".
#include "virtio_kind.h"
#include "virtio_rng.h"

#include <stdio.h>

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct virtio_rng *r = virtio_kind_alloc(sizeof(*r), error, size);

    (void)config;
    if (!r)
        return false;
    if (!entropy_init(&r->entropy, NULL, NULL)) {
        snprintf(error, size, "this processor has no working RDRAND, and there is no other source");
        return false;
    }
    return virtio_kind_attach(env, &r->v, virtio_rng_init(r, env->pci, env->ram), error, size);
}

DEVICE_KIND(virtio_rng, .name = "virtio-rng", .create = create);
