// SPDX-License-Identifier: BSD-2-Clause
// What the loaders of ELF and Multiboot images have in common: segments and modules into guest RAM,
// strings for the kernel.
#pragma once

#include "boot.h"

#define BOOT_LOW_AREA 0x100000ull // below: information, strings, GDT, ACPI; no segment goes there
#define BOOT_PAGE     4096ull

struct boot_image { // an image on its way into guest RAM
    const struct guest_ram *ram;
    const uint8_t *data; // the file: hostile
    size_t size;
    uint64_t shift;   // added to every address that the file names
    uint64_t end;     // behind the highest byte loaded so far
    uint64_t entry;   // physical
    uint64_t strings; // how much of the string area is used, bytes
    char *error;      // one line
    size_t error_size;
};

// Copies file bytes to guest RAM at 1 MiB or above and clears the rest of the segment.
enum load_status boot_load_segment(struct boot_image *image, uint64_t offset, uint64_t file_size,
                                   uint64_t address, uint64_t memory_size);

// Loads an ELF32 (i386) or ELF64 (x86-64) file to its physical addresses; sets `entry`, translated
// when the file gives a virtual address, and `end`.
enum load_status boot_load_elf(struct boot_image *image);

// The lowest address and the end of the segments of an ELF file, before `shift`. Errors as
// boot_load_elf.
enum load_status boot_elf_extent(struct boot_image *image, uint64_t *low, uint64_t *high);

// The number that a note of this name and type holds in 4 or 8 bytes. False: there is none.
bool boot_elf_note(const void *file, size_t size, const char *name, uint32_t type, uint64_t *value);

// Places a module on the page behind what is loaded; `number` from 1 on is for the message.
enum load_status boot_place_module(struct boot_image *image, const struct boot_module *module,
                                   unsigned number, uint64_t *address);

// Appends a string to the area at PLATFORM_BOOT_CMDLINE and returns its address, 0 when it is full.
uint32_t boot_string(struct boot_image *image, const char *string);
