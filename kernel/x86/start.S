// SPDX-License-Identifier: BSD-2-Clause
// From GRUB (Multiboot2: 32-bit protected mode, EAX = magic, EBX = information) to 64-bit C in the higher half. The tables made
// here map the first 4 GiB twice, writable and executable; boot.c replaces them before anything else runs.
#include "layout.h"

    .section .multiboot, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + 0 + (header_end - header))
    .short 6, 0                     // modules page-aligned
    .long 8
    .short 0, 0
    .long 8
header_end:

    .section .boot.text, "ax"
    .code32
    .global boot_entry
boot_entry:
    rdtsc
    mov %eax, %esi
    mov %edx, %ebp
    mov $boot_stack_top, %esp
    mov %ebx, %edi
    // PML4[0] and PML4[511], PDPT low [0..3] and high [510..511] -> four page directories of 2 MiB pages
    mov $boot_pml4, %eax
    movl $boot_pdpt + 3, (%eax)
    movl $boot_pdpt_high + 3, 511*8(%eax)
    mov $boot_pds + 3, %edx
    mov $boot_pdpt, %eax
    mov $4, %ecx
1:  mov %edx, (%eax)
    add $8, %eax
    add $4096, %edx
    loop 1b
    movl $boot_pds + 3, boot_pdpt_high + 510*8
    movl $boot_pds + 4096 + 3, boot_pdpt_high + 511*8
    mov $boot_pds, %eax
    mov $0x83, %edx
    mov $2048, %ecx
2:  mov %edx, (%eax)
    add $8, %eax
    add $0x200000, %edx
    loop 2b
    lgdt boot_gdt_pointer
    mov $boot_main - KERNEL_BASE, %ebx
// Also for the other CPUs (ap.S): to 64-bit mode on these tables, then to the function at KERNEL_BASE + EBX. No segment but CS
// need be loaded.
    .global boot_long
boot_long:
    mov $0xa0, %eax                 // PAE, PGE
    mov %eax, %cr4
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x901, %eax                 // SCE, LME, NXE
    wrmsr
    // CD and NW off (Bochs enters with them set), WP on, EM off, MP and NE on, PG on
    mov $0x80010033, %eax
    mov %eax, %cr0
    ljmp $0x10, $boot64
    .code64
boot64:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov %edi, %edi                  // first argument: the boot information
    shl $32, %rbp
    mov %esi, %esi
    or %rbp, %rsi                   // second: TSC at entry
    mov $KERNEL_BASE, %rax
    add %rbx, %rax
    xor %ebp, %ebp
    call *%rax
    ud2

    .section .boot.data, "aw"
    .balign 8
    .global boot_gdt
boot_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00af9b000000ffff
boot_gdt_pointer:
    .short . - boot_gdt - 1
    .long boot_gdt

    .section .boot.bss, "aw", @nobits
    .balign 4096
    .global boot_pml4
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_high: .skip 4096
boot_pds:       .skip 4 * 4096
    .skip 8192
boot_stack_top:
