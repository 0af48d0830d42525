// SPDX-License-Identifier: BSD-2-Clause
// A paused VM to which its neighbours send: network, socket link, console. Nothing of it reaches
// memory while it stands still; afterwards all that the rings kept comes, in order.
// links: @vmm lib/ring.c lib/cpio.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vm_fake.h"
#include "vm_alloc.h"

enum { CHANNEL = 1, LINK_RING = 16384, FRAME = 300, BUFFERS = 16, TURNS = 90 };
enum { RX_RING = 0x40000, RX_BUFFERS = 0x50000 };
enum { RCTL = 0x100, RDBAL = 0x2800, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818 };

extern const struct device_kind device_kind_e1000;
__attribute__((used)) static const struct device_kind *const kind = &device_kind_e1000;

static _Alignas(64) uint8_t arena[1 << 18], link_rings[2][LINK_RING];
static size_t used;
static uint8_t before[FAKE_RAM];
static struct ring_end peer;
static uint64_t bar;
static unsigned turns, sent, seen;

void *vm_alloc(size_t size)
{
    void *memory = arena + used;

    used += (size + 63) & ~(size_t)63;
    return used <= sizeof(arena) ? memory : NULL;
}

static void devices(void)
{
    struct task_device *d = &info.devices[info.device_count++];

    *d = (struct task_device){.kind = "e1000", .name = "net", .channel = CHANNEL};
    used = 0;
    memset(link_rings, 0, sizeof(link_rings));
    ring_open(&peer, (struct ring *)link_rings[0], ring_capacity(LINK_RING), RING_PRODUCER);
    info.channels[0].own_bit = 3;
    info.channels[info.channel_count++] = (struct task_channel){.kind = CHANNEL_LINK,
                                                                .ring_bytes = LINK_RING,
                                                                .own_bit = 5,
                                                                .rx = (uintptr_t)link_rings[0],
                                                                .tx = (uintptr_t)link_rings[1]};
}

static void nic(uint32_t offset, uint32_t value)
{
    bus_write(&vm.chipset.mmio, bar + offset, 4, value);
}

static uint32_t nic_read(uint32_t offset)
{
    uint64_t value = 0;

    bus_read(&vm.chipset.mmio, bar + offset, 4, &value);
    return (uint32_t)value;
}

static bool run(const char *name)
{
    struct monitor *monitor = &vm.devices.monitor;

    for (unsigned i = 0; i < monitor->commands; i++)
        if (strcmp(monitor->command[i].name, name) == 0)
            return monitor->command[i].run(monitor->command[i].dev, "", monitor);
    return false;
}

// A frame to everybody with its number, if the ring has room.
static void send(void)
{
    uint8_t piece[2 + FRAME] = {FRAME & 255, FRAME >> 8, 255, 255, 255, 255, 255, 255};

    memcpy(piece + 2 + 14, &sent, sizeof(sent));
    if (ring_free(&peer) >= sizeof(piece)) {
        ring_write(&peer, piece, sizeof(piece));
        sent++;
    }
    ring_write(&console_in, (const uint8_t *)"x", 1);
}

// The kernel: while the vCPU waits the neighbours send and raise.
static enum status kernel(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    message->label = op == SYS_VCPU_RUN ? EXIT_KICK : 0;
    if (op != SYS_WAIT || !vm.save.paused)
        return op == SYS_WAIT ? ERR_TIMEOUT : OK;
    assert_memory_equal(ram, before, sizeof(ram));
    if (++turns == TURNS)
        assert_true(run("resume"));
    send();
    message->w[0] = 1u << 5 | 1u << 3;
    return OK;
}

static int setup(void **state)
{
    (void)state;
    fake_devices = devices;
    fake_machine();
    fake_call = kernel;
    turns = sent = seen = 0;
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = vm.chipset.pci.function[i];

        if (!f || strcmp(f->name, "e1000") != 0)
            continue;
        bar = f->bar[0].address;
        bus_write(&vm.chipset.ports, 0xcf8, 4, 0x80000004u | i << 8);
        bus_write(&vm.chipset.ports, 0xcfc, 2, 6); // memory, bus master
    }
    for (uint64_t i = 0; i < BUFFERS; i++) {
        uint64_t address = RX_BUFFERS + i * 2048;
        memcpy(ram + RX_RING + i * 16, &address, 8);
    }
    nic(RDBAL, RX_RING);
    nic(RDLEN, BUFFERS * 16);
    nic(RDH, 0);
    nic(RDT, BUFFERS - 1);
    nic(RCTL, 0x8002); // enabled, broadcasts
    memcpy(before, ram, sizeof(ram));
    return 0;
}

// Takes what came out of the buffers, and gives them back.
static void take(void)
{
    unsigned tail = (nic_read(RDT) + 1) % BUFFERS, number;

    while (tail != nic_read(RDH)) {
        memcpy(&number, ram + RX_BUFFERS + tail * 2048 + 14, sizeof(number));
        assert_int_equal(number, seen++);
        nic(RDT, tail);
        tail = (tail + 1) % BUFFERS;
    }
}

static void test_traffic(void **state)
{
    (void)state;
    assert_true(run("pause"));
    save_park(CPU);
    assert_int_equal(turns, TURNS);
    assert_true(sent > BUFFERS &&
                sent < TURNS); // more than the card has buffers; the link was full
    assert_int_equal(vm.chipset.uart[0].s.rx_count, 1); // what was typed came too
    for (unsigned i = 0; i < 20; i++)
        take();
    assert_int_equal(seen, sent);
    for (unsigned i = 0; i < 100; i++) { // and it goes on
        send();
        CPU->bits = 1u << 5;
        vcpu_serve(CPU);
        take();
    }
    assert_int_equal(seen, sent);
}

// The same while a snapshot is taken, which pauses by itself.
static void test_snapshot(void **state)
{
    (void)state;
    assert_true(run("snapshot-size"));
    for (unsigned i = 0; i < 10; i++) {
        send();
        CPU->bits = 1u << 5 | 1u << 3;
        vcpu_serve(CPU);
        assert_memory_equal(ram, before, sizeof(ram));
    }
    assert_int_equal(nic_read(RDH), 0);
    assert_true(run("snapshot-cancel"));
    vcpu_serve(CPU);
    take();
    assert_true(seen >= 10 && seen == sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_traffic, setup),
                                       cmocka_unit_test_setup(test_snapshot, setup)};
    return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
