// SPDX-License-Identifier: BSD-2-Clause
// Back to user mode: the switch between threads outside of the IPC fast path.
#include "cpu.h"
#include "../syscall.h"
#include "../sched.h"
#include "return.h"

void arch_return(struct thread *thread)
{
    switch_to(this_cpu(), thread);
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
    this_cpu()->idle = true;
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
