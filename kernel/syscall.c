// SPDX-License-Identifier: BSD-2-Clause
// System calls: each decodes its registers, looks up and checks its capabilities, and acts; after the checks only
// memory and quota can be missing. The table of calls is include/bulkhead/syscalls.def. What a call changes decides on
// which CPU it is done (see cpu.h): the calling thread goes there.
#include "syscall.h"
#include "check.h"
#include "debug.h"
#include "destroy.h"
#include "ipc.h"
#include "irq.h"
#include "sched.h"
#include "signal.h"

struct call {
    struct thread *thread;
    struct task *task; // of the caller
    void *object;      // behind the capability in `slot`, as far as `calls` looks it up
    uint64_t slot, label, w[6];
    unsigned words; // results: w[0..words)
};

static enum status lookup(const struct call *c, uint64_t slot, enum object_type type, unsigned rights, void *out)
{
    return cap_lookup(c->task, slot, type, rights, (struct object **)out);
}

// So that what is made needs no scrubbing, which would take too long for a single step.
static void scrub(struct pool *pool, unsigned pages)
{
    while (!pool_scrub(pool, pages)) // bound: pages
        preemption_point();
}

// After a step that left something to do.
static void next_step(enum step step)
{
    if (step == STEP_WAIT)
        schedule(); // it sleeps
    if (step == STEP_AGAIN)
        preemption_point();
}

// The call is to be done on another CPU. HAZARD: who comes home has done its call: there it begins anew.
static _Noreturn void travel(struct thread *thread, struct cpu *to)
{
    if (thread->home == to->number)
        thread_restart(thread);
    sched_travel(thread, to);
    schedule();
}

static enum status sys_call(struct call *c)
{
    return ipc_call(c->thread, c->object);
}

static enum status sys_raise(struct call *c)
{
    struct signal *signal;
    cap_t cap = c->slot < CAP_SLOTS ? READ_ONCE(c->task->caps[c->slot]) : 0;
    TRY(cap_resolve(cap, OBJ_SIGNAL, RIGHT_RAISE, (struct object **)&signal));
    unsigned rights = cap_rights(cap);
    signal_raise(signal, rights & RIGHT_ONE_BIT ? 1ull << (rights >> 5 & 63) : c->label);
    return OK;
}

static enum status sys_wait(struct call *c)
{
    return signal_wait(c->object, c->thread, c->label & 1, c->w[0]);
}

static enum status create_pool(struct call *c, struct pool *home, struct object **out)
{
    struct mem *mem;
    TRY(lookup(c, c->w[0], OBJ_MEM, RIGHT_CTRL, &mem));
    if (mem->kind != MEM_RAM || !c->w[1] || c->w[1] >= SLOT_COUNT_MAX)
        return ERR_ARG;
    if (mem->children || mem->records || mem->pool)
        return ERR_BUSY;
    return pool_create(home, mem, c->w[1], (struct pool **)out);
}

static enum status create_mem(struct call *c, struct pool *pool, struct object **out)
{
    struct mem *parent;
    TRY(lookup(c, c->w[0], OBJ_MEM, RIGHT_CTRL, &parent));
    return mem_create(pool, parent, c->w[1], c->w[2], (struct mem **)out);
}

// A signal that something will raise by itself later: the right, and the bit when it is restricted to one.
static enum status lookup_raise(const struct call *c, uint64_t slot, uint64_t bit, cap_t *cap)
{
    struct object *signal;

    *cap = slot < CAP_SLOTS ? READ_ONCE(c->task->caps[slot]) : 0;
    enum status status = cap_resolve(*cap, OBJ_SIGNAL, RIGHT_RAISE, &signal);
    unsigned rights = cap_rights(*cap);
    return status == OK && rights & RIGHT_ONE_BIT && (rights >> 5 & 63) != bit ? ERR_RIGHTS : status;
}

