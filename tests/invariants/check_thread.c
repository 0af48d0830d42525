// SPDX-License-Identifier: BSD-2-Clause
// The invariants of threads, call chains, queues and timers, see check.h. Each CPU checks its own.
#include "../../kernel/check.h"
#include "../../kernel/ipc.h"
#include "../../kernel/irq.h"
#include "../../kernel/signal.h"

static bool is_blocked(const struct thread *t)
{
    unsigned state = t->state & STATE_MASK;

    return state == STATE_STOPPED || state == STATE_WAITING || state == STATE_FAULTED || state == STATE_RECEIVE ||
           state == STATE_PARKED;
}

// The end of a call chain; NULL when it goes in a circle or something on it is to be done.
static const struct thread *chain_end(const struct thread *t)
{
    for (unsigned steps = 0; steps < 2 * CALL_DEPTH_MAX; steps++) {
        unsigned state = t->state & STATE_MASK;
        if (state == STATE_CALLING) {
            t = t->callee;
        } else if (state == STATE_HELPING) {
            const struct gate *gate = (const struct gate *)cap_object(t->helping);
            if (!gate || gate->obj.dying || gate->worker == &dead_worker ||
                (gate->worker->state & STATE_MASK) == STATE_RECEIVE)
                return NULL;
            t = gate->worker;
        } else {
            return t;
        }
    }
    return NULL;
}

// Counts a heap's nodes, each of which lies at `offset` in a live thread of the CPU; whose call chain ends at `end`.
static unsigned check_heap(const struct heap *heap, const struct cpu *cpu, size_t offset, const struct thread *end)
{
    const struct heap_node *node = heap->root, *from = NULL;
    unsigned count = 0;

    CHECK(!node || !node->parent);
    while (node) { // down the left, then the right, then up
        const struct heap_node *next = node->parent;
        if (from == node->parent) {
            const struct thread *t = (const struct thread *)((const char *)node - offset);
            CHECK(check_live(t, OBJ_THREAD) && t->cpu == cpu && heap_holds(node));
            CHECK(!end || (!t->queued && chain_end(t) == end));
            CHECK(++count <= slot_fresh && (!from || from->key <= node->key));
            next = node->left ? node->left : node->right ? node->right : next;
        } else if (from == node->left && node->right) {
            next = node->right;
        }
        CHECK(!next || next == node->parent || next->parent == node);
        from = node;
        node = next;
    }
    return count;
}

// The waiters of a thread at home here: whoever's chain ends at it.
static void check_waits(const struct thread *t)
{
    CHECK(!t->waiters.root || is_blocked(t) || t->obj.inbox); // or it comes back from a system call elsewhere
    check_heap(&t->waiters, t->cpu, offsetof(struct thread, node), t);
}

void check_thread(const struct thread *t)
{
    unsigned state = t->state & STATE_MASK;

    if (t->obj.dying)
        return; // some CPUs have let go of it
    CHECK(check_live(t->task, OBJ_TASK) && state < STATE_DEAD);
    CHECK((t->regs.rflags & 0x23200) == 0x200); // interrupts on, no I/O privilege, no virtual-8086 mode
    CHECK(t->priority < PRIORITY_COUNT);
    CHECK((state == STATE_CALLING) == !!t->callee);
    if (t->callee)
        CHECK(check_live(t->callee, OBJ_THREAD) && t->callee->caller == t);
    if (t->caller)
        CHECK(check_live(t->caller, OBJ_THREAD) && t->caller->callee == t && t->kind == THREAD_WORKER &&
              (!t->queued || t->home != t->cpu->number));
    CHECK((state == STATE_HELPING) == !!t->helping);
    CHECK((state == STATE_WAITING) == !!t->waiting);
    if (t->waiting)
        CHECK(check_live(t->waiting, OBJ_SIGNAL) && t->waiting->waiter == t);
    if (state == STATE_RECEIVE)
        CHECK(!t->queued && !t->caller && t->kind == THREAD_WORKER);
    CHECK(t->depth <= CALL_DEPTH_MAX && (t->kind == THREAD_WORKER || !t->depth));
    if (t->home == t->cpu->number)
        check_waits(t);
    if ((!is_blocked(t) && !t->caller) || state == STATE_PARKED) {
        // The CPU that it comes from first says where it goes, then posts it.
        bool known = t->queued || heap_holds(&t->node) || heap_holds(&t->refill) ||
                     (thread_is_moving(t) && t->home != t->cpu->number);
        for (unsigned i = 0; i < 10000 && !known; i++)
            known = READ_ONCE(t->obj.inbox) && state != STATE_PARKED;
        CHECK(known); // nobody is forgotten
    }
    CHECK(!(t->queued && heap_holds(&t->refill)));
    CHECK(!heap_holds(&t->refill) || (t->budget && !t->budget_left));
    CHECK(heap_holds(&t->timer) == (t->deadline != TIMER_NONE) && (!t->queued || heap_holds(&t->node) == !t->level));
}

