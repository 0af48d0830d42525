// SPDX-License-Identifier: BSD-2-Clause
// RSDP -> XSDT or RSDT -> MADT. Firmware tables are bytes from outside: every length is checked against what can be
// read.
#include "acpi.h"
#include <stdbool.h>
#include <stddef.h>

typedef const void *(*read_fn)(uint64_t, uint64_t);

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

// A table with a valid length, all of which can be read.
static const uint8_t *table_at(uint64_t address, read_fn read, uint32_t *length)
{
    const uint8_t *head = read(address, 36);

    if (!head)
        return NULL;
    *length = get(head + 4, 4);
    return *length >= 36 && *length <= 0x10000 ? read(address, *length) : NULL;
}

// HAZARD: firmware lists CPUs that are not there (not enabled), and the same one as type 0 and as type 9.
static void cpu_add(uint32_t id, uint32_t flags, struct madt *out)
{
    if (!(flags & 1))
        return;
    for (unsigned i = 0; i < out->cpu_count; i++) // bound: CPU_MAX
        if (out->cpu[i] == id)
            return;
    if (id < 255 && out->cpu_count < CPU_MAX) // 255 addresses all
        out->cpu[out->cpu_count++] = id;
    else
        out->cpu_ignored++;
}

static void madt_entry(const uint8_t *e, unsigned length, struct madt *out)
{
    if (e[0] == 0 && length >= 8)
        cpu_add(e[3], get(e + 4, 4), out);
    if (e[0] == 9 && length >= 16)
        cpu_add(get(e + 4, 4), get(e + 8, 4), out);
    if (e[0] == 1 && length >= 12 && out->ioapic_count < 8) {
        out->ioapic[out->ioapic_count].address = get(e + 4, 4);
        out->ioapic[out->ioapic_count++].gsi_base = get(e + 8, 4);
    }
    if (e[0] == 2 && length >= 10 && out->override_count < 16) {
        out->override[out->override_count].gsi = get(e + 4, 4);
        out->override[out->override_count++].flags = get(e + 8, 2);
    }
    if (e[0] == 5 && length >= 12)
        out->apic = get(e + 4, 8);
}

static void madt_read(const uint8_t *table, uint32_t length, struct madt *out)
{
    out->apic = get(table + 36, 4);
    for (uint32_t at = 44; at + 2 <= length;) { // bound: length, every entry has at least 2 bytes
        unsigned size = table[at + 1];
        if (size < 2 || size > length - at)
            break;
        madt_entry(table + at, size, out);
        at += size;
    }
}

void acpi_madt(const void *rsdp, read_fn read, uint8_t boot_id, struct madt *out)
{
    const uint8_t *r = rsdp;
    uint32_t length;

    *out = (struct madt){.apic = 0xfee00000, .cpu_count = 1, .cpu = {boot_id}};
    if (r) {
        bool extended = r[15] >= 2 && get(r + 24, 8);
        unsigned width = extended ? 8 : 4;
        const uint8_t *root = table_at(extended ? get(r + 24, 8) : get(r + 16, 4), read, &length);
        for (uint32_t at = 36; root && at + width <= length; at += width) { // bound: length
            uint32_t size;
            const uint8_t *table = table_at(get(root + at, width), read, &size);
            if (table && size >= 44 && get(table, 4) == 0x43495041) // "APIC"
                madt_read(table, size, out);
        }
    }
    if (!out->ioapic_count) {
        out->ioapic_count = 1;
        out->ioapic[0].address = 0xfec00000;
        out->ioapic[0].gsi_base = 0;
    }
}
