// SPDX-License-Identifier: BSD-2-Clause
// virtio network device, virtio 1.2 section 5.1. HAZARD: frames come from another VM, headers,
// chains and control requests from the guest. A frame that was taken from the link waits in
// s.frame for a buffer; a frame that the link has no room for stays in its queue.
#include "virtio_net.h"

#include <stdio.h>
#include <string.h>

#define HEADER     sizeof(struct virtio_net_hdr_v1)
#define FRAME_MIN  14
#define HEADS_MAX  64 /* buffers that one frame is spread over */
#define CLASS_NET  0x020000
#define QUEUE_SIZE 256

static struct virtio_net *net_of(struct virtio_device *v)
{
    return (struct virtio_net *)(void *)((char *)v - offsetof(struct virtio_net, v));
}

// ---- The receive filter (5.1.6.5.1, 5.1.6.5.2)

static bool in_table(const struct virtio_net_table *table, const uint8_t *address)
{
    if (table->count > VIRTIO_NET_ADDRESSES)
        return true;
    for (uint32_t i = 0; i < table->count; i++)
        if (memcmp(table->address[i], address, 6) == 0)
            return true;
    return false;
}

static bool wanted(const struct virtio_net *n, const uint8_t *frame)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct virtio_net_state *s = &n->s;
    const uint8_t *mode = s->mode;
    if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) || mode[VIRTIO_NET_CTRL_RX_PROMISC])
        return true;
    if (memcmp(frame, broadcast, 6) == 0)
        return !mode[VIRTIO_NET_CTRL_RX_NOBCAST];
    if (frame[0] & 1)
        return !mode[VIRTIO_NET_CTRL_RX_NOMULTI] &&
               (mode[VIRTIO_NET_CTRL_RX_ALLMULTI] || in_table(&s->multicast, frame));
    return !mode[VIRTIO_NET_CTRL_RX_NOUNI] &&
           (mode[VIRTIO_NET_CTRL_RX_ALLUNI] || memcmp(frame, s->mac, 6) == 0 ||
            in_table(&s->unicast, frame));
}

// The next request; when there is none the guest shall say so when it adds one. HAZARD: it may have
// added one just before it was told, hence the second look.
static bool next(struct virtqueue *q, struct virtqueue_chain *chain)
{
    if (virtqueue_pop(q, chain))
        return true;
    virtqueue_want_kick(q, true);
    if (!virtqueue_pop(q, chain))
        return false;
    virtqueue_want_kick(q, false);
    return true;
}

// ---- Reception (5.1.6.4)

// Puts the held frame into buffers: one, or with MRG_RXBUF as many as it takes. False: there are
// not enough now.
static bool deliver(struct virtio_net *n)
{
    struct virtqueue *q = &n->v.queue[VIRTIO_NET_RX];
    struct virtqueue_chain *chain = &n->chain;
    struct vring_used_elem used[HEADS_MAX];
    struct virtio_net_hdr_v1 header = {.num_buffers = 1};
    uint8_t *count = NULL; // where num_buffers of the first buffer is, if in one piece
    size_t total = HEADER + n->s.held, done = 0;
    unsigned heads = 0;

    while (done < total && heads < HEADS_MAX && next(q, chain)) {
        size_t from = 0;
        if (heads == 0) {
            if (chain->writable && chain->segment[chain->readable].size >= HEADER)
                count = (uint8_t *)chain->segment[chain->readable].address +
                        offsetof(struct virtio_net_hdr_v1, num_buffers);
            from = virtqueue_write(chain, 0, &header, HEADER);
            done = from;
        }
        size_t body = done < HEADER ? 0
                                    : virtqueue_write(chain, from, n->s.frame + (done - HEADER),
                                                      total - done);
        done += body;
        used[heads++] = (struct vring_used_elem){chain->head, (uint32_t)(from + body)};
        bool mergeable = virtio_has(&n->v, VIRTIO_NET_F_MRG_RXBUF);
        if (from + body == 0 || (done < total && (!mergeable || !count))) { // 5.1.6.3.1: too small
            virtio_broken(&n->v, VIRTIO_NET_RX);
            return false;
        }
    }
    if (q->broken || (done < total && heads == HEADS_MAX)) {
        virtio_broken(&n->v, VIRTIO_NET_RX);
        return false;
    }
    if (done < total) {
        for (; heads > 0; heads--)
            virtqueue_unpop(q);
        return false;
    }
    if (heads > 1) {
        uint16_t buffers = (uint16_t)heads;
        memcpy(count, &buffers, sizeof(buffers));
    }
    virtqueue_push_all(q, used, heads);
    n->s.held = 0;
    n->received++;
    return true;
}

static void receive(struct virtio_net *n)
{
    struct virtqueue *q = &n->v.queue[VIRTIO_NET_RX];
    unsigned left = VIRTIO_NET_AT_ONCE;

    for (; left > 0; left--) {
        bool running = virtio_running(&n->v) && q->enabled && !q->broken;
        if (running && n->s.held && !deliver(n))
            break;
        n->s.held = 0;
        size_t size = n->link->receive(n->link, n->s.frame);
        if (size < FRAME_MIN || size > NET_FRAME_MAX)
            break;
        // A device that is off leaves no frames behind in the cable.
        if (!running || !wanted(n, n->s.frame))
            n->filtered++;
        else
            n->s.held = (uint32_t)size;
    }
    if (left == 0) { // the rest after the rest of the machine had its turn
        n->v.again |= 1u << VIRTIO_NET_RX;
        n->v.again_at = 0;
    }
    virtio_notify_queue(&n->v, VIRTIO_NET_RX);
}

// ---- Transmission (5.1.6.2)

static bool transmit(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_net *n = net_of(v);
    uint64_t size = chain->readable_size - HEADER;
    uint8_t frame[NET_FRAME_MAX];

    if (chain->readable_size < HEADER + FRAME_MIN || size > NET_FRAME_MAX) {
        n->malformed++; // no header, or no frame: the buffer is used up all the same
    } else {
        virtqueue_read(chain, HEADER, frame, (size_t)size);
        if (!n->link->send(n->link, frame, (size_t)size))
            return false; // link_room() goes on
        n->sent++;
    }
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

static void link_arrived(void *nic)
{
    receive(nic);
}

static void link_room(void *nic)
{
    struct virtio_net *n = nic;

    virtio_serve(&n->v, VIRTIO_NET_TX, &n->chain, transmit);
}

// ---- Control queue (5.1.6.5)

static bool set_mode(struct virtio_net *n, uint8_t command)
{
    uint8_t on;

    if (command >= sizeof(n->s.mode) || virtqueue_read(&n->chain, 2, &on, 1) != 1)
        return false;
    n->s.mode[command] = on != 0;
    return true;
}

// Reads one table at *at and moves *at behind it.
static bool read_table(struct virtio_net *n, uint64_t *at, struct virtio_net_table *table)
{
    uint32_t count;

    if (virtqueue_read(&n->chain, *at, &count, 4) != 4)
        return false;
    *at += 4;
    if (count > (n->chain.readable_size - *at) / 6)
        return false;
    table->count = count;
    if (count <= VIRTIO_NET_ADDRESSES)
        virtqueue_read(&n->chain, *at, table->address, count * 6ul);
    *at += count * 6ull;
    return true;
}

static bool set_addresses(struct virtio_net *n, uint8_t command)
{
    struct virtio_net_table unicast, multicast;
    uint8_t mac[6];
    uint64_t at = 2;

    if (command == VIRTIO_NET_CTRL_MAC_ADDR_SET) {
        if (virtqueue_read(&n->chain, at, mac, sizeof(mac)) != sizeof(mac))
            return false;
        memcpy(n->s.mac, mac, sizeof(mac));
        memcpy(n->config.mac, mac, sizeof(mac));
        return true;
    }
    if (command != VIRTIO_NET_CTRL_MAC_TABLE_SET || !read_table(n, &at, &unicast) ||
        !read_table(n, &at, &multicast))
        return false;
    n->s.unicast = unicast;
    n->s.multicast = multicast;
    return true;
}

static bool control(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_net *n = net_of(v);
    uint8_t request[2], answer = VIRTIO_NET_ERR;

    if (virtqueue_read(chain, 0, request, 2) != 2 || chain->writable_size == 0) {
        virtio_broken(v, queue);
        return true;
    }
    if (request[0] == VIRTIO_NET_CTRL_RX && set_mode(n, request[1]))
        answer = VIRTIO_NET_OK;
    else if (request[0] == VIRTIO_NET_CTRL_MAC && set_addresses(n, request[1]))
        answer = VIRTIO_NET_OK;
    virtqueue_push(&v->queue[queue], chain->head, (uint32_t)virtqueue_write(chain, 0, &answer, 1));
    return true;
}

// ---- What virtio.c asks for

static void reset(struct virtio_device *v)
{
    struct virtio_net *n = net_of(v);

    memset(&n->s, 0, sizeof(n->s));
    memcpy(n->s.mac, n->mac, sizeof(n->mac));
    memcpy(n->config.mac, n->mac, sizeof(n->mac));
}

static void start(struct virtio_device *v)
{
    virtqueue_want_kick(&v->queue[VIRTIO_NET_RX], false);
    receive(net_of(v));
}

static void notify(struct virtio_device *v, unsigned queue)
{
    if (queue == VIRTIO_NET_RX)
        receive(net_of(v));
    else if (queue == VIRTIO_NET_TX)
        virtio_serve(v, queue, &net_of(v)->chain, transmit);
    else
        virtio_serve(v, queue, &net_of(v)->chain, control);
}

#define NET_SNAPSHOT SNAPSHOT_ID('V', 'N', 'T', 1)

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    return snapshot_save(buf, size, NET_SNAPSHOT, &net_of(v)->s, sizeof(struct virtio_net_state));
}

