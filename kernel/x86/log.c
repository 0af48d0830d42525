// SPDX-License-Identifier: BSD-2-Clause
// Log and panic.
#include "apic.h"
#include "log.h"
#include "../arch.h"
#include "../cpu.h"
#include "../debug.h"
#include "x86.h"

#define COM1 0x3f8

void log_init(void)
{
    outb(COM1 + 1, 0);    // no interrupts
    outb(COM1 + 3, 0x80); // divisor
    outb(COM1, 1);        // 115200
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3); // 8n1
    outb(COM1 + 2, 7); // FIFO on, cleared
    outb(COM1 + 4, 3);
}

static void put(char c)
{
    // What is to be sent, the low byte first, below a 1 that ends it: a newline is CR LF.
    for (unsigned out = c == '\n' ? 0x10a0d : 0x100 | (uint8_t)c; out > 1; out >>= 8) {
        for (unsigned i = 0; i < 100000 && !(inb(COM1 + 5) & 0x20); i++)
            ;
        outb(COM1, out);
    }
}

void log_text(const char *text)
{
    while (*text)
        put(*text++);
}

void log_hex(const char *before, uint64_t value)
{
    log_text(before);
    log_text(" 0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

bool arch_log_byte(char byte)
{
    if (!(inb(COM1 + 5) & 0x20))
        return false;
    outb(COM1, byte);
    return true;
}

// SeaBIOS' debug port ends a Bochs run (the words open the debugger, whose next command ends it); QEMU has
// isa-debug-exit at 0xf4.
static _Noreturn void end_machine(uint8_t code)
{
    for (unsigned i = 0; i < 100000 && !(inb(COM1 + 5) & 0x40); i++) // the last words leave the chip
        ;
    outb(0xf4, code);
    outw(0x8a00, 0x8a00);
    outw(0x8a00, 0x8ae0);
    outb(0xcf9, 6);
    for (;;)
        asm volatile("cli; hlt");
}

enum status arch_hw_ctl(uint64_t op, uint64_t words[6])
{
    switch (op) {
    case HW_EXIT:
        end_machine(words[0]);
    case HW_RESET:
        outb(0xcf9, 2);
        outb(0xcf9, 6);
        outb(0x64, 0xfe);
        end_machine(0);
    default:
        return ERR_ARG;
    }
}

bool panicking;

void panic(const char *what, uint64_t value)
{
    if (arch_cpu_count() > 1 && !__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
        apic_stop_others();
    log_hex("\n*** bulkhead kernel stopped on CPU", this_cpu()->number);
    log_text("\n");
    log_hex(what, value);
    log_text("\n");
    debug_crash();
    end_machine(0x7f);
}
