// SPDX-License-Identifier: BSD-2-Clause
// A network link for the tests of NIC models: what was sent is kept, what shall arrive is queued.
#ifndef NET_FAKE_H
#define NET_FAKE_H

#include <string.h>

#include "net_link.h"

#define NET_FAKE_FRAMES 1024

struct net_fake_frame {
    size_t size;
    uint8_t bytes[NET_FRAME_MAX];
};

static struct net_fake_frame net_sent[NET_FAKE_FRAMES], net_coming[NET_FAKE_FRAMES];
static unsigned net_sent_count, net_coming_count, net_coming_next;
static unsigned net_room; /* frames that may still be sent */
static struct net_link net_fake_link;

static bool net_fake_send(struct net_link *link, const void *frame, size_t size)
{
    (void)link;
    if (net_room == 0)
        return false;
    net_room--;
    struct net_fake_frame *f = &net_sent[net_sent_count++ % NET_FAKE_FRAMES];
    f->size = size;
    memcpy(f->bytes, frame, size);
    return true;
}

static size_t net_fake_receive(struct net_link *link, void *frame)
{
    (void)link;
    if (net_coming_next == net_coming_count)
        return 0;
    const struct net_fake_frame *f = &net_coming[net_coming_next++ % NET_FAKE_FRAMES];
    memcpy(frame, f->bytes, f->size);
    return f->size;
}

static inline void net_fake_setup(void)
{
    net_sent_count = net_coming_count = net_coming_next = 0;
    net_room = NET_FAKE_FRAMES;
    net_fake_link =
        (struct net_link){.send = net_fake_send, .receive = net_fake_receive, .up = true};
}

/* Queues a frame of `size` bytes to the address `to` and returns its bytes. */
static inline uint8_t *net_fake_frame(const uint8_t to[6], size_t size)
{
    struct net_fake_frame *f = &net_coming[net_coming_count++ % NET_FAKE_FRAMES];
    f->size = size;
    for (size_t i = 0; i < size; i++)
        f->bytes[i] = (uint8_t)(i * 7 + size);
    memcpy(f->bytes, to, 6);
    return f->bytes;
}

static inline void net_fake_arrive(void)
{
    net_fake_link.arrived(net_fake_link.nic);
}

static inline void net_fake_more_room(unsigned frames)
{
    net_room = frames;
    net_fake_link.room(net_fake_link.nic);
}

#endif
