// SPDX-License-Identifier: BSD-2-Clause
// virtio socket device: two of them on a link, driven by hand: hello, forwarding in pieces, waiting
// on either side, refusals, forged addresses, resets.
// links: vmm/virtio_vsock.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fake.h"
#include "virtio_driver.h"
#include "virtio_vsock.h"

enum { HEADER = 44, BUFFER = 4096, OWN = 3, PEER = 4, STREAM = 1 };
enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW };

struct hello {
    uint32_t magic, answer;
    uint64_t cid, reserved;
};

static struct virtio_vsock vsock;
static struct virtio_device *const v = &vsock.v;
static struct driver_queue rx, tx, event;
static unsigned buffers;

static int setup(void **state)
{
    (void)state;
    memset(&vsock, 0, sizeof(vsock));
    memset(driver_memory, 0, sizeof(driver_memory));
    net_fake_setup();
    buffers = 0;
    assert_true(virtio_vsock_init(&vsock, &driver_bus, &driver_ram, &net_fake_link, OWN));
    return 0;
}

static void run(void)
{
    assert_true(driver_negotiate(v, UINT64_MAX));
    driver_queue(v, &rx, VIRTIO_VSOCK_RX, 16);
    driver_queue(v, &tx, VIRTIO_VSOCK_TX, 16);
    driver_queue(v, &event, VIRTIO_VSOCK_EVENT, 4);
    driver_ok(v);
    pci_fake_msix_on = true;
}

static void give(uint32_t size)
{
    uint64_t address = DRIVER_DATA + 0x20000 + buffers++ % 64 * BUFFER;
    driver_add(&rx, &(struct driver_piece){address, size, true}, 1);
}

static const uint8_t *buffer(unsigned i)
{
    return driver_memory + DRIVER_DATA + 0x20000 + i % 64 * BUFFER;
}

static struct virtio_vsock_hdr header(const void *from)
{
    struct virtio_vsock_hdr h;
    memcpy(&h, from, HEADER);
    return h;
}

/* A packet of the guest. */
static void send(uint64_t src, uint64_t dst, unsigned op, uint32_t len, uint32_t real)
{
    struct virtio_vsock_hdr h = {.src_cid = src,
                                 .dst_cid = dst,
                                 .src_port = 1000,
                                 .dst_port = 2000,
                                 .len = len,
                                 .type = STREAM,
                                 .op = (uint16_t)op,
                                 .buf_alloc = 77};
    uint64_t at = DRIVER_DATA + tx.next % 4 * 0x100u;
    memcpy(driver_memory + at, &h, HEADER);
    for (uint32_t i = 0; i < real; i++)
        driver_memory[DRIVER_DATA + 0x1000 + i] = (uint8_t)(i * 5 + i / 256);
    const struct driver_piece pieces[] = {{at, HEADER, false}, {DRIVER_DATA + 0x1000, real, false}};
    driver_add(&tx, pieces, real ? 2 : 1);
    driver_kick(&tx);
}

static void hello_arrives(uint64_t cid, uint32_t answer)
{
    struct hello h = {0x6b637376, answer, cid, 0};
    uint8_t *f = net_fake_frame((const uint8_t *)&h, sizeof(h));
    memcpy(f, &h, sizeof(h));
    net_fake_arrive();
}

static void packet_arrives(uint64_t src, uint64_t dst, unsigned op, uint32_t size)
{
    struct virtio_vsock_hdr h = {.src_cid = src,
                                 .dst_cid = dst,
                                 .src_port = 2000,
                                 .dst_port = 1000,
                                 .len = size,
                                 .type = STREAM,
                                 .op = (uint16_t)op};
    uint8_t *f = net_fake_frame((const uint8_t *)&h, HEADER + size);
    memcpy(f, &h, HEADER);
    net_fake_arrive();
}

