// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cpu.c tests/invariants/check.c tests/invariants/check_thread.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c kernel/heap.c
// Attacks on the kernel core that once worked, one test each.
#include "kernel_check.h"

#define R               root_thread
#define CALL_OK(t, ...) assert_int_equal(SYS(t, __VA_ARGS__), OK)

static void create(uint64_t type, uint64_t slot, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    CALL_OK(R, CREATE, SLOT_POOL, type | slot << 16, w0, w1, w2, w3, 0, 0);
}

static void *object_at(uint64_t slot)
{
    return cap_object(root_task->caps[slot]);
}

static void start(uint64_t slot)
{
    CALL_OK(R, THREAD_CTL, slot, THREAD_START, 0x1000, 0x2000, 0);
}

static struct thread *make_active(uint64_t slot, unsigned priority)
{
    create(OBJ_THREAD, slot, SLOT_TASK, THREAD_ACTIVE, priority, 0);
    start(slot);
    return object_at(slot);
}

// A worker in slot with a gate in slot + 1, waiting for calls.
static struct thread *make_worker(uint64_t slot, unsigned priority)
{
    create(OBJ_THREAD, slot, SLOT_TASK, THREAD_WORKER, 63, 0);
    create(OBJ_GATE, slot + 1, slot, 1, 0, 0);
    struct thread *w = object_at(slot);
    start(slot);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, REPLY_WAIT, 0, 0, 0);
    CALL_OK(R, THREAD_CTL, slot, THREAD_PRIORITY, priority);
    return w;
}

static void raise_40(void)
{
    signal_raise(object_at(40), 1);
}

// Executes a call of `t` that an interrupt breaks off in favour of `urgent`, which waits for the
// signal in slot 40.
static void interrupted(struct thread *t, struct thread *urgent, uint64_t op, uint64_t slot,
                        uint64_t label, const uint64_t w[6])
{
    at_preempt = raise_40;
    sys_raw(t, op, slot, label, w);
    assert_ptr_equal(host_cpu.current, urgent);
}

// A range half built is shortened by an unmap half done, then mapped again with the new size: what
// was already mapped lay past its end, and the rest that remained was 2^64 less a little: all of
// physical memory.
static void map_unmap_map(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    struct thread *t = make_active(30, 50);
    SYS(t, WAIT, 40, 0, 0);
    create(OBJ_MEM, 20, SLOT_RAM, 4096, 1 << 20, 0);
    const uint64_t a = 0x40000000, w[6] = {0, a, 1 << 20, MAP_READ | MAP_WRITE};
    struct mem *mem = object_at(20);
    // The record and three tables first, one a step.
    while (!mem->records || mem->records->done <= 128 << 12) {
        interrupted(R, t, SYS_MAP, SLOT_TASK, 20, w);
        SYS(t, WAIT, 40, 0, 0);
    }
    struct record *r = mem->records;
    assert_true(r->building);
    for (unsigned i = 0; i < 2; i++) {
        interrupted(R, t, SYS_UNMAP, SLOT_TASK, 0, (const uint64_t[6]){a, 1 << 20});
        SYS(t, WAIT, 40, 0, 0);
        assert_ptr_equal(mem->records, r);
    }
    SYS(R, MAP, SLOT_TASK, 20, 0, a, r->size, MAP_READ | MAP_WRITE);
    for (uint64_t at = 0; at < 4 << 20; at += 4096) {
        uint64_t size, leaf = ptab_lookup(&root_task->space.ptab, a + at, &size);
        assert_true(!leaf || (leaf & 0xffffffffff000) == mem->base + at);
        assert_true(!leaf || at < 1 << 20);
    }
}

// RESUME of a thread that was never started: its flags were zero, interrupts off.
static void resume_before_start(void **state)
{
    (void)state;
    create(OBJ_THREAD, 30, SLOT_TASK, THREAD_ACTIVE, 50, 0);
    struct thread *t = object_at(30);
    CALL_OK(R, THREAD_CTL, 30, THREAD_RESUME, 0);
    assert_ptr_equal(host_cpu.current, t);
    assert_true(t->regs.rflags & 0x200);
}