static enum status create_task(struct call *c, struct pool *pool, struct object **out)
{
    cap_t fault = 0;

    if (c->w[1] > 63 || c->w[2] > c->task->priority_max || c->w[3] > UINT32_MAX)
        return ERR_ARG;
    TRY(c->w[0] == CAP_NONE ? OK : lookup_raise(c, c->w[0], c->w[1], &fault));
    scrub(pool, 2);
    TRY(task_create(pool, fault, c->w[1], c->w[2], (struct task **)out));
    ((struct task *)*out)->domain = c->w[3];
    return OK;
}

static enum status create_thread(struct call *c, struct pool *pool, struct object **out)
{
    struct task *task;
    struct guest *guest = NULL;
    unsigned kind = c->w[1] & 0xff, cpu = c->w[1] >> 8 & 0xff;
    unsigned behind = c->w[4] & VCPU_FPU ? 2 : c->w[4] & VCPU_APIC ? 1 : 0; // pages, whose places are fixed
    uint64_t page = c->w[4] & -PAGE_SIZE, last = page + behind * PAGE_SIZE;

    TRY(lookup(c, c->w[0], OBJ_TASK, RIGHT_CTRL, &task));
    if (kind == THREAD_VCPU)
        TRY(lookup(c, c->w[3], OBJ_GUEST, RIGHT_CTRL, &guest));
    if (c->w[1] >> 16 || kind > THREAD_VCPU || !arch_cpu(cpu) || c->w[2] >= PRIORITY_COUNT ||
        c->w[2] > task->priority_max || c->w[2] > c->task->priority_max)
        return ERR_ARG;
    if (guest && (c->w[4] & (PAGE_SIZE - 1 - VCPU_APIC - VCPU_FPU) || c->w[4] >= USER_END || last >= USER_END))
        return ERR_RANGE;
    if (guest) {
        for (bool again; page <= last; page += PAGE_SIZE) { // bound: three; so that to map them cannot fail later
            do {                                            // bound: levels
                TRY(ptab_reserve(&task->space.ptab, page, &again));
                if (again)
                    preemption_point();
            } while (again);
        }
        scrub(pool, VCPU_PAGES);
        scrub(guest->space.ptab.pool, 4); // its APIC page, and tables for it
    }
    TRY(thread_create(pool, task, kind, cpu, c->w[2], (struct thread **)out));
    if (!guest)
        return OK;
    arch_preempt_point(); // interrupts only: a restart would lose the thread
    enum status status = arch_vcpu_create((struct thread *)*out, guest, c->w[4]);
    if (status != OK)
        thread_free((struct thread *)*out);
    return status;
}

static enum status create_gate(struct call *c, struct pool *pool, struct object **out)
{
    struct thread *worker;
    TRY(lookup(c, c->w[0], OBJ_THREAD, RIGHT_CTRL, &worker));
    if (worker->kind != THREAD_WORKER)
        return ERR_STATE;
    return gate_create(pool, worker, c->w[1], (struct gate **)out);
}

static enum status create_irq(struct call *c, struct pool *pool, struct object **out)
{
    struct object *hw;
    cap_t signal;

    TRY(lookup(c, c->w[0], OBJ_HW, RIGHT_CTRL, &hw));
    TRY(lookup_raise(c, c->w[2], c->w[3], &signal));
    if (c->w[3] > 63 || c->w[1] & ~(0xffffull | IRQ_LEVEL | IRQ_LOW))
        return ERR_ARG;
    return irq_create(pool, c->w[1], signal, c->w[3], (struct irq **)out);
}

static enum status create_guest(struct call *c, struct pool *pool, struct object **out)
{
    (void)c;
    scrub(pool, 1);
    return guest_create(pool, (struct guest **)out);
}

static enum status create_signal(struct call *c, struct pool *pool, struct object **out)
{
    (void)c;
    return object_create(pool, OBJ_SIGNAL, sizeof(struct signal), out);
}

