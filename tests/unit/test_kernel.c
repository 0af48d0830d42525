// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cpu.c tests/invariants/check.c tests/invariants/check_thread.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c kernel/heap.c
// The kernel core: every object's life, memory accounting, IPC with helping, donation and death.
#include "kernel_host.h"

#define R root_thread

static void create(uint64_t type, uint64_t slot, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, type | slot << 16, w0, w1, w2, w3, 0, 0), OK);
}

static void *object_at(uint64_t slot)
{
    return cap_object(root_task->caps[slot]);
}

static void start(uint64_t slot)
{
    assert_int_equal(SYS(R, THREAD_CTL, slot, THREAD_START, 0x1000, 0x2000, 0), OK);
}

// A worker of `priority` in slot with a gate in slot + 1, waiting for calls.
static struct thread *make_worker(uint64_t slot, unsigned priority, uint64_t badge)
{
    create(OBJ_THREAD, slot, SLOT_TASK, THREAD_WORKER, 63,
           0); // above root, so that it runs at once
    create(OBJ_GATE, slot + 1, slot, badge, 0, 0);
    struct thread *w = object_at(slot);
    start(slot);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, REPLY_WAIT, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(w->state, STATE_RECEIVE);
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(SYS(R, THREAD_CTL, slot, THREAD_PRIORITY, priority, 0, 0, 0, 0, 0), OK);
    return w;
}

static struct thread *make_active(uint64_t slot, unsigned priority)
{
    create(OBJ_THREAD, slot, SLOT_TASK, THREAD_ACTIVE, priority, 0);
    struct thread *t = object_at(slot);
    start(slot);
    return t;
}

static void bad_arguments(void **state)
{
    (void)state;
    assert_int_equal(SYS(R, CALL, 511, 0, 0), ERR_CAP);
    assert_int_equal(SYS(R, CALL, 65535, 0, 0), ERR_CAP);
    assert_int_equal(SYS(R, CALL, SLOT_TASK, 0, 0), ERR_CAP);
    assert_int_equal(SYS(R, REPLY_WAIT, 0, 0, 0), ERR_STATE);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_SIGNAL, 0), ERR_SLOT);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_SIGNAL | (uint64_t)SLOT_TASK << 16, 0),
                     ERR_SLOT);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_SIGNAL | 512 << 16, 0), ERR_SLOT);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_SIGNAL | UINT64_MAX << 16, 0), ERR_SLOT);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, 99 | 20 << 16, 0), ERR_ARG);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_DEVICE | 20 << 16, 0), ERR_UNSUPPORTED);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_THREAD | 20 << 16, SLOT_TASK, 3, 0), ERR_ARG);
    assert_int_equal(
        SYS(R, CREATE, SLOT_POOL, OBJ_THREAD | 20 << 16, SLOT_TASK, THREAD_ACTIVE | 1 << 8, 0),
        ERR_ARG);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_THREAD | 20 << 16, SLOT_TASK, THREAD_ACTIVE, 64),
                     ERR_ARG);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_GATE | 20 << 16, SLOT_THREAD, 0), ERR_STATE);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 20 << 16, SLOT_RAM, 1, 4096), ERR_ARG);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 20 << 16, SLOT_RAM, 0, 0), ERR_ARG);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 20 << 16, SLOT_RAM, 0, -4096ull),
                     ERR_RANGE);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 20 << 16, SLOT_RAM, -4096ull, 8192),
                     ERR_RANGE);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, USER_END, 4096, MAP_READ), ERR_RANGE);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, USER_END - 4096, 8192, MAP_READ),
                     ERR_RANGE);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, 0x1000, 4096, MAP_WRITE), ERR_ARG);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, 0x1000, 4096, 0x11), ERR_ARG);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_TASK, 0, 0x1000, 4096, MAP_READ), ERR_CAP);
    assert_int_equal(SYS(R, UNMAP, SLOT_TASK, 0, 1, 4096), ERR_ARG);
    assert_int_equal(SYS(R, UNMAP, SLOT_TASK, 0, 0x1000, -4096ull), ERR_RANGE);
    assert_int_equal(SYS(R, DESTROY, SLOT_POOL, 0, 0), ERR_STATE);
    assert_int_equal(SYS(R, DESTROY, SLOT_HW, 0, 0), ERR_STATE);
    assert_int_equal(SYS(R, DESTROY, 400, 0, 0), ERR_CAP);
    assert_int_equal(SYS(R, THREAD_CTL, SLOT_THREAD, 99, 0), ERR_ARG);
    assert_int_equal(SYS(R, THREAD_CTL, SLOT_THREAD, THREAD_START, 0), ERR_STATE);
    assert_int_equal(SYS(R, THREAD_CTL, SLOT_THREAD, THREAD_FS_BASE, USER_END), ERR_RANGE);
    assert_int_equal(SYS(R, THREAD_CTL, SLOT_THREAD, THREAD_READ, 3), ERR_ARG);
    assert_int_equal(SYS(R, TASK_CTL, SLOT_TASK, TASK_READ_CAP, 512), ERR_ARG);
    assert_int_equal(SYS(R, VCPU_RUN, 0, 0, 0), ERR_STATE);
    assert_int_equal(SYS(R, IRQ_CTL, SLOT_TASK, 0, 0), ERR_CAP);
    assert_int_equal(SYS(R, DEVICE_CTL, 0, 0, 0), ERR_UNSUPPORTED);
    assert_int_equal(SYS(R, LOG, 0, 0, 0), ERR_ARG);
    assert_int_equal(SYS(R, LOG, 0, 49, 0), ERR_ARG);
    sys_raw(R, 200, 0, 0, (uint64_t[6]){0});
    assert_int_equal(R->regs.rax, ERR_ARG);
}

