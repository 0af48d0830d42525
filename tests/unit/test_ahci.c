// SPDX-License-Identifier: BSD-2-Clause
// The AHCI controller with a disk and a CD-ROM, driven as an operating system drives it.
// links: vmm/ahci.c vmm/ahci_command.c vmm/ata.c vmm/atapi.c vmm/device.c vmm/guest_memory.c vmm/clock.c
#include "device_test.h"

#include "ahci_host.h"

#define LIST   0x1000u
#define FIS    0x2000u
#define TABLE  0x3000u
#define BUFFER 0x10000u
#define DISK   0
#define CD     1

static struct ahci ahci;
static struct block_backend disk = {.sectors = HOST_SECTORS, .submit = host_submit};
static struct block_backend cd = {
    .sectors = HOST_SECTORS, .read_only = true, .submit = host_submit};

static uint32_t in32(unsigned offset)
{
    return (uint32_t)ahci_ops.read(&ahci, offset, 4);
}

static void out32(unsigned offset, uint32_t value)
{
    ahci_ops.write(&ahci, offset, 4, value);
}

static unsigned reg(unsigned port, unsigned offset)
{
    return 0x100 + 0x80 * port + offset;
}

static void put32(uint32_t at, uint32_t value)
{
    memcpy(host_memory + at, &value, 4);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    memset(host_memory, 0, sizeof(host_memory));
    for (unsigned i = 0; i < sizeof(host_disk); i++)
        host_disk[i] = (uint8_t)(i * 7 + i / 512);
    host_slow = host_broken = host_level = false;
    host_discards = host_flushes = 0;
    host_pending = NULL;
    disk.read_only = false;
    assert_true(ahci_init(&ahci, NULL, &host_ram, &test_clock));
    assert_true(ahci_attach(&ahci, &disk, false));
    assert_true(ahci_attach(&ahci, &cd, true));
    out32(0x04, 1u << 31 | 2);
    for (unsigned port = 0; port < 2; port++) {
        out32(reg(port, 0x00), LIST + 0x400 * port);
        out32(reg(port, 0x08), FIS + 0x100 * port);
        out32(reg(port, 0x18), 0x16); // FRE, SUD, POD
        out32(reg(port, 0x14), 0x7dc0007f);
        out32(reg(port, 0x18), 0x17);
    }
    return 0;
}

// Builds slot `slot`: one FIS, `prds` entries of `bytes` each at BUFFER.
static uint8_t *command(unsigned port, unsigned slot, uint8_t op, uint64_t lba, uint16_t count,
                        unsigned prds, uint32_t bytes)
{
    uint32_t table = TABLE + 0x400 * slot, header = LIST + 0x400 * port + 32 * slot;
    uint8_t *fis = host_memory + table;

    memset(fis, 0, 0x80);
    put32(header, 5 | prds << 16);
    put32(header + 4, 0);
    put32(header + 8, table);
    put32(header + 12, 0);
    fis[0] = 0x27;
    fis[1] = 0x80;
    fis[2] = op;
    fis[7] = 0x40;
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> 8 * i);
        fis[8 + i] = (uint8_t)(lba >> 8 * (i + 3));
    }
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(count >> 8);
    for (unsigned i = 0; i < prds; i++) {
        put32(table + 0x80 + 16 * i, BUFFER + i * bytes);
        put32(table + 0x84 + 16 * i, 0);
        put32(table + 0x8c + 16 * i, bytes - 1);
    }
    return fis;
}

static void issue(unsigned port, unsigned slots)
{
    out32(reg(port, 0x38), slots);
}

static uint32_t moved(unsigned port, unsigned slot)
{
    uint32_t value;
    memcpy(&value, host_memory + LIST + 0x400 * port + 32 * slot + 4, 4);
    return value;
}

