// SPDX-License-Identifier: BSD-2-Clause
// Back to user mode: the switch between threads outside of the IPC fast path.
#include "cpu.h"
#include "../debug.h"
#include "../syscall.h"
#include "../sched.h"
#include "domain.h"
#include "virt.h"

_Noreturn void return_syscall(struct thread *thread);
_Noreturn void return_interrupt(struct regs *regs);

#define CR3_KEEP (1ull << 63)

void arch_return(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    // HAZARD: a task can load a selector into FS, which changes the base behind our back; what it left must not reach
    // another thread.
    if (cpu->fs_base != thread->fs_base || (thread->fs_base && cpu->current != thread)) {
        cpu->fs_base = thread->fs_base;
        wrmsr(MSR_FS_BASE, thread->fs_base);
    }
    if (cpu->current != thread)
        trace(switch, cpu->current ? cpu->current->obj.slot : 0, thread->obj.slot, thread->priority, thread->regs.rip);
    cpu->current = thread;
    *cpu->rsp0 = (uint64_t)(&thread->regs + 1);
    fpu_switch(cpu, thread);
    if ((thread->cr3 & ~CR3_KEEP) != read_cr3()) {
        write_cr3(thread->cr3);
        if (unlikely(cpu->domain != thread->task->domain)) // after fpu_switch, which may touch the former's state
            domain_enter(cpu, thread->task->domain);
    }
    if (thread->state & FLAG_FULL) {
        thread->state &= ~FLAG_FULL;
        thread->regs.cs = SEL_USER_CS;
        thread->regs.ss = SEL_USER_DS;
        return_interrupt(&thread->regs);
    }
    return_syscall(thread);
}

void arch_idle(void)
{
    idle_loop((uint64_t)this_cpu());
}

void arch_syscall(struct thread *thread)
{
    syscall_on((uint64_t)this_cpu(), thread);
}

unsigned arch_cpu_count(void)
{
    return cpus_running;
}

struct cpu *arch_cpu(unsigned number)
{
    return number < arch_cpu_count() ? (struct cpu *)(CPU_REGIONS + (uint64_t)number * CPU_REGION_SIZE + CPU_STACK_TOP)
                                     : NULL;
}
