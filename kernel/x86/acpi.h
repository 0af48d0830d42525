// SPDX-License-Identifier: BSD-2-Clause
// What the kernel reads of the firmware's ACPI tables: the MADT. ACPI 6.4 chapter 5.
#pragma once

#include "bulkhead/abi.h"
#include <stdint.h>

struct madt {
    uint64_t apic; // physical address of the Local APICs
    // APIC IDs of the CPUs that may be started, each once, the boot CPU first; and how many more there are: above
    // CPU_MAX, or with an ID that xAPIC mode cannot address.
    unsigned cpu_count, cpu_ignored;
    uint8_t cpu[CPU_MAX];
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
// `boot_id`: the calling CPU's APIC ID.
// Without tables, or with broken ones, the result is the PC's default: one CPU, one I/O APIC.
void acpi_madt(const void *rsdp, const void *(*read)(uint64_t physical, uint64_t size), uint8_t boot_id,
               struct madt *out);