static void identifies(void **state)
{
    (void)state;
    assert_int_equal(in32(reg(DISK, 0x24)), 0x00000101);
    assert_int_equal(in32(reg(CD, 0x24)), 0xeb140101);
    assert_int_equal(in32(reg(DISK, 0x28)), 0x113);
    assert_int_equal(in32(reg(2, 0x28)), 0);
    command(DISK, 0, 0xec, 0, 0, 1, 512);
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_int_equal(in32(reg(DISK, 0x20)) & 0xff, 0x50);
    assert_memory_equal(host_memory + BUFFER + 54, "uBklehdad si k", 14);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + host_memory[BUFFER + i]);
    assert_int_equal(sum, 0);
    uint64_t sectors;
    memcpy(&sectors, host_memory + BUFFER + 200, 8);
    assert_int_equal(sectors, HOST_SECTORS);
    assert_int_equal(moved(DISK, 0), 512);
    assert_true(host_level);
    assert_true(in32(reg(DISK, 0x10)) & 3);
    out32(reg(DISK, 0x10), 0xffffffff);
    out32(0x08, 1);
    assert_false(host_level);
    command(CD, 3, 0xec, 0, 0, 1, 512); // refused, with the signature
    issue(CD, 8);
    assert_true(in32(reg(CD, 0x20)) & 1);
    assert_true(in32(reg(CD, 0x10)) & 1u << 30);
    assert_int_equal(in32(reg(CD, 0x38)), 8);
}

static void moves_sectors(void **state)
{
    (void)state;
    static const uint8_t reads[] = {0x25, 0xc8, 0x20, 0x24, 0x29, 0xc4};
    for (unsigned i = 0; i < sizeof(reads); i++) {
        memset(host_memory + BUFFER, 0, 8192);
        command(DISK, i, reads[i], 10, 8, 4, 1024);
        issue(DISK, 1u << i);
        assert_int_equal(in32(reg(DISK, 0x38)), 0);
        assert_int_equal(moved(DISK, i), 4096);
        assert_memory_equal(host_memory + BUFFER, host_disk + 10 * 512, 4096);
    }
    memset(host_memory + BUFFER, 0x5a, 4096);
    command(DISK, 31, 0x35, HOST_SECTORS - 8, 8, 1, 4096);
    issue(DISK, 1u << 31);
    assert_int_equal(host_disk[sizeof(host_disk) - 1], 0x5a);
    command(DISK, 0, 0xea, 0, 0, 0, 0);
    issue(DISK, 1);
    assert_int_equal(host_flushes, 1);
    assert_int_equal(in32(reg(DISK, 0x20)) & 1, 0);
}

static void recover(unsigned port)
{
    out32(reg(port, 0x18), 0x16);
    assert_int_equal(in32(reg(port, 0x38)), 0);
    out32(reg(port, 0x10), 0xffffffff);
    out32(reg(port, 0x18), 0x17);
}

static void refuses(void **state)
{
    (void)state;
    command(DISK, 0, 0x25, HOST_SECTORS, 1, 1, 512); // behind the end
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x1051);
    recover(DISK);
    command(DISK, 0, 0x25, HOST_SECTORS - 1, 2, 1, 1024);
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x1051);
    recover(DISK);
    command(DISK, 0, 0xb0, 0, 1, 1, 512); // SMART
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x0451);
    recover(DISK);
    command(DISK, 0, 0x25, 0, 2, 1, 512); // too few PRDs
    issue(DISK, 1);
    assert_true(in32(reg(DISK, 0x10)) & 1u << 24);
    recover(DISK);
    command(DISK, 0, 0x25, 0, 1, 1, 512);
    put32(TABLE + 0x80, HOST_RAM - 511); // outside of memory
    issue(DISK, 1);
    assert_true(in32(reg(DISK, 0x10)) & 1u << 29);
    recover(DISK);
    out32(reg(DISK, 0x00), 0xfffff000); // command list nowhere
    issue(DISK, 1);
    assert_true(in32(reg(DISK, 0x10)) & 1u << 29);
    recover(DISK);
    out32(reg(DISK, 0x00), LIST);
    disk.read_only = true;
    command(DISK, 0, 0x35, 0, 1, 1, 512);
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x0451);
    recover(DISK);
    host_broken = true;
    command(DISK, 0, 0x25, 0, 1, 1, 512);
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x4051);
}

