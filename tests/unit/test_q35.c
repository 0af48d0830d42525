// SPDX-License-Identifier: BSD-2-Clause
// Host bridge and LPC bridge as firmware programs them: ECAM and the power management block move,
// PIRQs are routed, the other registers hold what they must, reset and snapshot.
// links: vmm/q35.c vmm/pci.c vmm/pci_device.c vmm/pci_assign.c vmm/pci_config.c vmm/pci_msix.c vmm/pci_state.c vmm/pci_hotplug.c
// links: vmm/acpi_pm.c vmm/bus.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "platform.h"
#include "q35.h"

static struct bus ports, mmio;
static struct pci_bus bus;
static struct acpi_pm pm;
static struct q35 q;

unsigned apic_bus_send(struct apic_bus *apics, const struct apic_message *message)
{
    (void)apics;
    (void)message;
    return 0;
}

#define HOST 0
#define LPC  0xf8

static uint32_t get(uint8_t devfn, unsigned offset, unsigned size)
{
    return pci_config_read(&bus, devfn, offset, size);
}

static void set(uint8_t devfn, unsigned offset, unsigned size, uint32_t value)
{
    pci_config_write(&bus, devfn, offset, size, value);
}

static uint64_t in(uint16_t port, unsigned size)
{
    uint64_t value;
    bus_read(&ports, port, size, &value);
    return value;
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    bus_init(&ports, "ports");
    bus_init(&mmio, "mmio");
    acpi_pm_init(&pm, &test_clock, test_line(9), NULL, NULL);
    assert_true(pci_bus_init(&bus, &ports, &mmio, NULL, &test_sink));
    assert_true(q35_init(&q, &bus, &pm));
    return 0;
}

static void test_identity(void **state)
{
    (void)state;
    assert_int_equal(get(HOST, 0, 4), 0x29c08086);
    assert_int_equal(get(HOST, 8, 4) >> 8, 0x060000);
    assert_int_equal(get(LPC, 0, 4), 0x29188086);
    assert_int_equal(get(LPC, 8, 4) >> 8, 0x060100);
    assert_int_equal(get(LPC, PCI_HEADER_TYPE, 1), 0x80);
    set(HOST, PCI_COMMAND, 2, 0);
    set(LPC, PCI_COMMAND, 2, 0xffff);
    assert_int_equal(get(HOST, PCI_COMMAND, 2) & 7, 6);
    assert_int_equal(get(LPC, PCI_COMMAND, 2) & 7, 7);
    assert_false(q35_init(&q, &bus, &pm)); /* its slots are taken */
}

static void test_ecam(void **state)
{
    (void)state;
    uint64_t value;
    set(HOST, Q35_PCIEXBAR + 4, 4, 0);
    set(HOST, Q35_PCIEXBAR, 4, 0xb0000001);
    assert_int_equal(bus.ecam, 0xb0000000);
    assert_true(bus_read(&mmio, 0xb00f8000, 4, &value));
    assert_int_equal(value, 0x29188086);
    bus_write(&mmio, 0xb0000000 + Q35_PCIEXBAR, 4, 0xe0000001); /* moves what it writes through */
    assert_int_equal(bus.ecam, 0xe0000000);
    assert_true(bus_read(&mmio, 0xe0000000, 4, &value));
    set(HOST, Q35_PCIEXBAR, 4, 0xec000005); /* 64 MiB */
    assert_int_equal(bus.ecam, 0xec000000);
    assert_int_equal(bus.ecam_size, 64 << 20);
    set(HOST, Q35_PCIEXBAR, 4, 0xec000003); /* 128 MiB: lies on its size */
    assert_int_equal(bus.ecam, 0xe8000000);
    set(HOST, Q35_PCIEXBAR, 4, 0xe0000007); /* reserved */
    assert_int_equal(bus.ecam, PCI_UNMAPPED);
    set(HOST, Q35_PCIEXBAR, 4, 0xffffffff);
    set(HOST, Q35_PCIEXBAR + 4, 4, 0xffffffff);
    assert_int_equal(get(HOST, Q35_PCIEXBAR, 4), 0xfc000007);
    assert_int_equal(get(HOST, Q35_PCIEXBAR + 4, 4), 0xf);
    set(HOST, Q35_PCIEXBAR, 4, 0xe0000001);
    assert_int_equal(bus.ecam, 0xfe0000000);
    set(HOST, Q35_PCIEXBAR, 1, 0);
    assert_int_equal(bus.ecam, PCI_UNMAPPED);
}

static void test_pm(void **state)
{
    (void)state;
    assert_int_equal(get(LPC, Q35_PMBASE, 4), 1);
    assert_int_equal(in(0x608, 4), 0xffffffff);
    set(LPC, Q35_PMBASE, 4, 0xb001);
    assert_int_equal(q.pm_port, PCI_UNMAPPED); /* not enabled */
    set(LPC, Q35_ACPI_CNTL, 1, 0x80);
    assert_int_equal(q.pm_port, 0xb000);
    assert_int_equal(in(0xb004, 2), 1);
    set(LPC, Q35_PMBASE, 4, 0x600);
    assert_int_equal(get(LPC, Q35_PMBASE, 4), 0x601);
    assert_int_equal(in(0xb004, 2), 0xffff);
    assert_int_equal(in(0x604, 2), 1);
    assert_int_equal(in(0x630, 4), 0x20); /* SMI_EN */
    set(LPC, Q35_PMBASE, 4, 0xffffffff);
    assert_int_equal(get(LPC, Q35_PMBASE, 4), 0xff81);
    assert_int_equal(in(0xff84, 2), 1);
    set(LPC, Q35_PMBASE, 4, 0xc80); /* onto the configuration ports */
    assert_int_equal(q.pm_port, PCI_UNMAPPED);
    set(LPC, Q35_PMBASE, 4, 0x600);
    acpi_pm_event(&pm, PLATFORM_GPE_PCI);
    assert_int_equal(in(0x620, 1), 2);
    assert_false(test_level[9]);
    bus_write(&ports, 0x628, 1, 2);
    assert_true(test_level[9]);
    bus_write(&ports, 0x620, 1, 1);
    assert_true(test_level[9]);
    bus_write(&ports, 0x620, 1, 2);
    assert_false(test_level[9]);
}

static void test_pirqs(void **state)
{
    (void)state;
    struct pci_function f;
    pci_init(&f, "f", 1, 2, 3, 4);
    f.config[PCI_INTERRUPT_PIN] = 2;
    assert_true(pci_add(&bus, &f, 2, 0)); /* PIRQH */
    pci_set_intx(&f, true);
    assert_true(test_level[23]);
    set(LPC, Q35_PIRQE, 4, 0x0a808080);
    assert_true(test_level[10]);
    set(LPC, Q35_PIRQE + 3, 1, 0xff);
    assert_int_equal(get(LPC, Q35_PIRQE + 3, 1), 0x8f);
    assert_false(test_level[10]);
    assert_true(test_level[23]);
    pci_remove(&bus, &f);
}

static void test_storage(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 7; i++)
        set(HOST, Q35_PAM0 + i, 1, 0xff);
    assert_int_equal(get(HOST, Q35_PAM0, 1), 0x30);
    assert_int_equal(get(HOST, Q35_PAM0 + 6, 1), 0x33);
    set(HOST, Q35_SMRAM, 1, 0x4a);
    assert_int_equal(get(HOST, Q35_SMRAM, 1), 0x40);
    set(LPC, 0xf0, 4, 0xfed1c001);
    assert_int_equal(get(LPC, 0xf0, 4), 0xfed1c001);
    assert_int_equal(get(LPC, 0xd8, 2), 0xffcf);
}

static void test_firmware_state(void **state)
{
    (void)state;
    q35_firmware_state(&q);
    assert_int_equal(bus.ecam, PLATFORM_ECAM);
    assert_int_equal(q.pm_port, PLATFORM_PM1_EVENT);
    assert_int_equal(bus.pirq[0], 10);
    assert_int_equal(bus.pirq[7], 11);
    q35_ops.reset(&q);
    assert_int_equal(bus.ecam, PCI_UNMAPPED);
    assert_int_equal(q.pm_port, PCI_UNMAPPED);
    assert_int_equal(bus.pirq[0], 0x80);
}

static void test_state(void **state)
{
    (void)state;
    uint8_t buf[8192];
    q35_firmware_state(&q);
    size_t n = q35_ops.save(&q, buf, sizeof(buf));
    assert_true(n > 0);
    for (size_t i = 0; i < n; i += 5)
        assert_int_equal(q35_ops.save(&q, buf, i), 0);
    q35_ops.save(&q, buf, sizeof(buf));
    q35_ops.reset(&q);
    assert_true(q35_ops.restore(&q, buf, n));
    assert_int_equal(bus.ecam, PLATFORM_ECAM);
    assert_int_equal(q.pm_port, PLATFORM_PM1_EVENT);
    assert_int_equal(bus.pirq[7], 11);
    for (size_t i = 0; i < n; i++)
        assert_false(q35_ops.restore(&q, buf, i));
    for (size_t i = 0; i < n; i += 3) {
        buf[i] ^= 0x55;
        q35_ops.restore(&q, buf, n);
        buf[i] ^= 0x55;
    }
    char text[1024];
    assert_true(q35_ops.info(&q, text, sizeof(text)) > 100);
    for (size_t size = 0; size < 200; size++)
        assert_true(q35_ops.info(&q, text, size) <= size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identity, setup),
        cmocka_unit_test_setup(test_ecam, setup),
        cmocka_unit_test_setup(test_pm, setup),
        cmocka_unit_test_setup(test_pirqs, setup),
        cmocka_unit_test_setup(test_storage, setup),
        cmocka_unit_test_setup(test_firmware_state, setup),
        cmocka_unit_test_setup(test_state, setup),
    };
    return cmocka_run_group_tests_name("q35", tests, NULL, NULL);
}
