// SPDX-License-Identifier: BSD-2-Clause
// Reader of archives: cpio "newc" (Linux
// Documentation/driver-api/early-userspace/buffer-format.rst).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpio_file {
    const char *name; // NUL-terminated, in the archive
    const void *data;
    uint64_t offset, size; // of the data in the archive; bytes
    uint32_t mode, time;   // as in struct stat: type and permissions; seconds since 1970
};

// Reads the entry at *at and moves *at behind it. False at the end of the archive, and where it is
// damaged: then *damaged (may be NULL) is true.
bool cpio_next(const void *archive, size_t size, size_t *at, struct cpio_file *file, bool *damaged);

// The file of that name. False when there is none or the archive is damaged before it.
bool cpio_find(const void *archive, size_t size, const char *name, struct cpio_file *file);