static void queues(void **state)
{
    (void)state;
    host_slow = true;
    for (unsigned tag = 0; tag < 32; tag++) {
        uint8_t *fis = command(DISK, tag, 0x60, tag, 0, 0, 0);
        fis[3] = 1; // one sector
        fis[12] = (uint8_t)(tag << 3);
        put32(LIST + 32 * tag, 5 | 1u << 16);
        put32(TABLE + 0x400 * tag + 0x80, BUFFER + 512 * tag);
        put32(TABLE + 0x400 * tag + 0x8c, 511);
    }
    out32(reg(DISK, 0x34), 0xffffffff);
    issue(DISK, 0xffffffff);
    assert_int_equal(in32(reg(DISK, 0x34)), 0xffffffff);
    for (unsigned i = 0; i < 32; i++)
        assert_true(host_complete());
    assert_false(host_complete());
    assert_int_equal(in32(reg(DISK, 0x34)), 0);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_memory_equal(host_memory + BUFFER, host_disk, 32 * 512);
    assert_true(in32(reg(DISK, 0x10)) & 8);
    // One fails: the log names it.
    host_slow = false;
    uint8_t *fis = command(DISK, 5, 0x60, HOST_SECTORS, 0, 1, 512);
    fis[3] = 1;
    fis[12] = 5 << 3;
    out32(reg(DISK, 0x34), 1u << 5);
    issue(DISK, 1u << 5);
    assert_int_equal(in32(reg(DISK, 0x34)), 1u << 5);
    assert_true(in32(reg(DISK, 0x10)) & 1u << 30);
    recover(DISK);
    command(DISK, 0, 0x2f, 0x10, 1, 1, 512);
    issue(DISK, 1);
    assert_int_equal(host_memory[BUFFER], 5);
    assert_int_equal(host_memory[BUFFER + 3], 0x10);
}

static void stopped_while_busy(void **state)
{
    (void)state;
    host_slow = true;
    command(DISK, 0, 0x25, 0, 1, 1, 512);
    issue(DISK, 1);
    out32(reg(DISK, 0x18), 0x16);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    out32(reg(DISK, 0x10), 0xffffffff);
    out32(reg(DISK, 0x18), 0x17);
    command(DISK, 1, 0x25, 1, 1, 1, 512);
    issue(DISK, 2); // waits for the first, which is of no interest any more
    assert_true(host_complete());
    assert_int_equal(in32(reg(DISK, 0x38)), 2);
    assert_true(host_complete());
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_memory_equal(host_memory + BUFFER, host_disk + 512, 512);
}

static void trims(void **state)
{
    (void)state;
    uint64_t ranges[64] = {5ull | 3ull << 48, 100ull | 1ull << 48};
    memcpy(host_memory + BUFFER, ranges, sizeof(ranges));
    command(DISK, 0, 0x06, 0, 1, 1, 512)[3] = 1;
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_int_equal(host_discards, 2);
    assert_int_equal(host_disk[5 * 512 + 3 * 512 - 1], 0);
    ranges[1] = HOST_SECTORS | 1ull << 48;
    memcpy(host_memory + BUFFER, ranges, sizeof(ranges));
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x1051);
    // The same sectors over and over are work without bound.
    recover(DISK);
    host_discards = 0;
    for (unsigned i = 0; i < 64; i++)
        ranges[i] = (uint64_t)HOST_SECTORS << 48;
    memcpy(host_memory + BUFFER, ranges, sizeof(ranges));
    issue(DISK, 1);
    assert_int_equal(host_discards, 1);
    assert_int_equal(in32(reg(DISK, 0x20)), 0x0451);
}

