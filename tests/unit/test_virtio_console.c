// SPDX-License-Identifier: BSD-2-Clause
// The virtio console: one port without and several with multiport, control messages, a peer that
// takes and gives slowly, emergency write, snapshots.
// links: vmm/virtio_console.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_driver.h"
#include "virtio_console.h"

#define PORTS        3u
#define NO_MULTIPORT (UINT64_MAX & ~(1ull << VIRTIO_CONSOLE_F_MULTIPORT))

struct end { /* of a peer */
    char out[4096], in[4096];
    size_t sent, room, in_at, in_size;
    unsigned rooms;
    int opened;
};

static struct virtio_console c;
static struct virtio_device *const v = &c.v;
static struct end end[2];
static struct driver_queue queue[2 * PORTS + 2];

static size_t send(void *ctx, const uint8_t *bytes, size_t n)
{
    struct end *e = ctx;
    if (n > e->room)
        n = e->room;
    memcpy(e->out + e->sent, bytes, n);
    e->sent += n;
    e->room -= n;
    return n;
}

static size_t take(void *ctx, uint8_t *bytes, size_t n)
{
    struct end *e = ctx;
    if (n > e->in_size - e->in_at)
        n = e->in_size - e->in_at;
    memcpy(bytes, e->in + e->in_at, n);
    e->in_at += n;
    return n;
}

static void room(void *ctx)
{
    ((struct end *)ctx)->rooms++;
}

static void opened(void *ctx, bool open)
{
    ((struct end *)ctx)->opened = open;
}

static const struct virtio_console_peer peers[2] = {
    {NULL, send, take, room, opened, &end[0]},
    {"link", send, take, room, opened, &end[1]},
};

static void setup_with(uint64_t features)
{
    memset(&c, 0, sizeof(c));
    memset(end, 0, sizeof(end));
    memset(driver_memory, 0, sizeof(driver_memory));
    end[0].room = end[1].room = 4096;
    end[1].opened = -1;
    assert_true(virtio_console_init(&c, &driver_bus, &driver_ram, PORTS));
    virtio_console_connect(&c, 0, &peers[0]);
    virtio_console_connect(&c, 1, &peers[1]);
    pci_fake_msix_on = true;
    assert_true(driver_negotiate(v, features));
    for (unsigned i = 0; i < 2 * PORTS + 2; i++)
        driver_queue(v, &queue[i], i, 8);
    driver_ok(v);
}

static int setup(void **state)
{
    (void)state;
    setup_with(UINT64_MAX);
    return 0;
}

static void add(unsigned index, uint64_t address, uint32_t size, bool write)
{
    const struct driver_piece piece = {address, size, write};
    driver_add(&queue[index], &piece, 1);
    driver_kick(&queue[index]);
}

static int used(unsigned index)
{
    struct vring_used_elem elem;
    return driver_used(&queue[index], &elem) ? (int)elem.len : -1;
}

static void put(unsigned index, const char *text)
{
    memcpy(driver_memory + DRIVER_DATA, text, strlen(text));
    add(index, DRIVER_DATA, (uint32_t)strlen(text), false);
}

static void say(uint32_t id, uint16_t event, uint16_t value)
{
    const struct virtio_console_control message = {id, event, value};
    memcpy(driver_memory + DRIVER_DATA, &message, sizeof(message));
    add(3, DRIVER_DATA, sizeof(message), false);
    assert_int_equal(used(3), 0);
}

/* The next message from the device, in one buffer. */
static void expect(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
    struct virtio_console_control message;
    uint8_t *at = driver_memory + DRIVER_DATA + 0x1000;
    add(2, DRIVER_DATA + 0x1000, 64, true);
    assert_int_equal(used(2), sizeof(message) + strlen(name));
    memcpy(&message, at, sizeof(message));
    assert_int_equal(message.id, id);
    assert_int_equal(message.event, event);
    assert_int_equal(message.value, value);
    assert_memory_equal(at + sizeof(message), name, strlen(name));
}

static void test_single(void **state)
{
    (void)state;
    setup_with(NO_MULTIPORT);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 4, 4), PORTS);
    put(1, "hello");
    assert_int_equal(used(1), 0);
    assert_int_equal(end[0].sent, 5);
    assert_memory_equal(end[0].out, "hello", 5);
    memcpy(end[0].in, "keys", 4);
    end[0].in_size = 4;
    virtio_console_poll(&c, 0); /* no buffer yet */
    assert_int_equal(end[0].in_at, 0);
    add(0, DRIVER_DATA, 3, true);
    assert_int_equal(end[0].rooms, 1);
    virtio_console_poll(&c, 0);
    assert_int_equal(used(0), 3);
    assert_memory_equal(driver_memory + DRIVER_DATA, "key", 3);
    add(0, DRIVER_DATA, 100, true);
    virtio_console_poll(&c, 0);
    assert_int_equal(used(0), 1);
    virtio_console_poll(&c, 9);
}

