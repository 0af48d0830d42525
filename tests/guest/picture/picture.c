// SPDX-License-Identifier: BSD-2-Clause
// A Multiboot kernel that shows another picture after each key: text, 8 bits with a palette of its
// own, 32 bits in the middle of a larger virtual screen. It says on the serial line when one is
// complete. What it shows depends on the picture's number alone.
#include <stdint.h>

#define ADDRESS 0xcf8
#define DATA    0xcfc
#define COM1    0x3f8

enum { XRES = 1, YRES, BPP, ENABLE, VIRT_WIDTH = 6, X_OFFSET = 8, Y_OFFSET };

static uint8_t stack[4096] __attribute__((used));
static volatile uint8_t *frame;

__asm__(".section .text.start, \"ax\"\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n"
        "_start: cli; cld; movl $stack + 4096, %esp; call run\n"
        ".text\n");

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void print(const char *text)
{
    while (*text)
        out8(COM1, (uint8_t)*text++);
}

static uint32_t config(unsigned slot, unsigned offset)
{
    out32(ADDRESS, 1u << 31 | slot << 11 | offset);
    return in32(DATA);
}

static void find(void)
{
    for (unsigned slot = 0; slot < 32; slot++)
        if (config(slot, 0) == 0x11111234)
            frame = (volatile uint8_t *)(config(slot, 0x10) & ~15u);
}

static void dispi(uint16_t index, uint16_t value)
{
    out16(0x1ce, index);
    out16(0x1cf, value);
}

static void mode(uint16_t width, uint16_t height, uint16_t bits)
{
    dispi(ENABLE, 0);
    dispi(XRES, width);
    dispi(YRES, height);
    dispi(BPP, bits);
    dispi(ENABLE, 0x41);
}

static void text(unsigned number)
{
    volatile uint16_t *screen = (volatile uint16_t *)0xb8000;
    const char *line = "This is picture A";
    unsigned row = 80 * (number % 24 + 1);

    dispi(ENABLE, 0);
    for (unsigned i = 0; i < 80 * 25; i++)
        screen[i] = 0x0720;
    screen[0] = 0x0700 | '-'; // the first line is not empty
    for (unsigned i = 0; line[i]; i++)
        screen[row + i] = (uint16_t)(0x0a00 | (uint8_t)line[i]);
    screen[row + 16] = (uint16_t)(0x0c00 | ('A' + number % 26));
}

static void palette(unsigned number)
{
    mode(160, 100, 8);
    out8(0x3c8, 0);
    for (unsigned i = 0; i < 3 * 256; i++)
        out8(0x3c9, (uint8_t)((i * (number + 7) >> 2) & 63));
    for (unsigned i = 0; i < 160 * 100; i++)
        frame[i] = (uint8_t)(i / 160 * (number + 1) + i % 160);
}

static void colours(unsigned number)
{
    volatile uint32_t *pixel = (volatile uint32_t *)frame;

    mode(160, 100, 32);
    dispi(VIRT_WIDTH, 200);
    dispi(X_OFFSET, 40);
    dispi(Y_OFFSET, 20);
    for (unsigned i = 0; i < 200 * 120; i++)
        pixel[i] = (i % 200) << 16 | (i / 200 * number & 255) << 8 | (i * 3 & 255);
}

static void wait_key(void)
{
    for (;;) {
        while (!(in8(0x64) & 1))
            for (unsigned i = 0; i < 100; i++)
                __asm__ volatile("pause");
        if (in8(0x60) < 0x80)
            return;
    }
}

// Until the log has its line about a picture, which would go through the middle of ours.
static void pause_a_while(void)
{
    uint64_t begin = __builtin_ia32_rdtsc();

    while (__builtin_ia32_rdtsc() - begin < 1000000000)
        __asm__ volatile("pause");
}

__attribute__((used, noreturn)) void run(void)
{
    char line[] = "picture A is complete\n";

    find();
    for (unsigned number = 0;; number++) {
        if (number % 3 == 0)
            text(number);
        else if (number % 3 == 1)
            palette(number);
        else
            colours(number);
        pause_a_while();
        line[8] = (char)('A' + number % 26);
        print(line);
        wait_key();
    }
}