// An address that no system call and no interrupt leaves behind, but a fault of a jump may.
static void resume_past_the_end(void **state)
{
    (void)state;
    struct thread *t = make_active(30, 50);
    t->regs.rip = 1ull << 47;
    thread_fault(t, 13, 0, 0);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(SYS(R, THREAD_CTL, 30, THREAD_RESUME, 0), ERR_RANGE);
}

// A helper that waits with others for a blocked worker is cancelled: it stayed on the list, got
// onto a second one, and the first kept pointing at it after its end.
static bool waits_at(const struct thread *t, const struct thread *end)
{
    return !t->queued && heap_holds(&t->node) && t->waits_for == end;
}

static void cancelled_helper_leaves_the_list(void **state)
{
    (void)state;
    struct thread *g = make_worker(20, 5), *h = make_worker(22, 5);
    create(OBJ_SIGNAL, 41, 0, 0, 0, 0);
    create(OBJ_SIGNAL, 42, 0, 0, 0, 0);
    struct thread *c = make_active(31, 50);
    SYS(c, CALL, 21, 0, 0);
    SYS(g, WAIT, 41, 0, 0);
    struct thread *x = make_active(30, 50);
    SYS(x, CALL, 21, 0, 0);
    assert_true(waits_at(x, g));
    SYS(R, THREAD_CTL, 30, THREAD_CANCEL, 0);
    assert_ptr_equal(host_cpu.current, x);
    assert_int_equal(x->regs.rax, ERR_CANCELLED);
    assert_false(heap_holds(&x->node) && !x->queued);
    SYS(x, CALL, 23, 0, 0);
    SYS(h, WAIT, 42, 0, 0);
    assert_true(waits_at(x, h));
    CALL_OK(R, DESTROY, 30, 0, 0);
    assert_null(h->waiters.root);
    assert_true(waits_at(c, g) && !c->node.left && !c->node.right);
    SYS(R, RAISE, 41, 1, 0);
    assert_ptr_equal(host_cpu.current, g);
}

// The first of a chain of calls dies: all that work for it finish on the first worker's own time.
// The second ran never again.
static void chain_survives_its_caller(void **state)
{
    (void)state;
    struct thread *w1 = make_worker(20, 50), *w2 = make_worker(22, 50);
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    struct thread *c = make_active(30, 30);
    SYS(R, WAIT, 40, 0, 0);
    SYS(c, CALL, 21, 0, 0);
    SYS(w1, CALL, 23, 0, 0);
    SYS(w2, RAISE, 40, 1, 0);
    if (host_cpu.current == w2)
        SYS(w2, YIELD, 0, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
    CALL_OK(R, THREAD_CTL, SLOT_THREAD, THREAD_PRIORITY, 60);
    CALL_OK(R, DESTROY, 30, 0, 0);
    SYS(R, WAIT, 40, 0, 0);
    assert_ptr_equal(host_cpu.current, w2);
    SYS(w2, REPLY_WAIT, 0, 7, 0);
    assert_ptr_equal(host_cpu.current, w1);
    assert_int_equal(w1->regs.rsi, 7);
    SYS(w1, REPLY_WAIT, 0, 0, 0);
    assert_int_equal(w1->state & STATE_MASK, STATE_RECEIVE);
    assert_null(host_cpu.current);
}

// c calls g, which calls z, which is blocked; x wants g, too.
struct blocked {
    struct thread *g, *z, *c, *x;
};

static struct blocked make_blocked(void)
{
    struct blocked b = {.g = make_worker(20, 5), .z = make_worker(22, 5)};

    create(OBJ_SIGNAL, 41, 0, 0, 0, 0);
    b.c = make_active(31, 50);
    SYS(b.c, CALL, 21, 0, 0);
    SYS(b.g, CALL, 23, 0, 0);
    SYS(b.z, WAIT, 41, 0, 0);
    b.x = make_active(30, 50);
    SYS(b.x, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
    assert_ptr_equal(b.x->waits_for, b.z);
    return b;
}

static void helper_of_a_dead_gate(void **state)
{
    (void)state;
    struct blocked b = make_blocked();
    SYS(R, DESTROY, 21, 0, 0);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, b.x);
    assert_int_equal(b.x->regs.rax, ERR_DEAD);
}

static void helper_of_a_revoked_gate(void **state)
{
    (void)state;
    struct blocked b = make_blocked();
    SYS(R, REVOKE, 21, 0, 0);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, b.x);
    assert_int_equal(b.x->regs.rax, ERR_DEAD);
}

