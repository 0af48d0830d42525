// SPDX-License-Identifier: BSD-2-Clause
// Virtual CPUs, the part that both vendors share: creation, vcpu_run, the kick, destruction.
// HAZARD: the vmm may write the vCPU page at any time from another CPU: every field is read once
// into a local.
#include "../debug.h"
#include "../check.h"
#include "../sched.h"
#include "log.h"
#include "virt.h"
#include "insn.h"

const struct virt_ops *virt;
bool virt_apic;

enum status virt_lacks(const char *feature)
{
    log_text("virtualization: not on this processor, it lacks ");
    log_text(feature);
    log_text("\n");
    return ERR_UNSUPPORTED;
}

bool virt_init(void)
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
        return true;
    tag_init(cpu);
    if (ops->cpu_init(cpu) != OK)
        return first;
    virt = ops;
    return true;
}

static enum status page_map(struct ptab *ptab, uint64_t address, const void *page)
{
    struct ptab_result r = {0, OK};

    while (r.status == OK && !r.size) // bound: levels
        r = ptab_map(ptab, address, virt_to_phys(page), PAGE_SIZE, MAP_READ | MAP_WRITE, false, 1);
    return r.status;
}

// The guest's page at APIC_PAGE. What it accesses there the processor virtualizes, or it exits; the rest (page tables
// in it) finds this memory, which is its own and nobody else's.
static enum status guest_apic(struct guest *guest)
{
    struct ptab *ptab = &guest->space.ptab;

    if (guest->apic_access)
        return OK;
    void *page = pool_alloc(ptab->pool, PAGE_SIZE);
    enum status status = page ? page_map(ptab, APIC_PAGE, page) : ERR_MEMORY;
    if (status == OK)
        guest->apic_access = page;
    else if (page)
        pool_free(ptab->pool, page, PAGE_SIZE);
    return status;
}

// The task does not see its pages any more, when its translations are flushed. One page at a time; true: that was all.
static bool vcpu_unmap_step(struct vcpu *v)
{
    void *const pages[] = {v->page, v->apic, v->fpu};
    struct space *task = &v->thread->task->space;
    uint64_t address = v->page_address + v->unmapped * PAGE_SIZE, size, leaf;

    if (v->unmapped == 3)
        return true;
    // Only what still is that page: the task may have unmapped it and put something of its own there.
    if (pages[v->unmapped] && (leaf = ptab_lookup(&task->ptab, address, &size)) && size == PAGE_SIZE &&
        (leaf & 0x000ffffffffff000ull) == virt_to_phys(pages[v->unmapped]))
        ptab_unmap(&task->ptab, address, PAGE_SIZE, 1);
    return ++v->unmapped == 3;
}

static void vcpu_free(struct vcpu *v)
{
    void *const pages[] = {v->page, v->apic, v->fpu, v->vendor};
    struct pool *pool = v->thread->obj.pool;

    for (unsigned i = 0; i < 4; i++) // bound: 4
        if (pages[i])
            pool_free(pool, pages[i], PAGE_SIZE);
    pool_free(pool, v, sizeof(*v));
}

enum status arch_vcpu_create(struct thread *thread, struct guest *guest, uint64_t page_address)
{
    struct pool *pool = thread->obj.pool;
    struct space *task = &thread->task->space;
    bool apic = page_address & VCPU_APIC, fpu = page_address & VCPU_FPU;

