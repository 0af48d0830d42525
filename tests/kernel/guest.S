// SPDX-License-Identifier: BSD-2-Clause
// The guest of vcpu_drive.c: starts in real mode at 0800:0000, goes through protected mode to long mode, then executes one command
// at a time: OUT to port READY_PORT asks for it, the vmm answers with R12 = number (enum guest_command) and other registers.
// A fault sets R14 = 0x100 | vector, R15 = error code and goes on behind the command; interrupts are counted in COUNTS.
// Linked anywhere, copied to guest-physical 0x8000.
#include "guest.h"

#define BASE    GUEST_BASE
#define AT(x)   (BASE + (x) - guest_image)
#define PML4    0x10000
#define IDT     0x13000
#define TSS     0x15000
#define COUNTS  GUEST_COUNTS
#define STACK   0x18000
#define STACK3  0x19000

    .section .rodata
    .globl guest_image, guest_image_end
    .balign 4096
guest_image:
    .code16
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    movw $(handler16 - guest_image), 0x40 * 4
    movw $(BASE / 16), 0x40 * 4 + 2
    xor %bx, %bx
    int $0x40
    mov %bx, %ax
    out %ax, $READY_PORT            // report 1: 0x1616
    lgdtl %cs:(gdtr - guest_image)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x08, $AT(start32)
handler16:
    mov $0x1616, %bx
    iret

    .code32
start32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $STACK, %esp
    mov $0x3232, %eax
    out %eax, $READY_PORT           // report 2
    mov $PML4, %edi                 // tables: 1 GiB, 2 MiB pages, all for user level too
    xor %eax, %eax
    mov $0x3000 / 4, %ecx
    rep stosl
    movl $(PML4 + 0x1007), PML4
    movl $(PML4 + 0x2007), PML4 + 0x1000
    mov $0x87, %eax
    mov $(PML4 + 0x2000), %edi
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    cmp $(PML4 + 0x3000), %edi
    jb 1b
    mov %cr4, %eax
    or $0x620, %eax                 // PAE OSFXSR OSXMMEXCPT
    mov %eax, %cr4
    mov $PML4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x101, %eax                 // LME SCE
    wrmsr
    mov %cr0, %eax
    or $0x80010002, %eax            // PG WP MP
    mov %eax, %cr0
    ljmpl $0x18, $AT(start64)

    .code64
start64:
    mov $0x20, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $STACK, %esp
    mov $IDT, %edi                  // 256 gates, DPL 3
    mov $AT(vectors), %eax
    mov $256, %ecx
1:  mov %ax, (%rdi)
    movw $0x18, 2(%rdi)
    movw $0xee00, 4(%rdi)
    movw $0, 6(%rdi)
    movq $0, 8(%rdi)
    add $16, %eax
    add $16, %edi
    dec %ecx
    jnz 1b
    lidt AT(idtr)
    movq $STACK, TSS + 4
    mov $0x38, %eax
    ltr %ax

loop:
    mov $STACK, %esp
    out %al, $READY_PORT
    mov $AT(loop), %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    mov %r12d, %r12d
    jmp *AT(table)(, %r12, 8)

