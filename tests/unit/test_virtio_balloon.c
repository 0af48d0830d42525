// SPDX-License-Identifier: BSD-2-Clause
// The virtio balloon: inflate and deflate, wrong page numbers, statistics, free page reports, the
// target.
// links: vmm/virtio_balloon.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_driver.h"
#include "virtio_balloon.h"

static struct virtio_balloon b;
static struct virtio_device *const v = &b.v;
static struct driver_queue queue[4];

static int setup_with(uint64_t features)
{
    memset(&b, 0, sizeof(b));
    memset(driver_memory, 0x5a, sizeof(driver_memory));
    assert_true(virtio_balloon_init(&b, &driver_bus, &driver_ram));
    pci_fake_msix_on = true;
    assert_true(driver_negotiate(v, features));
    for (unsigned i = 0; i < 4; i++)
        driver_queue(v, &queue[i], i, 8);
    driver_ok(v);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(UINT64_MAX);
}

static bool request(unsigned index, uint64_t address, uint32_t size, bool write)
{
    const struct driver_piece piece = {address, size, write};
    struct vring_used_elem elem;
    driver_add(&queue[index], &piece, 1);
    driver_kick(&queue[index]);
    return driver_used(&queue[index], &elem);
}

static bool page_is(unsigned page, uint8_t value)
{
    for (unsigned i = 0; i < 4096; i++)
        if (driver_memory[page * 4096 + i] != value)
            return false;
    return true;
}

static void test_inflate(void **state)
{
    (void)state;
    static const uint32_t pages[] = {0x200, 0x202, 0xffffffff, DRIVER_RAM / 4096, 0xc0000};
    memcpy(driver_memory + DRIVER_DATA, pages, sizeof(pages));
    assert_true(request(0, DRIVER_DATA, sizeof(pages), false));
    assert_true(page_is(0x200, 0) && page_is(0x202, 0));
    assert_true(page_is(0x201, 0x5a) && page_is(0x1ff, 0x5a) && page_is(0x203, 0x5a));
    memset(driver_memory + 0x200 * 4096, 0x5a, 4096);
    assert_true(request(1, DRIVER_DATA, sizeof(pages), false));
    assert_true(page_is(0x200, 0x5a));
    assert_int_equal(b.s.inflated, 5);
    assert_int_equal(b.s.deflated, 5);
    driver_write(v, VIRTIO_CONFIG + 4, 4, 5);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 4, 4), 5);
    driver_write(v, VIRTIO_CONFIG, 4, 5); /* the target is not the guest's */
    driver_write(v, VIRTIO_CONFIG + 4, 1, 9);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), 0);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 4, 4), 5);
    assert_false(request(0, DRIVER_DATA, 4 * (VIRTIO_BALLOON_PAGES + 1), false));
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void test_target(void **state)
{
    (void)state;
    driver_write(v, VIRTIO_PCI_COMMON_MSIX, 2, 0);
    virtio_balloon_set_target(&b, 77);
    assert_int_equal(pci_fake_messages[0], 1);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), 77);
    virtio_balloon_set_target(&b, UINT64_MAX);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), DRIVER_RAM / 4096);
    driver_set_status(v, 0);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), DRIVER_RAM / 4096);
}

static void test_stats(void **state)
{
    (void)state;
    struct virtio_balloon_stat stats[] = {
        {VIRTIO_BALLOON_S_AVAIL, 123456}, {99, 1}, {VIRTIO_BALLOON_S_MEMTOT, 7654321}};
    struct vring_used_elem elem;
    char text[500];
    memcpy(driver_memory + DRIVER_DATA, stats, sizeof(stats));
    assert_false(request(2, DRIVER_DATA, sizeof(stats), false)); /* it is kept */
    assert_int_equal(b.s.stat[VIRTIO_BALLOON_S_AVAIL], 123456);
    assert_int_equal(b.s.stat[VIRTIO_BALLOON_S_MEMTOT], 7654321);
    assert_int_equal(b.s.stat[VIRTIO_BALLOON_S_MEMFREE], UINT64_MAX);
    virtio_balloon_ask_stats(&b);
    assert_true(driver_used(&queue[2], &elem));
    virtio_balloon_ask_stats(&b); /* nothing to give */
    assert_false(driver_used(&queue[2], &elem));
    assert_false(request(2, DRIVER_DATA, 5, false));
    assert_true(request(2, DRIVER_DATA, sizeof(stats), false)); /* a second buffer */
    size_t n = virtio_device_ops.info(v, text, sizeof(text));
    assert_int_equal(n, strlen(text));
    assert_non_null(strstr(text, "120 KiB available"));
}

static void test_report(void **state)
{
    (void)state;
    assert_true(request(3, 0x300000, 0x4000, true));
    assert_true(page_is(0x300, 0) && page_is(0x303, 0) && page_is(0x304, 0x5a));
    assert_int_equal(b.s.reported, 4);
    setup_with(UINT64_MAX & ~(1ull << VIRTIO_BALLOON_F_STATS_VQ)); /* the queues move up */
    assert_true(request(2, 0x300000, 0x1000, true));
    assert_int_equal(b.s.reported, 1);
    setup_with(1ull << VIRTIO_F_VERSION_1); /* neither */
    assert_false(request(2, 0x300000, 0x1000, true));
    assert_false(request(3, 0x300000, 0x1000, true));
    assert_false(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void test_snapshot(void **state)
{
    (void)state;
    static uint8_t buf[8192];
    struct vring_used_elem elem;
    request(2, DRIVER_DATA, 10, false);
    virtio_balloon_set_target(&b, 55);
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    virtio_device_ops.reset(v);
    b.config.num_pages = 0;
    assert_true(n > 0 && virtio_device_ops.restore(v, buf, n));
    assert_int_equal(b.config.num_pages, 55);
    virtio_balloon_ask_stats(&b); /* the held buffer too */
    assert_true(driver_used(&queue[2], &elem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_inflate, setup),  cmocka_unit_test_setup(test_target, setup),
        cmocka_unit_test_setup(test_stats, setup),    cmocka_unit_test_setup(test_report, setup),
        cmocka_unit_test_setup(test_snapshot, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
