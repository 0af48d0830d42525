// SPDX-License-Identifier: BSD-2-Clause
// One guest, three boot protocols: Multiboot 0.6.96, Multiboot2 2.0, PVH.
    .section .headers, "a"
    .align 8
    .long 0x1badb002, 0x00000003, -(0x1badb002 + 0x00000003)
    .align 8
header2:
    .long 0xe85250d6, 0, header2_end - header2, -(0xe85250d6 + (header2_end - header2))
    .short 1, 0 // information: command line, modules, memory map, ACPI
    .long 28, 1, 3, 6, 14, 15
    .align 8
    .short 6, 0 // modules aligned to pages
    .long 8
    .short 10, 0 // relocatable, but at its own place
    .long 24, 0x100000, 0xffffffff, 4096, 0
    .short 0, 0
    .long 8
header2_end:

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18
    .asciz "Xen"
    .long start_pvh

    .text
    .globl start
start_pvh:
    xor %eax, %eax
start:
    mov $stack_top, %esp
    push $0
    popf
    push %ebx
    push %eax
    call boot_main
1:  cli
    hlt
    jmp 1b

    .bss
    .balign 16
    .skip 8192
stack_top:
    .section .note.GNU-stack, "", @progbits
