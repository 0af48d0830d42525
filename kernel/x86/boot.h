// SPDX-License-Identifier: BSD-2-Clause
// What boot.c finds out and main.c makes objects of.
#pragma once

#include "acpi.h"
#include <stdbool.h>
#include <stdint.h>

#define BOOT_RAM_MAX 48
#define OBJECT_COUNT 16384u // slots of the object table: 256 KiB
#define BOOT_POOL    (4ull << 20)

struct range {
    uint64_t base, end;
};
struct boot {
    uint64_t tsc_entry, ram_total, ram_top, low_top,
        deny; // low_top: end of RAM below 4 GiB; deny: a page of ones, the bitmap of tasks without ports
    struct range ram[BOOT_RAM_MAX]; // free; entries may be empty
    unsigned ram_count;
    struct range root, system; // modules
    const void *rsdp;
    struct madt madt;
    uint64_t trampoline; // page where other CPUs start, see ap.S; 0: none found
    char cmdline[128];
};
extern struct boot boot;

bool boot_option(const char *name);          // it stands on the kernel's command line
void boot_main(uint64_t info, uint64_t tsc); // from boot.S
_Noreturn void kernel_main(void);            // on the CPU's stack and the final tables
