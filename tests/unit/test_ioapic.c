// SPDX-License-Identifier: BSD-2-Clause
// I/O APIC: window, redirection entries, edge and level delivery, remote IRR, EOI by broadcast
// and register.
// links: vmm/ioapic.c vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c vmm/apic_bus.c
// links: vmm/device.c vmm/clock.c
#include "device_test.h"

#include "ioapic.h"
#include "lapic.h"

static struct apic_bus bus;
static struct lapic lapic[2];
static struct ioapic ioapic;
static unsigned nmis;

static void on_eoi(void *ctx, uint8_t vector)
{
    (void)ctx;
    ioapic_eoi(&ioapic, vector);
}

static void on_nmi(void *ctx, unsigned cpu)
{
    (void)ctx;
    (void)cpu;
    nmis++;
}

static uint32_t get(unsigned reg)
{
    ioapic_ops.write(&ioapic, 0, 4, reg);
    return (uint32_t)ioapic_ops.read(&ioapic, 0x10, 4);
}

static void set(unsigned reg, uint32_t value)
{
    ioapic_ops.write(&ioapic, 0, 4, reg);
    ioapic_ops.write(&ioapic, 0x10, 4, value);
}

static void entry(unsigned pin, uint64_t value)
{
    set(0x11 + 2 * pin, (uint32_t)(value >> 32));
    set(0x10 + 2 * pin, (uint32_t)value);
}

/* The CPU takes its interrupt and finishes it. */
static int serve(unsigned cpu)
{
    int vector = lapic_pending(&lapic[cpu]);
    if (vector >= 0) {
        lapic_accept(&lapic[cpu], (uint8_t)vector);
        lapic_eoi(&lapic[cpu]);
    }
    return vector;
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    struct apic_callbacks callbacks = {.nmi = on_nmi, .eoi = on_eoi};
    apic_bus_init(&bus, &callbacks);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(lapic_init(&lapic[i], &bus, &test_clock, 0));
        lapic_register_write(&lapic[i], 0xf0, 0x1ff);
    }
    ioapic_init(&ioapic, &bus);
    nmis = 0;
    return 0;
}

static void test_registers(void **state)
{
    (void)state;
    assert_int_equal(get(1), 0x170020);
    set(0, 0xffffffff);
    assert_int_equal(get(0), 0x0f000000);
    assert_int_equal(get(2), 0x0f000000);
    set(1, 0);
    assert_int_equal(get(1), 0x170020);
    for (unsigned pin = 0; pin < 24; pin++) {
        assert_int_equal(get(0x10 + 2 * pin), 0x10000);
        entry(pin, UINT64_MAX);
        assert_int_equal(get(0x10 + 2 * pin), 0x1afff);
        assert_int_equal(get(0x11 + 2 * pin), 0xff000000);
    }
    for (unsigned reg = 3; reg < 0x10; reg++)
        assert_int_equal(get(reg), 0xffffffff);
    for (unsigned reg = 0x40; reg < 0x100; reg++) {
        set(reg, 0);
        assert_int_equal(get(reg), 0xffffffff);
    }
    assert_int_equal(ioapic_ops.read(&ioapic, 0, 4), 0xff);
    assert_int_equal(ioapic_ops.read(&ioapic, 0x20, 4), 0);
    ioapic_ops.write(&ioapic, 0x12, 2, 0xffff);
    ioapic_set(&ioapic, 24, true);
    ioapic_set(&ioapic, UINT32_MAX, true);
}

static void test_edge(void **state)
{
    (void)state;
    ioapic_set(&ioapic, 4, true); /* masked: lost */
    entry(4, 0x34);
    assert_int_equal(serve(0), -1);
    ioapic_set(&ioapic, 4, false);
    ioapic_set(&ioapic, 4, true);
    ioapic_set(&ioapic, 4, true);
    assert_int_equal(serve(0), 0x34);
    assert_int_equal(serve(0), -1);
    ioapic_set(&ioapic, 4, false);
    assert_int_equal(serve(0), -1);
    assert_int_equal(get(0x18), 0x34);
}

