// SPDX-License-Identifier: BSD-2-Clause
// The script of etc/table-loader: allocate both files, add the addresses of what pointers point to,
// then fill in checksums.
#include "firmware_acpi.h"

#include <string.h>

#define COMMAND_ALLOCATE 1
#define COMMAND_POINTER  2
#define COMMAND_CHECKSUM 3
#define ZONE_HIGH        1
#define ZONE_FSEG        2 // below 1 MiB, where an OS looks for the root pointer

static const char tables_file[] = "etc/acpi/tables";
static const char rsdp_file[] = "etc/acpi/rsdp";
static const char script_file[] = "etc/table-loader";

static const char *file_name(bool in_rsdp)
{
    return in_rsdp ? rsdp_file : tables_file;
}

static void set_name(char to[FW_CFG_NAME], const char *name)
{
    memcpy(to, name, strlen(name) + 1);
}

static void allocate(struct firmware_command *c, const char *file, uint32_t align, uint8_t zone)
{
    c->command = COMMAND_ALLOCATE;
    set_name(c->allocate.file, file);
    c->allocate.align = align;
    c->allocate.zone = zone;
}

static uint32_t write_script(struct firmware_acpi *acpi)
{
    const struct acpi_image *image = &acpi->image;
    struct firmware_command *c = acpi->script;

    memset(acpi->script, 0, sizeof(acpi->script));
    allocate(c++, tables_file, 64, ZONE_HIGH);
    allocate(c++, rsdp_file, 16, ZONE_FSEG);
    for (unsigned i = 0; i < image->pointers; i++, c++) {
        const struct acpi_pointer *p = &image->pointer[i];
        c->command = COMMAND_POINTER;
        set_name(c->pointer.dest, file_name(p->in_rsdp));
        set_name(c->pointer.source, tables_file);
        c->pointer.offset = p->offset;
        c->pointer.size = p->size;
    }
    for (unsigned i = 0; i < image->checksums; i++, c++) {
        const struct acpi_checksum *s = &image->checksum[i];
        c->command = COMMAND_CHECKSUM;
        set_name(c->checksum.file, file_name(s->in_rsdp));
        c->checksum.offset = s->offset;
        c->checksum.start = s->start;
        c->checksum.length = s->length;
    }
    return (uint32_t)((uint8_t *)c - (uint8_t *)acpi->script);
}

bool firmware_acpi(struct firmware_acpi *acpi, const struct acpi_options *options,
                   struct fw_cfg *fw)
{
    struct acpi_image *image = &acpi->image;

    image->tables = acpi->tables;
    image->size = sizeof(acpi->tables);
    if (!acpi_tables(image, options, ACPI_RELOCATABLE))
        return false;
    return fw_cfg_add_file(fw, tables_file, acpi->tables, (uint32_t)image->length) &&
           fw_cfg_add_file(fw, rsdp_file, image->rsdp, sizeof(image->rsdp)) &&
           fw_cfg_add_file(fw, script_file, acpi->script, write_script(acpi));
}
