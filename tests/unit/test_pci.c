// SPDX-License-Identifier: BSD-2-Clause
// The PCI bus: configuration space by ports and ECAM, BARs that are sized, moved, blocked by each
// other and by RAM, INTx through PIRQs, addresses as firmware gives them, removal, snapshot.
// links: vmm/pci.c vmm/pci_device.c vmm/pci_config.c vmm/pci_msix.c vmm/pci_state.c vmm/pci_assign.c
// links: vmm/pci_hotplug.c vmm/bus.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "pci.h"
#include "platform.h"

/* Messages end here. */
unsigned apic_bus_send(struct apic_bus *apics, const struct apic_message *message)
{
    (void)apics;
    (void)message;
    return 0;
}

struct fake {
    struct pci_function f;
    uint64_t offset, value, moved[PCI_BARS];
    unsigned reads, writes, moves, written, removed;
};

static struct bus ports, mmio;
static struct pci_bus bus;
static struct fake a, b;

static uint64_t fake_read(void *dev, uint64_t offset, unsigned size)
{
    struct fake *f = dev;
    (void)size;
    f->reads++;
    f->offset = offset;
    return 0x1122334455667788 + offset;
}

static void fake_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct fake *f = dev;
    (void)size;
    f->writes++;
    f->offset = offset;
    f->value = value;
}

static const struct device_ops fake_ops = {.name = "fake", .read = fake_read, .write = fake_write};

static void moved(void *dev, unsigned bar, uint64_t address)
{
    struct fake *f = dev;
    f->moved[bar] = address;
    f->moves++;
}

static void written(void *dev, unsigned offset, unsigned size)
{
    struct fake *f = dev;
    assert_true(offset + size <= PCI_CFG_SPACE_SIZE);
    f->written++;
}

static void removed(void *dev)
{
    struct fake *f = dev;
    assert_null(f->f.bus);
    f->removed++;
}

static void make(struct fake *f, unsigned slot)
{
    memset(f, 0, sizeof(*f));
    pci_init(&f->f, "fake", 0x1234, 0x5678, 0x020000, 3);
    f->f.dev = f;
    f->f.removed = removed;
    f->f.config[PCI_INTERRUPT_PIN] = 1;
    assert_true(pci_add_bar(&f->f, 0, PCI_BAR_MEM32, false, 0x1000, &fake_ops, f));
    assert_true(pci_add_bar(&f->f, 1, PCI_BAR_IO, false, 0x20, &fake_ops, f));
    assert_true(pci_add_bar(&f->f, 2, PCI_BAR_MEM64, true, 0x10000, &fake_ops, f));
    for (unsigned i = 0; i < PCI_BARS; i++)
        f->f.bar[i].moved = moved;
    assert_true(pci_add(&bus, &f->f, slot, 0));
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    bus_init(&ports, "ports");
    bus_init(&mmio, "mmio");
    assert_true(pci_bus_init(&bus, &ports, &mmio, NULL, &test_sink));
    bus.ram_low = 0x10000000;
    bus.ram_high = 0x40000000;
    assert_true(bus_add(&ports, 0xcf8, 4, &pci_address_ops, &bus));
    make(&a, 1);
    return 0;
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value;
    bus_read(&ports, port, size, &value);
    return (uint32_t)value;
}

static uint32_t get(unsigned devfn, unsigned offset, unsigned size)
{
    bus_write(&ports, 0xcf8, 4, 0x80000000u | devfn << 8 | (offset & 0xfc));
    return in((uint16_t)(0xcfc + (offset & 3)), size);
}

static void set(unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    bus_write(&ports, 0xcf8, 4, 0x80000000u | devfn << 8 | (offset & 0xfc));
    bus_write(&ports, 0xcfc + (offset & 3), size, value);
}

