// SPDX-License-Identifier: BSD-2-Clause
// The wired machine: a guest's view of timer and serial interrupts through the 8259 pair and the
// I/O APIC, ExtINT, deadlines, power off and reset, snapshot, hostile accesses to every port.
// links: vmm/chipset.c vmm/bus.c vmm/device.c vmm/clock.c vmm/pic.c vmm/pit.c vmm/rtc.c
// links: vmm/rtc_time.c vmm/uart.c vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c
// links: vmm/apic_bus.c vmm/ioapic.c vmm/acpi_pm.c vmm/reset.c vmm/pci.c vmm/pci_device.c vmm/pci_assign.c vmm/pci_config.c vmm/pci_msix.c
// links: vmm/pci_state.c vmm/pci_hotplug.c vmm/q35.c
// links: vmm/hpet.c vmm/kind_hpet.c
#include "device_test.h"

#include "device_kind.h"
#include "hpet.h"

extern const struct device_kind device_kind_hpet;

static struct chipset c;
static unsigned offs, resets, sent, ready_calls;

static void off(void *ctx)
{
    (void)ctx;
    offs++;
}

static void on_reset(void *ctx)
{
    (void)ctx;
    resets++;
}

static void tx(void *ctx, unsigned uart, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    assert_true(uart < 2);
    sent += (unsigned)n;
}

static void ready(void *ctx, unsigned uart)
{
    (void)ctx;
    (void)uart;
    ready_calls++;
}

static const struct chipset_config config = {
    .tsc_hz = TEST_HZ,
    .now = test_now,
    .cpus = 2,
    .uarts = 2,
    .x2apic = true,
    .tsc_deadline = true,
    .unix_seconds = 1700000000,
    .ram_below_4g = 512 << 20,
    .power_off = off,
    .reset = on_reset,
    .uart_tx = tx,
    .uart_rx_ready = ready,
};

static void outb(uint16_t port, uint8_t value)
{
    bus_write(&c.ports, port, 1, value);
}

static uint8_t inb(uint16_t port)
{
    uint64_t value;
    bus_read(&c.ports, port, 1, &value);
    return (uint8_t)value;
}

static void apic_set(unsigned reg, uint32_t value)
{
    assert_true(bus_write(&c.mmio, LAPIC_BASE + reg, 4, value));
}

static void ioapic_entry(unsigned pin, uint32_t value)
{
    bus_write(&c.mmio, IOAPIC_BASE, 4, 0x10 + 2 * pin);
    bus_write(&c.mmio, IOAPIC_BASE + 0x10, 4, value);
}

static void run_until(uint64_t end)
{
    while (chipset_deadline(&c, 0) <= end) {
        test_time = chipset_deadline(&c, 0);
        chipset_expire(&c, 0, test_time);
    }
    test_time = end;
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    offs = resets = sent = ready_calls = 0;
    assert_true(chipset_init(&c, &config));
    chipset_firmware_state(&c);
    return 0;
}

static void test_config(void **state)
{
    (void)state;
    struct chipset_config bad = config;
    bad.cpus = 0;
    assert_false(chipset_init(&c, &bad));
    bad.cpus = APIC_CPUS + 1;
    assert_false(chipset_init(&c, &bad));
    bad = config;
    bad.tsc_hz = 0;
    assert_false(chipset_init(&c, &bad));
    bad = config;
    bad.uarts = 3;
    assert_false(chipset_init(&c, &bad));
    bad = config;
    bad.cpus = APIC_CPUS;
    assert_true(chipset_init(&c, &bad));
}

/* The 8254 at 1 kHz through the 8259 as ExtINT, then through pin 2 of the I/O APIC. */
static void test_timer(void **state)
{
    (void)state;
    outb(0x43, 0x34);
    outb(0x40, 1193 & 0xff);
    outb(0x40, 1193 >> 8);
    outb(0x21, 0xfe);
    assert_false(chipset_interrupt_pending(&c, 0));
    unsigned taken = 0;
    for (unsigned ms = 0; ms < 100; ms++) {
        run_until(test_time + test_us(1000));
        int vector = chipset_interrupt_take(&c, 0);
        if (vector < 0)
            continue;
        assert_int_equal(vector, 8);
        outb(0x20, 0x20);
        taken++;
    }
    assert_in_range(taken, 99, 101);
    assert_false(chipset_extint(&c, 1)); /* LINT0 of the other CPU is masked */
    outb(0x21, 0xff);
    ioapic_entry(2, 0x30);
    taken = 0;
    for (unsigned ms = 0; ms < 100; ms++) {
        run_until(test_time + test_us(1000));
        int vector = chipset_interrupt_take(&c, 0);
        if (vector < 0)
            continue;
        assert_int_equal(vector, 0x30);
        apic_set(0xb0, 0);
        taken++;
    }
    assert_in_range(taken, 99, 101);
}

