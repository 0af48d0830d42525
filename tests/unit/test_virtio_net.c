// SPDX-License-Identifier: BSD-2-Clause
// virtio network device: both directions, waiting on either side, filter, control queue, limits.
// links: vmm/virtio_net.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fake.h"
#include "virtio_driver.h"
#include "virtio_net.h"

#define ALL       UINT64_MAX
#define PLAIN_RX  (ALL & ~(1ull << VIRTIO_NET_F_MRG_RXBUF))
#define NO_FILTER (ALL & ~(1ull << VIRTIO_NET_F_CTRL_RX))
enum { HEADER = 12, BUFFER = 2048 };

static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t other[6] = {0x52, 0x54, 0, 0, 0, 2};
static const uint8_t group[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static struct virtio_net net;
static struct virtio_device *const v = &net.v;
static struct driver_queue rx, tx, ctrl;
static unsigned buffers;

static int setup(void **state)
{
    (void)state;
    memset(&net, 0, sizeof(net));
    memset(driver_memory, 0, sizeof(driver_memory));
    net_fake_setup();
    buffers = 0;
    assert_true(virtio_net_init(&net, &driver_bus, &driver_ram, &net_fake_link, mac));
    return 0;
}

static void run(uint64_t features)
{
    assert_true(driver_negotiate(v, features));
    driver_queue(v, &rx, VIRTIO_NET_RX, 16);
    driver_queue(v, &tx, VIRTIO_NET_TX, 16);
    driver_queue(v, &ctrl, VIRTIO_NET_CONTROL, 16);
    driver_ok(v);
    pci_fake_msix_on = true;
}

static void give(uint32_t size)
{
    uint64_t address = DRIVER_DATA + 0x10000 + buffers++ % 64 * BUFFER;
    driver_add(&rx, &(struct driver_piece){address, size, true}, 1);
}

static uint8_t *buffer(unsigned i)
{
    return driver_memory + DRIVER_DATA + 0x10000 + i % 64 * BUFFER;
}

static bool wants_kick(const struct driver_queue *q)
{
    const struct vring *r = &q->vring;
    return vring_need_event(vring_avail_event(r), q->avail, (uint16_t)(q->avail - 1));
}

static void send(uint32_t size)
{
    driver_add(&tx, &(struct driver_piece){DRIVER_DATA, HEADER + size, false}, 1);
}

static void configuration(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(driver_read(v, VIRTIO_CONFIG + i, 1), mac[i]);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 6, 2), 1);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 10, 2), 1500);
    assert_int_equal(v->pci.config[PCI_DEVICE_ID], 0x41);
}

static void sends(void **state)
{
    (void)state;
    struct vring_used_elem e;
    run(ALL);
    for (unsigned i = 0; i < 1526; i++)
        driver_memory[DRIVER_DATA + i] = (uint8_t)(i * 3);
    send(1514);
    const struct driver_piece pieces[] = {
        {DRIVER_DATA, 5, false}, {DRIVER_DATA + 5, 20, false}, {DRIVER_DATA + 25, 87, false}};
    driver_add(&tx, pieces, 3);
    driver_kick(&tx);
    assert_int_equal(net_sent_count, 2);
    assert_int_equal(net_sent[0].size, 1514);
    assert_memory_equal(net_sent[0].bytes, driver_memory + DRIVER_DATA + 12, 1514);
    assert_int_equal(net_sent[1].size, 100);
    assert_memory_equal(net_sent[1].bytes, driver_memory + DRIVER_DATA + 12, 100);
    assert_true(driver_used(&tx, &e) && driver_used(&tx, &e) && !driver_used(&tx, &e));
    assert_int_equal(pci_fake_messages[2], 1); /* one interrupt for both */
    /* Too short, no header, too long: used up, not sent, and the queue lives on. */
    send(13);
    driver_add(&tx, &(struct driver_piece){DRIVER_DATA, 3, false}, 1);
    send(1515);
    driver_add(&tx, &(struct driver_piece){DRIVER_DATA, 2000, true}, 1);
    send(60);
    driver_kick(&tx);
    assert_int_equal(net_sent_count, 3);
    assert_int_equal(net.malformed, 4);
    for (unsigned i = 0; i < 5; i++)
        assert_true(driver_used(&tx, &e));
}