static enum status sys_create(struct call *c)
{
    static enum status (*const create[OBJ_COUNT])(struct call *, struct pool *, struct object **) = {
        [OBJ_POOL] = create_pool,     [OBJ_MEM] = create_mem,       [OBJ_TASK] = create_task,
        [OBJ_GUEST] = create_guest,   [OBJ_THREAD] = create_thread, [OBJ_GATE] = create_gate,
        [OBJ_SIGNAL] = create_signal, [OBJ_IRQ] = create_irq,
    };
    struct object *object = NULL;
    uint64_t slot = c->label >> 16, type = c->label & 0xffff;
    if (slot == 0 || slot >= CAP_SLOTS || c->task->caps[slot])
        return ERR_SLOT;
    if (type >= OBJ_COUNT || !create[type])
        return type == OBJ_DEVICE ? ERR_UNSUPPORTED : ERR_ARG;
    TRY(create[type](c, c->object, &object));
    c->task->caps[slot] = object_cap(object, RIGHT_ALL);
    return OK;
}

static enum status sys_destroy(struct call *c)
{
    cap_t cap = c->slot < CAP_SLOTS ? c->task->caps[c->slot] : 0;
    struct object *object = cap_object(cap);

    if (!object)
        object = object_condemned(cap); // this call restarts
    if (!object)
        return ERR_CAP;
    if (!(cap_rights(cap) & RIGHT_CTRL))
        return ERR_RIGHTS;
    if (object->type == OBJ_HW || (object->type == OBJ_POOL && !((struct pool *)object)->mem))
        return ERR_STATE; // the boot pool holds the kernel's own objects
    enum step step;
    do { // bound: preemptible
        step = object_destroy_step(object, c->thread);
        if (this_cpu()->current != c->thread) { // it destroyed itself
            arch_preempt_point();
            schedule();
        }
        next_step(step);
    } while (step != STEP_DONE);
    c->task->caps[c->slot] = 0;
    return OK;
}

static enum status sys_revoke(struct call *c)
{
    struct object *object = c->object;
    unsigned rights = cap_rights(c->task->caps[c->slot]);
    if (!object_revoke(object))
        return ERR_STATE;
    if (object->type == OBJ_GATE)
        gate_look_again((struct gate *)object);
    c->task->caps[c->slot] = object_cap(object, rights);
    return OK;
}

static enum status sys_cap_copy(struct call *c)
{
    struct task *from = c->object, *to;
    struct object *object;

    TRY(lookup(c, c->w[1], OBJ_TASK, RIGHT_CTRL, &to));
    TRY(cap_lookup(from, c->w[0], OBJ_NONE, 0, &object));
    if (c->w[2] == 0 || c->w[2] >= CAP_SLOTS || to->caps[c->w[2]])
        return ERR_SLOT;
    unsigned had = cap_rights(from->caps[c->w[0]]), keep = c->w[3];
    if (c->w[3] > 0xfff || (keep & RIGHT_ONE_BIT && object->type != OBJ_SIGNAL))
        return ERR_ARG;
    // HAZARD: a restriction to one bit must survive every further copy.
    unsigned bit = had & RIGHT_ONE_BIT ? had & 0xff0 : keep & RIGHT_ONE_BIT ? keep & 0xff0 : 0;
    unsigned rights = had & keep & RIGHT_ALL;
    if (bit)
        rights &= RIGHT_RAISE;
    to->caps[c->w[2]] = object_cap(object, rights | bit);
    return OK;
}

static enum status sys_cap_drop(struct call *c)
{
    if (c->w[0] >= CAP_SLOTS)
        return ERR_ARG;
    ((struct task *)c->object)->caps[c->w[0]] = 0;
    return OK;
}

static enum status lookup_space(struct call *c, struct space **space)
{
    enum status status = lookup(c, c->slot, OBJ_TASK, RIGHT_MAP, space);

