// SPDX-License-Identifier: BSD-2-Clause
// virtio console device with several ports: virtio 1.2 section 5.3. Port 0 is a console, the others
// are named byte streams. What is behind a port is a struct virtio_console_peer; a port without one
// is closed.
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include "virtio.h"

#include <linux/virtio_console.h>

#define VIRTIO_CONSOLE_PORTS      8
#define VIRTIO_CONSOLE_QUEUE_SIZE 64

struct virtio_console_peer {
    const char *name; /* what the guest finds it by; may be NULL */
    /* Takes up to n bytes that the guest wrote; returns how many. If not all: the device goes on at
     * virtio_console_poll(). */
    size_t (*send)(void *ctx, const uint8_t *bytes, size_t n);
    /* Gives up to n bytes for the guest, 0: none now. May be NULL. */
    size_t (*take)(void *ctx, uint8_t *bytes, size_t n);
    /* The guest has room for more bytes: call virtio_console_poll() when there are some. May be
     * NULL. */
    void (*room)(void *ctx);
    /* The guest opened or closed the port. May be NULL. */
    void (*opened)(void *ctx, bool open);
    void *ctx;
};

struct virtio_console_state { /* of one port */
    uint64_t sent;   /* bytes of the request at the front of the queue that the peer took */
    uint8_t pending; /* control messages that are to be sent: bit per event */
    uint8_t open;    /* the guest has it open */
    uint8_t reserved[6];
};

struct virtio_console {
    struct virtio_device v;
    struct virtio_console_config config;
    unsigned ports;
    const struct virtio_console_peer *peer[VIRTIO_CONSOLE_PORTS]; /* NULL: closed */
    struct virtio_console_state state[VIRTIO_CONSOLE_PORTS];
    struct virtqueue_chain chain;
};

/* `ports` is cut to 1 .. VIRTIO_CONSOLE_PORTS. False: no room on the bus. */
bool virtio_console_init(struct virtio_console *c, struct pci_bus *bus, const struct guest_ram *ram,
                         unsigned ports);

/* What is behind a port, from now on; NULL: nothing. `peer` must stay. */
void virtio_console_connect(struct virtio_console *c, unsigned port,
                            const struct virtio_console_peer *peer);

/* The peer has bytes for the guest, or room for some of its. */
void virtio_console_poll(struct virtio_console *c, unsigned port);

#endif
