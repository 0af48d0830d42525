// SPDX-License-Identifier: BSD-2-Clause
// The Linux loader: a made-up bzImage, each refusal, and the installed Debian kernel when there is
// one.
// links: vmm/linux.c vmm/boot.c vmm/guest_memory.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <glob.h>
#include <cmocka.h>
#include <asm/bootparam.h>

#include "linux.h"

#define MIB 1048576ull

static struct guest_ram ram;
static struct cpu_start start;
static char error[160];
static const struct boot_layout layout = {.rsdp = 0xe0000};
static uint8_t image[8192];
static struct setup_header *const header = (struct setup_header *)(image + 0x1f1);

static void resize(uint64_t size)
{
    if (ram.base)
        munmap(ram.base, ram.size);
    ram.size = size;
    ram.base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    assert_true(ram.base != MAP_FAILED);
}

static int setup(void **state)
{
    (void)state;
    resize(64 * MIB);
    memset(image, 0, sizeof(image));
    memset(image + 1024, 0xc3, sizeof(image) - 1024);
    *header = (struct setup_header){
        .setup_sects = 1,
        .syssize = (8192 - 1024) / 16,
        .boot_flag = 0xaa55,
        .jump = 0x6aeb,
        .header = 0x53726448,
        .version = 0x20f,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .xloadflags = XLF_KERNEL_64,
        .cmdline_size = 2047,
        .pref_address = 0x1000000,
        .init_size = 16 * MIB,
    };
    memset(error, 0, sizeof(error));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(ram.base, ram.size);
    ram.base = NULL;
    return 0;
}

static enum load_status load(size_t initrd_size, const char *cmdline)
{
    static uint8_t initrd[3 * MIB];
    memset(initrd, 0x5a, sizeof(initrd));
    return linux_load(&ram, image, sizeof(image), initrd, initrd_size, cmdline, &layout, &start,
                      error, sizeof(error));
}

static struct boot_params *zero_page(void)
{
    return (struct boot_params *)(ram.base + PLATFORM_BOOT_INFO);
}

// Follows the page tables of the start state.
static uint64_t translate(uint64_t linear)
{
    const uint64_t *l4 = (const uint64_t *)(ram.base + start.cr3);
    assert_int_equal(l4[linear >> 39] & 3, 3);
    const uint64_t *l3 = (const uint64_t *)(ram.base + (l4[linear >> 39] & ~0xfffull));
    assert_int_equal(l3[linear >> 30 & 511] & 3, 3);
    const uint64_t *l2 = (const uint64_t *)(ram.base + (l3[linear >> 30 & 511] & ~0xfffull));
    uint64_t e = l2[linear >> 21 & 511];
    assert_int_equal(e & 0x83, 0x83);
    return (e & ~0x1fffffull) | (linear & 0x1fffff);
}

static void test_good(void **state)
{
    (void)state;
    assert_int_equal(load(5000, "console=ttyS0 quiet"), LOAD_OK);
    assert_int_equal(start.rip, 0x1000200);
    assert_memory_equal(ram.base + 0x1000000, image + 1024, sizeof(image) - 1024);
    assert_int_equal(start.gpr[RSI], PLATFORM_BOOT_INFO);
    assert_int_equal(start.efer, 0x500);
    assert_int_equal(start.cr0 & 0x80000001, 0x80000001);
    assert_int_equal(start.cr4, 0x20);
    assert_int_equal(start.rflags, 2);
    assert_int_equal(start.seg[SEG_CS].selector, 0x10);
    assert_int_equal(start.seg[SEG_CS].attributes, 0xa09b);
    assert_int_equal(start.seg[SEG_SS].selector, 0x18);
    assert_int_equal(start.seg[SEG_TR].attributes, 0x8b);
    const uint64_t *gdt = (const uint64_t *)(ram.base + start.gdtr_base);
    assert_true(gdt[2] == 0x00af9b000000ffff && gdt[3] == 0x00cf93000000ffff);

    const struct boot_params *z = zero_page();
    assert_int_equal(z->hdr.type_of_loader, 0xff);
    assert_int_equal(z->acpi_rsdp_addr, 0xe0000);
    assert_string_equal((char *)ram.base + z->hdr.cmd_line_ptr, "console=ttyS0 quiet");
    assert_int_equal(z->hdr.ramdisk_size, 5000);
    assert_int_equal(z->hdr.ramdisk_image, 64 * MIB - 8192);
    assert_int_equal(ram.base[z->hdr.ramdisk_image], 0x5a);
    assert_int_equal(ram.base[z->hdr.ramdisk_image + 4999], 0x5a);
    assert_int_equal(z->e820_entries, 3);
    assert_int_equal(z->e820_table[1].addr, 0xe0000);
    assert_int_equal(z->e820_table[1].type, 2);
    assert_int_equal(z->e820_table[2].addr + z->e820_table[2].size, 64 * MIB);
    const uint64_t linear[] = {0, 0x7000, 0x1000200, 64 * MIB - 1};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(translate(linear[i]), linear[i]);
    header->setup_sects = 0; // means 4
    header->syssize = (8192 - 2560) / 16;
    assert_int_equal(load(0, NULL), LOAD_OK);
    assert_int_equal(zero_page()->hdr.ramdisk_image, 0);
    assert_string_equal((char *)ram.base + PLATFORM_BOOT_CMDLINE, "");
}

