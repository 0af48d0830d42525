// SPDX-License-Identifier: BSD-2-Clause
// ACPI tables for firmware: the tables, the root pointer, and the script by which the firmware
// places and links them, as files of fw_cfg. QEMU's docs/specs/fw_cfg.rst and
// hw/acpi/bios-linker-loader.c describe the script.
#ifndef VMM_FIRMWARE_ACPI_H
#define VMM_FIRMWARE_ACPI_H

#include "acpi.h"
#include "fw_cfg.h"

#define FIRMWARE_COMMANDS (2 + ACPI_POINTERS + ACPI_CHECKSUMS)

struct firmware_command { // 128 bytes, little-endian
    uint32_t command;
    union {
        struct {
            char file[FW_CFG_NAME];
            uint32_t align;
            uint8_t zone;
        } __attribute__((packed)) allocate;
        struct {
            char dest[FW_CFG_NAME], source[FW_CFG_NAME];
            uint32_t offset;
            uint8_t size;
        } __attribute__((packed)) pointer;
        struct {
            char file[FW_CFG_NAME];
            uint32_t offset, start, length;
        } __attribute__((packed)) checksum;
        uint8_t pad[124];
    };
} __attribute__((packed));
_Static_assert(sizeof(struct firmware_command) == 128, "fw_cfg.rst");

struct firmware_acpi {
    struct acpi_image image;
    uint8_t tables[ACPI_IMAGE_SIZE];
    struct firmware_command script[FIRMWARE_COMMANDS];
};

// Builds tables and script, and adds the three files. `acpi` must stay. False: the tables cannot be
// made, or fw_cfg is full.
bool firmware_acpi(struct firmware_acpi *acpi, const struct acpi_options *options,
                   struct fw_cfg *fw);

#endif
