// SPDX-License-Identifier: BSD-2-Clause
// virtio socket device, virtio 1.2 section 5.10. HAZARD: the guest's headers and the frames of the
// other VM are both hostile. A guest can only speak in the name of its own CID, and hears only what
// comes in the name of its peer's. Nothing that one side withholds (receive buffers, room in the
// link) stops more than its own traffic.
#include "virtio_vsock.h"

#include <stdio.h>
#include <string.h>

#define HEADER     sizeof(struct virtio_vsock_hdr)
#define PACKET_MAX (64u * 1024) /* payload of one packet of the guest */
#define CLASS_MISC 0x078000     /* other communication controller */
#define QUEUE_SIZE 128
#define CID_FIRST  3
#define CID_LAST   0xfffffffeull

struct hello {
    uint32_t magic;
    uint32_t answer; /* 1: the sender begins anew, and wants to hear of its peer */
    uint64_t cid;
    uint64_t reserved;
};
#define HELLO_MAGIC 0x6b637376u
_Static_assert(sizeof(struct hello) >= 14 && sizeof(struct hello) < HEADER, "never a packet");

static struct virtio_vsock *vsock_of(struct virtio_device *v)
{
    return (struct virtio_vsock *)(void *)((char *)v - offsetof(struct virtio_vsock, v));
}

static bool running(const struct virtio_vsock *s, unsigned queue)
{
    return virtio_running(&s->v) && s->v.queue[queue].enabled && !s->v.queue[queue].broken;
}

// What refuses a packet, for whoever sent it (5.10.6.4.1).
static struct virtio_vsock_hdr refusal(const struct virtio_vsock_hdr *h)
{
    return (struct virtio_vsock_hdr){.src_cid = h->dst_cid,
                                     .dst_cid = h->src_cid,
                                     .src_port = h->dst_port,
                                     .dst_port = h->src_port,
                                     .type = h->type,
                                     .op = VIRTIO_VSOCK_OP_RST};
}

// ---- To the guest

static void want_again(struct virtio_vsock *s, unsigned queue)
{
    s->v.again |= 1u << queue;
    s->v.again_at = 0;
}

// Puts one packet, or as much of its payload as fits, into the next buffer; returns the payload
// bytes, -1: there is no buffer, or the queue is broken.
static int32_t put(struct virtio_vsock *s, struct virtio_vsock_hdr header, const uint8_t *payload,
                   uint32_t size)
{
    struct virtqueue *q = &s->v.queue[VIRTIO_VSOCK_RX];

    if (!virtqueue_pop(q, &s->chain)) {
        virtqueue_want_kick(q, true); // and look once more: it may have come in between
        if (!virtqueue_pop(q, &s->chain)) {
            if (q->broken)
                virtio_broken(&s->v, VIRTIO_VSOCK_RX);
            return -1;
        }
        virtqueue_want_kick(q, false);
    }
    if (s->chain.writable_size < HEADER + (size > 0)) {
        virtio_broken(&s->v, VIRTIO_VSOCK_RX);
        return -1;
    }
    if (size > s->chain.writable_size - HEADER)
        size = (uint32_t)(s->chain.writable_size - HEADER);
    header.len = size;
    virtqueue_write(&s->chain, 0, &header, HEADER);
    virtqueue_write(&s->chain, HEADER, payload, size);
    virtqueue_push(q, s->chain.head, (uint32_t)HEADER + size);
    s->delivered++;
    return (int32_t)size;
}

// Delivers what waits for buffers; false: some of it still does.
static bool flush(struct virtio_vsock *s)
{
    struct virtio_vsock_state *t = &s->s;

    while (t->replies > 0) {
        if (put(s, t->reply[0], NULL, 0) < 0)
            return false;
        t->replies--;
        memmove(t->reply, t->reply + 1, t->replies * sizeof(t->reply[0]));
    }
    if (t->stalled) {
        t->stalled = 0;
        want_again(s, VIRTIO_VSOCK_TX);
    }
    while (t->held) {
        struct virtio_vsock_hdr header;
        memcpy(&header, t->frame, HEADER);
        uint32_t left = t->held - (uint32_t)HEADER - t->offset;
        int32_t n = put(s, header, t->frame + HEADER + t->offset, left);
        if (n < 0)
            return false;
        t->offset += (uint32_t)n;
        if ((uint32_t)n == left)
            t->held = t->offset = 0;
    }
    return true;
}

