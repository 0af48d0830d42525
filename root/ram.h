// SPDX-License-Identifier: BSD-2-Clause
// The machine's RAM: hands out ranges as mem objects derived from those that the kernel gave root,
// and takes them back.
#pragma once

#include <stdbool.h>
#include "bulkhead/abi.h"

struct ram_block {
    unsigned mem;        // slot of the mem object; CAP_NONE: no block
    uint64_t base, size; // physical; bytes
};

#define RAM_NONE ((struct ram_block){.mem = CAP_NONE})

// Takes over all RAM in boot->mem but the archive and root's own image.
void ram_init(void);

// A block of `size` bytes (a multiple of 4096) aligned to `align` (a power of two, at least 4096),
// or *block = RAM_NONE. Its content is what its last owner left: unless a pool is made of it (the
// kernel zeroes pools), ram_zero() comes first. Errors: ERR_MEMORY, ERR_SLOT, what `create` says.
enum status ram_alloc(struct ram_block *block, uint64_t size, uint64_t align);

// The same, as a page or more of zeroes.
enum status ram_alloc_zeroed(struct ram_block *block, uint64_t size, uint64_t align);

// Destroys the mem object with all its mappings, and takes the range back. Nothing to do for
// RAM_NONE.
void ram_free(struct ram_block *block);

// Maps a block into root, writable. One at a time. NULL when that fails.
void *ram_open(const struct ram_block *block);
void ram_close(const struct ram_block *block);

enum status ram_zero(const struct ram_block *block);

uint64_t ram_free_bytes(void);

// Size of the largest block that could be had with that alignment.
uint64_t ram_largest(uint64_t align);
