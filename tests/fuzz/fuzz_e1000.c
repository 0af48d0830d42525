// SPDX-License-Identifier: BSD-2-Clause
// The 82540EM under random registers, descriptors and frames of a hostile peer.
// links: vmm/e1000.c vmm/e1000_eeprom.c vmm/e1000_rx.c vmm/e1000_tx.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "e1000.h"
#include "net_fuzz.h"
#include "tests/unit/pci_fake.h"

enum { RAM = 1 << 18, RING = 0x1000 };

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static _Alignas(64) uint8_t memory[RAM];
static struct guest_ram ram = {memory, RAM};
static struct pci_bus bus;
static struct e1000 nic;

static size_t net_fuzz_frame(void *frame)
{
    size_t size = net_fuzz_any(frame);
    if (fuzz_take(1) & 1)
        memcpy(frame, mac, 6);
    return size;
}

static void set(uint32_t offset, uint32_t value)
{
    e1000_ops.write(&nic, offset, 4, value);
}

static void descriptors(void)
{
    for (unsigned n = fuzz_take(1) % 8; n > 0; n--) {
        uint8_t *d = memory + RING + fuzz_take(1) % 32 * 16;
        uint64_t word = fuzz_take(8);
        if (fuzz_take(1) & 1)
            word &= RAM - 1;
        memcpy(d, &word, 8);
        word = fuzz_take(8);
        memcpy(d + 8, &word, 8);
    }
}

static void rings(uint8_t op)
{
    uint32_t base = op & 0x80 ? 0x3800 : 0x2800;
    set(base, op & 0x40 ? (uint32_t)fuzz_take(4) : RING);
    set(base + 4, op & 0x20 ? (uint32_t)fuzz_take(4) : 0);
    set(base + 8, (uint32_t)fuzz_take(2));
    set(base + 0x10, op & 0x10 ? (uint32_t)fuzz_take(2) : 0);
    set(op & 0x80 ? 0x400 : 0x100, 2 | (uint32_t)fuzz_take(4));
    set(base + 0x18, (uint32_t)fuzz_take(2) % 300);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t snapshot[16384];
    fuzz_begin(data, size);
    memset(memory, 0, sizeof(memory));
    net_fuzz_room = net_fuzz_coming = 0;
    CHECK(e1000_init(&nic, &bus, &ram, &fuzz_clock, &net_fuzz_link, mac));
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
            fuzz_access(&e1000_ops, &nic, E1000_REGISTERS, op & 8);
            break;
        case 1:
            fuzz_access(&e1000_ops, &nic, 0x6000, op & 8);
            break;
        case 2:
            fuzz_access(&e1000_port_ops, &nic, E1000_PORTS, op & 8);
            break;
        case 3:
            descriptors();
            break;
        case 4:
            rings(op);
            break;
        case 5:
            net_fuzz_room = op >> 4;
            net_fuzz_arrived((unsigned)fuzz_take(1));
            net_fuzz_has_room(net_fuzz_room);
            break;
        case 6:
            fuzz_time += fuzz_step() + 1000;
            for (unsigned i = 0; e1000_deadline(&nic) <= fuzz_time; i++) {
                CHECK(i < 300); /* the longest ring in pieces */
                e1000_expire(&nic, fuzz_time++);
            }
            break;
        default:
            if (op & 0x40) {
                size_t n = e1000_ops.save(&nic, snapshot, sizeof(snapshot));
                CHECK(n > 0 && e1000_ops.restore(&nic, snapshot, n));
                for (unsigned i = fuzz_take(1) % 8; i > 0; i--)
                    snapshot[fuzz_take(2) % n] = (uint8_t)fuzz_take(1);
                e1000_ops.restore(&nic, snapshot, n);
                CHECK(e1000_ops.info(&nic, (char *)snapshot, 100) < 100);
            } else {
                e1000_ops.reset(&nic);
            }
        }
    }
    return 0;
}
