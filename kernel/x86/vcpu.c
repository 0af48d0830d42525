// SPDX-License-Identifier: BSD-2-Clause
// Virtual CPUs, the part that both vendors share: creation, vcpu_run, the kick, destruction.
// HAZARD: the vmm may write the vCPU page at any time from another CPU: every field is read once into a local.
#include "../sched.h"
#include "virt.h"
#include "insn.h"

const struct virt_ops *virt;

enum status virt_lacks(const char *feature)
{
    static const char before[] = "virtualization: not on this processor, it lacks ";
    size_t n = 0;

    while (feature[n])
        n++;
    arch_log(before, sizeof(before) - 1);
    arch_log(feature, n);
    arch_log("\n", 1);
    return ERR_UNSUPPORTED;
}

void virt_init(void)
{
    struct cpu *cpu = this_cpu();
    bool first = cpu->number == 0;
    const struct virt_ops *ops = virt;

    if (first) {
        if (cpuid_checked(0x80000001, 0).ecx & 1u << 2)
            ops = &svm_ops;
        else if (cpuid(1, 0).ecx & 1u << 5)
            ops = &vmx_ops;
    }
    if (!ops)
        return;
    tag_init(cpu);
    if (ops->cpu_init(cpu) == OK)
        virt = ops;
    else if (!first)
        panic("CPU %u cannot do what CPU 0 can", cpu->number);
}

enum status arch_vcpu_create(struct thread *thread, struct guest *guest, uint64_t page_address)
{
    struct pool *pool = thread->obj.pool;
    struct space *task = &thread->task->space;

    if (!virt)
        return ERR_UNSUPPORTED;
    if (thread->kind != THREAD_VCPU || page_address & (PAGE_SIZE - 1))
        return ERR_ARG;
    if (page_address >= task->limit)
        return ERR_RANGE;
    struct vcpu *v = pool_alloc(pool, sizeof(*v));
    if (!v)
        return ERR_MEMORY;
    v->thread = thread;
    v->guest = guest;
    v->page = pool_alloc(pool, PAGE_SIZE);
    v->vendor = pool_alloc(pool, PAGE_SIZE);
    enum status status = v->page && v->vendor ? fpu_area(thread) : ERR_MEMORY;
    if (status == OK)
        status = ptab_map(&task->ptab, page_address, virt_to_phys(v->page), PAGE_SIZE, MAP_READ | MAP_WRITE, false,
                          SPACE_STEPS).status;
    if (status != OK) {
        if (v->page)
            pool_free(pool, v->page, PAGE_SIZE);
        if (v->vendor)
            pool_free(pool, v->vendor, PAGE_SIZE);
        fpu_release(thread);
        pool_free(pool, v, sizeof(*v));
        return status;
    }
    v->page_address = page_address;
    v->page->deadline = TIMER_NONE;
    v->xcr0 = 1;
    v->vendor_phys = virt_to_phys(v->vendor);
    v->guest_next = guest->space.threads;
    if (v->guest_next)
        v->guest_next->vcpu->guest_prev = thread;
    guest->space.threads = thread;
    thread->vcpu = v;
    virt->vcpu_create(v);
    return OK;
}

void vcpu_release(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;
    struct pool *pool = thread->obj.pool;
    struct space *task = &thread->task->space;
    uint64_t size;

    fpu_release(thread);
    if (!v)
        return;
    arch_vcpu_unbind(thread);
    if (v->guest) {
        if (v->guest_next)
            v->guest_next->vcpu->guest_prev = v->guest_prev;
        if (v->guest_prev)
            v->guest_prev->vcpu->guest_next = v->guest_next;
        else
            v->guest->space.threads = v->guest_next;
    }
    virt->vcpu_destroy(v);
    // Only what still is the vCPU page: the task may have unmapped it and put something of its own there.
    uint64_t leaf = ptab_lookup(&task->ptab, v->page_address, &size);
    if (leaf && size == PAGE_SIZE && (leaf & 0x000ffffffffff000ull) == virt_to_phys(v->page)) {
        ptab_unmap(&task->ptab, v->page_address, PAGE_SIZE, 1);
        arch_space_flush(task);
    }
    pool_free(pool, v->page, PAGE_SIZE);
    pool_free(pool, v->vendor, PAGE_SIZE);
    pool_free(pool, v, sizeof(*v));
    thread->vcpu = NULL;
}