    return status == ERR_CAP ? lookup(c, c->slot, OBJ_GUEST, RIGHT_MAP, space) : status;
}

static enum status sys_map(struct call *c)
{
    struct space *space;
    struct mem *mem;
    enum step step;

    TRY(lookup_space(c, &space));
    TRY(lookup(c, c->label, OBJ_MEM, RIGHT_READ, &mem));
    if (c->w[3] & ~(uint64_t)cap_rights(c->task->caps[c->label]) & RIGHT_ALL)
        return ERR_RIGHTS;
    if (c->w[3] > RIGHT_ALL)
        return ERR_ARG;
    do { // bound: preemptible
        TRY(space_map(space, mem, c->w[0], c->w[1], c->w[2], c->w[3], c->thread, &step));
        next_step(step);
    } while (step != STEP_DONE);
    return OK;
}

static enum status sys_unmap(struct call *c)
{
    struct space *space;
    struct mem *mem;
    enum step step;

    if (lookup(c, c->slot, OBJ_MEM, RIGHT_CTRL, &mem) == OK) {
        while (mem->records) { // bound: preemptible
            step = record_remove_step(mem->records, c->thread);
            next_step(step == STEP_DONE ? STEP_AGAIN : step);
        }
        return OK;
    }
    TRY(lookup_space(c, &space));
    do { // bound: preemptible
        TRY(space_unmap(space, c->w[0], c->w[1], c->thread, &step));
        next_step(step);
    } while (step != STEP_DONE);
    return OK;
}

static enum status thread_budget(struct call *c, struct thread *thread)
{
    cap_t overrun = 0;

    if (c->w[0] > c->w[1] || c->w[1] > PERIOD_MAX || (!c->w[0] && c->w[1]) || c->w[3] > 63)
        return ERR_ARG;
    // HAZARD: the interrupts that begin periods cost whoever runs then.
    if (c->w[1] && c->w[1] < tsc_hz / PERIODS_PER_SECOND)
        return ERR_ARG;
    TRY(c->w[2] == CAP_NONE ? OK : lookup_raise(c, c->w[2], c->w[3], &overrun));
    sched_budget(thread, c->w[0], c->w[1], overrun, c->w[3]);
    return OK;
}

static enum status sys_thread_ctl(struct call *c)
{
    struct thread *thread;
    unsigned op = c->label & 0xff;
    bool timing = op == THREAD_PRIORITY || op == THREAD_BUDGET || op == THREAD_WEIGHT;
    TRY(lookup(c, c->slot, OBJ_THREAD, RIGHT_CTRL | (timing ? RIGHT_SCHEDULE : 0), &thread));
    if (c->label > 0xffff || (c->label >> 8 && op != THREAD_WRITE))
        return ERR_ARG;
    bool area = op == THREAD_FPU && c->w[0] & 1 && !READ_ONCE(thread->xstate);
    if (area && this_cpu()->number == 0) { // first the save area is made, from a pool
        scrub(thread->obj.pool, 1);
        TRY(arch_thread_area(thread));
        area = false;
    }
    // HAZARD: after the only look-up: CPU 0 may put another thread into the slot at any time.
    struct cpu *place = area ? arch_cpu(0) : READ_ONCE(thread->cpu);
    if (place != this_cpu())
        travel(c->thread, place);
    if (thread_is_moving(thread))
        return ERR_BUSY;
    if (op == THREAD_BUDGET)
        return thread_budget(c, thread);
    if (op == THREAD_PRIORITY && c->w[0] > c->task->priority_max)
        return ERR_ARG;
    c->words = op == THREAD_READ || op == THREAD_FAULT ? 6 : 0;
    return thread_ctl(thread, c->label, c->w);
}

