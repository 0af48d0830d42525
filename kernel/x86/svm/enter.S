// SPDX-License-Identifier: BSD-2-Clause
// svm_enter(page, guest VMCB physical, host VMCB physical): one world switch. RAX, RSP, RIP and RFLAGS travel in the VMCB, the
// other registers straight from and to the vCPU page (gpr[] at GPR).
// HAZARD: from the first VMLOAD to the second TR, FS, GS and the syscall MSRs are the guest's: GIF must be 0, an NMI would use them.
// With V_INTR_MASKING it is the host's RFLAGS.IF that lets host interrupts through while the guest runs; GIF = 0 holds them back
// until then. On the way out STGI comes with IF = 0: NMIs are taken there, interrupts at the caller's preemption point.
#define GPR 64

    .text
    .globl svm_enter
    .type svm_enter, @function
svm_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    push %rdi
    mov %rsi, %rax
    mov GPR+8*1(%rdi), %rcx
    mov GPR+8*2(%rdi), %rdx
    mov GPR+8*3(%rdi), %rbx
    mov GPR+8*5(%rdi), %rbp
    mov GPR+8*6(%rdi), %rsi
    mov GPR+8*8(%rdi), %r8
    mov GPR+8*9(%rdi), %r9
    mov GPR+8*10(%rdi), %r10
    mov GPR+8*11(%rdi), %r11
    mov GPR+8*12(%rdi), %r12
    mov GPR+8*13(%rdi), %r13
    mov GPR+8*14(%rdi), %r14
    mov GPR+8*15(%rdi), %r15
    mov GPR+8*7(%rdi), %rdi
    clgi
    sti
    vmload %rax
    vmrun %rax
    vmsave %rax
    push %rdi
    mov 8(%rsp), %rdi
    mov %rcx, GPR+8*1(%rdi)
    mov %rdx, GPR+8*2(%rdi)
    mov %rbx, GPR+8*3(%rdi)
    mov %rbp, GPR+8*5(%rdi)
    mov %rsi, GPR+8*6(%rdi)
    mov %r8, GPR+8*8(%rdi)
    mov %r9, GPR+8*9(%rdi)
    mov %r10, GPR+8*10(%rdi)
    mov %r11, GPR+8*11(%rdi)
    mov %r12, GPR+8*12(%rdi)
    mov %r13, GPR+8*13(%rdi)
    mov %r14, GPR+8*14(%rdi)
    mov %r15, GPR+8*15(%rdi)
    pop GPR+8*7(%rdi)
    mov 8(%rsp), %rax
    vmload %rax
    cli
    stgi
    add $16, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size svm_enter, . - svm_enter
    .section .note.GNU-stack, "", @progbits