static void test_ports(void **state)
{
    (void)state;
    assert_int_equal(get(8, 0, 4), 0x56781234);
    assert_int_equal(get(8, 0, 2), 0x1234);
    assert_int_equal(get(8, 2, 2), 0x5678);
    assert_int_equal(get(8, 3, 1), 0x56);
    assert_int_equal(get(8, 8, 4), 0x02000003);
    assert_int_equal(get(8, 3, 2), 0xff56); /* over the end of the data port */
    assert_int_equal(get(9, 0, 4), 0xffffffff);
    assert_int_equal(get(0x10, 0, 2), 0xffff);
    bus_write(&ports, 0xcf8, 4, 0x00000800); /* not enabled */
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    bus_write(&ports, 0xcf8, 4, 0x80010800); /* another bus */
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    bus_write(&ports, 0xcfc, 4, 0);
    bus_write(&ports, 0xcf8, 4, 0xffffffff);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    bus_write(&ports, 0xcfb, 1, 0x01); /* bytes are not the address register's */
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    assert_int_equal(in(0xcf8, 1), 0xff);
    bus.no_ports = true; /* hidden: the address register reads as ones, what it had selected too */
    bus_write(&ports, 0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0xffffffff);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    bus.no_ports = false;
    set(8, 0, 4, 0); /* read-only */
    assert_int_equal(get(8, 0, 4), 0x56781234);
    set(8, PCI_INTERRUPT_LINE, 1, 0x5a);
    assert_int_equal(get(8, PCI_INTERRUPT_LINE, 2), 0x015a);
    set(8, 0xfd, 2, 0xffff);
}

static void test_ecam(void **state)
{
    (void)state;
    uint64_t value;
    pci_set_ecam(&bus, 0xb0000000, 256 << 20);
    assert_int_equal(bus.ecam, 0xb0000000);
    assert_true(bus_read(&mmio, 0xb0008000, 4, &value));
    assert_int_equal(value, 0x56781234);
    assert_true(bus_read(&mmio, 0xb0008002, 8, &value)); /* in pieces */
    assert_int_equal(value & 0xffff, 0x5678);
    bus_read(&mmio, 0xb0008ffe, 4, &value); /* over the end of a function */
    assert_int_equal(value, 0xffffffff);
    bus_read(&mmio, 0xb0108000, 4, &value); /* bus 1 */
    assert_int_equal(value, 0xffffffff);
    bus_write(&mmio, 0xb0008000 + PCI_INTERRUPT_LINE, 1, 9);
    assert_int_equal(get(8, PCI_INTERRUPT_LINE, 1), 9);
    bus_write(&mmio, 0xb0008100, 4, 9); /* extended space is read-only */
    bus_read(&mmio, 0xb0008100, 4, &value);
    assert_int_equal(value, 0);
    bus_write(&mmio, 0xb0108000 + PCI_INTERRUPT_LINE, 1, 1);
    assert_int_equal(get(8, PCI_INTERRUPT_LINE, 1), 9);
    pci_set_ecam(&bus, 0x10000000, 256 << 20);
    assert_int_equal(bus.ecam, 0x10000000);
    assert_false(bus_read(&mmio, 0xb0008000, 4, &value));
    pci_set_ecam(&bus, 0, 256 << 20); /* onto RAM */
    assert_int_equal(bus.ecam, PCI_UNMAPPED);
    pci_set_ecam(&bus, PCI_UNMAPPED, 0);
}