static void test_extint_by_ioapic(void **state)
{
    (void)state;
    apic_set(0x350, 0x10700);
    outb(0x21, 0xef);
    chipset_irq(&c, 4, true);
    assert_false(chipset_interrupt_pending(&c, 0));
    ioapic_entry(0, 0x700);
    assert_true(chipset_interrupt_pending(&c, 0));
    assert_int_equal(chipset_interrupt_take(&c, 0), 12);
    assert_int_equal(chipset_interrupt_take(&c, 0), -1);
}

static void test_serial(void **state)
{
    (void)state;
    ioapic_entry(4, 0x34);
    outb(0x3fa, 1);
    outb(0x3fc, 0x0b);
    outb(0x3f9, 1);
    assert_int_equal(uart_receive(&c.uart[0], (const uint8_t *)"ls\n", 3), 3);
    assert_int_equal(chipset_interrupt_take(&c, 0), 0x34);
    assert_int_equal(inb(0x3fa), 0xc4);
    assert_int_equal(inb(0x3f8), 'l');
    assert_int_equal(inb(0x3f8), 's');
    assert_int_equal(inb(0x3f8), '\n');
    assert_int_equal(inb(0x3fa), 0xc1);
    apic_set(0xb0, 0);
    assert_false(chipset_interrupt_pending(&c, 0));
    outb(0x3f8, 'x');
    outb(0x2f8, 'y');
    assert_true(chipset_deadline(&c, 0) == test_time + TEST_HZ / 1000);
    run_until(test_time + test_us(2000));
    assert_int_equal(sent, 2);
    outb(0x3f8, 'x');
    chipset_flush(&c);
    assert_int_equal(sent, 3);
    assert_true(ready_calls >= 1);
}

static void test_power(void **state)
{
    (void)state;
    bus_write(&c.ports, 0x604, 2, 5 << 10 | 1 << 13);
    assert_int_equal(offs, 1);
    outb(0xcf9, 6);
    assert_int_equal(resets, 1);
    chipset_reset(&c);
    outb(0xcf9, 6);
    assert_int_equal(resets, 2);
    ioapic_entry(9, 0x8039);
    bus_write(&c.ports, 0x602, 2, 0x100); /* nobody there until the LPC bridge is set up */
    acpi_pm_power_button(&c.pm);
    assert_int_equal(lapic_pending(&c.lapic[0]), -1); /* the reset left the APIC disabled */
    chipset_firmware_state(&c);
    ioapic_entry(9, 0x8039);
    bus_write(&c.ports, 0x602, 2, 0x100);
    assert_int_equal(chipset_interrupt_take(&c, 0), 0x39);
}

static void test_two_cpus(void **state)
{
    (void)state;
    uint64_t value;
    chipset_set_cpu(&c, 1);
    assert_true(bus_read(&c.mmio, LAPIC_BASE + 0x20, 4, &value));
    assert_int_equal(value, 1u << 24);
    chipset_set_cpu(&c, 77);
    assert_true(bus_read(&c.mmio, LAPIC_BASE + 0x20, 4, &value));
    assert_int_equal(value, 0);
}

static void test_every_port(void **state)
{
    (void)state;
    uint64_t value;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned port = 0; port < 0x10000; port++) {
            for (unsigned size = 1; size <= 4; size *= 2) {
                bus_read(&c.ports, port, size, &value);
                assert_true(value <= (size == 4 ? 0xffffffff : (1ull << 8 * size) - 1));
                bus_write(&c.ports, port, size, round ? UINT64_MAX : 0);
            }
        }
        run_until(test_time + test_us(100));
    }
    for (unsigned offset = 0; offset < 0x1000; offset++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            bus_write(&c.mmio, LAPIC_BASE + offset, size, UINT64_MAX);
            bus_read(&c.mmio, LAPIC_BASE + offset, size, &value);
            bus_write(&c.mmio, IOAPIC_BASE + offset, size, UINT64_MAX);
            bus_read(&c.mmio, IOAPIC_BASE + offset, size, &value);
        }
    }
    run_until(test_time + test_us(100));
}