static void test_level_pin(void **state)
{
    (void)state;
    entry(9, 1ull << 56 | IOAPIC_LEVEL | 0x59);
    ioapic_set(&ioapic, 9, true);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x59);
    ioapic_set(&ioapic, 9, false);
    ioapic_set(&ioapic, 9, true); /* waits for the EOI */
    assert_int_equal(serve(0), -1);
    assert_int_equal(serve(1), 0x59);
    assert_int_equal(serve(1), 0x59); /* still asserted */
    ioapic_set(&ioapic, 9, false);
    assert_int_equal(serve(1), 0x59);
    assert_int_equal(serve(1), -1);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | 0x59);
    entry(9, IOAPIC_MASKED | IOAPIC_LEVEL | 0x59);
    ioapic_set(&ioapic, 9, true);
    assert_int_equal(serve(0), -1);
    entry(9, IOAPIC_LEVEL | 0x59); /* unmasked while asserted */
    assert_int_equal(lapic_pending(&lapic[0]), 0x59);
    ioapic_set(&ioapic, 9, false);
    entry(9, IOAPIC_MASKED | 0x59); /* edge and back frees the pin */
    entry(9, IOAPIC_LEVEL | 0x59);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | 0x59);
    assert_int_equal(serve(0), 0x59);
}

static void test_eoi_register(void **state)
{
    (void)state;
    entry(9, IOAPIC_LEVEL | 0x59);
    ioapic_set(&ioapic, 9, true);
    ioapic_set(&ioapic, 9, false);
    ioapic_ops.write(&ioapic, 0x40, 4, 0x58);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x59);
    ioapic_ops.write(&ioapic, 0x40, 4, 0x59);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | 0x59);
}

static void test_modes(void **state)
{
    (void)state;
    entry(3, 0xffull << 56 | 0x440); /* NMI to all */
    ioapic_set(&ioapic, 3, true);
    assert_int_equal(nmis, 2);
    entry(5, 0x40ull << 56 | 0x145); /* nobody has this ID */
    ioapic_set(&ioapic, 5, true);
    entry(6, IOAPIC_LEVEL | 5); /* illegal vector */
    ioapic_set(&ioapic, 6, true);
    assert_int_equal(serve(0), -1);
    assert_false(ioapic_extint(&ioapic, 0, 0));
    entry(0, 1ull << 56 | 0x700);
    assert_true(ioapic_extint(&ioapic, 0, 1));
    assert_false(ioapic_extint(&ioapic, 0, 0));
    assert_false(ioapic_extint(&ioapic, 99, 0));
    lapic_register_write(&lapic[0], 0xd0, 1u << 24);
    lapic_register_write(&lapic[1], 0xd0, 2u << 24);
    entry(7, 2ull << 56 | IOAPIC_LOGICAL | 0x147);
    ioapic_set(&ioapic, 7, true);
    assert_int_equal(serve(1), 0x47);
}

static void test_save(void **state)
{
    (void)state;
    entry(9, IOAPIC_LEVEL | 0x59);
    ioapic_set(&ioapic, 9, true);
    test_snapshot(&ioapic_ops, &ioapic);
    assert_int_equal(get(0x22), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x59);
    uint8_t buf[512];
    size_t n = ioapic_ops.save(&ioapic, buf, sizeof(buf));
    buf[8 + 5] = 1; /* reserved bits of an entry */
    assert_false(ioapic_ops.restore(&ioapic, buf, n));
    ioapic_ops.reset(&ioapic);
    assert_int_equal(get(0x22), 0x10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registers, setup),
        cmocka_unit_test_setup(test_edge, setup),
        cmocka_unit_test_setup(test_level_pin, setup),
        cmocka_unit_test_setup(test_eoi_register, setup),
        cmocka_unit_test_setup(test_modes, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
