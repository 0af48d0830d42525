// SPDX-License-Identifier: BSD-2-Clause
// The ACPI tables of the virtual PC: RSDP, RSDT, XSDT, FADT, FACS, MADT, MCFG, DSDT, an SSDT with
// what differs between VMs and, when asked for, HPET. ACPI specification 6.4, chapter 5; PCI
// Firmware 3.2 section 4.1.2. Built either straight into the memory of a guest whose kernel is
// loaded directly, or as an image with its relocations for firmware, which places it by itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_memory.h"

struct acpi_options {
    uint8_t vcpus;            // 1..PLATFORM_VCPUS_MAX; APIC ids count from 0
    bool hpet;                // the VM has one at PLATFORM_HPET
    bool ps2;                 // ... an 8042 with keyboard and mouse
    bool vga;                 // ... VGA registers that may be touched
    bool com2;                // ... a second serial port
    uint64_t ecam;            // where ECAM of 256 MiB is: below 4 GiB; 0: PLATFORM_ECAM
    uint64_t window64;        // 64-bit window for BARs; size 0: there is none
    uint64_t window64_size;   // bytes
    uint32_t removable_slots; // bit per slot of bus 0 whose device may be ejected
};

#define ACPI_RSDP_SIZE   36
#define ACPI_IMAGE_SIZE  0x8000 // what the tables need at most
#define ACPI_POINTERS    24
#define ACPI_CHECKSUMS   12
#define ACPI_RELOCATABLE UINT64_MAX

// A little-endian field that holds the address of something in `tables`.
struct acpi_pointer {
    uint32_t offset; // of the field
    uint8_t size;    // 4 or 8
    bool in_rsdp;    // the field is in `rsdp`, not in `tables`
};

// The byte that makes the bytes of [start, start + length) sum up to 0.
struct acpi_checksum {
    uint32_t offset, start, length;
    bool in_rsdp;
};

struct acpi_image {
    uint8_t *tables; // the caller's buffer, to be aligned to 64 where the guest sees it
    size_t size;     // of that buffer
    size_t length;   // bytes used
    uint8_t rsdp[ACPI_RSDP_SIZE]; // to be aligned to 16
    struct acpi_pointer pointer[ACPI_POINTERS];
    unsigned pointers;
    struct acpi_checksum checksum[ACPI_CHECKSUMS];
    unsigned checksums;
};

// Builds all tables for `tables` lying at guest-physical address `base`, which is below 4 GiB. With
// base ACPI_RELOCATABLE the fields that `pointer` lists hold offsets into `tables`, to which their
// reader adds its address, and the bytes that `checksum` lists are 0: the script of
// etc/table-loader. The caller has set tables and size. False: an option is out of range, or the
// buffer is too small.
bool acpi_tables(struct acpi_image *image, const struct acpi_options *options, uint64_t base);

// Builds the tables in guest memory at PLATFORM_ACPI. Returns the address of the RSDP, for struct
// boot_layout, or 0 when there is no RAM for them.
uint64_t acpi_build(const struct guest_ram *ram, const struct acpi_options *options);