// A kernel without a 64-bit entry: flat protected mode, no paging, its first byte.
static void test_32_bit(void **state)
{
    (void)state;
    header->xloadflags = 0;
    assert_int_equal(load(0, "quiet"), LOAD_OK);
    assert_int_equal(start.rip, 0x1000000);
    assert_int_equal(start.gpr[RSI], PLATFORM_BOOT_INFO);
    assert_int_equal(start.gpr[RBP] | start.gpr[RDI] | start.gpr[RBX], 0);
    assert_int_equal(start.cr0, 0x31);
    assert_int_equal(start.cr3 | start.cr4 | start.efer, 0);
    assert_int_equal(start.seg[SEG_CS].attributes, 0xc09b);
    assert_int_equal(start.seg[SEG_CS].selector, 0x10);
    assert_int_equal(start.seg[SEG_DS].selector, 0x18);
}

static void test_big_memory(void **state)
{
    (void)state;
    resize(5ull << 30);
    assert_int_equal(load(5000, ""), LOAD_OK);
    const struct boot_params *z = zero_page();
    assert_int_equal(z->e820_entries, 4);
    assert_true(z->e820_table[2].addr + z->e820_table[2].size == 0x80000000);
    assert_true(z->e820_table[3].addr == 0x100000000 && z->e820_table[3].size == 3ull << 30);
    assert_int_equal(z->hdr.ramdisk_image, 0x80000000 - 8192); // initrd_addr_max
    header->initrd_addr_max = UINT32_MAX;
    assert_int_equal(load(4096, ""), LOAD_OK);
    assert_int_equal(zero_page()->hdr.ramdisk_image, 0x80000000 - 4096);
    assert_int_equal(translate(0x7fffffff), 0x7fffffff);
}

static void refused(enum load_status want, enum load_status got, const char *message)
{
    assert_int_equal(got, want);
    assert_string_equal(error, message);
    assert_null(strchr(error, '\n'));
}

static void test_refusals(void **state)
{
    refused(LOAD_BAD_IMAGE,
            linux_load(&ram, image, 400, NULL, 0, "", &layout, &start, error, sizeof(error)),
            "kernel: not a bzImage: only 400 bytes");
    header->header = 0;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: not a bzImage: no HdrS at 0x202");
    setup(state);
    header->boot_flag = 0;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: not a bzImage: no 0xAA55 at 0x1FE");
    setup(state);
    header->version = 0x207;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: boot protocol 2.07 is too old, 2.12 is needed");
    setup(state);
    header->loadflags = 0;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: is to be loaded below 1 MiB (a zImage)");
    setup(state);
    header->syssize = 0x10000;
    refused(LOAD_BAD_IMAGE, load(0, ""),
            "kernel: truncated: the header promises 1049600 bytes, the file has 8192");
    setup(state);
    header->syssize = 0;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: corrupt: syssize is 0");
    setup(state);
    header->init_size = 100;
    refused(LOAD_BAD_IMAGE, load(0, ""),
            "kernel: corrupt: init_size 100 is below the size of its code");
    setup(state);
    header->pref_address = UINT64_MAX;
    refused(LOAD_BAD_IMAGE, load(0, ""), "kernel: corrupt: pref_address is 0xffffffffffffffff");
    setup(state);
    header->setup_sects = 255;
    assert_int_equal(load(0, ""), LOAD_BAD_IMAGE);
    setup(state);
    header->init_size = 68 * MIB;
    refused(LOAD_NO_MEMORY, load(0, ""), "kernel: needs 84 MiB of memory, has 64");
    header->init_size = UINT32_MAX;
    refused(LOAD_NO_MEMORY, load(0, ""), "kernel: needs 4112 MiB of memory, has 64");
    setup(state);
    header->init_size = 47 * MIB;
    refused(LOAD_NO_MEMORY, load(2 * MIB, ""),
            "initrd: 2 MiB do not fit: kernel and initrd need 65 MiB of memory, 64 are usable");
    setup(state);
    char line[3000];
    memset(line, 'x', sizeof(line));
    line[2047] = 0;
    assert_int_equal(load(0, line), LOAD_OK);
    line[2047] = 'x';
    line[2048] = 0;
    refused(LOAD_BAD_ARGUMENT, load(0, line),
            "command line: longer than the 2047 bytes that this kernel takes");
    resize(4096);
    assert_int_equal(load(0, ""), LOAD_NO_MEMORY);
}

static void test_debian(void **state)
{
    (void)state;
    glob_t g;
    if (glob("/boot/vmlinuz-*", 0, NULL, &g) != 0 || g.gl_pathc == 0)
        skip();
    FILE *f = fopen(g.gl_pathv[0], "rb");
    globfree(&g);
    if (!f)
        skip();
    uint8_t *data = malloc(64 * MIB);
    size_t size = fread(data, 1, 64 * MIB, f);
    fclose(f);
    resize(512 * MIB);
    enum load_status status =
        linux_load(&ram, data, size, "initrd", 6, "quiet", &layout, &start, error, sizeof(error));
    assert_string_equal(error, "");
    assert_int_equal(status, LOAD_OK);
    const struct boot_params *z = zero_page();
    assert_true(start.rip == z->hdr.pref_address + 0x200);
    size_t setup_size = (z->hdr.setup_sects + 1u) * 512;
    assert_memory_equal(ram.base + z->hdr.pref_address, data + setup_size,
                        (size_t)z->hdr.syssize * 16 - 16);
    resize(32 * MIB);
    assert_int_equal(
        linux_load(&ram, data, size, NULL, 0, "", &layout, &start, error, sizeof(error)),
        LOAD_NO_MEMORY);
    free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_good), TEST(test_32_bit), TEST(test_big_memory),
                                       TEST(test_refusals), TEST(test_debian)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