static void send_event(struct virtio_vsock *s)
{
    struct virtqueue *q = &s->v.queue[VIRTIO_VSOCK_EVENT];
    const struct virtio_vsock_event event = {.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET};

    if (!s->s.event || !running(s, VIRTIO_VSOCK_EVENT))
        return;
    if (!virtqueue_pop(q, &s->chain)) { // the guest kicks when it gives a buffer
        if (q->broken)
            virtio_broken(&s->v, VIRTIO_VSOCK_EVENT);
        return;
    }
    s->s.event = 0;
    size_t n = virtqueue_write(&s->chain, 0, &event, sizeof(event));
    virtqueue_push(q, s->chain.head, (uint32_t)n);
    virtio_notify_queue(&s->v, VIRTIO_VSOCK_EVENT);
}

// ---- From the link

static void send_hello(struct virtio_vsock *s)
{
    const struct hello hello = {HELLO_MAGIC, s->s.hello == 2, s->cid, 0};

    if (s->s.hello && s->link->send(s->link, &hello, sizeof(hello)))
        s->s.hello = 0;
}

// The other end tells its CID. If it begins anew, all connections with it are gone.
static void take_hello(struct virtio_vsock *s, const struct hello *hello)
{
    bool good = hello->magic == HELLO_MAGIC && hello->cid >= CID_FIRST && hello->cid <= CID_LAST &&
                hello->cid != s->cid;

    if (!good) {
        s->dropped++;
        return;
    }
    if (hello->answer || s->s.peer != hello->cid) {
        s->s.event = virtio_running(&s->v) && s->s.peer;
        send_event(s);
    }
    s->s.peer = hello->cid;
    if (hello->answer && !s->s.hello)
        s->s.hello = 1;
    send_hello(s);
}

// One packet from the other end into `frame`. False: it is refused or not acceptable.
static bool take_packet(struct virtio_vsock *s, size_t size)
{
    struct virtio_vsock_hdr h;

    memcpy(&h, s->s.frame, HEADER);
    bool good = s->s.peer && h.src_cid == s->s.peer && h.dst_cid == s->cid &&
                h.type == VIRTIO_VSOCK_TYPE_STREAM && h.len == size - HEADER &&
                h.op > VIRTIO_VSOCK_OP_INVALID && h.op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST;
    if (!good) {
        s->dropped++;
        return false;
    }
    if (running(s, VIRTIO_VSOCK_RX))
        return true;
    // No driver: nobody listens. No answer if the link is full, and never to a reset.
    struct virtio_vsock_hdr answer = refusal(&h);
    if (h.op != VIRTIO_VSOCK_OP_RST)
        s->link->send(s->link, &answer, HEADER);
    s->refused++;
    return false;
}

static void receive(struct virtio_vsock *s)
{
    unsigned left = VIRTIO_VSOCK_AT_ONCE;

    for (; left > 0; left--) {
        if (!running(s, VIRTIO_VSOCK_RX))
            s->s.held = s->s.offset = s->s.replies = 0;
        else if (!flush(s))
            break;
        size_t size = s->link->receive(s->link, s->s.frame);
        if (size == 0 || size > NET_FRAME_MAX)
            break;
        if (size == sizeof(struct hello)) {
            struct hello hello;
            memcpy(&hello, s->s.frame, sizeof(hello));
            take_hello(s, &hello);
        } else if (size < HEADER) {
            s->dropped++;
        } else if (take_packet(s, size)) {
            s->s.held = (uint32_t)size;
            s->s.offset = 0;
        }
    }
    if (left == 0)
        want_again(s, VIRTIO_VSOCK_RX);
    virtio_notify_queue(&s->v, VIRTIO_VSOCK_RX);
}

// ---- From the guest

// Sends a packet in pieces; false: the link has no room, s.sent says how far it came.
static bool forward(struct virtio_vsock *s, struct virtqueue_chain *chain,
                    struct virtio_vsock_hdr header)
{
    uint8_t frame[NET_FRAME_MAX];
    uint32_t size = header.op == VIRTIO_VSOCK_OP_RW ? header.len : 0;

    if (s->s.sent > size) // the packet changed under our hands
        s->s.sent = size;
    do { // bound: size is at most PACKET_MAX
        uint32_t n = size - s->s.sent;
        if (n > VIRTIO_VSOCK_PAYLOAD)
            n = VIRTIO_VSOCK_PAYLOAD;
        header.len = n;
        memcpy(frame, &header, HEADER);
        virtqueue_read(chain, HEADER + s->s.sent, frame + HEADER, n);
        if (!s->link->send(s->link, frame, HEADER + n))
            return false;
        s->s.sent += n;
    } while (s->s.sent < size);
    s->s.sent = 0;
    s->forwarded++;
    return true;
}

