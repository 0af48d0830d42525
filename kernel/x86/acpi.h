// SPDX-License-Identifier: BSD-2-Clause
// What the kernel reads of the firmware's ACPI tables: the MADT. ACPI 6.4 chapter 5.
#pragma once

#include <stdint.h>

struct madt {
    uint64_t apic; // physical address of the Local APICs
    unsigned ioapic_count, override_count;
    struct {
        uint32_t address, gsi_base;
    } ioapic[8];
    struct {
        uint16_t flags;
        uint32_t gsi;
    } override[16];
};

// `read` tells where a physical address can be read at boot, NULL where it cannot.
// Without tables, or with broken ones, the result is the PC's default: one CPU, one I/O APIC.
void acpi_madt(const void *rsdp, const void *(*read)(uint64_t physical, uint64_t size), struct madt *out);