static void rights_are_checked(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 21, RIGHT_RAISE | RIGHT_BIT(7)),
                     OK);
    assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 22, RIGHT_WAIT), OK);
    assert_int_equal(SYS(R, WAIT, 21, 1, 0), ERR_RIGHTS);
    assert_int_equal(SYS(R, RAISE, 22, 1, 0), ERR_RIGHTS);
    assert_int_equal(SYS(R, DESTROY, 21, 0, 0), ERR_RIGHTS);
    assert_int_equal(SYS(R, REVOKE, 22, 0, 0), ERR_RIGHTS);
    assert_int_equal(SYS(R, RAISE, 21, 0xffff, 0), OK); // only its own bit
    assert_int_equal(SYS(R, WAIT, 22, 1, 0), OK);
    assert_int_equal(R->regs.rdx, 1 << 7);
    // The restriction survives a copy, whatever that asks for.
    assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, 21, SLOT_TASK, 23, RIGHT_ALL | RIGHT_BIT(3)),
                     OK);
    assert_int_equal(SYS(R, RAISE, 23, 8, 0), OK);
    assert_int_equal(SYS(R, WAIT, 20, 1, 0), OK);
    assert_int_equal(R->regs.rdx, 1 << 7);
    assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, SLOT_RAM, SLOT_TASK, 24, MAP_READ), OK);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, 24, 0, 0x10000, 4096, MAP_READ | MAP_WRITE),
                     ERR_RIGHTS);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, 24, 0, 0x10000, 4096, MAP_READ), OK);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 30 << 16, 24, 0, 4096), ERR_RIGHTS);
}

static void revoke_kills_all_but_one(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 21, RIGHT_ALL), OK);
    assert_int_equal(SYS(R, REVOKE, 20, 0, 0), OK);
    assert_int_equal(SYS(R, RAISE, 21, 1, 0), ERR_CAP);
    assert_int_equal(SYS(R, RAISE, 20, 1, 0), OK);
    cap_t stale = root_task->caps[20];
    assert_int_equal(SYS(R, DESTROY, 20, 0, 0), OK);
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0); // takes the same slot
    assert_int_equal(stale & (SLOT_COUNT_MAX - 1), root_task->caps[20] & (SLOT_COUNT_MAX - 1));
    assert_null(cap_object(stale));
}

