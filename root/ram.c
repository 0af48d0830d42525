// SPDX-License-Identifier: BSD-2-Clause
// The machine's RAM: a list of free extents, ordered by address, best fit. An extent never reaches
// over the border of the mem object it comes from. There are at most as many extents as mem objects
// of the kernel and blocks handed out together, so the list cannot overflow: each block has a
// capability slot.
#include "ram.h"

#include <string.h>

#include "bulkhead/syscall.h"
#include "caps.h"
#include "root.h"

struct extent {
    uint64_t base, size;
    unsigned region; // index in boot->mem
};

#define EXTENT_MAX (BOOT_MEM_MAX + CAP_SLOTS)
static struct extent extents[EXTENT_MAX];
static unsigned extent_count;

static void insert(unsigned at, struct extent extent)
{
    if (extent_count == EXTENT_MAX)
        return; // cannot be; the range would be lost, nothing worse
    memmove(&extents[at + 1], &extents[at], (extent_count - at) * sizeof(extents[0]));
    extents[at] = extent;
    extent_count++;
}

static void erase(unsigned at)
{
    extent_count--;
    memmove(&extents[at], &extents[at + 1], (extent_count - at) * sizeof(extents[0]));
}

static bool joins(const struct extent *low, const struct extent *high)
{
    return low->region == high->region && low->base + low->size == high->base;
}

static void give(struct extent extent)
{
    unsigned at = 0;

    while (at < extent_count && extents[at].base < extent.base)
        at++;
    insert(at, extent);
    if (at + 1 < extent_count && joins(&extents[at], &extents[at + 1])) {
        extents[at].size += extents[at + 1].size;
        erase(at + 1);
    }
    if (at > 0 && joins(&extents[at - 1], &extents[at])) {
        extents[at - 1].size += extents[at].size;
        erase(at);
    }
}

void ram_init(void)
{
    extent_count = 0;
    for (unsigned i = 0; i < boot->mem_count && i < BOOT_MEM_MAX; i++) {
        const struct boot_mem *mem = &boot->mem[i];
        uint64_t skip = page_up(mem->base) - mem->base;

        if (mem->kind != MEM_RAM || mem->cap == SLOT_SYSTEM || mem->cap == SLOT_ROOT_IMAGE ||
            mem->base - boot->system_base < boot->system_size || mem->size < skip + PAGE)
            continue;
        give((struct extent){mem->base + skip, (mem->size - skip) & ~(PAGE - 1), i});
    }
}

// First address in the extent that is aligned, and what is left from there; 0 bytes when nothing
// is.
static uint64_t aligned(const struct extent *extent, uint64_t align, uint64_t *base)
{
    uint64_t skip = -extent->base & (align - 1);

    *base = extent->base + skip;
    return skip < extent->size ? extent->size - skip : 0;
}

// Cuts [base, base + size) out of an extent.
static void take(unsigned at, uint64_t base, uint64_t size)
{
    struct extent whole = extents[at];

    erase(at);
    if (base > whole.base)
        give((struct extent){whole.base, base - whole.base, whole.region});
    if (base + size < whole.base + whole.size)
        give((struct extent){base + size, whole.base + whole.size - base - size, whole.region});
}

enum status ram_alloc(struct ram_block *block, uint64_t size, uint64_t align)
{
    unsigned best = EXTENT_MAX, region, slot;
    uint64_t base, best_base = 0;
    enum status status;

    *block = RAM_NONE;
    for (unsigned i = 0; i < extent_count; i++) {
        if (aligned(&extents[i], align, &base) < size)
            continue;
        if (best == EXTENT_MAX || extents[i].size < extents[best].size) {
            best = i;
            best_base = base;
        }
    }
    if (best == EXTENT_MAX || size == 0)
        return ERR_MEMORY;
    slot = cap_alloc();
    if (slot == CAP_NONE)
        return ERR_SLOT;
    region = extents[best].region;
    status = sys_create_mem(SLOT_POOL, slot, boot->mem[region].cap,
                            best_base - boot->mem[region].base, size);
    if (status != OK) {
        cap_free(slot);
        return status;
    }
    take(best, best_base, size);
    *block = (struct ram_block){slot, best_base, size};
    return OK;
}

enum status ram_alloc_zeroed(struct ram_block *block, uint64_t size, uint64_t align)
{
    enum status status = ram_alloc(block, size, align);

    if (status != OK)
        return status;
    status = ram_zero(block);
    if (status != OK)
        ram_free(block);
    return status;
}

void ram_free(struct ram_block *block)
{
    if (block->mem == CAP_NONE)
        return;
    enum status status = sys_destroy(block->mem);
    if (status == OK) {
        for (unsigned i = 0; i < boot->mem_count; i++)
            if (boot->mem[i].kind == MEM_RAM && block->base - boot->mem[i].base < boot->mem[i].size)
                give((struct extent){block->base, block->size, i});
    } else {
        // Somebody may still hold it: it must not be handed out again.
        root_say("%llu KiB of RAM are lost: %s", (unsigned long long)block->size / 1024,
                 status_name(status));
    }
    cap_free(block->mem);
    *block = RAM_NONE;
}

static uint64_t window(const struct ram_block *block)
{
    return WINDOW_RAM + block->base % GIB; // keeps the alignment, so that large pages map it
}

void *ram_open(const struct ram_block *block)
{
    enum status status =
        sys_map(SLOT_TASK, block->mem, 0, window(block), block->size, MAP_READ | MAP_WRITE);

    return status == OK ? (void *)window(block) : NULL;
}

void ram_close(const struct ram_block *block)
{
    sys_unmap(SLOT_TASK, window(block), block->size);
}

// MOVNTI writes past the caches: no line is read first, and what other tasks have in them stays
// (SDM 1 10.4.6.2). It is also a few times faster than REP STOS in an emulator.
static void clear(uint64_t *at, uint64_t size)
{
    for (uint64_t *end = at + size / 8; at < end; at += 8)
        __asm__ volatile(
            "movnti %1, (%0); movnti %1, 8(%0); movnti %1, 16(%0); movnti %1, 24(%0);"
            "movnti %1, 32(%0); movnti %1, 40(%0); movnti %1, 48(%0); movnti %1, 56(%0)"
            :
            : "r"(at), "r"(0ull)
            : "memory");
    __asm__ volatile("sfence" : : : "memory");
}

enum status ram_zero(const struct ram_block *block)
{
    void *at = ram_open(block);

    if (!at)
        return ERR_MEMORY;
    clear(at, block->size);
    ram_close(block);
    return OK;
}

uint64_t ram_free_bytes(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < extent_count; i++)
        sum += extents[i].size;
    return sum;
}

uint64_t ram_largest(uint64_t align)
{
    uint64_t largest = 0, base;

    for (unsigned i = 0; i < extent_count; i++) {
        uint64_t size = aligned(&extents[i], align, &base);

        if (size > largest)
            largest = size;
    }
    return largest;
}
