// SPDX-License-Identifier: BSD-2-Clause
// The Multiboot2 loader: ELF, address tags, relocation, what the kernel is told, each refusal; and
// the project's own kernel when it is built (BULKHEAD=path).
// links: vmm/multiboot2.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include "multiboot2.h"
#include "loader_test.h"

static Elf32_Ehdr *const elf = (Elf32_Ehdr *)image;
static Elf32_Phdr *const segment = (Elf32_Phdr *)(image + sizeof(Elf32_Ehdr));
static uint32_t *const header = (uint32_t *)(image + 512);
static unsigned words; // of the header

static void seal(void)
{
    header[2] = words * 4;
    header[3] = -(header[0] + header[1] + header[2]);
}

// Appends a tag in front of the end tag.
static void tag(uint32_t type_flags, unsigned count, const uint32_t *body)
{
    words -= 2;
    header[words] = type_flags;
    header[words + 1] = 8 + 4 * count;
    for (unsigned i = 0; i < count; i++)
        header[words + 2 + i] = body[i];
    words += (2 + count + 1) & ~1u;
    header[words++] = 0;
    header[words++] = 8;
    seal();
}
#define TAG(type_flags, ...)                     \
    do {                                         \
        const uint32_t body[] = {__VA_ARGS__};   \
        tag(type_flags, sizeof(body) / 4, body); \
    } while (0)
#define OPTIONAL 0x10000u

static int setup(void **state)
{
    (void)state;
    loader_elf32(1);
    const uint32_t empty[] = {0xe85250d6, 0, 24, 0, 0, 8};
    memcpy(header, empty, sizeof(empty));
    words = 6;
    seal();
    return 0;
}

static enum load_status load_with(const char *cmdline)
{
    const struct boot_layout layout = {.rsdp = 0xe0000};
    memset(ram.base, 0xee, ram.size);
    return multiboot2_load(&ram, image, sizeof(image), modules, 2, cmdline, &layout, &start, error,
                           sizeof(error));
}

static enum load_status load(void)
{
    return load_with("a=b");
}

// The n-th tag of a type in the information; its address or 0.
static uint64_t info_tag(uint32_t type, unsigned n)
{
    uint64_t at = start.gpr[RBX] + 8, end = start.gpr[RBX] + word(start.gpr[RBX]);
    while (at < end) {
        if (word(at) == type && n-- == 0)
            return at;
        if (word(at) == 0)
            assert_int_equal(at + 8, end);
        at += (word(at + 4) + 7) & ~7u;
    }
    return 0;
}

static void test_elf32(void **state)
{
    (void)state;
    TAG(1, 1, 3, 4, 6, 14, 15);
    TAG(6);
    TAG(4, 2);
    assert_int_equal(load(), LOAD_OK);
    assert_string_equal(error, "");
    assert_memory_equal(ram.base + 0x200000, image + 1024, 3000);
    assert_int_equal(ram.base[0x200000 + 4999], 0);
    assert_int_equal(ram.base[0x200000 + 5000], 0xee);
    assert_int_equal(start.rip, 0x200010);
    assert_int_equal(start.gpr[RAX], 0x36d76289);
    assert_int_equal(start.cr0, 0x31);
    assert_int_equal(start.efer | start.cr4 | start.cr3, 0);
    assert_int_equal(start.seg[SEG_CS].attributes, SEGMENT_CODE32);
    assert_int_equal(start.gpr[RBX] % 8, 0);
    assert_string_equal((char *)ram.base + info_tag(1, 0) + 8, "a=b");
    assert_int_equal(word(info_tag(1, 0) + 4), 8 + 4);
    assert_string_equal((char *)ram.base + info_tag(2, 0) + 8, "Bulkhead");
    uint64_t module = info_tag(3, 0);
    assert_int_equal(word(module + 8), 0x202000);
    assert_int_equal(word(module + 12), 0x202005);
    assert_string_equal((char *)ram.base + module + 16, "one");
    assert_memory_equal(ram.base + 0x202000, "first", 5);
    module = info_tag(3, 1);
    assert_int_equal(word(module + 8), 0x203000);
    assert_string_equal((char *)ram.base + module + 16, "");
    assert_int_equal(info_tag(3, 2), 0);
    assert_int_equal(word(info_tag(4, 0) + 8), 639);
    assert_int_equal(word(info_tag(4, 0) + 12), 7 * 1024);
    uint64_t map = info_tag(6, 0);
    assert_int_equal(word(map + 4), 16 + 3 * 24);
    assert_int_equal(word(map + 8), 24);
    assert_int_equal(word(map + 12), 0);
    assert_int_equal(word(map + 16 + 48), MIB);
    assert_int_equal(word(map + 16 + 56), 7 * MIB);
    assert_int_equal(word(map + 16 + 64), 1);
    assert_int_equal(word(info_tag(14, 0) + 4), 28);
    assert_int_equal(word(info_tag(15, 0) + 4), 44);
    assert_int_equal(info_tag(21, 0), 0);
    assert_true(info_tag(0, 0));
}