static void generation_never_wraps(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    uint32_t slot = ((struct object *)object_at(20))->slot;
    host_slots[slot].generation = UINT32_MAX;
    root_task->caps[20] = object_cap(host_slots[slot].object, RIGHT_ALL);
    assert_int_equal(SYS(R, REVOKE, 20, 0, 0), ERR_STATE);
    assert_int_equal(SYS(R, DESTROY, 20, 0, 0), OK);
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    assert_int_not_equal(((struct object *)object_at(20))->slot, slot); // retired
}

static void signal_wait_and_timeout(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    struct thread *t = make_active(21, 10);
    SYS(R, WAIT, 20, 0, host_time + 1000);
    assert_int_equal(R->state, STATE_WAITING);
    assert_ptr_equal(host_cpu.current, t);
    assert_int_equal(SYS(t, WAIT, 20, 1, 0), ERR_BUSY);
    host_time += 2000;
    sched_timer_interrupt();
    run_scheduler();
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(R->regs.rax, ERR_TIMEOUT);
    SYS(R, WAIT, 20, 0, 0);
    SYS(t, RAISE, 20, 0x30, 0);
    assert_ptr_equal(host_cpu.current, R); // more urgent: runs at once
    assert_int_equal(R->regs.rdx, 0x30);
    SYS(R, WAIT, 20, 0, 0);
    assert_ptr_equal(host_cpu.current, t);
    assert_int_equal(SYS(t, DESTROY, 20, 0, 0), OK);
    run_scheduler();
    assert_int_equal(R->regs.rax, ERR_DEAD);
}

static void call_and_reply(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5, 0x77);
    SYS(R, CALL, 21, 0xaa, 1, 2, 3, 4, 5, 6);
    assert_ptr_equal(host_cpu.current, w);
    assert_int_equal(w->regs.rdi, 0x77);
    assert_int_equal(w->regs.rsi, 0xaa);
    assert_int_equal(w->regs.r13, 6);
    assert_ptr_equal(host_cpu.donor, R);
    SYS(w, REPLY_WAIT, 0, 0xbb, 6, 5, 4, 3, 2, 1);
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(R->regs.rax, OK);
    assert_int_equal(R->regs.rsi, 0xbb);
    assert_int_equal(R->regs.rdx, 6);
    assert_int_equal(R->regs.rbx, 0);
}

static void busy_worker_is_helped(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5, 1);
    struct thread *low = make_active(30, 10);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, low);
    SYS(low, CALL, 21, 1, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, RAISE, 40, 1, 0); // root is woken inside of low's call ...
    assert_ptr_equal(host_cpu.current, R);
    SYS(R, CALL, 21, 2, 0); // ... and calls the same worker: its time finishes low's call
    assert_ptr_equal(host_cpu.current, w);
    assert_ptr_equal(host_cpu.donor, R);
    assert_int_equal(R->state & STATE_MASK, STATE_HELPING);
    SYS(w, REPLY_WAIT, 0, 11, 0); // replies to low; root's call is next
    assert_ptr_equal(host_cpu.current, w);
    assert_int_equal(w->regs.rsi, 2);
    assert_int_equal(low->regs.rsi, 11);
    SYS(w, REPLY_WAIT, 0, 22, 0);
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(R->regs.rsi, 22);
}

static void caller_waits_with_a_blocked_worker(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5, 1);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    struct thread *low = make_active(30, 10);
    SYS(R, CALL, 21, 0, 0);
    SYS(w, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, low); // root's whole chain is blocked
    SYS(low, RAISE, 40, 4, 0);
    assert_ptr_equal(host_cpu.current, w);
    assert_ptr_equal(host_cpu.donor, R);
    assert_int_equal(w->regs.rdx, 4);
    SYS(w, REPLY_WAIT, 0, 9, 0);
    assert_ptr_equal(host_cpu.current, R);
}

