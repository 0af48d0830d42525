// SPDX-License-Identifier: BSD-2-Clause
// The AHCI controller under random register accesses, command lists, FISes, PRDs and packets, with
// a disk that answers at once or later.
// links: vmm/ahci.c vmm/ahci_command.c vmm/ata.c vmm/atapi.c vmm/device.c vmm/guest_memory.c vmm/clock.c
#include "device_fuzz.h"

#include "tests/unit/ahci_host.h"

static struct ahci ahci;
static struct block_backend disk = {.sectors = HOST_SECTORS, .submit = host_submit};
static struct block_backend cd = {
    .sectors = HOST_SECTORS, .read_only = true, .submit = host_submit};

#define LIST  0x1000u
#define TABLE 0x3000u

// A command that is right in most of its parts.
static void command(void)
{
    unsigned port = fuzz_take(1) % 2, slot = fuzz_take(1) % 32;
    uint8_t *header = host_memory + LIST + 0x400 * port + 32 * slot;
    uint8_t *table = host_memory + TABLE + 0x400 * (size_t)slot;
    uint8_t shape = (uint8_t)fuzz_take(1);
    uint32_t words[4] = {5u | (shape & 1) << 5 | (shape & 6u) << 16, 0, TABLE + 0x400 * slot, 0};

    memset(table, 0, 0x100);
    table[0] = 0x27;
    table[1] = shape & 8 ? 0 : 0x80;
    table[2] = (uint8_t)fuzz_take(1);
    table[3] = (uint8_t)fuzz_take(1);
    table[4] = (uint8_t)fuzz_take(1);
    table[7] = 0x40;
    table[12] = (uint8_t)fuzz_take(1);
    for (unsigned i = 0; i < 12; i++)
        table[0x40 + i] = shape & 1 ? (uint8_t)fuzz_take(1) : 0;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t prd[4] = {(uint32_t)fuzz_take(2) << 4, 0, 0, (uint32_t)fuzz_take(2)};
        memcpy(table + 0x80 + 16 * (size_t)i, prd, sizeof(prd));
    }
    memcpy(header, words, sizeof(words));
    if (shape & 0x80)
        host_memory[fuzz_take(3) % HOST_RAM] = (uint8_t)fuzz_take(1);
    if (shape & 0x40)
        ahci_ops.write(&ahci, 0x134 + 0x80 * port, 4, 1u << slot);
    ahci_ops.write(&ahci, 0x138 + 0x80 * port, 4, 1u << slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    host_pending = NULL;
    host_slow = fuzz_take(1) & 1;
    ahci_init(&ahci, NULL, &host_ram, &fuzz_clock);
    ahci_attach(&ahci, &disk, false);
    ahci_attach(&ahci, &cd, true);
    for (unsigned port = 0; port < 2; port++) {
        ahci_ops.write(&ahci, 0x100 + 0x80 * port, 4, LIST + 0x400 * port);
        ahci_ops.write(&ahci, 0x108 + 0x80 * port, 4, 0x2000 + 0x100 * port);
        ahci_ops.write(&ahci, 0x118 + 0x80 * port, 4, 0x17);
    }
    while (fuzz_left > 0) {
        switch (fuzz_take(1) % 8) {
        case 0:
            fuzz_access(&ahci_ops, &ahci, AHCI_SIZE, fuzz_take(1) & 1);
            break;
        case 1: // start, stop
            ahci_ops.write(&ahci, 0x118 + 0x80 * (fuzz_take(1) % 2), 4, 0x16 | fuzz_take(1));
            break;
        case 2:
            host_complete();
            if (ahci.deadline != CLOCK_NEVER)
                ahci_expire(&ahci, ahci.deadline);
            break;
        case 3:
            ahci_ops.write(&ahci, 0x100 + 0x80 * (fuzz_take(1) % 2) + 4 * (fuzz_take(1) % 16), 4,
                           fuzz_take(4));
            break;
        case 4:
            if (!host_pending)
                fuzz_snapshot(&ahci_ops, &ahci);
            break;
        default:
            command();
        }
    }
    return 0;
}
