// SPDX-License-Identifier: BSD-2-Clause
// Reader of cpio "newc" archives. A header is 110 bytes: "070701" and 13 numbers of eight
// hexadecimal digits; the name follows, then the data, each padded so that the next begins at a
// multiple of 4 in the archive. HAZARD: the archive comes from a boot medium; every size in it is
// checked against what is left before it is used.
#include "bulkhead/cpio.h"

#include <string.h>

enum { HEADER = 110, FIELD_MODE = 1, FIELD_TIME = 5, FIELD_SIZE = 6, FIELD_NAME = 11 };

static bool hex8(const char *text, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

bool cpio_next(const void *archive, size_t size, size_t *at, struct cpio_file *file, bool *damaged)
{
    const char *bytes = archive;
    uint32_t mode, time, data_size, name_size;
    bool ignored;
    uint64_t name, data, end;

    if (!damaged)
        damaged = &ignored;
    *damaged = true; // until shown otherwise
    if (*at > size || size - *at < HEADER || memcmp(bytes + *at, "070701", 6) != 0 ||
        !hex8(bytes + *at + 6 + 8 * FIELD_MODE, &mode) ||
        !hex8(bytes + *at + 6 + 8 * FIELD_TIME, &time) ||
        !hex8(bytes + *at + 6 + 8 * FIELD_SIZE, &data_size) ||
        !hex8(bytes + *at + 6 + 8 * FIELD_NAME, &name_size))
        return false;
    name = (uint64_t)*at + HEADER;
    data = (name + name_size + 3) & ~3ull; // 32-bit sizes: no sum here overflows
    end = data + data_size;
    if (name_size == 0 || end > size || !memchr(bytes + name, 0, name_size))
        return false;
    *damaged = false;
    if (strcmp(bytes + name, "TRAILER!!!") == 0)
        return false;
    *file = (struct cpio_file){bytes + name, bytes + data, data, data_size, mode, time};
    *at = ((end + 3) & ~3ull) < size ? ((end + 3) & ~3ull) : size;
    return true;
}

bool cpio_find(const void *archive, size_t size, const char *name, struct cpio_file *file)
{
    size_t at = 0;

    while (cpio_next(archive, size, &at, file, NULL))
        if (strcmp(file->name, name) == 0)
            return true;
    return false;
}