static void death_of_either_side(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5, 1);
    struct thread *low = make_active(30, 10);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    SYS(R, WAIT, 40, 0, 0);
    SYS(low, CALL, 21, 0, 0);
    SYS(w, RAISE, 40, 1, 0);
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(SYS(R, DESTROY, 30, 0, 0),
                     OK); // the caller dies: the worker goes on by itself
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, REPLY_WAIT, 0, 0, 0); // nobody to reply to
    assert_null(host_cpu.donor);
    assert_int_equal(w->state & STATE_MASK, STATE_RECEIVE);
    signal_raise(object_at(40), 1);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, R);
    low = make_active(30, 50);
    assert_ptr_equal(host_cpu.current, low);
    SYS(low, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, DESTROY, 20, 0, 0); // the worker destroys itself
    assert_ptr_equal(host_cpu.current, low);
    assert_int_equal(low->regs.rax, ERR_DEAD);
    assert_int_equal(SYS(low, CALL, 21, 0, 0), ERR_DEAD);
}

static void cancel_and_stop(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5, 1);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    struct thread *t = make_active(30, 50);
    SYS(t, WAIT, 40, 0, 0);
    SYS(R, THREAD_CTL, 30, THREAD_CANCEL, 0);
    assert_ptr_equal(host_cpu.current, t);
    assert_int_equal(t->regs.rax, ERR_CANCELLED);
    SYS(t, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, THREAD_CTL, 30, THREAD_STOP, 0); // the server stops its caller
    assert_int_equal(t->state & STATE_MASK, STATE_STOPPED);
    assert_ptr_equal(host_cpu.current, R);
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, REPLY_WAIT, 0, 0, 0);
    assert_int_equal(w->state & STATE_MASK, STATE_RECEIVE);
}

static void ring_of_servers_gets_an_error(void **state)
{
    (void)state;
    struct thread *a = make_worker(20, 5, 1), *b = make_worker(24, 5, 2);
    SYS(R, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, a);
    SYS(a, CALL, 25, 0, 0);
    assert_ptr_equal(host_cpu.current, b);
    SYS(b, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, b);
    assert_int_equal(b->regs.rax, ERR_DEPTH);
    SYS(b, CALL, 25, 0, 0); // itself
    assert_int_equal(b->regs.rax, ERR_DEPTH);
}

static void faults_are_reported(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    create(OBJ_TASK, 41, 40, 5, 30, 0);
    create(OBJ_THREAD, 42, 41, THREAD_ACTIVE, 30, 0);
    struct thread *t = object_at(42);
    start(42);
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, t);
    t->regs.rip = 0x1234;
    thread_fault(t, 14, 6, 0xdead000);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(R->regs.rdx, 1 << 5);
    assert_int_equal(SYS(R, THREAD_CTL, 42, THREAD_FAULT, 0), OK);
    assert_int_equal(R->regs.rdx, 14);
    assert_int_equal(R->regs.r10, 6);
    assert_int_equal(R->regs.r8, 0xdead000);
    assert_int_equal(R->regs.r9, 0x1234);
    assert_int_equal(R->regs.r12, REPORT_FAULTED);
    assert_int_equal(SYS(R, THREAD_CTL, 42, THREAD_WRITE, USER_END, 0, 0), ERR_RANGE);
    assert_int_equal(SYS(R, THREAD_CTL, 42, THREAD_WRITE, 0x2000, 0x3000, UINT64_MAX), OK);
    assert_int_equal(t->regs.rflags & ~0xdd5ull, 0x202); // no IOPL, NT, VM, AC ...
}

