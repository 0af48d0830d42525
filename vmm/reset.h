// SPDX-License-Identifier: BSD-2-Clause
// The ways in which software resets a PC: the reset control register at 0xcf9 (ICH9), port 0x92 bit
// 0, and the keyboard controller's command 0xfe at port 0x64. 0xcf9 lies inside the doubleword of
// the PCI configuration address, so this device owns 0xcf8..0xcfb and passes the rest on.
#ifndef VMM_RESET_H
#define VMM_RESET_H

#include "device.h"

#include <stdint.h>

#define RESET_CONFIG_PORT 0xcf8 /* 4 ports */
#define RESET_PORT92      0x92
#define RESET_PORT64      0x64

struct reset {
    uint8_t control; /* 0xcf9 */
    uint8_t port92;
    const struct device_ops *config; /* PCI configuration address, NULL: absent */
    void *config_dev;
    void (*request)(void *ctx); /* the VM is to be reset once this exit is handled; may be NULL */
    void *ctx;
};

/* Device verbs: 0xcf8..0xcfb (with save, restore, info), 0x92, 0x64. */
extern const struct device_ops reset_ops;
extern const struct device_ops reset_port92_ops;
extern const struct device_ops reset_port64_ops;

/* Connects and resets. `request` may be NULL. */
void reset_init(struct reset *reset, void (*request)(void *ctx), void *ctx);

/* The same as a guest's request, for other devices that reset the machine. */
void reset_request(struct reset *reset);

/* Connects the PCI configuration address register: offsets 0..3 with accesses up to 4 bytes. */
void reset_set_config(struct reset *reset, const struct device_ops *config, void *dev);

#endif
