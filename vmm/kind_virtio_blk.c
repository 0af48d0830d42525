// SPDX-License-Identifier: BSD-2-Clause
// The kind "virtio-blk": a disk that is a boot module, or RAM.
#include "block_memory.h"
#include "virtio_blk.h"
#include "virtio_kind.h"

struct disk {
    struct virtio_blk blk;
    struct block_memory memory;
};

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct disk *disk = virtio_kind_alloc(sizeof(*disk), error, size);
    unsigned queues = config->number ? config->number : env->info->guest_cpus;

    if (!disk)
        return false;
    struct block_backend *backend = block_memory_init(
        &disk->memory, (void *)config->address, config->size, config->flags & DEVICE_READ_ONLY);
    return virtio_kind_attach(
        env, &disk->blk.v,
        virtio_blk_init(&disk->blk, env->pci, env->ram, backend, config->name, queues), error,
        size);
}

DEVICE_KIND(virtio_blk, .name = "virtio-blk", .create = create);