static void memory_goes_back(void **state)
{
    (void)state;
    create(OBJ_MEM, 20, SLOT_RAM, 0, 8 << 20,
           0); // first, so that the blocks it takes are not counted
    create(OBJ_MEM, 50, SLOT_RAM, 16 << 20, 8 << 20, 0);
    create(OBJ_POOL, 21, 20, 100, 0, 0);
    assert_int_equal(SYS(R, DESTROY, 21, 0, 0), OK);
    uint64_t pages = boot_pool.free_pages;
    uint32_t slots = boot_pool.slots_left;
    for (unsigned round = 0; round < 3; round++) {
        create(OBJ_POOL, 21, 20, 100, 0, 0);
        assert_int_equal(SYS(R, MAP, SLOT_TASK, 20, 0, 0x100000, 4096, MAP_READ), ERR_BUSY);
        assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 22 << 16, 20, 0, 4096), ERR_BUSY);
        assert_int_equal(SYS(R, CREATE, 21, OBJ_TASK | 22 << 16, CAP_NONE, 0, 10), OK);
        assert_int_equal(SYS(R, CREATE, 21, OBJ_THREAD | 23 << 16, 22, THREAD_ACTIVE, 10), OK);
        assert_int_equal(SYS(R, CREATE, 21, OBJ_GUEST | 24 << 16, 0), OK);
        assert_int_equal(SYS(R, CREATE, 21, OBJ_SIGNAL | 25 << 16, 0), OK);
        assert_int_equal(SYS(R, CREATE, 21, OBJ_MEM | 26 << 16, 50, 0, 1 << 20), OK);
        assert_int_equal(SYS(R, MAP, 22, 50, 4 << 20, 0x7000, 3 << 20, MAP_READ | MAP_WRITE), OK);
        assert_int_equal(SYS(R, MAP, 24, 50, 2 << 20, 2 << 20, 2 << 20, 7), OK);
        assert_int_equal(SYS(R, MAP, 22, SLOT_PORTS, 0x3f8, 0, 8, MAP_READ), OK);
        assert_int_equal(host_ports[0x3f8], 1);
        assert_int_equal(SYS(R, DESTROY, 21, 0, 0), OK);
        assert_int_equal(host_ports[0x3f8], 0);
        for (unsigned s = 22; s <= 26; s++) {
            assert_int_equal(SYS(R, CAP_DROP, SLOT_TASK, 0, s), OK);
        }
        assert_int_equal(boot_pool.free_pages, pages);
        assert_int_equal(boot_pool.slots_left, slots);
        assert_null(((struct mem *)object_at(50))->records);
        assert_null(((struct mem *)object_at(50))->children);
    }
}

static void pool_quota(void **state)
{
    (void)state;
    create(OBJ_MEM, 20, SLOT_RAM, 0, 64 << 10, 0);
    create(OBJ_POOL, 21, 20, 3, 0, 0);
    assert_int_equal(SYS(R, CREATE, 21, OBJ_SIGNAL | 30 << 16, 0), OK);
    assert_int_equal(SYS(R, CREATE, 21, OBJ_SIGNAL | 31 << 16, 0), OK);
    assert_int_equal(SYS(R, CREATE, 21, OBJ_SIGNAL | 32 << 16, 0), OK);
    assert_int_equal(SYS(R, CREATE, 21, OBJ_SIGNAL | 33 << 16, 0), ERR_QUOTA);
    assert_int_equal(SYS(R, DESTROY, 31, 0, 0), OK);
    assert_int_equal(SYS(R, CREATE, 21, OBJ_TASK | 31 << 16, CAP_NONE, 0, 1), OK);
    // 16 pages: a map of scattered addresses runs out of table pages, and takes nothing with it
    enum status status = OK;
    unsigned mapped = 0;
    for (; status == OK && mapped < 100; mapped++)
        status = SYS(R, MAP, 31, SLOT_RAM, 4 << 20, 0x8000000000ull * mapped, 4096, MAP_READ);
    assert_int_equal(status, ERR_MEMORY);
    assert_true(mapped > 2);
    uint64_t size;
    struct task *task = object_at(31);
    assert_int_equal(ptab_lookup(&task->space.ptab, 0x8000000000ull * (mapped - 1), &size), 0);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_POOL | 60 << 16, 20, 10), ERR_BUSY);
}

