// SPDX-License-Identifier: BSD-2-Clause
// The Multiboot loader: ELF32, ELF64 and header addresses made here, each refusal, and GRUB
// Invaders when installed.
// links: vmm/multiboot.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include "multiboot.h"
#include "loader_test.h"

static Elf32_Ehdr *const elf = (Elf32_Ehdr *)image;
static Elf32_Phdr *const segment = (Elf32_Phdr *)(image + sizeof(Elf32_Ehdr));
static uint32_t *const header = (uint32_t *)(image + 512);

static int setup(void **state)
{
    (void)state;
    loader_elf32(2);
    segment[0] = (Elf32_Phdr){.p_type = PT_NOTE, .p_offset = UINT32_MAX};
    header[0] = 0x1badb002;
    header[1] = 3;
    header[2] = -(header[0] + header[1]);
    return 0;
}

static enum load_status load(void)
{
    memset(ram.base, 0xee, ram.size);
    return multiboot_load(&ram, image, sizeof(image), modules, 2, "a=b", &start, error,
                          sizeof(error));
}

static void check_loaded(void)
{
    assert_string_equal(error, "");
    assert_memory_equal(ram.base + 0x200000, image + 1024, 3000);
    for (unsigned i = 3000; i < 5000; i++)
        assert_int_equal(ram.base[0x200000 + i], 0);
    assert_int_equal(ram.base[0x200000 + 5000], 0xee);
    assert_int_equal(start.rip, 0x200010);
}

static void test_elf32(void **state)
{
    (void)state;
    assert_int_equal(load(), LOAD_OK);
    check_loaded();
    assert_int_equal(start.gpr[RAX], 0x2badb002);
    assert_int_equal(start.cr0, 0x31);
    assert_int_equal(start.efer | start.cr4 | start.cr3, 0);
    assert_int_equal(start.seg[SEG_CS].attributes, 0xc09b);
    uint64_t info = start.gpr[RBX];
    assert_int_equal(word(info), 1 | 4 | 8 | 64 | 512);
    assert_int_equal(word(info + 4), 639);
    assert_int_equal(word(info + 8), 7 * 1024);
    assert_string_equal((char *)ram.base + word(info + 16), "a=b");
    assert_int_equal(word(info + 20), 2);
    uint64_t modules = word(info + 24);
    assert_int_equal(word(modules), 0x202000);
    assert_int_equal(word(modules + 4), 0x202005);
    assert_memory_equal(ram.base + 0x202000, "first", 5);
    assert_string_equal((char *)ram.base + word(modules + 8), "one");
    assert_int_equal(word(modules + 16), 0x203000);
    assert_string_equal((char *)ram.base + word(modules + 24), "");
    uint64_t map = word(info + 48);
    assert_int_equal(word(info + 44), 3 * 24);
    assert_int_equal(word(map), 20);
    assert_int_equal(word(map + 48 + 4), 0x100000);
    assert_int_equal(word(map + 48 + 12), 7 * MIB);
    assert_int_equal(word(map + 48 + 20), 1);
    assert_string_equal((char *)ram.base + word(info + 64), "Bulkhead");
}

static void test_elf64(void **state)
{
    (void)state;
    Elf64_Ehdr e = {.e_machine = EM_X86_64,
                    .e_entry = 0xffffffff80000010,
                    .e_phoff = 64,
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1};
    memcpy(e.e_ident, "\177ELF\2\1\1", 7);
    const Elf64_Phdr p = {.p_type = PT_LOAD,
                          .p_offset = 1024,
                          .p_vaddr = 0xffffffff80000000, // linked high: the entry is translated
                          .p_paddr = 0x200000,
                          .p_filesz = 3000,
                          .p_memsz = 5000};
    memcpy(image, &e, sizeof(e));
    memcpy(image + 64, &p, sizeof(p));
    assert_int_equal(load(), LOAD_OK);
    check_loaded();
}

static void set_addresses(uint32_t at, uint32_t load_address, uint32_t load_end, uint32_t bss_end)
{
    memset(image, 0, 512);
    header[1] = 1u << 16;
    header[2] = -(header[0] + header[1]);
    const uint32_t a[] = {at, load_address, load_end, bss_end, 0x200010};
    memcpy(header + 3, a, sizeof(a));
}

