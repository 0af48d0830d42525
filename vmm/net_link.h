// SPDX-License-Identifier: BSD-2-Clause
// The network behind a NIC model (virtio-net, e1000): Ethernet frames without FCS, 14 to
// NET_FRAME_MAX bytes. Today a link is a pair of rings to another VM (net_ring.c); a switch comes
// behind the same interface.
#ifndef VMM_NET_LINK_H
#define VMM_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FRAME_MAX 1514u

struct net_link {
    /* Sends one frame; false: there is no room now, room() will be called. */
    bool (*send)(struct net_link *link, const void *frame, size_t size);
    /* Takes the next received frame into a buffer of NET_FRAME_MAX bytes; 0: there is none,
     * arrived() will be called. */
    size_t (*receive)(struct net_link *link, void *frame);
    /* Set by the NIC: frames arrived; there is room again. Called from the vmm's loop. */
    void (*arrived)(void *nic);
    void (*room)(void *nic);
    void *nic;
    void *ctx;
    bool up;       /* the other side is there */
    bool reliable; /* set by the device: no frame may be lost, however long the peer takes */
};

#endif
