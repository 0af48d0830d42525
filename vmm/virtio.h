// SPDX-License-Identifier: BSD-2-Clause
// What all virtio devices have in common: status, features, queues and configuration space, over
// PCI (virtio 1.2 section 4.1, modern interface only, MSI-X with INTx as the fallback). A device is
// a struct virtio_device with its own struct around it.
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include "pci.h"
#include "virtqueue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#define VIRTIO_QUEUES_MAX 18 /* virtio-console with eight ports */

struct virtio_device;

struct virtio_ops {
    const char *name;
    uint16_t id;         /* VIRTIO_ID_* */
    uint32_t class_code; /* of the PCI function */
    uint64_t features;   /* beyond those of the transport (VERSION_1, INDIRECT_DESC, EVENT_IDX,
                            RING_RESET) */
    /* The guest set FEATURES_OK; v->features is what it took. False: refused. May be NULL. */
    bool (*negotiate)(struct virtio_device *v);
    /* Back to the state after power on: requests under way are forgotten. */
    void (*reset)(struct virtio_device *v);
    /* Queue n was reset alone (2.6.1): its requests under way are forgotten. May be NULL. */
    void (*queue_reset)(struct virtio_device *v, unsigned queue);
    /* DRIVER_OK was set. May be NULL. */
    void (*start)(struct virtio_device *v);
    /* The guest notified queue n, which is enabled and not broken; only while virtio_running(). */
    void (*notify)(struct virtio_device *v, unsigned queue);
    /* The guest wrote `size` bytes (1, 2, 4) at offset, within config_size: the device takes it
     * over into its configuration space as far as it likes. NULL: all is read-only. */
    void (*config_write)(struct virtio_device *v, unsigned offset, unsigned size, uint32_t value);
    /* The device's own part of a snapshot, with its configuration space as far as that changes;
     * transport and queues are saved by virtio.c. Both may be NULL. */
    size_t (*save)(struct virtio_device *v, void *buf, size_t size);
    bool (*restore)(struct virtio_device *v, const void *buf, size_t size);
    size_t (*info)(struct virtio_device *v, char *buf, size_t size);
};

struct virtio_device {
    const struct virtio_ops *ops;
    struct pci_function pci;
    const struct guest_ram *ram;
    uint8_t *config; /* configuration space, in the device's struct, little-endian */
    unsigned config_size;
    unsigned queues;
    struct virtqueue queue[VIRTIO_QUEUES_MAX];
    uint16_t queue_size;        /* the largest of each */
    uint64_t offered, features; /* what the device has; what the guest took */
    uint8_t status;
    uint8_t isr;
    uint8_t generation; /* of the configuration space: changes with it */
    uint16_t config_vector;
    uint16_t queue_select;
    uint32_t feature_select, driver_feature_select;
    uint8_t window; /* of configuration space: offset of VIRTIO_PCI_CAP_PCI_CFG */
    uint64_t work;  /* bytes that this virtio_serve() moved; a device adds what no chain shows */
    uint32_t again; /* queues (bits) that are to be notified at again_at, see virtio_serve() */
    uint64_t again_at;
};

static inline bool virtio_has(const struct virtio_device *v, unsigned feature)
{
    return v->features >> feature & 1;
}

/* Sets up transport and queues and adds the function to the bus, at the first free slot.
 * `queue_size` is the largest size of each, a power of two. v->offered may be narrowed after. The
 * device's struct must stay where it is. False: the bus is full, or a number is out of range. */
bool virtio_init(struct virtio_device *v, const struct virtio_ops *ops, struct pci_bus *bus,
                 const struct guest_ram *ram, unsigned queues, uint16_t queue_size, void *config,
                 unsigned config_size);

/* Interrupts for queue n, if the guest wants that for what was pushed since the last call. Once for
 * all that one notification brought, not for each request. */
void virtio_notify_queue(struct virtio_device *v, unsigned queue);

/* What most notify verbs do: gives each request to request(), with notifications off meanwhile,
 * looks once more, and interrupts at the end. request() pushes it, now or later; false: it has no
 * room, the request is taken back and the device calls this again when it has. The number of
 * requests and of bytes is bounded: the rest comes by virtio_expire(). */
void virtio_serve(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain,
                  bool (*request)(struct virtio_device *v, unsigned queue,
                                  struct virtqueue_chain *chain));

/* Whether virtio_serve() did enough for once. HAZARD: the lock is held meanwhile, and the monitor
 * does not answer: a chain may have 4 GiB. */
#define VIRTIO_SERVE_BYTES (64ull << 20)
static inline bool virtio_tired(const struct virtio_device *v)
{
    return v->work >= VIRTIO_SERVE_BYTES;
}

/* The device looks at these queues (bits) as if notified, as soon as the vmm is through with what
 * it does now. */
static inline void virtio_later(struct virtio_device *v, uint32_t queues)
{
    if (queues) {
        v->again |= queues;
        v->again_at = 0;
    }
}

/* The timer of both: to be called at v->again_at (chipset_add_timer()). */
void virtio_expire(void *dev, uint64_t now);

/* The device changed its configuration space. */
void virtio_notify_config(struct virtio_device *v);

/* The guest did what the device cannot go on with: DEVICE_NEEDS_RESET, and a configuration
 * interrupt. Called by the device when virtqueue_pop() left a queue broken, or for a malformed
 * request. */
void virtio_broken(struct virtio_device *v, unsigned queue);

/* Whether the device may use its queues. */
static inline bool virtio_running(const struct virtio_device *v)
{
    return v->status & VIRTIO_CONFIG_S_DRIVER_OK && !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET) &&
           pci_may_dma(&v->pci);
}

/* reset, save, restore, info of any virtio device; `dev` is the struct virtio_device. */
extern const struct device_ops virtio_device_ops;

#endif
