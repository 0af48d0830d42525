// SPDX-License-Identifier: BSD-2-Clause
// Threads: creation, control, faults, and leaving whatever they are in.
#include "ipc.h"
#include "debug.h"
#include "sched.h"
#include "signal.h"

// What user level may have set: carry, parity, adjust, zero, sign, trap, direction, overflow. Interrupts are always on.
#define RFLAGS_USER  0xdd5ull
#define RFLAGS_FIXED 0x202ull

enum status thread_create(struct pool *pool, struct task *task, enum thread_kind kind, unsigned cpu, unsigned priority,
                          struct thread **out)
{
    struct thread *thread;

    _Static_assert(sizeof(struct thread) <= 1024, "a thread fits a block");
    TRY(object_create(pool, OBJ_THREAD, sizeof(*thread), &thread));
    thread->task = task;
    thread->kind = kind;
    thread->state = arch_thread_flags(task, kind);
    thread->priority = priority;
    thread->cpu = arch_cpu(cpu);
    thread->home = cpu;
    __atomic_fetch_or(&task->space.cpus, 1ull << cpu, __ATOMIC_SEQ_CST);
    thread->caps = task->caps;
    thread->cr3 = task->cr3;
    thread->deadline = TIMER_NONE;
    sched_mark_special(thread);
    thread->weight = WEIGHT_DEFAULT;
    thread->regs.rflags = RFLAGS_FIXED; // HAZARD: it may be resumed without a start; with 0 it ran with interrupts off
    LIST_INSERT(task->space.threads, thread, NULL, task_next, task_prev);
    *out = thread;
    return OK;
}

void thread_result(struct thread *thread, enum status status)
{
    struct regs *r = &thread->regs;

    r->r15 = r->r14 = r->r13 = r->r12 = r->r10 = r->r9 = r->r8 = 0;
    r->rbp = r->rdi = r->rsi = r->rdx = r->rbx = 0;
    r->rax = status;
    thread->state = STATE_RUNNING | (thread->state & ~(STATE_MASK | FLAG_FULL));
}

void thread_restart(struct thread *thread)
{
    thread->regs.rip -= 2; // the length of SYSCALL; its argument registers are still in `regs`
}

void preemption_point(void)
{
    struct cpu *cpu = this_cpu();

    if (!sched_preempt())
        return;
    if (cpu->current && cpu->current->home == cpu->number)
        thread_restart(cpu->current); // else it begins again by itself
    schedule();
}

void thread_cancel(struct thread *thread, enum status status)
{
    switch (thread->state & STATE_MASK) {
    case STATE_RECEIVE:
        thread->depth = 0; // of the last call: entry.S leaves it
        break;
    case STATE_WAITING:
        thread->waiting->waiter = NULL;
        thread->waiting = NULL;
        thread_timer(thread, TIMER_NONE);
        break;
    case STATE_CALLING:
        sched_release_chain(thread);
        ipc_orphan(thread->callee);
        thread->callee = NULL;
        break;
    case STATE_HELPING:
        sched_release_chain(thread);
        thread->helping = 0;
        break;
    default:
        return;
    }
    thread_result(thread, status);
    sched_wake(thread);
}

// Takes the thread out of whatever it waits in, serves or calls; it is then STATE_STOPPED. Its caller and callee are
// told.
static void thread_detach(struct thread *thread)
{
    thread_cancel(thread, ERR_CANCELLED);
    sched_remove(thread);
    thread->state = STATE_STOPPED | (thread->state & ~STATE_MASK);
    if (thread->home != this_cpu()->number && !thread->obj.dying) {
        thread_restart(thread); // what it wanted to do here, it does when it runs again
        sched_travel(thread, arch_cpu(thread->home));
    }
}

// Nobody will reply to the call that the thread serves.
static void drop_caller(struct thread *thread)
{
    struct thread *caller = thread->caller;

    if (!caller)
        return;
    thread->caller = NULL;
    caller->callee = NULL;
    thread_result(caller, ERR_DEAD);
    sched_wake(caller);
}

