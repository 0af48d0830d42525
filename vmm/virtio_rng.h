// SPDX-License-Identifier: BSD-2-Clause
// virtio entropy device: virtio 1.2 section 5.4.
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "entropy.h"
#include "virtio.h"

#define VIRTIO_RNG_QUEUE_SIZE 16
#define VIRTIO_RNG_PIECE      1024 /* bytes that one request gets at most */

struct virtio_rng {
    struct virtio_device v;
    struct entropy entropy;
    uint64_t bytes; /* given out; for the monitor */
    struct virtqueue_chain chain;
};

/* r->entropy has been seeded. False: no room on the bus. */
bool virtio_rng_init(struct virtio_rng *r, struct pci_bus *bus, const struct guest_ram *ram);

#endif
