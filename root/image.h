// SPDX-License-Identifier: BSD-2-Clause
// ELF images of tasks (System V ABI, chapter 5): checks one and lists what is to be mapped. It
// moves nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMAGE_SEGMENTS 6

struct image_segment {
    uint64_t address, size;     // page-aligned address; pages of it in bytes
    uint64_t offset, file_size; // of its bytes in the file; the rest is zero
    unsigned rights;            // MAP_*; never WRITE and EXEC
};

struct image {
    uint64_t entry, size; // size: bytes of all segments together
    unsigned count;
    struct image_segment segments[IMAGE_SEGMENTS];
};

// Returns NULL, or what is wrong with the file: a phrase.
const char *image_read(const void *file, size_t size, struct image *image);
