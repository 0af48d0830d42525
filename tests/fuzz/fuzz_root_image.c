// SPDX-License-Identifier: BSD-2-Clause
// The ELF reader on any bytes: every segment that it accepts lies in the file and within the
// limits of a task.

// links: root/image.c
#include <stdlib.h>

#include "root/image.h"
#include "bulkhead/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;

    if (image_read(data, size, &image))
        return 0;
    for (unsigned i = 0; i < image.count; i++) {
        const struct image_segment *s = &image.segments[i];

        if (s->offset > size || s->file_size > size - s->offset || s->file_size > s->size ||
            s->address % 4096 || s->address + s->size > TASK_STACK_TOP - TASK_STACK_SIZE)
            abort();
    }
    return 0;
}