static uint8_t *packet(unsigned slot, uint8_t op, uint32_t bytes)
{
    command(CD, slot, 0xa0, 0, 0, 1, bytes);
    put32(LIST + 0x400 + 32 * slot, 5 | 1u << 5 | 1u << 16);
    uint8_t *p = host_memory + TABLE + 0x400 * slot + 0x40;
    memset(p, 0, 16);
    p[0] = op;
    return p;
}

static void reads_a_cd(void **state)
{
    (void)state;
    packet(0, 0x00, 64); // told once that it was reset
    issue(CD, 1);
    assert_int_equal(in32(reg(CD, 0x20)), 0x6041);
    recover(CD);
    packet(0, 0x03, 64)[4] = 18;
    issue(CD, 1);
    assert_int_equal(host_memory[BUFFER + 2], 6);
    assert_int_equal(host_memory[BUFFER + 12], 0x29);
    packet(0, 0x00, 64);
    issue(CD, 1);
    assert_int_equal(in32(reg(CD, 0x20)) & 1, 0);
    packet(0, 0x25, 8);
    issue(CD, 1);
    assert_int_equal(host_memory[BUFFER + 3], HOST_SECTORS / 4 - 1);
    assert_int_equal(host_memory[BUFFER + 6], 8);
    uint8_t *p = packet(0, 0x28, 4096);
    p[5] = 2;
    p[8] = 2;
    issue(CD, 1);
    assert_int_equal(moved(CD, 0), 4096);
    assert_memory_equal(host_memory + BUFFER, host_disk + 4096, 4096);
    packet(0, 0x28, 4096)[5] = 64; // behind the end
    host_memory[TABLE + 0x48] = 1;
    issue(CD, 1);
    assert_int_equal(in32(reg(CD, 0x20)), 0x5441);
    recover(CD);
    p = packet(0, 0x43, 64);
    p[8] = 64;
    issue(CD, 1);
    assert_int_equal(host_memory[BUFFER + 1], 18);
    assert_int_equal(host_memory[BUFFER + 6], 1);
    assert_int_equal(host_memory[BUFFER + 14], 0xaa);
    packet(0, 0x1b, 64)[4] = 2; // eject
    issue(CD, 1);
    packet(0, 0x00, 64);
    issue(CD, 1);
    assert_int_equal(in32(reg(CD, 0x20)) >> 12, 2);
}

static void every_packet_ends(void **state)
{
    (void)state;
    for (unsigned op = 0; op < 256; op++) {
        uint8_t *p = packet(op % 32, (uint8_t)op, 4096);
        memset(p + 1, op % 3 ? 0xff : 0, 11);
        issue(CD, 1u << op % 32);
        assert_true(in32(reg(CD, 0x38)) == 0 || in32(reg(CD, 0x10)) & 1u << 30);
        recover(CD);
    }
}

static void may_dma(void)
{
    ahci.pci.config[PCI_COMMAND] = PCI_COMMAND_MASTER;
    ahci.pci.dma_began = true;
    ahci.pci.config_written(ahci.pci.dev, PCI_COMMAND, 2);
    ahci.pci.dma_began = false;
}

