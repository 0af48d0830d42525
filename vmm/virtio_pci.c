// SPDX-License-Identifier: BSD-2-Clause
// The registers of a virtio device on PCI: virtio 1.2 section 4.1, without the legacy interface.
// One memory BAR has the four structures, a page each; a second one is MSI-X. The window in
// configuration space (4.1.4.9) is for firmware that cannot reach the BAR.
#include "virtio_internal.h"

#include <string.h>

// ---- Common configuration (4.1.4.3)

static struct virtqueue *selected(struct virtio_device *v)
{
    return v->queue_select < v->queues ? &v->queue[v->queue_select] : NULL;
}

static uint32_t feature_half(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint32_t queue_read(const struct virtio_device *v, const struct virtqueue *q,
                           unsigned offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return q->size;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return q->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return q->enabled;
    case VIRTIO_PCI_COMMON_Q_NOFF:
        return v->queue_select;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        return (uint32_t)q->desc;
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        return (uint32_t)(q->desc >> 32);
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        return (uint32_t)q->driver;
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        return (uint32_t)(q->driver >> 32);
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        return (uint32_t)q->device;
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return (uint32_t)(q->device >> 32);
    default: // queue_reset too: a reset is over at once
        return 0;
    }
}

static uint32_t common_read(struct virtio_device *v, unsigned offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return v->feature_select;
    case VIRTIO_PCI_COMMON_DF:
        return feature_half(v->offered, v->feature_select);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return v->driver_feature_select;
    case VIRTIO_PCI_COMMON_GF:
        return feature_half(v->features, v->driver_feature_select);
    case VIRTIO_PCI_COMMON_MSIX:
        return v->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ:
        return v->queues;
    case VIRTIO_PCI_COMMON_STATUS:
        return v->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return v->generation;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return v->queue_select;
    default:
        return selected(v) ? queue_read(v, selected(v), offset) : 0;
    }
}

static void set_half(uint64_t *word, uint32_t value, bool high)
{
    *word = high ? (uint32_t)*word | (uint64_t)value << 32 : (*word >> 32 << 32) | value;
}

// A vector that does not exist reads back as none (4.1.5.1.2).
static uint16_t checked_vector(const struct virtio_device *v, uint32_t value)
{
    return value < v->pci.msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

// What is fixed while a queue is enabled.
static void queue_setup(struct virtqueue *q, unsigned offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        q->size = (uint16_t)value;
        break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        set_half(&q->desc, value, offset == VIRTIO_PCI_COMMON_Q_DESCHI);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        set_half(&q->driver, value, offset == VIRTIO_PCI_COMMON_Q_AVAILHI);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        set_half(&q->device, value, offset == VIRTIO_PCI_COMMON_Q_USEDHI);
        break;
    }
}

static void queue_write(struct virtio_device *v, struct virtqueue *q, unsigned offset,
                        uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_MSIX:
        q->vector = checked_vector(v, value);
        break;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        if (value == 1)
            virtio_enable_queue(v, v->queue_select);
        break;
    case VIRTIO_PCI_QUEUE_RESET_OFFSET:
        if (value == 1)
            virtio_reset_queue(v, v->queue_select);
        break;
    default:
        if (!q->enabled)
            queue_setup(q, offset, value);
    }
}

static void common_write(struct virtio_device *v, unsigned offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        v->feature_select = value;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        v->driver_feature_select = value;
        break;
    case VIRTIO_PCI_COMMON_GF:
        if (v->driver_feature_select < 2 && !(v->status & VIRTIO_CONFIG_S_FEATURES_OK))
            set_half(&v->features, value, v->driver_feature_select);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        v->config_vector = checked_vector(v, value);
        break;
    case VIRTIO_PCI_COMMON_STATUS:
        virtio_set_status(v, (uint8_t)value);
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        v->queue_select = (uint16_t)value;
        break;
    default:
        if (selected(v))
            queue_write(v, selected(v), offset, value);
    }
}

// ---- The BAR

// Reading takes the bits and the interrupt back (4.1.4.5).
static uint32_t isr_read(struct virtio_device *v)
{
    uint32_t isr = v->isr;

    v->isr = 0;
    pci_set_intx(&v->pci, false);
    return isr;
}

static uint32_t config_read(const struct virtio_device *v, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    if (offset < v->config_size && size <= v->config_size - offset)
        memcpy(&value, v->config + offset, size);
    return value;
}

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    struct virtio_device *v = dev;
    unsigned at = offset % 0x1000;

    switch (offset - at) {
    case VIRTIO_COMMON: // drivers use each field's own width (4.1.3.1)
        return common_read(v, at);
    case VIRTIO_ISR:
        return at == 0 ? isr_read(v) : 0;
    case VIRTIO_CONFIG:
        return config_read(v, at, size);
    default:
        return 0;
    }
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_device *v = dev;
    unsigned at = offset % 0x1000;

    switch (offset - at) {
    case VIRTIO_COMMON:
        common_write(v, at, (uint32_t)value);
        break;
    case VIRTIO_CONFIG:
        if (v->ops->config_write && at < v->config_size && size <= v->config_size - at)
            v->ops->config_write(v, at, size, (uint32_t)value);
        break;
    case VIRTIO_NOTIFY: // the place says which queue, as the value does
        virtio_kick(v, at / VIRTIO_MULTIPLIER);
        break;
    }
}

