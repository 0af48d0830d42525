// SPDX-License-Identifier: BSD-2-Clause
// Starts a Linux bzImage by the 64-bit boot protocol: Linux Documentation/x86/boot.rst,
// version 2.12 or later. No code of the image runs before the kernel's own 64-bit entry, so no real
// mode and no firmware is needed.
#pragma once

#include "boot.h"

// Places kernel, initrd, command line, zero page, page tables and GDT in guest RAM, which must be
// zero where nothing is placed, and fills `start`. The image is hostile input. initrd may be NULL
// with size 0; cmdline may be NULL. On failure `error` holds one line, `start` is not valid, and
// RAM holds anything.
enum load_status linux_load(const struct guest_ram *ram, const void *image, size_t image_size,
                            const void *initrd, size_t initrd_size, const char *cmdline,
                            const struct boot_layout *layout, struct cpu_start *start, char *error,
                            size_t error_size);
