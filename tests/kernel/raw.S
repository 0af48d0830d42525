// SPDX-License-Identifier: BSD-2-Clause
// raw_syscall: every register goes in and comes out, so that a test sees what the kernel leaks or loses.

#define R(n)   (8 * (n))
#define FLAGS  128
#define BEFORE 136
#define AFTER  144

    .text
    .globl raw_syscall, raw_return
raw_syscall:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov %rsp, BEFORE(%rdi)
    pushq FLAGS(%rdi)
    mov R(0)(%rdi), %rax
    mov R(1)(%rdi), %rcx
    mov R(2)(%rdi), %rdx
    mov R(3)(%rdi), %rbx
    mov R(5)(%rdi), %rbp
    mov R(6)(%rdi), %rsi
    mov R(8)(%rdi), %r8
    mov R(9)(%rdi), %r9
    mov R(10)(%rdi), %r10
    mov R(11)(%rdi), %r11
    mov R(12)(%rdi), %r12
    mov R(13)(%rdi), %r13
    mov R(14)(%rdi), %r14
    mov R(15)(%rdi), %r15
    mov R(7)(%rdi), %rdi
    popfq
    syscall
raw_return:
    pushfq
    push %rdi
    mov 16(%rsp), %rdi
    mov %rax, R(0)(%rdi)
    mov %rcx, R(1)(%rdi)
    mov %rdx, R(2)(%rdi)
    mov %rbx, R(3)(%rdi)
    mov %rbp, R(5)(%rdi)
    mov %rsi, R(6)(%rdi)
    mov %r8, R(8)(%rdi)
    mov %r9, R(9)(%rdi)
    mov %r10, R(10)(%rdi)
    mov %r11, R(11)(%rdi)
    mov %r12, R(12)(%rdi)
    mov %r13, R(13)(%rdi)
    mov %r14, R(14)(%rdi)
    mov %r15, R(15)(%rdi)
    popq R(7)(%rdi)
    popq FLAGS(%rdi)
    mov %rsp, AFTER(%rdi)
    pushq $0x202                    // direction and alignment flags as C wants them
    popfq
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

// A thread's function returned here.
    .globl thread_end
thread_end:
    ud2

    .section .note.GNU-stack, "", @progbits