static void meets_its_peer(void **state)
{
    (void)state;
    struct hello h;
    assert_int_equal(net_sent_count, 1);
    memcpy(&h, net_sent[0].bytes, sizeof(h));
    assert_true(h.cid == OWN && h.answer == 1);
    hello_arrives(PEER, 1);
    assert_int_equal(net_sent_count, 2);
    memcpy(&h, net_sent[1].bytes, sizeof(h));
    assert_true(h.cid == OWN && h.answer == 0);
    hello_arrives(PEER, 0);
    assert_int_equal(net_sent_count, 2);
    assert_int_equal(vsock.s.peer, PEER);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), OWN);
    hello_arrives(OWN, 0);
    hello_arrives(2, 0);
    hello_arrives(1ull << 32, 0);
    assert_int_equal(vsock.s.peer, PEER);
    assert_int_equal(vsock.dropped, 3);
    assert_false(
        virtio_vsock_init(&(struct virtio_vsock){0}, &driver_bus, &driver_ram, &net_fake_link, 2));
}

static void sends(void **state)
{
    (void)state;
    struct vring_used_elem e;
    hello_arrives(PEER, 0);
    run();
    net_sent_count = 0;
    send(OWN, PEER, REQUEST, 0, 0);
    assert_int_equal(net_sent_count, 1);
    assert_int_equal(net_sent[0].size, HEADER);
    assert_int_equal(header(net_sent[0].bytes).buf_alloc, 77);
    net_room = 2; /* 4,000 bytes are three pieces */
    send(OWN, PEER, RW, 4000, 4000);
    assert_int_equal(net_sent_count, 3);
    assert_true(driver_used(&tx, &e) && !driver_used(&tx, &e));
    net_fake_more_room(10);
    assert_int_equal(net_sent_count, 4);
    assert_true(driver_used(&tx, &e));
    uint32_t at = 0;
    for (unsigned i = 1; i < 4; i++) {
        struct virtio_vsock_hdr h = header(net_sent[i].bytes);
        assert_int_equal(net_sent[i].size, HEADER + h.len);
        assert_memory_equal(net_sent[i].bytes + HEADER, driver_memory + DRIVER_DATA + 0x1000 + at,
                            h.len);
        at += h.len;
    }
    assert_int_equal(at, 4000);
}

