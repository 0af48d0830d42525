// SPDX-License-Identifier: BSD-2-Clause
// AML of the slots whose devices can be removed: ACPI 6.4 chapter 20. Lengths of packages always
// take two bytes here, so that a block can be closed without moving it.
#include "aml.h"

enum { // 20.3
    ZERO_OP = 0x00,
    BYTE_PREFIX = 0x0a,
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

#define EJECT_REQUEST 3 // 5.6.6

// Length of a block, filled in by close(): bits 3:0 in the first byte, 11:4 in the second.
static size_t open(struct aml *a)
{
    size_t at = a->at;
    aml_byte(a, 0);
    aml_byte(a, 0);
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

// Two segments from the root.
static void path(struct aml *a, const char *segments)
{
    aml_byte(a, '\\');
    aml_byte(a, DUAL_NAME);
    aml_bytes(a, segments, 8);
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
    aml_byte(a, EXT_OP);
    aml_byte(a, DEVICE_OP);
    size_t device = open(a);
    aml_bytes(a, segment, 4);
    aml_value32(a, "_ADR", slot << 16);
    aml_value32(a, "_SUN", slot);
    aml_byte(a, METHOD_OP);
    size_t method = open(a);
    aml_bytes(a, "_EJ0", 4);
    aml_byte(a, 1); // arguments
    aml_byte(a, STORE_OP);
    aml_dword(a, 1u << slot);
    aml_bytes(a, "PEJT", 4); // found in PCI0, around this device
    close(a, method);
    close(a, device);
}

// Method (SLTN, 1) { If (Arg0 & 1 << slot) { Notify (Snn_, 3) } ... }
static void notify_method(struct aml *a, uint32_t slots)
{
    char segment[4];
    aml_byte(a, METHOD_OP);
    size_t method = open(a);
    aml_bytes(a, "SLTN", 4);
    aml_byte(a, 1);
    for (unsigned slot = 0; slot < 32; slot++) {
        if (!(slots >> slot & 1))
            continue;
        slot_name(segment, slot);
        aml_byte(a, IF_OP);
        size_t block = open(a);
        aml_byte(a, AND_OP);
        aml_byte(a, ARG0_OP);
        aml_dword(a, 1u << slot);
        aml_byte(a, ZERO_OP); // the result is stored nowhere
        aml_byte(a, NOTIFY_OP);
        aml_bytes(a, segment, 4);
        aml_byte(a, BYTE_PREFIX);
        aml_byte(a, EJECT_REQUEST);
        close(a, block);
    }
    close(a, method);
}

void ssdt_slots(struct aml *a, uint32_t slots)
{
    aml_byte(a, SCOPE_OP);
    size_t scope = open(a);
    path(a, "_SB_PCI0");
    for (unsigned slot = 0; slot < 32; slot++)
        if (slots >> slot & 1)
            slot_device(a, slot);
    notify_method(a, slots);
    close(a, scope);
}
