// SPDX-License-Identifier: BSD-2-Clause
// The static ACPI tables of the virtual PC, built in guest memory at PLATFORM_ACPI: RSDP, RSDT,
// XSDT, FADT, FACS, MADT, DSDT and, when asked for, HPET. ACPI specification 6.4, chapter 5.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest_memory.h"

struct acpi_options {
    uint8_t vcpus; // 1..PLATFORM_VCPUS_MAX; APIC ids count from 0
    bool hpet;     // the VM has one at PLATFORM_HPET
};

// Builds the tables. Returns the address of the RSDP, for struct boot_layout, or 0 when there is no
// RAM for them.
uint64_t acpi_build(const struct guest_ram *ram, const struct acpi_options *options);
