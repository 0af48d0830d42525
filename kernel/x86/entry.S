// SPDX-License-Identifier: BSD-2-Clause
// Ways into the kernel and out of it: SYSCALL with the IPC fast path, interrupts and exceptions, and the returns.
//
// SYSCALL starts on the user's stack: each CPU's LSTAR points at a few instructions of its own (syscall_stubs) that put the CPU's
// stack top into RSP, and the user's RSP into RAX. struct cpu begins at the stack's top.
#include "layout.h"
#include "offsets.h"

    .text
// One stub of 16 bytes a CPU: LSTAR = syscall_stubs + 16 * number.
    .global syscall_stubs
    .balign 16
syscall_stubs:
    .set n, 0
    .rept 64
    .balign 16
    mov %rsp, %rax
    mov $(CPU_REGIONS + n * CPU_REGION_SIZE + CPU_STACK_TOP), %rsp
    jmp syscall_entry
    .set n, n + 1
    .endr

// RAX: user RSP, RCX: user RIP, R11: user RFLAGS, RSP: stack top = struct cpu. Free: RBX RBP R14 R15 (lost by the ABI).
    .balign 64
    .global syscall_entry
syscall_entry:
    mov CPU_CURRENT(%rsp), %rbx
    test %dil, %dil
    jnz not_call
    // ---- call: NR_CALL is 0
    mov %edi, %ebp
    shr $16, %ebp
    cmp $CAPS, %ebp
    jae slow
    mov THREAD_CAPS(%rbx), %r14
    mov (%r14,%rbp,8), %r14         // capability word
    mov %r14d, %ebp
    and $SLOT_INDEX_MASK, %ebp
    shl $4, %rbp
    // a word of a table that only the kernel writes: its slot is in range
    mov OBJECT_TABLE+8(%rbp), %r15  // object
    mov OBJECT_TABLE+4(%rbp), %ebp  // generation
    rol $32, %r14
    cmp %r14d, %ebp
    jne slow
    bt $52, %r14                    // RIGHT_CALL: bit 20, before the rotation
    jnc slow
    test %r15, %r15
    jz slow
    cmpw $TYPE_GATE, (%r15)         // type is gate and not dying
    jne slow
    mov GATE_WORKER(%r15), %r14
    mov CPU_RECEIVE(%rsp), %rbp     // waits for calls, and on this CPU
    cmp %rbp, THREAD_STATE(%r14)
    jne slow
    cmpl $RUNNING, THREAD_STATE(%rbx)
    jne slow
    mov THREAD_DEPTH(%rbx), %ebp
    cmp $DEPTH_MAX, %ebp
    jae slow
    inc %ebp
    mov %ebp, THREAD_DEPTH(%r14)
    mov %rcx, THREAD_RIP(%rbx)
    mov %r11, THREAD_RFLAGS(%rbx)
    mov %rax, THREAD_RSP(%rbx)
    movl $CALLING, THREAD_STATE(%rbx)
    mov %r14, THREAD_CALLEE(%rbx)
    mov %rbx, THREAD_CALLER(%r14)
    mov GATE_BADGE(%r15), %rdi
    jmp switch

not_call:
    cmp $NR_REPLY_WAIT, %dil
    jne slow
    // ---- reply_wait
    mov THREAD_CALLER(%rbx), %r14
    test %r14, %r14
    jz slow
    cmpl $RUNNING, THREAD_STATE(%rbx)
    jne slow
    cmpl $CALLING, THREAD_STATE(%r14)
    jne slow
    xor %edi, %edi
    mov %rcx, THREAD_RIP(%rbx)
    mov %r11, THREAD_RFLAGS(%rbx)
    mov %rax, THREAD_RSP(%rbx)
    movl $RECEIVE, THREAD_STATE(%rbx)
    mov %rdi, THREAD_CALLER(%rbx)
    mov %rdi, THREAD_CALLEE(%r14)
    // ---- from %rbx to %r14, whose message is in the registers
switch:
    movl $RUNNING, THREAD_STATE(%r14)
    mov CPU_RSP0(%rsp), %rbp
    lea THREAD_REGS_END(%r14), %r15
    mov %r15, (%rbp)
    mov %r14, CPU_CURRENT(%rsp)
    mov THREAD_CR3(%r14), %r15
    cmp THREAD_CR3(%rbx), %r15
    je 1f
    mov %r15, %cr3
1:  mov THREAD_RIP(%r14), %rcx
    mov THREAD_RFLAGS(%r14), %r11
    mov THREAD_RSP(%r14), %rsp
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r14d, %r14d
    xor %r15d, %r15d
    sysretq

slow:
    mov %rcx, THREAD_RIP(%rbx)
    mov %r11, THREAD_RFLAGS(%rbx)
    mov %rax, THREAD_RSP(%rbx)
    mov %rdi, THREAD_REGS+REGS_RDI(%rbx)
    cmp $NR_VCPU_RUN, %dil
    je vcpu
    mov %rsi, THREAD_REGS+REGS_RSI(%rbx)
    mov %rdx, THREAD_REGS+REGS_RDX(%rbx)
    mov %r10, THREAD_REGS+REGS_R10(%rbx)
    mov %r8, THREAD_REGS+REGS_R8(%rbx)
    mov %r9, THREAD_REGS+REGS_R9(%rbx)
    mov %r12, THREAD_REGS+REGS_R12(%rbx)
    mov %r13, THREAD_REGS+REGS_R13(%rbx)
    mov %rbx, %rdi
    call syscall_slow
    ud2

