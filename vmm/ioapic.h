// SPDX-License-Identifier: BSD-2-Clause
// An I/O APIC with 24 pins: Intel 82093AA data sheet, plus the EOI register of its successors
// (version 0x20). Edges on a masked pin are lost, as in the chip. Polarity is ignored: lines are
// "asserted" or not.
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include "apic_bus.h"
#include "device.h"

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_SIZE 0x1000ull
#define IOAPIC_PINS 24

#define IOAPIC_MASKED     (1ull << 16)
#define IOAPIC_LEVEL      (1ull << 15)
#define IOAPIC_REMOTE_IRR (1ull << 14)
#define IOAPIC_STATUS     (1ull << 12)
#define IOAPIC_LOGICAL    (1ull << 11)

struct ioapic_state {
    uint64_t entry[IOAPIC_PINS]; /* redirection table */
    uint32_t lines;              /* levels at the pins */
    uint32_t id;
    uint32_t select;
    uint32_t pad;
};

struct ioapic {
    struct ioapic_state s;
    struct apic_bus *bus;
};

extern const struct device_ops ioapic_ops;

/* Connects to the APICs and resets: all pins masked. */
void ioapic_init(struct ioapic *ioapic, struct apic_bus *bus);

/* Drives a pin; numbers above 23 are ignored. */
void ioapic_set(struct ioapic *ioapic, unsigned pin, bool level);

/* A CPU finished a level-triggered vector: pins of that vector that are still asserted ask again.
 */
void ioapic_eoi(void *ioapic, uint8_t vector);

/* Whether a pin passes the 8259's INTR on to this CPU: unmasked, delivery mode ExtINT. */
bool ioapic_extint(const struct ioapic *ioapic, unsigned pin, unsigned cpu);

#endif
