// SPDX-License-Identifier: BSD-2-Clause
// Gates and calls, all that entry.S leaves to C: busy workers, helping, dead and cancelled parties.
#include "ipc.h"
#include "debug.h"
#include "sched.h"

struct thread dead_worker = {.state = STATE_DEAD};

enum status gate_create(struct pool *pool, struct thread *worker, uint64_t badge, struct gate **out)
{
    if (worker->gate_count >= GATES_MAX)
        return ERR_QUOTA;
    struct gate *gate;
    TRY(object_create(pool, OBJ_GATE, sizeof(*gate), &gate));
    gate->worker = worker;
    gate->badge = badge;
    LIST_INSERT(worker->gates, gate, NULL, next, prev);
    worker->gate_count++;
    *out = gate;
    return OK;
}

// Helpers find a gate gone when they are scheduled next; those that wait at the end of its worker's calls are told.
static void thread_look_again(struct thread *worker)
{
    struct cpu *cpu = READ_ONCE(worker->cpu);

    if (cpu == this_cpu())
        sched_release_chain(worker);
    else
        cpu_post(&worker->obj, cpu);
}

void gate_unlink(struct gate *gate)
{
    struct thread *worker = gate->worker;

    if (worker == &dead_worker)
        return;
    worker->gate_count--;
    LIST_REMOVE(worker->gates, gate, next, prev);
    __atomic_store_n(&gate->worker, &dead_worker, __ATOMIC_RELEASE);
    thread_look_again(worker);
}

void gate_look_again(struct gate *gate)
{
    if (gate->worker != &dead_worker)
        thread_look_again(gate->worker);
}

static void copy_message(struct thread *to, const struct thread *from)
{
    to->regs.rsi = from->regs.rsi;
    to->regs.rdx = from->regs.rdx;
    to->regs.r10 = from->regs.r10;
    to->regs.r8 = from->regs.r8;
    to->regs.r9 = from->regs.r9;
    to->regs.r12 = from->regs.r12;
    to->regs.r13 = from->regs.r13;
}

void ipc_deliver(struct thread *caller, struct gate *gate, struct thread *worker)
{
    thread_result(worker, OK);
    copy_message(worker, caller);
    worker->regs.rdi = gate->badge;
    worker->caller = caller;
    worker->depth = caller->depth + 1;
    caller->callee = worker;
    caller->helping = 0;
    caller->state = STATE_CALLING | (caller->state & ~STATE_MASK);
}

enum status ipc_call(struct thread *caller, struct gate *gate)
{
    struct thread *worker = READ_ONCE(gate->worker);

    trace(call, caller->obj.slot, gate->obj.slot, worker->obj.slot, caller->regs.rsi);
    if (worker == &dead_worker)
        return ERR_DEAD;
    if (worker->home != caller->home)
        return ERR_STATE;
    if (caller->depth >= CALL_DEPTH_MAX)
        return ERR_DEPTH;
    if (caller->state & FLAG_CANCEL) {
        caller->state &= ~FLAG_CANCEL;
        return ERR_CANCELLED;
    }
    if ((worker->state & STATE_MASK) == STATE_RECEIVE) {
        ipc_deliver(caller, gate, worker);
        return OK;
    }
    caller->helping = object_cap(&gate->obj, 0);
    caller->state = STATE_HELPING | (caller->state & ~STATE_MASK);
    return OK;
}

enum status ipc_reply_wait(struct thread *worker)
{
    struct thread *caller = worker->caller;

    trace(reply, worker->obj.slot, caller ? caller->obj.slot : 0, worker->depth, worker->regs.rsi);
    if (worker->kind != THREAD_WORKER)
        return ERR_STATE;
    worker->caller = NULL;
    worker->depth = 0;
    worker->state &= ~FLAG_HELPED;
    if (caller) {
        caller->callee = NULL;
        thread_result(caller, OK);
        copy_message(caller, worker);
    }
    sched_remove(worker); // it may have run on its own time
    if (worker->state & FLAG_CANCEL) {
        worker->state &= ~FLAG_CANCEL;
        sched_enqueue(worker);
        worker->cpu->need_resched = true; // on its own time now
        return ERR_CANCELLED;
    }
    worker->state = STATE_RECEIVE | (worker->state & ~STATE_MASK);
    sched_release_waiters(worker);
    return OK;
}

void ipc_orphan(struct thread *worker)
{
    worker->caller = NULL;
    worker->depth = 0;
    if (worker->cpu != this_cpu())
        return; // in a system call elsewhere: it is queued when it comes back
    unsigned state = worker->state & STATE_MASK;
    if (state != STATE_RUNNING && state != STATE_CALLING && state != STATE_HELPING)
        return; // blocked: it is queued when it wakes
    worker->state |= FLAG_HELPED;
    sched_enqueue(worker);
}
