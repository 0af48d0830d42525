// SPDX-License-Identifier: BSD-2-Clause
// virtio network device: virtio 1.2 section 5.1. One pair of queues and the control queue (receive
// filter, MAC address). Left out: checksum and segmentation offload, because a link carries whole
// frames and the guests' checksums are real ones (so nothing has to be trusted), several pairs,
// VLAN filter, announcements.
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "net_link.h"
#include "virtio.h"

#include <linux/virtio_net.h>

#define VIRTIO_NET_ADDRESSES 64 /* of each table of the filter */
#define VIRTIO_NET_AT_ONCE   256

enum { VIRTIO_NET_RX, VIRTIO_NET_TX, VIRTIO_NET_CONTROL, VIRTIO_NET_QUEUES };

struct virtio_net_table {
    uint32_t count; /* above VIRTIO_NET_ADDRESSES: all addresses match */
    uint8_t address[VIRTIO_NET_ADDRESSES][6];
};

struct virtio_net_state { /* beyond what virtio.c keeps */
    uint8_t mac[6];
    uint8_t mode[VIRTIO_NET_CTRL_RX_NOBCAST + 1]; /* by command, 0 or 1 */
    uint8_t reserved[4];
    struct virtio_net_table unicast, multicast;
    uint32_t held; /* bytes in `frame`: taken from the link, and no buffer for it yet */
    uint8_t frame[NET_FRAME_MAX];
};

struct virtio_net {
    struct virtio_device v;
    struct virtio_net_config config;
    struct virtio_net_state s;
    struct net_link *link;
    uint64_t received, sent, filtered, malformed;
    uint8_t mac[6]; /* of the configuration; the guest may take another */
    struct virtqueue_chain chain;
};

/* Builds the device and puts it on the bus. `link` is the device's from now on. virtio_expire() is
 * its timer. False: the bus is full. */
bool virtio_net_init(struct virtio_net *n, struct pci_bus *bus, const struct guest_ram *ram,
                     struct net_link *link, const uint8_t mac[6]);

#endif
