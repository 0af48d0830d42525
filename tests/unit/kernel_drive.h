// SPDX-License-Identifier: BSD-2-Clause
// Drives the kernel core by bytes: each step is a system call of whoever runs, a fast-path call as
// entry.S does it, an interrupt, a fault, or time that passes; the invariants are checked after
// each. For the random test and the fuzzer.
#pragma once

#include "kernel_check.h"

struct tape {
    const uint8_t *at, *end;
};

static uint64_t take(struct tape *tape, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && tape->at < tape->end; i++)
        value |= (uint64_t)*tape->at++ << 8 * i;
    return value;
}

enum { SLOTS = 40 }; // of each table: few, so that they meet

static void put(struct task *task, unsigned slot, struct object *object, unsigned rights)
{
    task->caps[slot] = object_cap(object, rights);
}

// Root and two hostile tasks, in pools of their own, with three threads each; gates and signals
// that all of them hold. Root keeps out of the way: it is not queued, so that only the others run.
static void drive_setup(void)
{
    struct pool *pool[3] = {&boot_pool};
    struct task *task[3] = {root_task};
    struct mem *mem, *shared;
    struct object *common[8];

    assert_int_equal(thread_ctl(root_thread, THREAD_STOP, (uint64_t[6]){0}), OK);
    assert_int_equal(mem_create(&boot_pool, ram_mem, 2 << 20, 1 << 20, &shared), OK);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(mem_create(&boot_pool, ram_mem, (uint64_t)i << 18, 1 << 18, &mem), OK);
        assert_int_equal(pool_create(&boot_pool, mem, 60, &pool[i]), OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct signal *signal;
        assert_int_equal(object_create(pool[i % 3], OBJ_SIGNAL, sizeof(*signal), &signal), OK);
        common[i] = &signal->obj;
    }
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(task_create(pool[i], object_cap(common[0], RIGHT_ALL), i, 50, &task[i]),
                         OK);
        for (unsigned k = 0; k < 4; k++) {
            struct thread *t;
            unsigned cpu = (2 * (i - 1) + k / 2) % HOST_CPUS;
            assert_int_equal(thread_create(pool[k == 3 ? 3 - i : i], task[i],
                                           k % 2 ? THREAD_WORKER : THREAD_ACTIVE, cpu, 30 + k, &t),
                             OK);
            put(task[i], 10 + k, &t->obj, RIGHT_ALL);
            put(root_task, 40 + 4 * i + k, &t->obj, RIGHT_ALL);
            if (k % 2) {
                struct gate *gate;
                assert_int_equal(gate_create(pool[i], t, 100 * i + k, &gate), OK);
                common[4 + 2 * (i - 1) + k / 2] = &gate->obj;
            }
            host_now = cpu;
            assert_int_equal(thread_ctl(t, THREAD_START, (uint64_t[6]){0x1000, 0x2000, 0}), OK);
            host_now = 0;
        }
    }
    for (unsigned i = 1; i < 3; i++) {
        put(task[i], 1, &task[i]->space.obj, RIGHT_ALL);
        put(task[i], 2, &pool[i]->obj, RIGHT_ALL);
        put(task[i], 3, &shared->obj, RIGHT_ALL);
        put(task[i], 4, &ports_mem->obj, RIGHT_ALL);
        put(task[i], 5, &hw_object, RIGHT_ALL);
        put(task[i], 6, &task[3 - i]->space.obj, RIGHT_ALL);
        for (unsigned k = 0; k < 8; k++)
            put(task[i], 16 + k, common[k], RIGHT_ALL);
        for (unsigned k = 0; k < 4; k++)
            task[i]->caps[24 + k] = root_task->caps[40 + 4 * (3 - i) + k];
    }
    for (; host_now < HOST_CPUS; host_now++)
        run_scheduler();
    host_now = 0;
}

// ---- entry.S in C: the paths without obstacles
static bool fast_path(struct thread *t, uint64_t op, uint64_t slot)
{
    struct thread *to;

    if (op == SYS_CALL) {
        struct gate *gate;
        if (cap_lookup(t->task, slot, OBJ_GATE, RIGHT_CALL, (struct object **)&gate) != OK)
            return false;
        to = gate->worker;
        if (to->state != STATE_RECEIVE || to->home != host_now || t->state != STATE_RUNNING ||
            t->depth >= CALL_DEPTH_MAX)
            return false;
        to->depth = t->depth + 1;
        t->state = STATE_CALLING;
        t->callee = to;
        to->caller = t;
    } else {
        to = t->caller;
        if (!to || t->state != STATE_RUNNING || to->state != STATE_CALLING)
            return false;
        t->state = STATE_RECEIVE;
        t->caller = NULL;
        to->callee = NULL;
    }
    to->state = STATE_RUNNING;
    host_cpu.current = to;
    return true;
}

