// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/x86/vcpu.c kernel/ptab.c
// vCPUs and the TLBs of other CPUs, on the host: what a flush reaches, and what other CPUs can have
// seen of a vCPU page that is given back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/check.h"
#include "kernel/x86/virt.h"

#define PAGES 64
static uint8_t arena[PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned used;
static struct pool pool, guest_pool;
static struct task task;
static struct guest guest;
static struct cpu cpus[2];
static unsigned now;
static bool guest_is_empty, seen; // seen: the task's pages while something could still fail
static const struct ptab_format format = {
    .table = 7, .leaf = 5, .write = 2, .present = 1, .levels = 4};
#define ADDRESS 0x1ff000ull // the next page needs another table

void *phys_to_virt(uint64_t physical)
{
    return arena + physical;
}
uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)((const uint8_t *)address - arena);
}
void *pool_alloc(struct pool *from, size_t size)
{
    uint64_t ignored;

    if (task.space.ptab.root && (ptab_lookup(&task.space.ptab, ADDRESS, &ignored) ||
                                 ptab_lookup(&task.space.ptab, ADDRESS + PAGE_SIZE, &ignored)))
        seen = true;
    if (from == &guest_pool && guest_is_empty)
        return NULL;
    assert_true(used < PAGES && size <= PAGE_SIZE);
    return memset(arena + used++ * PAGE_SIZE, 0, PAGE_SIZE);
}
void *pool_page(struct pool *from)
{
    return pool_alloc(from, PAGE_SIZE);
}
void pool_free(struct pool *to, void *block, size_t size)
{
    (void)to;
    memset(block, 0xa5, size);
}
struct cpu *this_cpu(void)
{
    return &cpus[now];
}
void arch_preempt_point(void) {}
static unsigned ipis;
void arch_ipi(struct cpu *cpu)
{
    (void)cpu;
    ipis++;
}
uint64_t arch_time(void)
{
    return 0;
}
enum status arch_thread_area(struct thread *thread)
{
    static uint32_t area[8] = {0x37f, 0, 0, 0, 0, 0, 0x1f80};

    thread->xstate = area;
    return OK;
}
void fpu_free(struct thread *thread)
{
    (void)thread;
}
void fpu_leave(struct thread *thread)
{
    (void)thread;
}
void fpu_own(struct thread *thread)
{
    (void)thread;
}
void log_text(const char *text)
{
    (void)text;
}
void check_tlb_load(struct space *t)
{
    (void)t;
}
void sched_return(struct thread *thread)
{
    (void)thread;
    abort();
}
void schedule(void)
{
    abort();
}
void thread_result(struct thread *thread, enum status status)
{
    (void)thread, (void)status;
}
void thread_restart(struct thread *thread)
{
    (void)thread;
}
void thread_timer(struct thread *thread, uint64_t deadline)
{
    (void)thread, (void)deadline;
}
static void reset(struct vcpu *v)
{
    (void)v;
}
const struct virt_ops svm_ops = {.vcpu_create = reset}, vmx_ops;

static struct thread *make(unsigned home)
{
    struct thread *t = calloc(1, sizeof(*t));

    t->obj.pool = &pool;
    t->kind = THREAD_VCPU;
    t->task = &task;
    t->home = home;
    t->cpu = &cpus[home];
    return t;
}

static int setup(void **state)
{
    (void)state;
    used = now = 0;
    seen = guest_is_empty = false;
    memset(&task, 0, sizeof(task));
    memset(&guest, 0, sizeof(guest));
    cpus[1].number = 1;
    virt = &svm_ops;
    virt_apic = true;
    task.space.limit = guest.space.limit = USER_END;
    guest.space.ptab =
        (struct ptab){.format = &format, .pool = &guest_pool, .root = pool_page(&guest_pool)};
    task.space.ptab = (struct ptab){.format = &format, .pool = &pool, .root = pool_page(&pool)};
    for (unsigned page = 0; page < 3; page++)
        for (bool again = true; again;)
            assert_int_equal(ptab_reserve(&task.space.ptab, ADDRESS + page * PAGE_SIZE, &again),
                             OK);
    return 0;
}