// However much the guest asks for, the rest of the machine has its turn, and what the guest does
// meanwhile counts.
static void pauses(void **state)
{
    const unsigned first = AHCI_AT_ONCE / (HOST_SECTORS * 512);

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        command(DISK, i, 0x25, 0, HOST_SECTORS, 1, HOST_SECTORS * 512);
    issue(DISK, 0xffffffff);
    assert_int_equal(in32(reg(DISK, 0x38)), 0xffffffff << first);
    assert_true(host_level);
    assert_in_range(ahci.deadline, test_time + 1, test_time + test_us(100));
    issue(DISK, 1); // one more: the one that waits is not begun again, the others keep their turn
    assert_int_equal(in32(reg(DISK, 0x38)), 0xffffffff << first | 1);
    ahci.pci.config[PCI_COMMAND] = 0;
    ahci_expire(&ahci, test_time);
    assert_int_equal(in32(reg(DISK, 0x38)), 0xffffffff << first | 1);
    assert_int_equal(ahci.deadline, CLOCK_NEVER);
    may_dma();
    assert_int_equal(ahci.deadline, 0);
    ahci_expire(&ahci, test_time);
    assert_int_equal(in32(reg(DISK, 0x38)), 1);
    ahci_expire(&ahci, ahci.deadline);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_int_equal(ahci.deadline, CLOCK_NEVER);
    issue(DISK, 0xffffffff);
    recover(DISK); // stopped in a pause
    ahci_expire(&ahci, ahci.deadline);
    memset(host_memory + BUFFER, 0, 512);
    command(DISK, 0, 0x25, 7, 1, 1, 512);
    issue(DISK, 1);
    assert_memory_equal(host_memory + BUFFER, host_disk + 7 * 512, 512);
}

// Issued while the controller may not reach memory.
static void without_bus_mastering(void **state)
{
    (void)state;
    command(DISK, 0, 0x25, 7, 1, 1, 512);
    ahci.pci.config[PCI_COMMAND] = 0;
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x38)), 1);
    may_dma();
    ahci_expire(&ahci, ahci.deadline);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_memory_equal(host_memory + BUFFER, host_disk + 7 * 512, 512);
}

static void resets(void **state)
{
    (void)state;
    uint8_t *fis = command(DISK, 0, 0, 0, 0, 0, 0); // SRST on, off
    fis[1] = 0;
    fis[15] = 4;
    put32(LIST, 5 | 1u << 10);
    issue(DISK, 1);
    fis[15] = 0;
    put32(LIST, 5);
    issue(DISK, 1);
    assert_int_equal(in32(reg(DISK, 0x38)), 0);
    assert_int_equal(host_memory[FIS + 0x40], 0x34);
    out32(reg(DISK, 0x18), 0x16);
    out32(reg(DISK, 0x2c), 0x301); // COMRESET
    assert_int_equal(in32(reg(DISK, 0x28)), 0);
    out32(reg(DISK, 0x2c), 0x300);
    assert_int_equal(in32(reg(DISK, 0x28)), 0x113);
    assert_true(in32(reg(DISK, 0x10)) & 0x40);
    out32(0x04, 1);
    assert_int_equal(in32(0x04), 1u << 31);
    assert_int_equal(in32(reg(DISK, 0x14)), 0);
}

static void snapshots(void **state)
{
    (void)state;
    out32(reg(DISK, 0x10), 0xffffffff);
    test_snapshot(&ahci_ops, &ahci);
    uint8_t buf[4096];
    size_t n = ahci_ops.save(&ahci, buf, sizeof(buf));
    uint32_t list = in32(reg(CD, 0x00));
    ahci_ops.reset(&ahci);
    assert_int_equal(in32(reg(CD, 0x00)), 0);
    assert_true(ahci_ops.restore(&ahci, buf, n));
    assert_int_equal(in32(reg(CD, 0x00)), list);
    command(DISK, 0, 0x25, 0, 1, 1, 512);
    issue(DISK, 1);
    assert_memory_equal(host_memory + BUFFER, host_disk, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identifies, setup),
        cmocka_unit_test_setup(moves_sectors, setup),
        cmocka_unit_test_setup(refuses, setup),
        cmocka_unit_test_setup(queues, setup),
        cmocka_unit_test_setup(stopped_while_busy, setup),
        cmocka_unit_test_setup(trims, setup),
        cmocka_unit_test_setup(reads_a_cd, setup),
        cmocka_unit_test_setup(every_packet_ends, setup),
        cmocka_unit_test_setup(pauses, setup),
        cmocka_unit_test_setup(without_bus_mastering, setup),
        cmocka_unit_test_setup(resets, setup),
        cmocka_unit_test_setup(snapshots, setup),
    };
    return cmocka_run_group_tests_name("AHCI", tests, NULL, NULL);
}
