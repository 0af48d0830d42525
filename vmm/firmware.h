// SPDX-License-Identifier: BSD-2-Clause
// What a VM has that starts with firmware (SeaBIOS, OVMF) instead of a kernel: the image, the
// fw_cfg device with what the firmware is to know, CMOS bytes that it reads.
#ifndef VMM_FIRMWARE_H
#define VMM_FIRMWARE_H

#include "device_kind.h"

// Kind "firmware": linked into the vmm of such a VM, and created when all other devices are there.
// `config` is NULL: the image is info->kernel_address.
#define FIRMWARE_KIND "firmware"

#endif