    page_address &= ~(uint64_t)(VCPU_APIC | VCPU_FPU);
    if (!virt || (apic && !virt_apic))
        return ERR_UNSUPPORTED;
    if (thread->kind != THREAD_VCPU || page_address & (PAGE_SIZE - 1))
        return ERR_ARG;
    if (page_address + (fpu ? 2 : apic) * PAGE_SIZE >= task->limit)
        return ERR_RANGE;
    if (guest->vcpus >= VCPUS_MAX)
        return ERR_QUOTA;
    struct vcpu *v = pool_alloc(pool, sizeof(*v));
    if (!v)
        return ERR_MEMORY;
    v->thread = thread;
    v->guest = guest;
    v->page_address = page_address;
    v->page = pool_alloc(pool, PAGE_SIZE);
    v->vendor = pool_alloc(pool, PAGE_SIZE);
    v->apic = apic ? pool_alloc(pool, PAGE_SIZE) : NULL;
    v->fpu = fpu ? pool_alloc(pool, PAGE_SIZE) : NULL;
    enum status status =
        v->page && v->vendor && !v->apic == !apic && !v->fpu == !fpu ? arch_thread_area(thread) : ERR_MEMORY;
    if (status == OK && apic)
        status = guest_apic(guest);
    // HAZARD: last, and as both places are reserved it cannot fail: other CPUs see the pages from here on, so that they
    // must not be given back before a flush.
    if (status == OK)
        status = page_map(&task->ptab, page_address, v->page);
    if (status == OK && apic)
        status = page_map(&task->ptab, page_address + PAGE_SIZE, v->apic);
    if (status == OK && fpu)
        status = page_map(&task->ptab, page_address + 2 * PAGE_SIZE, v->fpu);
    if (status != OK) {
        vcpu_free(v);
        return status;
    }
    v->page->deadline = TIMER_NONE;
    if (fpu) // what it shows now is what it would load
        __builtin_memcpy(v->fpu, thread->xstate, 32);
    v->xcr0 = 1;
    v->vendor_phys = virt_to_phys(v->vendor);
    v->root = virt_to_phys(guest->space.ptab.root);
    virt->vcpu_create(v);
    thread->vcpu = v;
    guest->vcpus++;
    LIST_INSERT(guest->space.threads, thread, NULL, vcpu->guest_next, vcpu->guest_prev);
    return OK;
}

bool arch_thread_detach(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;

    if (!v)
        return true;
    arch_vcpu_unbind(thread);
    if (v->guest) {
        LIST_REMOVE(v->guest->space.threads, thread, vcpu->guest_next, vcpu->guest_prev);
        v->guest->vcpus--;
        __atomic_store_n(&v->guest, NULL, __ATOMIC_RELEASE);
    }
    return vcpu_unmap_step(v);
}

void arch_thread_leave(struct thread *thread)
{
    fpu_leave(thread);
    if (thread->vcpu) {
        virt->vcpu_leave(thread->vcpu);
        if (this_cpu()->entered == thread->vcpu)
            this_cpu()->entered = NULL;
    }
}

void arch_thread_release(struct thread *thread)
{
    fpu_free(thread);
    if (thread->vcpu)
        vcpu_free(thread->vcpu);
    thread->vcpu = NULL;
}

void arch_guest_detach(struct guest *guest)
{
    while (guest->space.threads) { // bound: its vCPUs
        struct vcpu *v = guest->space.threads->vcpu;
        guest->space.threads = v->guest_next;
        __atomic_store_n(&v->guest, NULL, __ATOMIC_RELEASE);
        v->guest_next = v->guest_prev = NULL;
    }
}

// Forgetting the tags is enough: the next entry takes a fresh one. CPU 0 may change the list at the same time: whoever
// is taken out stays readable until this CPU has answered.
void vcpu_flush(struct guest *guest)
{
    for (struct thread *t = READ_ONCE(guest->space.threads); t; t = READ_ONCE(t->vcpu->guest_next)) // bound: its vCPUs
        if (READ_ONCE(t->home) == this_cpu()->number) // its tag is, also while it is in a system call elsewhere
            t->vcpu->tag.generation = 0;
}

enum status arch_vcpu_bind(struct thread *thread, struct signal *signal)
{
    struct vcpu *v = thread->vcpu;

    if (!v)
        return ERR_STATE;
    if (v->signal || signal->vcpu)
        return ERR_BUSY;
    __atomic_store_n(&v->signal, signal, __ATOMIC_SEQ_CST);
    __atomic_store_n(&signal->vcpu, thread, __ATOMIC_SEQ_CST);
    if (READ_ONCE(signal->bits))
        arch_vcpu_kick(thread);
    return OK;
}

void arch_vcpu_unbind(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;

    if (v && v->signal) {
        __atomic_store_n(&v->signal->vcpu, NULL, __ATOMIC_RELEASE);
        __atomic_store_n(&v->signal, NULL, __ATOMIC_RELEASE);
    }
}

// If its guest is running, the interrupt takes it out, and vcpu_run looks at the signal before it enters again. On this
// CPU one did that already, to get here. HAZARD: an IPI to a CPU that is not in this guest would take time from whoever
// runs there, at any priority. Bits are set, then `entered` is read; the other CPU does the opposite, both by locked
// instructions.
void arch_vcpu_kick(struct thread *thread)
{
    struct cpu *cpu = READ_ONCE(thread->cpu);

    if (cpu != this_cpu() && READ_ONCE(cpu->entered) == thread->vcpu)
        arch_ipi(cpu);
}

