// SPDX-License-Identifier: BSD-2-Clause
// Pools: pages of a RAM range, cut into blocks of four sizes. Blocks of one size are used again for that size only: no
// search, no merging, constant time, and a pool's creator decides how much it is worth.
#include "mem.h"
#include "arch.h"
#include "check.h"
#include <string.h>

static const uint16_t class_size[POOL_CLASSES] = {64, 256, 1024, PAGE_SIZE};

static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (class < POOL_CLASSES - 1 && class_size[class] < size)
        class ++;
    return class;
}

static void *pop(void **list)
{
    void *block = *list;

    if (block)
        *list = *(void **)block;
    return block;
}

static void push(void **list, void *block)
{
    *(void **)block = *list;
    *list = block;
}

static void *dirty_page(struct pool *pool)
{
    void *page = pop(&pool->free[POOL_CLASSES - 1]);

    if (!page && pool->next_page < pool->end) {
        // The window shows a page from its first use on: a pool of any size is made in constant time.
        arch_window_map(pool->next_page, PAGE_SIZE);
        page = phys_to_virt(pool->next_page);
        pool->next_page += PAGE_SIZE;
    }
    return page;
}

static void *clean_page(struct pool *pool)
{
    void **page = pop(&pool->clean);

    if (page) {
        *page = NULL;
        pool->clean_count--;
    }
    return page;
}

static void *any_page(struct pool *pool)
{
    void *page = dirty_page(pool);

    page = page ? page : clean_page(pool);
    pool->free_pages -= page != NULL;
    return page;
}

void *pool_page(struct pool *pool)
{
    return check_alloc_fails() ? NULL : any_page(pool);
}

bool pool_scrub(struct pool *pool, unsigned pages)
{
    void *page = pool->clean_count < pages ? dirty_page(pool) : NULL;

    if (!page)
        return true;
    push(&pool->clean, memset(page, 0, PAGE_SIZE));
    pool->clean_count++;
    return false;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    unsigned class = class_of(size);
    void *block;

    if (check_alloc_fails())
        return NULL;
    if (class == POOL_CLASSES - 1 && (block = clean_page(pool))) {
        pool->free_pages--;
        return block;
    }
    if (class == POOL_CLASSES - 1) {
        block = any_page(pool);
    } else if (!(block = pop(&pool->free[class])) && (block = any_page(pool))) {
        void *list = NULL;
        for (size_t at = PAGE_SIZE; at > class_size[class];) // bound: 63
            push(&list, (char *)block + (at -= class_size[class]));
        pool->free[class] = list;
    }
    return block ? memset(block, 0, size) : NULL;
}

void pool_free(struct pool *pool, void *block, size_t size)
{
    unsigned class = class_of(size);

    push(&pool->free[class], block);
    pool->free_pages += class == POOL_CLASSES - 1;
}

enum status pool_create(struct pool *home, struct mem *mem, uint32_t slots, struct pool **out)
{
    if (home->obj.depth >= DEPTH_MAX || mem->obj.depth >= DEPTH_MAX)
        return ERR_DEPTH;
    if (home->slots_left <= slots)
        return ERR_QUOTA;
    struct pool *pool;
    TRY(object_create(home, OBJ_POOL, sizeof(*pool), &pool));
    home->slots_left -= slots;
    pool->slots_left = pool->quota = slots;
    pool->mem = mem;
    if (pool->obj.depth <= mem->obj.depth)
        pool->obj.depth = mem->obj.depth + 1;
    pool->base = pool->next_page = mem->base;
    pool->end = mem->base + mem->size;
    pool->free_pages = mem->size / PAGE_SIZE;
    mem->pool = pool;
    *out = pool;
    return OK;
}

bool pool_hide_step(struct pool *pool)
{
    uint64_t used = pool->next_page - pool->base, piece = used < 16 * PAGE_SIZE ? used : 16 * PAGE_SIZE;

    pool->next_page -= piece;
    arch_window_unmap(pool->next_page, piece);
    return pool->next_page == pool->base;
}

void pool_destroy(struct pool *pool)
{
    pool->mem->pool = NULL;
    pool->obj.pool->slots_left += pool->quota;
    object_free(&pool->obj, sizeof(*pool));
}
