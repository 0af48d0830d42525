// SPDX-License-Identifier: BSD-2-Clause
// Reads the properties of one node of the device tree at a time, each checked.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where the reader is; the first error sticks, and what is read after it does not matter.
struct reader {
    const void *dtb;
    int node;
    const char *name; // of the task that the node belongs to
    char *error;      // SYSTEM_ERROR bytes; "" while all is well
};

void reader_refuse(struct reader *r, const char *property, const char *why);

bool reader_has(const struct reader *r, const char *property);

// A big-endian number of 4 or 8 bytes in [min, max]; min when it is refused.
uint64_t reader_number(struct reader *r, const char *property, int bytes, uint64_t min,
                       uint64_t max);

// Up to max cells; returns their count, 0 when the property is absent.
unsigned reader_cells(struct reader *r, const char *property, unsigned max, uint32_t *values);

// One text with less than `limit` bytes; NULL when the property is absent, or refused.
const char *reader_optional(struct reader *r, const char *property, size_t limit);

// The same, and refused when it is absent or empty; never NULL.
const char *reader_text(struct reader *r, const char *property, size_t limit);

// The place of the text in the list, which ends with NULL; `absent` when there is no such property.
unsigned reader_choice(struct reader *r, const char *property, const char *const *list,
                       unsigned absent);
