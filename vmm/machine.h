// SPDX-License-Identifier: BSD-2-Clause
// Building a VM, see machine.c.
#pragma once

#include "vm.h"

// Builds processor, devices, ACPI tables and the state in which the loaded kernel starts. The
// caller has set info, page, status and ram, whose memory is zero, and opened the line. False:
// `error` holds one line.
bool machine_build(struct vm *vm, char *error, size_t size);
