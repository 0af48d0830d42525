// SPDX-License-Identifier: BSD-2-Clause
// Measurements of the kernel by a root task that runs on it alone. Each loop stands between two
// markers for the counting plugin, and between two readings of the TSC for emulators whose TSC
// counts instructions; then comes the same loop without its system calls.
#pragma once

#include <stdint.h>
#include "bulkhead/syscall.h"
#include "../marker.h"

#define ROUNDS 10000 // of each loop

// Markers: a bracket begins with its number and ends with the next one. bench/kernel.py has the
// same list.
#define MARK_IPC       2
#define MARK_SIGNAL    4
#define MARK_WAKE      6
#define MARK_CPUID     8
#define MARK_IN        10
#define MARK_DONE      12
#define MARK_IRQ_IDLE  14
#define MARK_IRQ_USER  16
#define MARK_IRQ_GUEST 18
#define MARK_IRQ_HOST  20

// Capability slots of this task beside those it starts with, and of the second task.
#define SLOT_GATE       100
#define SLOT_SIGNAL     101
#define SLOT_QUIET      102 // a signal for which nobody waits
#define SLOT_IRQ_SIGNAL 103
#define SLOT_IRQ_WAITER 104
enum {
    SLOT_SERVER = 110,
    SLOT_WORKER,
    SLOT_WAITER,
    SLOT_RAM,
    SLOT_GUEST,
    SLOT_VCPU,
    SLOT_DONE,
    SLOT_PIT_PORTS,
    SLOT_IRQ
};
#define SERVER_SLOT_SIGNAL 1
#define SERVER_SLOT_IRQ    2

// clang-format off
#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x

// ROUNDS times `body`, which may use all registers but RSP: a system call keeps no other, so the rounds are counted on the stack.
#define LOOP_TEXT(body)                                                                             \
    "push %%rbp\n\tpushq $" STRING(ROUNDS) "\n\t.balign 16\n1:\t" body                             \
    "decq (%%rsp)\n\tjnz 1b\n\tpop %%rbp\n\tpop %%rbp\n\t"
#define LOOP(text)                                                                                  \
    __asm__ volatile(text ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",   \
                     "r12", "r13", "r14", "r15", "cc", "memory")
#define MARK_BEGIN(n) MARKER_ASM STRING(n) "\n\t"
#define MARK_END(n)   MARKER_ASM STRING(n) " + 1\n\t"

// Times the loop of body("syscall") and that of body("nop"), and prints both. `mark` is a macro of a number.
#define MEASURE(name, mark, body)                                                                   \
    do {                                                                                            \
        uint64_t t0 = tsc();                                                                        \
        LOOP(MARK_BEGIN(mark) LOOP_TEXT(body("syscall")) MARK_END(mark));                           \
        uint64_t t1 = tsc();                                                                        \
        LOOP(MARK_BEGIN(1) LOOP_TEXT(body("nop")) MARK_BEGIN(1));                                   \
        uint64_t t2 = tsc();                                                                        \
        print("bench %s rounds=%u ticks=%lu null=%lu", name, ROUNDS, t1 - t0, t2 - t1);             \
    } while (0)

// clang-format on

extern const struct boot_info *boot;

static inline uint64_t tsc(void)
{
    uint32_t low, high;

    // LFENCE is for processors that reorder; emulators do not.
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

// A line on the kernel's log.
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Stops the measurements with a line when a call does not succeed.
void must(enum status status, const char *what);

// Maps a new child of the largest RAM object here, and into the guest or task in slot `also` at
// address 0.
void ram_new(unsigned slot, uint64_t size, uint64_t address, unsigned also);

// Makes the second task, which has this one's code and nothing else: a worker behind SLOT_GATE, and
// a thread that waits for SLOT_SIGNAL again and again and is more urgent than this one.
void server_start(void);

// Interrupts of the 8254 while nothing runs, while this task runs, and while a guest runs. They
// need the counter.
void bench_irq(void);
// The second task's thread that waits for SLOT_IRQ_SIGNAL and is more urgent than all others.
void server_irq_start(void);

// Binds the 8254's interrupt to a signal; SLOT_IRQ must be free.
void irq_bind(unsigned signal);

// A worker of the second task on a CPU, and its gate.
void server_worker_new(unsigned slot, unsigned gate, unsigned cpu);

void bench_ipc(void);
void bench_cpus(void); // nothing with one CPU
void bench_exit(void);
