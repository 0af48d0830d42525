// SPDX-License-Identifier: BSD-2-Clause
// The body of the SSDT: what dsdt.asl leaves open. Named values, and a device with _EJ0 for each
// slot whose function may be removed.
#pragma once

#include "acpi.h"

#define SSDT_SIZE 4096 // what it needs at most

// Writes the AML behind the table's header; returns its length, 0 when it does not fit.
size_t ssdt_build(const struct acpi_options *options, uint8_t *out, size_t size);
