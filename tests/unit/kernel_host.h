// SPDX-License-Identifier: BSD-2-Clause
// The kernel core on the host: a model of the architecture (kernel/arch.h) with 64 MiB of
// "physical" memory in one buffer, and a driver that executes system calls of kernel threads by
// their register values, as entry.S would on its slow path.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/check.h"
#include "kernel/destroy.h"
#include "kernel/ipc.h"
#include "kernel/irq.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"

#ifndef RAM_SIZE
#define RAM_SIZE (64ull << 20)
#endif

static uint8_t *ram;
// Several CPUs of the model: only code that says so changes host_now, see test_kernel_smp.c.
#ifndef HOST_CPUS
#define HOST_CPUS 1
#endif
static struct cpu host_cpus[HOST_CPUS];
static unsigned host_now;
#define host_cpu (host_cpus[host_now])
static struct {
    jmp_buf to_test;
    uint64_t armed;
    bool ipi, preempt;
    void (*at_preempt)(void);
} host_state[HOST_CPUS];
#define to_test    (host_state[host_now].to_test)
#define host_armed (host_state[host_now].armed)
// The next preemption point finds an interrupt that made somebody else more urgent.
#define preempt_now (host_state[host_now].preempt)
// What an interrupt at the next preemption point does.
#define at_preempt (host_state[host_now].at_preempt)
static struct slot host_slots[4096];
static struct pool boot_pool;
static struct object hw_object;
static struct task *root_task;
static struct thread *root_thread;
static struct mem *ram_mem, *ports_mem;
static uint64_t host_time;
static bool window_shown[RAM_SIZE / PAGE_SIZE];
static void *host_irqs[24];
static bool host_irq_masked[24];
static uint8_t host_ports[65536];
static unsigned flushes;
static char host_log[64];
static size_t host_log_length;
static unsigned host_log_busy; // for so many polls

static const struct ptab_format host_format = {.table = 7,
                                               .leaf = 5,
                                               .write = 2,
                                               .no_exec = 1ull << 63,
                                               .large = 0x80,
                                               .uncached = 0x18,
                                               .present = 1,
                                               .levels = 4,
                                               .large_max = 2};

