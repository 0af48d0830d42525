// SPDX-License-Identifier: BSD-2-Clause
// The firmware configuration device: items and files by port and by DMA, what lies behind the end
// of an item, and descriptors that are wrong.
// links: vmm/fw_cfg.c vmm/bus.c vmm/device.c vmm/clock.c vmm/guest_memory.c
#include "device_test.h"
#include "fw_cfg.h"

#define AT 0x2000 // of the DMA descriptor

static uint8_t memory[4 << 20] __attribute__((aligned(4096)));
static const struct guest_ram ram = {memory, sizeof(memory)};
static struct fw_cfg fw;
static struct bus ports;
static const char hello[] = "hello";

static int setup(void **state)
{
    (void)state;
    memset(memory, 0xee, sizeof(memory));
    bus_init(&ports, "ports");
    fw_cfg_init(&fw, &ram);
    assert_true(fw_cfg_add_file(&fw, "etc/hello", hello, sizeof(hello) - 1));
    assert_true(fw_cfg_add_file(&fw, "etc/empty", NULL, 0));
    assert_true(fw_cfg_add(&fw, FW_CFG_NB_CPUS, "\2", 2));
    assert_true(fw_cfg_connect(&fw, &ports));
    return 0;
}

static uint64_t in(uint16_t port, unsigned size)
{
    uint64_t value;
    assert_true(bus_read(&ports, port, size, &value));
    return value;
}

static void out(uint16_t port, unsigned size, uint64_t value)
{
    assert_true(bus_write(&ports, port, size, value));
}

static void expect_bytes(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(in(0x511, 1), ((const uint8_t *)bytes)[i]);
}

static void test_ports(void **state)
{
    (void)state;
    expect_bytes("QEMU\0\0", 6);
    out(0x510, 2, FW_CFG_ID);
    expect_bytes("\3\0\0\0\0", 5);
    out(0x510, 2, FW_CFG_NB_CPUS);
    expect_bytes("\2\0", 2);
    out(0x510, 2, 0x20);
    expect_bytes("hello\0", 6);
    out(0x510, 2, 0x20);
    expect_bytes("h", 1);
    out(0x510, 2, 0x21);
    expect_bytes("\0\0", 2);
    out(0x510, 2, 0x4711);
    expect_bytes("\0\0", 2);
    out(0x510, 1, 0x20); // only words select
    expect_bytes("\0", 1);
    out(0x510, 2, FW_CFG_FILE_DIR);
    expect_bytes("\0\0\0\2"
                 "\0\0\0\5"
                 "\0\x20\0\0"
                 "etc/hello\0",
                 22);
    in(0x510, 2);
    in(0x510, 4);
}

static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
    uint32_t words[] = {__builtin_bswap32(control), __builtin_bswap32(length),
                        __builtin_bswap32((uint32_t)(address >> 32)),
                        __builtin_bswap32((uint32_t)address)};
    memcpy(memory + AT, words, sizeof(words));
    out(0x514, 4, 0);
    out(0x518, 4, __builtin_bswap32(AT));
    memcpy(words, memory + AT, 4);
    return __builtin_bswap32(words[0]);
}

static void test_dma(void **state)
{
    (void)state;
    assert_int_equal(in(0x514, 4), 0x554d4551);
    assert_int_equal(in(0x518, 4), 0x47464320);
    assert_int_equal(in(0x51b, 1), 'G');
    assert_int_equal(dma(0x20u << 16 | 8 | 2, 3, 0x3000), 0); // select and read
    assert_memory_equal(memory + 0x3000, "hel\xee", 4);
    assert_int_equal(dma(2, 8, 0x3000), 0); // read on, beyond the end
    assert_memory_equal(memory + 0x3000, "lo\0\0\0\0\0\0\xee", 9);
    assert_int_equal(dma(0x20u << 16 | 8, 0, 0), 0); // select
    assert_int_equal(dma(4, 4, 0), 0);               // skip
    expect_bytes("o\0", 2);
    assert_int_equal(dma(4, UINT32_MAX, 0), 0);
    assert_int_equal(dma(4, UINT32_MAX, 0), 0);
    expect_bytes("\0", 1);
    assert_int_equal(dma(0x20u << 16 | 8 | 4, 1, 0), 0); // select and skip
    expect_bytes("e", 1);
    assert_int_equal(dma(0, 4, 0x3000), 0); // nothing
    expect_bytes("l", 1);
    assert_int_equal(dma(2, FW_CFG_DMA_MAX, 0x100000), 0);
    assert_memory_equal(memory + 0x100000, "lo\0", 3);
    assert_int_equal(memory[0x1fffff], 0);
    assert_int_equal(memory[0x200000], 0xee);
}

static void test_wrong(void **state)
{
    (void)state;
    assert_int_equal(dma(0x20u << 16 | 8 | 0x10, 3, 0x3000), 1); // write
    assert_int_equal(memory[0x3000], 0xee);
    expect_bytes("h", 1);
    assert_int_equal(dma(0x20u << 16 | 8 | 2, 3, sizeof(memory) - 2), 1);
    assert_int_equal(dma(2, 3, UINT64_MAX), 1);
    assert_int_equal(dma(2, FW_CFG_DMA_MAX + 1, 0x100000), 1);
    assert_int_equal(dma(2, UINT32_MAX, 0), 1);
    assert_int_equal(memory[0x100000], 0xee);
    expect_bytes("h", 1);
    out(0x514, 4, UINT32_MAX); // descriptors outside of memory
    out(0x518, 4, UINT32_MAX);
    out(0x518, 4, __builtin_bswap32(sizeof(memory) - 8));
    out(0x518, 2, 0);
    out(0x516, 4, 0);
    out(0x514, 1, 0);
    assert_int_equal(dma(0x20u << 16 | 8 | 2, 16, AT), 0); // over its own descriptor
    assert_memory_equal(memory + AT + 4, "o\0\0\0", 4);
}

static void test_full(void **state)
{
    (void)state;
    char name[FW_CFG_NAME + 1] = "";
    memset(name, 'x', FW_CFG_NAME);
    assert_false(fw_cfg_add_file(&fw, name, hello, 1));
    name[FW_CFG_NAME - 1] = 0;
    while (fw.items < FW_CFG_ITEMS)
        assert_true(fw_cfg_add_file(&fw, name, hello, 1));
    assert_false(fw_cfg_add_file(&fw, name, hello, 1));
    assert_false(fw_cfg_add(&fw, 1, hello, 1));
    assert_int_equal(dma(FW_CFG_FILE_DIR << 16 | 8 | 2, 4, 0x3000), 0);
    assert_int_equal(memory[0x3003], FW_CFG_ITEMS - 4);
    assert_int_equal(dma(2, 64 * FW_CFG_ITEMS, 0x3000), 0);
}

static void test_state(void **state)
{
    (void)state;
    test_snapshot(&fw_cfg_ops, &fw);
    out(0x510, 2, 0x20);
    expect_bytes("h", 1);
    fw_cfg_ops.reset(&fw);
    expect_bytes("Q", 1);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_ports), TEST(test_dma), TEST(test_wrong),
                                       TEST(test_full), TEST(test_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
