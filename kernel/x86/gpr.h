// SPDX-License-Identifier: BSD-2-Clause
// Assembly: general registers straight from and to the vCPU page. RAX and RSP are each backend's own.
// clang-format off
#include "offsets.h"

#define GPR VCPU_GPR

// The C function's callee-saved registers.
.macro push_saved
    .irp r, rbx, rbp, r12, r13, r14, r15
    push %\r
    .endr
.endm
.macro pop_saved
    .irp r, r15, r14, r13, r12, rbp, rbx
    pop %\r
    .endr
.endm

.macro gpr_move op
    .set n, 8
    .irp r, r8, r9, r10, r11, r12, r13, r14, r15
    \op n, %\r
    .set n, n + 1
    .endr
    \op 1, %rcx
    \op 2, %rdx
    \op 3, %rbx
    \op 5, %rbp
    \op 6, %rsi
.endm
.macro load_one n, r
    mov GPR+8*\n(%rdi), \r
.endm
.macro store_one n, r
    mov \r, GPR+8*\n(%rdi)
.endm

// RDI: the page; ends as the guest's.
.macro gpr_load
    gpr_move load_one
    mov GPR+8*7(%rdi), %rdi
.endm

// RDI: the page; the guest's RDI is on the stack.
.macro gpr_store
    gpr_move store_one
    pop GPR+8*7(%rdi)
.endm