static void map_unmap_split(void **state)
{
    (void)state;
    uint64_t size;
    struct ptab *ptab = &root_task->space.ptab;
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, 0x40000000, 8 << 20, MAP_READ | MAP_WRITE),
                     OK);
    assert_int_equal(ptab_lookup(ptab, 0x40000000, &size) & ~0xfffull, 1ull << 63 | 4 << 20);
    assert_int_equal(size, 2 << 20);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, 0x40001000, 4096, MAP_READ), ERR_OVERLAP);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 20 << 16, SLOT_RAM, 4096, 4096),
                     ERR_OVERLAP);
    assert_int_equal(SYS(R, UNMAP, SLOT_TASK, 0, 0x40001000, 4096), OK);
    assert_int_equal(ptab_lookup(ptab, 0x40001000, &size), 0);
    assert_int_not_equal(ptab_lookup(ptab, 0x40000000, &size), 0);
    assert_int_equal(size, 4096);
    assert_int_not_equal(ptab_lookup(ptab, 0x40002000, &size), 0);
    create(OBJ_MEM, 20, SLOT_RAM, 4096, 4096, 0); // now nothing of the parent is mapped there
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 0, 0x50000000, 8192, MAP_READ),
                     ERR_OVERLAP); // the child has it
    assert_int_equal(SYS(R, UNMAP, SLOT_TASK, 0, 0x40000000, 8 << 20), OK);
    assert_null(((struct mem *)object_at(20))->records);
    for (uint64_t a = 0x40000000; a < 0x40800000; a += 4096)
        assert_int_equal(ptab_lookup(ptab, a, &size), 0);
    struct record *r = root_task->space.records;
    assert_null(r);
    // Unmap everywhere.
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 2 << 20, 0x60000000, 1 << 20, MAP_READ), OK);
    assert_int_equal(SYS(R, MAP, SLOT_TASK, SLOT_RAM, 2 << 20, 0x70000000, 1 << 20, MAP_READ), OK);
    assert_int_equal(SYS(R, UNMAP, SLOT_RAM, 0, 0), OK);
    assert_null(root_task->space.records);
}

static void map_restarts(void **state)
{
    (void)state;
    struct thread *other = make_active(30, 40); // the same priority
    uint64_t rip = R->regs.rip = 0x400010;
    preempt_now = true;
    uint64_t w[6] = {0x1000, 0x40000000, 3 << 20, MAP_READ};
    SYS(R, YIELD, 0, 0, 0);
    SYS(other, YIELD, 0, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
    sched_rotate(R); // the interrupt at the preemption point ends the slice
    host_cpu.need_resched = false;
    sys_raw(R, SYS_MAP, SLOT_TASK, SLOT_RAM, w);
    assert_ptr_equal(host_cpu.current, other);
    assert_int_equal(R->regs.rip, rip - 2);
    assert_int_equal(R->regs.rdi, SYS_MAP | SLOT_TASK << 16);
    SYS(other, YIELD, 0, 0, 0);
    R->regs.rip += 2;
    sys_raw(R, SYS_MAP, SLOT_TASK, SLOT_RAM, w);
    assert_int_equal(R->regs.rax, OK);
    uint64_t size;
    for (uint64_t a = 0; a < 3 << 20; a += 4096)
        assert_int_equal(ptab_lookup(&root_task->space.ptab, 0x40000000 + a, &size) &
                             0xffffffffff000,
                         (4 << 20) + 0x1000 + a);
}

static void interrupts(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    create(OBJ_IRQ, 21, SLOT_HW, 9 | IRQ_LEVEL, 20, 3);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_IRQ | 22 << 16, SLOT_HW, 9, 20, 3), ERR_BUSY);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_IRQ | 22 << 16, SLOT_HW, 24, 20, 3), ERR_RANGE);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_IRQ | 22 << 16, SLOT_TASK, 10, 20, 3), ERR_CAP);
    assert_null(irq_take(this_cpu(), host_irqs[9]));
    assert_true(host_irq_masked[9]);
    assert_int_equal(SYS(R, WAIT, 20, 1, 0), OK);
    assert_int_equal(R->regs.rdx, 8);
    assert_int_equal(SYS(R, IRQ_CTL, 21, IRQ_ACK, 0), OK);
    assert_false(host_irq_masked[9]);
    assert_int_equal(SYS(R, DESTROY, 20, 0, 0), OK);
    assert_null(irq_take(this_cpu(), host_irqs[9])); // its signal is gone: nothing happens
    assert_int_equal(SYS(R, DESTROY, 21, 0, 0), OK);
    assert_null(host_irqs[9]);
}