static void test_entry_tag(void **state)
{
    (void)state;
    TAG(3, 0x200100);
    assert_int_equal(load(), LOAD_OK);
    assert_int_equal(start.rip, 0x200100);
}

static void test_relocatable(void **state)
{
    (void)state;
    TAG(10, 0x100000, 0xffffffff, 0x1000, 0); // stays where it is linked
    assert_int_equal(load(), LOAD_OK);
    assert_int_equal(start.rip, 0x200010);
    assert_int_equal(word(info_tag(21, 0) + 8), 0x200000);
    const struct {
        uint32_t min, max, align, preference, base;
    } places[] = {
        {0x300000, 0x3fffff, 0x1000, 0, 0x300000},
        {0x100001, 0x3fffff, 0x40000, 1, 0x140000},
        {0x100000, 0x3fffff, 0x10000, 2, 0x3f0000},
        {0, 0xffffffff, 0x1000, 2, 0x7fe000},
        {0, 0xffffffff, 1, 1, 0x100000},
        {0x300000, 0x301387, 0, 0, 0x300000},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        setup(state);
        TAG(10, places[i].min, places[i].max, places[i].align, places[i].preference);
        if (i == 3) // the modules go behind the image
            segment[0].p_memsz = 2 * 4096;
        enum load_status status = load();
        if (i == 3) {
            assert_int_equal(status, LOAD_NO_MEMORY);
            continue;
        }
        assert_int_equal(status, LOAD_OK);
        assert_int_equal(start.rip, places[i].base + 0x10);
        assert_int_equal(word(info_tag(21, 0) + 8), places[i].base);
        assert_memory_equal(ram.base + places[i].base, image + 1024, 3000);
    }
    setup(state);
    TAG(10, 0x300000, 0x301386, 0x1000, 0);
    assert_int_equal(load(), LOAD_NO_MEMORY);
    setup(state);
    TAG(10, 0x300000, 0x1fffff, 0x1000, 0);
    assert_int_equal(load(), LOAD_NO_MEMORY);
    setup(state);
    TAG(10, 0, 0xffffffff, 0x3000, 0);
    assert_int_equal(load(), LOAD_BAD_IMAGE);
}

