// SPDX-License-Identifier: BSD-2-Clause
// Starts a Multiboot2 kernel: Multiboot2 Specification 2.0. An ELF32 or ELF64 file, or one with an
// address tag; entered in 32-bit protected mode without paging (section 3.5).
#pragma once

#include "boot.h"

// Places kernel, modules and the information structure in guest RAM, which must be zero where
// nothing is placed, and fills `start`. The image is hostile input. cmdline may be NULL. Errors as
// with linux_load.
enum load_status multiboot2_load(const struct guest_ram *ram, const void *image, size_t image_size,
                                 const struct boot_module *modules, unsigned module_count,
                                 const char *cmdline, const struct boot_layout *layout,
                                 struct cpu_start *start, char *error, size_t error_size);
