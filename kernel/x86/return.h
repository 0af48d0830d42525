// SPDX-License-Identifier: BSD-2-Clause
// The way back to user mode, inline for the path of an interrupt to its thread.
#pragma once

#include "../check.h"
#include "../debug.h"
#include "cpu.h"
#include "domain.h"
#include "virt.h"

_Noreturn void return_syscall(struct thread *thread);
_Noreturn void return_interrupt(struct regs *regs);

// All but the registers becomes the thread's.
ALWAYS_INLINE void switch_to(struct cpu *cpu, struct thread *thread)
{
    // HAZARD: a task can load a selector into FS, which changes the base behind our back; what it left must not reach
    // another thread.
    if (unlikely(cpu->fs_base | thread->fs_base) &&
        (cpu->fs_base != thread->fs_base || (thread->fs_base && cpu->current != thread))) {
        cpu->fs_base = thread->fs_base;
        wrmsr(MSR_FS_BASE, thread->fs_base);
    }
    if (cpu->current != thread)
        trace(switch, cpu->current ? cpu->current->obj.slot : 0, thread->obj.slot, thread->priority, thread->regs.rip);
    cpu->current = thread;
    *cpu->rsp0 = (uint64_t)(&thread->regs + 1);
    if (unlikely(thread->state & FLAG_FPU || cpu->fpu_look))
        fpu_switch(cpu, thread);
    check_tlb_load(&thread->task->space);
    if ((thread->cr3 ^ read_cr3()) << 1) { // but for CR3_KEEP, which is never read back
        write_cr3(thread->cr3);
        if (unlikely(cpu->domain != thread->task->domain)) // after fpu_switch, which may touch the former's state
            domain_enter(cpu, thread->task->domain);
    }
}
