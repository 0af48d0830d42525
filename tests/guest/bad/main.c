// SPDX-License-Identifier: BSD-2-Clause
// The hostile guest's prompt: it says what it was started with, reads the name of a misdeed from
// COM1, and does it.
#include "bad.h"

#include <stdarg.h>

#define LOADER_MAGIC 0x2badb002u
#define PATTERN      0xb0b0cafeu

struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_address;
};

volatile uint32_t recover, trapped, interrupts;
bool storming;
uint32_t memory_end;
static uint32_t seed = 1;

uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void put(char c)
{
    for (uint32_t i = 0; i < 1000000 && !(in8(COM1 + 5) & 0x20); i++)
        ;
    out8(COM1, (uint8_t)c);
}

static void put_number(uint32_t value, uint32_t base)
{
    char digits[12];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(digits[--n]);
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        if (*format == '\n')
            put('\r');
        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        if (*format == 's')
            for (const char *s = va_arg(arguments, const char *); *s; s++)
                put(*s);
        else
            put_number(va_arg(arguments, uint32_t), *format == 'x' ? 16 : 10);
    }
    va_end(arguments);
}

void idle(void)
{
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    for (;;)
        __asm__ volatile("sti; hlt");
}

void bad_trap(struct frame *frame);
void bad_trap(struct frame *frame)
{
    uint32_t cr2;

    if (frame->vector == 2)
        return;
    if (frame->vector >= 32) {
        interrupts++;
        if (storming &&
            interrupts % 1000 ==
                0) // here: between two interrupts there may be no room for an instruction
            print("storm %u\n", interrupts / 1000);
        if (frame->vector >= 0x28)
            out8(0xa0, 0x20);
        out8(0x20, 0x20);
        return;
    }
    if (recover) {
        trapped = frame->vector;
        frame->eip = recover;
        recover = 0;
        frame->eflags &= ~0x100u;
        return;
    }
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    print("\nunexpected exception %u at 0x%x, error 0x%x, cr2 0x%x\n", frame->vector, frame->eip,
          frame->error, cr2);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void set_idt(void)
{
    static uint64_t idt[256];
    static struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer;
    extern char stubs[];

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t handler = (uint32_t)stubs + 16 * i;
        idt[i] = (uint64_t)(handler & 0xffff0000) << 32 | 0x8e0000000000ull | 8 << 16 |
                 (handler & 0xffff);
    }
    pointer.limit = sizeof(idt) - 1;
    pointer.base = (uint32_t)idt;
    __asm__ volatile("lidt %0" ::"m"(pointer));
}

// ---- Misdeeds of a few lines

static void do_triple(void)
{
    static const uint8_t none[6];

    __asm__ volatile("lidt %0; int3" ::"m"(none));
}

static void do_spin(void)
{
    print("spinning\n");
    __asm__ volatile("cli; 1: jmp 1b");
}

static void do_halt(void)
{
    print("halting\n");
    __asm__ volatile("cli; hlt");
}

static void do_flood(void)
{
    for (uint32_t i = 0;; i++)
        out8(COM1, i % 64 == 63 ? '\n' : 'x');
}

static void do_off(void)
{
    out16(0x604, 5 << 10 | 1 << 13);
}

static void do_reset(void)
{
    out8(0xcf9, 6);
}

// What one run leaves in memory, no other may find.
static void do_fill(void)
{
    for (uint32_t *at = (uint32_t *)image_end; at < (uint32_t *)memory_end; at++)
        *at = PATTERN;
    print("fill done\n");
}

static void do_scan(void)
{
    uint32_t found = 0, other = 0;

    for (const uint32_t *at = (uint32_t *)image_end; at < (uint32_t *)memory_end; at++) {
        found += *at == PATTERN;
        other += *at != 0;
    }
    print("scan: %u words of the pattern, %u not zero\n", found, other);
}

static const struct {
    const char *name;
    void (*run)(void);
} deeds[] = {
    {"triple", do_triple},
    {"spin", do_spin},
    {"halt", do_halt},
    {"flood", do_flood},
    {"off", do_off},
    {"reset", do_reset},
    {"rtc", do_rtc},
    {"port92", do_port92},
    {"port64", do_port64},
    {"debug", do_debug},
    {"exit", do_exit},
    {"panic", do_panic},
    {"watchdog", do_watchdog},
    {"fill", do_fill},
    {"scan", do_scan},
    {"void", do_void},
    {"ports", do_ports},
    {"ports-off", do_ports_off},
    {"uart", do_uart},
    {"msr", do_msr},
    {"cpuid", do_cpuid},
    {"privileged", do_privileged},
    {"cr", do_cr},
    {"cr4", do_cr4},
    {"smsw", do_smsw},
    {"task", do_task},
    {"rom", do_rom},
    {"paging", do_paging},
    {"cr3", do_cr3},
    {"straddle", do_straddle},
    {"exotic", do_exotic},
    {"storm", do_storm},
    {"apic", do_apic},
    {"icr", do_icr},
    {"nmi", do_nmi},
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void run(const char *name)
{
    for (uint32_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (same(deeds[i].name, name))
            deeds[i].run();
}

static void prompt(void)
{
    char line[32];
    uint32_t n = 0;

    print("bad> ");
    for (;;) {
        if (!(in8(COM1 + 5) & 1))
            continue;
        char c = (char)in8(COM1);
        if (c == '\r')
            break;
        if (n < sizeof(line) - 1)
            line[n++] = c;
        put(c);
    }
    line[n] = 0;
    print("\n");
    run(line);
}

void bad_main(uint32_t magic, const struct multiboot_info *info);
void bad_main(uint32_t magic, const struct multiboot_info *info)
{
    const uint32_t *module = (const uint32_t *)info->mods_address;
    const char *cmdline = (const char *)info->cmdline;

    set_idt();
    if (magic != LOADER_MAGIC || (info->flags & 0x4d) != 0x4d) {
        print("wrong start: magic 0x%x, flags 0x%x\n", magic, info->flags);
        return;
    }
    memory_end = 0x100000 + info->mem_upper * 1024;
    print("lower %u upper %u cmdline '%s'\n", info->mem_lower, info->mem_upper, cmdline);
    if (info->mods_count) {
        print("%u module of %u bytes: ", info->mods_count, module[1] - module[0]);
        for (const char *at = (const char *)module[0]; at < (const char *)module[1] && *at >= ' ';
             at++)
            put(*at);
        print("\n");
    }
    if (cmdline[0] == 'd' && cmdline[1] == 'o' && cmdline[2] == '=')
        run(cmdline + 3);
    for (;;)
        prompt();
}
