// SPDX-License-Identifier: BSD-2-Clause
// AML by hand: ACPI 6.4 chapter 20. Lengths of packages always take two bytes here, so that a block
// can be closed without moving it.
#include "ssdt.h"

#include <string.h>

enum { // 20.3
    ZERO_OP = 0x00,
    NAME_OP = 0x08,
    BYTE_PREFIX = 0x0a,
    DWORD_PREFIX = 0x0c,
    QWORD_PREFIX = 0x0e,
    SCOPE_OP = 0x10,
    METHOD_OP = 0x14,
    DUAL_NAME = 0x2e,
    EXT_OP = 0x5b,
    ARG0_OP = 0x68,
    STORE_OP = 0x70,
    AND_OP = 0x7b,
    DEVICE_OP = 0x82, // after EXT_OP
    NOTIFY_OP = 0x86,
    IF_OP = 0xa0,
};

#define PRESENT       0xf
#define EJECT_REQUEST 3 // 5.6.6

struct aml {
    uint8_t *out;
    size_t size, at;
    bool full;
};

static void bytes(struct aml *a, const void *from, size_t n)
{
    if (n > a->size - a->at) {
        a->full = true;
        return;
    }
    memcpy(a->out + a->at, from, n);
    a->at += n;
}

static void byte(struct aml *a, unsigned value)
{
    uint8_t b = (uint8_t)value;
    bytes(a, &b, 1);
}

static void dword(struct aml *a, uint32_t value)
{
    byte(a, DWORD_PREFIX);
    bytes(a, &value, 4);
}

static void qword(struct aml *a, uint64_t value)
{
    byte(a, QWORD_PREFIX);
    bytes(a, &value, 8);
}

// Length of a block, filled in by close(): bits 3:0 in the first byte, 11:4 in the second.
static size_t open(struct aml *a)
{
    size_t at = a->at;
    byte(a, 0);
    byte(a, 0);
    return at;
}

static void close(struct aml *a, size_t at)
{
    size_t length = a->at - at;
    if (length > 0xfff)
        a->full = true;
    if (a->full)
        return;
    a->out[at] = (uint8_t)(0x40 | (length & 0xf));
    a->out[at + 1] = (uint8_t)(length >> 4);
}

static void name(struct aml *a, const char *segment)
{
    byte(a, NAME_OP);
    bytes(a, segment, 4);
}

// Two segments from the root.
static void path(struct aml *a, const char *segments)
{
    byte(a, '\\');
    byte(a, DUAL_NAME);
    bytes(a, segments, 8);
}

static void value32(struct aml *a, const char *segment, uint32_t value)
{
    name(a, segment);
    dword(a, value);
}

static void value64(struct aml *a, const char *segment, uint64_t value)
{
    name(a, segment);
    qword(a, value);
}

static void slot_name(char out[4], unsigned slot)
{
    static const char digits[] = "0123456789ABCDEF";
    out[0] = 'S';
    out[1] = digits[slot >> 4];
    out[2] = digits[slot & 15];
    out[3] = '_';
}

// Device (Snn_) { Name (_ADR, slot << 16) Name (_SUN, slot) Method (_EJ0, 1) { PEJT = 1 << slot } }
static void slot_device(struct aml *a, unsigned slot)
{
    char segment[4];
    slot_name(segment, slot);
    byte(a, EXT_OP);
    byte(a, DEVICE_OP);
    size_t device = open(a);
    bytes(a, segment, 4);
    value32(a, "_ADR", slot << 16);
    value32(a, "_SUN", slot);
    byte(a, METHOD_OP);
    size_t method = open(a);
    bytes(a, "_EJ0", 4);
    byte(a, 1); // arguments
    byte(a, STORE_OP);
    dword(a, 1u << slot);
    bytes(a, "PEJT", 4); // found in PCI0, around this device
    close(a, method);
    close(a, device);
}

// Method (SLTN, 1) { If (Arg0 & 1 << slot) { Notify (Snn_, 3) } ... }
static void notify_method(struct aml *a, uint32_t slots)
{
    char segment[4];
    byte(a, METHOD_OP);
    size_t method = open(a);
    bytes(a, "SLTN", 4);
    byte(a, 1);
    for (unsigned slot = 0; slot < 32; slot++) {
        if (!(slots >> slot & 1))
            continue;
        slot_name(segment, slot);
        byte(a, IF_OP);
        size_t block = open(a);
        byte(a, AND_OP);
        byte(a, ARG0_OP);
        dword(a, 1u << slot);
        byte(a, ZERO_OP); // the result is stored nowhere
        byte(a, NOTIFY_OP);
        bytes(a, segment, 4);
        byte(a, BYTE_PREFIX);
        byte(a, EJECT_REQUEST);
        close(a, block);
    }
    close(a, method);
}

// The 32-bit window is the larger of the two gaps around ECAM: firmware differs in where that is.
static void window32(struct aml *a, uint64_t ecam)
{
    uint64_t below = ecam > PLATFORM_LOW_RAM_LIMIT ? ecam - PLATFORM_LOW_RAM_LIMIT : 0;
    uint64_t end = ecam + PLATFORM_ECAM_SIZE;
    uint64_t above = end < PLATFORM_PCI32_END ? PLATFORM_PCI32_END - end : 0;
    uint64_t first = above >= below ? end : PLATFORM_LOW_RAM_LIMIT;
    uint64_t length = above >= below ? above : below;
    value32(a, "WB32", (uint32_t)first);
    value32(a, "WE32", (uint32_t)(first + length - 1));
    value32(a, "WL32", (uint32_t)length);
}

size_t ssdt_build(const struct acpi_options *options, uint8_t *out, size_t size)
{
    struct aml a = {out, size, 0, false};
    uint64_t length = options->window64_size;
    value32(&a, "PS2P", options->ps2 ? PRESENT : 0);
    value32(&a, "COMP", options->com2 ? PRESENT : 0);
    value32(&a, "HPTP", options->hpet ? PRESENT : 0);
    value32(&a, "ECMB", (uint32_t)options->ecam);
    window32(&a, options->ecam);
    value64(&a, "WB64", options->window64);
    value64(&a, "WE64", options->window64 + (length != 0 ? length - 1 : 0));
    value64(&a, "WL64", length);
    if (options->removable_slots != 0) {
        byte(&a, SCOPE_OP);
        size_t scope = open(&a);
        path(&a, "_SB_PCI0");
        for (unsigned slot = 0; slot < 32; slot++)
            if (options->removable_slots >> slot & 1)
                slot_device(&a, slot);
        notify_method(&a, options->removable_slots);
        close(&a, scope);
    }
    return a.full ? 0 : a.at;
}