static void test_sizing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PCI_BARS; i++)
        set(8, PCI_BASE_ADDRESS_0 + 4 * i, 4, 0xffffffff);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_0, 4), 0xfffff000);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_1, 4), 0xffffffe1);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_2, 4), 0xffff000c);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_3, 4), 0xffffffff);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_4, 4), 0);
    set(8, PCI_COMMAND, 2, 3); /* nothing maps at the ones */
    assert_int_equal(a.moves, 0);
    struct pci_function f;
    pci_init(&f, "bars", 1, 2, 3, 4);
    assert_false(pci_add_bar(&f, 6, PCI_BAR_MEM32, false, 0x1000, NULL, NULL));
    assert_false(pci_add_bar(&f, 5, PCI_BAR_MEM64, false, 0x1000, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_MEM32, false, 0x1001, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_MEM32, false, 8, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_MEM32, false, 1ull << 32, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_IO, false, 2, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_NONE, false, 0x1000, NULL, NULL));
    assert_true(pci_add_bar(&f, 0, PCI_BAR_MEM64, false, 1ull << 33, NULL, NULL));
    assert_false(pci_add_bar(&f, 0, PCI_BAR_MEM32, false, 0x1000, NULL, NULL));
    assert_false(pci_add_bar(&f, 1, PCI_BAR_MEM32, false, 0x1000, NULL, NULL));
}

