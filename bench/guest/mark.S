// SPDX-License-Identifier: BSD-2-Clause
// A program for the measured Linux. As its first process (rdinit=/bench-init) it marks that this begins, then becomes /init; with one
// argument, as /init calls it behind its message, it marks that, and ends; with two and three it marks begin and end of what is
// measured then.
#include "../marker.h"

#define NR_EXECVE 59
#define NR_EXIT   60

        .text
        .globl  _start
_start:
        cmpl    $1, (%rsp)              // argc
        jne     1f
        MARKER(2)
        lea     24(%rsp), %rdx          // environment
        lea     8(%rsp), %rsi
        mov     $init, %edi
        mov     $NR_EXECVE, %eax
        syscall
1:      cmpl    $3, (%rsp)
        je      2f
        ja      3f
        MARKER(3)
        jmp     4f
2:      MARKER(4)
        jmp     4f
3:      MARKER(5)
4:      xor     %edi, %edi
        mov     $NR_EXIT, %eax
        syscall
init:   .asciz  "/init"
        .section .note.GNU-stack, "", @progbits