bool thread_drop_gates(struct thread *thread)
{
    for (unsigned n = 0; n < 32 && thread->gates; n++) {
        struct gate *gate = thread->gates;
        thread->gates = gate->next;
        gate->next = gate->prev = NULL;
        __atomic_store_n(&gate->worker, &dead_worker, __ATOMIC_RELEASE);
    }
    return !thread->gates;
}

void thread_leave(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    if (READ_ONCE(thread->cpu) == cpu && thread->state != STATE_DEAD) {
        thread_detach(thread);
        thread->state = STATE_DEAD;
        if (cpu->donor == thread || cpu->current == thread)
            cpu->need_resched = true;
        if (cpu->donor == thread)
            cpu->donor = NULL;
        if (cpu->current == thread)
            cpu->current = NULL;
    }
    if (thread->home == cpu->number) {
        drop_caller(thread);
        sched_release_waiters(thread);
        arch_thread_leave(thread);
    }
    if (thread->vcpu && thread->task->space.cpus >> cpu->number & 1)
        arch_space_flush(&thread->task->space); // its page is not mapped any more
}

void thread_free(struct thread *thread)
{
    arch_thread_release(thread);
    LIST_REMOVE(thread->task->space.threads, thread, task_next, task_prev);
    object_free(&thread->obj, sizeof(*thread));
}

void thread_fault(struct thread *thread, unsigned vector, uint64_t error, uint64_t address)
{
    trace(fault, thread->obj.slot, vector, error, address);
    thread->regs.vector = vector;
    thread->regs.error = error;
    thread->fault_address = address;
    thread->state = STATE_FAULTED | FLAG_FULL | (thread->state & ~STATE_MASK);
    signal_raise_ref(thread->task->fault_signal, thread->task->fault_bit);
}

static enum status copy_group(struct regs *r, uint64_t group, uint64_t words[6], bool write)
{
    uint64_t *groups[3][6] = {{&r->rip, &r->rsp, &r->rflags, &r->rax, &r->rbx, &r->rcx},
                              {&r->rdx, &r->rsi, &r->rdi, &r->rbp, &r->r8, &r->r9},
                              {&r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15}};

    if (group > 2)
        return ERR_ARG;
    for (unsigned i = 0; i < 6; i++)
        *(write ? groups[group][i] : &words[i]) = write ? words[i] : *groups[group][i];
    return OK;
}

static bool is_stopped(const struct thread *thread)
{
    unsigned state = thread->state & STATE_MASK;

    return state == STATE_STOPPED || state == STATE_FAULTED;
}

static void thread_run(struct thread *thread)
{
    thread->state = STATE_RUNNING | (thread->state & ~STATE_MASK);
    sched_wake(thread);
}

static enum status thread_start(struct thread *thread, const uint64_t words[6])
{
    if (!is_stopped(thread))
        return ERR_STATE;
    if (words[0] >= USER_END || words[1] > USER_END)
        return ERR_RANGE;
    drop_caller(thread); // a worker that is started anew does not go on with the call that it served
    thread_result(thread, OK);
    thread->depth = 0;
    thread->regs.rcx = thread->regs.r11 = 0;
    thread->regs.rip = words[0];
    thread->regs.rsp = words[1];
    thread->regs.rdi = words[2];
    thread->regs.rflags = RFLAGS_FIXED;
    thread->state = (thread->state & ~(FLAG_CANCEL | FLAG_HELPED)) | FLAG_FULL;
    thread_run(thread);
    return OK;
}

static enum status thread_write(struct thread *thread, unsigned group, uint64_t words[6])
{
    if (!is_stopped(thread))
        return ERR_STATE;
    if (group == 0 && (words[0] >= USER_END || words[1] > USER_END))
        return ERR_RANGE;
    TRY(copy_group(&thread->regs, group, words, true));
    thread->regs.rflags = (thread->regs.rflags & RFLAGS_USER) | RFLAGS_FIXED;
    thread->state |= FLAG_FULL;
    return OK;
}

static enum status thread_report(const struct thread *thread, uint64_t words[6])
{
    unsigned state = thread->state & STATE_MASK;

    words[0] = thread->regs.vector;
    words[1] = thread->regs.error;
    words[2] = thread->fault_address;
    words[3] = thread->regs.rip;
    words[4] = state == STATE_FAULTED   ? REPORT_FAULTED
               : state == STATE_STOPPED ? REPORT_STOPPED
               : state == STATE_RUNNING ? REPORT_READY
                                        : REPORT_BLOCKED;
    words[5] = 0;
    return OK;
}