static enum status sys_task_ctl(struct call *c)
{
    struct task *task = c->object;
    c->words = 2;
    switch (c->label) {
    case TASK_READ_CAP:
        if (c->w[0] >= CAP_SLOTS)
            return ERR_ARG;
        cap_t cap = task->caps[c->w[0]];
        struct object *object = cap_object(cap);
        c->w[0] = object ? cap : 0;
        c->w[1] = object ? object->type : OBJ_NONE;
        return OK;
    case TASK_TIME:
        c->w[0] = task->time;
        c->w[1] = task->overruns;
        return OK;
    default:
        return ERR_ARG;
    }
}

static enum status sys_vcpu_ctl(struct call *c)
{
    struct signal *signal;
    if (c->label != VCPU_BIND)
        return ERR_ARG;
    TRY(lookup(c, c->w[0], OBJ_SIGNAL, RIGHT_WAIT, &signal));
    return arch_vcpu_bind(c->object, signal);
}

static enum status sys_irq_ctl(struct call *c)
{
    return irq_ctl(c->object, c->label);
}

static enum status sys_hw_ctl(struct call *c)
{
    struct pool *pool;
    if (CHECKED && c->label == HW_CHECK) {
        c->w[0] = check_slots(c->w[0], 16);
        c->words = 1;
        return OK;
    }
    enum status status;
    c->words = 1;
    if (debug_hw_ctl(c->task, c->label, c->w, &status))
        return status;
    if (c->label != HW_POOL_FREE)
        return arch_hw_ctl(c->label, c->w);
    TRY(lookup(c, c->w[0], OBJ_POOL, RIGHT_CTRL, &pool));
    c->w[0] = pool->free_pages;
    c->w[1] = pool->slots_left;
    c->words = 2;
    return OK;
}

#define LOG_POLLS 100000
static enum status sys_log(struct call *c)
{
    if (!DEBUG)
        return ERR_UNSUPPORTED;
    // A restart goes on where it was: bits 8.. of the label count the bytes sent, twice, as each may follow a CR.
    uint64_t count = c->label & 0xff, done = c->label >> 8;
    if (!count || count > sizeof(c->w) || done >= 2 * count)
        return ERR_ARG;
    for (unsigned polls = 0; done < 2 * count;) { // bound: polls
        const char byte = ((const char *)c->w)[done / 2], sent[2] = {'\r', byte};
        bool skip = !(done & 1) && byte != '\n';
        if (skip || arch_log_byte(sent[done & 1]) || ++polls == LOG_POLLS)
            done++;
        c->thread->regs.rsi = done << 8 | count;
        if (!skip && done < 2 * count)
            preemption_point();
    }
    return OK;
}

static enum status sys_vcpu_run(struct call *c)
{
    arch_vcpu_run(c->thread);
    sched_return(c->thread);
}

static enum status sys_reply_wait(struct call *c)
{
    return ipc_reply_wait(c->thread);
}

static enum status sys_yield(struct call *c)
{
    (void)c;
    if (this_cpu()->donor)
        sched_rotate(this_cpu()->donor);
    return OK;
}

