// SPDX-License-Identifier: BSD-2-Clause
// What is common to virtio devices, behind their registers: the status machine and the features
// (virtio 1.2 sections 2.1, 2.2, 3.1), interrupts, snapshots.
#include "clock.h"
#include "virtio_internal.h"

#include <stdio.h>
#include <string.h>

#define TRANSPORT_FEATURES                                              \
    (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
     1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_F_RING_RESET)

// What a driver may set; the rest of the status is the device's.
#define DRIVER_STATUS                                                                     \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
     VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static void reset(void *dev)
{
    struct virtio_device *v = dev;

    v->features = 0;
    v->status = v->isr = 0;
    v->config_vector = VIRTIO_MSI_NO_VECTOR;
    v->queue_select = 0;
    v->feature_select = v->driver_feature_select = 0;
    v->again = 0;
    v->again_at = CLOCK_NEVER;
    for (unsigned i = 0; i < v->queues; i++)
        virtqueue_reset(&v->queue[i], v->ram, v->queue_size);
    pci_set_intx(&v->pci, false);
    v->ops->reset(v);
}

bool virtio_init(struct virtio_device *v, const struct virtio_ops *ops, struct pci_bus *bus,
                 const struct guest_ram *ram, unsigned queues, uint16_t queue_size, void *config,
                 unsigned config_size)
{
    if (queues > VIRTIO_QUEUES_MAX || queue_size > VIRTQUEUE_SIZE_MAX)
        return false;
    v->ops = ops;
    v->ram = ram;
    v->queues = queues;
    v->queue_size = queue_size;
    v->config = config;
    v->config_size = config_size;
    v->offered = ops->features | TRANSPORT_FEATURES;
    if (!virtio_pci_init(v, bus))
        return false;
    reset(v);
    v->pci.removed = reset; // a function that is gone uses none of the guest's memory
    return true;
}

// ---- Interrupts

static void interrupt(struct virtio_device *v, uint16_t vector, uint8_t isr)
{
    if (pci_msix_enabled(&v->pci)) {
        if (vector != VIRTIO_MSI_NO_VECTOR)
            pci_msix(&v->pci, vector);
        return;
    }
    v->isr |= isr;
    pci_set_intx(&v->pci, true);
}

void virtio_notify_queue(struct virtio_device *v, unsigned queue)
{
    if (virtio_running(v) && virtqueue_should_notify(&v->queue[queue]))
        interrupt(v, v->queue[queue].vector, VIRTIO_ISR_QUEUE);
}

void virtio_notify_config(struct virtio_device *v)
{
    v->generation++;
    if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
        interrupt(v, v->config_vector, VIRTIO_ISR_CONFIG);
}

void virtio_broken(struct virtio_device *v, unsigned queue)
{
    v->queue[queue].broken = true;
    if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
        return;
    v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    virtio_notify_config(v);
}

// ---- Requests

// Without this bound two vCPUs could keep the vmm here for good: one that adds, one that kicks.
#define SERVE_ROUNDS 4u

void virtio_serve(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain,
                  bool (*request)(struct virtio_device *v, unsigned queue,
                                  struct virtqueue_chain *chain))
{
    struct virtqueue *q = &v->queue[queue];
    unsigned budget = SERVE_ROUNDS * q->size;

    if (!virtio_running(v) || !q->enabled)
        return;
    do {
        virtqueue_want_kick(q, false);
        for (; budget > 0 && !virtio_tired(v) && virtqueue_pop(q, chain); budget--) {
            v->work += chain->readable_size + chain->writable_size;
            if (!request(v, queue, chain)) {
                virtqueue_unpop(q);
                v->work = 0;
                virtio_notify_queue(v, queue);
                return;
            }
        }
        virtqueue_want_kick(q, true);
    } while (budget > 0 && !virtio_tired(v) && virtqueue_pending(q));
    v->work = 0;
    if (q->broken)
        virtio_broken(v, queue);
    else if (virtqueue_pending(q))
        virtio_later(v, 1u << queue);
    virtio_notify_queue(v, queue);
}

void virtio_expire(void *dev, uint64_t now)
{
    struct virtio_device *v = dev;
    uint32_t queues = v->again;

    v->again_at = CLOCK_NEVER;
    if (!(v->status & VIRTIO_CONFIG_S_DRIVER_OK)) // whoever sets it goes on
        return;
    v->again = 0;
    for (unsigned i = 0; i < v->queues; i++)
        if (queues >> i & 1)
            virtio_kick(v, i);
    if (v->again)
        v->again_at = clock_add(now, 1);
}

