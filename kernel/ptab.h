// SPDX-License-Identifier: BSD-2-Clause
// One radix-tree walker for every page-table format: a task's own tables, EPT and NPT differ in the bits of an entry
// only.
#pragma once

#include "pool.h"

struct ptab_format {
    uint64_t table;                      // bits of an entry that points to a table
    uint64_t leaf;                       // bits that every leaf has
    uint64_t read, write, exec, no_exec; // bits for the rights (no_exec is set where exec is absent)
    uint64_t large;                      // marks a leaf above the lowest level
    uint64_t uncached;                   // memory type of device memory
    uint64_t cached;                     // memory type of RAM
    uint64_t present;                    // an entry is present when any of these is set
    uint8_t levels;                      // 4
    uint8_t large_max; // highest level at which a leaf may stand: 0 = 4 KiB only, 1 = 2 MiB, 2 = 1 GiB
};

struct ptab {
    const struct ptab_format *format;
    uint64_t *root;
    struct pool *pool; // pays for tables
    uint64_t freed;    // ptab_free_step is through below this address
    // A table that ptab_split fills in steps: not linked yet; of which leaf, and its entries that are written.
    uint64_t *split, split_of;
    unsigned split_done;
};

struct ptab_result {
    uint64_t size; // bytes done
    enum status status;
};

// Maps at most `steps` entries of [address, ...) to physical memory with the largest pages that alignment allows.
// Ends early when it had to scrub a page for a table, which weighs more than all of them. Returns how far it came,
// which may be nowhere; tables made on the way stay for the next call. Errors: ERR_MEMORY.
struct ptab_result ptab_map(struct ptab *ptab, uint64_t address, uint64_t physical, uint64_t size, unsigned rights,
                            bool device, unsigned steps);
// Makes one of the tables that ptab_map of a page at `address` needs, *again when there was one to make. Errors:
// ERR_OVERLAP (something is mapped there), ERR_MEMORY.
enum status ptab_reserve(struct ptab *ptab, uint64_t address, bool *again);
// Clears at most `steps` entries, from the end, and returns the bytes that are left; a large page that the range covers
// in part must have been split before. Empty tables stay.
uint64_t ptab_unmap(struct ptab *ptab, uint64_t address, uint64_t size, unsigned steps);
// Makes `address` the border of a leaf, splitting large pages, in pieces: *again is set when there is more to do.
// Errors: ERR_MEMORY (nothing changed but tables made).
enum status ptab_split(struct ptab *ptab, uint64_t address, bool *again);
// The leaf entry that maps an address, 0 when none; `*size` is its page size.
uint64_t ptab_lookup(const struct ptab *ptab, uint64_t address, uint64_t *size);
// Frees tables, at most `steps` entries looked at; nothing is mapped any more. True when all are gone. `top` is the
// number of root entries that belong to the space.
bool ptab_free_step(struct ptab *ptab, unsigned top, unsigned steps);
