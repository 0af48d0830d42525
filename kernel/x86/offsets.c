// SPDX-License-Identifier: BSD-2-Clause
// Not linked: compiled to assembly text, from which the Makefile takes the offsets that the assembly files need.
#include "../cpu.h"
#include "../ipc.h"
#include "virt.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" ::"i"(value))

#define THREAD(name, field) DEFINE(THREAD_##name, offsetof(struct thread, field))
#define REGS(name, field)   DEFINE(REGS_##name, offsetof(struct regs, field))

// clang-format off
void offsets(void);
void offsets(void)
{
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current)); DEFINE(CPU_RSP0, offsetof(struct cpu, rsp0));
    DEFINE(CPU_RECEIVE, offsetof(struct cpu, receive));
    THREAD(STATE, state); THREAD(DEPTH, depth); THREAD(CR3, cr3); THREAD(CAPS, caps); THREAD(CALLER, caller); THREAD(CALLEE, callee);
    THREAD(CPU, cpu); THREAD(REGS, regs); THREAD(RIP, regs.rip); THREAD(RSP, regs.rsp); THREAD(RFLAGS, regs.rflags);
    DEFINE(THREAD_REGS_END, offsetof(struct thread, regs) + sizeof(struct regs));
    REGS(RIP, rip); REGS(CS, cs); REGS(RSP, rsp); REGS(RFLAGS, rflags); REGS(RAX, rax); REGS(RSI, rsi); REGS(RDI, rdi); REGS(RDX, rdx);
    REGS(R8, r8); REGS(R9, r9); REGS(R10, r10); REGS(R12, r12); REGS(R13, r13);
    DEFINE(GATE_WORKER, offsetof(struct gate, worker)); DEFINE(GATE_BADGE, offsetof(struct gate, badge));
    DEFINE(NR_CALL, SYS_CALL); DEFINE(NR_REPLY_WAIT, SYS_REPLY_WAIT); DEFINE(NR_VCPU_RUN, SYS_VCPU_RUN);
    DEFINE(TYPE_GATE, OBJ_GATE); DEFINE(SLOT_INDEX_MASK, SLOT_COUNT_MAX - 1); DEFINE(CAPS, CAP_SLOTS); DEFINE(DEPTH_MAX, CALL_DEPTH_MAX);
    DEFINE(RUNNING, STATE_RUNNING); DEFINE(CALLING, STATE_CALLING); DEFINE(RECEIVE, STATE_RECEIVE);
    DEFINE(VCPU_GPR, offsetof(struct vcpu_page, gpr)); DEFINE(VMX_HOST_RSP, offsetof(struct vcpu, vmx.host_rsp));
}