static void test_slow(void **state)
{
    (void)state;
    end[0].room = 3;
    put(1, "0123456789");
    assert_int_equal(used(1), -1);
    assert_int_equal(end[0].sent, 3);
    driver_kick(&queue[1]);
    virtio_console_poll(&c, 0);
    assert_int_equal(end[0].sent, 3);
    end[0].room = 100;
    virtio_console_poll(&c, 0);
    assert_int_equal(used(1), 0);
    assert_memory_equal(end[0].out, "0123456789", 10);
    put(5, "gone"); /* port 1 goes on by itself; port 2 has no peer, and bytes for it are lost */
    put(7, "lost");
    assert_int_equal(used(5), 0);
    assert_int_equal(used(7), 0);
    assert_int_equal(end[1].sent, 4);
}

static void test_control(void **state)
{
    (void)state;
    say(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
    expect(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
    expect(2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
    say(0, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "");
    expect(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
    say(1, VIRTIO_CONSOLE_PORT_READY, 1);
    say(2, VIRTIO_CONSOLE_PORT_READY, 1); /* closed: nothing follows */
    expect(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
    expect(1, VIRTIO_CONSOLE_PORT_NAME, 1, "link");
    add(2, DRIVER_DATA, 64, true);
    assert_int_equal(used(2), -1);
    say(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    assert_int_equal(end[1].opened, 1);
    unsigned rooms = end[1].rooms;
    virtio_expire(v, 1); /* bytes that came before it was open are not forgotten */
    assert_int_equal(end[1].rooms, rooms + 1);
    end[1].in_size = 2;
    add(4, DRIVER_DATA, 64, true);
    virtio_console_poll(&c, 1);
    assert_int_equal(used(4), 2);
    say(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    assert_int_equal(end[1].opened, 0);
    end[1].in_size = 4;
    add(4, DRIVER_DATA, 64, true);
    virtio_console_poll(&c, 1); /* nobody reads it */
    assert_int_equal(used(4), -1);
    virtio_console_connect(&c, 1, NULL);
    say(77, VIRTIO_CONSOLE_PORT_OPEN, 1); /* nonsense */
    say(0xffffffff, VIRTIO_CONSOLE_PORT_READY, 1);
    say(0, 99, 1);
    add(3, DRIVER_DATA, 3, false);
    assert_int_equal(used(3), 0);
    assert_int_equal(used(2), 8); /* the buffer from above: port 1 is closed */
    assert_int_equal(driver_status(v), 15);
    add(2, DRIVER_DATA, 64, false);
    say(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    driver_set_status(v, 0);
}

static void test_emergency(void **state)
{
    (void)state;
    driver_set_status(v, 0);
    driver_write(v, VIRTIO_CONFIG + 8, 4, 'X');
    assert_int_equal(end[0].sent, 1);
    assert_int_equal(end[0].out[0], 'X');
    driver_write(v, VIRTIO_CONFIG + 4, 4, 'X');
    assert_int_equal(end[0].sent, 1);
}

static void test_broken(void **state)
{
    (void)state;
    say(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    add(0, DRIVER_DATA, 8, false); /* a buffer that cannot be written */
    end[0].in_size = 1;
    virtio_console_poll(&c, 0);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void test_snapshot(void **state)
{
    (void)state;
    static uint8_t buf[8192];
    char text[500];
    say(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    end[1].room = 2;
    put(5, "abcd");
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    virtio_device_ops.reset(v);
    assert_int_equal(end[1].opened, 0);
    assert_true(n > 0 && virtio_device_ops.restore(v, buf, n));
    end[1].room = 100;
    virtio_console_poll(&c, 1);
    assert_int_equal(end[1].sent, 4);
    assert_memory_equal(end[1].out, "abcd", 4);
    n = virtio_device_ops.info(v, text, sizeof(text));
    assert_int_equal(n, strlen(text));
    assert_non_null(strstr(text, "port 1: connected to link"));
    assert_true(virtio_console_init(&c, &driver_bus, &driver_ram, 99));
    assert_int_equal(c.ports, VIRTIO_CONSOLE_PORTS);
    assert_true(virtio_console_init(&c, &driver_bus, &driver_ram, 0));
    assert_int_equal(c.ports, 1);
}

static size_t count(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)bytes;
    *(size_t *)ctx += n;
    return n;
}

/* A large buffer goes out in parts: a terminal takes its time, and others have their turn. */
static void test_large(void **state)
{
    (void)state;
    const uint32_t size = 300000;
    size_t sent = 0;
    const struct virtio_console_peer peer = {.send = count, .ctx = &sent};
    setup_with(NO_MULTIPORT);
    virtio_console_connect(&c, 0, &peer);
    add(1, DRIVER_DATA, size, false);
    assert_in_range(sent, 1, 70000);
    assert_int_equal(used(1), -1);
    assert_int_equal(v->again_at, 0);
    for (uint64_t now = 1; now < 6; now++)
        virtio_expire(v, now);
    assert_int_equal(sent, size);
    assert_int_equal(used(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_single, setup),  cmocka_unit_test_setup(test_slow, setup),
        cmocka_unit_test_setup(test_control, setup), cmocka_unit_test_setup(test_emergency, setup),
        cmocka_unit_test_setup(test_broken, setup),  cmocka_unit_test_setup(test_snapshot, setup),
        cmocka_unit_test_setup(test_large, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
