// SPDX-License-Identifier: BSD-2-Clause
// Called from entry.S with interrupts off.
#pragma once

#include "../thread.h"

void interrupt_user(struct regs *regs);     // from user mode; on the CPU's stack
void interrupt_kernel(struct regs *regs);   // at a preemption point, in the idle loop, or a fault in ring 0
void interrupt_critical(struct regs *regs); // #DB, NMI, #MC, #DF on their own stacks
