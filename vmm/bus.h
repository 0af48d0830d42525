// SPDX-License-Identifier: BSD-2-Clause
// Dispatch of port and memory-mapped accesses to device models. One bus for the ports and one for
// guest physical memory. Regions are kept sorted; a small direct-mapped cache in front makes the
// common access cost a few instructions. No heap: the number of regions is fixed.
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "device.h"

#include <stdbool.h>
#include <stdint.h>

#define BUS_REGIONS 256
#define BUS_CACHE   64

struct bus_region {
    uint64_t base;
    uint64_t size; /* bytes, 0 in unused entries */
    const struct device_ops *ops;
    void *dev;
    uint64_t span;  /* offsets below it have room for any access up to width */
    unsigned width; /* widest access that is passed on whole */
};

struct bus {
    const char *name;
    unsigned count;
    const struct bus_region *cache[BUS_CACHE]; /* never NULL; whether it is a hit is checked */
    struct bus_region regions[BUS_REGIONS];
    uint64_t absent_reads; /* accesses that no device answered */
    uint64_t absent_writes;
    uint64_t absent_last; /* address of the latest of them */
};

/* Empties a bus. It points into itself from here on: do not move or copy it. */
void bus_init(struct bus *bus, const char *name);

/* Claims [base, base + size) for a device. False when the bus is full, the range is empty, wraps or
 * overlaps another. `ops` and `dev` must stay valid. */
bool bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct device_ops *ops,
             void *dev);

/* Gives up the region that starts at `base`; false when there is none. */
bool bus_remove(struct bus *bus, uint64_t base);

/* One access of 1 to 8 bytes. Returns whether any device answered. What nobody answers reads as
 * ones and is dropped when written. An access wider than the device takes, or across devices, is
 * split. */
bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value);
bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value);

/* The region that holds `addr`, or NULL. */
const struct bus_region *bus_find(const struct bus *bus, uint64_t addr);

/* Prints the regions and counters, for the monitor; returns the characters written. */
size_t bus_info(const struct bus *bus, char *buf, size_t size);

#endif