void *phys_to_virt(uint64_t physical)
{
    assert_true(physical < RAM_SIZE && window_shown[physical / PAGE_SIZE]);
    return ram + physical;
}
uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)((const uint8_t *)address - ram);
}
void arch_window_map(uint64_t base, uint64_t size)
{
    for (uint64_t p = base / PAGE_SIZE; p < (base + size) / PAGE_SIZE; p++) {
        assert_false(window_shown[p]);
        window_shown[p] = true;
    }
}
void arch_window_unmap(uint64_t base, uint64_t size)
{
    for (uint64_t p = base / PAGE_SIZE; p < (base + size) / PAGE_SIZE; p++)
        window_shown[p] = false;
    memset(ram + base, 0xa5, size); // whoever still looks at it sees nonsense
}
uint64_t arch_time(void)
{
    return ++host_time;
}
struct cpu *this_cpu(void)
{
    return &host_cpu;
}
unsigned arch_cpu_count(void)
{
    return HOST_CPUS;
}
struct cpu *arch_cpu(unsigned number)
{
    return number < HOST_CPUS ? &host_cpus[number] : NULL;
}
void arch_ipi(struct cpu *cpu)
{
    host_state[cpu->number].ipi = true;
}
// Takes the interrupt that another CPU sent.
static bool host_interrupt(void)
{
    if (!host_state[host_now].ipi)
        return false;
    host_state[host_now].ipi = false;
    cpu_interrupt();
    return true;
}
void arch_timer_arm(uint64_t deadline)
{
    host_armed = deadline;
}
void arch_preempt_point(void)
{
    if (preempt_now)
        host_cpu.need_resched = true;
    preempt_now = false;
    void (*interrupt)(void) = at_preempt;
    at_preempt = NULL;
    host_interrupt();
    if (interrupt)
        interrupt();
}
enum status arch_task_init(struct task *task)
{
    task->space.ptab.root = pool_alloc(task->space.ptab.pool, PAGE_SIZE);
    task->space.ptab.format = &host_format;
    return task->space.ptab.root ? OK : ERR_MEMORY;
}
void arch_task_release(struct task *task)
{
    for (unsigned i = 0; i < 2; i++)
        if (task->io_bitmap[i])
            pool_free(task->space.ptab.pool, task->io_bitmap[i], PAGE_SIZE);
    pool_free(task->space.ptab.pool, task->space.ptab.root, PAGE_SIZE);
}
enum status arch_task_ports(struct task *task, uint64_t first, uint64_t *count, bool allow)
{
    // As on x86 the first ports cost memory, a page a step.
    for (unsigned i = 0; allow && i < 2; i++)
        if (!task->io_bitmap[i]) {
            *count = 0;
            task->io_bitmap[i] = pool_page(task->space.ptab.pool);
            return task->io_bitmap[i] ? OK : ERR_MEMORY;
        }
    for (uint64_t p = first; p < first + *count; p++)
        host_ports[p] = allow;
    return OK;
}
enum status arch_guest_init(struct guest *guest)
{
    guest->space.ptab.root = pool_alloc(guest->space.ptab.pool, PAGE_SIZE);
    guest->space.ptab.format = &host_format;
    return guest->space.ptab.root ? OK : ERR_MEMORY;
}
void arch_guest_release(struct guest *guest)
{
    pool_free(guest->space.ptab.pool, guest->space.ptab.root, PAGE_SIZE);
}
void arch_space_flush(struct space *space)
{
    check_tlb_flush(space);
    flushes++;
}
void arch_space_leave(struct space *space)
{
    check_tlb_leave(space);
}
void arch_window_flush(void) {}
void arch_guest_detach(struct guest *guest)
{
    (void)guest;
}
bool arch_thread_detach(struct thread *thread)
{
    (void)thread;
    return true;
}
void arch_thread_leave(struct thread *thread)
{
    (void)thread;
}
void arch_thread_release(struct thread *thread)
{
    (void)thread;
}
enum status arch_thread_area(struct thread *thread)
{
    (void)thread;
    return OK;
}
void arch_syscall(struct thread *thread)
{
    syscall_slow(thread);
}
enum status arch_vcpu_create(struct thread *thread, struct guest *guest, uint64_t page_address)
{
    (void)thread, (void)guest, (void)page_address;
    return ERR_UNSUPPORTED;
}
uint32_t arch_thread_flags(const struct task *task, enum thread_kind kind)
{
    (void)task, (void)kind;
    return 0;
}
enum status arch_thread_fpu(struct thread *thread, bool use)
{
    (void)thread, (void)use;
    return OK;
}
void arch_return(struct thread *thread)
{
    assert_int_equal(thread->state & STATE_MASK, STATE_RUNNING);
    thread->state &= ~FLAG_FULL;
    host_cpu.current = thread;
    check_tlb_load(&thread->task->space);
    longjmp(to_test, 1);
}
void arch_idle(void)
{
    longjmp(to_test, 2);
}
void arch_vcpu_run(struct thread *thread)
{
    thread_result(thread, ERR_STATE);
}
void arch_vcpu_kick(struct thread *thread)
{
    (void)thread;
}
void arch_vcpu_unbind(struct thread *thread)
{
    (void)thread;
}
enum status arch_vcpu_bind(struct thread *thread, struct signal *signal)
{
    (void)thread, (void)signal;
    return ERR_STATE;
}
enum status arch_irq_bind(unsigned gsi, uint32_t flags, void *irq)
{
    (void)flags;
    if (gsi >= 24)
        return ERR_RANGE;
    if (irq && host_irqs[gsi])
        return ERR_BUSY;
    host_irqs[gsi] = irq;
    return OK;
}
void arch_irq_mask(unsigned gsi, bool mask)
{
    host_irq_masked[gsi] = mask;
}
enum status arch_hw_ctl(uint64_t op, uint64_t words[6])
{
    (void)op, (void)words;
    return ERR_ARG;
}
bool arch_log_byte(char byte)
{
    if (host_log_busy) {
        host_log_busy--;
        return false;
    }
    if (host_log_length < sizeof(host_log))
        host_log[host_log_length++] = byte;
    return true;
}
static unsigned check_seed; // of the run, for the message
void panic(const char *what, uint64_t value)
{
    fprintf(stderr, "seed %u: %s %lu\n", check_seed, what, value);
    abort();
}