void vcpu_guest_gone(struct guest *guest)
{
    while (guest->space.threads) { // bound: its vCPUs
        struct vcpu *v = guest->space.threads->vcpu;
        guest->space.threads = v->guest_next;
        v->guest = NULL;
        v->guest_next = v->guest_prev = NULL;
    }
}

void vcpu_flush(struct guest *guest)
{
    guest->space.tag_generation++;
}

enum status arch_vcpu_bind(struct thread *thread, struct signal *signal)
{
    struct vcpu *v = thread->vcpu;

    if (!v)
        return ERR_STATE;
    if (v->signal || signal->vcpu)
        return ERR_BUSY;
    v->signal = signal;
    signal->vcpu = thread;
    return OK;
}

void arch_vcpu_unbind(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;

    if (v && v->signal) {
        v->signal->vcpu = NULL;
        v->signal = NULL;
    }
}

// On the vCPU's own CPU there is nothing to do: if its guest was running, an interrupt took it out to get here, and vcpu_run looks
// at the signal before it enters again.
void arch_vcpu_kick(struct thread *thread)
{
    (void)thread;
}

uint32_t vcpu_event(uint32_t event)
{
    unsigned vector = EVENT_VECTOR(event), type = EVENT_TYPE(event);

    if (!(event & EVENT_VALID))
        return 0;
    event &= EVENT_VALID | 0xfff;
    // In protected mode those that push an error code: DF TS NP SS GP PF AC. In real mode none does: the vmm tells.
    if (type != EVENT_EXCEPTION || vector > 31 || !(0x27d00u >> vector & 1))
        event &= ~EVENT_HAS_ERROR;
    switch (type) {
    case EVENT_EXTERNAL:
    case EVENT_SOFT_INT:
        return event;
    case EVENT_NMI:
        return EVENT_VALID | EVENT_NMI << 8 | 2;
    case EVENT_EXCEPTION:
    case EVENT_PRIV_SOFT:
    case EVENT_SOFT_EXCEPTION:
        return vector > 31 || vector == 2 ? 0 : event;
    default:
        return 0;
    }
}

void vcpu_load_dr(const struct vcpu *v)
{
    if (!(v->dr7 & 0xff))
        return; // nothing enabled: never read by the processor, and the guest's MOV DR all exit
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                     :
                     : "r"(v->dr[0]), "r"(v->dr[1]), "r"(v->dr[2]), "r"(v->dr[3]));
}

void arch_vcpu_run(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;
    struct cpu *cpu = thread->cpu;
    enum vcpu_exit exit;

    if (unlikely(!v)) {
        thread_result(thread, ERR_STATE);
        return;
    }
    struct vcpu_page *page = v->page;
    for (;;) { // bound: leaves for every signal, deadline, reschedule
        if (unlikely(thread->state & FLAG_CANCEL || !v->guest)) {
            thread_result(thread, v->guest ? ERR_CANCELLED : ERR_DEAD);
            thread->state &= ~FLAG_CANCEL;
            return;
        }
        if (cpu->fpu_owner != thread)
            fpu_own(thread);
        uint64_t deadline = READ_ONCE(page->deadline);
        if (v->signal && v->signal->bits) {
            exit = EXIT_KICK;
            virt->leave(v, page, exit);
            break;
        }
        if (deadline != thread->deadline) { // else it is armed, or there is none
            if (deadline <= arch_time()) {
                exit = EXIT_DEADLINE;
                virt->leave(v, page, exit);
                break;
            }
            thread_timer(thread, deadline);
        }
        exit = virt->run(v, page);
        if (likely(exit != EXIT_HOST))
            break;
        arch_preempt_point();
        if (cpu->need_resched) {
            virt->leave(v, page, EXIT_HOST);
            thread_restart(thread);
            schedule();
        }
    }
    thread_result(thread, OK);
    thread->regs.rsi = exit;
}
