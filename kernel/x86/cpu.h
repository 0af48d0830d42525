// SPDX-License-Identifier: BSD-2-Clause
// The x86 part of one CPU: its region of memory, descriptor tables, features.
#pragma once

#include "../cpu.h"
#include "x86.h"

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed));

// Lies at CPU_STACK_TOP of the CPU's region.
struct cpu_local {
    struct cpu cpu;
    uint64_t gdt[10];
};
_Static_assert(sizeof(struct cpu_local) <= 4096, "one page of the region");

struct features {
    bool pcid, pge, tsc_deadline, gib_pages, nx;
    uint64_t cr4; // bits that are set for all the time
    char name[49];
};
extern struct features features;

extern unsigned cpus_running; // set at boot, smp.c

void features_init(void);
// Starts the other CPUs of the machine that answer. Takes some 10 ms for each. At boot, when all is ready that they
// share.
void smp_start(void);
// Descriptor tables, system-call MSRs and control registers of CPU `number`, on whose region the tables are already
// mapped.
void cpu_setup(unsigned number, uint32_t apic_id);
_Noreturn void idle_loop(uint64_t stack_top);
_Noreturn void schedule_on(uint64_t stack_top);
_Noreturn void syscall_on(uint64_t stack_top, struct thread *thread);
void idle_check(void);
