// SPDX-License-Identifier: BSD-2-Clause
// virtio block device: virtio 1.2 section 5.2. Several queues, flush, discard, write-zeroes; the
// disk itself is a struct block_backend.
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include "block.h"
#include "virtio.h"

#include <linux/virtio_blk.h>

#define VIRTIO_BLK_QUEUE_SIZE 128 /* entries of each queue at most */
#define VIRTIO_BLK_SEGMENTS   126 /* pieces of data in one request at most */
#define VIRTIO_BLK_SLOTS      8   /* requests at the backend at one time */

struct virtio_blk;

struct virtio_blk_slot {
    struct block_request request;
    struct block_segment segment[VIRTIO_BLK_SEGMENTS];
    struct virtio_blk *blk; /* NULL: the slot is free */
    bool stale;             /* the device was reset meanwhile: nobody waits for the end */
    uint16_t head, queue;
    uint32_t written; /* bytes of data that go to the guest if all is well */
    uint8_t *status;  /* where the guest wants it */
};

struct virtio_blk {
    struct virtio_device v;
    struct virtio_blk_config config;
    struct block_backend *backend;
    char serial[VIRTIO_BLK_ID_BYTES];
    uint32_t full;     /* queues (bits) that wait for a slot */
    uint32_t ended;    /* queues that a request of ended meanwhile */
    bool serving;      /* within virtio_serve(): it interrupts */
    uint64_t requests; /* for the monitor */
    struct virtqueue_chain chain;
    struct virtio_blk_slot slot[VIRTIO_BLK_SLOTS];
};

/* `serial` is what the guest reads as the disk's identification, at most 20 bytes of it; `queues`
 * is cut to 1 .. VIRTIO_QUEUES_MAX. The backend must stay. False: no room on the bus. */
bool virtio_blk_init(struct virtio_blk *blk, struct pci_bus *bus, const struct guest_ram *ram,
                     struct block_backend *backend, const char *serial, unsigned queues);

#endif
