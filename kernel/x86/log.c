// SPDX-License-Identifier: BSD-2-Clause
// Log and panic. Formats: %s %c %d %u %x %lx %lu %p and a width with leading zeros for numbers.
#include "log.h"
#include "../arch.h"
#include "../cpu.h"
#include "x86.h"
#include <stdarg.h>

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
    if (c == '\n')
        put('\r');
    for (unsigned i = 0; i < 100000 && !(inb(COM1 + 5) & 0x20); i++)
        ;
    outb(COM1, c);
}

static void put_number(uint64_t value, unsigned base, unsigned width, char pad)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (; width > n; width--)
        put(pad);
    while (n)
        put(digits[--n]);
}

static void put_format(const char *f, va_list args)
{
    for (; *f; f++) {
        unsigned width = 0, longs = 0;
        char pad = ' ';
        if (*f != '%') {
            put(*f);
            continue;
        }
        f++;
        if (*f == '0')
            pad = '0';
        for (; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + *f - '0';
        for (; *f == 'l'; f++)
            longs++;
        switch (*f) {
        case 's':
            for (const char *s = va_arg(args, const char *); *s; s++)
                put(*s);
            break;
        case 'c':
            put(va_arg(args, int));
            break;
        case 'd': {
            int64_t value = longs ? va_arg(args, int64_t) : va_arg(args, int);
            if (value < 0)
                put('-');
            put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, pad);
            break;
        }
        case 'u':
        case 'x':
            put_number(longs ? va_arg(args, uint64_t) : va_arg(args, unsigned), *f == 'x' ? 16 : 10, width, pad);
            break;
        case 'p':
            put_number((uint64_t)va_arg(args, void *), 16, 16, '0');
            break;
        case 0:
            return;
        default:
            put(*f);
        }
    }
}

void log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put('\n');
}

void arch_log(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(bytes[i]);
}

// SeaBIOS' debug port ends a Bochs run (the words open the debugger, whose next command ends it); QEMU has isa-debug-exit at 0xf4.
static _Noreturn void end_machine(uint8_t code)
{
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

void panic(const char *format, ...)
{
    va_list args;
    struct cpu *cpu = this_cpu();

    log_line("\n*** bulkhead kernel stopped on CPU %u ***", cpu->number);
    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put('\n');
    end_machine(0x7f);
}
