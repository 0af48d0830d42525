// SPDX-License-Identifier: BSD-2-Clause
// What the fuzz targets of network devices share: a link whose peer takes frames while it has room,
// and sends frames that the target makes. Include it after device_fuzz.h.
#ifndef NET_FUZZ_H
#define NET_FUZZ_H

#include "net_link.h"

static unsigned net_fuzz_room, net_fuzz_coming; /* frames */

/* The target's: fills a frame of NET_FRAME_MAX bytes and returns how many of them count. */
static size_t net_fuzz_frame(void *frame);

/* A frame of any length, all bytes of which are the same. */
static inline size_t net_fuzz_any(void *frame)
{
    size_t size = 14 + fuzz_take(2) % (NET_FRAME_MAX - 13);
    memset(frame, (int)fuzz_take(1), size);
    return size;
}

static bool net_fuzz_send(struct net_link *link, const void *frame, size_t size)
{
    (void)link;
    CHECK(size >= 14 && size <= NET_FRAME_MAX);
    static uint8_t sink[NET_FRAME_MAX];
    memcpy(sink, frame, size);
    if (net_fuzz_room == 0)
        return false;
    net_fuzz_room--;
    return true;
}

static size_t net_fuzz_receive(struct net_link *link, void *frame)
{
    (void)link;
    if (net_fuzz_coming == 0)
        return 0;
    net_fuzz_coming--;
    return net_fuzz_frame(frame);
}

static struct net_link net_fuzz_link = {
    .send = net_fuzz_send, .receive = net_fuzz_receive, .up = true};

/* Some frames come. */
static inline void net_fuzz_arrived(unsigned frames)
{
    net_fuzz_coming = frames;
    net_fuzz_link.arrived(net_fuzz_link.nic);
}

/* The peer has room for some. */
static inline void net_fuzz_has_room(unsigned frames)
{
    net_fuzz_room = frames;
    net_fuzz_link.room(net_fuzz_link.nic);
}

#endif
