// SPDX-License-Identifier: BSD-2-Clause
// The archive reader on any bytes: no entry may lie outside of them.

// links: lib/cpio.c
#include <stdlib.h>

#include "bulkhead/cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpio_file file;
    size_t at = 0, before = 0;

    while (cpio_next(data, size, &at, &file, NULL)) {
        if (file.offset > size || file.size > size - file.offset || at > size || at <= before)
            abort();
        before = at;
    }
    cpio_find(data, size, "system.dtb", &file);
    return 0;
}
