// SPDX-License-Identifier: BSD-2-Clause
// Pools: the only kernel memory there is. A pool is a RAM mem object handed over by its creator; every object and page
// table is charged to the pool named when it was made, and dies with it.
#pragma once

#include "object.h"

struct mem;
#define PAGE_SIZE    4096ull
#define POOL_CLASSES 4 // blocks of 64, 256, 1024 bytes and whole pages

struct pool {
    struct object obj;
    struct mem *mem;          // the range it consumed; NULL for the boot pool
    uint64_t base, end;       // physical
    uint64_t next_page;       // pages from here to end were never used
    uint64_t free_pages;      // count of free pages, those behind next_page included
    void *free[POOL_CLASSES]; // free lists
    void *clean;              // list of free pages that are zero but for the link
    struct object *objects;   // ring of what lives here
    uint32_t slots_left;      // of the quota
    uint32_t quota;           // taken from the home pool's
    uint32_t clean_count;
};

// A block with `size` zeroed bytes (<= PAGE_SIZE; a page is page-aligned), or NULL. Time is constant but for the
// zeroing, which a page that was scrubbed before does not need.
void *pool_alloc(struct pool *pool, size_t size);

// A page with whatever was in it, for a caller that writes all of it before anybody can read it; or NULL.
void *pool_page(struct pool *pool);

// Scrubs one page ahead when fewer than `pages` are clean: false. True when there are so many, or no more to be had.
bool pool_scrub(struct pool *pool, unsigned pages);

// Gives back what pool_alloc returned for the same size.
void pool_free(struct pool *pool, void *block, size_t size);

// Makes a pool of a RAM mem object that nothing uses; its struct lives in `home`, from whose quota its slots are taken.
// Errors: ERR_MEMORY, ERR_QUOTA, ERR_DEPTH.
enum status pool_create(struct pool *home, struct mem *mem, uint32_t slots, struct pool **out);

// The pool is empty: hides a piece of its pages. True when all are hidden.
bool pool_hide_step(struct pool *pool);
// No CPU sees its pages any more: its range is the mem object's again.
void pool_destroy(struct pool *pool);