static void forged(void **state)
{
    (void)state;
    struct vring_used_elem e;
    hello_arrives(PEER, 0);
    run();
    net_sent_count = 0;
    send(PEER, OWN, REQUEST, 0, 0); /* another's name */
    send(OWN, PEER, RW, 4000, 100); /* longer than it is */
    send(OWN, PEER, RW, UINT32_MAX, 100);
    driver_add(&tx, &(struct driver_piece){DRIVER_DATA, 43, false}, 1);
    driver_kick(&tx);
    assert_int_equal(net_sent_count, 0);
    assert_int_equal(vsock.dropped, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(driver_used(&tx, &e));
    give(BUFFER);
    packet_arrives(5, OWN, RW, 10);
    packet_arrives(PEER, 5, RW, 10);
    packet_arrives(PEER, OWN, 0, 10);
    packet_arrives(PEER, OWN, 8, 10);
    packet_arrives(OWN, OWN, RW, 10);
    assert_false(driver_used(&rx, &e));
    assert_int_equal(vsock.dropped, 9);
}

static void refuses(void **state)
{
    (void)state;
    struct vring_used_elem e;
    hello_arrives(PEER, 0);
    run();
    send(OWN, 2, REQUEST, 0, 0);
    send(OWN, 99, REQUEST, 0, 0);
    send(OWN, 99, RST, 0, 0); /* never answered */
    give(BUFFER);
    give(BUFFER);
    driver_kick(&rx);
    assert_true(driver_used(&rx, &e));
    assert_int_equal(e.len, HEADER);
    struct virtio_vsock_hdr h = header(buffer(0));
    assert_true(h.src_cid == 2 && h.dst_cid == OWN && h.op == RST && h.src_port == 2000 &&
                h.dst_port == 1000 && h.type == STREAM && h.len == 0);
    assert_true(driver_used(&rx, &e) && !driver_used(&rx, &e));
    assert_int_equal(header(buffer(1)).src_cid, 99);
}

static void refusals_are_bounded(void **state)
{
    (void)state;
    struct vring_used_elem e;
    unsigned done = 0;
    run();
    for (unsigned i = 0; i < 16; i++)
        send(OWN, 99, REQUEST, 0, 0);
    for (unsigned i = 0; i < 16; i++)
        assert_true(driver_used(&tx, &e));
    send(OWN, 99, REQUEST, 0, 0); /* this one has to wait */
    assert_false(driver_used(&tx, &e));
    for (; done < 17; done++) {
        give(BUFFER);
        driver_kick(&rx);
        if (v->again_at == 0) /* there is place for the last */
            virtio_expire(v, 1);
        assert_true(driver_used(&rx, &e));
    }
    assert_true(driver_used(&tx, &e));
}

static void receives(void **state)
{
    (void)state;
    struct vring_used_elem e;
    hello_arrives(PEER, 0);
    run();
    packet_arrives(PEER, OWN, RW, 1000);
    packet_arrives(PEER, OWN, RW, 1470);
    give(HEADER + 600); /* in pieces */
    driver_kick(&rx);
    give(BUFFER);
    give(BUFFER);
    driver_kick(&rx);
    uint32_t sizes[] = {600, 400, 1470};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(driver_used(&rx, &e));
        assert_int_equal(e.len, HEADER + sizes[i]);
        assert_int_equal(header(buffer(i)).len, sizes[i]);
    }
    assert_memory_equal(buffer(1) + HEADER, net_coming[1].bytes + HEADER + 600, 400);
    assert_memory_equal(buffer(2) + HEADER, net_coming[2].bytes + HEADER, 1470);
    give(HEADER); /* no room for a byte */
    packet_arrives(PEER, OWN, RW, 1);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void nobody_listens(void **state)
{
    (void)state;
    hello_arrives(PEER, 0);
    net_sent_count = 0;
    packet_arrives(PEER, OWN, REQUEST, 0);
    assert_int_equal(net_sent_count, 1);
    struct virtio_vsock_hdr h = header(net_sent[0].bytes);
    assert_true(h.op == RST && h.src_cid == OWN && h.dst_cid == PEER);
    packet_arrives(PEER, OWN, RST, 0);
    assert_int_equal(net_sent_count, 1);
}

static void peer_begins_anew(void **state)
{
    (void)state;
    struct vring_used_elem e;
    hello_arrives(PEER, 0);
    run();
    hello_arrives(PEER, 1);
    assert_false(driver_used(&event, &e));
    driver_add(&event, &(struct driver_piece){DRIVER_DATA + 0x3000, 4, true}, 1);
    driver_kick(&event);
    assert_true(driver_used(&event, &e));
    assert_int_equal(e.len, 4);
    assert_int_equal(pci_fake_messages[3], 1);
    /* And the other way: a driver that starts again makes the device say so. */
    net_sent_count = 0;
    driver_set_status(v, 0);
    assert_int_equal(net_sent_count, 1);
    assert_int_equal(net_sent[0].bytes[4], 1);
    assert_int_equal(vsock.s.peer, PEER);
}

static void snapshot(void **state)
{
    (void)state;
    static uint8_t buf[32768];
    char text[1000];
    hello_arrives(PEER, 0);
    run();
    packet_arrives(PEER, OWN, RW, 1000);
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    assert_true(n > 0);
    assert_true(virtio_device_ops.restore(v, buf, n));
    net_sent_count = 0;
    net_fake_more_room(5);
    assert_int_equal(net_sent_count, 1); /* a hello */
    assert_true(vsock.s.event);
    assert_true(virtio_device_ops.info(v, text, sizeof(text)) > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(meets_its_peer, setup),
        cmocka_unit_test_setup(sends, setup),
        cmocka_unit_test_setup(forged, setup),
        cmocka_unit_test_setup(refuses, setup),
        cmocka_unit_test_setup(refusals_are_bounded, setup),
        cmocka_unit_test_setup(receives, setup),
        cmocka_unit_test_setup(nobody_listens, setup),
        cmocka_unit_test_setup(peer_begins_anew, setup),
        cmocka_unit_test_setup(snapshot, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
