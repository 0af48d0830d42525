// SPDX-License-Identifier: BSD-2-Clause
// virtio memory balloon: virtio 1.2 section 5.5. Pages that the guest gives are emptied, so that a
// snapshot leaves them out; they stay the guest's RAM and go to nobody else.
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include "virtio.h"

#include <linux/virtio_balloon.h>

#define VIRTIO_BALLOON_QUEUE_SIZE 64
#define VIRTIO_BALLOON_PAGES      4096 /* page numbers in one request at most */

struct virtio_balloon {
    struct virtio_device v;
    struct virtio_balloon_config config;
    struct {
        uint64_t stat[VIRTIO_BALLOON_S_NR];    /* as the guest said; all ones: it did not */
        uint64_t inflated, deflated, reported; /* pages, ever */
        uint16_t stats_head;                   /* the guest's buffer for statistics, while held */
        uint8_t stats_held;
        uint8_t reserved[5];
    } s;
    struct virtqueue_chain chain;
};

/* False: no room on the bus. */
bool virtio_balloon_init(struct virtio_balloon *b, struct pci_bus *bus,
                         const struct guest_ram *ram);

/* Asks the guest for so many pages of 4 KiB in all; more than its RAM is cut to that. The guest
 * takes its time, or refuses: see info. */
void virtio_balloon_set_target(struct virtio_balloon *b, uint64_t pages);

/* Asks for new statistics; they are in b->s.stat when the guest answered. */
void virtio_balloon_ask_stats(struct virtio_balloon *b);

#endif
