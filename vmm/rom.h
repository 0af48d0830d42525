// SPDX-License-Identifier: BSD-2-Clause
// A firmware image as the guest sees it: read and executed straight from memory, ending at 4 GiB.
// What reaches the vmm are writes, which are dropped, as by a ROM, and reads by instructions that
// are emulated.
#ifndef VMM_ROM_H
#define VMM_ROM_H

#include "device.h"

#define ROM_TOP  0x100000000ull
#define ROM_MIN  0x10000u   // the reset vector's segment
#define ROM_MAX  0x1000000u // 16 MiB: what SeaBIOS and OVMF keep free of devices
#define ROM_LOW  0xe0000u   // where the last 128 KiB also are, in RAM
#define ROM_COPY 0x20000u

struct rom {
    const uint8_t *data;
    uint64_t size; // a multiple of 4096
};

extern const struct device_ops rom_ops; // `size` bytes

// Guest-physical address of its first byte.
static inline uint64_t rom_base(const struct rom *rom)
{
    return ROM_TOP - rom->size;
}

// For the instruction emulator: where [gpa, gpa + size) is in the vmm, NULL when not all of it is
// in the image.
static inline const void *rom_at(const struct rom *rom, uint64_t gpa, uint64_t size)
{
    uint64_t base = rom_base(rom);
    if (gpa < base || gpa >= ROM_TOP || size > ROM_TOP - gpa)
        return NULL;
    return rom->data + (gpa - base);
}

#endif
