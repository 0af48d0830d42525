// SPDX-License-Identifier: BSD-2-Clause
// The bus: sorted regions, binary search, a cache of recent hits, and the splitting of odd
// accesses. HAZARD: address and size come from the guest; offset arithmetic is done so that it
// cannot wrap.
#include "bus.h"

#include <stdio.h>
#include <string.h>

/* Neighbouring ports share a slot; each APIC register has its own. */
static inline unsigned cache_slot(uint64_t addr)
{
    return (unsigned)(addr >> 4 ^ addr >> 20) % BUS_CACHE;
}

static const uint64_t size_mask[9] = {
    0,          0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
    UINT64_MAX,
};

/* Whether an access may be passed on in one piece; an access of no bytes never is. */
static inline bool fits(const struct bus_region *region, uint64_t offset, unsigned size)
{
    return offset < region->span && size - 1 < region->width;
}

static void forget(struct bus *bus)
{
    for (unsigned i = 0; i < BUS_CACHE; i++)
        bus->cache[i] = &bus->regions[0];
}

void bus_init(struct bus *bus, const char *name)
{
    memset(bus, 0, sizeof(*bus));
    bus->name = name;
    forget(bus);
}

bool bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct device_ops *ops, void *dev)
{
    if (bus->count >= BUS_REGIONS || size == 0 || size - 1 > UINT64_MAX - base)
        return false;
    unsigned at = 0;
    while (at < bus->count && bus->regions[at].base < base)
        at++;
    if (at < bus->count && bus->regions[at].base - base < size)
        return false;
    if (at > 0 && base - bus->regions[at - 1].base < bus->regions[at - 1].size)
        return false;
    memmove(&bus->regions[at + 1], &bus->regions[at], (bus->count - at) * sizeof(bus->regions[0]));
    unsigned width = ops->width == 0 || ops->width > 8 ? 8 : ops->width;
    uint64_t span = size < width ? 0 : size - width + 1;
    bus->regions[at] = (struct bus_region){base, size, ops, dev, span, width};
    bus->count++;
    forget(bus);
    return true;
}

bool bus_remove(struct bus *bus, uint64_t base)
{
    unsigned at = 0;
    while (at < bus->count && bus->regions[at].base != base)
        at++;
    if (at == bus->count)
        return false;
    bus->count--;
    memmove(&bus->regions[at], &bus->regions[at + 1], (bus->count - at) * sizeof(bus->regions[0]));
    memset(&bus->regions[bus->count], 0, sizeof(bus->regions[0]));
    forget(bus);
    return true;
}

const struct bus_region *bus_find(const struct bus *bus, uint64_t addr)
{
    unsigned low = 0;
    unsigned high = bus->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct bus_region *region = &bus->regions[middle];
        if (addr < region->base)
            high = middle;
        else if (addr - region->base < region->size)
            return region;
        else
            low = middle + 1;
    }
    return NULL;
}

/* How much of an access can go to this region at once: a power of two. */
static unsigned piece(const struct bus_region *region, uint64_t offset, unsigned left)
{
    unsigned n = 8;
    while (n > 1 && (n > left || n > region->width || n > region->size - offset))
        n /= 2;
    return n;
}

static const struct bus_region *find_and_cache(struct bus *bus, uint64_t addr)
{
    const struct bus_region *region = bus_find(bus, addr);
    if (region != NULL)
        bus->cache[cache_slot(addr)] = region;
    return region;
}

static __attribute__((noinline)) bool read_slow(struct bus *bus, uint64_t addr, unsigned size,
                                                uint64_t *value)
{
    *value = UINT64_MAX;
    if (size == 0 || size > 8)
        return false;
    uint64_t result = 0;
    bool answered = false;
    for (unsigned done = 0, n; done < size; done += n) {
        uint64_t part = 0xff;
        n = 1;
        const struct bus_region *region = find_and_cache(bus, addr + done);
        if (region != NULL) {
            uint64_t offset = addr + done - region->base;
            n = piece(region, offset, size - done);
            part = region->ops->read(region->dev, offset, n) & size_mask[n];
            answered = true;
        }
        result |= part << (8 * done);
    }
    *value = result;
    if (!answered) {
        bus->absent_reads++;
        bus->absent_last = addr;
    }
    return answered;
}

static __attribute__((noinline)) bool write_slow(struct bus *bus, uint64_t addr, unsigned size,
                                                 uint64_t value)
{
    if (size == 0 || size > 8)
        return false;
    bool answered = false;
    for (unsigned done = 0, n; done < size; done += n) {
        n = 1;
        const struct bus_region *region = find_and_cache(bus, addr + done);
        if (region == NULL)
            continue;
        uint64_t offset = addr + done - region->base;
        n = piece(region, offset, size - done);
        region->ops->write(region->dev, offset, n, value >> (8 * done) & size_mask[n]);
        answered = true;
    }
    if (!answered) {
        bus->absent_writes++;
        bus->absent_last = addr;
    }
    return answered;
}

bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
    const struct bus_region *region = bus->cache[cache_slot(addr)];
    uint64_t offset = addr - region->base;
    if (__builtin_expect(!fits(region, offset, size), 0))
        return read_slow(bus, addr, size, value);
    *value = region->ops->read(region->dev, offset, size) & size_mask[size];
    return true;
}

bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
    const struct bus_region *region = bus->cache[cache_slot(addr)];
    uint64_t offset = addr - region->base;
    if (__builtin_expect(!fits(region, offset, size), 0))
        return write_slow(bus, addr, size, value);
    region->ops->write(region->dev, offset, size, value & size_mask[size]);
    return true;
}

size_t bus_info(const struct bus *bus, char *buf, size_t size)
{
    size_t n = info_length(snprintf(buf, size, "%s: absent reads %llu writes %llu last 0x%llx\n",
                                    bus->name, (unsigned long long)bus->absent_reads,
                                    (unsigned long long)bus->absent_writes,
                                    (unsigned long long)bus->absent_last),
                           size);
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_region *region = &bus->regions[i];
        n += info_length(
            snprintf(buf + n, size - n, "  %llx-%llx %s\n", (unsigned long long)region->base,
                     (unsigned long long)(region->base + region->size - 1), region->ops->name),
            size - n);
    }
    return n;
}