static void test_addresses(void **state)
{
    (void)state;
    set_addresses(0x200000, 0x200000, 0x200000 + 2000, 0x200000 + 3000);
    assert_int_equal(load(), LOAD_OK);
    assert_memory_equal(ram.base + 0x200000, image + 512, 2000);
    assert_int_equal(ram.base[0x200000 + 2999], 0);
    set_addresses(0x200100, 0x200000, 0, 0); // the whole file from 256 bytes before the header
    assert_int_equal(load(), LOAD_OK);
    assert_memory_equal(ram.base + 0x200000, image + 256, sizeof(image) - 256);
    const uint32_t bad[][4] = {{0x200000, 0x200001, 0, 0},
                               {0x200400, 0x200000, 0, 0},
                               {0x200000, 0x200000, 0x1fffff, 0},
                               {0x200000, 0x200000, 0, 0x1fffff},
                               {0x200000, 0x200000, 0x201000, 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        set_addresses(bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        assert_int_equal(load(), LOAD_BAD_IMAGE);
    }
    set_addresses(0x200000, 0x200000, 0, UINT32_MAX);
    assert_int_equal(load(), LOAD_NO_MEMORY);
}

static void refused(enum load_status want, const char *message)
{
    assert_int_equal(load(), want);
    assert_string_equal(error, message);
}

static void test_refusals(void **state)
{
    header[2]++;
    refused(LOAD_BAD_IMAGE, "kernel: no Multiboot header in its first 8 KiB");
    setup(state);
    header[1] = 0x10;
    header[2] = -(header[0] + header[1]);
    refused(LOAD_BAD_IMAGE, "kernel: asks for Multiboot features 0x10 that are not supported");
    setup(state);
    image[0] = 0;
    refused(LOAD_BAD_IMAGE, "kernel: not an ELF file");
    setup(state);
    elf->e_machine = EM_ARM;
    refused(LOAD_BAD_IMAGE, "kernel: ELF file for another processor (machine 40)");
    setup(state);
    elf->e_phoff = 4090;
    refused(LOAD_BAD_IMAGE, "kernel: corrupt: program headers at 0xffa, 2 of them");
    setup(state);
    segment[1].p_filesz = 3073;
    refused(LOAD_BAD_IMAGE, "kernel: truncated: a segment ends behind the file's 4096 bytes");
    setup(state);
    segment[1].p_offset = UINT32_MAX;
    assert_int_equal(load(), LOAD_BAD_IMAGE);
    setup(state);
    segment[1].p_memsz = UINT32_MAX;
    refused(LOAD_NO_MEMORY,
            "kernel: a segment at 0x200000 with 4194303 KiB lies outside the 8 MiB of memory");
    setup(state);
    segment[1].p_paddr = 0x8000;
    refused(LOAD_BAD_IMAGE, "kernel: a segment at 0x8000 lies below 1 MiB");
    setup(state);
    elf->e_entry = 0x300000;
    refused(LOAD_BAD_IMAGE, "kernel: entry point 0x300000 lies outside of it");
    setup(state);
    segment[1].p_memsz = 6 * MIB;
    refused(LOAD_NO_MEMORY, "module 1: its 0 KiB do not fit behind 0x800000");
    setup(state);
    const struct boot_module many[BOOT_MODULES + 1] = {{"", 0, NULL}};
    assert_int_equal(multiboot_load(&ram, image, sizeof(image), many, BOOT_MODULES, NULL, &start,
                                    error, sizeof(error)),
                     LOAD_OK);
    assert_int_equal(multiboot_load(&ram, image, sizeof(image), many, BOOT_MODULES + 1, NULL,
                                    &start, error, sizeof(error)),
                     LOAD_BAD_ARGUMENT);
    char *line = malloc(70000);
    memset(line, 'x', 70000);
    line[69999] = 0;
    assert_int_equal(
        multiboot_load(&ram, image, sizeof(image), NULL, 0, line, &start, error, sizeof(error)),
        LOAD_BAD_ARGUMENT);
    free(line);
    ram.size = MIB;
    assert_int_equal(
        multiboot_load(&ram, image, sizeof(image), NULL, 0, "", &start, error, sizeof(error)),
        LOAD_NO_MEMORY);
}

static void test_invaders(void **state)
{
    (void)state;
    FILE *f = fopen("/boot/invaders.exec", "rb");
    if (!f)
        skip();
    static uint8_t data[65536];
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    enum load_status status =
        multiboot_load(&ram, data, size, NULL, 0, "", &start, error, sizeof(error));
    assert_string_equal(error, "");
    assert_int_equal(status, LOAD_OK);
    assert_int_equal(start.rip, 0x100024); // an ELF file too, but the header's addresses go first
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_elf32), TEST(test_elf64), TEST(test_addresses),
                                       TEST(test_refusals), TEST(test_invaders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
