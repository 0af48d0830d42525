// SPDX-License-Identifier: BSD-2-Clause
// How the other CPUs come up: in real mode, at the beginning of a page below 1 MiB (SDM 3A 8.4.3), where boot.c copied the code up
// to ap_trampoline_end. They go on with the boot CPU's way through start.S and its tables, which still stand: so the kernel's own
// tables never map anything both writable and executable.
#include "layout.h"

    .section .boot.data, "aw"
    .code16
    .balign 4
    .global ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    lgdtl %cs:1f - ap_trampoline
    mov $0x11, %eax                 // PE, ET; CD and NW off
    mov %eax, %cr0
    ljmpl $8, $ap_protected
    .balign 4
1:  .short 23
    .long boot_gdt
ap_trampoline_end:

    .section .boot.text, "ax"
    .code32
ap_protected:
    mov $ap_start - KERNEL_BASE, %ebx
    jmp boot_long

    .text
    .code64
ap_start:
    mov $kernel_pml4 - KERNEL_BASE, %eax
    mov %rax, %cr3
    // HAZARD: a CPU that was given up may still get here: only one takes the stack.
    xor %eax, %eax
    xchg %rax, ap_stack
    test %rax, %rax
    jz 2f
    mov %rax, %rsp
    call ap_main
2:  cli
    hlt
    jmp 2b

    .section .note.GNU-stack, "", @progbits