static void send_waits(void **state)
{
    (void)state;
    run(ALL);
    net_room = 2;
    for (unsigned i = 0; i < 5; i++)
        send(100 + i);
    driver_kick(&tx);
    assert_int_equal(net_sent_count, 2);
    send(105);
    assert_false(wants_kick(&tx)); /* it is the link's turn */
    net_fake_more_room(1);
    assert_int_equal(net_sent_count, 3);
    net_fake_more_room(10);
    assert_int_equal(net_sent_count, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(net_sent[i].size, 100 + i);
    send(106);
    assert_true(wants_kick(&tx));
}

static void receives(void **state)
{
    (void)state;
    struct vring_used_elem e;
    run(ALL);
    give(BUFFER);
    give(BUFFER);
    give(BUFFER);
    net_fake_frame(mac, 1514);
    net_fake_frame(broadcast, 60);
    net_fake_arrive();
    assert_true(driver_used(&rx, &e));
    assert_int_equal(e.len, 1526);
    assert_memory_equal(buffer(0) + HEADER, net_coming[0].bytes, 1514);
    assert_memory_equal(buffer(0), "\0\0\0\0\0\0\0\0\0\0\1\0", HEADER);
    assert_true(driver_used(&rx, &e));
    assert_int_equal(e.len, 72);
    assert_false(driver_used(&rx, &e));
    assert_int_equal(pci_fake_messages[1], 1);
    give(BUFFER);
    assert_false(wants_kick(&rx)); /* nothing waits for it */
}

static void receive_waits(void **state)
{
    (void)state;
    struct vring_used_elem e;
    run(ALL);
    for (unsigned i = 0; i < 5; i++)
        net_fake_frame(mac, 100 + i);
    net_fake_arrive();
    assert_int_equal(net_coming_next, 1);
    give(BUFFER);
    assert_true(wants_kick(&rx));
    give(BUFFER);
    driver_kick(&rx);
    assert_int_equal(net_coming_next, 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(driver_used(&rx, &e));
        assert_int_equal(e.len, HEADER + 100 + i);
    }
    for (unsigned i = 0; i < 4; i++)
        give(BUFFER);
    driver_kick(&rx);
    assert_int_equal(net_coming_next, 5);
    assert_int_equal(net.received, 5);
}

static void merges_buffers(void **state)
{
    (void)state;
    struct vring_used_elem e;
    run(ALL);
    give(500);
    give(500);
    net_fake_frame(mac, 1200);
    net_fake_arrive();
    assert_int_equal(rx.vring.used->idx, 0); /* not in part */
    give(500);
    assert_true(wants_kick(&rx));
    driver_kick(&rx);
    assert_int_equal(rx.vring.used->idx, 3);
    assert_int_equal(buffer(0)[10], 3);
    assert_memory_equal(buffer(0) + 12, net_coming[0].bytes, 488);
    assert_memory_equal(buffer(1), net_coming[0].bytes + 488, 500);
    assert_memory_equal(buffer(2), net_coming[0].bytes + 988, 212);
    for (unsigned i = 0; i < 3; i++)
        assert_true(driver_used(&rx, &e));
    assert_int_equal(e.len, 212);
}

static void bad_buffers(void **state)
{
    (void)state;
    run(PLAIN_RX);
    give(500);
    net_fake_frame(mac, 600);
    net_fake_arrive();
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    setup(NULL);
    run(ALL);
    driver_add(&rx, &(struct driver_piece){DRIVER_DATA, 2000, false}, 1);
    net_fake_frame(mac, 600);
    net_fake_arrive();
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    net_fake_frame(mac, 600); /* and it leaves the link empty */
    net_fake_arrive();
    assert_int_equal(net_coming_next, net_coming_count);
    setup(NULL);
    run(ALL);
    for (unsigned i = 0; i < 16; i++) /* a byte each */
        give(1);
    net_fake_frame(mac, 600);
    net_fake_arrive();
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static uint8_t command(uint8_t class, uint8_t cmd, const void *data, uint32_t size)
{
    uint8_t *at = driver_memory + DRIVER_DATA + 0x8000;
    struct vring_used_elem e;
    at[0] = class;
    at[1] = cmd;
    memcpy(at + 2, data, size);
    at[4000] = 0x55;
    const struct driver_piece pieces[] = {{DRIVER_DATA + 0x8000, 2, false},
                                          {DRIVER_DATA + 0x8002, size, false},
                                          {DRIVER_DATA + 0x8000 + 4000, 1, true}};
    driver_add(&ctrl, pieces, 3);
    driver_kick(&ctrl);
    assert_true(driver_used(&ctrl, &e));
    assert_int_equal(e.len, 1);
    return at[4000];
}

static bool passes(const uint8_t *to)
{
    struct vring_used_elem e;
    give(BUFFER);
    net_fake_frame(to, 100);
    net_fake_arrive();
    return driver_used(&rx, &e);
}

static void filters(void **state)
{
    (void)state;
    static const uint8_t one[] = {1}, zero[] = {0};
    uint8_t tables[8 + 12] = {1};
    run(ALL);
    assert_true(passes(mac));
    assert_true(passes(broadcast));
    assert_false(passes(other));
    assert_false(passes(group));
    assert_int_equal(command(0, VIRTIO_NET_CTRL_RX_ALLMULTI, one, 1), 0);
    assert_true(passes(group));
    assert_int_equal(command(0, VIRTIO_NET_CTRL_RX_ALLMULTI, zero, 1), 0);
    assert_int_equal(command(0, VIRTIO_NET_CTRL_RX_PROMISC, one, 1), 0);
    assert_true(passes(other));
    assert_int_equal(command(0, VIRTIO_NET_CTRL_RX_PROMISC, zero, 1), 0);
    assert_int_equal(command(0, VIRTIO_NET_CTRL_RX_NOBCAST, one, 1), 0);
    assert_false(passes(broadcast));
    assert_int_equal(command(0, 6, one, 1), VIRTIO_NET_ERR);
    memcpy(tables + 4, other, 6);
    tables[10] = 1;
    memcpy(tables + 14, group, 6);
    assert_int_equal(command(1, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables, 20), 0);
    assert_true(passes(other));
    assert_true(passes(group));
    assert_int_equal(command(1, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables, 19), VIRTIO_NET_ERR);
    tables[3] = 0xff;
    assert_int_equal(command(1, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables, 20), VIRTIO_NET_ERR);
    assert_int_equal(command(1, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6), 0);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 5, 1), 2);
    assert_int_equal(command(1, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 5), VIRTIO_NET_ERR);
    assert_int_equal(command(7, 0, other, 5), VIRTIO_NET_ERR);
    setup(NULL);
    run(NO_FILTER);
    assert_true(passes(other) && passes(group));
}

