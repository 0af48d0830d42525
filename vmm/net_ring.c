// SPDX-License-Identifier: BSD-2-Clause
// Frames between two VMs: see net_ring.h.
#include "net_ring.h"

#include <stdio.h>
#include <string.h>

#include "vm_alloc.h"

#define FRAME_MIN 14u
#define HEAD      2u /* bytes of the length, little-endian */
#define PIECE_MAX (HEAD + NET_FRAME_MAX)

static struct net_ring *ring_of(struct net_link *link)
{
    return link->ctx;
}

static void tell_if(struct net_ring *r, struct ring_end *end, bool also)
{
    if (!end->raise && !also)
        return;
    end->raise = false;
    r->tell(r->ctx);
}

static bool refuse(struct net_ring *r)
{
    if (r->stalled) {
        r->dropped++;
        return true;
    }
    if (!r->waiting && !r->link.reliable)
        r->deadline = clock_add(clock_now(r->clock), r->clock->hz / NET_RING_PATIENCE_HZ);
    r->waiting = true;
    return false;
}

static bool send_frame(struct net_link *link, const void *frame, size_t size)
{
    struct net_ring *r = ring_of(link);
    uint8_t piece[PIECE_MAX];

    if (size < FRAME_MIN || size > NET_FRAME_MAX) {
        r->dropped++;
        return true;
    }
    if (ring_free(&r->tx) < HEAD + size)
        return refuse(r);
    r->stalled = r->waiting = false;
    r->deadline = CLOCK_NEVER;
    piece[0] = (uint8_t)size;
    piece[1] = (uint8_t)(size >> 8);
    memcpy(piece + HEAD, frame, size);
    ring_write(&r->tx, piece, (uint32_t)(HEAD + size)); /* in one piece: see the reader */
    tell_if(r, &r->tx, false);
    return true;
}

/* All that is there now. HAZARD: only that: what a peer adds meanwhile may begin anywhere, and
 * would keep this loop going. */
static void drop_all(struct net_ring *r)
{
    uint8_t bytes[256];
    uint32_t left = ring_used(&r->rx);

    while (left) {
        uint32_t done = ring_read(&r->rx, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

        if (done == 0) /* the peer took its index back */
            break;
        left -= done;
    }
    tell_if(r, &r->rx, true); /* it may wait for room */
}

static size_t receive_frame(struct net_link *link, void *frame)
{
    struct net_ring *r = ring_of(link);
    uint8_t head[HEAD];
    uint32_t got = ring_read(&r->rx, head, HEAD), size = head[0] | (uint32_t)head[1] << 8;

    if (got == 0)
        return 0;
    if (got < HEAD || size < FRAME_MIN || size > NET_FRAME_MAX || ring_used(&r->rx) < size ||
        ring_read(&r->rx, frame, size) != size) {
        r->damaged++;
        drop_all(r);
        return 0;
    }
    /* Whether a frame may not have fitted before this one was taken. HAZARD: the peer's index is
     * looked at after ours was stored with a fence, so either we see that the ring was full or the
     * peer sees the room. */
    tell_if(r, &r->rx, ring_used(&r->rx) + HEAD + size > r->rx.size - PIECE_MAX);
    return size;
}

void net_ring_arrived(void *ring)
{
    struct net_ring *r = ring;

    if (r->waiting) {
        r->waiting = false;
        r->deadline = CLOCK_NEVER;
        if (r->link.room)
            r->link.room(r->link.nic);
    }
    if (r->link.arrived)
        r->link.arrived(r->link.nic);
}

void net_ring_expire(void *ring, uint64_t now)
{
    struct net_ring *r = ring;

    (void)now;
    r->deadline = CLOCK_NEVER;
    if (!r->waiting)
        return;
    r->waiting = false;
    r->stalled = true;
    if (r->link.room)
        r->link.room(r->link.nic);
}

bool net_ring_open(struct net_ring *r, struct ring *rx, struct ring *tx, uint32_t data_bytes,
                   const struct clock *clock, void (*tell)(void *ctx), void *ctx)
{
    r->clock = clock;
    r->tell = tell;
    r->ctx = ctx;
    r->deadline = CLOCK_NEVER;
    r->link = (struct net_link){.send = send_frame, .receive = receive_frame, .ctx = r, .up = true};
    if (data_bytes < 2 * PIECE_MAX || !ring_open(&r->rx, rx, data_bytes, RING_CONSUMER) ||
        !ring_open(&r->tx, tx, data_bytes, RING_PRODUCER))
        return false;
    drop_all(r);
    return true;
}

static bool send_nowhere(struct net_link *link, const void *frame, size_t size)
{
    (void)frame;
    (void)size;
    ring_of(link)->dropped++;
    return true;
}

static size_t receive_nothing(struct net_link *link, void *frame)
{
    (void)link;
    (void)frame;
    return 0;
}

static void tell_peer(void *ctx)
{
    struct net_ring *r = ctx;

    r->env->tell_peer(r->env->vm, r->channel);
}

struct net_link *net_ring_create(const struct device_env *env, const struct task_device *config,
                                 char *error, size_t size)
{
    struct net_ring *r = vm_alloc(sizeof(*r));
    const struct task_channel *channel = &env->info->channels[0] + config->channel;

    if (r == NULL) {
        snprintf(error, size, "the vmm has no memory left for it");
        return NULL;
    }
    r->env = env;
    r->channel = config->channel;
    if (config->channel >= env->info->channel_count) { /* nobody is at the other end */
        r->link = (struct net_link){.send = send_nowhere, .receive = receive_nothing, .ctx = r};
        return &r->link;
    }
    if (!net_ring_open(r, (struct ring *)channel->rx, (struct ring *)channel->tx,
                       ring_capacity(channel->ring_bytes), &env->chipset->clock, tell_peer, r) ||
        !chipset_add_timer(env->chipset, &r->deadline, net_ring_expire, r)) {
        snprintf(error, size, "its network cannot be opened");
        return NULL;
    }
    env->on_channel(env->vm, config->channel, net_ring_arrived, r);
    return &r->link;
}