static void test_moving(void **state)
{
    (void)state;
    uint64_t value;
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
    assert_int_equal(a.moves, 0);
    set(8, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(a.moved[0], 0xc0000000);
    assert_true(bus_read(&mmio, 0xc0000010, 4, &value));
    assert_int_equal(value, 0x55667798);
    assert_int_equal(a.offset, 0x10);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc1000000);
    assert_false(bus_read(&mmio, 0xc0000010, 4, &value));
    assert_true(bus_read(&mmio, 0xc1000010, 4, &value));
    set(8, PCI_BASE_ADDRESS_2, 4, 0xc2000000); /* half of it: it lies below 4 GiB for a moment */
    assert_int_equal(a.moved[2], 0xc2000000);
    set(8, PCI_BASE_ADDRESS_3, 4, 8);
    assert_int_equal(a.moved[2], 0x8c2000000);
    assert_true(bus_write(&mmio, 0x8c2000008, 8, 0x123456789abcdef0));
    assert_int_equal(a.value, 0x123456789abcdef0);
    set(8, PCI_BASE_ADDRESS_3, 4, 0xffffffff);
    assert_int_equal(a.moved[2], PCI_UNMAPPED);
    set(8, PCI_BASE_ADDRESS_1, 4, 0xc000);
    assert_int_equal(a.f.bar[1].address, PCI_UNMAPPED); /* ports are not decoded yet */
    set(8, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(a.moved[0], PCI_UNMAPPED);
    assert_false(bus_read(&mmio, 0xc1000010, 4, &value));
    assert_true(bus_read(&ports, 0xc004, 2, &value));
    set(8, PCI_BASE_ADDRESS_1, 4, 0x1c000);
    assert_int_equal(a.moved[1], PCI_UNMAPPED);
    set(8, PCI_BASE_ADDRESS_1, 4, 0xffe0);
    assert_int_equal(a.moved[1], 0xffe0);
    set(8, PCI_BASE_ADDRESS_1, 4, 0x0ce0); /* onto the data port: it stays unmapped */
    assert_int_equal(a.moved[1], PCI_UNMAPPED);
    set(8, PCI_BASE_ADDRESS_1, 4, 0);
    assert_int_equal(a.moved[1], PCI_UNMAPPED);
}

static void test_blocked(void **state)
{
    (void)state;
    make(&b, 2);
    set(8, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    set(0x10, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
    set(0x10, PCI_BASE_ADDRESS_2, 4, 0xc0000000); /* 64 KiB around it */
    assert_int_equal(b.f.bar[2].address, PCI_UNMAPPED);
    pci_set_ecam(&bus, 0xc0000000, 64 << 20);
    assert_int_equal(bus.ecam, PCI_UNMAPPED);
    pci_set_ecam(&bus, PCI_UNMAPPED, 0);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xd0000000); /* makes room */
    assert_int_equal(b.f.bar[2].address, 0xc0000000);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc000f000);
    assert_int_equal(a.f.bar[0].address, PCI_UNMAPPED);
    pci_remove(&bus, &b.f);
    assert_int_equal(b.removed, 1);
    assert_int_equal(a.f.bar[0].address, 0xc000f000);
    set(8, PCI_BASE_ADDRESS_0, 4, 0x0ffff000); /* the last page of RAM */
    assert_int_equal(a.f.bar[0].address, PCI_UNMAPPED);
    set(8, PCI_BASE_ADDRESS_0, 4, 0x10000000);
    assert_int_equal(a.f.bar[0].address, 0x10000000);
    set(8, PCI_BASE_ADDRESS_2, 4, 0x3fff0000);
    set(8, PCI_BASE_ADDRESS_3, 4, 1);
    assert_int_equal(a.f.bar[2].address, PCI_UNMAPPED);
    set(8, PCI_BASE_ADDRESS_2, 4, 0x40000000);
    assert_int_equal(a.f.bar[2].address, 0x140000000);
}

static void test_intx(void **state)
{
    (void)state;
    make(&b, 5); /* slots 1 and 5 share PIRQF */
    pci_set_intx(&a.f, true);
    assert_true(test_level[21]);
    assert_true(get(8, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    pci_set_intx(&b.f, true);
    pci_set_intx(&a.f, false);
    assert_true(test_level[21]);
    assert_false(get(8, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    pci_route_pirq(&bus, 5, 10);
    assert_true(test_level[10]);
    set(0x28, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    assert_false(test_level[21] || test_level[10]);
    assert_true(get(0x28, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    set(0x28, PCI_COMMAND, 2, 0);
    assert_true(test_level[21] && test_level[10]);
    pci_route_pirq(&bus, 5, 11); /* moves while it is asserted */
    assert_true(!test_level[10] && test_level[11]);
    pci_route_pirq(&bus, 5, 2); /* the cascade is no line for a PIRQ */
    assert_false(test_level[11] || test_level[2]);
    pci_route_pirq(&bus, 5, 11);
    pci_route_pirq(&bus, 4, 11);
    pci_remove(&bus, &b.f);
    assert_false(test_level[21] || test_level[11]);
    pci_set_intx(&b.f, false); /* a device that goes on without a bus */
    pci_set_intx(&b.f, true);
    assert_false(test_level[21]);
    struct fake far;
    make(&far, 26);
    far.f.config[PCI_INTERRUPT_PIN] = 3;
    pci_set_intx(&far.f, true);
    assert_true(test_level[18]);
    pci_remove(&bus, &far.f);
    assert_false(test_level[18]);
}

static void test_slots(void **state)
{
    (void)state;
    static struct fake many[32];
    assert_false(pci_add(&bus, &a.f, 3, 0)); /* it is there already */
    pci_init(&many[0].f, "x", 1, 1, 0, 0);
    assert_false(pci_add(&bus, &many[0].f, 1, 0));
    assert_false(pci_add(&bus, &many[0].f, 32, 0));
    assert_false(pci_add(&bus, &many[0].f, 3, 8));
    unsigned n = 0;
    for (; n < 32; n++) {
        pci_init(&many[n].f, "x", 1, 1, 0, 0);
        if (!pci_add(&bus, &many[n].f, PCI_ANY_SLOT, 0))
            break;
    }
    assert_int_equal(n, 29); /* 2 to 30: the rest is the chipset's */
    assert_int_equal(many[0].f.devfn, 0x10);
    pci_remove(&bus, &many[3].f);
    pci_remove(&bus, &many[3].f);
    assert_true(pci_add(&bus, &many[3].f, PCI_ANY_SLOT, 0));
    assert_int_equal(many[3].f.devfn, 0x28);
    char text[4096];
    assert_true(pci_info(&bus, text, sizeof(text)) > 30 * 20);
    for (size_t size = 0; size < 300; size++)
        assert_true(pci_info(&bus, text, size) <= size);
}

static void test_capabilities(void **state)
{
    (void)state;
    struct pci_function f;
    pci_init(&f, "caps", 1, 2, 3, 4);
    assert_int_equal(pci_add_capability(&f, 9, 1), 0);
    assert_int_equal(pci_add_capability(&f, 9, 300), 0);
    assert_false(f.config[PCI_STATUS] & PCI_STATUS_CAP_LIST);
    unsigned count = 0, last = 0;
    for (uint8_t at; (at = pci_add_capability(&f, 9, 15)) != 0; count++)
        last = at;
    assert_int_equal(count, (0x100 - 0x40) / 16);
    assert_true(f.config[PCI_STATUS] & PCI_STATUS_CAP_LIST);
    unsigned seen = 0;
    for (unsigned at = f.config[PCI_CAPABILITY_LIST]; at != 0; at = f.config[at + 1]) {
        assert_int_equal(f.config[at], 9);
        last = at;
        seen++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(last, 0xf0);
    assert_false(pci_add_msix(&f, 0, 4));
    assert_int_equal(f.bar[0].kind, PCI_BAR_NONE);
    assert_false(pci_add_msi(&f));
}

static void test_assign(void **state)
{
    (void)state;
    make(&b, 2);
    struct pci_function big;
    pci_init(&big, "big", 1, 2, 3, 4);
    assert_true(pci_add_bar(&big, 0, PCI_BAR_MEM64, true, 1ull << 30, NULL, NULL));
    assert_true(pci_add_bar(&big, 2, PCI_BAR_MEM64, true, 1ull << 35, NULL, NULL)); /* too big */
    assert_true(pci_add_bar(&big, 4, PCI_BAR_MEM32, true, 1u << 29, NULL, NULL));
    assert_true(pci_add(&bus, &big, 3, 0));
    bus.window64 = PLATFORM_PCI64;
    bus.window64_size = PLATFORM_PCI64_SIZE;
    pci_route_pirq(&bus, 5, 10);
    pci_assign(&bus);
    assert_int_equal(big.bar[0].address, PLATFORM_PCI64);
    assert_int_equal(big.bar[2].address, PCI_UNMAPPED);
    assert_int_equal(big.bar[4].address, 0xc0000000);
    assert_int_equal(a.f.bar[2].address, 0xe0000000);
    assert_int_equal(b.f.bar[2].address, 0xe0010000);
    assert_int_equal(a.f.bar[0].address, 0xe0020000);
    assert_int_equal(a.f.bar[1].address, 0xc000);
    assert_int_equal(b.f.bar[1].address, 0xc020);
    assert_int_equal(get(8, PCI_INTERRUPT_LINE, 1), 10);
    assert_int_equal(get(0x10, PCI_INTERRUPT_LINE, 1), 0xff);
    assert_true(pci_may_dma(&a.f));
    assert_int_equal(get(8, PCI_BASE_ADDRESS_2, 4), 0xe000000c);
    pci_assign(&bus); /* twice is the same */
    assert_int_equal(a.f.bar[2].address, 0xe0000000);
}

static void test_reset(void **state)
{
    (void)state;
    a.f.config_written = written;
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
    set(8, PCI_COMMAND, 2, 7);
    assert_int_equal(a.written, 2);
    assert_true(a.f.dma_began);
    set(8, PCI_COMMAND, 2, 6);
    assert_false(a.f.dma_began);
    assert_int_equal(a.f.bar[0].address, 0xc0000000);
    pci_bus_reset(&bus);
    assert_int_equal(a.f.bar[0].address, PCI_UNMAPPED);
    assert_int_equal(get(8, PCI_BASE_ADDRESS_2, 4), 0x0000000c);
    assert_int_equal(get(8, PCI_COMMAND, 2), 0);
    assert_int_equal(get(8, 0, 4), 0x56781234);
}

static void test_state(void **state)
{
    (void)state;
    uint8_t buf[8192];
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
    set(8, PCI_COMMAND, 2, 7);
    pci_set_intx(&a.f, true);
    size_t n = pci_save(&a.f, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(pci_save(&a.f, buf, n - 1), 0);
    pci_set_intx(&a.f, false);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
    assert_true(pci_restore(&a.f, buf, n));
    assert_int_equal(a.f.bar[0].address, 0xc0000000);
    assert_true(test_level[21]);
    assert_false(pci_restore(&a.f, buf, n - 1));
    for (size_t i = 0; i < n; i++) { /* any damage is refused, or harmless */
        buf[i] ^= 0xff;
        pci_restore(&a.f, buf, n);
        buf[i] ^= 0xff;
        if (a.f.bus == NULL)
            assert_true(pci_add(&bus, &a.f, 1, 0));
        assert_int_equal(get(8, 8, 4), 0x02000003);
    }
    assert_true(pci_restore(&a.f, buf, n));
    uint8_t gone[8192];
    unsigned before = a.removed;
    pci_remove(&bus, &a.f);
    assert_int_equal(pci_save(&a.f, gone, sizeof(gone)), n);
    assert_false(pci_restore(&a.f, buf, n)); /* it cannot come back */
    assert_true(pci_restore(&a.f, gone, n));
    assert_true(pci_add(&bus, &a.f, 1, 0));
    assert_true(pci_restore(&a.f, gone, n)); /* it was removed when the snapshot was taken */
    assert_null(a.f.bus);
    assert_int_equal(a.removed, before + 2);
    assert_true(pci_add(&bus, &a.f, 1, 0));
    buf[8] ^= 1; /* another vendor's device */
    assert_false(pci_restore(&a.f, buf, n));
}

static unsigned notified;

static void notify(void *ctx)
{
    (void)ctx;
    notified++;
}

static void test_detach(void **state)
{
    (void)state;
    notified = 0;
    uint64_t value;
    bus.notify = notify;
    assert_true(bus_add(&ports, PLATFORM_PCI_HOTPLUG, 16, &pci_hotplug_ops, &bus));
    assert_false(pci_detach(&bus, &a.f));
    assert_int_equal(notified, 0);
    bus.removable = 2;
    assert_true(pci_detach(&bus, &a.f));
    assert_int_equal(notified, 1);
    bus_read(&ports, PLATFORM_PCI_HOTPLUG, 4, &value);
    assert_int_equal(value, 2);
    bus_read(&ports, PLATFORM_PCI_HOTPLUG, 4, &value);
    assert_int_equal(value, 0);
    bus_write(&ports, PLATFORM_PCI_EJECT, 4, 0xfffffffd); /* not this slot */
    assert_int_equal(a.removed, 0);
    set(8, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
    set(8, PCI_COMMAND, 2, 7);
    bus_write(&ports, PLATFORM_PCI_EJECT, 4, 2);
    assert_int_equal(a.removed, 1);
    assert_false(bus_read(&mmio, 0xc0000000, 4, &value));
    assert_int_equal(get(8, 0, 4), 0xffffffff);
    assert_false(pci_may_dma(&a.f));
    assert_false(pci_detach(&bus, &a.f));
    bus_write(&ports, PLATFORM_PCI_EJECT, 4, 2);
    make(&b, 1); /* without the guest's consent */
    assert_true(pci_detach(&bus, &b.f));
    pci_remove(&bus, &b.f);
    bus_read(&ports, PLATFORM_PCI_HOTPLUG, 4, &value);
    assert_int_equal(value, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ports, setup),
        cmocka_unit_test_setup(test_ecam, setup),
        cmocka_unit_test_setup(test_sizing, setup),
        cmocka_unit_test_setup(test_moving, setup),
        cmocka_unit_test_setup(test_blocked, setup),
        cmocka_unit_test_setup(test_intx, setup),
        cmocka_unit_test_setup(test_slots, setup),
        cmocka_unit_test_setup(test_capabilities, setup),
        cmocka_unit_test_setup(test_assign, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_state, setup),
        cmocka_unit_test_setup(test_detach, setup),
    };
    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
