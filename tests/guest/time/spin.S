// SPDX-License-Identifier: BSD-2-Clause
// A Multiboot kernel that computes and does nothing else, with interrupts off.
    .code32
    .section .text.start, "ax", @progbits
    .align 4
    .long 0x1badb002, 0, -0x1badb002
    .globl _start
_start:
    cli
1:  jmp 1b
    .section .note.GNU-stack, "", @progbits
