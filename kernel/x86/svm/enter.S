// SPDX-License-Identifier: BSD-2-Clause
// svm_enter(page, guest VMCB physical, host VMCB physical): one world switch. RAX, RSP, RIP and RFLAGS travel in the VMCB, the
// other registers straight from and to the vCPU page (gpr.h).
// HAZARD: from the first VMLOAD to the second TR, FS, GS and the syscall MSRs are the guest's: GIF must be 0, an NMI would use them.
// With V_INTR_MASKING it is the host's RFLAGS.IF that lets host interrupts through while the guest runs; GIF = 0 holds them back
// until then. On the way out STGI comes with IF = 0: NMIs are taken there, interrupts at the caller's preemption point.
#include "../gpr.h"

    .text
    .globl svm_enter
    .type svm_enter, @function
svm_enter:
    push_saved
    push %rdx
    push %rdi
    mov %rsi, %rax
    gpr_load
    clgi
    sti
    vmload %rax
    vmrun %rax
    vmsave %rax
    push %rdi
    mov 8(%rsp), %rdi
    gpr_store
    mov 8(%rsp), %rax
    vmload %rax
    cli
    stgi
    add $16, %rsp
    pop_saved
    ret
    .size svm_enter, . - svm_enter
    .section .note.GNU-stack, "", @progbits
