// SPDX-License-Identifier: BSD-2-Clause
// Guest page-table walk: see paging.h, SDM 3A 4.3 to 4.8.
//
// HAZARD: tables are guest memory. They may lie anywhere, and other CPUs of the guest change them
// during the walk: each entry is loaded once, atomically, and bits are set by compare-and-swap.
#include "paging.h"

#define ENTRY_P  (1ull << 0)
#define ENTRY_W  (1ull << 1)
#define ENTRY_U  (1ull << 2)
#define ENTRY_A  (1ull << 5)
#define ENTRY_D  (1ull << 6)
#define ENTRY_PS (1ull << 7)
#define ENTRY_NX (1ull << 63)

#define ADDRESS_MASK 0x000ffffffffff000ull
#define WALK_TRIES   4

// What differs between the formats.
struct format {
    unsigned levels;     // of tables
    unsigned index_bits; // per level
    unsigned entry_size; // bytes
    unsigned pdpte;      // 1: the first level is the four PDPTEs of PAE paging
};

static struct format format_of(const struct paging *p)
{
    if (!(p->cr4 & CR4_PAE))
        return (struct format){2, 10, 4, 0};
    if (!(p->efer & EFER_LMA))
        return (struct format){3, 9, 8, 1};
    return (struct format){p->cr4 & CR4_LA57 ? 5 : 4, 9, 8, 0};
}

static uint64_t load_entry(const void *entry, unsigned size)
{
    return size == 4 ? __atomic_load_n((const uint32_t *)entry, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint64_t *)entry, __ATOMIC_RELAXED);
}

