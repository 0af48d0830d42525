// SPDX-License-Identifier: BSD-2-Clause
// The hostile guest: a Multiboot kernel that does on command what no kernel should. See main.c for
// what it can do.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COM1 0x3f8

struct frame { // what a stub leaves on the stack
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags;
};

// Where to go on after the next exception; 0: it is unexpected. `trapped` becomes its vector.
extern volatile uint32_t recover, trapped, interrupts;
extern bool storming; // says so for each 1,000 interrupts
#define NO_TRAP 0xffffffffu

// One piece of assembly that may raise an exception.
#define TRY(code, ...)                                                                             \
    do {                                                                                           \
        trapped = NO_TRAP;                                                                         \
        __asm__ volatile("movl $999f, recover\n\t" code "\n999:\n\tmovl $0, recover" __VA_ARGS__); \
    } while (0)

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void print(const char *format, ...); // %s %u %x
uint32_t rnd(void);
void idle(void) __attribute__((noreturn)); // interrupts on, all of them masked

extern char image_end[];
extern uint64_t gdt[];
extern uint32_t memory_end; // of RAM, in bytes

// Each returns when it is through; what it was asked to do is its name.
void do_ports(void), do_ports_off(void), do_uart(void);
void do_msr(void), do_cpuid(void), do_privileged(void), do_cr(void), do_cr4(void), do_smsw(void),
    do_task(void);
void do_rom(void), do_paging(void), do_cr3(void), do_straddle(void), do_exotic(void), do_void(void);
void do_storm(void), do_apic(void), do_icr(void), do_nmi(void);
void do_rtc(void), do_port92(void), do_port64(void), do_debug(void), do_exit(void), do_panic(void),
    do_watchdog(void);
