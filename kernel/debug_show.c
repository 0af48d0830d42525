// SPDX-License-Identifier: BSD-2-Clause
// What the debugger says about an object of each type: a line for `list`, more for `show`.
#include "debug.h"
#include "cpu.h"
#include "ipc.h"
#include "irq.h"
#include "signal.h"

static const char *const states[] = {"stopped", "running", "calling", "helping",
                                     "receive", "waiting", "faulted", "dead"};
static const char *const thread_kinds[] = {"active", "worker", "vcpu"}, *const mem_kinds[] = {"RAM", "device", "ports"};

static void pool_line(const struct object *object)
{
    const struct pool *p = (const struct pool *)object;

    say("of mem %o at 0x%x..0x%x pages free %d of %d slots free %d of %d", P(p->mem), p->base, p->end, p->free_pages,
        (p->end - p->base) / PAGE_SIZE, p->slots_left, p->quota);
}

static void mem_line(const struct object *object)
{
    const struct mem *m = (const struct mem *)object;

    say("%s 0x%x..0x%x of %o children %d%s%s", P(mem_kinds[m->kind]), m->base, m->base + m->size, P(m->parent),
        m->child_count, P(m->records ? " mapped" : ""), P(m->pool ? " a pool" : ""));
}

static void space_line(const struct object *object)
{
    const struct space *s = (const struct space *)object;

    say("ranges %d limit 0x%x tag %x first thread %o", s->record_count, s->limit, s->tag, P(s->threads));
}

static void thread_line(const struct object *object)
{
    const struct thread *t = (const struct thread *)object;

    say("%s %s flags 0x%x priority %d home %d cpu %d task %o time %d%s", P(thread_kinds[t->kind]),
        P(states[t->state & 7]), t->state & ~STATE_MASK, t->priority, t->home, t->cpu->number, P(t->task), t->time,
        P(t->queued ? " queued" : ""));
}

static void gate_line(const struct object *object)
{
    const struct gate *g = (const struct gate *)object;

    if (g->worker == &dead_worker)
        say("dead");
    else
        say("worker %o badge 0x%x", P(g->worker), g->badge);
}

static void signal_line(const struct object *object)
{
    const struct signal *s = (const struct signal *)object;

    say("bits 0x%x waiter %o vcpu %o", s->bits, P(s->waiter), P(s->vcpu));
}

static void irq_line(const struct object *object)
{
    const struct irq *i = (const struct irq *)object;

    say("GSI %d%s signal %o bit %d count %d%s", i->gsi, P(i->flags & IRQ_LEVEL ? " level" : ""),
        P(cap_object(i->signal)), i->bit, i->count, P(i->masked ? " masked" : ""));
}

// clang-format off
const struct debug_type debug_types[OBJ_COUNT] = {
    [OBJ_POOL] = {"pool", pool_line}, [OBJ_MEM] = {"mem", mem_line}, [OBJ_TASK] = {"task", space_line},
    [OBJ_GUEST] = {"guest", space_line}, [OBJ_THREAD] = {"thread", thread_line}, [OBJ_GATE] = {"gate", gate_line},
    [OBJ_SIGNAL] = {"signal", signal_line}, [OBJ_IRQ] = {"irq", irq_line}};
// clang-format on

void debug_line(const struct object *object)
{
    const struct debug_type *type = &debug_types[object->type];

    say("%o %s in pool %o%s ", P(object), P(type->name ?: "hw"), P(object->pool), P(object->dying ? " dying" : ""));
    if (type->line)
        type->line(object);
    say("\n");
}

// ---- show

static uint64_t thread_detail(const struct thread *t)
{
    const struct regs *r = &t->regs;

    say("  rip 0x%x rsp 0x%x rflags 0x%x rax 0x%x rdi 0x%x rsi 0x%x rdx 0x%x\n", r->rip, r->rsp, r->rflags, r->rax,
        r->rdi, r->rsi, r->rdx);
    say("  caller %o callee %o helps %o waits on %o depth %d gates %d\n", P(t->caller), P(t->callee),
        P(cap_object(t->helping)), P(t->waiting), t->depth, t->gate_count);
    say("  deadline 0x%x budget %d of %d per %d\n", t->deadline, t->budget_left, t->budget, t->period);
    return 0;
}

// One range per step: the `index`th.
static uint64_t record_detail(const struct record *r, bool of_space, uint64_t index)
{
    // bound: RECORDS_MAX of a space; of a mem what the debugger is willing to walk
    for (uint64_t i = 0; r && i < index; i++)
        r = of_space ? r->space_next : r->mem_next;
    if (!r || index > RECORDS_MAX)
        return 0;
    say("  0x%x..0x%x rights %x in %o: mem %o from 0x%x%s\n", r->address, r->address + r->size, r->rights, P(r->space),
        P(r->mem), r->offset, P(r->building ? " unfinished" : ""));
    return index + 1;
}

uint64_t debug_detail(const struct object *object, uint64_t cursor)
{
    uint64_t next;

    switch (object->type) {
    case OBJ_THREAD:
        return thread_detail((const struct thread *)object);
    case OBJ_MEM:
        return record_detail(((const struct mem *)object)->records, false, cursor);
    case OBJ_GUEST:
        return record_detail(((const struct space *)object)->records, true, cursor);
    case OBJ_TASK: {
        // The capabilities, then the ranges.
        const struct task *task = (const struct task *)object;
        for (; cursor < CAP_SLOTS; cursor++) {
            const struct object *o = cap_object(task->caps[cursor]);
            if (!o)
                continue;
            say("  capability %d: rights 0x%x ", cursor, cap_rights(task->caps[cursor]));
            debug_line(o);
            return cursor + 1;
        }
        next = record_detail(task->space.records, true, cursor - CAP_SLOTS);
        return next ? next + CAP_SLOTS : 0;
    }
    default:
        return 0;
    }
}