static void bad_control(void **state)
{
    (void)state;
    run(ALL);
    driver_add(&ctrl, &(struct driver_piece){DRIVER_DATA, 100, false}, 1);
    driver_kick(&ctrl);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void off(void **state)
{
    (void)state;
    net_fake_frame(mac, 100);
    net_fake_arrive();
    assert_int_equal(net_coming_next, 1);
    assert_int_equal(net.received, 0);
}

static void work_is_bounded(void **state)
{
    (void)state;
    run(ALL);
    for (unsigned i = 0; i < 1000; i++)
        net_fake_frame(other, 60);
    net_fake_arrive();
    assert_int_equal(net_coming_next, VIRTIO_NET_AT_ONCE);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(v->again_at <= 2);
        virtio_expire(v, 1);
    }
    assert_int_equal(net_coming_next, 1000);
    assert_true(v->again_at == UINT64_MAX);
}

static void snapshot(void **state)
{
    (void)state;
    static uint8_t buf[32768];
    char text[1000];
    struct vring_used_elem e;
    run(ALL);
    net_fake_frame(mac, 300);
    net_fake_arrive(); /* held: there is no buffer */
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    assert_int_equal(virtio_device_ops.save(v, buf, n - 1), 0);
    assert_true(n > 0 && virtio_device_ops.save(v, buf, n) == n);
    driver_set_status(v, 0);
    assert_false(virtio_device_ops.restore(v, buf, n - 1));
    assert_true(virtio_device_ops.restore(v, buf, n));
    give(BUFFER);
    virtio_expire(v, 1);
    assert_true(driver_used(&rx, &e));
    assert_int_equal(e.len, 312);
    assert_true(virtio_device_ops.info(v, text, sizeof(text)) > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(configuration, setup),
        cmocka_unit_test_setup(sends, setup),
        cmocka_unit_test_setup(send_waits, setup),
        cmocka_unit_test_setup(receives, setup),
        cmocka_unit_test_setup(receive_waits, setup),
        cmocka_unit_test_setup(merges_buffers, setup),
        cmocka_unit_test_setup(bad_buffers, setup),
        cmocka_unit_test_setup(filters, setup),
        cmocka_unit_test_setup(bad_control, setup),
        cmocka_unit_test_setup(off, setup),
        cmocka_unit_test_setup(work_is_bounded, setup),
        cmocka_unit_test_setup(snapshot, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
