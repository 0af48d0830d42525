// SPDX-License-Identifier: BSD-2-Clause
// Called from entry.S with interrupts off.
#pragma once

#include "../thread.h"

_Noreturn void interrupt_user(struct regs *regs,
                              struct cpu *cpu); // an external one, from user mode; on the CPU's stack
void interrupt_kernel(unsigned vector);         // at a preemption point or in the idle loop
void exception_user(struct regs *regs);
void exception_kernel(struct regs *regs);   // a bug: panics
void interrupt_critical(struct regs *regs); // #DB, NMI, #MC, #DF on their own stacks
