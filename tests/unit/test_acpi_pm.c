// SPDX-License-Identifier: BSD-2-Clause
// ACPI fixed hardware and the reset registers: timer, its carry interrupt, status, enable, power
// button, S5, the hand-over port; 0xcf9, 0x92, 0x64 and what is passed on to the PCI
// configuration address.
// links: vmm/acpi_pm.c vmm/reset.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "acpi_pm.h"
#include "reset.h"

static struct acpi_pm pm;
static struct reset reset;
static unsigned offs, resets;

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

static uint32_t get(unsigned offset, unsigned size)
{
    return (uint32_t)acpi_pm_ops.read(&pm, offset, size);
}

static void set(unsigned offset, unsigned size, uint32_t value)
{
    acpi_pm_ops.write(&pm, offset, size, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    acpi_pm_init(&pm, &test_clock, test_line(9), off, NULL);
    reset_init(&reset, on_reset, NULL);
    offs = 0;
    resets = 0;
    return 0;
}

static void test_timer(void **state)
{
    (void)state;
    uint64_t begin = test_time;
    assert_int_equal(get(8, 4), 0);
    for (uint64_t n = 1; n < 40000000; n += 999983) {
        test_time = begin + clock_ticks(&test_clock, n, ACPI_PM_HZ);
        assert_int_equal(get(8, 4), n & 0xffffff);
        test_time--;
        assert_int_equal(get(8, 4), (n - 1) & 0xffffff);
    }
    pm.timer32 = true;
    test_time = begin + clock_ticks(&test_clock, 0x12345678, ACPI_PM_HZ);
    assert_int_equal(get(8, 4), 0x12345678);
    assert_int_equal(get(9, 1) & 0xff, 0x56);
    set(8, 4, 0);
    assert_int_equal(get(8, 4), 0x12345678);
}

static void test_carry(void **state)
{
    (void)state;
    uint64_t begin = test_time;
    assert_true(acpi_pm_deadline(&pm) == CLOCK_NEVER);
    set(2, 2, 1);
    assert_true(acpi_pm_deadline(&pm) == begin + clock_ticks(&test_clock, 1 << 23, ACPI_PM_HZ));
    acpi_pm_expire(&pm, acpi_pm_deadline(&pm) - 1);
    assert_false(test_level[9]);
    test_time = acpi_pm_deadline(&pm);
    acpi_pm_expire(&pm, test_time);
    assert_true(test_level[9]);
    assert_true(acpi_pm_deadline(&pm) == CLOCK_NEVER);
    assert_int_equal(get(0, 2), 1);
    set(0, 2, 0x8000);
    assert_true(test_level[9]);
    set(0, 2, 1);
    assert_false(test_level[9]);
    assert_int_equal(get(0, 2), 0);
    assert_true(acpi_pm_deadline(&pm) == begin + clock_ticks(&test_clock, 1 << 24, ACPI_PM_HZ));
    set(2, 2, 0);
    test_time = begin + clock_ticks(&test_clock, 100ull << 23, ACPI_PM_HZ);
    assert_int_equal(get(0, 2), 1); /* polled */
    assert_false(test_level[9]);
}

static void test_button(void **state)
{
    (void)state;
    acpi_pm_power_button(&pm);
    assert_false(test_level[9]);
    assert_int_equal(get(0, 2), 0x100);
    set(2, 2, 0xffff);
    assert_int_equal(get(2, 2), 0x721);
    assert_true(test_level[9]);
    set(4, 2, 0); /* SCI_EN belongs to the firmware */
    assert_int_equal(get(4, 2), 1);
    acpi_smi_ops.write(&pm, 0, 1, ACPI_SMI_DISABLE);
    assert_int_equal(get(4, 2), 0);
    assert_false(test_level[9]);
    acpi_smi_ops.write(&pm, 0, 1, ACPI_SMI_ENABLE);
    assert_true(test_level[9]);
    assert_int_equal(acpi_smi_ops.read(&pm, 0, 1), ACPI_SMI_ENABLE);
    acpi_smi_ops.write(&pm, 1, 1, 0x77);
    assert_int_equal(acpi_smi_ops.read(&pm, 1, 1), 0x77);
    set(0, 4, 0x07210100); /* status and enable in one access */
    assert_false(test_level[9]);
    assert_int_equal(get(0, 4), 0x07210000);
    set(1, 1, 0xff);
    set(3, 1, 0);
    assert_int_equal(get(0, 4), 0x00210000);
}

static void test_sleep(void **state)
{
    (void)state;
    set(4, 2, 1 << 10 | 1 << 13); /* S1 does not exist */
    assert_int_equal(offs, 0);
    assert_int_equal(get(4, 2), 0x0401); /* SLP_EN reads as 0 */
    set(4, 2, 5 << 10);
    assert_int_equal(offs, 0);
    set(4, 2, 5 << 10 | 1 << 13);
    assert_int_equal(offs, 1);
    set(5, 1, 5 << 2 | 1 << 5); /* as a byte */
    assert_int_equal(offs, 2);
    pm.power_off = NULL;
    set(4, 2, 5 << 10 | 1 << 13);
}

static void test_gpe(void **state)
{
    (void)state;
    set(0x28, 4, 0x12345678);
    assert_int_equal(get(0x28, 4), 0x12345678);
    assert_int_equal(get(0x20, 4), 0);
    for (unsigned i = 0; i < ACPI_PM_SIZE; i++) {
        if (i != 5)
            set(i, 1, 0xff);
        get(i, 1);
    }
    for (unsigned i = 0; i <= ACPI_PM_SIZE - 4; i++)
        get(i, 4);
    assert_int_equal(get(0x40, 4), 0);
}

static void test_save(void **state)
{
    (void)state;
    test_time += test_us(5000000);
    set(2, 2, 1);
    uint32_t timer = get(8, 4);
    test_snapshot(&acpi_pm_ops, &pm);
    assert_int_equal(get(8, 4), timer);
    acpi_pm_ops.reset(&pm);
    assert_int_equal(get(8, 4), 0);
    assert_int_equal(get(4, 2), 1);
    out8(&reset_ops, &reset, 1, 2);
    test_snapshot(&reset_ops, &reset);
    assert_int_equal(in8(&reset_ops, &reset, 1), 2);
}

static void test_reset(void **state)
{
    (void)state;
    out8(&reset_ops, &reset, 1, 0x02);
    assert_int_equal(resets, 0);
    out8(&reset_ops, &reset, 1, 0x06);
    assert_int_equal(resets, 1);
    out8(&reset_ops, &reset, 1, 0x0e); /* only the rising bit counts */
    assert_int_equal(resets, 1);
    reset_ops.reset(&reset);
    assert_int_equal(in8(&reset_ops, &reset, 1), 0);
    out8(&reset_port92_ops, &reset, 0, 2);
    assert_int_equal(in8(&reset_port92_ops, &reset, 0), 2);
    out8(&reset_port92_ops, &reset, 0, 3);
    assert_int_equal(resets, 2);
    out8(&reset_port64_ops, &reset, 0, 0xd1);
    out8(&reset_port64_ops, &reset, 0, 0xff);
    assert_int_equal(resets, 2);
    out8(&reset_port64_ops, &reset, 0, 0xfe);
    assert_int_equal(resets, 3);
    assert_int_equal(in8(&reset_port64_ops, &reset, 0), 0xff);
}

static uint32_t config;

static uint64_t config_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev, (void)size;
    return config >> 8 * offset;
}

