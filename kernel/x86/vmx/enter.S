// SPDX-License-Identifier: BSD-2-Clause
// bool vmx_enter(page, &v->vmx.host_rsp, launched, gdtr): one VM entry and exit, on the VMCS that is current. True: VMfail, no entry
// took place. GPRs travel straight from and to the vCPU page (gpr[] at GPR); RSP, RIP, RFLAGS in the VMCS; the caller has CR2.
// HAZARD: a VM exit sets GDTR.limit to 0xffff (SDM 3C 27.5.2): a task could load selectors beyond the GDT, whose "descriptors" are
// other kernel data. LGDT with the true limit follows at once. (Past the IDT's 256 entries there is no vector.)
#define GPR 64
#define HOST_RSP 0x6c14
#define HOST_RIP 0x6c16

    .text
    .globl vmx_enter
    .type vmx_enter, @function
vmx_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rcx
    push %rdi
    cmp %rsp, (%rsi)
    je 1f
    mov %rsp, (%rsi)
    mov $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov $vmx_exit, %rbx
    mov $HOST_RIP, %eax
    vmwrite %rbx, %rax
1:  test %dl, %dl
    mov GPR+8*0(%rdi), %rax
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
    jnz 2f
    vmlaunch
    jmp 3f
2:  vmresume
3:  mov $1, %eax
    jmp 4f

    .align 16
vmx_exit:
    push %rdi
    mov 8(%rsp), %rdi
    mov %rax, GPR+8*0(%rdi)
    mov %rcx, GPR+8*1(%rdi)
    mov 16(%rsp), %rcx
    lgdt (%rcx)
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
    xor %eax, %eax
4:  add $16, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size vmx_enter, . - vmx_enter
    .section .note.GNU-stack, "", @progbits
