// SPDX-License-Identifier: BSD-2-Clause
// A VM with firmware, from the firmware's side: where its image is, what fw_cfg tells, and the
// script that places the ACPI tables, carried out here as a firmware does.
// links: vmm/firmware.c @vmm lib/ring.c
#include <stdlib.h>

#include "device_test.h"
#include "firmware.h"
#include "firmware_acpi.h"
#include "rom.h"
#include "vm_alloc.h"

#define IMAGE  (256u * 1024)
#define TABLES 0x200000u // where this firmware places things
#define RSDP   0xf5000u

static uint8_t memory[4 << 20] __attribute__((aligned(4096)));
static uint8_t image[IMAGE];
static struct chipset chipset;
static struct guest_ram ram;
static struct task_info info;
static struct acpi_options acpi;
static const struct rom *rom;
static uint64_t mapped_at, mapped_size;
static bool map_fails;
static char error[160];

extern const struct device_kind device_kind_firmware;

void *vm_alloc(size_t size)
{
    static uint8_t arena[1 << 17] __attribute__((aligned(64)));
    assert_true(size <= sizeof(arena));
    return memset(arena, 0, sizeof(arena));
}

static bool env_map(void *vm, unsigned slot, uint64_t offset, uint64_t gpa, uint64_t size,
                    unsigned rights)
{
    (void)vm;
    assert_int_equal(slot, 77);
    assert_int_equal(offset, 0);
    assert_int_equal(rights, MAP_READ | MAP_EXEC);
    mapped_at = gpa;
    mapped_size = size;
    return !map_fails;
}

static void env_rom(void *vm, const struct rom *image_of)
{
    (void)vm;
    rom = image_of;
}

static bool create(void)
{
    const struct device_env env = {
        .chipset = &chipset,
        .pci = &chipset.pci,
        .ram = &ram,
        .info = &info,
        .acpi = &acpi,
        .map = env_map,
        .rom = env_rom,
    };
    const struct chipset_config config = {.tsc_hz = TEST_HZ, .now = test_now, .cpus = 3};
    assert_true(chipset_init(&chipset, &config));
    error[0] = 0;
    return device_kind_firmware.create(&env, NULL, error, sizeof(error));
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < IMAGE; i++)
        image[i] = (uint8_t)(i * 7 + i / 4096);
    ram = (struct guest_ram){memory, sizeof(memory)};
    acpi = (struct acpi_options){.vcpus = 3, .hpet = true};
    info.kernel_kind = KERNEL_FIRMWARE;
    info.kernel_address = (uint64_t)image;
    info.kernel_file_size = IMAGE;
    info.firmware_slot = 77;
    info.module_count = 0;
    map_fails = false;
    return 0;
}

static void test_image(void **state)
{
    (void)state;
    assert_true(create());
    assert_string_equal(error, "");
    assert_int_equal(mapped_at, 0x100000000 - IMAGE);
    assert_int_equal(mapped_size, IMAGE);
    assert_memory_equal(memory + 0xe0000, image + IMAGE - 0x20000, 0x20000);
    uint64_t value;
    assert_true(bus_write(&chipset.mmio, 0xfffffff0, 4, 0));
    assert_true(bus_read(&chipset.mmio, 0xfffffff0, 4, &value));
    assert_memory_equal(&value, image + IMAGE - 16, 4);
    assert_ptr_equal(rom_at(rom, 0xfffffff0, 16), image + IMAGE - 16);
    assert_ptr_equal(rom_at(rom, 0x100000000 - IMAGE, IMAGE), image);
    assert_null(rom_at(rom, 0xfffffff0, 17));
    assert_null(rom_at(rom, 0x100000000 - IMAGE - 1, 2));
    assert_null(rom_at(rom, 0xfffffff0, UINT64_MAX));
    assert_null(rom_at(rom, 0, 1));
}

// A guest may have zeroed the copy; zeros are not in the image of a saved VM.
static void test_restored(void **state)
{
    (void)state;
    info.snapshot_size = 4096;
    assert_true(create());
    info.snapshot_size = 0;
    for (unsigned i = 0; i < sizeof(memory); i++)
        assert_int_equal(memory[i], 0);
    assert_int_equal(mapped_size, IMAGE);
}

static void refused(const char *message)
{
    assert_false(create());
    assert_string_equal(error, message);
}

static void test_refusals(void **state)
{
    (void)state;
    info.kernel_file_size = IMAGE - 1;
    refused("an image of 262143 bytes; 64 KiB to 16 MiB, whole pages, are possible");
    info.kernel_file_size = 4096;
    refused("an image of 4096 bytes; 64 KiB to 16 MiB, whole pages, are possible");
    info.kernel_file_size = 0;
    refused("an image of 0 bytes; 64 KiB to 16 MiB, whole pages, are possible");
    info.kernel_file_size = IMAGE;
    ram.size = 0xff000;
    refused("needs more than 1 MiB of memory");
    ram.size = sizeof(memory);
    map_fails = true;
    refused("the image cannot be mapped below 4 GiB");
}

