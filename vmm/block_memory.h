// SPDX-License-Identifier: BSD-2-Clause
// A disk that is memory of the vmm: a boot module, read-only, or RAM that root filled with a copy
// of one or with zeros.
#ifndef VMM_BLOCK_MEMORY_H
#define VMM_BLOCK_MEMORY_H

#include "block.h"

struct block_memory {
    struct block_backend backend;
    uint8_t *base;
};

/* `size` bytes at `base`; a part of a sector at the end is left out. Returns the disk, which is in
 * `memory`. Requests end before submit() returns. */
struct block_backend *block_memory_init(struct block_memory *memory, void *base, uint64_t size,
                                        bool read_only);

#endif