// A worker in the middle of a chain, which itself helps, is cancelled: it goes on with its caller's
// time.
static void cancelled_helping_worker_runs(void **state)
{
    (void)state;
    make_blocked();
    struct thread *w = make_worker(24, 5), *a = make_active(32, 50);
    SYS(a, CALL, 25, 0, 0);
    SYS(w, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
    assert_int_equal(w->state & STATE_MASK, STATE_HELPING);
    SYS(R, THREAD_CTL, 24, THREAD_CANCEL, 0);
    assert_ptr_equal(host_cpu.current, w);
    assert_int_equal(w->regs.rax, ERR_CANCELLED);
    SYS(w, REPLY_WAIT, 0, 3, 0);
    assert_ptr_equal(host_cpu.current, a);
    assert_int_equal(a->regs.rsi, 3);
}

// A worker that waits for calls can be taken out of that, and starts without the depth of the last
// call.
static void cancelled_receiver(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 50);
    w->depth = CALL_DEPTH_MAX; // the fast path leaves it
    SYS(R, THREAD_CTL, 20, THREAD_CANCEL, 0);
    assert_ptr_equal(host_cpu.current, w);
    assert_int_equal(w->regs.rax, ERR_CANCELLED);
    assert_int_equal(w->depth, 0);
    SYS(w, REPLY_WAIT, 0, 0, 0);
    assert_ptr_equal(host_cpu.current, R);
}

// A capability restricted to one bit of a signal gives no other through an interrupt object or a
// task's faults.
static void one_bit_through_an_interrupt(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 20, 0, 0, 0, 0);
    CALL_OK(R, CAP_COPY, SLOT_TASK, 0, 20, SLOT_TASK, 21, RIGHT_RAISE | RIGHT_BIT(7));
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_IRQ | 22 << 16, SLOT_HW, 9, 21, 3), ERR_RIGHTS);
    assert_int_equal(SYS(R, CREATE, SLOT_POOL, OBJ_TASK | 22 << 16, 21, 3, 1), ERR_RIGHTS);
    CALL_OK(R, CREATE, SLOT_POOL, OBJ_IRQ | 22 << 16, SLOT_HW, 9, 21, 7);
}

// Many timers that expire at once are taken a few at a time.
static void many_timers(void **state)
{
    (void)state;
    struct thread *t[20];
    for (unsigned i = 0; i < 20; i++) {
        create(OBJ_SIGNAL, 40 + i, 0, 0, 0, 0);
        t[i] = make_active(100 + i, 50);
        SYS(t[i], WAIT, 40 + i, 0, host_time + 5000);
    }
    host_time += 10000;
    unsigned woken = 0;
    for (unsigned interrupts = 0; interrupts < 7; interrupts++) {
        assert_true(host_armed <= host_time);
        unsigned before = woken;
        sched_timer_interrupt();
        for (woken = 0; woken < 20 && t[woken]->state == STATE_RUNNING; woken++)
            ;
        assert_true(woken - before <= 3);
    }
    assert_int_equal(woken, 20);
    run_scheduler();
}

// A wait without a deadline is not ended by a timer that the thread had armed for something else.
static void wait_without_deadline(void **state)
{
    (void)state;
    create(OBJ_SIGNAL, 40, 0, 0, 0, 0);
    struct thread *t = make_active(30, 50);
    thread_timer(t, host_time + 1000); // as vcpu_run does
    SYS(t, WAIT, 40, 0, 0);
    host_time += 2000;
    sched_timer_interrupt();
    assert_int_equal(t->state, STATE_WAITING);
}

