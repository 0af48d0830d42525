// SPDX-License-Identifier: BSD-2-Clause
// Split virtqueues from the device's side: virtio 1.2 section 2.7, with indirect descriptors and
// the event index. All of a ring is memory that a hostile guest writes while it is being read: each
// field is read once, checked, and what was read is used. A chain that loops, is too long, points
// outside of RAM, or mixes readable behind writable parts breaks the queue: the device then sets
// DEVICE_NEEDS_RESET, and serves the queue no more until the guest resets it.
#ifndef VMM_VIRTQUEUE_H
#define VMM_VIRTQUEUE_H

#include "guest_memory.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTQUEUE_SIZE_MAX 256 /* entries; a power of two */
#define VIRTQUEUE_SEGMENTS 256 /* pieces of one chain at most, indirect ones included */

struct virtqueue {
    const struct guest_ram *ram;
    /* What the guest set up; checked when the queue is enabled. */
    uint64_t desc, driver, device; /* guest-physical: descriptors, available ring, used ring */
    uint16_t size, size_max;
    bool enabled, broken;
    bool event_idx, indirect; /* negotiated */
    uint16_t vector;          /* MSI-X, VIRTIO_MSI_NO_VECTOR: none */
    /* Where the device is. */
    uint16_t last_avail, used;
    uint16_t signalled; /* used index when virtqueue_should_notify() was asked last */
    /* The parts in the vmm's address space, while it is enabled. */
    struct vring_desc *descs;
    struct vring_avail *avail_ring;
    struct vring_used *used_ring;
};

struct virtqueue_segment {
    void *address; /* in the vmm: checked RAM of the guest. HAZARD: contents change at any time */
    uint32_t size;
};

/* One request: first the parts that the device reads, then those that it writes. */
struct virtqueue_chain {
    uint16_t head;
    unsigned readable, writable;                          /* numbers of segments */
    uint64_t readable_size, writable_size;                /* their bytes */
    struct virtqueue_segment segment[VIRTQUEUE_SEGMENTS]; /* readable ones first */
};

/* Back to disabled, as after power on. */
void virtqueue_reset(struct virtqueue *q, const struct guest_ram *ram, uint16_t size_max);

/* Checks size, alignment and that the three parts are RAM; false: refused, stays disabled. */
bool virtqueue_enable(struct virtqueue *q);

/* Whether a request waits; also true when the guest's index is impossible, which a pop finds. */
bool virtqueue_pending(const struct virtqueue *q);

/* The next request. False: none, or the queue is (now) broken: see q->broken. */
bool virtqueue_pop(struct virtqueue *q, struct virtqueue_chain *chain);

/* Takes the latest popped request back, so that the next pop gives it again (read anew: it may have
 * changed). */
void virtqueue_unpop(struct virtqueue *q);

/* The request `head` is done, with `written` bytes written. */
void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t written);

/* The same for `n` requests that the guest must find together; at most as many as the queue has
 * entries. */
void virtqueue_push_all(struct virtqueue *q, const struct vring_used_elem *elems, unsigned n);

/* Whether the guest wants an interrupt for what was pushed since the last call. */
bool virtqueue_should_notify(struct virtqueue *q);

/* Whether the guest shall notify the device of new requests. After enabling it look once more with
 * virtqueue_pending(): the guest may have added one before it saw this. */
void virtqueue_want_kick(struct virtqueue *q, bool want);

/* Copies from the readable segments at byte `offset`, or into the writable ones; returns the bytes
 * copied: less than n only at the end. */
size_t virtqueue_read(const struct virtqueue_chain *chain, uint64_t offset, void *to, size_t n);
size_t virtqueue_write(const struct virtqueue_chain *chain, uint64_t offset, const void *from,
                       size_t n);

#endif
