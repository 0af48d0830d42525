// SPDX-License-Identifier: BSD-2-Clause
// The invariants of objects, memory and page tables: lists agree with each other, nothing points at what is gone, every
// page of a pool has one use, tables and records tell the same. Not compiled but for DEBUG=2 and the host tests. What
// is shared is changed on CPU 0 only, so it is consistent there between any two system calls.
#include "../../kernel/check.h"
#include "../../kernel/ipc.h"
#include "../../kernel/irq.h"
#include "../../kernel/signal.h"
#include <string.h>

void check_that(bool holds, const char *what, unsigned line)
{
    if (!holds)
        panic(what, line);
}

bool check_live(const void *object, enum object_type type)
{
    const struct object *o = object;

    return o->slot && o->slot < slot_fresh && slots[o->slot].object == o && o->type == type;
}

static unsigned block_class(size_t size)
{
    return size <= 64 ? 0 : size <= 256 ? 1 : 2;
}

void check_use(struct check_use *use, size_t size)
{
    if (size > 1024)
        use->pages++;
    else
        use->blocks[block_class(size)]++;
}

// ---- address spaces
static const struct record *record_of(const struct space *space, uint64_t address)
{
    for (const struct record *r = space->records; r; r = r->space_next)
        if (address >= r->address && address - r->address < r->size)
            return r;
    return NULL;
}

static void check_leaf(const struct space *space, uint64_t at, uint64_t span, uint64_t entry)
{
    const struct ptab_format *f = space->ptab.format;
    uint64_t physical = entry & 0x000ffffffffff000 & -span;
    const struct record *r = record_of(space, at);

    CHECK(r ? at + span <= r->address + r->size : arch_check_page(space, at, physical));
    if (!r)
        return;
    CHECK(at + span <= r->address + r->done);
    CHECK(physical == r->mem->base + r->offset + (at - r->address));
    CHECK(!f->write || !(entry & f->write) == !(r->rights & MAP_WRITE));
    CHECK(!f->exec || !(entry & f->exec) == !(r->rights & MAP_EXEC));
    CHECK(!f->no_exec || !(entry & f->no_exec) == !!(r->rights & MAP_EXEC));
}

// Walks all tables against the records; returns the number of tables.
static uint64_t check_tables(const struct space *space)
{
    const struct ptab *ptab = &space->ptab;
    uint64_t tables = 1, mapped = 0, expected = 0, span, limit = space->obj.type == OBJ_TASK ? 1ull << 47 : 1ull << 48;

    for (uint64_t at = 0; at < limit; at += span) {
        uint64_t *table = ptab->root, entry;
        unsigned level = ptab->format->levels - 1;
        for (;;) {
            span = PAGE_SIZE << 9 * level;
            entry = table[at / span % 512];
            if (!(entry & ptab->format->present) || !level || entry & ptab->format->large)
                break;
            tables += !(at & (span - 1));
            table = phys_to_virt(entry & 0x000ffffffffff000);
            level--;
        }
        if (entry & ptab->format->present) {
            check_leaf(space, at, span, entry);
            mapped += record_of(space, at) ? span : 0;
        } else if (!level) { // fast over the rest of an empty table
            while ((at + span) / span % 512 && !(table[(at + span) / span % 512] & ptab->format->present))
                at += span;
        }
    }
    for (const struct record *r = space->records; r; r = r->space_next)
        expected += r->mem->kind == MEM_PORTS ? 0 : r->done;
    CHECK(mapped == expected);
    return tables;
}

static void check_records(const struct space *space)
{
    const struct record *before = NULL;
    unsigned count = 0, fingers = !space->finger[0] + !space->finger[1];

    for (const struct record *r = space->records; r; before = r, r = r->space_next) {
        fingers += (r == space->finger[0]) + (r == space->finger[1]);
        CHECK(r->space == space && r->space_prev == before && r->size);
        CHECK(!before || before->address + before->size <= r->address);
        CHECK(check_live(r->mem, OBJ_MEM) && !r->mem->pool);
        CHECK(r->offset < r->mem->size && r->size <= r->mem->size - r->offset);
        CHECK(r->done <= r->size && (r->building || r->done == r->size));
        CHECK(r->mem_prev ? r->mem_prev->mem_next == r : r->mem->records == r);
        CHECK(++count <= RECORDS_MAX);
    }
    CHECK(count == space->record_count && fingers == 2);
}

