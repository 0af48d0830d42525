// SPDX-License-Identifier: BSD-2-Clause
// The guest's RAM as its vmm sees it: one block, which in the guest's physical address space is cut
// at 2 GiB and goes on at 4 GiB. Everything that a guest or an image names by address goes through
// these bounds checks. HAZARD: a running guest changes its memory at any time. Copy a value out
// once, then check and use the copy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform.h"

struct guest_ram {
    uint8_t *base; // size bytes, mapped in the vmm
    uint64_t size; // bytes, a multiple of 4096
};

// Bytes of RAM that lie below the device hole.
static inline uint64_t guest_ram_low(const struct guest_ram *ram)
{
    return ram->size < PLATFORM_LOW_RAM_LIMIT ? ram->size : PLATFORM_LOW_RAM_LIMIT;
}

// Bytes of RAM that lie at and above 4 GiB.
static inline uint64_t guest_ram_high(const struct guest_ram *ram)
{
    return ram->size - guest_ram_low(ram);
}

// The vmm's pointer to [address, address + length), or NULL unless all of it is RAM. Length 0 is
// allowed.
void *guest_ram_at(const struct guest_ram *ram, uint64_t address, uint64_t length);

// Copy in, copy out, clear. False, with nothing changed, when a byte of the range is not RAM.
bool guest_ram_write(const struct guest_ram *ram, uint64_t address, const void *from,
                     size_t length);
bool guest_ram_read(const struct guest_ram *ram, uint64_t address, void *to, size_t length);
bool guest_ram_clear(const struct guest_ram *ram, uint64_t address, size_t length);
