// SPDX-License-Identifier: BSD-2-Clause
// The hostile guest's entry (Multiboot 0.6.96) and a handler for each of the 256 vectors.
    .section .multiboot, "a"
    .align 4
    .long 0x1badb002, 0x00000003, -(0x1badb002 + 0x00000003)

    .text
    .globl start
start:
    cli
    mov $stack_top, %esp
    lgdt gdt_pointer
    ljmp $8, $1f
1:  mov $16, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %fs
    mov %ecx, %gs
    mov %ecx, %ss
    push $0
    popf
    push %ebx
    push %eax
    call bad_main
2:  cli
    hlt
    jmp 2b

common:
    pushal
    cld
    push %esp
    call bad_trap
    add $4, %esp
    popal
    add $8, %esp
    iret

    .globl stubs
    .balign 16
stubs:
    .set number, 0
    .rept 256
    .balign 16
    // An exception that brings an error code: SDM 3A table 6-1.
    .if (number == 8) || ((number >= 10) && (number <= 14)) || (number == 17) || (number == 21) || (number == 30)
    .else
    push $0
    .endif
    push $number
    jmp common
    .set number, number + 1
    .endr

    .data
    .balign 8
    .globl gdt
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0, 0
    .globl gdt_pointer
gdt_pointer:
    .word 5 * 8 - 1
    .long gdt

    .bss
    .balign 16
    .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits
