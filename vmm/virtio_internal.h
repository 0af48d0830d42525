// SPDX-License-Identifier: BSD-2-Clause
// Between the device-independent part of a virtio device (virtio.c) and its registers
// (virtio_pci.c).
#ifndef VMM_VIRTIO_INTERNAL_H
#define VMM_VIRTIO_INTERNAL_H

#include "virtio.h"

/* Headers of Debian 12 lack what virtio 1.2 added: queue_notify_data is not offered. */
#define VIRTIO_PCI_QUEUE_RESET_OFFSET 58
#define VIRTIO_PCI_COMMON_SIZE        60

/* The device's memory BAR: one page for each structure. */
#define VIRTIO_BAR        0
#define VIRTIO_BAR_MSIX   1
#define VIRTIO_BAR_SIZE   0x4000u
#define VIRTIO_COMMON     0x0000u
#define VIRTIO_ISR        0x1000u
#define VIRTIO_CONFIG     0x2000u
#define VIRTIO_NOTIFY     0x3000u
#define VIRTIO_MULTIPLIER 4u

#define VIRTIO_ISR_QUEUE  1u /* bits of the ISR register */
#define VIRTIO_ISR_CONFIG 2u

#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_DEVICE 0x1040 /* + the device's VIRTIO_ID */

/* virtio_pci.c: the PCI function with its capabilities and BARs. */
bool virtio_pci_init(struct virtio_device *v, struct pci_bus *bus);

/* virtio.c: what the registers do. Values are whatever the guest wrote. */
void virtio_set_status(struct virtio_device *v, uint8_t value);
void virtio_enable_queue(struct virtio_device *v, unsigned queue);
void virtio_reset_queue(struct virtio_device *v, unsigned queue);
void virtio_kick(struct virtio_device *v, unsigned queue);

#endif
