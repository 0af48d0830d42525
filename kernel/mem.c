// SPDX-License-Identifier: BSD-2-Clause
// Mem objects: derivation. At boot the kernel makes disjoint ranges; afterwards a range only ever comes from a larger
// one.
#include "thread.h"

enum status mem_create_boot(struct pool *pool, uint64_t base, uint64_t size, enum mem_kind kind, struct mem **out)
{
    TRY(object_create(pool, OBJ_MEM, sizeof(**out), out));
    (*out)->base = base;
    (*out)->size = size;
    (*out)->kind = kind;
    return OK;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

// The last child that begins at or below `address`. With preemption points: the finger remembers how far it came.
static struct mem *child_at(struct mem *mem, uint64_t address)
{
    struct mem **at = &mem->finger, *next;
    unsigned steps = 0;

    if (!*at && !(*at = mem->children))
        return NULL;
    while ((*at)->base > address && (next = (*at)->sibling_prev)) { // bound: CHILDREN_MAX
        *at = next;
        walk_step(&steps);
    }
    while ((next = (*at)->sibling_next) && next->base <= address) { // bound: CHILDREN_MAX
        *at = next;
        walk_step(&steps);
    }
    return (*at)->base <= address ? *at : NULL;
}

bool mem_is_free(struct mem *mem, uint64_t offset, uint64_t size)
{
    const struct mem *child = child_at(mem, mem->base + offset + size - 1);

    return !child || !overlap(mem->base + offset, size, child->base, child->size);
}

// Nothing of [offset, offset + size) is mapped. A record that was compared shrinks at most, and a new one begins the
// check anew.
static bool is_unmapped(struct mem *mem, uint64_t offset, uint64_t size)
{
    struct record *record;
    unsigned steps = 0;

    if (mem->check_offset != offset || mem->check_size != size)
        mem->unchecked = mem->records;
    mem->check_offset = offset;
    mem->check_size = size;
    while ((record = mem->unchecked)) { // bound: preemptible
        if (overlap(offset, size, record->offset, record->size))
            return false;
        mem->unchecked = record->mem_next;
        walk_step(&steps);
    }
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
    if (!mem_is_free(parent, offset, size) || !is_unmapped(parent, offset, size))
        return ERR_OVERLAP;
    struct mem *before = child_at(parent, parent->base + offset); // where the finger is: no step
    TRY(mem_create_boot(pool, parent->base + offset, size, parent->kind, out));
    struct mem *mem = *out;
    mem->parent = parent;
    parent->child_count++;
    if (mem->obj.depth <= parent->obj.depth)
        mem->obj.depth = parent->obj.depth + 1;
    LIST_INSERT(parent->children, mem, before, sibling_next, sibling_prev);
    return OK;
}

void mem_destroy(struct mem *mem)
{
    if (mem->parent) {
        mem->parent->child_count--;
        if (mem->parent->finger == mem)
            mem->parent->finger = mem->sibling_prev;
        LIST_REMOVE(mem->parent->children, mem, sibling_next, sibling_prev);
    }
    object_free(&mem->obj, sizeof(*mem));
}
