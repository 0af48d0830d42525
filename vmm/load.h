// SPDX-License-Identifier: BSD-2-Clause
// Loads what a VM starts with, by the kind of its file: bzImage, Multiboot, Multiboot2, PVH;
// with firmware (firmware.c) only the state in which a processor comes out of reset.
#pragma once

#include "boot.h"
#include "bulkhead/task.h"

// Places the VM's kernel, initrd and modules in guest RAM and fills `start`. On failure `error`
// holds one line.
enum load_status load_kernel(const struct guest_ram *ram, const struct task_info *info,
                             const struct boot_layout *layout, struct cpu_start *start, char *error,
                             size_t size);
