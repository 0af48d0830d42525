// SPDX-License-Identifier: BSD-2-Clause
// What the loaders of kernel images (linux.c, multiboot.c) have in common.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu_start.h"
#include "guest_memory.h"

enum load_status {
    LOAD_OK,
    LOAD_BAD_IMAGE,    // not this kind of kernel, corrupt, or of a version that is not supported
    LOAD_NO_MEMORY,    // the VM has too little memory for it
    LOAD_BAD_ARGUMENT, // command line or module does not fit
};

struct boot_layout { // where the vmm has put things before it loads a kernel
    uint64_t rsdp;   // ACPI root pointer, 0: none
    bool vga;        // there is a screen, in text mode 3
};

struct boot_module { // a file that the kernel finds in memory
    const void *data;
    size_t size;
    const char *string; // its command line, may be NULL
};
#define BOOT_MODULES 16

// A range of guest memory as an OS is told of it.
struct boot_range {
    uint64_t start, size;
    uint32_t type; // E820_RAM, E820_RESERVED: the numbers of ACPI 6.4 table 15.4, and of Multiboot
};
#define E820_RAM      1u
#define E820_RESERVED 2u
#define BOOT_RANGES   6

// The memory map; returns the number of ranges, in ascending order.
unsigned boot_memory_map(const struct guest_ram *ram, struct boot_range out[BOOT_RANGES]);

// Writes the one-line message and returns status: `return boot_error(LOAD_..., error, size, "...",
// ...)`.
enum load_status boot_error(enum load_status status, char *error, size_t size, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));

// What a processor is after reset, SDM 3A table 9-1: at 0xfffffff0, in real mode.
void boot_reset_state(struct cpu_start *start);

// Flat segments and a GDT that holds them at PLATFORM_BOOT_GDT: code (access rights given) and
// data, by selector (0x08..0x18). False: no RAM there. Sets seg[], gdtr, idtr (empty) and rflags of
// start.
bool boot_segments(const struct guest_ram *ram, struct cpu_start *start, uint16_t code_selector,
                   uint32_t code_attributes, uint16_t data_selector);
