// SPDX-License-Identifier: BSD-2-Clause
// A network link to a NIC of another VM (or the same): frames in the two byte rings of a channel,
// each with its length in two bytes in front, written in one piece.
//
// The peer is hostile. A length that no frame has, or that is more than is there, makes the reader
// drop all that is in the ring: an honest peer stores its index only behind whole frames, so what
// comes next is a frame again. A peer that does not read for NET_RING_PATIENCE loses frames, like
// any station on a network: the NIC is not held up for good. What is in the ring when a VM starts
// was for the run before, and is dropped.
#ifndef VMM_NET_RING_H
#define VMM_NET_RING_H

#include "bulkhead/ring.h"
#include "clock.h"
#include "device_kind.h"
#include "net_link.h"

#define NET_RING_PATIENCE_HZ 10 /* a full ring is waited for a tenth of a second */

struct net_ring {
    struct net_link link;
    struct ring_end rx, tx;
    const struct clock *clock;
    void (*tell)(void *ctx); /* raises the peer's signal */
    void *ctx;
    bool waiting;      /* the NIC was refused, and is to be told of room */
    bool stalled;      /* the peer did not read for long: frames that do not fit are dropped */
    uint64_t deadline; /* end of the patience; a timer of the chipset */
    uint64_t dropped, damaged;
    const struct device_env *env;
    unsigned channel;
};

/* The link of a device with `config->channel`: memory from vm_alloc. Without a channel it is down:
 * frames go nowhere. NULL: `error` says why. */
struct net_link *net_ring_create(const struct device_env *env, const struct task_device *config,
                                 char *error, size_t size);

/* The parts of it, for tests. False: `data_bytes` is no size of a ring. */
bool net_ring_open(struct net_ring *r, struct ring *rx, struct ring *tx, uint32_t data_bytes,
                   const struct clock *clock, void (*tell)(void *ctx), void *ctx);
void net_ring_arrived(void *ring);              /* the peer raised */
void net_ring_expire(void *ring, uint64_t now); /* the deadline has come */

#endif
