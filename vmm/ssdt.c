// SPDX-License-Identifier: BSD-2-Clause
// AML by hand: ACPI 6.4 chapter 20.
#include "ssdt.h"

#include <string.h>

#include "aml.h"

// Linked where devices can be removed.
#pragma weak ssdt_slots

enum { NAME_OP = 0x08, DWORD_PREFIX = 0x0c, QWORD_PREFIX = 0x0e }; // 20.3

#define PRESENT 0xf

void aml_bytes(struct aml *a, const void *from, size_t n)
{
    if (n > a->size - a->at) {
        a->full = true;
        return;
    }
    memcpy(a->out + a->at, from, n);
    a->at += n;
}

void aml_byte(struct aml *a, unsigned value)
{
    uint8_t b = (uint8_t)value;
    aml_bytes(a, &b, 1);
}

void aml_dword(struct aml *a, uint32_t value)
{
    aml_byte(a, DWORD_PREFIX);
    aml_bytes(a, &value, 4);
}

static void qword(struct aml *a, uint64_t value)
{
    aml_byte(a, QWORD_PREFIX);
    aml_bytes(a, &value, 8);
}

static void name(struct aml *a, const char *segment)
{
    aml_byte(a, NAME_OP);
    aml_bytes(a, segment, 4);
}

void aml_value32(struct aml *a, const char *segment, uint32_t value)
{
    name(a, segment);
    aml_dword(a, value);
}

static void value64(struct aml *a, const char *segment, uint64_t value)
{
    name(a, segment);
    qword(a, value);
}

// The 32-bit window is the larger of the two gaps around ECAM: firmware differs in where that is.
static void window32(struct aml *a, uint64_t ecam)
{
    uint64_t below = ecam > PLATFORM_LOW_RAM_LIMIT ? ecam - PLATFORM_LOW_RAM_LIMIT : 0;
    uint64_t end = ecam + PLATFORM_ECAM_SIZE;
    uint64_t above = end < PLATFORM_PCI32_END ? PLATFORM_PCI32_END - end : 0;
    uint64_t first = above >= below ? end : PLATFORM_LOW_RAM_LIMIT;
    uint64_t length = above >= below ? above : below;
    aml_value32(a, "WB32", (uint32_t)first);
    aml_value32(a, "WE32", (uint32_t)(first + length - 1));
    aml_value32(a, "WL32", (uint32_t)length);
}

size_t ssdt_build(const struct acpi_options *options, uint8_t *out, size_t size)
{
    struct aml a = {out, size, 0, false};
    uint64_t length = options->window64_size;
    aml_value32(&a, "PS2P", options->ps2 ? PRESENT : 0);
    aml_value32(&a, "COMP", options->com2 ? PRESENT : 0);
    aml_value32(&a, "HPTP", options->hpet ? PRESENT : 0);
    aml_value32(&a, "ECMB", (uint32_t)options->ecam);
    window32(&a, options->ecam);
    value64(&a, "WB64", options->window64);
    value64(&a, "WE64", options->window64 + (length != 0 ? length - 1 : 0));
    value64(&a, "WL64", length);
    if (ssdt_slots && options->removable_slots != 0)
        ssdt_slots(&a, options->removable_slots);
    return a.full ? 0 : a.at;
}
