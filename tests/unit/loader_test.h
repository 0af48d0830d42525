// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the loaders of ELF kernels share: guest memory, an image that is made by hand
// (header at 0, the loader's own at 512, 3,000 bytes of code at 1,024), two modules.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <cmocka.h>

#include "boot.h"

#define MIB (1u << 20)

static struct guest_ram ram;
static struct cpu_start start;
static char error[160];
static uint8_t image[4096];
static const struct boot_module modules[] = {{"first", 5, "one"}, {"second", 6, NULL}};

// New memory of so many MiB.
static inline void loader_memory(unsigned mib)
{
    free(ram.base);
    ram.size = (uint64_t)mib * MIB;
    ram.base = calloc(1, ram.size);
}

// An image without a header.
static inline void loader_begin(void)
{
    loader_memory(8);
    memset(image, 0, 1024);
    memset(image + 1024, 0xcc, sizeof(image) - 1024);
    error[0] = 0;
}

// A header for the i386 with `segments` program headers, the last of which is the code's.
static inline void loader_elf32(unsigned segments)
{
    Elf32_Ehdr *elf = (Elf32_Ehdr *)image;
    Elf32_Phdr *segment = (Elf32_Phdr *)(elf + 1);

    loader_begin();
    memcpy(elf->e_ident, "\177ELF\1\1\1", 7);
    elf->e_machine = EM_386;
    elf->e_entry = 0x200010;
    elf->e_phoff = sizeof(*elf);
    elf->e_phentsize = sizeof(*segment);
    elf->e_phnum = segments;
    segment[segments - 1] = (Elf32_Phdr){.p_type = PT_LOAD,
                                         .p_offset = 1024,
                                         .p_vaddr = 0x200000,
                                         .p_paddr = 0x200000,
                                         .p_filesz = 3000,
                                         .p_memsz = 5000};
}

static int teardown(void **state)
{
    (void)state;
    free(ram.base);
    ram.base = NULL;
    return 0;
}

// A little-endian number of the guest's memory.
static inline uint64_t number(uint64_t address, unsigned size)
{
    uint64_t n = 0;
    assert_true(guest_ram_read(&ram, address, &n, size));
    return n;
}

static inline uint32_t word(uint64_t address)
{
    return (uint32_t)number(address, 4);
}

// A kernel of the machine that runs the test, of at most `room` MiB, whose path stands in the
// environment as `variable`; else the test is skipped. To be freed.
static inline uint8_t *loader_file(const char *variable, unsigned room, size_t *size)
{
    const char *path = getenv(variable);
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (!f)
        skip();
    uint8_t *data = malloc((size_t)room * MIB);
    *size = fread(data, 1, (size_t)room * MIB, f);
    fclose(f);
    return data;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
