// SPDX-License-Identifier: BSD-2-Clause
// bool vmx_enter(page, v, launched, gdtr): one VM entry and exit, on the VMCS that is current. True: VMfail, no entry
// took place. GPRs travel straight from and to the vCPU page (gpr.h); RSP, RIP, RFLAGS in the VMCS; the caller has CR2.
// HAZARD: a VM exit sets GDTR.limit to 0xffff (SDM 3C 27.5.2): a task could load selectors beyond the GDT, whose "descriptors" are
// other kernel data. LGDT with the true limit follows at once. (Past the IDT's 256 entries there is no vector.)
#include "../gpr.h"
#define HOST_RSP 0x6c14
#define HOST_RIP 0x6c16

    .text
    .globl vmx_enter
    .type vmx_enter, @function
vmx_enter:
    push_saved
    push %rcx
    push %rdi
    cmp %rsp, VMX_HOST_RSP(%rsi)
    je 1f
    mov %rsp, VMX_HOST_RSP(%rsi)
    mov $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov $vmx_exit, %rbx
    mov $HOST_RIP, %eax
    vmwrite %rbx, %rax
1:  test %dl, %dl
    mov GPR+8*0(%rdi), %rax
    gpr_load
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
    mov 16(%rsp), %rax
    lgdt (%rax)
    gpr_store
    xor %eax, %eax
4:  add $16, %rsp
    pop_saved
    ret
    .size vmx_enter, . - vmx_enter
    .section .note.GNU-stack, "", @progbits