void check_thread_shared(const struct thread *t)
{
    if (t->obj.dying)
        return;
    for (const struct gate *g = t->gates, *last = NULL; g; last = g, g = g->next)
        CHECK(check_live(g, OBJ_GATE) && g->worker == t && g->prev == last);
    CHECK(t->task_prev ? t->task_prev->task_next == t : t->task->space.threads == t);
}

void check_queues(const struct cpu *cpu)
{
    unsigned queued = 0, timers = 0, refills = 0, waiting = 0, held = 0;

    for (uint32_t slot = 1; slot < slot_fresh; slot++) {
        const struct thread *t = (const struct thread *)slots[slot].object;
        if (!t || t->obj.type != OBJ_THREAD)
            continue;
        if (t->home == cpu->number)
            held += check_heap(&t->waiters, cpu, offsetof(struct thread, node), NULL);
        if (t->cpu != cpu)
            continue;
        queued += t->queued;
        timers += t->deadline != TIMER_NONE;
        refills += heap_holds(&t->refill);
        waiting += !t->queued && heap_holds(&t->node) && (t->state & STATE_MASK) != STATE_PARKED;
    }
    CHECK(!cpu->fair.root == !(cpu->ready_bitmap & 1) && !cpu->ready[0]);
    queued -= check_heap(&cpu->fair, cpu, offsetof(struct thread, node), NULL);
    for (unsigned p = 1; p < PRIORITY_COUNT; p++) {
        const struct thread *head = cpu->ready[p], *t = head;
        CHECK(!head == !(cpu->ready_bitmap >> p & 1));
        if (!head)
            continue;
        do {
            CHECK(check_live(t, OBJ_THREAD) && t->queued && t->level == p && t->cpu == cpu);
            CHECK(t->ready_next->ready_prev == t && queued--);
        } while ((t = t->ready_next) != head);
    }
    CHECK(!queued);
    held += check_heap(&cpu->released, cpu, offsetof(struct thread, node), NULL); // parked threads, too
    CHECK(held >= waiting);
    CHECK(check_heap(&cpu->timers, cpu, offsetof(struct thread, timer), NULL) == timers);
    CHECK(check_heap(&cpu->refills, cpu, offsetof(struct thread, refill), NULL) == refills);
    CHECK(!cpu->timers.root || cpu->armed <= cpu->timers.root->key);
    CHECK(!cpu->refills.root || cpu->armed <= cpu->refills.root->key);
    CHECK(!cpu->donor || check_live(cpu->donor, OBJ_THREAD));
    CHECK(!cpu->current ||
          (check_live(cpu->current, OBJ_THREAD) && cpu->donor && (cpu->current->state & STATE_MASK) == STATE_RUNNING));
}

void check_references(const struct object *gone)
{
    const void *g = gone;

    for (uint32_t slot = 1; slot < slot_fresh; slot++) {
        const struct object *o = slots[slot].object;
        const struct thread *t = (const struct thread *)o;
        const struct signal *s = (const struct signal *)o;
        if (!o || o == gone)
            continue;
        if (o->type == OBJ_THREAD) {
            CHECK(t->caller != g && t->callee != g && t->task != g && t->waiting != g);
            CHECK(t->task_next != g && t->task_prev != g);
            CHECK(!t->queued || !t->level || (t->ready_next != g && t->ready_prev != g));
        } else if (o->type == OBJ_SIGNAL) {
            CHECK(s->waiter != g && s->vcpu != g);
        } else if (o->type == OBJ_GATE) {
            CHECK(((const struct gate *)o)->worker != g);
        } else if (o->type == OBJ_MEM) {
            CHECK(((const struct mem *)o)->parent != g && ((const struct mem *)o)->pool != g);
        }
    }
}