// ---- memory
static void check_mem(const struct mem *mem)
{
    const struct mem *before = NULL;
    const struct record *last = NULL;
    unsigned count = 0;
    bool finger = !mem->finger, checked = mem->check_size;

    for (const struct mem *child = mem->children; child; before = child, child = child->sibling_next) {
        CHECK(check_live(child, OBJ_MEM) && child->parent == mem && child->sibling_prev == before);
        CHECK(++count <= CHILDREN_MAX && child->obj.depth > mem->obj.depth);
        CHECK(child->base >= mem->base && child->base + child->size <= mem->base + mem->size && child->size);
        CHECK(!before || child->base >= before->base + before->size);
        finger |= child == mem->finger;
    }
    CHECK(count == mem->child_count && finger);
    for (const struct record *r = mem->records; r; last = r, r = r->mem_next) {
        CHECK(r->mem == mem && r->mem_prev == last);
        CHECK(check_live(r->space, OBJ_TASK) || check_live(r->space, OBJ_GUEST));
        checked &= r != mem->unchecked;
        CHECK(!checked || r->offset >= mem->check_offset + mem->check_size || mem->check_offset >= r->offset + r->size);
    }
    if (mem->pool)
        CHECK(check_live(mem->pool, OBJ_POOL) && mem->pool->mem == mem && !mem->children && !mem->records);
}

// No frame has two owners: what is mapped from the parent itself does not overlap the children.
static void check_mem_deep(const struct mem *mem)
{
    for (const struct record *r = mem->records; r; r = r->mem_next)
        for (const struct mem *child = mem->children; child; child = child->sibling_next)
            CHECK(mem->base + r->offset >= child->base + child->size || child->base >= mem->base + r->offset + r->size);
}

static void use_object(const struct object *o, struct check_use *use)
{
    use->slots++;
    switch (o->type) {
    case OBJ_POOL:
        if (((const struct pool *)o)->mem) { // else the boot pool, which is in itself
            use->slots += ((const struct pool *)o)->quota;
            check_use(use, sizeof(struct pool));
        }
        break;
    case OBJ_MEM:
        check_use(use, sizeof(struct mem));
        break;
    case OBJ_TASK:
    case OBJ_GUEST:
        use->pages += check_tables((const struct space *)o) + (o->type == OBJ_TASK);
        use->pages += ((const struct space *)o)->ptab.split != NULL;
        check_use(use, o->type == OBJ_TASK ? sizeof(struct task) : sizeof(struct guest));
        for (const struct record *r = ((const struct space *)o)->records; r; r = r->space_next)
            check_use(use, sizeof(*r));
        break;
    case OBJ_THREAD:
        check_use(use, sizeof(struct thread));
        break;
    case OBJ_GATE:
        check_use(use, sizeof(struct gate));
        break;
    case OBJ_SIGNAL:
        check_use(use, sizeof(struct signal));
        break;
    case OBJ_IRQ:
        check_use(use, sizeof(struct irq));
        break;
    }
    arch_check_use(o, use);
}

// Every page of the pool has one use, and none is lost.
static void check_pool(const struct pool *pool)
{
    struct check_use use = {0};
    uint64_t total = (pool->end - pool->base) / PAGE_SIZE, freed = 0, clean = 0, cut = 0;
    const struct object *o = pool->objects;

    if (pool->obj.dying || !pool->quota) // the boot pool also holds what the boot took for good
        return;
    if (o)
        do {
            CHECK(o->pool == pool && o->next->prev == o && check_live(o, o->type));
            CHECK(o->depth > pool->obj.depth || o == &pool->obj);
            use_object(o, &use);
            CHECK(use.slots <= pool->quota);
        } while ((o = o->next) != pool->objects);
    CHECK(pool->slots_left + use.slots == pool->quota);
    for (void **p = pool->free[POOL_CLASSES - 1]; p; p = *p) {
        CHECK(virt_to_phys(p) >= pool->base && virt_to_phys(p) < pool->next_page);
        CHECK(!(virt_to_phys(p) & (PAGE_SIZE - 1)) && ++freed <= total);
    }
    for (uint64_t **p = pool->clean; p; p = (uint64_t **)*p, clean++) {
        CHECK(virt_to_phys(p) >= pool->base && virt_to_phys(p) < pool->next_page);
        CHECK(!(virt_to_phys(p) & (PAGE_SIZE - 1)) && ++freed <= total);
        for (unsigned i = 1; i < PAGE_SIZE / sizeof(*p); i++)
            CHECK(!p[i]);
    }
    CHECK(clean == pool->clean_count);
    CHECK(freed + (pool->end - pool->next_page) / PAGE_SIZE == pool->free_pages);
    for (unsigned class = 0; class < POOL_CLASSES - 1; class ++) {
        uint64_t n = use.blocks[class], per_page = PAGE_SIZE >> (6 + 2 * class);
        for (void **p = pool->free[class]; p; p = *p) {
            CHECK(virt_to_phys(p) >= pool->base && virt_to_phys(p) < pool->next_page);
            CHECK(++n <= total * 64);
        }
        CHECK(n % per_page == 0);
        cut += n / per_page;
    }
    CHECK(cut + use.pages + pool->free_pages == total);
}

