// SPDX-License-Identifier: BSD-2-Clause
// Mem objects: derivation. At boot the kernel makes disjoint ranges; afterwards a range only ever comes from a larger
// one.
#include "mem.h"

enum status mem_create_boot(struct pool *pool, uint64_t base, uint64_t size, enum mem_kind kind, struct mem **out)
{
    enum status status = object_create(pool, OBJ_MEM, sizeof(**out), out);

    if (status != OK)
        return status;
    (*out)->base = base;
    (*out)->size = size;
    (*out)->kind = kind;
    return OK;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

bool mem_is_free(const struct mem *mem, uint64_t offset, uint64_t size)
{
    for (const struct mem *child = mem->children; child; child = child->sibling_next) // bound: children
        if (overlap(mem->base + offset, size, child->base, child->size))
            return false;
    return true;
}

enum status mem_create(struct pool *pool, struct mem *parent, uint64_t offset, uint64_t size, struct mem **out)
{
    uint64_t align = parent->kind == MEM_PORTS ? 1 : PAGE_SIZE;

    if (!size || (offset | size) & (align - 1))
        return ERR_ARG;
    if (offset >= parent->size || size > parent->size - offset)
        return ERR_RANGE;
    if (parent->pool)
        return ERR_BUSY;
    if (parent->obj.depth >= DEPTH_MAX)
        return ERR_DEPTH;
    if (parent->child_count >= CHILDREN_MAX)
        return ERR_QUOTA;
    if (!mem_is_free(parent, offset, size))
        return ERR_OVERLAP;
    for (const struct record *r = parent->records; r; r = r->mem_next) // bound: records
        if (overlap(offset, size, r->offset, r->size))
            return ERR_OVERLAP;
    enum status status = mem_create_boot(pool, parent->base + offset, size, parent->kind, out);
    if (status != OK)
        return status;
    struct mem *mem = *out;
    mem->parent = parent;
    parent->child_count++;
    if (mem->obj.depth <= parent->obj.depth)
        mem->obj.depth = parent->obj.depth + 1;
    mem->sibling_next = parent->children;
    if (parent->children)
        parent->children->sibling_prev = mem;
    parent->children = mem;
    return OK;
}

void mem_destroy(struct mem *mem)
{
    if (mem->parent)
        mem->parent->child_count--;
    if (mem->sibling_next)
        mem->sibling_next->sibling_prev = mem->sibling_prev;
    if (mem->sibling_prev)
        mem->sibling_prev->sibling_next = mem->sibling_next;
    else if (mem->parent)
        mem->parent->children = mem->sibling_next;
    object_free(&mem->obj, sizeof(*mem));
}
