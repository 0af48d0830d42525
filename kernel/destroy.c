// SPDX-License-Identifier: BSD-2-Clause
// Destruction. Each step goes down from the object to something on which nothing else depends and does a bounded piece
// of work there. The way down always leads to a younger object (one lives in a pool, derives from a mem, runs in a task
// only after that was made), so there is no cycle, and no recursion is needed.
#include "destroy.h"
#include "ipc.h"
#include "irq.h"
#include "signal.h"
#include "sched.h"

// What must go before `object` itself can; NULL when nothing.
static struct object *dependent(struct object *object)
{
    switch (object->type) {
    case OBJ_POOL:
        return ((struct pool *)object)->objects;
    case OBJ_MEM: {
        struct mem *mem = (struct mem *)object;
        return mem->children ? &mem->children->obj : mem->pool ? &mem->pool->obj : NULL;
    }
    case OBJ_TASK: {
        struct thread *thread = ((struct space *)object)->threads;
        return thread ? &thread->obj : NULL;
    }
    default:
        return NULL;
    }
}

static bool destroy_leaf(struct object *object)
{
    switch (object->type) {
    case OBJ_POOL:
        return pool_destroy_step((struct pool *)object);
    case OBJ_MEM: {
        struct mem *mem = (struct mem *)object;
        if (mem->records) {
            record_remove_step(mem->records);
            return false;
        }
        mem_destroy(mem);
        return true;
    }
    case OBJ_TASK:
        return task_destroy_step((struct task *)object);
    case OBJ_GUEST:
        return guest_destroy_step((struct guest *)object);
    case OBJ_THREAD:
        thread_destroy((struct thread *)object);
        return true;
    case OBJ_GATE:
        gate_destroy((struct gate *)object);
        return true;
    case OBJ_SIGNAL:
        signal_destroy((struct signal *)object);
        return true;
    case OBJ_IRQ:
        irq_destroy((struct irq *)object);
        return true;
    default:
        return true;
    }
}

bool object_destroy_step(struct object *object)
{
    struct object *leaf = object, *next;

    while ((next = dependent(leaf))) { // bound: depth of nesting
        leaf->dying = 1;
        leaf = next;
    }
    leaf->dying = 1;
    return destroy_leaf(leaf) && leaf == object;
}