static bool swap_entry(void *entry, unsigned size, uint64_t old, uint64_t new)
{
    uint32_t old32 = old;

    if (size == 4)
        return __atomic_compare_exchange_n((uint32_t *)entry, &old32, new, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n((uint64_t *)entry, &old, new, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

static uint64_t bits(unsigned low, unsigned high)
{
    return high < low ? 0 : ((2ull << (high - low)) - 1) << low;
}

// Bits that must be 0 in every entry, whatever its level, apart from the PDPTEs of PAE.
static uint64_t reserved_always(const struct paging *p, const struct format *f)
{
    uint64_t reserved = bits(p->physical_bits, 51);

    if (f->entry_size == 4)
        return 0;
    if (!(p->efer & EFER_NXE))
        reserved |= ENTRY_NX;
    if (f->levels == 3)
        reserved |= bits(52, 62);
    return reserved;
}

// The same for an entry with bit 7 set above the last level.
static uint64_t reserved_large(const struct paging *p, const struct format *f, unsigned level)
{
    if (f->entry_size == 4) // PSE-36: bits 13 to 20 are address bits 32 to 39
        return p->cr4 & CR4_PSE ? 1ull << 21 : 0;
    if (level == 2)
        return bits(13, 20);
    if (level == 3)
        return p->no_1g_pages ? ENTRY_PS : bits(13, 29);
    return ENTRY_PS;
}

static enum walk_status page_fault(const struct paging *p, uint64_t linear, enum walk_access access,
                                   uint32_t error, struct guest_fault *fault)
{
    if (access == WALK_WRITE)
        error |= PAGE_FAULT_WRITE;
    if (p->cpl == 3 && !p->implicit)
        error |= PAGE_FAULT_USER;
    // The fetch bit exists only where instruction fetches can fault on their own.
    bool nx = p->cr4 & CR4_PAE && p->efer & EFER_NXE;
    if (access == WALK_FETCH && (nx || p->cr4 & CR4_SMEP))
        error |= PAGE_FAULT_FETCH;
    *fault =
        (struct guest_fault){.vector = VECTOR_PF, .has_error = true, .error = error, .cr2 = linear};
    return WALK_FAULT;
}

// Rights of the whole path: `rights` is the AND of all its W and U bits and inverted NX bits.
static bool allowed(const struct paging *p, enum walk_access access, uint64_t rights)
{
    bool user_access = p->cpl == 3 && !p->implicit;
    bool user_page = rights & ENTRY_U;

    if (user_access && !user_page)
        return false;
    if (access == WALK_FETCH)
        return rights & ENTRY_NX && !(user_page && !user_access && p->cr4 & CR4_SMEP);
    if (user_page && !user_access && p->cr4 & CR4_SMAP && (p->implicit || !(p->rflags & RFLAGS_AC)))
        return false;
    if (access == WALK_WRITE && !(rights & ENTRY_W))
        return !user_access && !(p->cr0 & CR0_WP);
    return true;
}

// Sets accessed bits along the path and the dirty bit of its last entry.
static enum walk_status set_accessed(const struct paging *p, const struct format *f,
                                     enum walk_access access, struct translation *out,
                                     const uint64_t gpa[PAGING_LEVELS])
{
    for (unsigned i = f->pdpte; i < out->levels; i++) {
        uint64_t old = out->visited[i].value;
        uint64_t new = old | ENTRY_A;

        if (i + 1 == out->levels && access == WALK_WRITE)
            new |= ENTRY_D;
        if (new == old)
            continue;
        void *entry = p->ram(p->ctx, gpa[i], f->entry_size, true);
        if (!entry)
            return WALK_NO_RAM;
        if (!swap_entry(entry, f->entry_size, old, new))
            return WALK_RETRY;
        out->visited[i].value = new;
    }
    return WALK_OK;
}

static void set_page(struct translation *out, uint64_t entry, uint64_t linear, unsigned shift,
                     const struct format *f)
{
    uint64_t mask = (1ull << shift) - 1;

    out->page_size = mask + 1;
    out->gpa = (entry & ADDRESS_MASK & ~mask) | (linear & mask);
    if (f->entry_size == 4 && shift > 12)
        out->gpa = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | (linear & mask);
}

// The PDPTEs of PAE paging have neither rights nor an accessed bit.
static enum walk_status load_pdpte(const struct paging *p, uint64_t linear, enum walk_access access,
                                   struct translation *out, struct guest_fault *fault)
{
    uint64_t index = linear >> 30 & 3;
    const void *host =
        p->pdpte ? &p->pdpte[index] : p->ram(p->ctx, (p->cr3 & 0xffffffe0) + 8 * index, 8, false);

    if (!host)
        return WALK_NO_RAM;
    uint64_t entry = load_entry(host, 8);
    out->visited[0].entry = host;
    out->visited[0].value = entry;
    if (!(entry & ENTRY_P))
        return page_fault(p, linear, access, 0, fault);
    // Bit 5 is reserved too, but QEMU's processor sets it as an accessed bit, so it cannot count.
    if (entry & (bits(p->physical_bits, 63) | bits(6, 8) | bits(1, 2)))
        return page_fault(p, linear, access, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED, fault);
    return WALK_OK;
}

static enum walk_status walk_once(const struct paging *p, const struct format *f, uint64_t linear,
                                  enum walk_access access, struct translation *out,
                                  struct guest_fault *fault)
{
    uint64_t table = p->cr3 & (f->entry_size == 4 ? 0xfffff000 : ADDRESS_MASK);
    uint64_t rights = ~0ull;
    uint64_t reserved = reserved_always(p, f);
    uint64_t entry_gpa[PAGING_LEVELS];
    uint64_t unset = 0; // accessed and dirty bits that some entry lacks
    unsigned shift = 12 + (f->levels - 1) * f->index_bits;

    if (f->pdpte) {
        enum walk_status status = load_pdpte(p, linear, access, out, fault);
        if (status != WALK_OK)
            return status;
        table = out->visited[0].value & ADDRESS_MASK;
        shift -= f->index_bits;
    }
    for (unsigned i = f->pdpte; i < f->levels; i++, shift -= f->index_bits) {
        uint64_t index = linear >> shift & ((1u << f->index_bits) - 1);

        entry_gpa[i] = table + index * f->entry_size;
        const void *host = p->ram(p->ctx, entry_gpa[i], f->entry_size, false);
        if (!host)
            return WALK_NO_RAM;
        uint64_t entry = load_entry(host, f->entry_size);
        out->visited[i].entry = host;
        out->visited[i].value = entry;
        if (!(entry & ENTRY_P))
            return page_fault(p, linear, access, 0, fault);

        bool large = entry & ENTRY_PS && shift > 12;
        if (entry & reserved || (large && entry & reserved_large(p, f, f->levels - i)))
            return page_fault(p, linear, access, PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED, fault);
        rights &= entry ^ ENTRY_NX;
        unset |= ~entry;
        table = entry & ADDRESS_MASK;
        if (shift == 12 || (large && (f->entry_size == 8 || p->cr4 & CR4_PSE))) {
            out->levels = i + 1;
            set_page(out, entry, linear, shift, f);
            unset &= ENTRY_A | (access == WALK_WRITE ? ~entry & ENTRY_D : 0);
            break;
        }
    }
    if (!allowed(p, access, rights))
        return page_fault(p, linear, access, PAGE_FAULT_PRESENT, fault);
    return unset ? set_accessed(p, f, access, out, entry_gpa) : WALK_OK;
}

enum walk_status paging_walk(const struct paging *p, uint64_t linear, enum walk_access access,
                             struct translation *out, struct guest_fault *fault)
{
    enum walk_status status = WALK_RETRY;
    struct format f = format_of(p);

    out->levels = 0;
    out->entry_size = f.entry_size;
    if (!(p->cr0 & CR0_PG)) {
        out->gpa = linear;
        out->page_size = 4096;
        return WALK_OK;
    }
    if (f.levels > 3 && !linear_is_canonical(linear, p->cr4)) {
        *fault = (struct guest_fault){.vector = VECTOR_GP, .has_error = true};
        return WALK_FAULT;
    }
    for (int i = 0; i < WALK_TRIES && status == WALK_RETRY; i++)
        status = walk_once(p, &f, linear, access, out, fault);
    return status;
}
