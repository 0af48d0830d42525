// SPDX-License-Identifier: BSD-2-Clause
// The kernel's half of every address space. Also read by assembly and the linker script.
#pragma once

#define KERNEL_BASE  0xffffffff80000000 // the image, linked at KERNEL_BASE + physical
#define OBJECT_TABLE 0xffffffff90000000 // struct slot[]; within the top 2 GiB so that entry.S can name it in 32 bits
#define CPU_REGIONS  0xffffffffa0000000 // one CPU_REGION_SIZE per CPU
#define DEVICES      0xffffffffb0000000 // Local APIC, I/O APICs: one page each
#define WINDOW_BASE  0xffff800000000000 // pools: WINDOW_BASE + physical; 512 GiB
#define WINDOW_SIZE  0x8000000000
#define WINDOW_TABLE 0xffff808000000000 // the entries of the window, one per page of RAM
#define TSS_BASE     0xffff810000000000 // per CPU: TSS page, then two pages of I/O bitmap that belong to the task

// A CPU's region is aligned to its size, so that RSP names the CPU:
//   0x0000 guard  0x1000 IST stacks (#DB NMI #MC #DF, 1 KiB each)  0x2000 guard  0x3000..0x5000 stack  0x5000 struct
//   cpu  0x6000.. unused
#define CPU_REGION_SIZE 0x8000
#define CPU_IST         0x1000
#define CPU_IST_SIZE    0x400
#define CPU_STACK       0x3000
#define CPU_STACK_TOP   0x5000         // also where struct cpu begins: entry.S addresses it from the stack's top
#define TSS_STRIDE      0x4000         // TSS page, bitmap pages, one page that stays unmapped
#define TSS_OFFSET      (0x1000 - 104) // the TSS ends where its page ends, so that the bitmap follows it

#define SEL_KERNEL_CS \
    0x10 // 0x10, 0x18 and 0x23 in STAR are what a 64-bit Linux guest writes, so STAR need not be switched
#define SEL_KERNEL_DS 0x18
#define SEL_USER_CS32 0x23
#define SEL_USER_DS   0x2b
#define SEL_USER_CS   0x33
#define SEL_TSS       0x40
#define STAR_VALUE    0x0023001000000000
#define FMASK_VALUE   0x257fd5 // what Linux writes; masks IF, TF, DF, AC, NT, IOPL among others
