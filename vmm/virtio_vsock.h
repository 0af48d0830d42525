// SPDX-License-Identifier: BSD-2-Clause
// virtio socket device: virtio 1.2 section 5.10. Stream sockets between this guest and the one at
// the other end of a link; credit is between the guests, the device forwards, and answers for a
// peer that is not there. Left out: SOCK_SEQPACKET (a feature bit that is not offered), the host as
// a peer (CID 2: connections are refused).
//
// On the link each frame is one packet, header and at most VIRTIO_VSOCK_PAYLOAD bytes, or a hello
// with which an end tells its CID, and that it begins anew.
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include "net_link.h"
#include "virtio.h"

#include <linux/virtio_vsock.h>

#define VIRTIO_VSOCK_PAYLOAD (NET_FRAME_MAX - sizeof(struct virtio_vsock_hdr))
#define VIRTIO_VSOCK_REPLIES 16
#define VIRTIO_VSOCK_AT_ONCE 256

enum { VIRTIO_VSOCK_RX, VIRTIO_VSOCK_TX, VIRTIO_VSOCK_EVENT, VIRTIO_VSOCK_QUEUES };

struct virtio_vsock_state { /* beyond what virtio.c keeps */
    uint64_t peer;          /* CID of the other end; 0: not known, nobody is there */
    uint32_t replies;       /* resets that wait for a receive buffer */
    uint32_t held, offset;  /* bytes in `frame`; of its payload, those that are delivered */
    uint32_t sent;          /* payload bytes of the first packet in the transmit queue */
    uint8_t event;          /* 1: a transport reset waits for a buffer */
    uint8_t hello;          /* 1: a hello is to be sent, 2: one that asks for an answer */
    uint8_t started;        /* the driver was at work since the last reset */
    uint8_t stalled;        /* the transmit queue waits for a place in `reply` */
    uint8_t reserved[4];
    struct virtio_vsock_hdr reply[VIRTIO_VSOCK_REPLIES];
    uint8_t frame[NET_FRAME_MAX];
};

struct virtio_vsock {
    struct virtio_device v;
    struct virtio_vsock_config config;
    struct virtio_vsock_state s;
    struct net_link *link;
    uint64_t cid;
    uint64_t forwarded, delivered, refused, dropped;
    struct virtqueue_chain chain;
};

/* Builds the device and puts it on the bus. `cid` is the guest's, 3 to 2^32 - 2. `link` is the
 * device's from now on. virtio_expire() is its timer. False: the bus is full, or a bad CID. */
bool virtio_vsock_init(struct virtio_vsock *s, struct pci_bus *bus, const struct guest_ram *ram,
                       struct net_link *link, uint64_t cid);

#endif