// Lists that the kernel walks with interrupts off have a bound.
static void bounded_lists(void **state)
{
    (void)state;
    enum status status = OK;
    uint64_t slot = 100, n = 0;
    create(OBJ_MEM, slot, SLOT_RAM, 0, 4 << 20, 0);
    for (; status == OK; slot++, n++)
        status = SYS(R, CREATE, SLOT_POOL, OBJ_MEM | (slot + 1) << 16, slot, 0, 4 << 20);
    assert_int_equal(status, ERR_DEPTH);
    assert_int_equal(n, DEPTH_MAX - 2); // below the boot pool and its mem
    CALL_OK(R, DESTROY, 100, 0, 0);
    create(OBJ_MEM, 90, SLOT_RAM, 0, 4 << 20, 0);
    create(OBJ_THREAD, 91, SLOT_TASK, THREAD_WORKER, 5, 0);
    for (n = 0, status = OK; status == OK; n++) {
        status = SYS(R, CREATE, SLOT_POOL, OBJ_MEM | 92 << 16, 90, n << 12, 4096);
        CALL_OK(R, CAP_DROP, SLOT_TASK, 0, 92);
    }
    assert_int_equal(status, ERR_QUOTA);
    assert_int_equal(n, CHILDREN_MAX + 1);
    for (n = 0, status = OK; status == OK; n++) {
        status = SYS(R, CREATE, SLOT_POOL, OBJ_GATE | 92 << 16, 91, n);
        CALL_OK(R, CAP_DROP, SLOT_TASK, 0, 92);
    }
    assert_int_equal(status, ERR_QUOTA);
    assert_int_equal(n, GATES_MAX + 1);
    CALL_OK(R, DESTROY, 91, 0, 0);
    for (n = 0, status = OK; status == OK; n++)
        status = SYS(R, MAP, SLOT_TASK, SLOT_RAM, 4 << 20, 0x40000000 + n * 8192, 4096, MAP_READ);
    assert_int_equal(status, ERR_QUOTA);
    assert_int_equal(n, RECORDS_MAX + 1);
    CALL_OK(R, UNMAP, SLOT_TASK, 0, 0x40000000, 16 << 20);
    assert_null(root_task->space.records);
    assert_int_equal(root_task->space.record_count, 0);
}

// A worker that was cancelled while it served runs on its own time from its reply on, not on the
// caller's.
static void cancelled_worker_keeps_no_time(void **state)
{
    (void)state;
    struct thread *w = make_worker(20, 5);
    SYS(R, CALL, 21, 0, 0);
    assert_ptr_equal(host_cpu.current, w);
    SYS(w, THREAD_CTL, 20, THREAD_CANCEL, 0);
    SYS(w, REPLY_WAIT, 0, 7, 0);
    assert_ptr_equal(host_cpu.current, R); // priority 40 before 5
    assert_int_equal(R->regs.rsi, 7);
}

// Executes a call that is restarted at every preemption point; how often it was.
static unsigned restarted(uint64_t op, uint64_t slot, uint64_t label, const uint64_t w[6])
{
    for (unsigned n = 0;; n++) {
        const uint64_t rip = R->regs.rip;
        preempt_now = true;
        sys_raw(R, op, slot, n ? R->regs.rsi : label, w);
        assert_true(n < 1000);
        check_kernel(true);
        if (R->regs.rip == rip)
            return n;
        R->regs.rip = rip;
    }
}

