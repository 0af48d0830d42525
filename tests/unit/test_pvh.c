// SPDX-License-Identifier: BSD-2-Clause
// The PVH loader: the note in ELF32 and ELF64, start information, modules, each refusal; and Linux
// when a vmlinux is there (VMLINUX=path).
// links: vmm/pvh.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include "pvh.h"
#include "loader_test.h"

static Elf64_Ehdr *const elf = (Elf64_Ehdr *)image;
static Elf64_Phdr *const segment = (Elf64_Phdr *)(image + sizeof(Elf64_Ehdr));
static uint32_t *const note = (uint32_t *)(image + 512);

static int setup(void **state)
{
    (void)state;
    loader_begin();
    *elf = (Elf64_Ehdr){.e_machine = EM_X86_64,
                        .e_entry = 0x200000,
                        .e_phoff = sizeof(*elf),
                        .e_phentsize = sizeof(Elf64_Phdr),
                        .e_phnum = 2};
    memcpy(elf->e_ident, "\177ELF\2\1\1", 7);
    segment[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 512, .p_filesz = 64};
    segment[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                              .p_offset = 1024,
                              .p_vaddr = 0xffffffff80200000,
                              .p_paddr = 0x200000,
                              .p_filesz = 3000,
                              .p_memsz = 5000};
    const uint32_t notes[] = {4, 5, 18, 0x00756e47, 1,       2, // "Gnu": 5 bytes, padded to 8
                              4, 4, 18, 0x006e6558, 0x200020};
    memcpy(note, notes, sizeof(notes));
    return 0;
}

static enum load_status load(const char *cmdline)
{
    const struct boot_layout layout = {.rsdp = 0xe0000};
    memset(ram.base, 0xee, ram.size);
    return pvh_load(&ram, image, sizeof(image), modules, 2, cmdline, &layout, &start, error,
                    sizeof(error));
}

static void test_start(void **state)
{
    (void)state;
    assert_int_equal(load("a=b"), LOAD_OK);
    assert_string_equal(error, "");
    assert_memory_equal(ram.base + 0x200000, image + 1024, 3000);
    assert_int_equal(ram.base[0x200000 + 4999], 0);
    assert_int_equal(ram.base[0x200000 + 5000], 0xee);
    assert_int_equal(start.rip, 0x200020);
    assert_int_equal(start.cr0, 0x31);
    assert_int_equal(start.efer | start.cr4 | start.cr3, 0);
    assert_int_equal(start.rflags, 2);
    assert_int_equal(start.seg[SEG_CS].attributes, SEGMENT_CODE32);
    uint64_t info = start.gpr[RBX];
    assert_int_equal(number(info, 4), 0x336ec578);
    assert_int_equal(number(info + 4, 4), 1);
    assert_int_equal(number(info + 8, 4), 0);
    assert_int_equal(number(info + 12, 4), 2);
    uint64_t modules = number(info + 16, 8);
    assert_string_equal((char *)ram.base + number(info + 24, 8), "a=b");
    assert_int_equal(number(info + 32, 8), 0xe0000);
    assert_int_equal(number(modules, 8), 0x202000);
    assert_int_equal(number(modules + 8, 8), 5);
    assert_string_equal((char *)ram.base + number(modules + 16, 8), "one");
    assert_memory_equal(ram.base + 0x202000, "first", 5);
    assert_int_equal(number(modules + 32, 8), 0x203000);
    assert_string_equal((char *)ram.base + number(modules + 48, 8), "");
    uint64_t map = number(info + 40, 8);
    assert_int_equal(number(info + 48, 4), 3);
    assert_int_equal(number(map + 48, 8), MIB);
    assert_int_equal(number(map + 56, 8), 7 * MIB);
    assert_int_equal(number(map + 64, 8), 1);
}

static void test_note_of_8_bytes(void **state)
{
    (void)state;
    note[7] = 8;
    assert_int_equal(load(NULL), LOAD_OK);
    assert_int_equal(start.rip, 0x200020);
}

static void refused(enum load_status want, const char *message)
{
    assert_int_equal(load(""), want);
    assert_string_equal(error, message);
}

static void no_note(void **state)
{
    refused(LOAD_BAD_IMAGE, "kernel: has no PVH entry point (XEN_ELFNOTE_PHYS32_ENTRY)");
    setup(state);
}

static void test_refusals(void **state)
{
    image[0] = 0;
    refused(LOAD_BAD_IMAGE, "kernel: not an ELF file");
    setup(state);
    note[8] = 17;
    no_note(state);
    note[9]++;
    no_note(state);
    note[7] = 5;
    no_note(state);
    note[7] = UINT32_MAX;
    no_note(state);
    note[1] = UINT32_MAX - 2; // the first one's size, rounded up, wraps in 32 bits
    no_note(state);
    note[0] = UINT32_MAX;
    no_note(state);
    segment[0].p_filesz = 40;
    no_note(state);
    segment[0].p_offset = UINT64_MAX;
    no_note(state);
    note[10] = 0x1000;
    refused(LOAD_BAD_IMAGE, "kernel: entry point 0x1000 lies outside of it");
    note[10] = 0x300000;
    refused(LOAD_BAD_IMAGE, "kernel: entry point 0x300000 lies outside of it");
    setup(state);
    segment[1].p_memsz = 6 * MIB;
    refused(LOAD_NO_MEMORY, "module 1: its 0 KiB do not fit behind 0x800000");
    setup(state);
    const struct boot_layout layout = {0};
    const struct boot_module many[BOOT_MODULES + 1] = {{"", 0, NULL}};
    assert_int_equal(pvh_load(&ram, image, sizeof(image), many, BOOT_MODULES + 1, "", &layout,
                              &start, error, sizeof(error)),
                     LOAD_BAD_ARGUMENT);
    char *line = malloc(70000);
    memset(line, 'x', 70000);
    line[69999] = 0;
    assert_int_equal(load(line), LOAD_BAD_ARGUMENT);
    free(line);
    ram.size = MIB;
    assert_int_equal(load(""), LOAD_NO_MEMORY);
}

static void test_linux(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = loader_file("VMLINUX", 128, &size);
    const struct boot_layout layout = {0};
    loader_memory(256);
    enum load_status status =
        pvh_load(&ram, data, size, NULL, 0, "", &layout, &start, error, sizeof(error));
    free(data);
    assert_string_equal(error, "");
    assert_int_equal(status, LOAD_OK);
    assert_in_range(start.rip, 16 * MIB, 128 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_start), TEST(test_note_of_8_bytes),
                                       TEST(test_refusals), TEST(test_linux)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
