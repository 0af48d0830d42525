// SPDX-License-Identifier: BSD-2-Clause
// A Multiboot kernel that tests the virtual PC: header, entry, exception and interrupt stubs, and the excursions to 64-bit and real
// mode. The tests are in pc.c.
    .code32
    .section .text.start, "ax", @progbits
    .align 4
header:
    .long 0x1badb002, 0, -0x1badb002
    .globl _start
_start:
    cli
    cld
    movl $stack_top, %esp
    pushl %ebx
    call main
1:  hlt
    jmp 1b

// Each stub leaves vector and error code on the stack, so that struct frame looks the same for all.
    .text
    .set vector, 0
    .align 16
    .globl stubs
stubs:
    .rept 256
    .align 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
    .else
    pushl $0
    .endif
    pushl $vector
    jmp common
    .set vector, vector + 1
    .endr

common:
    pusha
    pushl %esp
    call on_interrupt
    addl $4, %esp
    popa
    addl $8, %esp
    iret

// int probe(void (*code)(void)): runs code that may fault; the handler goes on at probe_end with the vector in eax, 0x100 is none.
    .globl probe, probe_end, probe_sp
probe:
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl %esp, probe_sp
    call *20(%esp)
    movl $0x100, %eax
probe_end:
    movl probe_sp, %esp
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    ret

// uint32_t long_mode(void): from 32-bit code with PAE tables in CR3 and paging off, into 64-bit code and back. Returns the APIC version
// register as 64-bit code read it.
    .globl long_mode
long_mode:
    pushl %ebx
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmp $0x18, $1f
    .code64
1:  movabs $0xfee00030, %rbx
    movl (%rbx), %esi
    movabs $0x123456789abcdef0, %r8
    mov %r8, %rax
    xor %ecx, %ecx
    cpuid
    mov %r8, %rax
    shr $32, %rax
    cmp $0x12345678, %eax
    je 2f
    xor %esi, %esi
2:  ljmpl *3f(%rip)
3:  .long 4f
    .word 0x08
    .code32
4:  movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $~0x100, %eax
    wrmsr
    movl %cr4, %eax
    andl $~0x20, %eax
    movl %eax, %cr4
    movl %esi, %eax
    popl %ebx
    ret

// uint32_t real_mode(void): copied to REAL_CODE below 1 MiB. Through real mode and back; returns what IN from an absent port gave.
    .globl real_mode, real_begin, real_finish
real_mode:
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl %esp, saved_sp
    ljmp $0x28, $0x8000
back:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl saved_sp, %esp
    movl %esi, %eax
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    ret
    .code16
real_begin: // at 0x8000, CS is a 16-bit segment with base 0
    movw $0x30, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $0x0800, $(1f - real_begin)
1:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7ff0, %sp
    xorl %eax, %eax
    cpuid
    movw $0x200, %dx
    xorl %eax, %eax
    inw %dx, %ax
    movl %eax, %esi
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x08, $back
real_finish:
    .code32

    .data
    .align 4
probe_sp: .long 0
saved_sp: .long 0
    .bss
    .align 16
    .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits
