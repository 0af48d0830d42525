// SPDX-License-Identifier: BSD-2-Clause
// A hostile guest on the PCI bus: configuration space by ports and ECAM, BARs and MSI-X tables
// moved anywhere, functions that come, go and interrupt, snapshots that were changed. What must
// hold: the bus and the functions agree where each BAR is, and lines are as the functions that
// share them say.
// links: vmm/q35.c vmm/pci.c vmm/pci_device.c vmm/pci_config.c vmm/pci_msix.c vmm/pci_state.c vmm/pci_hotplug.c
// links: vmm/pci_assign.c vmm/acpi_pm.c vmm/bus.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "platform.h"
#include "q35.h"

#define DEVICES 6

static struct bus ports, mmio;
static struct pci_bus bus;
static struct acpi_pm pm;
static struct q35 q;
static struct pci_function device[DEVICES];
static uint64_t where[DEVICES][PCI_BARS]; /* as told by moved() */
static bool level[24];

unsigned apic_bus_send(struct apic_bus *apics, const struct apic_message *message)
{
    (void)apics;
    CHECK(message->mode < 8);
    return 1;
}

static void set_line(void *ctx, unsigned line, bool now)
{
    (void)ctx;
    CHECK(line < 24 && level[line] != now);
    level[line] = now;
}

static const struct irq_sink sink = {set_line, NULL};

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_function *f = dev;
    CHECK(f->bus == &bus && offset < 1ull << 40 && size <= 8);
    return offset;
}

/* At times a device goes away while it is written to. */
static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_function *f = dev;
    CHECK(f->bus == &bus && offset < 1ull << 40 && size <= 8);
    if (value == 0xdead)
        pci_remove(&bus, f);
    else
        pci_set_intx(f, value & 1);
}

static const struct device_ops ops = {.name = "fuzz", .read = read, .write = write};

static void moved(void *dev, unsigned bar, uint64_t address)
{
    const struct pci_function *f = dev;
    where[f - device][bar] = address;
}

static void add(unsigned i)
{
    struct pci_function *f = &device[i];
    if (f->bus != NULL)
        return;
    pci_init(f, "fuzz", 0x1234, (uint16_t)i, 0x020000, 1);
    f->config[PCI_INTERRUPT_PIN] = (uint8_t)(i % 5); /* 0: none */
    f->dev = f;
    CHECK(pci_add_bar(f, 0, i & 1 ? PCI_BAR_IO : PCI_BAR_MEM32, false, 1ull << (4 + i), &ops, f));
    CHECK(pci_add_bar(f, 2, PCI_BAR_MEM64, true, 1ull << (12 + 5 * i), i & 2 ? &ops : NULL, f));
    f->bar[0].moved = f->bar[2].moved = moved;
    for (unsigned bar = 0; bar < PCI_BARS; bar++)
        where[i][bar] = PCI_UNMAPPED;
    CHECK(pci_add_msix(f, 4, 1 + 12 * i) && pci_add_msi(f));
    CHECK(pci_add(&bus, f, 1 + i * 5, 0));
}

static void check(void)
{
    unsigned users = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        const struct pci_function *f = &device[i];
        for (unsigned bar = 0; bar < PCI_BARS; bar++) {
            const struct pci_bar *b = &f->bar[bar];
            CHECK(b->moved == NULL || b->address == where[i][bar]);
            CHECK(f->bus != NULL || b->address == PCI_UNMAPPED);
            if (b->address == PCI_UNMAPPED)
                continue;
            const struct bus_region *r =
                bus_find(b->kind == PCI_BAR_IO ? &ports : &mmio, b->address);
            CHECK(r != NULL && r->base == b->address && r->size == b->size && r->dev == b->dev);
            CHECK(b->kind == PCI_BAR_IO || b->address >= bus.ram_low);
        }
        users += f->intx_driven;
    }
    for (unsigned i = 0; i < 8; i++) {
        CHECK(level[16 + i] == (bus.pirq_users[i] != 0));
        users -= bus.pirq_users[i];
    }
    CHECK(users == 0);
}

static unsigned devfn(void)
{
    uint8_t which = (uint8_t)fuzz_take(1);
    if (which % 8 == 7)
        return which;
    return which % 8 == 6 ? q.lpc.devfn
                          : PCI_DEVFN(which % 8 == 0 ? 0 : 1 + (which % 8 - 1) * 5, 0);
}

/* Mostly the registers that do something. */
static unsigned offset(void)
{
    static const uint8_t interesting[] = {4,    0x10, 0x18, 0x1c, 0x20, 0x40, 0x44, 0x4c,
                                          0x50, 0x60, 0x64, 0x68, 0x3c, 0x42, 0x4e, 5};
    uint8_t which = (uint8_t)fuzz_take(1);
    return which < 0xc0 ? interesting[which % 16] : (unsigned)fuzz_take(2) & 0xfff;
}

static uint64_t place(void)
{
    uint8_t which = (uint8_t)fuzz_take(1);
    uint64_t base =
        which & 0x40 ? bus.ecam : device[which % DEVICES].bar[(which >> 3) % 3 * 2].address;
    return base + (which & 0x80 ? fuzz_take(2) : fuzz_take(1) % 64);
}

static void access_bus(struct bus *to, uint64_t address)
{
    unsigned size = (unsigned)fuzz_take(1) % 9;
    uint64_t value = fuzz_take(size);
    bus_write(to, address, size, value);
    bus_read(to, address, size, &value);
}

static void snapshot(void)
{
    static uint8_t buf[8192];
    struct pci_function *f = &device[fuzz_take(1) % DEVICES];
    if (f->bus == NULL || fuzz_take(1) & 1) {
        fuzz_snapshot(&q35_ops, &q);
        return;
    }
    size_t n = pci_save(f, buf, sizeof(buf));
    CHECK(n > 0 && pci_restore(f, buf, n));
    buf[fuzz_take(2) % n] ^= (uint8_t)fuzz_take(1);
    pci_restore(f, buf, n);
}

static void step(uint8_t op)
{
    struct pci_function *f = &device[(op >> 4) % DEVICES];
    unsigned size = 1u << fuzz_take(1) % 3;
    unsigned at = offset();
    switch (op % 16) {
    case 0 ... 4:
        pci_config_write(&bus, (uint8_t)devfn(), at & ~(size - 1), size, (uint32_t)fuzz_take(size));
        break;
    case 5:
        bus_write(&ports, 0xcf8, 4, 0x80000000 | devfn() << 8 | at);
        access_bus(&ports, 0xcfc + (at & 3));
        break;
    case 6:
        access_bus(&mmio, bus.ecam + (devfn() << 12) + at);
        break;
    case 7:
        access_bus(&mmio, place());
        break;
    case 8:
        access_bus(&ports, f->bar[0].address + at % 8);
        break;
    case 9:
        pci_set_intx(f, at & 4);
        break;
    case 10:
        pci_msix(f, at);
        pci_msi(f);
        break;
    case 11:
        if (at & 4)
            pci_remove(&bus, f);
        else
            add((op >> 4) % DEVICES);
        break;
    case 12:
        if (f->bus != NULL)
            pci_detach(&bus, f);
        access_bus(&ports, PLATFORM_PCI_HOTPLUG + (at & 12));
        break;
    case 13:
        snapshot();
        break;
    case 14:
        pci_assign(&bus);
        break;
    default:
        pci_bus_reset(&bus);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    memset(level, 0, sizeof(level));
    memset(device, 0, sizeof(device));
    bus_init(&ports, "ports");
    bus_init(&mmio, "mmio");
    acpi_pm_init(&pm, &fuzz_clock, (struct irq_line){NULL, 9}, NULL, NULL);
    CHECK(pci_bus_init(&bus, &ports, &mmio, NULL, &sink));
    CHECK(bus_add(&ports, 0xcf8, 4, &pci_address_ops, &bus));
    CHECK(bus_add(&ports, PLATFORM_PCI_HOTPLUG, 16, &pci_hotplug_ops, &bus));
    bus.ram_low = 0x10000000;
    bus.removable = 0x0fffffff;
    bus.window64 = PLATFORM_PCI64;
    bus.window64_size = PLATFORM_PCI64_SIZE;
    CHECK(q35_init(&q, &bus, &pm));
    q35_firmware_state(&q);
    for (unsigned i = 0; i < DEVICES; i++)
        add(i);
    while (fuzz_left > 0) {
        step((uint8_t)fuzz_take(1));
        check();
    }
    return 0;
}