static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct virtio_net *n = net_of(v);
    struct virtio_net_state s;

    if (!snapshot_load(buf, size, NET_SNAPSHOT, &s, sizeof(s)) || s.held > NET_FRAME_MAX)
        return false;
    n->s = s;
    memcpy(n->config.mac, s.mac, sizeof(s.mac));
    return true;
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    const struct virtio_net *n = net_of(v);
    const uint8_t *m = n->s.mac;

    return info_length(
        snprintf(buf, size,
                 "  %02x:%02x:%02x:%02x:%02x:%02x: %llu received, %llu sent, %llu not for it, "
                 "%llu malformed%s\n",
                 m[0], m[1], m[2], m[3], m[4], m[5], (unsigned long long)n->received,
                 (unsigned long long)n->sent, (unsigned long long)n->filtered,
                 (unsigned long long)n->malformed, n->s.held ? ", waits for a buffer" : ""),
        size);
}

static const struct virtio_ops ops = {
    .name = "virtio-net",
    .id = VIRTIO_ID_NET,
    .class_code = CLASS_NET,
    .features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS | 1ull << VIRTIO_NET_F_MTU |
                1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_CTRL_VQ |
                1ull << VIRTIO_NET_F_CTRL_RX | 1ull << VIRTIO_NET_F_CTRL_RX_EXTRA |
                1ull << VIRTIO_NET_F_CTRL_MAC_ADDR,
    .reset = reset,
    .start = start,
    .notify = notify,
    .save = save,
    .restore = restore,
    .info = info,
};

bool virtio_net_init(struct virtio_net *n, struct pci_bus *bus, const struct guest_ram *ram,
                     struct net_link *link, const uint8_t mac[6])
{
    n->link = link;
    memcpy(n->mac, mac, sizeof(n->mac));
    n->config.status = VIRTIO_NET_S_LINK_UP;
    n->config.max_virtqueue_pairs = 1;
    n->config.mtu = 1500;
    if (!virtio_init(&n->v, &ops, bus, ram, VIRTIO_NET_QUEUES, QUEUE_SIZE, &n->config,
                     offsetof(struct virtio_net_config, speed)))
        return false;
    link->nic = n;
    link->arrived = link_arrived;
    link->room = link_room;
    return true;
}