// ---- kernel/check.h
static void (*host_looked)(void); // a capability was looked up
void arch_check_object(const struct object *o)
{
    if (host_looked)
        host_looked();
    if (o->type == OBJ_IRQ && !o->dying)
        CHECK(host_irqs[((const struct irq *)o)->gsi] == o);
    if (o->type == OBJ_POOL && !o->dying)
        for (uint64_t page = ((const struct pool *)o)->base; page < ((const struct pool *)o)->end;
             page += PAGE_SIZE)
            CHECK(window_shown[page / PAGE_SIZE] == (page < ((const struct pool *)o)->next_page));
    if (o->type == OBJ_MEM && ((const struct mem *)o)->kind == MEM_RAM)
        for (const struct record *r = ((const struct mem *)o)->records; r; r = r->mem_next)
            CHECK(!window_shown[(r->mem->base + r->offset) / PAGE_SIZE]);
}
void arch_check_released(const struct object *o)
{
    for (unsigned gsi = 0; gsi < 24; gsi++)
        CHECK(host_irqs[gsi] != o);
}
void arch_check_use(const struct object *o, struct check_use *use)
{
    for (unsigned i = 0; o->type == OBJ_TASK && i < 2; i++)
        use->pages += ((const struct task *)o)->io_bitmap[i] != NULL;
}
bool arch_check_page(const struct space *space, uint64_t address, uint64_t physical)
{
    (void)space, (void)address, (void)physical;
    return false;
}

// Executes a system call of the current thread; returns when the kernel went back to user mode or
// idles. The result of a call that came back is in the thread's registers.
static void sys_raw(struct thread *t, uint64_t op, uint64_t slot, uint64_t label,
                    const uint64_t w[6])
{
    assert_ptr_equal(host_cpu.current, t);
    t->regs.rdi = op | slot << 16;
    t->regs.rsi = label;
    t->regs.rdx = w[0];
    t->regs.r10 = w[1];
    t->regs.r8 = w[2];
    t->regs.r9 = w[3];
    t->regs.r12 = w[4];
    t->regs.r13 = w[5];
    if (!setjmp(to_test))
        syscall_slow(t);
}
#define SYS(t, op, slot, label, ...) \
    (sys_raw(t, SYS_##op, slot, label, (uint64_t[6]){__VA_ARGS__}), (enum status)(t)->regs.rax)

static void run_scheduler(void)
{
    if (!setjmp(to_test))
        schedule();
}

#define SLOT_RAM   8
#define SLOT_PORTS 9
static int kernel_setup(void **state)
{
    (void)state;
    if (!ram) {
        ram = aligned_alloc(PAGE_SIZE, RAM_SIZE);
        memset(ram, 0xa5, RAM_SIZE);
    }
    memset(host_cpus, 0, sizeof(host_cpus));
    memset(host_state, 0, sizeof(host_state));
    host_now = 0;
    memset(host_slots, 0, sizeof(host_slots));
    memset(host_irqs, 0, sizeof(host_irqs));
    memset(host_ports, 0, sizeof(host_ports));
    memset(&hw_object, 0, sizeof(hw_object));
    tsc_hz = 100000000;
    for (unsigned i = 0; i < HOST_CPUS; i++)
        cpu_init(&host_cpus[i], i);
    object_table_init(host_slots, 4096);
    boot_pool = (struct pool){.base = 1 << 20,
                              .next_page = 1 << 20,
                              .end = 3 << 20,
                              .free_pages = 512,
                              .slots_left = 4000,
                              .quota = 4000};
    object_register(&boot_pool.obj, OBJ_POOL, &boot_pool);
    assert_int_equal(task_create(&boot_pool, 0, 0, 63, &root_task), OK);
    assert_int_equal(thread_create(&boot_pool, root_task, THREAD_ACTIVE, 0, 40, &root_thread), OK);
    object_register(&hw_object, OBJ_HW, &boot_pool);
    mem_create_boot(&boot_pool, 4 << 20, RAM_SIZE - (4 << 20), MEM_RAM, &ram_mem);
    mem_create_boot(&boot_pool, 0, 65536, MEM_PORTS, &ports_mem);
    root_task->caps[SLOT_TASK] = object_cap(&root_task->space.obj, RIGHT_ALL);
    root_task->caps[SLOT_POOL] = object_cap(&boot_pool.obj, RIGHT_ALL);
    root_task->caps[SLOT_THREAD] = object_cap(&root_thread->obj, RIGHT_ALL);
    root_task->caps[SLOT_HW] = object_cap(&hw_object, RIGHT_ALL);
    root_task->caps[SLOT_RAM] = object_cap(&ram_mem->obj, RIGHT_ALL);
    root_task->caps[SLOT_PORTS] = object_cap(&ports_mem->obj, RIGHT_ALL);
    uint64_t start[6] = {0x400000, 0x500000, 0};
    thread_ctl(root_thread, THREAD_START, start);
    run_scheduler();
    assert_ptr_equal(host_cpu.current, root_thread);
    return 0;
}

__attribute__((unused)) static int kernel_teardown(void **state)
{
    (void)state;
    for (uint64_t page = 0; page < RAM_SIZE; page += PAGE_SIZE)
        if (window_shown[page / PAGE_SIZE])
            arch_window_unmap(page, PAGE_SIZE);
    return 0;
}
