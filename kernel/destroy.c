// SPDX-License-Identifier: BSD-2-Clause
// Destruction. Each step goes down from the object to something on which nothing else depends and does a bounded piece
// of work there. The way down always leads to a younger object (one lives in a pool, derives from a mem, runs in a task
// only after that was made), so there is no cycle, and no recursion is needed.
#include "destroy.h"
#include "cpu.h"
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

static enum step unlink_step(struct object *object, struct thread *thread)
{
    switch (object->type) {
    case OBJ_POOL:
        return pool_hide_step((struct pool *)object) ? STEP_DONE : STEP_AGAIN;
    case OBJ_MEM: {
        struct record *record = ((struct mem *)object)->records;
        enum step step = record ? record_remove_step(record, thread) : STEP_DONE;
        return record && step == STEP_DONE ? STEP_AGAIN : step;
    }
    case OBJ_GUEST:
        arch_guest_detach((struct guest *)object);
        return STEP_DONE;
    case OBJ_THREAD:
        return arch_thread_detach((struct thread *)object) && thread_drop_gates((struct thread *)object) ? STEP_DONE
                                                                                                         : STEP_AGAIN;
    case OBJ_GATE:
        gate_unlink((struct gate *)object);
        return STEP_DONE;
    case OBJ_SIGNAL:
        if (((struct signal *)object)->vcpu)
            arch_vcpu_unbind(((struct signal *)object)->vcpu);
        return STEP_DONE;
    case OBJ_IRQ:
        irq_unbind((struct irq *)object);
        return STEP_DONE;
    default:
        return STEP_DONE;
    }
}

static bool free_step(struct object *object)
{
    static const uint16_t sizes[OBJ_COUNT] = {
        [OBJ_GATE] = sizeof(struct gate), [OBJ_SIGNAL] = sizeof(struct signal), [OBJ_IRQ] = sizeof(struct irq)};

    switch (object->type) {
    case OBJ_POOL:
        pool_destroy((struct pool *)object);
        return true;
    case OBJ_MEM:
        mem_destroy((struct mem *)object);
        return true;
    case OBJ_TASK:
        return task_destroy_step((struct task *)object);
    case OBJ_GUEST:
        return guest_destroy_step((struct guest *)object);
    case OBJ_THREAD:
        thread_free((struct thread *)object);
        return true;
    default:
        object_free(object, sizes[object->type]);
        return true;
    }
}

enum step object_destroy_step(struct object *object, struct thread *thread)
{
    struct object *leaf, *next;

    for (leaf = object; (next = dependent(leaf)); leaf = next) // bound: depth of nesting
        object_condemn(leaf);
    object_condemn(leaf);
    if (leaf->dying != RELEASED) {
        enum step step = unlink_step(leaf, thread);
        if (step != STEP_DONE)
            return step;
        if (!cpu_round_release(leaf, thread))
            return STEP_WAIT;
    }
    return free_step(leaf) && leaf == object ? STEP_DONE : STEP_AGAIN;
}
