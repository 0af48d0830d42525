// SPDX-License-Identifier: BSD-2-Clause
// A block of AML that is written from its begin to its end, between ssdt.c and ssdt_slots.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *out;
    size_t size, at;
    bool full; // something did not fit: what is in `out` is of no use
};

void aml_bytes(struct aml *a, const void *from, size_t n);
void aml_byte(struct aml *a, unsigned value);
void aml_dword(struct aml *a, uint32_t value);                        // with its prefix
void aml_value32(struct aml *a, const char *segment, uint32_t value); // Name (segment, value)

// A Device with _EJ0 for each slot of the bitmap, and the method that asks for the removal of some.
void ssdt_slots(struct aml *a, uint32_t slots);
