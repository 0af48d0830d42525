// SPDX-License-Identifier: BSD-2-Clause
// What the fuzz targets of virtio devices share: a driver that sets the device up as it should or
// nearly so, then writes descriptors, rings and registers at random, kicks, and snapshots.
#ifndef VIRTIO_FUZZ_H
#define VIRTIO_FUZZ_H

#include "device_fuzz.h"

#include "tests/unit/virtio_driver.h"

#define VIRTIO_FUZZ_QUEUE 16                     /* entries */
#define VIRTIO_FUZZ_TABLE (DRIVER_DATA + 0x8000) /* of indirect descriptors */

static struct driver_queue virtio_fuzz_queue[VIRTIO_QUEUES_MAX];

/* From reset to DRIVER_OK with all queues, or not quite, as the input says. */
static inline void virtio_fuzz_setup(struct virtio_device *v)
{
    uint8_t how = (uint8_t)fuzz_take(1);
    uint64_t features = how & 1 ? fuzz_take(8) | 1ull << VIRTIO_F_VERSION_1 : UINT64_MAX;
    driver_negotiate(v, features);
    for (unsigned i = 0; i < v->queues; i++)
        driver_queue(v, &virtio_fuzz_queue[i], i, VIRTIO_FUZZ_QUEUE);
    if (!(how & 0x80))
        driver_ok(v);
    pci_fake_msix_on = how & 2;
}

/* One descriptor that is often sensible. Some of the input goes to its buffer. */
static inline void virtio_fuzz_descriptor(struct vring_desc *d, unsigned next)
{
    uint8_t how = (uint8_t)fuzz_take(1);
    uint64_t at = fuzz_take(2) % 0x7f00;
    d->addr = how & 0x80 ? fuzz_take(8) : DRIVER_DATA + at;
    d->len = how & 0x40 ? (uint32_t)fuzz_take(4) : (uint32_t)fuzz_take(2) % 2048;
    d->flags = how & 3;
    d->next = how & 0x20 ? (uint16_t)fuzz_take(2) : (uint16_t)next;
    if ((how & 0x1c) == 0x1c)
        *d = (struct vring_desc){VIRTIO_FUZZ_TABLE, 16 * 8, VRING_DESC_F_INDIRECT, 0};
    if (how & 0x80)
        return;
    for (unsigned i = (how >> 2 & 3) * 8; i > 0 && fuzz_left > 0; i--)
        driver_memory[DRIVER_DATA + at + i - 1] = (uint8_t)fuzz_take(1);
}

/* A chain of one to four descriptors, made available. */
static inline void virtio_fuzz_chain(struct driver_queue *q)
{
    uint16_t head = q->next % q->size;
    for (unsigned n = 1 + fuzz_take(1) % 4; n > 0; n--, q->next++) {
        struct vring_desc *d = &q->vring.desc[q->next % q->size];
        virtio_fuzz_descriptor(d, (q->next + 1u) % q->size);
        if (n > 1)
            d->flags |= VRING_DESC_F_NEXT;
        else
            d->flags &= (uint16_t)~VRING_DESC_F_NEXT;
    }
    driver_offer(q, head);
}

/* One of what any driver may do. */
static inline void virtio_fuzz_step(struct virtio_device *v)
{
    static uint8_t snapshot[1 << 16];
    uint8_t op = (uint8_t)fuzz_take(1);
    struct driver_queue *q = &virtio_fuzz_queue[fuzz_take(1) % v->queues];
    switch (op % 12) {
    case 0:
    case 1:
    case 2:
        virtio_fuzz_chain(q);
        driver_kick(q);
        break;
    case 3:
        virtio_fuzz_chain(q);
        break;
    case 4:
        driver_kick(q);
        break;
    case 5: /* anything in the rings, or in the indirect table */
        driver_memory[DRIVER_RINGS + fuzz_take(2) % (v->queues * 0x4000u)] = (uint8_t)fuzz_take(1);
        break;
    case 6:
        virtio_fuzz_descriptor((struct vring_desc *)(void *)(driver_memory + VIRTIO_FUZZ_TABLE) +
                                   fuzz_take(1) % 8,
                               (unsigned)fuzz_take(1) % 9);
        break;
    case 7:
        driver_write(v, (unsigned)fuzz_take(2) % (VIRTIO_BAR_SIZE - 8), 1u << op / 12 % 3,
                     fuzz_take(4));
        break;
    case 8:
        driver_read(v, (unsigned)fuzz_take(2) % (VIRTIO_BAR_SIZE - 8), 1u << op / 12 % 3);
        break;
    case 9:
        virtio_fuzz_setup(v);
        break;
    case 10:
        virtio_expire(v, ++fuzz_time);
        break;
    default: {
        size_t n = virtio_device_ops.save(v, snapshot, sizeof(snapshot));
        CHECK(n > 0 && virtio_device_ops.restore(v, snapshot, n));
        for (unsigned i = (unsigned)fuzz_take(1) % 8; i > 0; i--)
            snapshot[fuzz_take(2) % n] = (uint8_t)fuzz_take(1);
        virtio_device_ops.restore(v, snapshot, n);
        CHECK(virtio_device_ops.info(v, (char *)snapshot, 500) < 500);
    }
    }
}

/* At the start of each input, before the device's own init. */
static inline void virtio_fuzz_begin(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    memset(driver_memory + DRIVER_RINGS, 0, 4 * 0x4000);
    memset(driver_memory + DRIVER_DATA, 0, 0x9000);
    memset(virtio_fuzz_queue, 0, sizeof(virtio_fuzz_queue));
}

#endif
