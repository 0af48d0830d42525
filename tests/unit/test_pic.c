// SPDX-License-Identifier: BSD-2-Clause
// 8259A pair: initialisation, priorities, cascade, EOI forms, rotation, special modes, poll,
// ELCR, spurious.
// links: vmm/pic.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "pic.h"

static struct pic pic;
static unsigned intr_changes;
static bool intr_level;

static void intr(void *ctx, bool level)
{
    (void)ctx;
    intr_changes++;
    intr_level = level;
}

static void cmd(uint8_t value)
{
    out8(&pic_ops, &pic, 0, value);
}

static void program(uint8_t icw4)
{
    const uint8_t master[] = {0x20, 4, icw4, 0};
    const uint8_t slave[] = {0x28, 2, icw4, 0};
    out8(&pic_ops, &pic, 0, 0x11);
    out8(&pic_slave_ops, &pic, 0, 0x11);
    for (unsigned i = 0; i < 4; i++) {
        out8(&pic_ops, &pic, 1, master[i]);
        out8(&pic_slave_ops, &pic, 1, slave[i]);
    }
}

static void pulse(unsigned irq)
{
    pic_set(&pic, irq, true);
    pic_set(&pic, irq, false);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    pic_init(&pic, intr, NULL);
    intr_changes = 0;
    intr_level = false;
    program(1);
    return 0;
}

static void test_masked_at_reset(void **state)
{
    (void)state;
    pic_init(&pic, intr, NULL);
    pulse(0);
    pulse(15);
    assert_false(pic_pending(&pic));
    assert_int_equal(in8(&pic_ops, &pic, 1), 0xff);
}

static void test_basic(void **state)
{
    (void)state;
    pulse(0);
    assert_true(pic_pending(&pic));
    assert_true(intr_level);
    assert_int_equal(pic_ack(&pic), 0x20);
    assert_false(pic_pending(&pic));
    assert_int_equal(intr_changes, 2);
    pulse(1); /* lower priority waits */
    assert_false(pic_pending(&pic));
    pulse(0); /* same waits too */
    assert_false(pic_pending(&pic));
    cmd(0x20);
    assert_int_equal(pic_ack(&pic), 0x20);
    cmd(0x60); /* specific EOI 0 */
    assert_int_equal(pic_ack(&pic), 0x21);
    cmd(0x20);
    assert_false(pic_pending(&pic));
}

static void test_cascade(void **state)
{
    (void)state;
    pulse(12);
    assert_int_equal(pic_ack(&pic), 0x2c);
    cmd(0x0b);
    assert_int_equal(in8(&pic_ops, &pic, 0), 4);
    out8(&pic_slave_ops, &pic, 0, 0x0b);
    assert_int_equal(in8(&pic_slave_ops, &pic, 0), 0x10);
    pulse(8); /* higher within the slave: held back by the master's ISR 2 */
    assert_false(pic_pending(&pic));
    pulse(3);
    assert_false(pic_pending(&pic));
    pulse(1);
    assert_int_equal(pic_ack(&pic), 0x21); /* nested */
    cmd(0x20);
    out8(&pic_slave_ops, &pic, 0, 0x20);
    cmd(0x20);
    assert_int_equal(pic_ack(&pic), 0x28);
    out8(&pic_slave_ops, &pic, 0, 0x20);
    cmd(0x20);
    assert_int_equal(pic_ack(&pic), 0x23);
}

static void test_special_nested(void **state)
{
    (void)state;
    program(0x11);
    pulse(12);
    assert_int_equal(pic_ack(&pic), 0x2c);
    pulse(3); /* below the cascade: still blocked */
    assert_false(pic_pending(&pic));
    pulse(8);
    assert_int_equal(pic_ack(&pic), 0x28);
}

static void test_mask(void **state)
{
    (void)state;
    out8(&pic_ops, &pic, 1, 0xfe);
    pulse(4);
    assert_false(pic_pending(&pic));
    cmd(0x0a);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0x10); /* latched */
    out8(&pic_ops, &pic, 1, 0xef);
    assert_int_equal(pic_ack(&pic), 0x24);
}

static void test_spurious(void **state)
{
    (void)state;
    pulse(4);
    out8(&pic_ops, &pic, 1, 0xff); /* goes away before the acknowledge */
    assert_int_equal(pic_ack(&pic), 0x27);
    cmd(0x0b);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0);
    out8(&pic_ops, &pic, 1, 0);
    assert_int_equal(pic_ack(&pic), 0x24);
}

