// SPDX-License-Identifier: BSD-2-Clause
// Starts an ELF kernel with a PVH entry point (Linux vmlinux with CONFIG_PVH, Xen-style
// unikernels): Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h, version 1. The
// kernel is entered in 32-bit protected mode without paging.
#pragma once

#include "boot.h"

// Places kernel, modules, command line and hvm_start_info in guest RAM, which must be zero where
// nothing is placed, and fills `start`. The image is hostile input. The first module is what Linux
// takes as its initrd. cmdline may be NULL. Errors as with linux_load.
enum load_status pvh_load(const struct guest_ram *ram, const void *image, size_t image_size,
                          const struct boot_module *modules, unsigned module_count,
                          const char *cmdline, const struct boot_layout *layout,
                          struct cpu_start *start, char *error, size_t error_size);