// ---- What the guest's registers do

// 3.1.1 steps 4 to 6: whether the device can live with what the driver took.
static bool negotiate(struct virtio_device *v)
{
    if (v->features & ~v->offered || !virtio_has(v, VIRTIO_F_VERSION_1))
        return false;
    if (v->ops->negotiate && !v->ops->negotiate(v))
        return false;
    for (unsigned i = 0; i < v->queues; i++) {
        v->queue[i].event_idx = virtio_has(v, VIRTIO_RING_F_EVENT_IDX);
        v->queue[i].indirect = virtio_has(v, VIRTIO_RING_F_INDIRECT_DESC);
    }
    return true;
}

// Bits only ever come; writing 0 is the reset (2.1.1, 2.1.2).
void virtio_set_status(struct virtio_device *v, uint8_t value)
{
    if (value == 0) {
        reset(v);
        return;
    }
    uint8_t added = value & DRIVER_STATUS & ~v->status;
    if (added & VIRTIO_CONFIG_S_FEATURES_OK && !negotiate(v))
        added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    v->status |= added & ~VIRTIO_CONFIG_S_DRIVER_OK;
    if (!(added & VIRTIO_CONFIG_S_DRIVER_OK) || !(v->status & VIRTIO_CONFIG_S_FEATURES_OK))
        return;
    v->status |= VIRTIO_CONFIG_S_DRIVER_OK;
    if (v->ops->start)
        v->ops->start(v);
    virtio_later(v, v->again);
}

void virtio_enable_queue(struct virtio_device *v, unsigned queue)
{
    if (!(v->status & VIRTIO_CONFIG_S_FEATURES_OK) || v->queue[queue].enabled)
        return;
    if (!virtqueue_enable(&v->queue[queue]))
        virtio_broken(v, queue);
}

void virtio_reset_queue(struct virtio_device *v, unsigned queue)
{
    struct virtqueue *q = &v->queue[queue];
    bool event_idx = q->event_idx, indirect = q->indirect;

    if (!virtio_has(v, VIRTIO_F_RING_RESET))
        return;
    virtqueue_reset(q, v->ram, v->queue_size);
    q->event_idx = event_idx;
    q->indirect = indirect;
    if (v->ops->queue_reset)
        v->ops->queue_reset(v, queue);
}

// HAZARD: Linux's balloon notifies before DRIVER_OK, against 3.1.1: that is made up for then.
void virtio_kick(struct virtio_device *v, unsigned queue)
{
    if (queue >= v->queues || !v->queue[queue].enabled || v->queue[queue].broken)
        return;
    if (!(v->status & VIRTIO_CONFIG_S_DRIVER_OK))
        v->again |= 1u << queue;
    else if (virtio_running(v))
        v->ops->notify(v, queue);
}

// ---- Snapshots

#define SNAPSHOT SNAPSHOT_ID('v', 'i', 'o', 1)

struct queue_state {
    uint64_t desc, driver, device;
    uint16_t size, vector, last_avail, used, signalled;
    uint8_t enabled, broken;
    uint32_t reserved;
};

struct state {
    uint32_t id, pci_size, device_size; // the id is in the header, too: this one is the device's
    uint8_t status, isr, generation, reserved;
    uint64_t features;
    uint32_t feature_select, driver_feature_select;
    uint16_t config_vector, queue_select, queues, config_size;
    struct queue_state queue[VIRTIO_QUEUES_MAX];
};

static void save_queue(const struct virtqueue *q, struct queue_state *s)
{
    *s = (struct queue_state){.desc = q->desc,
                              .driver = q->driver,
                              .device = q->device,
                              .size = q->size,
                              .vector = q->vector,
                              .last_avail = q->last_avail,
                              .used = q->used,
                              .signalled = q->signalled,
                              .enabled = q->enabled,
                              .broken = q->broken};
}

// Into a queue that was reset. False: not acceptable.
static bool restore_queue(const struct queue_state *s, struct virtqueue *q)
{
    q->desc = s->desc;
    q->driver = s->driver;
    q->device = s->device;
    q->size = s->size;
    q->vector = s->vector;
    q->last_avail = s->last_avail;
    q->used = s->used;
    q->signalled = s->signalled;
    q->broken = s->broken & 1;
    return !(s->enabled & 1) || virtqueue_enable(q);
}