static void priorities_and_turns(void **state)
{
    (void)state;
    struct thread *a = make_active(20, 40), *b = make_active(21, 40), *low = make_active(22, 10);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, a);
    assert_int_not_equal(host_armed, TIMER_NONE); // two of a priority: a slice
    host_time = host_armed;
    sched_timer_interrupt();
    assert_true(host_cpu.need_resched);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, b);
    SYS(b, WAIT, 40, 0, 0); // the signal has a waiter already
    assert_int_equal(b->regs.rax, ERR_BUSY);
    SYS(b, THREAD_CTL, 21, THREAD_STOP, 0);
    assert_ptr_equal(host_cpu.current, a);
    assert_int_equal(host_armed, TIMER_NONE); // alone: no timer
    SYS(a, THREAD_CTL, 20, THREAD_STOP, 0);
    assert_ptr_equal(host_cpu.current, low);
    SYS(low, THREAD_CTL, 21, THREAD_RESUME, 0);
    assert_ptr_equal(host_cpu.current, b);
}

// A hostile task with capabilities to itself, memory, a pool and a gate makes random calls with
// hostile values. Ends when it has destroyed itself or run away. Returns the number of calls.
static unsigned hostile_round(uint64_t seed)
{
    static const uint64_t special[] = {
        0,          1,          2,     3,        4,        5,          7,        8,
        0xfff,      4096,       8192,  1 << 20,  2 << 20,  0x40000000, USER_END, USER_END - 4096,
        1ull << 47, 1ull << 63, -1ull, -4096ull, CAP_NONE, 0xffffffff, 20,       21,
        22,         23,         24,    25};
    static const uint64_t give[] = {110, 112, 114, 101};

    make_worker(100, 5, 1);
    create(OBJ_TASK, 110, CAP_NONE, 0, 45, 0);
    create(OBJ_MEM, 112, SLOT_RAM, 0, 16 << 20, 0);
    create(OBJ_MEM, 113, SLOT_RAM, 32 << 20, 8 << 20, 0);
    create(OBJ_POOL, 114, 113, 200, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(SYS(R, CAP_COPY, SLOT_TASK, 0, give[i], 110, i + 1, RIGHT_ALL), OK);
    create(OBJ_THREAD, 111, 110, THREAD_ACTIVE, 41, 0);
    struct thread *t = object_at(111);
    start(111);
    for (unsigned step = 0; step < 2000; step++) {
        uint64_t v[10];
        if (host_cpu.current != t)
            return step;
        for (unsigned i = 0; i < 10; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            v[i] = seed >> 60 ? special[seed % (sizeof(special) / sizeof(*special))]
                              : seed * 2862933555777941757ull;
        }
        uint64_t op = v[0] % 22, label = v[1] & 1 ? v[1] % 40 : v[1];
        if (op == SYS_WAIT || op == SYS_CALL || (op == SYS_DESTROY && step < 1000))
            op = SYS_CREATE; // most of the time: these end the round
        if (op == SYS_CREATE)
            label = v[9] % 10 | (v[1] % 40) << 16;
        preempt_now = v[9] >> 61 == 0;
        sys_raw(t, op, v[2] % 3 ? 1 + v[2] % 30 : v[2], label, &v[3]);
    }
    return 2000;
}

static void any_number_in_any_register(void **state)
{
    unsigned calls = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        calls += hostile_round(seed * 88172645463325252ull);
        assert_int_equal(boot_pool.obj.type, OBJ_POOL);
        kernel_teardown(state);
        kernel_setup(state);
    }
    assert_true(calls > 20000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
    const struct CMUnitTest tests[] = {
        T(bad_arguments),
        T(rights_are_checked),
        T(revoke_kills_all_but_one),
        T(generation_never_wraps),
        T(signal_wait_and_timeout),
        T(call_and_reply),
        T(busy_worker_is_helped),
        T(caller_waits_with_a_blocked_worker),
        T(death_of_either_side),
        T(cancel_and_stop),
        T(ring_of_servers_gets_an_error),
        T(faults_are_reported),
        T(memory_goes_back),
        T(pool_quota),
        T(map_unmap_split),
        T(map_restarts),
        T(interrupts),
        T(priorities_and_turns),
        T(any_number_in_any_register),
    };
    return cmocka_run_group_tests_name("kernel core", tests, NULL, NULL);
}