// `place`: HERE where the caller is; SHARED on CPU 0, as it changes what all CPUs share; thread_ctl itself goes to
// where the thread is. `type`, `rights`: of the capability in c->slot; 0: there is none, or the handler looks it up.
// clang-format off
static const struct {
    enum status (*handler)(struct call *);
    enum { HERE, SHARED } place;
    enum object_type type;
    unsigned rights;
} calls[SYS_COUNT] = {
    [SYS_CALL] = {sys_call, HERE, OBJ_GATE, RIGHT_CALL},
    [SYS_REPLY_WAIT] = {sys_reply_wait, HERE, OBJ_NONE, 0},
    [SYS_RAISE] = {sys_raise, HERE, OBJ_NONE, 0},
    [SYS_WAIT] = {sys_wait, HERE, OBJ_SIGNAL, RIGHT_WAIT},
    [SYS_YIELD] = {sys_yield, HERE, OBJ_NONE, 0},
    [SYS_CREATE] = {sys_create, SHARED, OBJ_POOL, RIGHT_CREATE},
    [SYS_DESTROY] = {sys_destroy, SHARED, OBJ_NONE, 0},
    [SYS_REVOKE] = {sys_revoke, SHARED, OBJ_NONE, RIGHT_CTRL},
    [SYS_CAP_COPY] = {sys_cap_copy, SHARED, OBJ_TASK, RIGHT_CTRL},
    [SYS_CAP_DROP] = {sys_cap_drop, SHARED, OBJ_TASK, RIGHT_CTRL},
    [SYS_MAP] = {sys_map, SHARED, OBJ_NONE, 0},
    [SYS_UNMAP] = {sys_unmap, SHARED, OBJ_NONE, 0},
    [SYS_THREAD_CTL] = {sys_thread_ctl, HERE, OBJ_NONE, 0},
    [SYS_TASK_CTL] = {sys_task_ctl, SHARED, OBJ_TASK, RIGHT_CTRL},
    [SYS_VCPU_RUN] = {sys_vcpu_run, HERE, OBJ_NONE, 0},
    [SYS_VCPU_CTL] = {sys_vcpu_ctl, SHARED, OBJ_THREAD, RIGHT_CTRL},
    [SYS_IRQ_CTL] = {sys_irq_ctl, SHARED, OBJ_IRQ, RIGHT_CTRL},
    [SYS_HW_CTL] = {sys_hw_ctl, SHARED, OBJ_HW, RIGHT_CTRL},
    [SYS_LOG] = {sys_log, SHARED, OBJ_NONE, 0},
};
// clang-format on

static struct cpu *place_of(const struct call *c, unsigned op)
{
    if (calls[op].place == HERE || (CHECKED && op == SYS_HW_CTL && c->label == HW_CHECK)) // each CPU checks its own
        return c->thread->cpu;
    return arch_cpu(0);
}

void syscall_slow(struct thread *thread)
{
    struct regs *r = &thread->regs;
    unsigned op = r->rdi & 0xff;
    struct call c = {.thread = thread,
                     .task = thread->task,
                     .object = NULL,
                     .words = 0,
                     .slot = (uint32_t)r->rdi >> 16,
                     .label = r->rsi,
                     .w = {r->rdx, r->r10, r->r8, r->r9, r->r12, r->r13}};
    trace(syscall, thread->obj.slot, op, c.slot, c.label);
    enum status status = op == SYS_DEVICE_CTL ? ERR_UNSUPPORTED : ERR_ARG;

    if (op < SYS_COUNT && calls[op].handler) {
        struct cpu *place = place_of(&c, op);
        if (place != thread->cpu)
            travel(thread, place);
        status = calls[op].rights ? lookup(&c, c.slot, calls[op].type, calls[op].rights, &c.object) : OK;
        if (status == OK)
            status = calls[op].handler(&c);
        if (this_cpu()->current != thread) // away from home it stopped itself: it belongs to its home again
            schedule();
    }
    trace(result, thread->obj.slot, op, status, c.w[0]);
    if (status == OK && (op == SYS_CALL || op == SYS_REPLY_WAIT || op == SYS_WAIT))
        sched_return(thread); // it blocks, or has its message
    // A call on itself may have stopped the thread: it then resumes with this result. Or it rewrote it: its registers
    // stay so.
    uint32_t state = thread->state, plain = state & (STATE_MASK | FLAG_FULL);
    if (plain == STATE_RUNNING || plain == STATE_STOPPED) {
        thread_result(thread, status);
        thread->state = state;
        if (status == OK && c.words) {
            uint64_t *out[6] = {&r->rdx, &r->r10, &r->r8, &r->r9, &r->r12, &r->r13};
            for (unsigned i = 0; i < c.words; i++)
                *out[i] = c.w[i];
        }
    }
    sched_return(thread);
}