uint32_t vcpu_event(uint32_t event)
{
    unsigned vector = EVENT_VECTOR(event), type = EVENT_TYPE(event);

    if (!(event & EVENT_VALID))
        return 0;
    event &= EVENT_VALID | 0xfff;
    // In protected mode those that push an error code: DF TS NP SS GP PF AC. In real mode none
    // does: the vmm tells.
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

uint64_t vcpu_load_debug(struct vcpu *v, struct vcpu_page *page)
{
    for (unsigned i = 0; i < 4; i++)
        v->dr[i] = READ_ONCE(page->dr[i]);
    v->dr7 = (READ_ONCE(page->dr7) & 0xffff2bff) | 0x400; // the reserved bits
    vcpu_load_dr(v);
    return v->dr7;
}

void vcpu_store_debug(const struct vcpu *v, struct vcpu_page *page, uint64_t dr7)
{
    for (unsigned i = 0; i < 4; i++)
        page->dr[i] = v->dr[i];
    page->dr7 = dr7;
}

// What is not so each time before an entry. True: enter; else the thread has a result.
static bool prepare(struct thread *thread, struct vcpu *v)
{
    struct guest *guest = v ? READ_ONCE(v->guest) : NULL;

    if (!guest || thread->state & (FLAG_CANCEL | FLAG_FS)) { // every exit sets FS base to 0: a vmm uses none
        if (v) // HAZARD: it may have been in the guest until now, whose LSTAR is still loaded
            virt->leave(v, v->page, EXIT_HOST);
        thread_result(thread, !v || thread->state & FLAG_FS ? ERR_STATE : !guest ? ERR_DEAD : ERR_CANCELLED);
        thread->state &= ~FLAG_CANCEL;
        return false;
    }
    if (thread->cpu->need_resched || (uint16_t)thread->state != STATE_RUNNING) {
        virt->leave(v, v->page, EXIT_HOST);
        thread_restart(thread);
        schedule();
    }
    check_tlb_load(&guest->space);
    // Also for the first entry on this CPU: nobody else can own the registers then.
    __atomic_fetch_or(&guest->space.cpus, 1ull << thread->home, __ATOMIC_SEQ_CST);
    fpu_own(thread);
    return true;
}

// The system call, from entry.S: enters the guest until there is something for the vmm. Comes back
// with that exit when nothing else is due on this CPU, which makes it the shortest way; else it
// leaves by the scheduler.
uint64_t vcpu_syscall(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;
    struct cpu *cpu = thread->cpu;

    for (;;) { // leaves for every signal, deadline, reschedule
        if (unlikely(!v || !READ_ONCE(v->guest) || (uint16_t)thread->state != STATE_RUNNING || cpu->need_resched ||
                     cpu->fpu_owner != thread))
            if (!prepare(thread, v))
                sched_return(thread);
        struct vcpu_page *page = v->page;
        (void)__atomic_exchange_n(&cpu->entered, v, __ATOMIC_SEQ_CST); // before the look at the signal: arch_vcpu_kick
        const struct signal *signal = READ_ONCE(v->signal);
        if (signal && READ_ONCE(signal->bits)) {
            cpu->entered = NULL;
            virt->leave(v, page, EXIT_KICK);
            return EXIT_KICK;
        }
        if (unlikely(READ_ONCE(page->deadline) != thread->deadline)) { // else it is armed, or there is none
            uint64_t deadline = READ_ONCE(page->deadline);
            if (deadline <= arch_time()) {
                cpu->entered = NULL;
                virt->leave(v, page, EXIT_DEADLINE);
                return EXIT_DEADLINE;
            }
            thread_timer(thread, deadline);
        }
        trace(vm_entry, thread->obj.slot, thread->state >> 8, thread->depth, thread->deadline);
        enum vcpu_exit exit = virt->run(v, page);
        cpu->entered = NULL;
        trace(vm_exit, thread->obj.slot, exit, thread->depth, thread->deadline);
        if (likely(exit != EXIT_HOST))
            return exit;
        if (unlikely(cpu->current != thread))
            schedule(); // it was destroyed: nothing of it may be touched
    }
}

void arch_vcpu_run(struct thread *thread)
{
    uint64_t exit = vcpu_syscall(thread);

    thread_result(thread, OK);
    thread->regs.rsi = exit;
}