static bool transmit(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_vsock *s = vsock_of(v);
    struct virtio_vsock_state *t = &s->s;
    struct virtio_vsock_hdr h;
    bool whole = virtqueue_read(chain, 0, &h, HEADER) == HEADER && h.len <= PACKET_MAX &&
                 h.len <= chain->readable_size - HEADER;

    if (!whole || h.src_cid != s->cid) { // 5.10.6.4.1: nothing in another's name
        s->dropped++;
    } else if (h.type == VIRTIO_VSOCK_TYPE_STREAM && t->peer && h.dst_cid == t->peer &&
               s->link->up) {
        send_hello(s); // the peer must know us first
        if (t->hello || !forward(s, chain, h))
            return false; // link_room() goes on
    } else if (h.op != VIRTIO_VSOCK_OP_RST) {
        if (t->replies == VIRTIO_VSOCK_REPLIES) {
            t->stalled = 1; // flush() goes on
            return false;
        }
        t->reply[t->replies++] = refusal(&h);
        s->refused++;
    }
    t->sent = 0;
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

static void serve(struct virtio_vsock *s)
{
    virtio_serve(&s->v, VIRTIO_VSOCK_TX, &s->chain, transmit);
    receive(s); // replies, too
}

static void link_arrived(void *nic)
{
    receive(nic);
}

static void link_room(void *nic)
{
    send_hello(nic);
    serve(nic);
}

// ---- What virtio.c asks for

static void reset(struct virtio_device *v)
{
    struct virtio_vsock *s = vsock_of(v);
    uint64_t peer = s->s.peer;
    uint8_t hello = s->s.started ? 2 : s->s.hello;

    memset(&s->s, 0, sizeof(s->s));
    s->s.peer = peer;
    s->s.hello = hello; // connections of a driver that is gone are gone
    if (s->link->nic)   // not while it is built
        send_hello(s);
}

static void start(struct virtio_device *v)
{
    struct virtio_vsock *s = vsock_of(v);

    s->s.started = 1;
    virtqueue_want_kick(&v->queue[VIRTIO_VSOCK_RX], false);
    send_hello(s);
    receive(s);
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_vsock *s = vsock_of(v);

    if (queue == VIRTIO_VSOCK_EVENT) {
        send_event(s);
        return;
    }
    if (queue == VIRTIO_VSOCK_RX)
        receive(s);
    else
        serve(s);
}

static void queue_reset(struct virtio_device *v, unsigned queue)
{
    if (queue == VIRTIO_VSOCK_TX)
        vsock_of(v)->s.sent = 0;
}

#define VSOCK_SNAPSHOT SNAPSHOT_ID('V', 'S', 'K', 1)

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    struct virtio_vsock_state *t = &vsock_of(v)->s;

    return snapshot_save(buf, size, VSOCK_SNAPSHOT, t, sizeof(*t));
}

// Connections do not survive: the other end has gone on. Both sides are told.
static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct virtio_vsock *s = vsock_of(v);
    struct virtio_vsock_state t;

    if (!snapshot_load(buf, size, VSOCK_SNAPSHOT, &t, sizeof(t)))
        return false;
    t.held = t.offset = t.sent = t.replies = t.stalled = 0;
    t.event = 1;
    t.hello = 2;
    t.started = t.started != 0;
    t.peer = s->s.peer;
    s->s = t;
    return true;
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    const struct virtio_vsock *s = vsock_of(v);

    return info_length(snprintf(buf, size,
                                "  CID %llu, peer %llu: %llu packets sent, %llu received, %llu "
                                "refused, %llu not acceptable\n",
                                (unsigned long long)s->cid, (unsigned long long)s->s.peer,
                                (unsigned long long)s->forwarded, (unsigned long long)s->delivered,
                                (unsigned long long)s->refused, (unsigned long long)s->dropped),
                       size);
}

static const struct virtio_ops ops = {
    .name = "virtio-vsock",
    .id = VIRTIO_ID_VSOCK,
    .class_code = CLASS_MISC,
    .reset = reset,
    .queue_reset = queue_reset,
    .start = start,
    .notify = notify,
    .save = save,
    .restore = restore,
    .info = info,
};

bool virtio_vsock_init(struct virtio_vsock *s, struct pci_bus *bus, const struct guest_ram *ram,
                       struct net_link *link, uint64_t cid)
{
    if (cid < CID_FIRST || cid > CID_LAST)
        return false;
    s->link = link;
    s->cid = cid;
    s->config.guest_cid = cid;
    if (!virtio_init(&s->v, &ops, bus, ram, VIRTIO_VSOCK_QUEUES, QUEUE_SIZE, &s->config,
                     sizeof(s->config)))
        return false;
    link->reliable = true; // streams
    link->nic = s;
    link->arrived = link_arrived;
    link->room = link_room;
    s->s.hello = 2;
    send_hello(s);
    return true;
}
