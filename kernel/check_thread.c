// SPDX-License-Identifier: BSD-2-Clause
// The invariants of threads, call chains, queues and timers, see check.h. Each CPU checks its own.
#include "check.h"
#include "ipc.h"
#include "irq.h"
#include "signal.h"

static bool is_blocked(const struct thread *t)
{
    unsigned state = t->state & STATE_MASK;

    return state == STATE_STOPPED || state == STATE_WAITING || state == STATE_FAULTED || state == STATE_RECEIVE;
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
            if (!gate || gate->worker == &dead_worker || (gate->worker->state & STATE_MASK) == STATE_RECEIVE)
                return NULL;
            t = gate->worker;
        } else {
            return t;
        }
    }
    return NULL;
}

static void check_waits(const struct thread *t)
{
    unsigned links = 0;

    for (const struct thread *w = t->waiters; w; w = w->wait_next) {
        CHECK(check_live(w, OBJ_THREAD) && w->waits_for == t && !w->queued);
        CHECK(links++ < 4096);
    }
    if (!t->waits_for) {
        CHECK(!t->wait_next);
        return;
    }
    CHECK(check_live(t->waits_for, OBJ_THREAD) && is_blocked(t->waits_for));
    bool found = false;
    for (const struct thread *w = t->waits_for->waiters; w && !found; w = w->wait_next)
        found = w == t;
    CHECK(found && chain_end(t) == t->waits_for);
}

void check_thread(const struct thread *t)
{
    unsigned state = t->state & STATE_MASK;

    CHECK(check_live(t->task, OBJ_TASK) && state < STATE_DEAD);
    CHECK((t->regs.rflags & 0x23200) == 0x200); // interrupts on, no I/O privilege, no virtual-8086 mode
    CHECK(t->priority < PRIORITY_COUNT);
    CHECK((state == STATE_CALLING) == !!t->callee);
    if (t->callee)
        CHECK(check_live(t->callee, OBJ_THREAD) && t->callee->caller == t);
    if (t->caller)
        CHECK(check_live(t->caller, OBJ_THREAD) && t->caller->callee == t && t->kind == THREAD_WORKER && !t->queued &&
              !t->waits_for);
    CHECK((state == STATE_HELPING) == !!t->helping);
    CHECK((state == STATE_WAITING) == !!t->waiting);
    if (t->waiting)
        CHECK(check_live(t->waiting, OBJ_SIGNAL) && t->waiting->waiter == t);
    if (state == STATE_RECEIVE)
        CHECK(!t->queued && !t->caller && t->kind == THREAD_WORKER);
    CHECK(t->depth <= CALL_DEPTH_MAX && (t->kind == THREAD_WORKER || !t->depth));
    check_waits(t);
    if (!is_blocked(t) && !t->caller)
        CHECK(t->queued || t->waits_for || heap_holds(&t->refill)); // nobody is forgotten
    CHECK(!(t->queued && heap_holds(&t->refill)));
    CHECK(!heap_holds(&t->refill) || (t->budget && !t->budget_left));
    CHECK(heap_holds(&t->timer) == (t->deadline != TIMER_NONE) && heap_holds(&t->fair) == (t->queued && !t->priority));
    for (const struct gate *g = t->gates, *last = NULL; g; last = g, g = g->next)
        CHECK(check_live(g, OBJ_GATE) && g->worker == t && g->prev == last);
    CHECK(t->task_prev ? t->task_prev->task_next == t : t->task->space.threads == t);
}

// Counts a heap's nodes, each of which lies at `offset` in a live thread of the CPU.
static unsigned check_heap(const struct heap *heap, const struct cpu *cpu, size_t offset)
{
    const struct heap_node *node = heap->root, *from = NULL;
    unsigned count = 0;

    CHECK(!node || !node->parent);
    while (node) { // down the left, then the right, then up
        const struct heap_node *next = node->parent;
        if (from == node->parent) {
            const struct thread *t = (const struct thread *)((const char *)node - offset);
            CHECK(check_live(t, OBJ_THREAD) && t->cpu == cpu && heap_holds(node));
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

void check_queues(const struct cpu *cpu)
{
    unsigned queued = 0, timers = 0, refills = 0;

    for (uint32_t slot = 1; slot < slot_fresh; slot++) {
        const struct thread *t = (const struct thread *)slots[slot].object;
        if (!t || t->obj.type != OBJ_THREAD || t->cpu != cpu)
            continue;
        queued += t->queued;
        timers += t->deadline != TIMER_NONE;
        refills += heap_holds(&t->refill);
    }
    CHECK(!cpu->fair.root == !(cpu->ready_bitmap & 1) && !cpu->ready[0]);
    queued -= check_heap(&cpu->fair, cpu, offsetof(struct thread, fair));
    for (unsigned p = 1; p < PRIORITY_COUNT; p++) {
        const struct thread *head = cpu->ready[p], *t = head;
        CHECK(!head == !(cpu->ready_bitmap >> p & 1));
        if (!head)
            continue;
        do {
            CHECK(check_live(t, OBJ_THREAD) && t->queued && t->priority == p && t->cpu == cpu);
            CHECK(t->ready_next->ready_prev == t && queued--);
        } while ((t = t->ready_next) != head);
    }
    CHECK(!queued);
    CHECK(check_heap(&cpu->timers, cpu, offsetof(struct thread, timer)) == timers);
    CHECK(check_heap(&cpu->refills, cpu, offsetof(struct thread, refill)) == refills);
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
            CHECK(t->caller != g && t->callee != g && t->task != g && t->waiting != g && t->waits_for != g);
            CHECK(t->wait_next != g && t->waiters != g && t->task_next != g && t->task_prev != g);
            CHECK(!t->queued || !t->priority || (t->ready_next != g && t->ready_prev != g));
        } else if (o->type == OBJ_SIGNAL) {
            CHECK(s->waiter != g && s->vcpu != g);
        } else if (o->type == OBJ_GATE) {
            CHECK(((const struct gate *)o)->worker != g);
        } else if (o->type == OBJ_MEM) {
            CHECK(((const struct mem *)o)->parent != g && ((const struct mem *)o)->pool != g);
        }
    }
}
