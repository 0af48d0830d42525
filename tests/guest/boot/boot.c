// SPDX-License-Identifier: BSD-2-Clause
// Prints on COM1 what its loader told it, the same lines for each boot protocol, and switches the
// machine off.
#include <stdint.h>

#define MAGIC_1 0x2badb002u
#define MAGIC_2 0x36d76289u
#define PVH     0x336ec578u

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void text(const char *s)
{
    while (*s)
        out8(0x3f8, (uint8_t)*s++);
}

static void number(uint32_t n)
{
    char digits[11];
    char *at = digits + sizeof(digits) - 1;
    *at = 0;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    text(at);
}

static void field(const char *name, uint32_t value)
{
    text(name);
    number(value);
}

static void module(uint32_t start, uint32_t size, const char *string)
{
    field("module ", size);
    text(start % 4096 ? " unaligned '" : " '");
    text(string);
    text("' holds '");
    for (uint32_t i = 0; i < size && i < 20; i++)
        out8(0x3f8, ((const uint8_t *)start)[i]);
    text("'\n");
}

static void command(const char *string)
{
    text("command line '");
    text(string);
    text("'\n");
}

static uint32_t ram; // KiB

static void range(uint64_t size, uint32_t type)
{
    if (type == 1)
        ram += (uint32_t)(size >> 10);
}

static void rsdp(const char *at)
{
    static const char want[] = "RSD PTR ";
    for (unsigned i = 0; i < 8; i++)
        if (at[i] != want[i])
            return;
    text("acpi yes\n");
}

static void multiboot(const uint32_t *info)
{
    text("protocol multiboot\n");
    command((const char *)info[4]);
    for (uint32_t i = 0; i < info[5]; i++) {
        const uint32_t *m = (const uint32_t *)info[6] + 4 * i;
        module(m[0], m[1] - m[0], (const char *)m[2]);
    }
    for (uint32_t at = info[12]; at < info[12] + info[11]; at += *(const uint32_t *)at + 4)
        range(*(const uint64_t *)(at + 12), *(const uint32_t *)(at + 20));
}

static void multiboot2(const uint32_t *info)
{
    text("protocol multiboot2\n");
    uint32_t end = (uint32_t)info + info[0];
    for (uint32_t at = (uint32_t)info + 8; at < end;) {
        const uint32_t *tag = (const uint32_t *)at;
        if (tag[0] == 1)
            command((const char *)(tag + 2));
        else if (tag[0] == 3)
            module(tag[2], tag[3] - tag[2], (const char *)(tag + 4));
        else if (tag[0] == 15)
            rsdp((const char *)(tag + 2));
        else if (tag[0] == 6)
            for (uint32_t entry = at + 16; entry < at + tag[1]; entry += tag[2])
                range(*(const uint64_t *)(entry + 8), *(const uint32_t *)(entry + 16));
        at += (tag[1] + 7) & ~7u;
    }
}

static void pvh(const uint32_t *info)
{
    field("protocol pvh ", info[1]);
    text("\n");
    command((const char *)info[6]);
    for (uint32_t i = 0; i < info[3]; i++) {
        const uint32_t *m = (const uint32_t *)(info[4] + 32 * i);
        module(m[0], m[2], (const char *)m[4]);
    }
    rsdp((const char *)info[8]);
    for (uint32_t i = 0; i < info[12]; i++) {
        const uint32_t *entry = (const uint32_t *)(info[10] + 24 * i);
        range(*(const uint64_t *)(entry + 2), entry[4]);
    }
}

void boot_main(uint32_t magic, const uint32_t *info);
void boot_main(uint32_t magic, const uint32_t *info)
{
    if (magic == MAGIC_1)
        multiboot(info);
    else if (magic == MAGIC_2)
        multiboot2(info);
    else if (info[0] == PVH)
        pvh(info);
    field("memory ", ram);
    text("\nend of boot\n");
    for (;;)
        __asm__ volatile("outw %w0, %w1; hlt" : : "a"(0x2000 | 5 << 10), "Nd"(0x604));
}