static void test_level_inputs(void **state)
{
    (void)state;
    out8(&pic_elcr_ops, &pic, 0, 0xff);
    out8(&pic_elcr_ops, &pic, 1, 0xff);
    assert_int_equal(in8(&pic_elcr_ops, &pic, 0), 0xf8);
    assert_int_equal(in8(&pic_elcr_ops, &pic, 1), 0xde);
    pic_set(&pic, 9, true);
    assert_int_equal(pic_ack(&pic), 0x29);
    out8(&pic_slave_ops, &pic, 0, 0x20);
    cmd(0x20);
    assert_true(pic_pending(&pic)); /* still asserted */
    pic_set(&pic, 9, false);
    assert_false(pic_pending(&pic));
}

static void test_auto_eoi(void **state)
{
    (void)state;
    program(3);
    cmd(0x80); /* rotate in AEOI */
    pulse(0);
    pulse(1);
    assert_int_equal(pic_ack(&pic), 0x20);
    pulse(0); /* lowest now */
    assert_int_equal(pic_ack(&pic), 0x21);
    assert_int_equal(pic_ack(&pic), 0x20);
    cmd(0x0b);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0);
}

static void test_rotate(void **state)
{
    (void)state;
    cmd(0xc4); /* 4 is the lowest, 5 the highest */
    pulse(4);
    pulse(5);
    pulse(0);
    assert_int_equal(pic_ack(&pic), 0x25);
    cmd(0xa0); /* rotate on EOI: 5 becomes the lowest */
    assert_int_equal(pic_ack(&pic), 0x20);
    cmd(0xe0); /* rotate on specific EOI of 0 */
    assert_int_equal(pic_ack(&pic), 0x24);
}

static void test_special_mask(void **state)
{
    (void)state;
    pulse(2); /* ignored: the cascade */
    assert_false(pic_pending(&pic));
    pulse(1);
    assert_int_equal(pic_ack(&pic), 0x21);
    out8(&pic_ops, &pic, 1, 0x02);
    pulse(6);
    assert_false(pic_pending(&pic));
    cmd(0x68);
    assert_int_equal(pic_ack(&pic), 0x26);
    cmd(0x20); /* passes over the masked 1 */
    cmd(0x0b);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0x02);
}

static void test_poll(void **state)
{
    (void)state;
    cmd(0x0c);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0);
    pulse(5);
    cmd(0x0c);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0x85);
    assert_false(pic_pending(&pic));
    cmd(0x0b);
    assert_int_equal(in8(&pic_ops, &pic, 0), 0x20);
}

static void test_init_sequences(void **state)
{
    (void)state;
    cmd(0x12); /* single, no ICW4 */
    out8(&pic_ops, &pic, 1, 0x47);
    out8(&pic_ops, &pic, 1, 0x55);
    assert_int_equal(in8(&pic_ops, &pic, 1), 0x55);
    out8(&pic_ops, &pic, 1, 0);
    pulse(7);
    assert_int_equal(pic_ack(&pic), 0x47);
    pic_set(&pic, 16, true);
    pic_set(&pic, UINT32_MAX, true);
}

static void test_save(void **state)
{
    (void)state;
    pulse(3);
    test_snapshot(&pic_ops, &pic);
    assert_int_equal(pic_ack(&pic), 0x23);
    uint8_t buf[256];
    size_t n = pic_ops.save(&pic, buf, sizeof(buf));
    buf[8 + offsetof(struct pic_chip, lowest)] = 8;
    assert_false(pic_ops.restore(&pic, buf, n));
    pic_ops.reset(&pic);
    assert_int_equal(in8(&pic_ops, &pic, 1), 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_masked_at_reset, setup),
        cmocka_unit_test_setup(test_basic, setup),
        cmocka_unit_test_setup(test_cascade, setup),
        cmocka_unit_test_setup(test_special_nested, setup),
        cmocka_unit_test_setup(test_mask, setup),
        cmocka_unit_test_setup(test_spurious, setup),
        cmocka_unit_test_setup(test_level_inputs, setup),
        cmocka_unit_test_setup(test_auto_eoi, setup),
        cmocka_unit_test_setup(test_rotate, setup),
        cmocka_unit_test_setup(test_special_mask, setup),
        cmocka_unit_test_setup(test_poll, setup),
        cmocka_unit_test_setup(test_init_sequences, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
