// SPDX-License-Identifier: BSD-2-Clause
// The watchdog: both stages as Linux' driver sets them up, unlocking, reloading, lock, free run,
// limits.
// links: vmm/i6300esb.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "i6300esb.h"
#include "pci_fake.h"

static struct i6300esb dog;
static struct pci_bus bus;
static unsigned barks;

static void bark(void *ctx)
{
    (void)ctx;
    barks++;
}

static void put(uint64_t reg, uint32_t value)
{
    i6300esb_ops.write(&dog, reg, 4, value);
}

static void unlocked(uint64_t reg, uint32_t value)
{
    put(0xc, 0x80);
    put(0xc, 0x86);
    put(reg, value);
}

static void pass_ms(unsigned ms)
{
    uint64_t end = test_time + test_us(1000ull * ms);
    while (dog.deadline <= end) {
        test_time = dog.deadline;
        i6300esb_expire(&dog, test_time);
        assert_true(dog.deadline > test_time);
    }
    test_time = end;
}

static void configure(uint16_t value)
{
    pci_fake_write(&dog.pci, 0x60, 2, value);
}

static void lock(uint8_t value)
{
    pci_fake_write(&dog.pci, 0x68, 1, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    barks = 0;
    assert_true(i6300esb_init(&dog, &bus, &test_clock, bark, NULL));
    return 0;
}

static void test_stages(void **state)
{
    (void)state;
    configure(0x0000);
    unlocked(0, 1007); /* of 2^15 / 33 MHz: 1.0 s */
    unlocked(4, 504);
    lock(2);
    pass_ms(990);
    assert_false(dog.pci.intx);
    pass_ms(20);
    assert_true(dog.pci.intx);
    assert_int_equal(i6300esb_ops.read(&dog, 8, 4), 1);
    put(8, 1);
    assert_false(dog.pci.intx);
    pass_ms(470);
    assert_int_equal(barks, 0);
    pass_ms(40);
    assert_int_equal(barks, 1);
    assert_int_equal(i6300esb_ops.read(&dog, 0xc, 4), 0x200);
    assert_int_equal(dog.deadline, CLOCK_NEVER);
    i6300esb_ops.reset(&dog);
    assert_int_equal(i6300esb_ops.read(&dog, 0xc, 2), 0x200); /* why it started anew */
    unlocked(0xc, 0x200);
    assert_int_equal(i6300esb_ops.read(&dog, 0xc, 2), 0);
}

static void test_reload(void **state)
{
    (void)state;
    configure(0x0003); /* no interrupt */
    unlocked(0, 500);
    unlocked(4, 500);
    lock(2);
    for (unsigned i = 0; i < 20; i++) {
        pass_ms(900);
        unlocked(0xc, 0x100);
    }
    assert_int_equal(barks, 0);
    assert_false(dog.pci.intx);
    pass_ms(600);
    put(0xc, 0x100); /* not unlocked */
    put(0xc, 0x86);
    put(0xc, 0x100);
    put(0xc, 0x80);
    put(0x4, 0x86);
    put(0xc, 0x100);
    pass_ms(500);
    assert_int_equal(barks, 1);
    lock(0);
    lock(2);
    lock(0); /* off again */
    pass_ms(5000);
    assert_int_equal(barks, 1);
}

static void test_lock(void **state)
{
    (void)state;
    unlocked(0, 100);
    unlocked(4, 100);
    configure(0xffff);
    assert_int_equal(pci_fake_read(&dog.pci, 0x60, 2), 0x27);
    lock(3);
    lock(0);
    assert_int_equal(pci_fake_read(&dog.pci, 0x68, 1), 3);
    pass_ms(1000); /* it runs; its output is off */
    assert_int_equal(barks, 0);
    assert_int_equal(i6300esb_ops.read(&dog, 0xc, 2), 0x200);
}

static void test_free_run(void **state)
{
    (void)state;
    configure(4); /* counts of 1 us */
    unlocked(0, 0);
    unlocked(4, 0);
    lock(6);
    pass_ms(50); /* two stages of no length: limited to 20 us each, never a reset */
    assert_int_equal(barks, 0);
    assert_true(dog.deadline > test_time);
    assert_true(dog.pci.intx);
}

static void test_removed(void **state)
{
    (void)state;
    unlocked(0, 10);
    unlocked(4, 10);
    lock(2);
    dog.pci.removed(dog.pci.dev);
    pass_ms(1000);
    assert_int_equal(barks, 0);
}

static void test_save(void **state)
{
    (void)state;
    configure(3);
    unlocked(0, 100);
    unlocked(4, 100);
    lock(2);
    pass_ms(50);
    uint8_t buf[8192];
    size_t n = i6300esb_ops.save(&dog, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(i6300esb_ops.save(&dog, buf, n - 1), 0);
    i6300esb_ops.reset(&dog);
    test_time += 10 * TEST_HZ;
    assert_true(i6300esb_ops.restore(&dog, buf, n));
    pass_ms(140);
    assert_int_equal(barks, 0);
    pass_ms(20);
    assert_int_equal(barks, 1);
    buf[8 + 8 + 8 + 3] = 7; /* a stage that there is not */
    assert_false(i6300esb_ops.restore(&dog, buf, n));
    assert_false(i6300esb_ops.restore(&dog, buf, n - 1));
    char line[200];
    assert_true(i6300esb_ops.info(&dog, line, sizeof(line)) > 0);
    pci_fake_full = true;
    assert_false(i6300esb_init(&dog, &bus, &test_clock, bark, NULL));
    pci_fake_full = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stages, setup), cmocka_unit_test_setup(test_reload, setup),
        cmocka_unit_test_setup(test_lock, setup),   cmocka_unit_test_setup(test_free_run, setup),
        cmocka_unit_test_setup(test_save, setup),   cmocka_unit_test_setup(test_removed, setup),
    };
    return cmocka_run_group_tests_name("i6300esb", tests, NULL, NULL);
}
