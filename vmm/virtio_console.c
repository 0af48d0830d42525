// SPDX-License-Identifier: BSD-2-Clause
// virtio console device (virtio 1.2 section 5.3): data queues of the ports, and the control queues
// by which ports are announced, named, opened and closed. A control message waits as a bit of its
// port until the guest has a buffer for it. The size of the screen is not known and not told.
#include "virtio_console.h"

#include <stdio.h>
#include <string.h>

#define FEATURES (1ull << VIRTIO_CONSOLE_F_MULTIPORT | 1ull << VIRTIO_CONSOLE_F_EMERG_WRITE)

#define CONTROL_RX 2u
#define CONTROL_TX 3u
#define EMERGENCY  8u /* offset of emerg_wr in configuration space */
#define PIECE      256u
#define SLOWNESS   1024u /* a terminal's, against memory: 64 KiB at a time (virtio_tired()) */
#define NAME_MAX   32u

static struct virtio_console *console_of(struct virtio_device *v)
{
    return (struct virtio_console *)v; // its first member
}

// 5.3.2: the control queues are behind those of port 0.
static unsigned rx_queue(unsigned port)
{
    return port ? 2 * port + 2 : 0;
}

static bool multiport(const struct virtio_console *c)
{
    return virtio_has(&c->v, VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool is_open(const struct virtio_console *c, unsigned port)
{
    return c->peer[port] && (multiport(c) ? c->state[port].open : port == 0);
}

// ---- Data

// One request of the guest's; false: the peer has not taken all of it.
static bool send(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_console *c = console_of(v);
    unsigned port = queue < 2 ? 0 : queue / 2 - 1;
    struct virtio_console_state *s = &c->state[port];
    const struct virtio_console_peer *peer = c->peer[port];
    uint8_t bytes[PIECE];
    size_t n;

    while (peer && (n = virtqueue_read(chain, s->sent, bytes, sizeof(bytes))) > 0) {
        size_t taken = peer->send(peer->ctx, bytes, n);
        s->sent += taken;
        if (taken < n)
            return false;
        v->work += SLOWNESS * taken;
        if (virtio_tired(v) && s->sent < chain->readable_size) {
            virtio_later(v, 1u << queue);
            return false;
        }
    }
    s->sent = 0;
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

// The peer's bytes, as far as the guest has buffers.
static void receive(struct virtio_console *c, unsigned port)
{
    const struct virtio_console_peer *peer = c->peer[port];
    unsigned queue = rx_queue(port);
    struct virtqueue *q = &c->v.queue[queue];
    uint8_t bytes[PIECE];
    bool starved = true;

    if (!virtio_running(&c->v) || !is_open(c, port) || !peer->take)
        return;
    // Bound: there are no more buffers than entries, unless other vCPUs add some; what is left
    // then comes with the next one.
    for (unsigned i = 0; i < 2u * q->size && virtqueue_pop(q, &c->chain); i++) {
        size_t n = c->chain.writable_size < PIECE ? c->chain.writable_size : PIECE;
        if (n == 0) {
            virtio_broken(&c->v, queue);
            return;
        }
        n = peer->take(peer->ctx, bytes, n);
        if (n == 0) {
            virtqueue_unpop(q);
            starved = false;
            break;
        }
        virtqueue_push(q, c->chain.head, (uint32_t)virtqueue_write(&c->chain, 0, bytes, n));
    }
    virtqueue_want_kick(q, starved);
    if (q->broken)
        virtio_broken(&c->v, queue);
    else if (starved && virtqueue_pending(q))
        virtio_later(&c->v, 1u << queue);
    virtio_notify_queue(&c->v, queue);
}

void virtio_console_poll(struct virtio_console *c, unsigned port)
{
    if (port >= c->ports)
        return;
    receive(c, port);
    if (c->state[port].sent || virtqueue_pending(&c->v.queue[rx_queue(port) + 1]))
        virtio_serve(&c->v, rx_queue(port) + 1, &c->chain, send);
}

// ---- Control

static void write_message(struct virtio_console *c, unsigned port, unsigned event, uint16_t value)
{
    struct {
        struct virtio_console_control control;
        char name[NAME_MAX];
    } message = {.control = {port, (uint16_t)event, value}};
    size_t size = sizeof(message.control);

    if (event == VIRTIO_CONSOLE_PORT_NAME) { // without a final 0 (5.3.6.2)
        size_t n = strnlen(c->peer[port]->name, NAME_MAX);
        memcpy(message.name, c->peer[port]->name, n);
        size += n;
    }
    size = virtqueue_write(&c->chain, 0, &message, size);
    virtqueue_push(&c->v.queue[CONTROL_RX], c->chain.head, (uint32_t)size);
}

// As many of the waiting messages as the guest has buffers for, in the order of the events' bits.
static void send_control(struct virtio_console *c)
{
    struct virtqueue *q = &c->v.queue[CONTROL_RX];

    if (!virtio_running(&c->v) || !multiport(c))
        return;
    for (unsigned port = 0; port < c->ports; port++) {
        struct virtio_console_state *s = &c->state[port];
        for (unsigned event = 0; event < 8; event++) {
            if (!(s->pending >> event & 1))
                continue;
            if (!virtqueue_pop(q, &c->chain)) {
                if (q->broken)
                    virtio_broken(&c->v, CONTROL_RX);
                virtio_notify_queue(&c->v, CONTROL_RX);
                return;
            }
            s->pending &= (uint8_t) ~(1u << event);
            write_message(c, port, event,
                          event == VIRTIO_CONSOLE_PORT_OPEN ? c->peer[port] != NULL : 1);
        }
    }
    virtio_notify_queue(&c->v, CONTROL_RX);
}

static void open_port(struct virtio_console *c, unsigned port, bool open)
{
    const struct virtio_console_peer *peer = c->peer[port];

    c->state[port].open = open;
    if (peer && peer->opened)
        peer->opened(peer->ctx, open);
    if (open) // what came while it was closed
        virtio_later(&c->v, 1u << rx_queue(port));
}

// What follows from one message of the guest's.
static void control(struct virtio_console *c, const struct virtio_console_control *message)
{
    uint32_t port = message->id;

    if (message->event == VIRTIO_CONSOLE_DEVICE_READY) {
        for (unsigned i = 0; i < c->ports && message->value; i++)
            c->state[i].pending |= 1u << VIRTIO_CONSOLE_PORT_ADD;
        return;
    }
    if (port >= c->ports)
        return;
    const struct virtio_console_peer *peer = c->peer[port];
    switch (message->event) {
    case VIRTIO_CONSOLE_PORT_READY:
        if (!message->value)
            return;
        if (port == 0)
            c->state[port].pending |= 1u << VIRTIO_CONSOLE_CONSOLE_PORT;
        if (peer && peer->name)
            c->state[port].pending |= 1u << VIRTIO_CONSOLE_PORT_NAME;
        if (peer)
            c->state[port].pending |= 1u << VIRTIO_CONSOLE_PORT_OPEN;
        break;
    case VIRTIO_CONSOLE_PORT_OPEN:
        open_port(c, port, message->value != 0);
        break;
    }
}

static bool take_control(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_console_control message;

    if (virtqueue_read(chain, 0, &message, sizeof(message)) == sizeof(message))
        control(console_of(v), &message);
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

void virtio_console_connect(struct virtio_console *c, unsigned port,
                            const struct virtio_console_peer *peer)
{
    if (port >= c->ports)
        return;
    c->peer[port] = peer;
    c->state[port].sent = 0;
    if (!virtio_running(&c->v))
        return;
    if (peer && peer->name)
        c->state[port].pending |= 1u << VIRTIO_CONSOLE_PORT_NAME;
    else
        c->state[port].pending &= (uint8_t) ~(1u << VIRTIO_CONSOLE_PORT_NAME);
    c->state[port].pending |= 1u << VIRTIO_CONSOLE_PORT_OPEN;
    send_control(c);
}

// ---- Verbs

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_console *c = console_of(v);
    unsigned port = queue < 2 ? 0 : queue / 2 - 1;

    if (multiport(c) && queue == CONTROL_TX)
        virtio_serve(v, queue, &c->chain, take_control);
    if (multiport(c) && (queue == CONTROL_TX || queue == CONTROL_RX))
        send_control(c);
    else if (queue % 2)
        virtio_serve(v, queue, &c->chain, send);
    else if (c->peer[port] && c->peer[port]->room)
        c->peer[port]->room(c->peer[port]->ctx);
}

static void reset(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);

    for (unsigned i = 0; i < c->ports; i++) {
        if (c->state[i].open)
            open_port(c, i, false);
        c->state[i] = (struct virtio_console_state){0};
    }
}

static void queue_reset(struct virtio_device *v, unsigned queue)
{
    if (queue % 2 && queue != CONTROL_TX)
        console_of(v)->state[queue < 2 ? 0 : queue / 2 - 1].sent = 0;
}

// 5.3.5.1: a character on port 0 before, or without, any set-up.
static void config_write(struct virtio_device *v, unsigned offset, unsigned size, uint32_t value)
{
    const struct virtio_console_peer *peer = console_of(v)->peer[0];
    uint8_t byte = (uint8_t)value;

    (void)size;
    if (offset == EMERGENCY && peer)
        peer->send(peer->ctx, &byte, 1);
}

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    struct virtio_console *c = console_of(v);

    return snapshot_save(buf, size, SNAPSHOT_ID('v', 'c', 'o', 1), c->state, sizeof(c->state));
}

static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct virtio_console *c = console_of(v);
    struct virtio_console_state state[VIRTIO_CONSOLE_PORTS];

    if (!snapshot_load(buf, size, SNAPSHOT_ID('v', 'c', 'o', 1), state, sizeof(state)))
        return false;
    for (unsigned i = 0; i < c->ports; i++) { // names may only be told where there is one
        if (!c->peer[i] || !c->peer[i]->name)
            state[i].pending &= (uint8_t) ~(1u << VIRTIO_CONSOLE_PORT_NAME);
        c->state[i] = state[i];
    }
    return true;
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    struct virtio_console *c = console_of(v);
    size_t n = 0;

    for (unsigned i = 0; i < c->ports; i++)
        n += info_length(snprintf(buf + n, size - n, "  port %u: %s%s%s\n", i,
                                  c->peer[i] ? "connected" : "not connected",
                                  c->peer[i] && c->peer[i]->name ? " to " : "",
                                  c->peer[i] && c->peer[i]->name ? c->peer[i]->name : ""),
                         size - n);
    return n;
}

static const struct virtio_ops ops = {.name = "virtio-console",
                                      .id = VIRTIO_ID_CONSOLE,
                                      .class_code = 0x078000, // communication controller, other
                                      .features = FEATURES,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .notify = notify,
                                      .config_write = config_write,
                                      .save = save,
                                      .restore = restore,
                                      .info = info};

bool virtio_console_init(struct virtio_console *c, struct pci_bus *bus, const struct guest_ram *ram,
                         unsigned ports)
{
    if (ports < 1)
        ports = 1;
    if (ports > VIRTIO_CONSOLE_PORTS)
        ports = VIRTIO_CONSOLE_PORTS;
    c->ports = ports;
    c->config = (struct virtio_console_config){.max_nr_ports = ports};
    return virtio_init(&c->v, &ops, bus, ram, 2 * (ports + 1), VIRTIO_CONSOLE_QUEUE_SIZE,
                       &c->config, sizeof(c->config));
}
