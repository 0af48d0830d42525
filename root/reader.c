// SPDX-License-Identifier: BSD-2-Clause
// Values of the device tree (Devicetree Specification 0.4, 2.2.4).
#include "reader.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "system.h"

void reader_refuse(struct reader *r, const char *property, const char *why)
{
    if (!r->error[0])
        snprintf(r->error, SYSTEM_ERROR, "system.dtb: %.32s: %s %s", r->name, property, why);
}

bool reader_has(const struct reader *r, const char *property)
{
    return fdt_getprop(r->dtb, r->node, property, NULL) != NULL;
}

uint64_t reader_number(struct reader *r, const char *property, int bytes, uint64_t min,
                       uint64_t max)
{
    int length;
    const uint8_t *data = fdt_getprop(r->dtb, r->node, property, &length);
    uint64_t value = 0;

    if (!data || length != bytes) {
        reader_refuse(r, property, data ? "has a wrong length" : "is missing");
        return min;
    }
    for (int i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    if (value >= min && value <= max)
        return value;
    reader_refuse(r, property, "is out of range");
    return min;
}

unsigned reader_cells(struct reader *r, const char *property, unsigned max, uint32_t *values)
{
    int length;
    const fdt32_t *data = fdt_getprop(r->dtb, r->node, property, &length);

    if (!data)
        return 0;
    if (length % 4 || (unsigned)length / 4 > max) {
        reader_refuse(r, property, "has a wrong length");
        return 0;
    }
    for (int i = 0; i < length / 4; i++)
        values[i] = fdt32_ld(&data[i]);
    return (unsigned)length / 4;
}

const char *reader_optional(struct reader *r, const char *property, size_t limit)
{
    int length;
    const char *text = fdt_getprop(r->dtb, r->node, property, &length);

    if (!text)
        return NULL;
    if (length < 1 || memchr(text, 0, (size_t)length) != text + length - 1 ||
        (size_t)length > limit) {
        reader_refuse(r, property, "is not a text, or too long");
        return NULL;
    }
    return text;
}

const char *reader_text(struct reader *r, const char *property, size_t limit)
{
    const char *value = reader_optional(r, property, limit);

    if (!value || !*value)
        reader_refuse(r, property, "is missing");
    return value ? value : "";
}

unsigned reader_choice(struct reader *r, const char *property, const char *const *list,
                       unsigned absent)
{
    const char *value = reader_optional(r, property, 32);

    if (!value)
        return absent;
    for (unsigned i = 0; list[i]; i++)
        if (strcmp(list[i], value) == 0)
            return i;
    reader_refuse(r, property, "has an unknown value");
    return absent;
}