static struct signal *some_signal(unsigned n)
{
    struct signal *found = NULL;

    FOR_OBJECTS(o)
    if (o->type == OBJ_SIGNAL && !o->dying && (!found || !n--))
        found = (struct signal *)o;
    return found;
}

// Root would start it again.
static void revive(unsigned n)
{
    struct thread *found = NULL;
    unsigned skip = n >> 2 & 15;

    FOR_OBJECTS(o)
    if (o->type == OBJ_THREAD && o != &root_thread->obj && !o->dying &&
        ((struct thread *)o)->cpu == this_cpu() && (!found || skip--))
        found = (struct thread *)o;
    if (!found)
        return;
    unsigned ops[] = {THREAD_START, THREAD_START, THREAD_RESUME, THREAD_CANCEL};
    if (thread_ctl(found, ops[n & 3], (uint64_t[6]){0x1000, 0x2000, 0}) == ERR_RANGE)
        panic("thread stopped where it cannot be, line", __LINE__);
}

static unsigned interrupt_choices[HOST_CPUS];
#define interrupt_choice (interrupt_choices[host_now])
static void interrupt(void)
{
    struct signal *signal = some_signal(interrupt_choice & 15);

    if (interrupt_choice & 0x40) {
        host_time += 2000000; // more than a slice
        sched_timer_interrupt();
    } else if (signal) {
        signal_raise(signal, 1ull << (interrupt_choice >> 4));
    }
}

static uint64_t take_value(struct tape *tape)
{
    static const uint64_t special[] = {0,          1,          2,
                                       3,          5,          4096,
                                       8192,       1 << 16,    1 << 20,
                                       3 << 19,    2 << 20,    0x40000000,
                                       0x40200000, USER_END,   USER_END - 4096,
                                       1ull << 47, 1ull << 63, (1ull << 63) + 8,
                                       -1ull,      -4096ull,   CAP_NONE,
                                       24,         60};
    unsigned kind = take(tape, 1);

    if (kind < 0x60)
        return kind % SLOTS;
    if (kind < 0xa0)
        return special[kind % (sizeof(special) / sizeof(*special))];
    return kind < 0xf0 ? take(tape, 1) << 12 : take(tape, 8);
}

static bool drive_trace;
static FILE *drive_log;
static unsigned drive_ok[SYS_COUNT], drive_fast,
    drive_idle; // calls that succeeded, to see that the test gets anywhere

// Arguments that often make sense.
static void likely_create(uint64_t *label, uint64_t w[6], uint64_t slot, bool likely)
{
    unsigned type = *label % 9;

    *label = type | (28 + slot % 12) << 16;
    if (!likely)
        return;
    switch (type) {
    case OBJ_MEM:
        w[0] = w[5] & 1 ? 3 : 28 + w[0] % 12;
        break;
    case OBJ_POOL:
        w[0] = 28 + w[0] % 12;
        w[1] = 1 + w[1] % 16;
        break;
    case OBJ_TASK:
        w[0] = w[5] & 1 ? 16 : CAP_NONE;
        w[1] %= 64;
        w[2] %= 51;
        break;
    case OBJ_THREAD:
        w[0] = w[5] & 1 ? 1 : 6;
        w[1] = w[1] % 2 | w[4] % HOST_CPUS << 8;
        w[2] %= 51;
        break;
    case OBJ_GATE:
        w[0] = w[5] & 1 ? 11 : 13;
        break;
    case OBJ_IRQ:
        w[0] = 5;
        w[1] %= 24;
        w[2] = 16 + w[2] % 4;
        w[3] %= 64;
        break;
    default:
        break;
    }
}

