// SPDX-License-Identifier: BSD-2-Clause
// virtio 9P transport (device 9; virtio 1.2 reserves the number, Linux' include/uapi/linux/
// virtio_9p.h and net/9p/trans_virtio.c define it): one queue, each request a chain of the message
// and of room for the reply. It serves a folder that is part of the system's archive, read-only.
#ifndef VMM_VIRTIO_9P_H
#define VMM_VIRTIO_9P_H

#include "p9.h"
#include "virtio.h"

#include <linux/virtio_9p.h>

#define VIRTIO_9P_TAG_MAX 31

struct virtio_9p {
    struct virtio_device v;
    uint8_t config[2 + VIRTIO_9P_TAG_MAX]; /* length and tag */
    struct p9 server;
    struct p9_reply reply;
    uint8_t request[P9_REQUEST_MAX];
    struct virtqueue_chain chain;
};

/* Builds the device with the files of `server.tree`, which the caller has made, and puts it on the
 * bus. `tag` is what the guest mounts. virtio_expire() is its timer. False: the bus is full, or the
 * tag is empty or too long. */
bool virtio_9p_init(struct virtio_9p *p, struct pci_bus *bus, const struct guest_ram *ram,
                    const char *tag);

#endif
