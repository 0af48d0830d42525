// SPDX-License-Identifier: BSD-2-Clause
// MSI and MSI-X: the capabilities and the table as a driver programs them, masks and pending bits,
// what is sent and what is not, INTx while they are on.
// links: vmm/pci.c vmm/pci_device.c vmm/pci_assign.c vmm/pci_config.c vmm/pci_msix.c vmm/pci_state.c
// links: vmm/pci_hotplug.c vmm/bus.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "pci.h"

static struct bus ports, mmio;
static struct pci_bus bus;
static struct pci_function f;
static struct apic_message last;
static unsigned sent;

unsigned apic_bus_send(struct apic_bus *apics, const struct apic_message *message)
{
    (void)apics;
    last = *message;
    sent++;
    return 1;
}

#define TABLE 0xc0000000u

static void write16(unsigned offset, uint16_t value)
{
    pci_config_write(&bus, f.devfn, offset, 2, value);
}

static void table(unsigned offset, unsigned size, uint64_t value)
{
    assert_true(bus_write(&mmio, TABLE + offset, size, value));
}

static uint64_t table_get(unsigned offset, unsigned size)
{
    uint64_t value;
    assert_true(bus_read(&mmio, TABLE + offset, size, &value));
    return value;
}

static void entry(unsigned vector, uint64_t address, uint32_t data, uint32_t control)
{
    table(16 * vector, 4, (uint32_t)address);
    table(16 * vector + 4, 4, address >> 32);
    table(16 * vector + 8, 4, data);
    table(16 * vector + 12, 4, control);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    bus_init(&ports, "ports");
    bus_init(&mmio, "mmio");
    assert_true(pci_bus_init(&bus, &ports, &mmio, NULL, &test_sink));
    pci_init(&f, "msix", 0x1234, 0x5678, 0x020000, 3);
    f.config[PCI_INTERRUPT_PIN] = 1;
    assert_true(pci_add_msix(&f, 1, 3));
    assert_false(pci_add_msix(&f, 2, 3));
    assert_true(pci_add_msi(&f));
    assert_true(pci_add(&bus, &f, 4, 0));
    pci_config_write(&bus, f.devfn, PCI_BASE_ADDRESS_1, 4, TABLE);
    write16(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    memset(&last, 0, sizeof(last));
    sent = 0;
    return 0;
}

static void test_capability(void **state)
{
    (void)state;
    unsigned at = f.msix.capability;
    assert_int_equal(pci_config_read(&bus, f.devfn, at, 4),
                     0x00020000 | f.msi << 8 | PCI_CAP_ID_MSIX);
    assert_int_equal(pci_config_read(&bus, f.devfn, at + PCI_MSIX_TABLE, 4), 1);
    assert_int_equal(pci_config_read(&bus, f.devfn, at + PCI_MSIX_PBA, 4), 0x801);
    write16(at + 2, 0xffff);
    assert_int_equal(pci_config_read(&bus, f.devfn, at + 2, 2), 0xc002);
    assert_true(pci_msix_enabled(&f));
    struct pci_function other;
    pci_init(&other, "none", 1, 1, 1, 1);
    assert_false(pci_add_msix(&other, 0, 0));
    assert_false(pci_add_msix(&other, 0, PCI_VECTORS + 1));
    assert_true(pci_add_msix(&other, 0, PCI_VECTORS));
    pci_msix(&other, 0); /* not on any bus */
    pci_msi(&other);
    assert_int_equal(sent, 0);
}

static void test_table(void **state)
{
    (void)state;
    assert_int_equal(table_get(12, 4), 1); /* masked after reset */
    entry(2, 0xfee01007, 0x4123, 0xffffffff);
    assert_int_equal(table_get(32, 8), 0xfee01004);
    assert_int_equal(table_get(40, 8), 0x100004123);
    table(48, 4, 0xffffffff); /* behind the table */
    assert_int_equal(table_get(48, 4), 0);
    table(44, 8, UINT64_MAX); /* over its end */
    assert_int_equal(table_get(44, 4), 1);
    table(14, 4, 0); /* across two entries */
    assert_int_equal(table_get(0xffc, 4), 0);
    for (unsigned offset = 0; offset < 0x1000; offset++)
        for (unsigned size = 1; size <= 8 && offset + size <= 0x1000; size *= 2) {
            table(offset, size, 0xa5a5a5a5a5a5a5a5);
            table_get(offset, size);
        }
    assert_int_equal(table_get(0, 8) & 3, 0);
    assert_int_equal(table_get(12, 4), 1);
}

static void test_send(void **state)
{
    (void)state;
    entry(1, 0xfee03004, 0x0141, 0); /* CPU 3, logical, lowest priority */
    pci_msix(&f, 1);
    assert_int_equal(sent, 0); /* not enabled */
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE);
    pci_msix(&f, 1);
    assert_int_equal(sent, 1);
    assert_int_equal(last.dest, 3);
    assert_int_equal(last.vector, 0x41);
    assert_int_equal(last.mode, APIC_LOWEST);
    assert_true(last.logical && !last.level);
    pci_msix(&f, 3);
    pci_msix(&f, 1000);
    assert_int_equal(sent, 1);
    entry(1, 0x1fee03000, 0x41, 0); /* memory that is no APIC's */
    pci_msix(&f, 1);
    entry(1, 0xfef03000, 0x41, 0);
    pci_msix(&f, 1);
    assert_int_equal(sent, 1);
    entry(1, 0xfee00000, 0x41, 0);
    write16(PCI_COMMAND, PCI_COMMAND_MEMORY);
    pci_msix(&f, 1);
    assert_int_equal(sent, 1); /* no bus master */
}