static void test_addresses(void **state)
{
    const struct {
        uint32_t at, load, end, bss;
        enum load_status want;
    } cases[] = {
        {0x200000, 0x200000, 0x200000 + 2000, 0x200000 + 3000, LOAD_OK},
        {0x200100, 0x200000, 0, 0, LOAD_OK},
        {0x200200, UINT32_MAX, 0, 0, LOAD_OK}, // from the beginning of the file
        {0x100, UINT32_MAX, 0, 0, LOAD_BAD_IMAGE},
        {0x200000, 0x200001, 0, 0, LOAD_BAD_IMAGE},
        {0x200400, 0x200000, 0, 0, LOAD_BAD_IMAGE},
        {0x200000, 0x200000, 0x1fffff, 0, LOAD_BAD_IMAGE},
        {0x200000, 0x200000, 0, 0x1fffff, LOAD_BAD_IMAGE},
        {0x200000, 0x200000, 0x201000, 0, LOAD_BAD_IMAGE},
        {0x200000, 0x200000, 0, 0xfffffff0, LOAD_NO_MEMORY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup(state);
        memset(image, 0, 512);
        TAG(2, cases[i].at, cases[i].load, cases[i].end, cases[i].bss);
        TAG(3, 0x200010);
        assert_int_equal(load(), cases[i].want);
        if (cases[i].want == LOAD_OK)
            assert_memory_equal(ram.base + cases[i].at, image + 512, 256);
    }
    setup(state);
    TAG(2, 0x200000, 0x200000, 0, 0);
    assert_int_equal(load(), LOAD_BAD_IMAGE);
    assert_string_equal(error, "kernel: has no entry address in its Multiboot2 header");
}

static void refused(void **state, enum load_status want, const char *message)
{
    assert_int_equal(load(), want);
    assert_string_equal(error, message);
    setup(state);
}

static void test_demands(void **state)
{
    TAG(5, 0, 0, 0);
    refused(state, LOAD_BAD_IMAGE, "kernel: asks for a framebuffer, which there is none of");
    TAG(5 | OPTIONAL, 0, 0, 0);
    TAG(4 | OPTIONAL, 1);
    TAG(1 | OPTIONAL, 9, 4711);
    TAG(99 | OPTIONAL, 1);
    TAG(7);
    TAG(9, 0x200000);
    assert_int_equal(load(), LOAD_OK);
    setup(state);
    TAG(4, 1);
    refused(state, LOAD_BAD_IMAGE,
            "kernel: asks for a console on a screen, which there is none of");
    TAG(1, 1, 22);
    refused(state, LOAD_BAD_IMAGE,
            "kernel: asks for Multiboot2 information 22, which there is none of");
    TAG(1, 9);
    refused(state, LOAD_BAD_IMAGE,
            "kernel: asks for Multiboot2 information 9, which there is none of");
    TAG(99, 1);
    refused(state, LOAD_BAD_IMAGE,
            "kernel: asks for Multiboot2 feature 99, which is not supported");
}

static void test_refusals(void **state)
{
    header[3]++;
    refused(state, LOAD_BAD_IMAGE, "kernel: no Multiboot2 header in its first 32 KiB");
    words = 4;
    seal();
    refused(state, LOAD_BAD_IMAGE, "kernel: corrupt: the Multiboot2 header has no end tag");
    header[5] = 7;
    refused(state, LOAD_BAD_IMAGE, "kernel: corrupt: header tag 0 has 7 bytes");
    header[5] = UINT32_MAX;
    refused(state, LOAD_BAD_IMAGE, "kernel: corrupt: header tag 0 has 4294967295 bytes");
    TAG(2, 1, 2);
    refused(state, LOAD_BAD_IMAGE, "kernel: corrupt: header tag 2 has 16 bytes");
    for (unsigned i = 0; i < 70; i++)
        TAG(6);
    refused(state, LOAD_BAD_IMAGE, "kernel: has more than 64 Multiboot2 header tags");
    elf->e_entry = 0x300000;
    refused(state, LOAD_BAD_IMAGE, "kernel: entry point 0x300000 lies outside of it");
    image[0] = 0;
    refused(state, LOAD_BAD_IMAGE, "kernel: not an ELF file");
    const size_t lengths[] = {65000, 65536, 70000};
    for (unsigned i = 0; i < 3; i++) {
        char *line = calloc(1, lengths[i] + 1);
        memset(line, 'x', lengths[i]);
        assert_int_equal(load_with(line), i ? LOAD_BAD_ARGUMENT : LOAD_OK);
        free(line);
    }
    ram.size = MIB;
    refused(state, LOAD_NO_MEMORY, "kernel: needs more than 1 MiB of memory");
}

static void test_bulkhead(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = loader_file("BULKHEAD", 16, &size);
    const struct boot_layout layout = {0};
    loader_memory(64);
    enum load_status status =
        multiboot2_load(&ram, data, size, NULL, 0, "", &layout, &start, error, sizeof(error));
    free(data);
    assert_string_equal(error, "");
    assert_int_equal(status, LOAD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_elf32),   TEST(test_entry_tag), TEST(test_relocatable), TEST(test_addresses),
        TEST(test_demands), TEST(test_refusals),  TEST(test_bulkhead)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
