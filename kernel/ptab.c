// SPDX-License-Identifier: BSD-2-Clause
// The page-table walker for every format. Level 0 maps 4 KiB, 1: 2 MiB, 2: 1 GiB; the root is level `levels - 1`.
#include "arch.h"

#define ENTRIES      512
#define ADDRESS_MASK 0x000ffffffffff000ull

static uint64_t page_size(unsigned level)
{
    return PAGE_SIZE << 9 * level;
}

static unsigned index_at(uint64_t address, unsigned level)
{
    return address >> (12 + 9 * level) & (ENTRIES - 1);
}

static bool is_present(const struct ptab *ptab, uint64_t entry)
{
    return entry & ptab->format->present;
}

static bool is_leaf(const struct ptab *ptab, uint64_t entry, unsigned level)
{
    return level == 0 || entry & ptab->format->large;
}

static uint64_t *table_of(uint64_t entry)
{
    return phys_to_virt(entry & ADDRESS_MASK);
}

// HAZARD: the hardware walks while we write. One 64-bit store, so that it sees the old entry or the new one.
static void set(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static uint64_t leaf_entry(const struct ptab_format *f, uint64_t physical, unsigned level, unsigned rights, bool device)
{
    uint64_t entry = physical | f->leaf | (device ? f->uncached : f->cached);

    entry |= rights & MAP_READ ? f->read : 0;
    entry |= rights & MAP_WRITE ? f->write : 0;
    entry |= rights & MAP_EXEC ? f->exec : f->no_exec;
    return level ? entry | f->large : entry;
}

static unsigned least(uint64_t a, uint64_t b, uint64_t c)
{
    a = a < b ? a : b;
    return a < c ? a : c;
}

struct ptab_result ptab_map(struct ptab *ptab, uint64_t address, uint64_t physical, uint64_t size, unsigned rights,
                            bool device, unsigned steps)
{
    const struct ptab_format *f = ptab->format;
    struct ptab_result result = {0, OK};

    while (result.size < size && steps) { // bound: steps
        uint64_t at = address + result.size, phys = physical + result.size, left = size - result.size;
        uint64_t *table = ptab->root;
        unsigned level = f->levels - 1;
        for (;;) { // bound: levels
            uint64_t *entry = &table[index_at(at, level)], value = *entry;
            bool fits = level <= f->large_max && !((at | phys) & (page_size(level) - 1)) && left >= page_size(level);
            if (fits && !is_present(ptab, value)) {
                uint64_t size = page_size(level), leaf = leaf_entry(f, phys, level, rights, device);
                unsigned n = least(steps, ENTRIES - index_at(at, level), left / size);
                for (steps -= n; n && !(*entry & f->present); n--) { // without walking again; bound: steps
                    set(entry++, leaf);
                    leaf += size;
                    result.size += size;
                }
                break;
            }
            if (is_present(ptab, value) && is_leaf(ptab, value, level)) {
                result.status = ERR_OVERLAP;
                return result;
            }
            if (!is_present(ptab, value)) {
                bool clean = ptab->pool->clean;
                if (result.size && !clean)
                    return result;
                uint64_t *lower = pool_alloc(ptab->pool, PAGE_SIZE);
                if (!lower) {
                    result.status = ERR_MEMORY;
                    return result;
                }
                value = virt_to_phys(lower) | f->table;
                set(entry, value);
                if (!clean)
                    return result;
            }
            table = table_of(value);
            level--;
        }
    }
    return result;
}

// Walks to the entry that decides about `address`: a leaf, or an empty entry at some level.
static uint64_t *find(const struct ptab *ptab, uint64_t address, unsigned *level)
{
    uint64_t *table = ptab->root;

    *level = ptab->format->levels - 1;
    for (;;) { // bound: levels
        uint64_t *entry = &table[index_at(address, *level)];
        if (!is_present(ptab, *entry) || is_leaf(ptab, *entry, *level))
            return entry;
        table = table_of(*entry);
        --*level;
    }
}

enum status ptab_reserve(struct ptab *ptab, uint64_t address, bool *again)
{
    unsigned level;
    uint64_t *entry = find(ptab, address, &level), *lower = NULL;

    *again = level;
    if (is_present(ptab, *entry))
        return ERR_OVERLAP;
    if (level && !(lower = pool_alloc(ptab->pool, PAGE_SIZE)))
        return ERR_MEMORY;
    if (level)
        set(entry, virt_to_phys(lower) | ptab->format->table);
    return OK;
}

uint64_t ptab_unmap(struct ptab *ptab, uint64_t address, uint64_t size, unsigned steps)
{
    uint64_t end = address + size;

    while (end > address && steps) { // bound: steps
        unsigned level;
        uint64_t *entry = find(ptab, end - 1, &level), size = page_size(level);
        unsigned n = least(steps, index_at(end - 1, level) + 1, (end - 1 - address) / size + 1);
        end = ((end - 1) & -size) + size;
        do { // down the table without walking again; bound: steps
            set(entry--, 0);
            end -= size;
            steps--;
        } while (--n && (!level || !is_present(ptab, *entry) || is_leaf(ptab, *entry, level)));
    }
    return end > address ? end - address : 0;
}

enum status ptab_split(struct ptab *ptab, uint64_t address, bool *again)
{
    unsigned level;
    uint64_t *entry = find(ptab, address, &level), value = *entry;

    if (!is_present(ptab, value) || !(address & (page_size(level) - 1)))
        return OK;
    if (!ptab->split && !(ptab->split = pool_page(ptab->pool)))
        return ERR_MEMORY;
    // Another leaf may have been begun with, or this one was mapped anew: then all over. Bits 9 and 10 are free.
    if (ptab->split_of != (value | level << 9))
        ptab->split_done = 0;
    ptab->split_of = value | level << 9;
    uint64_t size = page_size(level - 1), next = (level == 1 ? value & ~ptab->format->large : value);
    next += ptab->split_done * size;
    for (unsigned n = 0; n < ENTRIES / 8; n++, next += size)
        ptab->split[ptab->split_done++] = next;
    *again = true;
    if (ptab->split_done == ENTRIES) {
        set(entry, virt_to_phys(ptab->split) | ptab->format->table);
        ptab->split = NULL;
        ptab->split_of = 0;
    }
    return OK;
}

uint64_t ptab_lookup(const struct ptab *ptab, uint64_t address, uint64_t *size)
{
    unsigned level;
    uint64_t *entry = find(ptab, address, &level);

    *size = page_size(level);
    return is_present(ptab, *entry) ? *entry : 0;
}

bool ptab_free_step(struct ptab *ptab, unsigned top, unsigned steps)
{
    unsigned root_level = ptab->format->levels - 1;
    uint64_t at = ptab->freed; // all below is gone

    while (steps--) { // bound: steps; each frees the lowest table at `at`, or finds none there
        uint64_t *table = ptab->root, *parent = NULL, *entry = &table[index_at(at, root_level)];
        unsigned level = root_level;
        if (at >> (12 + 9 * root_level) >= top) {
            if (ptab->split)
                pool_free(ptab->pool, ptab->split, PAGE_SIZE);
            ptab->split = NULL;
            return true;
        }
        while (level && is_present(ptab, *entry) && !is_leaf(ptab, *entry, level)) { // bound: levels
            parent = entry;
            table = table_of(*entry);
            entry = &table[index_at(at, --level)];
        }
        if (level)
            at = (at | (page_size(level) - 1)) + 1;       // no table here
        if (parent && (!level || !index_at(at, level))) { // nor any further one below this
            set(parent, 0);
            pool_free(ptab->pool, table, PAGE_SIZE);
            at = level ? at - page_size(level + 1) : at;
        }
        ptab->freed = at;
    }
    return false;
}
