// SPDX-License-Identifier: BSD-2-Clause
// I/O APIC: window registers, redirection table, level and edge delivery, EOI.
#include "ioapic.h"

#include <stdio.h>
#include <string.h>

enum { /* offsets in the page */
       IOREGSEL = 0x00,
       IOWIN = 0x10,
       IOEOIR = 0x40,
};

enum { /* registers behind the window */
       REG_ID = 0,
       REG_VERSION = 1,
       REG_ARBITRATION = 2,
       REG_TABLE = 0x10,
};

#define VERSION_VALUE ((IOAPIC_PINS - 1u) << 16 | 0x20)

/* Vector, delivery, destination mode, polarity, trigger, mask, destination. */
#define WRITABLE 0xff0000000001afffull

static void deliver(struct ioapic *ioapic, unsigned pin)
{
    uint64_t *entry = &ioapic->s.entry[pin];
    bool level = *entry & IOAPIC_LEVEL;
    if (*entry & IOAPIC_MASKED || (level && *entry & IOAPIC_REMOTE_IRR))
        return;
    struct apic_message message = {
        .dest = (uint32_t)(*entry >> 56),
        .vector = (uint8_t)*entry,
        .mode = *entry >> 8 & 7,
        .logical = (*entry & IOAPIC_LOGICAL) != 0,
        .level = level,
    };
    /* The remote IRR belongs to modes that end with an EOI. */
    if (apic_bus_send(ioapic->bus, &message) != 0 && level && message.mode <= APIC_LOWEST)
        *entry |= IOAPIC_REMOTE_IRR;
}

void ioapic_set(struct ioapic *ioapic, unsigned pin, bool level)
{
    if (pin >= IOAPIC_PINS)
        return;
    uint32_t bit = 1u << pin;
    bool before = ioapic->s.lines & bit;
    if (level == before)
        return;
    ioapic->s.lines ^= bit;
    if (level)
        deliver(ioapic, pin);
}

void ioapic_eoi(void *dev, uint8_t vector)
{
    struct ioapic *ioapic = dev;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *entry = &ioapic->s.entry[pin];
        if (!(*entry & IOAPIC_REMOTE_IRR) || (uint8_t)*entry != vector)
            continue;
        *entry &= ~IOAPIC_REMOTE_IRR;
        if (ioapic->s.lines & 1u << pin)
            deliver(ioapic, pin);
    }
}

bool ioapic_extint(const struct ioapic *ioapic, unsigned pin, unsigned cpu)
{
    if (pin >= IOAPIC_PINS)
        return false;
    uint64_t entry = ioapic->s.entry[pin];
    if (entry & IOAPIC_MASKED || (entry >> 8 & 7) != APIC_EXTINT)
        return false;
    struct apic_message message = {
        .dest = (uint32_t)(entry >> 56),
        .logical = (entry & IOAPIC_LOGICAL) != 0,
    };
    return apic_bus_match(ioapic->bus, &message) & 1u << (cpu % APIC_CPUS);
}

static void write_entry(struct ioapic *ioapic, unsigned index, uint32_t value)
{
    unsigned pin = index / 2;
    uint64_t *entry = &ioapic->s.entry[pin];
    unsigned shift = index & 1 ? 32 : 0;
    uint64_t mask = WRITABLE & 0xffffffffull << shift;
    *entry = (*entry & ~mask) | ((uint64_t)value << shift & mask);
    if (!(*entry & IOAPIC_LEVEL))
        *entry &= ~IOAPIC_REMOTE_IRR; /* how Linux frees a stuck pin: edge and back */
    else if (ioapic->s.lines & 1u << pin)
        deliver(ioapic, pin);
}

static uint32_t window_read(const struct ioapic *ioapic)
{
    uint32_t select = ioapic->s.select;
    unsigned index = select - REG_TABLE;
    switch (select) {
    case REG_ID:
    case REG_ARBITRATION:
        return ioapic->s.id;
    case REG_VERSION:
        return VERSION_VALUE;
    default:
        if (select < REG_TABLE || index >= 2 * IOAPIC_PINS)
            return 0xffffffff;
        return (uint32_t)(ioapic->s.entry[index / 2] >> (index & 1 ? 32 : 0));
    }
}

static void window_write(struct ioapic *ioapic, uint32_t value)
{
    uint32_t select = ioapic->s.select;
    unsigned index = select - REG_TABLE;
    if (select == REG_ID)
        ioapic->s.id = value & 0x0f000000;
    else if (select >= REG_TABLE && index < 2 * IOAPIC_PINS)
        write_entry(ioapic, index, value);
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    const struct ioapic *ioapic = dev;
    unsigned shift = 8 * (offset & 3);
    if ((offset & ~3ull) == IOREGSEL)
        return ioapic->s.select >> shift;
    if ((offset & ~3ull) == IOWIN)
        return window_read(ioapic) >> shift;
    return 0;
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct ioapic *ioapic = dev;
    if (offset == IOREGSEL)
        ioapic->s.select = (uint8_t)value;
    else if (offset == IOWIN)
        window_write(ioapic, (uint32_t)value);
    else if (offset == IOEOIR)
        ioapic_eoi(ioapic, (uint8_t)value);
}

static void reset(void *dev)
{
    struct ioapic *ioapic = dev;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->s.entry[pin] = IOAPIC_MASKED;
    ioapic->s.id = 0;
    ioapic->s.select = 0;
}

void ioapic_init(struct ioapic *ioapic, struct apic_bus *bus)
{
    memset(ioapic, 0, sizeof(*ioapic));
    ioapic->bus = bus;
    reset(ioapic);
}

#define IOAPIC_SNAPSHOT SNAPSHOT_ID('I', 'O', 'A', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct ioapic *ioapic = dev;
    return snapshot_save(buf, size, IOAPIC_SNAPSHOT, &ioapic->s, sizeof(ioapic->s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct ioapic *ioapic = dev;
    struct ioapic_state s;
    if (!snapshot_load(buf, size, IOAPIC_SNAPSHOT, &s, sizeof(s)))
        return false;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (s.entry[pin] & ~(WRITABLE | IOAPIC_REMOTE_IRR))
            return false;
    if (s.select > 0xff || s.id & ~0x0f000000u || s.lines >> IOAPIC_PINS)
        return false;
    ioapic->s = s;
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct ioapic *ioapic = dev;
    size_t n = info_length(snprintf(buf, size, "ioapic: lines %06x\n", ioapic->s.lines), size);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = ioapic->s.entry[pin];
        if (entry == IOAPIC_MASKED)
            continue;
        n += info_length(
            snprintf(buf + n, size - n, "  pin %u: vector %02x mode %u dest %02x %s%s%s%s\n", pin,
                     (unsigned)entry & 0xff, (unsigned)(entry >> 8) & 7, (unsigned)(entry >> 56),
                     entry & IOAPIC_LOGICAL ? "logical " : "physical ",
                     entry & IOAPIC_LEVEL ? "level" : "edge",
                     entry & IOAPIC_REMOTE_IRR ? " remote-irr" : "",
                     entry & IOAPIC_MASKED ? " masked" : ""),
            size - n);
    }
    return n;
}

const struct device_ops ioapic_ops = {
    .name = "ioapic",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};