static enum status thread_set_priority(struct thread *thread, uint64_t priority)
{
    if (priority >= PRIORITY_COUNT || priority > thread->task->priority_max)
        return ERR_ARG;
    bool queued = thread->queued || heap_holds(&thread->refill) || heap_holds(&thread->node);
    uint64_t deadline = thread->deadline;
    sched_remove(thread);
    thread->priority = priority;
    sched_mark_special(thread);
    thread_timer(thread, deadline);
    if (queued)
        sched_wake(thread); // where it waited, it waits again
    return OK;
}

static enum status thread_move(struct thread *thread, uint64_t number)
{
    struct cpu *to = number < CPU_MAX ? arch_cpu(number) : NULL;
    uint32_t state = thread->state;

    if ((state & STATE_MASK) == STATE_PARKED) // what it wanted to do, it does when it runs again
        state = STATE_RUNNING | (state & ~STATE_MASK);
    if (!to)
        return ERR_ARG;
    if (number == thread->home)
        return OK;
    // It must not be in anything that belongs to this CPU.
    if (thread->cpu->number != thread->home || thread->caller || thread->waiters.root ||
        (state & STATE_MASK) == STATE_CALLING || (state & STATE_MASK) == STATE_HELPING ||
        (state & STATE_MASK) == STATE_WAITING)
        return ERR_BUSY;
    __atomic_fetch_or(&thread->task->space.cpus, 1ull << number, __ATOMIC_SEQ_CST);
    arch_thread_leave(thread);
    if (this_cpu()->current == thread) { // sched_return sends it there
        thread->home = number;
        return OK;
    }
    // HAZARD: a worker can be called on its new CPU as soon as its state and home say so: `cpu` must be right before.
    thread->state = STATE_PARKED;
    sched_remove(thread);
    sched_rebase(thread, to);
    __atomic_store_n(&thread->cpu, to, __ATOMIC_RELEASE);
    __atomic_store_n((uint64_t *)&thread->state, state | number << 32, __ATOMIC_RELEASE); // and `home`
    cpu_post(&thread->obj, to);
    return OK;
}

enum status thread_ctl(struct thread *thread, uint64_t op, uint64_t words[6])
{
    switch (op & 0xff) {
    case THREAD_START:
        return thread_start(thread, words);
    case THREAD_STOP:
        if (is_stopped(thread))
            return ERR_STATE;
        thread_detach(thread);
        return OK;
    case THREAD_RESUME:
        if (!is_stopped(thread))
            return ERR_STATE;
        if (thread->regs.rip > USER_END) // HAZARD: IRET and SYSRET to a non-canonical address fault in ring 0
            return ERR_RANGE;
        thread_run(thread);
        return OK;
    case THREAD_CANCEL:
        if ((thread->state & STATE_MASK) == STATE_RUNNING || (thread->state & STATE_MASK) == STATE_PARKED)
            thread->state |= FLAG_CANCEL;
        else
            thread_cancel(thread, ERR_CANCELLED);
        return OK;
    case THREAD_READ:
        return copy_group(&thread->regs, words[0], words, false);
    case THREAD_WRITE:
        return thread_write(thread, op >> 8 & 0xff, words);
    case THREAD_FAULT:
        return thread_report(thread, words);
    case THREAD_FS_BASE:
        if (words[0] >= USER_END)
            return ERR_RANGE;
        thread->fs_base = words[0];
        thread->state = words[0] ? thread->state | FLAG_FS : thread->state & ~FLAG_FS;
        return OK;
    case THREAD_PRIORITY:
        return thread_set_priority(thread, words[0]);
    case THREAD_WEIGHT:
        if (!words[0] || words[0] > WEIGHT_MAX)
            return ERR_ARG;
        thread->weight = words[0];
        return OK;
    case THREAD_CPU:
        return thread_move(thread, words[0]);
    case THREAD_FPU:
        return arch_thread_fpu(thread, words[0] & 1);
    default:
        return ERR_ARG;
    }
}