// ---- all
void check_object(const struct object *o)
{
    CHECK(check_live(o, o->type) && o->type > OBJ_NONE && o->type < OBJ_COUNT);
    if (o->type == OBJ_THREAD && ((const struct thread *)o)->cpu == this_cpu())
        check_thread((const struct thread *)o);
    if (this_cpu()->number) // what follows is changed on CPU 0 only
        return;
    CHECK(check_live(o->pool, OBJ_POOL) && o->next->prev == o && o->prev->next == o && o->next->pool == o->pool);
    switch (o->type) {
    case OBJ_POOL: {
        const struct pool *pool = (const struct pool *)o;
        CHECK(!pool->mem || (pool->mem->pool == pool && pool->free_pages <= (pool->end - pool->base) / PAGE_SIZE &&
                             pool->next_page <= pool->end && pool->slots_left <= pool->quota));
        break;
    }
    case OBJ_MEM:
        check_mem((const struct mem *)o);
        break;
    case OBJ_TASK:
    case OBJ_GUEST:
        check_records((const struct space *)o);
        break;
    case OBJ_THREAD:
        check_thread_shared((const struct thread *)o);
        break;
    case OBJ_GATE:
        CHECK(((const struct gate *)o)->worker == &dead_worker ||
              check_live(((const struct gate *)o)->worker, OBJ_THREAD));
        break;
    }
    arch_check_object(o);
}

uint32_t check_slots(uint32_t first, uint32_t n)
{
    uint32_t end = first < slot_fresh && slot_fresh - first > n ? first + n : slot_fresh;

    for (uint32_t slot = first ? first : 1; slot < end; slot++) {
        const struct object *o = slots[slot].object;
        if (!o)
            continue;
        CHECK(o->slot == slot);
        check_object(o);
        if (this_cpu()->number)
            continue;
        if (o->type == OBJ_MEM)
            check_mem_deep((const struct mem *)o);
        if (o->type == OBJ_POOL)
            check_pool((const struct pool *)o);
    }
    if (end < slot_fresh)
        return end;
    CHECK(dead_worker.state == STATE_DEAD && !dead_worker.waiters.root);
    check_queues(this_cpu());
    return 0;
}

// DESIGN's list of holders, docs/kernel.md. What belongs to other CPUs was let go of before; here it is asserted.
void check_released(const struct object *object)
{
    const struct thread *t = (const struct thread *)object;
    const struct space *space = (const struct space *)object;
    const struct mem *mem = (const struct mem *)object;

    switch (object->type) {
    case OBJ_THREAD:
        CHECK(!t->queued && !heap_holds(&t->timer) && !heap_holds(&t->refill) && !heap_holds(&t->node));
        CHECK(!t->caller && !t->callee && !t->waiters.root && !t->waiting && !t->gates && !t->vcpu && !t->obj.inbox);
        CHECK(!t->xstate);
        for (unsigned i = 0; i < arch_cpu_count(); i++)
            CHECK(arch_cpu(i)->current != t && arch_cpu(i)->donor != t && arch_cpu(i)->fpu_owner != t);
        break;
    case OBJ_SIGNAL:
        CHECK(!((const struct signal *)object)->waiter && !((const struct signal *)object)->vcpu);
        break;
    case OBJ_MEM:
        CHECK(!mem->children && !mem->records && !mem->pool);
        break;
    case OBJ_TASK:
    case OBJ_GUEST:
        CHECK(!space->records && !space->threads && !space->record_count);
        for (unsigned i = 0; i < CHECK_CPUS; i++)
            CHECK(!space->check_seen[i]);
        break;
    case OBJ_POOL:
        CHECK(!((const struct pool *)object)->objects);
        break;
    }
    check_references(object);
    arch_check_released(object);
}

// ---- the TLB ledger
static uint64_t *seen_here(struct space *space)
{
    static uint64_t other;

    return this_cpu()->number < CHECK_CPUS ? &space->check_seen[this_cpu()->number] : &other;
}

// The count first: what is taken out meanwhile is not yet told of.
void check_tlb_load(struct space *space)
{
    uint64_t now = READ_ONCE(space->cleared);

    if (!*seen_here(space))
        *seen_here(space) = 1 + now;
}

void check_tlb_flush(struct space *space)
{
    uint64_t now = READ_ONCE(space->cleared);

    if (*seen_here(space))
        *seen_here(space) = 1 + now;
}

void check_tlb_leave(struct space *space)
{
    *seen_here(space) = 0;
}

void check_tlb_reuse(const struct space *space, uint64_t cleared)
{
    for (unsigned i = 0; i < CHECK_CPUS; i++)
        CHECK(!space->check_seen[i] || space->check_seen[i] > cleared);
}

bool check_alloc_fails(void)
{
    static unsigned count;
    static bool running;

    running |= this_cpu()->current != NULL; // the boot must not fail
    return FAIL_ALLOC && running && ++count % (FAIL_ALLOC + 1) == 0;
}