static void test_mask(void **state)
{
    (void)state;
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE);
    entry(0, 0xfee00000, 0x30, 1);
    entry(1, 0xfee00000, 0x31, 0);
    pci_msix(&f, 0);
    pci_msix(&f, 0);
    assert_int_equal(sent, 0);
    assert_int_equal(table_get(0x800, 8), 1);
    table(12, 4, 0);
    assert_int_equal(sent, 1);
    assert_int_equal(last.vector, 0x30);
    assert_int_equal(table_get(0x800, 4), 0);
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    pci_msix(&f, 1);
    assert_int_equal(table_get(0x800, 1), 2);
    table(0x800, 8, 0); /* read-only */
    assert_int_equal(table_get(0x800, 8), 2);
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE);
    assert_int_equal(sent, 2);
    assert_int_equal(last.vector, 0x31);
    table(12, 4, 1);
    pci_msix(&f, 0);
    pci_bus_reset(&bus);
    assert_int_equal(f.msix.pending, 0);
    assert_int_equal(f.msix.entry[1].control, 1);
    assert_false(pci_msix_enabled(&f));
}

static void test_msi(void **state)
{
    (void)state;
    pci_msi(&f);
    pci_config_write(&bus, f.devfn, f.msi + PCI_MSI_ADDRESS_LO, 4, 0xfee0200f);
    write16(f.msi + PCI_MSI_DATA_64, 0xc455);
    write16(f.msi + PCI_MSI_FLAGS, 0xffff);
    assert_int_equal(pci_config_read(&bus, f.devfn, f.msi + PCI_MSI_FLAGS, 2),
                     PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
    pci_msi(&f);
    assert_int_equal(sent, 1);
    assert_int_equal(last.dest, 2);
    assert_int_equal(last.vector, 0x55);
    assert_int_equal(last.mode, APIC_NMI);
    pci_config_write(&bus, f.devfn, f.msi + PCI_MSI_ADDRESS_HI, 4, 1);
    pci_msi(&f);
    assert_int_equal(sent, 1);
}

static void test_intx(void **state)
{
    (void)state;
    pci_set_intx(&f, true);
    assert_true(test_level[20]);
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE);
    assert_false(test_level[20]);
    write16(f.msix.capability + 2, 0);
    assert_true(test_level[20]);
    write16(f.msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    assert_false(test_level[20]);
    pci_set_intx(&f, false);
    write16(f.msi + PCI_MSI_FLAGS, 0);
    assert_false(test_level[20]);
}

static void test_state(void **state)
{
    (void)state;
    uint8_t buf[4096];
    write16(f.msix.capability + 2, PCI_MSIX_FLAGS_ENABLE);
    entry(2, 0xfee00000, 0x32, 1);
    pci_msix(&f, 2);
    size_t n = pci_save(&f, buf, sizeof(buf));
    assert_true(n > 0);
    pci_bus_reset(&bus);
    assert_true(pci_restore(&f, buf, n));
    assert_int_equal(table_get(0x800, 8), 4);
    table(44, 4, 0);
    assert_int_equal(last.vector, 0x32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_capability, setup), cmocka_unit_test_setup(test_table, setup),
        cmocka_unit_test_setup(test_send, setup),       cmocka_unit_test_setup(test_mask, setup),
        cmocka_unit_test_setup(test_msi, setup),        cmocka_unit_test_setup(test_intx, setup),
        cmocka_unit_test_setup(test_state, setup),
    };
    return cmocka_run_group_tests_name("pci_msix", tests, NULL, NULL);
}
