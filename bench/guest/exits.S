// SPDX-License-Identifier: BSD-2-Clause
// A guest that does the same thing again and again, for the cost of each kind of exit with its vmm's work: a Multiboot kernel that goes to
// long mode with 2 MiB pages and runs at addresses of the upper half, as Linux does. Each loop stands between two markers, see
// bench/guests.py.
#include "../marker.h"

#define ROUNDS 2000

#define PML4  0x200000
#define UPPER 0xffffff8000000000 // the same memory again: entry 511 of the PML4
#define APIC  (UPPER + 0xfee00000)

        .text
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .code32
        .globl _start
_start:
        mov     $PML4, %edi             // page tables for 4 GiB
        xor     %eax, %eax
        mov     $0x6000 / 4, %ecx
        rep stosl
        movl    $(PML4 + 0x1003), PML4
        movl    $(PML4 + 0x1003), PML4 + 511 * 8
        mov     $(PML4 + 0x2003), %eax
        mov     $(PML4 + 0x1000), %edi
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x1000, %eax
        cmp     $(PML4 + 0x6003), %eax
        jb      1b
        mov     $0x83, %eax
        mov     $(PML4 + 0x2000), %edi
2:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x200000, %eax
        cmp     $(PML4 + 0x6000), %edi
        jb      2b
        mov     $0x20, %eax             // PAE
        mov     %eax, %cr4
        mov     $PML4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax            // LME
        wrmsr
        mov     %cr0, %eax
        or      $0x80010001, %eax
        mov     %eax, %cr0
        lgdtl   gdtr
        ljmpl   $8, $start64

        .code64
start64:
        mov     $UPPER, %rax
        lea     upper(%rax), %rax
        jmp     *%rax

// Two turns: one of a single round, which warms up, then the one that counts: of equal markers the last is taken.
.macro  begin mark
        mov     $1, %r12d
        mov     $1, %r13d
8:      MARKER(\mark)
        .balign 16
9:
.endm
.macro  end mark
        dec     %r12d
        jnz     9b
        MARKER(\mark + 1)
        mov     $ROUNDS, %r12d
        dec     %r13d
        jns     8b
.endm

upper:
        mov     $APIC, %rdi
        begin   2                       // the loop itself
        nop
        end     2
        begin   4
        xor     %eax, %eax
        cpuid
        end     4
        begin   6
        in      $0x61, %al
        end     6
        begin   8
        in      $0x84, %al              // a port where nothing is
        end     8
        begin   10
        mov     0xf0(%rdi), %eax        // the spurious-interrupt register
        end     10
        begin   12
        mov     %eax, 0xf0(%rdi)
        end     12
        mov     $0xfe, %ecx             // MTRRcap
        begin   14
        rdmsr
        end     14
        MARKER(1)
        cli
        hlt

        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff
gdtr:   .word   gdtr - gdt - 1
        .long   gdt
        .section .note.GNU-stack, "", @progbits
