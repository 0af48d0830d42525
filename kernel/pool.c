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

static void *take_page(struct pool *pool)
{
    void *page = pool->free[POOL_CLASSES - 1];

    if (page)
        pool->free[POOL_CLASSES - 1] = *(void **)page;
    else if (pool->next_page < pool->end) {
        // The window shows a page from its first use on: a pool of any size is made in constant time.
        arch_window_map(pool->next_page, PAGE_SIZE);
        page = phys_to_virt(pool->next_page);
        pool->next_page += PAGE_SIZE;
    } else
        return NULL;
    pool->free_pages--;
    return page;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    unsigned class = class_of(size);
    void *block;

    if (check_alloc_fails())
        return NULL;
    if (class < POOL_CLASSES - 1 && !pool->free[class]) {
        char *page = take_page(pool);
        for (size_t at = 0; page && at < PAGE_SIZE; at += class_size[class]) { // bound: 64
            *(void **)(page + at) = pool->free[class];
            pool->free[class] = page + at;
        }
    }
    if (class == POOL_CLASSES - 1)
        block = take_page(pool);
    else if ((block = pool->free[class]))
        pool->free[class] = *(void **)block;
    return block ? memset(block, 0, class_size[class]) : NULL;
}

void pool_free(struct pool *pool, void *block, size_t size)
{
    unsigned class = class_of(size);

    *(void **)block = pool->free[class];
    pool->free[class] = block;
    if (class == POOL_CLASSES - 1)
        pool->free_pages++;
}

enum status pool_create(struct pool *home, struct mem *mem, uint32_t slots, struct pool **out)
{
    if (home->obj.depth >= DEPTH_MAX || mem->obj.depth >= DEPTH_MAX)
        return ERR_DEPTH;
    if (home->slots_left <= slots)
        return ERR_QUOTA;
    struct pool *pool;
    enum status status = object_create(home, OBJ_POOL, sizeof(*pool), &pool);
    if (status != OK)
        return status;
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

bool pool_destroy_step(struct pool *pool)
{
    struct pool *home = pool->obj.pool;
    uint64_t used = pool->next_page - pool->base, piece = used < 16 * PAGE_SIZE ? used : 16 * PAGE_SIZE;

    pool->next_page -= piece;
    arch_window_unmap(pool->next_page, piece);
    if (pool->next_page != pool->base)
        return false;
    pool->mem->pool = NULL;
    home->slots_left += pool->quota;
    object_free(&pool->obj, sizeof(*pool));
    return true;
}
