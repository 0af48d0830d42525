// SPDX-License-Identifier: BSD-2-Clause
// The watchdog timer of the Intel 6300ESB I/O controller hub (8086:25ab; datasheet 300641, chapter
// 16): two stages, each a 20-bit count of about 1 ms or 1 us; the first raises an interrupt, the
// second resets the machine. Registers take a write only after 0x80 and 0x86 were written to the
// reload register.
#ifndef VMM_I6300ESB_H
#define VMM_I6300ESB_H

#include "clock.h"
#include "device.h"
#include "pci.h"

#include <stdbool.h>
#include <stdint.h>

#define I6300ESB_SIZE 0x10
#define I6300ESB_HZ   33000000 /* PCI's clock; counts are divided down from it */

struct i6300esb_state {
    uint64_t start; /* tick at which the present stage began */
    uint32_t preload[2];
    uint16_t config; /* offset 0x60 of configuration space */
    uint8_t lock;    /* offset 0x68 */
    uint8_t stage;   /* 0: does not run; 1, 2 */
    uint8_t unlock;  /* bytes of the unlocking sequence seen; 2: one write is allowed */
    uint8_t status;  /* bit 0: the first stage's interrupt */
    uint8_t expired; /* the second stage ran out: shows until it is cleared */
    uint8_t pad;
};

struct i6300esb {
    struct i6300esb_state s;
    struct pci_function pci;
    uint64_t deadline; /* for chipset_add_timer() */
    const struct clock *clock;
    void (*bark)(void *ctx); /* the second stage ran out */
    void *ctx;
};

/* Of the registers in memory; with save, restore and info. */
extern const struct device_ops i6300esb_ops;

/* Connects, resets, and puts it on the bus. False: the bus is full. */
bool i6300esb_init(struct i6300esb *dog, struct pci_bus *bus, const struct clock *clock,
                   void (*bark)(void *ctx), void *ctx);

/* When dog->deadline has come; `dev` is a struct i6300esb. */
void i6300esb_expire(void *dev, uint64_t now);

#endif