// What each step achieved must stay, or a call that is preempted often never ends.
static void every_call_comes_to_its_end(void **state)
{
    (void)state;
    const uint64_t a = 0x40000000, b = 0x80000000;
    // Many children and many ranges, so that searches take several steps.
    for (unsigned i = 0; i < 200; i++) {
        create(OBJ_MEM, 30, SLOT_RAM, (i * 7 % 200) * 8192, 4096, 0);
        CALL_OK(R, CAP_DROP, SLOT_TASK, 0, 30);
    }
    create(OBJ_MEM, 20, SLOT_RAM, 32 << 20, 8 << 20, 0);
    for (unsigned i = 0; i < 200; i++)
        CALL_OK(R, MAP, SLOT_TASK, 20, 0, a + (i * 7 % 200) * 8192, 4096, MAP_READ);
    const uint64_t first[6] = {SLOT_RAM, 4096, 4096}, last[6] = {SLOT_RAM, 399 * 4096, 4096};
    assert_true(restarted(SYS_CREATE, SLOT_POOL, OBJ_MEM | 31 << 16, first) > 1);
    assert_int_equal(R->regs.rax, OK);
    assert_true(restarted(SYS_CREATE, SLOT_POOL, OBJ_MEM | 32 << 16, last) > 1);
    assert_int_equal(R->regs.rax, OK);
    // No child of a mem that is mapped 200 times.
    const uint64_t mapped[6] = {20, 4096, 4096}, taken[6] = {20, 0, 4096};
    assert_true(restarted(SYS_CREATE, SLOT_POOL, OBJ_MEM | 33 << 16, mapped) > 1);
    assert_int_equal(R->regs.rax, OK);
    restarted(SYS_CREATE, SLOT_POOL, OBJ_MEM | 34 << 16, taken);
    assert_int_equal(R->regs.rax, ERR_OVERLAP);
    assert_true(restarted(SYS_UNMAP, SLOT_TASK, 0, (const uint64_t[6]){a, 400 << 12}) > 200);
    assert_int_equal(R->regs.rax, OK);
    assert_int_equal(root_task->space.record_count, 0);
    // A 2 MiB page is cut at both ends; a task and the first ports are made.
    restarted(SYS_MAP, SLOT_TASK, 20, (const uint64_t[6]){2 << 20, b, 2 << 20, MAP_READ});
    uint64_t size;
    ptab_lookup(&root_task->space.ptab, b, &size);
    assert_int_equal(size, 2 << 20);
    assert_true(restarted(SYS_UNMAP, SLOT_TASK, 0, (const uint64_t[6]){b + 4096, 4096}) > 8);
    assert_int_equal(root_task->space.record_count, 2);
    ptab_lookup(&root_task->space.ptab, b, &size);
    assert_int_equal(size, 4096);
    restarted(SYS_CREATE, SLOT_POOL, OBJ_TASK | 35 << 16, (const uint64_t[6]){CAP_NONE});
    assert_int_equal(R->regs.rax, OK);
    restarted(SYS_MAP, 35, SLOT_PORTS, (const uint64_t[6]){0, 0, 65536, MAP_READ});
    assert_int_equal(R->regs.rax, OK);
    assert_true(host_ports[0] && host_ports[65535]);
    restarted(SYS_DESTROY, 35, 0, (const uint64_t[6]){0});
    assert_false(host_ports[0] || host_ports[65535]);
    // Each byte of a log message goes out once, whatever interrupts it.
    host_log_length = 0;
    restarted(SYS_LOG, 0, 5, (const uint64_t[6]){0x0a6f6c0a68});
    assert_int_equal(R->regs.rax, OK);
    assert_int_equal(host_log_length, 7);
    assert_memory_equal(host_log, "h\r\nlo\r\n", 7);
}

// Another CPU destroyed the thread whose time slice ran: its end must not interrupt again and
// again.
static void slice_of_nobody(void **state)
{
    (void)state;
    host_cpu.slice_end = host_time;
    host_armed = UINT64_MAX;
    host_cpu.donor = NULL;
    sched_timer_interrupt();
    assert_true(host_armed > host_time);
}

static cap_t condemned;
static bool looked;
static void look_at_condemned(void)
{
    assert_null(cap_object(condemned));
    assert_non_null(object_condemned(condemned));
    looked = true;
}

// Between two steps of a destroy no capability leads to the object, though it is still there; and
// destroy goes on.
static void dying_object_is_not_found(void **state)
{
    (void)state;
    create(OBJ_MEM, 20, SLOT_RAM, 0, 1 << 20, 0);
    CALL_OK(R, MAP, SLOT_TASK, 20, 0, 0x100000, 1 << 20, MAP_READ);
    condemned = root_task->caps[20];
    looked = false;
    at_preempt = look_at_condemned;
    CALL_OK(R, DESTROY, 20, 0, 0);
    assert_true(looked);
    assert_null(object_condemned(condemned));
    assert_null(cap_object(condemned));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
    const struct CMUnitTest tests[] = {
        T(map_unmap_map),
        T(resume_before_start),
        T(resume_past_the_end),
        T(cancelled_helper_leaves_the_list),
        T(chain_survives_its_caller),
        T(helper_of_a_dead_gate),
        T(helper_of_a_revoked_gate),
        T(cancelled_helping_worker_runs),
        T(cancelled_receiver),
        T(one_bit_through_an_interrupt),
        T(cancelled_worker_keeps_no_time),
        T(many_timers),
        T(wait_without_deadline),
        T(bounded_lists),
        T(every_call_comes_to_its_end),
        T(slice_of_nobody),
        T(dying_object_is_not_found),
    };
    return cmocka_run_group_tests_name("kernel: attacks", tests, NULL, NULL);
}