static void test_snapshot_all(void **state)
{
    (void)state;
    static uint8_t buf[16384], again[16384];
    outb(0x43, 0x34);
    outb(0x40, 0x34);
    outb(0x40, 0x12);
    outb(0x21, 0xee);
    outb(0x3fc, 0x0b);
    outb(0x3f9, 3); /* the serial line is up */
    apic_set(0x320, 0x200ef);
    apic_set(0x380, 100000);
    run_until(test_time + test_us(5000));
    size_t n = chipset_save(&c, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(chipset_save(&c, again, n - 1), 0);
    assert_true(chipset_init(&c, &config));
    assert_true(chipset_restore(&c, buf, n));
    assert_int_equal(chipset_save(&c, again, sizeof(again)), n);
    assert_memory_equal(buf, again, n);
    for (size_t cut = 0; cut < n; cut += 7)
        assert_false(chipset_restore(&c, buf, cut));
    char text[4096];
    assert_true(chipset_info(&c, NULL, text, sizeof(text)) > 500);
    assert_true(chipset_info(&c, "uart", text, sizeof(text)) > 50);
    assert_int_equal(chipset_info(&c, "nothing", text, sizeof(text)), 0);
    for (size_t size = 1; size < 300; size++) {
        text[size] = 0x55;
        assert_true(chipset_info(&c, NULL, text, size) < size);
        assert_int_equal(text[size], 0x55);
    }
    assert_int_equal(chipset_info(&c, NULL, text, 0), 0);
}

struct extra {
    uint64_t deadline;
    unsigned expired, resets;
    uint8_t value;
};

static void extra_expire(void *dev, uint64_t now)
{
    struct extra *e = dev;
    assert_true(e->deadline <= now);
    e->deadline = ++e->expired < 3 ? now + 1000 : CLOCK_NEVER;
}

static void extra_reset(void *dev)
{
    struct extra *e = dev;
    e->resets++;
}

/* Restoring drives a line: the controllers, which come after it, must not see an edge. */
static bool extra_restore(void *dev, const void *buf, size_t size)
{
    struct extra *e = dev;
    chipset_irq(&c, 5, true);
    chipset_irq(&c, 5, false);
    return snapshot_load(buf, size, SNAPSHOT_ID('E', 'X', 'T', 1), &e->value, 1);
}

static size_t extra_save(void *dev, void *buf, size_t size)
{
    const struct extra *e = dev;
    return snapshot_save(buf, size, SNAPSHOT_ID('E', 'X', 'T', 1), &e->value, 1);
}

static const struct device_ops bare_ops = {.name = "bare"};
static const struct device_ops extra_ops = {
    .name = "extra", .reset = extra_reset, .save = extra_save, .restore = extra_restore};

static void test_added(void **state)
{
    (void)state;
    static uint8_t buf[16384];
    struct extra e = {.deadline = test_time + 500, .value = 7};
    assert_true(chipset_add_device(&c, &bare_ops, NULL));
    assert_true(chipset_add_device(&c, &extra_ops, &e));
    assert_true(chipset_add_timer(&c, &e.deadline, extra_expire, &e));
    assert_int_equal(chipset_deadline(&c, 0), test_time + 500);
    run_until(test_time + 10000);
    assert_int_equal(e.expired, 3);
    outb(0x21, 0xdf);
    size_t n = chipset_save(&c, buf, sizeof(buf));
    assert_true(n > 0);
    e.value = 1;
    assert_true(chipset_restore(&c, buf, n));
    assert_int_equal(e.value, 7);
    assert_false(pic_pending(&c.pic));
    chipset_reset(&c);
    assert_int_equal(e.resets, 1);
    while (chipset_add_device(&c, &bare_ops, NULL))
        assert_true(c.devices <= CHIPSET_DEVICES);
    while (chipset_add_timer(&c, &e.deadline, extra_expire, &e))
        assert_true(c.timers <= CHIPSET_TIMERS);
}

/* With legacy replacement the HPET's timer 0 is on line 0, and the 8254 is not. */
static void test_hpet_legacy(void **state)
{
    (void)state;
    struct acpi_options acpi = {0};
    const struct device_env env = {.chipset = &c, .acpi = &acpi};
    char error[64];
    assert_true(device_kind_hpet.create(&env, NULL, error, sizeof(error)));
    assert_true(acpi.hpet);
    outb(0x20, 0x11);
    outb(0x21, 0x20);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0x21, 0xfe);
    lapic_virtual_wire(&c.lapic[0]);
    outb(0x43, 0x34); /* 1 kHz */
    outb(0x40, 0xa9);
    outb(0x40, 0x04);
    bus_write(&c.mmio, HPET_BASE + 0x10, 8, 3);
    run_until(test_time + test_us(5000));
    assert_false(chipset_interrupt_pending(&c, 0));
    bus_write(&c.mmio, HPET_BASE + 0x100, 8, 4);
    uint64_t now;
    bus_read(&c.mmio, HPET_BASE + 0xf0, 8, &now);
    bus_write(&c.mmio, HPET_BASE + 0x108, 8, now + 16000);
    run_until(test_time + test_us(900));
    assert_false(chipset_interrupt_pending(&c, 0));
    run_until(test_time + test_us(200));
    assert_int_equal(chipset_interrupt_take(&c, 0), 0x20);
    outb(0x20, 0x20);
    bus_write(&c.mmio, HPET_BASE + 0x10, 8, 0);
    run_until(test_time + test_us(2500));
    assert_int_equal(chipset_interrupt_take(&c, 0), 0x20);                   /* the 8254 again */
    assert_false(device_kind_hpet.create(&env, NULL, error, sizeof(error))); /* there is one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_hpet_legacy, setup),
        cmocka_unit_test_setup(test_config, setup),
        cmocka_unit_test_setup(test_timer, setup),
        cmocka_unit_test_setup(test_extint_by_ioapic, setup),
        cmocka_unit_test_setup(test_serial, setup),
        cmocka_unit_test_setup(test_power, setup),
        cmocka_unit_test_setup(test_two_cpus, setup),
        cmocka_unit_test_setup(test_every_port, setup),
        cmocka_unit_test_setup(test_snapshot_all, setup),
        cmocka_unit_test_setup(test_added, setup),
    };
    return cmocka_run_group_tests_name("chipset", tests, NULL, NULL);
}
