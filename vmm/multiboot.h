// SPDX-License-Identifier: BSD-2-Clause
// Starts a Multiboot 0.6.96 kernel: an ELF32 or ELF64 file, or one that gives its addresses in the
// Multiboot header. It is entered in 32-bit protected mode without paging, as the specification
// says in section 3.2.
#pragma once

#include "boot.h"

// Places kernel, modules and the information structure in guest RAM, which must be zero where
// nothing is placed, and fills `start`. The image is hostile input. cmdline may be NULL. Errors as
// with linux_load.
enum load_status multiboot_load(const struct guest_ram *ram, const void *image, size_t image_size,
                                const struct boot_module *modules, unsigned module_count,
                                const char *cmdline, struct cpu_start *start, char *error,
                                size_t error_size);
