// SPDX-License-Identifier: BSD-2-Clause
// Not linked: compiled to assembly text, from which the Makefile takes the offsets that the assembly files need.
#include "../cpu.h"
#include "../ipc.h"
#include "bulkhead/vcpu.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" ::"i"(value))

void offsets(void);
void offsets(void)
{
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
    DEFINE(CPU_RSP0, offsetof(struct cpu, rsp0));
    DEFINE(THREAD_STATE, offsetof(struct thread, state));
    DEFINE(THREAD_DEPTH, offsetof(struct thread, depth));
    DEFINE(THREAD_CR3, offsetof(struct thread, cr3));
    DEFINE(THREAD_CAPS, offsetof(struct thread, caps));
    DEFINE(THREAD_CALLER, offsetof(struct thread, caller));
    DEFINE(THREAD_CALLEE, offsetof(struct thread, callee));
    DEFINE(THREAD_CPU, offsetof(struct thread, cpu));
    DEFINE(THREAD_REGS, offsetof(struct thread, regs));
    DEFINE(THREAD_REGS_END, offsetof(struct thread, regs) + sizeof(struct regs));
    DEFINE(THREAD_RIP, offsetof(struct thread, regs.rip));
    DEFINE(THREAD_RSP, offsetof(struct thread, regs.rsp));
    DEFINE(THREAD_RFLAGS, offsetof(struct thread, regs.rflags));
    DEFINE(REGS_RIP, offsetof(struct regs, rip));
    DEFINE(REGS_CS, offsetof(struct regs, cs));
    DEFINE(REGS_RSP, offsetof(struct regs, rsp));
    DEFINE(REGS_RFLAGS, offsetof(struct regs, rflags));
    DEFINE(REGS_RAX, offsetof(struct regs, rax));
    DEFINE(REGS_RSI, offsetof(struct regs, rsi));
    DEFINE(REGS_RDI, offsetof(struct regs, rdi));
    DEFINE(REGS_RDX, offsetof(struct regs, rdx));
    DEFINE(REGS_R8, offsetof(struct regs, r8));
    DEFINE(REGS_R9, offsetof(struct regs, r9));
    DEFINE(REGS_R10, offsetof(struct regs, r10));
    DEFINE(REGS_R12, offsetof(struct regs, r12));
    DEFINE(REGS_R13, offsetof(struct regs, r13));
    DEFINE(GATE_WORKER, offsetof(struct gate, worker));
    DEFINE(GATE_BADGE, offsetof(struct gate, badge));
    DEFINE(NR_CALL, SYS_CALL);
    DEFINE(NR_REPLY_WAIT, SYS_REPLY_WAIT);
    DEFINE(NR_VCPU_RUN, SYS_VCPU_RUN);
    DEFINE(TYPE_GATE, OBJ_GATE);
    DEFINE(CALL_RIGHT_BIT, RIGHT_CALL << SLOT_BITS);
    DEFINE(SLOT_INDEX_MASK, SLOT_COUNT_MAX - 1);
    DEFINE(CAPS, CAP_SLOTS);
    DEFINE(DEPTH_MAX, CALL_DEPTH_MAX);
    DEFINE(RUNNING, STATE_RUNNING);
    DEFINE(CALLING, STATE_CALLING);
    DEFINE(RECEIVE, STATE_RECEIVE);
    DEFINE(VCPU_GPR, offsetof(struct vcpu_page, gpr));
}
