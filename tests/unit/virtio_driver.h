// SPDX-License-Identifier: BSD-2-Clause
// A small virtio driver for tests: finds the structures by the capabilities as drivers do,
// negotiates, sets queues up in test RAM, adds chains, kicks, and takes used entries.
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include <stdlib.h>
#include <string.h>

#include "pci_fake.h"
#include "virtio.h"
#include "virtio_internal.h"

#define DRIVER_RAM   (4u << 20)
#define DRIVER_RINGS 0x10000u  /* queue n's rings at + n * 0x4000 */
#define DRIVER_DATA  0x100000u /* for the tests' buffers */

static _Alignas(4096) uint8_t driver_memory[DRIVER_RAM];
static struct guest_ram driver_ram = {driver_memory, DRIVER_RAM};
static struct pci_bus driver_bus;

struct driver_queue {
    struct virtio_device *v;
    unsigned index, size;
    struct vring vring;
    uint16_t avail, used; /* where the driver is */
    uint16_t next;        /* descriptor to fill */
};

struct driver_piece {
    uint64_t address;
    uint32_t size;
    bool write; /* by the device */
};

static inline uint64_t driver_read(struct virtio_device *v, unsigned offset, unsigned size)
{
    const struct pci_bar *bar = &v->pci.bar[VIRTIO_BAR];
    return bar->ops->read(bar->dev, offset, size) & (size == 8 ? ~0ull : (1ull << 8 * size) - 1);
}

static inline void driver_write(struct virtio_device *v, unsigned offset, unsigned size,
                                uint64_t value)
{
    const struct pci_bar *bar = &v->pci.bar[VIRTIO_BAR];
    bar->ops->write(bar->dev, offset, size, value);
}

static inline uint8_t driver_status(struct virtio_device *v)
{
    return (uint8_t)driver_read(v, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 1);
}

static inline void driver_set_status(struct virtio_device *v, uint8_t status)
{
    driver_write(v, VIRTIO_COMMON + VIRTIO_PCI_COMMON_STATUS, 1, status);
}

/* Up to FEATURES_OK with those of `features` that are offered; false: refused. */
static inline bool driver_negotiate(struct virtio_device *v, uint64_t features)
{
    driver_set_status(v, 0);
    driver_set_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    driver_set_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    for (unsigned half = 0; half < 2; half++) {
        driver_write(v, VIRTIO_PCI_COMMON_DFSELECT, 4, half);
        uint32_t offered = (uint32_t)driver_read(v, VIRTIO_PCI_COMMON_DF, 4);
        driver_write(v, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
        driver_write(v, VIRTIO_PCI_COMMON_GF, 4, offered & features >> (32 * half));
    }
    driver_set_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                             VIRTIO_CONFIG_S_FEATURES_OK);
    return driver_status(v) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline void driver_ok(struct virtio_device *v)
{
    driver_set_status(v, driver_status(v) | VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline void driver_write64(struct virtio_device *v, unsigned offset, uint64_t value)
{
    driver_write(v, offset, 4, (uint32_t)value);
    driver_write(v, offset + 4, 4, value >> 32);
}

/* Enables queue `index` with `size` entries and vector index + 1. */
static inline void driver_queue(struct virtio_device *v, struct driver_queue *q, unsigned index,
                                unsigned size)
{
    uint64_t base = DRIVER_RINGS + index * 0x4000u;

    *q = (struct driver_queue){.v = v, .index = index, .size = size};
    memset(driver_memory + base, 0, 0x4000);
    vring_init(&q->vring, size, driver_memory + base, 4096);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
    driver_write(v, VIRTIO_PCI_COMMON_Q_MSIX, 2, index + 1);
    driver_write64(v, VIRTIO_PCI_COMMON_Q_DESCLO, base);
    driver_write64(v, VIRTIO_PCI_COMMON_Q_AVAILLO,
                   (uint64_t)((uint8_t *)q->vring.avail - driver_memory));
    driver_write64(v, VIRTIO_PCI_COMMON_Q_USEDLO,
                   (uint64_t)((uint8_t *)q->vring.used - driver_memory));
    driver_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static inline void driver_offer(struct driver_queue *q, uint16_t head)
{
    q->vring.avail->ring[q->avail++ % q->size] = head;
    q->vring.avail->idx = q->avail;
}

/* One chain, made available; returns its head. At most `size` descriptors are in use at a time. */
static inline uint16_t driver_add(struct driver_queue *q, const struct driver_piece *piece,
                                  unsigned n)
{
    uint16_t head = q->next % q->size;

    for (unsigned i = 0; i < n; i++, q->next++)
        q->vring.desc[q->next % q->size] =
            (struct vring_desc){.addr = piece[i].address,
                                .len = piece[i].size,
                                .flags = (i + 1 < n ? VRING_DESC_F_NEXT : 0) |
                                         (piece[i].write ? VRING_DESC_F_WRITE : 0),
                                .next = (uint16_t)((q->next + 1) % q->size)};
    driver_offer(q, head);
    return head;
}

static inline void driver_kick(struct driver_queue *q)
{
    driver_write(q->v, VIRTIO_NOTIFY + q->index * VIRTIO_MULTIPLIER, 2, q->index);
}

/* The next used entry; false: none. */
static inline bool driver_used(struct driver_queue *q, struct vring_used_elem *elem)
{
    if (q->vring.used->idx == q->used)
        return false;
    *elem = q->vring.used->ring[q->used++ % q->size];
    return true;
}

#endif