static void read_item(uint16_t key, void *to, uint32_t size)
{
    assert_true(bus_write(&chipset.ports, FW_CFG_PORT, 2, key));
    for (uint32_t i = 0; i < size; i++) {
        uint64_t byte;
        assert_true(bus_read(&chipset.ports, FW_CFG_PORT + 1, 1, &byte));
        ((uint8_t *)to)[i] = (uint8_t)byte;
    }
}

// Reads a file; returns its size.
static uint32_t read_file(const char *name, void *to, uint32_t room)
{
    uint8_t directory[4 + 16 * 64];
    read_item(FW_CFG_FILE_DIR, directory, sizeof(directory));
    for (unsigned i = 0; i < directory[3]; i++) {
        const uint8_t *entry = directory + 4 + (size_t)i * 64;
        uint32_t size = (uint32_t)entry[0] << 24 | entry[1] << 16 | entry[2] << 8 | entry[3];
        if (strcmp((const char *)entry + 8, name) != 0)
            continue;
        assert_true(size <= room);
        read_item((uint16_t)(entry[4] << 8 | entry[5]), to, size);
        return size;
    }
    return 0;
}

static void test_items(void **state)
{
    (void)state;
    uint8_t bytes[64];
    uint64_t number = 0;
    assert_true(create());
    read_item(FW_CFG_NB_CPUS, bytes, 2);
    assert_int_equal(bytes[0], 3);
    assert_int_equal(read_file("etc/e820", bytes, sizeof(bytes)), 20);
    memcpy(&number, bytes + 8, 8);
    assert_int_equal(number, sizeof(memory));
    assert_int_equal(bytes[16], 1);
    number = 0;
    assert_int_equal(read_file("etc/sercon-port", &number, 8), 8);
    assert_int_equal(number, 0x3f8);
    assert_int_equal(read_file("etc/system-states", bytes, sizeof(bytes)), 6);
    acpi.vga = true;
    info.module_count = 1;
    info.modules[0] = (struct task_module){(uint64_t)image, 9, "x.bin", "vgaroms/x.bin"};
    assert_true(create());
    assert_int_equal(read_file("vgaroms/x.bin", bytes, sizeof(bytes)), 9);
    assert_memory_equal(bytes, image, 9);
    assert_int_equal(read_file("etc/sercon-port", bytes, sizeof(bytes)), 0);
    assert_true(bus_write(&chipset.ports, 0x70, 1, 0x5f));
    assert_true(bus_read(&chipset.ports, 0x71, 1, &number));
    assert_int_equal(number, 2);
}

static uint32_t place_of(const char *file)
{
    if (strcmp(file, "etc/acpi/tables") == 0)
        return TABLES;
    assert_string_equal(file, "etc/acpi/rsdp");
    return RSDP;
}

static void run(const struct firmware_command *c)
{
    uint64_t value = 0;
    uint8_t sum = 0;
    switch (c->command) {
    case 1: {
        uint32_t at = place_of(c->allocate.file);
        assert_int_equal(at % c->allocate.align, 0);
        assert_int_equal(c->allocate.zone, at == RSDP ? 2 : 1);
        assert_true(read_file(c->allocate.file, memory + at, ACPI_IMAGE_SIZE) > 0);
        return;
    }
    case 2: {
        uint32_t at = place_of(c->pointer.dest) + c->pointer.offset;
        memcpy(&value, memory + at, c->pointer.size);
        assert_true(value < ACPI_IMAGE_SIZE);
        value += place_of(c->pointer.source);
        memcpy(memory + at, &value, c->pointer.size);
        return;
    }
    case 3: {
        uint8_t *file = memory + place_of(c->checksum.file);
        for (uint32_t i = 0; i < c->checksum.length; i++)
            sum += file[c->checksum.start + i];
        file[c->checksum.offset] -= sum;
        return;
    }
    default:
        fail();
    }
}

static void test_tables(void **state)
{
    (void)state;
    static struct firmware_command script[FIRMWARE_COMMANDS];
    static uint8_t tables[ACPI_IMAGE_SIZE];
    struct acpi_image want = {.tables = tables, .size = sizeof(tables)};
    assert_true(create());
    uint32_t size = read_file("etc/table-loader", script, sizeof(script));
    assert_int_equal(size % sizeof(script[0]), 0);
    for (unsigned i = 0; i < size / sizeof(script[0]); i++)
        run(&script[i]);
    assert_true(acpi_tables(&want, &acpi, TABLES));
    assert_memory_equal(memory + TABLES, tables, want.length);
    assert_memory_equal(memory + RSDP, want.rsdp, ACPI_RSDP_SIZE);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_image), TEST(test_restored), TEST(test_refusals),
                                       TEST(test_items), TEST(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
