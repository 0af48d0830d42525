// SPDX-License-Identifier: BSD-2-Clause
// Common parts of the kernel loaders.
#include "boot.h"

#include <stdarg.h>
#include <stdio.h>

unsigned boot_memory_map(const struct guest_ram *ram, struct boot_range out[BOOT_RANGES])
{
    unsigned n = 0;
    uint64_t low = guest_ram_low(ram), high = guest_ram_high(ram);
    uint64_t base = low < PLATFORM_BASE_TOP ? low : PLATFORM_BASE_TOP;
    if (base)
        out[n++] = (struct boot_range){0, base, E820_RAM};
    if (low >= PLATFORM_ACPI + PLATFORM_ACPI_SIZE)
        out[n++] = (struct boot_range){PLATFORM_ACPI, PLATFORM_ACPI_SIZE, E820_RESERVED};
    if (low > 0x100000)
        out[n++] = (struct boot_range){0x100000, low - 0x100000, E820_RAM};
    if (high)
        out[n++] = (struct boot_range){PLATFORM_HIGH_RAM, high, E820_RAM};
    return n;
}

enum load_status boot_error(enum load_status status, char *error, size_t size, const char *format,
                            ...)
{
    va_list args;
    va_start(args, format);
    if (size)
        vsnprintf(error, size, format, args);
    va_end(args);
    return status;
}

void boot_reset_state(struct cpu_start *start)
{
    *start = (struct cpu_start){
        .rip = 0xfff0,
        .rflags = 2,
        .cr0 = 0x60000010, // CD, NW, ET
        .gdtr_limit = 0xffff,
        .idtr_limit = 0xffff,
    };
    for (unsigned i = 0; i < SEG_COUNT; i++)
        start->seg[i] = (struct vcpu_segment){.attributes = SEGMENT_DATA16, .limit = 0xffff};
    start->seg[SEG_CS] = (struct vcpu_segment){
        .selector = 0xf000, .attributes = SEGMENT_CODE16, .limit = 0xffff, .base = 0xffff0000};
    start->seg[SEG_LDTR].attributes = SEGMENT_LDT;
    start->seg[SEG_TR].attributes = SEGMENT_TSS;
}

static uint64_t flat_descriptor(uint32_t attributes)
{
    return 0xffffull | (uint64_t)(attributes & 0xff) << 40 | 0xfull << 48 |
           (uint64_t)(attributes >> 12 & 0xf) << 52;
}

bool boot_segments(const struct guest_ram *ram, struct cpu_start *start, uint16_t code_selector,
                   uint32_t code_attributes, uint16_t data_selector)
{
    uint64_t gdt[4] = {0};
    gdt[code_selector >> 3 & 3] = flat_descriptor(code_attributes);
    gdt[data_selector >> 3 & 3] = flat_descriptor(SEGMENT_DATA);
    if (!guest_ram_write(ram, PLATFORM_BOOT_GDT, gdt, sizeof(gdt)))
        return false;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        start->seg[i] = (struct vcpu_segment){
            .selector = data_selector, .attributes = SEGMENT_DATA, .limit = UINT32_MAX};
    start->seg[SEG_CS].selector = code_selector;
    start->seg[SEG_CS].attributes = code_attributes;
    start->seg[SEG_LDTR] = (struct vcpu_segment){.attributes = SEGMENT_UNUSABLE};
    start->seg[SEG_TR] = (struct vcpu_segment){.attributes = SEGMENT_TSS, .limit = 0x67};
    start->gdtr_base = PLATFORM_BOOT_GDT;
    start->gdtr_limit = sizeof(gdt) - 1;
    start->idtr_base = 0;
    start->idtr_limit = 0;
    start->rflags = 2;
    return true;
}