static void config_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)dev, (void)size;
    config = (uint32_t)value << 8 * offset;
}

static void test_config_address(void **state)
{
    (void)state;
    static const struct device_ops ops = {
        .name = "pci", .read = config_read, .write = config_write};
    assert_int_equal((uint32_t)reset_ops.read(&reset, 0, 4), 0xffffffff); /* no PCI */
    reset_ops.write(&reset, 0, 4, 0x80000600); /* a doubleword never resets */
    assert_int_equal(resets, 0);
    reset_set_config(&reset, &ops, NULL);
    reset_ops.write(&reset, 0, 4, 0x80000600);
    assert_int_equal(config, 0x80000600);
    assert_int_equal(reset_ops.read(&reset, 0, 4), 0x80000600);
    assert_int_equal(in8(&reset_ops, &reset, 1), 0);
    assert_int_equal(resets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_timer, setup),
        cmocka_unit_test_setup(test_carry, setup),
        cmocka_unit_test_setup(test_button, setup),
        cmocka_unit_test_setup(test_sleep, setup),
        cmocka_unit_test_setup(test_gpe, setup),
        cmocka_unit_test_setup(test_save, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_config_address, setup),
    };
    return cmocka_run_group_tests_name("acpi_pm", tests, NULL, NULL);
}