static const struct device_ops bar_ops = {
    .name = "virtio-pci", .read = bar_read, .write = bar_write, .width = 4};

// ---- The window in configuration space

static uint32_t config32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

// Where the window points to: false, or an aligned place within the BAR.
static bool window_target(const struct virtio_device *v, uint32_t *offset, uint32_t *length)
{
    const uint8_t *window = v->pci.config + v->window;

    *offset = config32(window + VIRTIO_PCI_CAP_OFFSET);
    *length = config32(window + VIRTIO_PCI_CAP_LENGTH);
    return window[VIRTIO_PCI_CAP_BAR] == VIRTIO_BAR && *offset < VIRTIO_BAR_SIZE &&
           (*length == 1 || *length == 2 || *length == 4) && *offset % *length == 0;
}

static bool window_data(const struct virtio_device *v, unsigned offset, unsigned size)
{
    unsigned data = v->window + sizeof(struct virtio_pci_cap);

    return offset < data + 4 && offset + size > data;
}

// Before the guest reads these bytes of configuration space.
static void window_read(void *dev, unsigned offset, unsigned size)
{
    struct virtio_device *v = dev;
    uint32_t at, length;

    if (!window_data(v, offset, size) || !window_target(v, &at, &length))
        return;
    uint32_t value = (uint32_t)bar_read(v, at, length);
    memcpy(v->pci.config + v->window + sizeof(struct virtio_pci_cap), &value, length);
}

// After it wrote them.
static void window_written(void *dev, unsigned offset, unsigned size)
{
    struct virtio_device *v = dev;
    uint32_t at, length, value = 0;

    if (v->pci.dma_began)
        virtio_later(v, (1u << v->queues) - 1);
    if (!window_data(v, offset, size) || !window_target(v, &at, &length))
        return;
    memcpy(&value, v->pci.config + v->window + sizeof(struct virtio_pci_cap), length);
    bar_write(v, at, length, value);
}

// ---- Set up

// A capability for one structure; returns its place, 0: no room.
static uint8_t add_structure(struct pci_function *f, uint8_t type, uint32_t offset, uint32_t length,
                             unsigned extra)
{
    uint8_t size = (uint8_t)(sizeof(struct virtio_pci_cap) + extra);
    uint8_t at = pci_add_capability(f, PCI_CAP_ID_VNDR, size);

    if (at) {
        f->config[at + VIRTIO_PCI_CAP_LEN] = size;
        f->config[at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
        f->config[at + VIRTIO_PCI_CAP_BAR] = VIRTIO_BAR;
        memcpy(f->config + at + VIRTIO_PCI_CAP_OFFSET, &offset, 4);
        memcpy(f->config + at + VIRTIO_PCI_CAP_LENGTH, &length, 4);
    }
    return at;
}

static bool add_window(struct virtio_device *v)
{
    v->window = add_structure(&v->pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4);
    if (!v->window)
        return false;
    uint8_t *writable = v->pci.writable + v->window;
    writable[VIRTIO_PCI_CAP_BAR] = 0xff;
    memset(writable + VIRTIO_PCI_CAP_OFFSET, 0xff, 12); // offset, length, data
    v->pci.config_read = window_read;
    v->pci.config_written = window_written;
    return true;
}

bool virtio_pci_init(struct virtio_device *v, struct pci_bus *bus)
{
    struct pci_function *f = &v->pci;
    uint32_t multiplier = VIRTIO_MULTIPLIER;

    pci_init(f, v->ops->name, VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE + v->ops->id),
             v->ops->class_code, 1);
    pci_subsystem(f, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE);
    f->config[PCI_INTERRUPT_PIN] = 1;
    f->dev = v;
    if (!pci_add_bar(f, VIRTIO_BAR, PCI_BAR_MEM32, false, VIRTIO_BAR_SIZE, &bar_ops, v) ||
        !pci_add_msix(f, VIRTIO_BAR_MSIX, v->queues + 1))
        return false;
    if (!add_structure(f, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_COMMON, VIRTIO_PCI_COMMON_SIZE, 0) ||
        !add_structure(f, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_ISR, 1, 0) ||
        (v->config_size &&
         !add_structure(f, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_CONFIG, v->config_size, 0)))
        return false;
    uint8_t notify = add_structure(f, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_NOTIFY,
                                   v->queues * VIRTIO_MULTIPLIER, sizeof(multiplier));
    if (!notify)
        return false;
    memcpy(f->config + notify + VIRTIO_PCI_NOTIFY_CAP_MULT, &multiplier, sizeof(multiplier));
    return add_window(v) && pci_add(bus, f, PCI_ANY_SLOT, 0);
}