// ---- vcpu_run has no arguments. vcpu_syscall comes back only with an exit for this same thread; else it goes to the scheduler.
vcpu:
    mov %rbx, %rdi
    call vcpu_syscall
    mov %eax, %esi
    mov THREAD_RIP(%rbx), %rcx
    mov THREAD_RFLAGS(%rbx), %r11
    mov THREAD_RSP(%rbx), %rsp
    xor %eax, %eax
    xor %edi, %edi
    xor %edx, %edx
    xor %r10d, %r10d
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r14d, %r14d
    xor %r15d, %r15d
    sysretq

// _Noreturn void return_syscall(struct thread *): what SYSCALL expects; only rip, rflags, rsp and the result registers matter.
    .balign 16
    .global return_syscall
return_syscall:
    mov THREAD_REGS+REGS_RAX(%rdi), %rax
    mov THREAD_REGS+REGS_RSI(%rdi), %rsi
    mov THREAD_REGS+REGS_RDX(%rdi), %rdx
    mov THREAD_REGS+REGS_R10(%rdi), %r10
    mov THREAD_REGS+REGS_R8(%rdi), %r8
    mov THREAD_REGS+REGS_R9(%rdi), %r9
    mov THREAD_REGS+REGS_R12(%rdi), %r12
    mov THREAD_REGS+REGS_R13(%rdi), %r13
    mov THREAD_RIP(%rdi), %rcx
    mov THREAD_RFLAGS(%rdi), %r11
    mov THREAD_RSP(%rdi), %rsp
    mov THREAD_REGS+REGS_RDI(%rdi), %rdi
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %r14d, %r14d
    xor %r15d, %r15d
    sysretq

// _Noreturn void return_interrupt(struct regs *): all registers, by IRET.
    .balign 16
    .global return_interrupt
return_interrupt:
    mov %rdi, %rsp
restore_regs:
    .irp r, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    pop %\r
    .endr
    add $16, %rsp
    iretq

// ---- interrupts and exceptions
.macro save
    cld
    .irp r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    push %\r
    .endr
.endm

// From user mode RSP points into the thread: goes on with the CPU's stack, whose top is struct cpu.
.macro save_user
    save
    mov %rsp, %rdi
    mov THREAD_CPU-THREAD_REGS(%rsp), %rsi
    mov %rsi, %rsp
.endm

// Vector, error code, RIP, CS lie on the stack.
exception_no_error:
    push (%rsp)
    movq $0, 8(%rsp)
exception:
    testb $3, 24(%rsp)
    jz 1f
    save_user
    mov %rdi, %rbx
    call exception_user
    mov %rbx, %rsp
    jmp restore_regs
1:  save
    mov %rsp, %rdi
    call exception_kernel           // panics

// HAZARD: in ring 0 interrupts are on at preemption points and in the idle loop only, where nothing needs the registers that a
// C function may change: they are not saved.
    .balign 16
interrupt:
    push (%rsp)
    testb $3, 24(%rsp)
    jz 1f
    save_user
    call interrupt_user
1:  movzbl (%rsp), %edi
    push %rax                       // the frame's end was aligned to 16 by the processor
    call interrupt_kernel
    add $24, %rsp
    iretq

// #DB, NMI, #MC, #DF: on a stack of their own (MOV SS + SYSCALL, NMI at SYSCALL's first instruction).
critical_no_error:
    push (%rsp)
    movq $0, 8(%rsp)
critical:
    save
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call interrupt_critical
    mov %rbx, %rsp
    jmp restore_regs

.macro vector n
    .balign 8
    pushq $((\n & 0x7f) - (\n & 0x80))
    .if \n == 8
    jmp critical
    .elseif \n == 1 || \n == 2 || \n == 18
    jmp critical_no_error
    .elseif (\n >= 10 && \n <= 14) || \n == 17 || \n == 21 || \n == 29 || \n == 30
    jmp exception
    .elseif \n < 32
    jmp exception_no_error
    .else
    jmp interrupt
    .endif
.endm

// 8 bytes each: the vector as a signed byte, where it is the error code if the processor pushed none.
    .balign 16
    .global vectors
vectors:
    .set n, 0
    .rept 0xd0                      // VECTOR_COUNT
    vector n
    .set n, n + 1
    .endr

// _Noreturn void schedule_on(uint64_t stack_top): leaves the stack it is called on for good.
    .global schedule_on
schedule_on:
    mov %rdi, %rsp
    call schedule
    ud2

// _Noreturn void syscall_on(uint64_t stack_top, struct thread *): likewise.
    .global syscall_on
syscall_on:
    mov %rdi, %rsp
    mov %rsi, %rdi
    call syscall_slow
    ud2

// _Noreturn void idle_loop(uint64_t stack_top): interrupts arrive here, and the loop asks for a reschedule after each.
    .global idle_loop
idle_loop:
    mov %rdi, %rsp
2:  sti
    hlt
    cli
    call idle_check
    jmp 2b

    .section .note.GNU-stack, "", @progbits
