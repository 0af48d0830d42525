// SPDX-License-Identifier: BSD-2-Clause
// Bounds-checked access to guest RAM.
#include "guest_memory.h"

#include <string.h>

void *guest_ram_at(const struct guest_ram *ram, uint64_t address, uint64_t length)
{
    uint64_t low = guest_ram_low(ram);
    if (address <= low && length <= low - address) // subtractions cannot wrap, additions could
        return ram->base + address;
    if (address < PLATFORM_HIGH_RAM)
        return NULL;
    uint64_t high = guest_ram_high(ram);
    uint64_t offset = address - PLATFORM_HIGH_RAM;
    if (offset <= high && length <= high - offset)
        return ram->base + low + offset;
    return NULL;
}

bool guest_ram_write(const struct guest_ram *ram, uint64_t address, const void *from, size_t length)
{
    void *to = guest_ram_at(ram, address, length);
    if (to && length)
        memcpy(to, from, length);
    return to != NULL;
}

bool guest_ram_read(const struct guest_ram *ram, uint64_t address, void *to, size_t length)
{
    const void *from = guest_ram_at(ram, address, length);
    if (from && length)
        memcpy(to, from, length);
    return from != NULL;
}

bool guest_ram_clear(const struct guest_ram *ram, uint64_t address, size_t length)
{
    void *to = guest_ram_at(ram, address, length);
    if (to && length)
        memset(to, 0, length);
    return to != NULL;
}