// A vCPU of CPU 1 is in a system call on CPU 0 when its guest loses memory. CPU 0 never ran the
// guest and is not asked.
static void flush_of_one_that_is_away(void **state)
{
    (void)state;
    struct thread *t = make(1);

    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS), OK);
    t->vcpu->tag.generation = 65;
    t->cpu = &cpus[0];
    now = 1;
    vcpu_flush(&guest);
    assert_int_equal(t->vcpu->tag.generation, 0);
    free(t);
}

// A page that is given back without a flush must never have been mapped, not for a moment: another
// CPU may have it in its TLB.
static void create_that_fails(void **state)
{
    (void)state;
    struct thread *t = make(0);
    uint64_t ignored;

    guest_is_empty = true;
    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS | VCPU_APIC), ERR_MEMORY);
    assert_false(seen);
    assert_int_equal(ptab_lookup(&task.space.ptab, ADDRESS, &ignored), 0);
    guest_is_empty = false;
    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS | VCPU_APIC), OK);
    assert_false(seen);
    assert_int_not_equal(ptab_lookup(&task.space.ptab, ADDRESS, &ignored), 0);
    assert_int_not_equal(ptab_lookup(&task.space.ptab, ADDRESS + PAGE_SIZE, &ignored), 0);
    free(t);
}

// Its place is the same with and without the virtual-APIC page.
static void fpu_page(void **state)
{
    (void)state;
    uint64_t ignored;

    for (unsigned flags = VCPU_FPU; flags <= (VCPU_FPU | VCPU_APIC); flags += VCPU_APIC) {
        setup(NULL);
        struct thread *t = make(0);
        assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS | flags), OK);
        assert_int_not_equal(ptab_lookup(&task.space.ptab, ADDRESS + 2 * PAGE_SIZE, &ignored), 0);
        assert_int_equal(!ptab_lookup(&task.space.ptab, ADDRESS + PAGE_SIZE, &ignored),
                         !(flags & VCPU_APIC));
        assert_memory_equal(t->vcpu->fpu, t->xstate, 32); // what it shows is what is loaded
        free(t);
    }
    task.space.limit = ADDRESS + 2 * PAGE_SIZE; // it would lie behind the end
    struct thread *t = make(0);
    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS | VCPU_FPU), ERR_RANGE);
    free(t);
}

static void number_of_vcpus(void **state)
{
    (void)state;
    struct thread *t = make(0);

    guest.vcpus = VCPUS_MAX - 1;
    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS), OK);
    struct thread *more = make(0);
    assert_int_equal(arch_vcpu_create(more, &guest, ADDRESS), ERR_QUOTA);
    while (!arch_thread_detach(t)) // bound: its pages
        ;
    assert_int_equal(guest.vcpus, VCPUS_MAX - 1);
    free(t);
    free(more);
}

// Whoever may raise the signal of a vCPU must not interrupt a CPU that does something else.
static void kick_only_out_of_the_guest(void **state)
{
    (void)state;
    struct thread *t = make(1);

    assert_int_equal(arch_vcpu_create(t, &guest, ADDRESS), OK);
    ipis = 0;
    arch_vcpu_kick(t);
    assert_int_equal(ipis, 0);
    cpus[1].entered = t->vcpu;
    arch_vcpu_kick(t);
    assert_int_equal(ipis, 1);
    cpus[1].entered = NULL;
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flush_of_one_that_is_away, setup),
        cmocka_unit_test_setup(create_that_fails, setup),
        cmocka_unit_test_setup(fpu_page, setup),
        cmocka_unit_test_setup(number_of_vcpus, setup),
        cmocka_unit_test_setup(kick_only_out_of_the_guest, setup),
    };
    return cmocka_run_group_tests_name("vCPUs and TLBs of other CPUs", tests, NULL, NULL);
}