#define ONE(name, ...) c_##name: __VA_ARGS__; jmp loop
    ONE(nop, nop)
    ONE(cpuid, cpuid)
    ONE(in, in %dx, %eax)
    ONE(out, out %eax, %dx)
    ONE(rdmsr, rdmsr)
    ONE(wrmsr, wrmsr)
    ONE(hlt, sti; hlt; cli)
    ONE(load, mov (%rsi), %rax)
    ONE(store, mov %rax, (%rsi))
    ONE(read_cr0, mov %cr0, %rax)
    ONE(write_cr0, mov %rax, %cr0)
    ONE(read_cr4, mov %cr4, %rax)
    ONE(write_cr4, mov %rax, %cr4)
    ONE(reload_cr3, mov %cr3, %rax; mov %rax, %cr3)
    ONE(read_dr7, mov %dr7, %rax)
    ONE(write_dr7, mov %rax, %dr7)
    ONE(xsetbv, xsetbv)
    ONE(invd, invd)
    ONE(wbinvd, wbinvd)
    ONE(vmmcall, vmmcall)
    ONE(vmcall, vmcall)
    ONE(vmrun, vmrun %rax)
    ONE(vmload, vmload %rax)
    ONE(vmsave, vmsave %rax)
    ONE(stgi, stgi)
    ONE(clgi, clgi)
    ONE(skinit, skinit %eax)
    ONE(invlpga, invlpga %rax, %ecx)
    ONE(vmxon, vmxon (%rsi))
    ONE(vmxoff, vmxoff)
    ONE(vmclear, vmclear (%rsi))
    ONE(vmptrld, vmptrld (%rsi))
    ONE(vmlaunch, vmlaunch)
    ONE(vmread, vmread %rax, %rbx)
    ONE(invept, invept (%rsi), %rax)
    ONE(invpcid, invpcid (%rsi), %rax)
    ONE(getsec, xor %eax, %eax; getsec)
    ONE(monitor, monitor)
    ONE(mwait, mwait)
    ONE(rdpmc, rdpmc)
    ONE(rsm, rsm)
    ONE(read_cr8, mov %cr8, %rax)
    ONE(write_cr8, mov %rax, %cr8)
    ONE(int3, int3)
    ONE(int41, int $0x41)
    ONE(spin, cli; 1: jmp 1b)
    ONE(spin_open, sti; 1: cmp %eax, COUNTS(, %rcx, 4); je 1b; cli)
    ONE(count, mov COUNTS(, %rcx, 4), %eax)
    ONE(xmm_write, movq %rax, %xmm0; pinsrw $7, %ebx, %xmm0)
    ONE(xmm_read, movq %xmm0, %rax; pextrw $7, %xmm0, %ebx)
    ONE(xsave, mov $-1, %eax; mov $-1, %edx; xsave64 (%rsi))
    ONE(xrstor, mov $-1, %eax; mov $-1, %edx; xrstor64 (%rsi))
    ONE(fxsave, fxsave64 (%rsi))
    ONE(fxrstor, fxrstor64 (%rsi))
    ONE(swapgs, swapgs)
    ONE(rdtsc, rdtsc; shl $32, %rdx; or %rdx, %rax)
    ONE(invlpg, invlpg (%rsi))
    ONE(pause, pause)
    ONE(read_cr2, mov %cr2, %rax)
    ONE(rdtscp, rdtscp)
    ONE(triple, lidt AT(idtr0); int3)
    ONE(step, pushf; orl $0x100, (%rsp); popf; nop; nop)
    // the interrupt that comes is pushed to the stack at RSI
    ONE(stack, mov %rsi, %rsp; sti; nop; nop; nop; cli)
    ONE(syscall, push $0; mov $AT(2f), %r13d; syscall; 2: nop)
    ONE(clts, clts)
    ONE(lmsw, lmsw %ax)
    ONE(xgetbv, xgetbv)
    ONE(shadow, sti; cpuid; nop; cli)
    ONE(load32, mov (%rsi), %eax)
    ONE(store32, mov %eax, (%rsi))
    ONE(open, sti; nop; nop; cli)
    ONE(open_cr8, sti; nop; mov %rax, %cr8; nop; cli)

    // at user level with alignment checks: #AC
c_user:
    mov %cr0, %rax
    or $0x40000, %eax
    mov %rax, %cr0
    mov $AT(after_user), %r13d
    pushq $0x2b
    pushq $STACK3
    pushq $0x40202
    pushq $0x33
    pushq $AT(user)
    iretq
user:
    mov STACK3 - 15, %eax           // not aligned
after_user:
    int $0x80
from_user:                          // vector 0x80
    mov %cr0, %rax
    and $~0x40000, %eax
    mov %rax, %cr0
    jmp loop

    // SYSCALL target that the vmm sets in LSTAR
    .globl guest_lstar
guest_lstar:
    mov $0x5ca11, %eax
    jmp loop

    .balign 16
vectors:
    .set n, 0
    .rept 256
    .balign 16
    .if !(n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21)
    push $0
    .endif
    pushq $n
    jmp handler
    .set n, n + 1
    .endr

// rax 0, vector 8, error 16, rip 24, cs 32, rflags 40
handler:
    push %rax
    mov 8(%rsp), %rax
    incl COUNTS(, %rax, 4)
    cmp $0x80, %eax
    je from_user
    cmp $32, %eax
    jae 2f
    cmp $3, %eax
    jbe 1f
    mov 16(%rsp), %r15
    mov %r13, 24(%rsp)
    or $0x100, %eax
    mov %rax, %r14
1:  andl $~0x100, 40(%rsp)          // no further single step
2:  cmpl $0x90, 8(%rsp)             // of the Local APIC: end of interrupt
    jb 3f
    mov $0xfee000b0, %eax
    movl $0, (%rax)
3:  pop %rax
    add $16, %rsp
    iretq

    .balign 16
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        // 08 code32
    .quad 0x00cf93000000ffff        // 10 data
    .quad 0x00af9b000000ffff        // 18 code64
    .quad 0x00cf93000000ffff        // 20 data
    .quad 0x00cff3000000ffff        // 28 user data
    .quad 0x00affb000000ffff        // 30 user code
    .quad 0x0000890000000067 | (TSS & 0xffffff) << 16 // 38 TSS
    .quad 0
gdtr:
    .word gdtr - gdt - 1
    .long AT(gdt)
idtr:
    .word 4095
    .quad IDT
idtr0:
    .word 0
    .quad 0
    .balign 8
table:
#define X(name) .quad AT(c_##name);
    GUEST_COMMANDS
guest_image_end:
    .section .note.GNU-stack, "", @progbits