static void drive_call(struct tape *tape, struct thread *t)
{
    static const uint8_t ops[] = {
        SYS_CALL,       SYS_CALL,      SYS_CALL,     SYS_REPLY_WAIT, SYS_REPLY_WAIT, SYS_REPLY_WAIT,
        SYS_WAIT,       SYS_RAISE,     SYS_RAISE,    SYS_YIELD,      SYS_CREATE,     SYS_CREATE,
        SYS_CREATE,     SYS_DESTROY,   SYS_REVOKE,   SYS_CAP_COPY,   SYS_CAP_DROP,   SYS_MAP,
        SYS_MAP,        SYS_MAP,       SYS_UNMAP,    SYS_UNMAP,      SYS_THREAD_CTL, SYS_THREAD_CTL,
        SYS_THREAD_CTL, SYS_TASK_CTL,  SYS_VCPU_RUN, SYS_VCPU_CTL,   SYS_IRQ_CTL,    SYS_HW_CTL,
        SYS_LOG,        SYS_DEVICE_CTL};
    unsigned choice = take(tape, 1);
    uint64_t op = ops[choice % sizeof(ops)], slot = take(tape, 1) % SLOTS, label = take_value(tape),
             w[6];

    for (unsigned i = 0; i < 6; i++)
        w[i] = take_value(tape);
    if (t->kind == THREAD_WORKER && choice >= 0xb0)
        op = SYS_REPLY_WAIT;
    if (op == SYS_CALL && slot < 32)
        slot = 20 + slot % 8;
    if (op == SYS_WAIT || op == SYS_RAISE)
        slot = slot < 32 ? 16 + slot % 4 : slot;
    if (op == SYS_CREATE)
        likely_create(&label, w, slot, choice & 0x40), slot = 2;
    if (op == SYS_DESTROY && choice & 0xc0 && (slot < 8 || (slot >= 16 && slot < 20)))
        slot = 10 + (choice >> 4); // rarely what all of them need
    if (op == SYS_MAP && choice & 0x40)
        label = 3, slot = 1, w[0] &= 0xff000, w[1] = 0x40000000 | (w[1] & 0xff000),
        w[2] &= 0x1ff000, w[3] = MAP_READ | (w[3] & 6);
    if (op == SYS_UNMAP && choice & 0x40)
        slot = 1, w[0] = 0x40000000 | (w[0] & 0xff000), w[1] &= 0x1ff000;
    if (op == SYS_THREAD_CTL && choice & 0x40)
        slot = (slot & 4 ? 10 : 24) + slot % 4, label %= THREAD_FPU + 1;
    if (op == SYS_THREAD_CTL && label == THREAD_BUDGET && choice & 0x20)
        w[0] %= 4000, w[1] = w[0] ? 10000 + w[1] % 4000 : 0,
                      w[2] = w[2] & 1 ? CAP_NONE : 16 + w[2] % 4, w[3] %= 64;
    if (op == SYS_THREAD_CTL && label == THREAD_CPU && choice & 0x20)
        w[0] %= HOST_CPUS;
    if (op == SYS_THREAD_CTL && (label == THREAD_PRIORITY || label == THREAD_WEIGHT) &&
        choice & 0x20)
        w[0] %= 8;
    // Always: whether it is seen must not change when other CPUs go on (test_kernel_smp.c).
    if (!drive_log)
        drive_log = drive_trace ? stdout : fopen("/dev/null", "w");
    fprintf(drive_log, "%p: op %u slot %u label 0x%lx w 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n", (void *)t,
            (unsigned)op, (unsigned)slot, label, w[0], w[1], w[2], w[3], w[4]);
    if (op <= SYS_REPLY_WAIT && choice & 0x80 && fast_path(t, op, slot)) {
        drive_fast++;
        return;
    }
    if (choice & 0x20) {
        interrupt_choice = take(tape, 1);
        at_preempt = interrupt;
    }
    t->regs.rip = 0x400000;
    sys_raw(t, op, slot, label, w);
    at_preempt = NULL;
    drive_ok[op] += host_cpu.current == t && !t->regs.rax;
}

// One step of this CPU.
static void drive_act(struct tape *tape)
{
    struct thread *t = host_cpu.current;
    unsigned what = take(tape, 1);

    drive_idle += !t;
    interrupt_choice = take(tape, 1);
    if (!t || what >= 0xe0) {
        if (t)
            t->state |= FLAG_FULL; // interrupted at user level
        else if (what & 1)
            revive(what >> 1);
        interrupt();
        if (t && what >= 0xfc)
            thread_fault(t, what & 31, 0, 0);
        run_scheduler();
    } else {
        drive_call(tape, t);
    }
}

static void drive_step(struct tape *tape, bool deep)
{
    drive_act(tape);
    check_kernel(deep);
}

__attribute__((unused)) static unsigned drive(struct tape *tape)
{
    unsigned steps = 0;

    drive_setup();
    while (tape->at < tape->end) {
        steps++;
        drive_step(tape, steps % 16 == 0);
    }
    check_kernel(true);
    return steps;
}
