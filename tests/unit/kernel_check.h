// SPDX-License-Identifier: BSD-2-Clause
// What must hold in the kernel core between any two system calls: lists agree with each other,
// nothing points at what is gone, every page of a pool has one use, tables and records tell the
// same, and every thread that could run is queued or waits at its chain's end.
#pragma once

#include "kernel_host.h"

#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __LINE__))
static unsigned check_seed;
static void check_failed(const char *what, int line)
{
    fprintf(stderr, "seed %u: invariant broken: %s (kernel_check.h:%d)\n", check_seed, what, line);
    fail();
}

#define FOR_OBJECTS(o)                                                                          \
    for (unsigned slot_##o = 1; slot_##o < 4096 && host_slots[slot_##o].generation; slot_##o++) \
        for (struct object *o = host_slots[slot_##o].object; o; o = NULL)

static bool is_live(const void *object, enum object_type type)
{
    const struct object *o = object;

    return o->slot < 4096 && host_slots[o->slot].object == o && o->type == type;
}

static unsigned block_class(size_t size)
{
    return size <= 64 ? 0 : size <= 256 ? 1 : size <= 1024 ? 2 : 3;
}

struct use {
    uint64_t pages, blocks[3], slots;
};

static void use_block(struct use *use, size_t size)
{
    use->blocks[block_class(size)]++;
}

// ---- tables
struct walk {
    struct space *space;
    uint64_t tables;
};

static struct record *record_of(struct space *space, uint64_t address)
{
    for (struct record *r = space->records; r; r = r->space_next)
        if (address >= r->address && address - r->address < r->size)
            return r;
    return NULL;
}

static uint64_t walk_table(struct walk *walk, uint64_t *table, unsigned level, uint64_t base)
{
    uint64_t span = PAGE_SIZE << 9 * level, mapped = 0;

    walk->tables++;
    for (unsigned i = 0; i < 512; i++, base += span) {
        if (!(table[i] & 1))
            continue;
        uint64_t physical = table[i] & 0x000ffffffffff000ull;
        if (level && !(table[i] & 0x80)) {
            mapped += walk_table(walk, phys_to_virt(physical), level - 1, base);
            continue;
        }
        struct record *r = record_of(walk->space, base);
        CHECK(r && base + span <= r->address + r->size);
        CHECK(base + span <= r->address + r->done);
        CHECK(physical == r->mem->base + r->offset + (base - r->address));
        CHECK(!!(table[i] & 2) == !!(r->rights & MAP_WRITE) &&
              !!(table[i] >> 63) == !(r->rights & MAP_EXEC));
        if (r->mem->kind == MEM_RAM)
            CHECK(!window_shown[physical / PAGE_SIZE]);
        mapped += span;
    }
    return mapped;
}

static uint64_t check_space(struct space *space, bool deep)
{
    uint64_t expected = 0;
    struct record *before = NULL;
    unsigned count = 0;

    for (struct record *r = space->records; r; before = r, r = r->space_next) {
        CHECK(r->space == space && r->space_prev == before && r->size);
        CHECK(!before || before->address + before->size <= r->address);
        CHECK(is_live(r->mem, OBJ_MEM));
        CHECK(r->offset < r->mem->size && r->size <= r->mem->size - r->offset);
        CHECK(r->done <= r->size && (r->building || r->done == r->size));
        if (r->mem->kind != MEM_PORTS)
            expected += r->done;
        bool found = false;
        for (struct record *m = r->mem->records; m && !found; m = m->mem_next)
            found = m == r;
        CHECK(found && ++count);
    }
    CHECK(count == space->record_count && count <= RECORDS_MAX);
    if (!deep)
        return 0;
    struct walk walk = {.space = space};
    CHECK(walk_table(&walk, space->ptab.root, 3, 0) == expected);
    return walk.tables;
}

// ---- memory
static void check_mem(struct mem *mem)
{
    struct mem *before = NULL;
    struct record *last = NULL;
    unsigned count = 0;

    for (struct mem *child = mem->children; child; before = child, child = child->sibling_next) {
        CHECK(is_live(child, OBJ_MEM) && child->parent == mem && child->sibling_prev == before);
        CHECK(++count && child->obj.depth > mem->obj.depth);
        CHECK(child->base >= mem->base && child->base + child->size <= mem->base + mem->size &&
              child->size);
        for (struct mem *other = child->sibling_next; other; other = other->sibling_next)
            CHECK(other->base >= child->base + child->size ||
                  child->base >= other->base + other->size);
    }
    CHECK(count == mem->child_count);
    for (struct record *r = mem->records; r; last = r, r = r->mem_next) {
        CHECK(r->mem == mem && r->mem_prev == last);
        CHECK(is_live(r->space, OBJ_TASK) || is_live(r->space, OBJ_GUEST));
        CHECK(mem_is_free(mem, r->offset, r->size));
    }
    if (mem->pool)
        CHECK(is_live(mem->pool, OBJ_POOL) && mem->pool->mem == mem && !mem->children &&
              !mem->records);
}

static void check_pool(struct pool *pool, const struct use *use, uint32_t quota, bool deep)
{
    static uint8_t seen[RAM_SIZE / PAGE_SIZE];
    uint64_t total = (pool->end - pool->base) / PAGE_SIZE,
             fresh = (pool->end - pool->next_page) / PAGE_SIZE, freed = 0, cut = 0;

    CHECK(pool->slots_left + use->slots == quota);
    if (!deep || pool->obj.dying)
        return;
    memset(seen, 0, sizeof(seen));
    for (void *p = pool->free[3]; p; p = *(void **)p, freed++) {
        uint64_t physical = virt_to_phys(p);
        CHECK(physical >= pool->base && physical < pool->next_page && !(physical & 4095) &&
              !seen[physical / PAGE_SIZE]++);
    }
    CHECK(freed + fresh == pool->free_pages);
    for (uint64_t page = pool->base; page < pool->end; page += PAGE_SIZE)
        CHECK(window_shown[page / PAGE_SIZE] == (page < pool->next_page));
    for (unsigned class = 0; class < 3; class ++) {
        uint64_t n = use->blocks[class], per_page = PAGE_SIZE >> (6 + 2 * class);
        for (void *p = pool->free[class]; p; p = *(void **)p, n++)
            CHECK(virt_to_phys(p) >= pool->base && virt_to_phys(p) < pool->next_page &&
                  n <= total * 64);
        CHECK(n % per_page == 0);
        cut += n / per_page;
    }
    CHECK(cut + use->pages + pool->free_pages == total); // nothing is lost, nothing is used twice
}

// ---- threads
static bool is_blocked(const struct thread *t)
{
    unsigned state = t->state & STATE_MASK;

    return state == STATE_STOPPED || state == STATE_WAITING || state == STATE_FAULTED ||
           state == STATE_RECEIVE;
}

// The end of a call chain; NULL when it goes in a circle or something on it is to be done.
static struct thread *chain_end(struct thread *t)
{
    for (unsigned steps = 0; steps < 16; steps++) {
        unsigned state = t->state & STATE_MASK;
        if (state == STATE_CALLING) {
            t = t->callee;
        } else if (state == STATE_HELPING) {
            struct gate *gate = (struct gate *)cap_object(t->helping);
            if (!gate || gate->worker == &dead_worker ||
                (gate->worker->state & STATE_MASK) == STATE_RECEIVE)
                return NULL;
            t = gate->worker;
        } else {
            return t;
        }
    }
    return NULL;
}

static void check_thread(struct thread *t)
{
    unsigned state = t->state & STATE_MASK, links = 0;

    CHECK(is_live(t->task, OBJ_TASK) && state < STATE_DEAD);
    CHECK((t->regs.rflags & ~0xdd5ull) == 0x202);
    CHECK(t->priority <= t->task->priority_max);
    CHECK((state == STATE_CALLING) == !!t->callee);
    if (t->callee)
        CHECK(is_live(t->callee, OBJ_THREAD) && t->callee->caller == t);
    if (t->caller)
        CHECK(is_live(t->caller, OBJ_THREAD) && t->caller->callee == t &&
              t->kind == THREAD_WORKER && !t->queued && !t->waits_for);
    CHECK((state == STATE_HELPING) == !!t->helping);
    CHECK((state == STATE_WAITING) == !!t->waiting);
    if (t->waiting)
        CHECK(is_live(t->waiting, OBJ_SIGNAL) && t->waiting->waiter == t);
    if (state == STATE_RECEIVE)
        CHECK(!t->queued && !t->caller && t->kind == THREAD_WORKER);
    CHECK(t->depth <= CALL_DEPTH_MAX && (t->kind == THREAD_WORKER || !t->depth));
    for (struct thread *w = t->waiters; w; w = w->wait_next) {
        CHECK(is_live(w, OBJ_THREAD) && w->waits_for == t && !w->queued);
        CHECK(links++ < 4096);
    }
    if (t->waits_for) {
        CHECK(is_live(t->waits_for, OBJ_THREAD) && is_blocked(t->waits_for));
        bool found = false;
        for (struct thread *w = t->waits_for->waiters; w && !found; w = w->wait_next)
            found = w == t;
        CHECK(found && chain_end(t) == t->waits_for);
    } else {
        CHECK(!t->wait_next);
    }
    if (!is_blocked(t) && !t->caller)
        CHECK(t->queued || t->waits_for || heap_holds(&t->refill)); // nobody is forgotten
    CHECK(!(t->queued && heap_holds(&t->refill)) &&
          (!heap_holds(&t->refill) || (t->budget && !t->budget_left)));
    CHECK(heap_holds(&t->timer) == (t->deadline != TIMER_NONE) &&
          heap_holds(&t->fair) == (t->queued && !t->priority));
    for (struct gate *g = t->gates, *last = NULL; g; last = g, g = g->next)
        CHECK(is_live(g, OBJ_GATE) && g->worker == t && g->prev == last);
    bool found = false;
    for (struct thread *o = t->task->space.threads; o && !found; o = o->task_next)
        found = o == t;
    CHECK(found);
}

// Counts a heap's nodes, each of which lies at `offset` in a live thread.
static unsigned check_heap(const struct heap_node *node, const struct heap_node *parent,
                           size_t offset)
{
    if (!node)
        return 0;
    CHECK(is_live((const char *)node - offset, OBJ_THREAD) && node->parent == parent &&
          (!parent || parent->key <= node->key));
    return 1 + check_heap(node->left, node, offset) + check_heap(node->right, node, offset);
}

static void check_queues(unsigned queued, unsigned timers, unsigned refills)
{
    CHECK(!!host_cpu.fair.root == (host_cpu.ready_bitmap & 1) && !host_cpu.ready[0]);
    queued -= check_heap(host_cpu.fair.root, NULL, offsetof(struct thread, fair));
    for (unsigned p = 1; p < PRIORITY_COUNT; p++) {
        struct thread *head = host_cpu.ready[p], *t = head;
        CHECK(!!head == (host_cpu.ready_bitmap >> p & 1));
        if (!head)
            continue;
        do {
            CHECK(is_live(t, OBJ_THREAD) && t->queued && t->priority == p &&
                  t->ready_next->ready_prev == t);
            CHECK(queued--);
            t = t->ready_next;
        } while (t != head);
    }
    CHECK(!queued);
    CHECK(check_heap(host_cpu.timers.root, NULL, offsetof(struct thread, timer)) == timers);
    CHECK(check_heap(host_cpu.refills.root, NULL, offsetof(struct thread, refill)) == refills);
    CHECK(!host_cpu.timers.root || host_cpu.armed <= host_cpu.timers.root->key);
    CHECK(!host_cpu.refills.root || host_cpu.armed <= host_cpu.refills.root->key);
    CHECK(!host_cpu.donor || is_live(host_cpu.donor, OBJ_THREAD));
    CHECK(!host_cpu.current || is_live(host_cpu.current, OBJ_THREAD));
    if (host_cpu.current)
        CHECK((host_cpu.current->state & STATE_MASK) == STATE_RUNNING && host_cpu.donor);
}

// `deep`: the page tables and the pools' pages, too.
static void check_kernel(bool deep)
{
    static struct use uses[4096];
    static uint32_t quotas[4096];
    unsigned queued = 0, timers = 0, refills = 0;

    FOR_OBJECTS(o)
    {
        uses[o->slot] = (struct use){0};
        quotas[o->slot] = o == &boot_pool.obj   ? 4000
                          : o->type == OBJ_POOL ? ((struct pool *)o)->quota
                                                : 0;
    }
    FOR_OBJECTS(o)
    {
        CHECK(o->slot == slot_o && is_live(o->pool, OBJ_POOL) && o->next->prev == o &&
              o->next->pool == o->pool);
        struct use *use = &uses[o->pool->obj.slot];
        use->slots++;
        switch (o->type) {
        case OBJ_POOL:
            if (o == &boot_pool.obj)
                break;
            use->slots += ((struct pool *)o)->quota;
            use_block(use, sizeof(struct pool));
            CHECK(((struct pool *)o)->mem->pool == (struct pool *)o);
            break;
        case OBJ_MEM:
            check_mem((struct mem *)o);
            use_block(use, sizeof(struct mem));
            break;
        case OBJ_TASK:
        case OBJ_GUEST:
            use->pages += check_space((struct space *)o, deep) + (o->type == OBJ_TASK);
            use_block(use, o->type == OBJ_TASK ? sizeof(struct task) : sizeof(struct guest));
            for (struct record *r = ((struct space *)o)->records; r; r = r->space_next)
                use_block(use, sizeof(*r));
            break;
        case OBJ_THREAD:
            check_thread((struct thread *)o);
            queued += ((struct thread *)o)->queued;
            timers += ((struct thread *)o)->deadline != TIMER_NONE;
            refills += heap_holds(&((struct thread *)o)->refill);
            use_block(use, sizeof(struct thread));
            break;
        case OBJ_GATE: {
            struct gate *gate = (struct gate *)o;
            CHECK(gate->worker == &dead_worker || is_live(gate->worker, OBJ_THREAD));
            use_block(use, sizeof(*gate));
            break;
        }
        case OBJ_SIGNAL: {
            struct signal *signal = (struct signal *)o;
            CHECK(!signal->waiter ||
                  (is_live(signal->waiter, OBJ_THREAD) && signal->waiter->waiting == signal));
            use_block(use, sizeof(*signal));
            break;
        }
        case OBJ_IRQ:
            CHECK(host_irqs[((struct irq *)o)->gsi] == o);
            use_block(use, sizeof(struct irq));
            break;
        default:
            CHECK(o == &hw_object);
        }
    }
    FOR_OBJECTS(o)
    if (o->type == OBJ_POOL)
        check_pool((struct pool *)o, &uses[o->slot], quotas[o->slot], deep);
    for (unsigned gsi = 0; gsi < 24; gsi++)
        CHECK(!host_irqs[gsi] || is_live(host_irqs[gsi], OBJ_IRQ));
    CHECK(dead_worker.state == STATE_DEAD && !dead_worker.waiters);
    check_queues(queued, timers, refills);
}
