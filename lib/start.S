// SPDX-License-Identifier: BSD-2-Clause
// Where a task starts: rdi = its information page (struct task_info; struct boot_info in root), rsp = top of its stack.
// A program that brings its own stack (root: nobody made one for it) defines the symbol start_stack_top.
        .section .text.start, "ax", @progbits
        .globl _start
        .weak start_stack_top
_start:
        movl    $start_stack_top, %eax
        testl   %eax, %eax
        cmovnzq %rax, %rsp
        xorl    %ebp, %ebp
        andq    $-16, %rsp
        call    main
        movl    %eax, %edi
        call    task_exit       // does not return
        ud2
        .section .note.GNU-stack, "", @progbits
