// SPDX-License-Identifier: BSD-2-Clause
// Mem objects: ranges of RAM, device memory or I/O ports, and the records of what is mapped from them. There is no
// mapping database: one record per mapped range, charged to the pool of the space that received it.
#pragma once

#include "pool.h"

struct space;

struct mem {
    struct object obj;
    uint64_t base, size; // bytes, or ports
    uint8_t kind;        // enum mem_kind
    uint16_t child_count;
    struct pool *pool; // that consumed it: neither mapped nor derived until that dies
    struct mem *parent;
    struct mem *children, *sibling_next, *sibling_prev; // sorted by base
    struct mem *finger;                                 // child where the last search ended
    struct record *records;                             // everything mapped from it
    // A child is to be made: those of the records that were not compared with it yet.
    struct record *unchecked;
    uint64_t check_offset, check_size;
};

#define BUILDING 0xff
#define REMOVING 0xfe
struct record {
    struct mem *mem;
    struct space *space;
    uint64_t address, size, offset;         // in the space; in the mem
    uint64_t done;                          // bytes whose table entries are written (map and unmap are restartable)
    uint64_t cleared;                       // `space->cleared` when the last of them was taken out
    struct record *mem_next, *mem_prev;     // ring-free list of the mem
    struct record *space_next, *space_prev; // list of the space, by address
    uint8_t rights,
        building; // 0: complete; BUILDING: map goes on; REMOVING; else the status that map failed with: taken back
};

// Derives [offset, offset + size) of parent: nothing else of the parent may be mapped or derived there as long as it
// lives. HAZARD: otherwise a parent could map what a child gave to the kernel as a pool. Errors: ERR_ARG, ERR_RANGE,
// ERR_OVERLAP, ERR_BUSY (a pool has it), ERR_MEMORY, ERR_QUOTA, ERR_DEPTH. Looks for overlaps with preemption points.
enum status mem_create(struct pool *pool, struct mem *parent, uint64_t offset, uint64_t size, struct mem **out);
// At boot only: makes a range from numbers.
enum status mem_create_boot(struct pool *pool, uint64_t base, uint64_t size, enum mem_kind kind, struct mem **out);
// It has neither children nor records nor a pool.
void mem_destroy(struct mem *mem);
// True when [offset, offset + size) belongs to the mem itself: no child has it. With preemption points.
bool mem_is_free(struct mem *mem, uint64_t offset, uint64_t size);
