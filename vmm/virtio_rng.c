// SPDX-License-Identifier: BSD-2-Clause
// virtio entropy device (virtio 1.2 section 5.4): one queue of buffers to fill. The pool is no part
// of a snapshot: a VM that is restored twice must not draw the same bytes twice.
#include "virtio_rng.h"

#include <stdio.h>

static bool request(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_rng *r = (struct virtio_rng *)v; // its first member
    uint8_t bytes[VIRTIO_RNG_PIECE];
    size_t n = chain->writable_size < sizeof(bytes) ? chain->writable_size : sizeof(bytes);

    if (n == 0) { // 5.4.6.1: there is something to write
        virtio_broken(v, queue);
        return true;
    }
    if (!entropy_fill(&r->entropy, bytes, n))
        n = 0; // rather none than bad ones: the driver asks again
    virtqueue_push(&v->queue[queue], chain->head, (uint32_t)virtqueue_write(chain, 0, bytes, n));
    r->bytes += n;
    return true;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    virtio_serve(v, queue, &((struct virtio_rng *)v)->chain, request);
}

static void reset(struct virtio_device *v)
{
    (void)v; // requests end at once
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    return info_length(snprintf(buf, size, "  %llu bytes given\n",
                                (unsigned long long)((struct virtio_rng *)v)->bytes),
                       size);
}

static const struct virtio_ops ops = {.name = "virtio-rng",
                                      .id = VIRTIO_ID_RNG,
                                      .class_code = 0x00ff00, // none of the defined ones
                                      .reset = reset,
                                      .notify = notify,
                                      .info = info};

bool virtio_rng_init(struct virtio_rng *r, struct pci_bus *bus, const struct guest_ram *ram)
{
    return virtio_init(&r->v, &ops, bus, ram, 1, VIRTIO_RNG_QUEUE_SIZE, NULL, 0);
}