// Three parts: this file's, PCI's, the device's.
static size_t save(void *dev, void *buf, size_t size)
{
    struct virtio_device *v = dev;
    struct state s = {.id = v->ops->id,
                      .status = v->status,
                      .isr = v->isr,
                      .generation = v->generation,
                      .features = v->features,
                      .feature_select = v->feature_select,
                      .driver_feature_select = v->driver_feature_select,
                      .config_vector = v->config_vector,
                      .queue_select = v->queue_select,
                      .queues = (uint16_t)v->queues,
                      .config_size = (uint16_t)v->config_size};
    size_t head = snapshot_save(buf, size, SNAPSHOT, &s, sizeof(s));
    uint8_t *to = (uint8_t *)buf + head;

    if (!head)
        return 0;
    s.pci_size = (uint32_t)pci_save(&v->pci, to, size - head);
    if (!s.pci_size)
        return 0;
    to += s.pci_size;
    size -= head + s.pci_size;
    if (v->ops->save) {
        s.device_size = (uint32_t)v->ops->save(v, to, size);
        if (!s.device_size)
            return 0;
    }
    for (unsigned i = 0; i < v->queues; i++)
        save_queue(&v->queue[i], &s.queue[i]);
    snapshot_save(buf, head, SNAPSHOT, &s, sizeof(s));
    return head + s.pci_size + s.device_size;
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct virtio_device *v = dev;
    struct virtqueue queue[VIRTIO_QUEUES_MAX];
    struct state s;
    const uint8_t *from = buf;
    size_t head = sizeof(struct state) + 8;

    if (size < head || !snapshot_load(buf, head, SNAPSHOT, &s, sizeof(s)))
        return false;
    if (s.id != v->ops->id || s.queues != v->queues || s.config_size != v->config_size ||
        (s.status & VIRTIO_CONFIG_S_FEATURES_OK && s.features & ~v->offered) ||
        s.pci_size > size - head || s.device_size != size - head - s.pci_size ||
        (s.device_size && !v->ops->restore))
        return false;
    uint64_t features = v->features;
    v->features = s.features;
    bool good = true;
    for (unsigned i = 0; i < v->queues && good; i++) {
        virtqueue_reset(&queue[i], v->ram, v->queue_size);
        queue[i].event_idx = virtio_has(v, VIRTIO_RING_F_EVENT_IDX);
        queue[i].indirect = virtio_has(v, VIRTIO_RING_F_INDIRECT_DESC);
        good = restore_queue(&s.queue[i], &queue[i]);
    }
    if (!good || (v->ops->save && !v->ops->restore(v, from + head + s.pci_size, s.device_size))) {
        v->features = features;
        return false;
    }
    if (!pci_restore(&v->pci, from + head, s.pci_size)) { // too late to have changed nothing
        reset(v);
        return false;
    }
    memcpy(v->queue, queue, v->queues * sizeof(queue[0]));
    v->status = s.status & (DRIVER_STATUS | VIRTIO_CONFIG_S_NEEDS_RESET);
    v->isr = s.isr & (VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
    v->generation = s.generation;
    v->feature_select = s.feature_select;
    v->driver_feature_select = s.driver_feature_select;
    v->config_vector = s.config_vector;
    v->queue_select = s.queue_select;
    virtio_later(v, (1u << v->queues) - 1); // whatever waited when it was saved
    pci_set_intx(&v->pci, v->isr != 0);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    struct virtio_device *v = dev;
    size_t n = info_length(snprintf(buf, size, "%s: status %02x features %llx\n", v->ops->name,
                                    v->status, (unsigned long long)v->features),
                           size);

    for (unsigned i = 0; i < v->queues; i++) {
        const struct virtqueue *q = &v->queue[i];
        if (q->enabled)
            n += info_length(snprintf(buf + n, size - n, "  queue %u: size %u, at %u, used %u%s\n",
                                      i, q->size, q->last_avail, q->used,
                                      q->broken ? ", broken" : ""),
                             size - n);
    }
    if (v->ops->info)
        n += v->ops->info(v, buf + n, size - n);
    return n;
}

// Its registers are those of its BAR (virtio_pci.c).
static uint64_t no_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev, (void)offset, (void)size;
    return UINT64_MAX;
}

static void no_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)dev, (void)offset, (void)size, (void)value;
}

const struct device_ops virtio_device_ops = {.name = "virtio",
                                             .reset = reset,
                                             .read = no_read,
                                             .write = no_write,
                                             .save = save,
                                             .restore = restore,
                                             .info = info};
