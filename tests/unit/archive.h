// SPDX-License-Identifier: BSD-2-Clause
// Makes a small cpio archive for the tests of what reads one.
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stdio.h>
#include <string.h>

#include "bulkhead/cpio.h"

static _Alignas(4096) char archive[1 << 17];
static size_t archive_size;

static inline void archive_add(const char *name, unsigned mode, const void *data, size_t size)
{
    size_t name_size = strlen(name) + 1;
    archive_size += (size_t)sprintf(
        archive + archive_size, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1,
        mode, 0, 0, 1, 1000000000, (unsigned)size, 0, 0, 0, 0, (unsigned)name_size, 0);
    memcpy(archive + archive_size, name, name_size);
    archive_size = (archive_size + name_size + 3) & ~3ul;
    memcpy(archive + archive_size, data, size);
    archive_size = (archive_size + size + 3) & ~3ul;
}

static inline void archive_begin(void)
{
    memset(archive, 0, sizeof(archive));
    archive_size = 0;
}

static inline void archive_end(void)
{
    archive_add("TRAILER!!!", 0, "", 0);
}

/* big, dir/, dir/hello, dir/link, dir/sub/, dir/sub/deep, empty, many/, many/file000... */
static inline void archive_example(void)
{
    static char big[20000];
    char name[32];
    for (unsigned i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 256);
    archive_begin();
    archive_add("big", 0100644, big, sizeof(big));
    archive_add("dir", 040755, "", 0);
    archive_add("dir/hello", 0100600, "hello, guest\n", 13);
    archive_add("dir/link", 0120777, "sub/deep", 8);
    archive_add("dir/sub", 040700, "", 0);
    archive_add("dir/sub/deep", 0100444, "deep", 4);
    archive_add("empty", 0100644, "", 0);
    archive_add("many", 040755, "", 0);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "many/file%03u", i);
        archive_add(name, 0100644, name, 8);
    }
    archive_end();
}

#endif
