// SPDX-License-Identifier: BSD-2-Clause
// Frames between two VMs: whole ones in order, wake-ups that are needed and no others that matter,
// a peer that does not read, one that lies, and one that starts again.
// links: vmm/net_ring.c lib/ring.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net_ring.h"
#include "vm_alloc.h"

#define DATA 8192u

static struct ring *wire[2];
static struct net_ring side[2];
static unsigned told[2]; // how often side n raised its peer
static unsigned arrived[2], room[2];
static uint64_t time_now;
static uint8_t frame[NET_FRAME_MAX], got[NET_FRAME_MAX];
static struct net_ring created;
static unsigned timers;

void *vm_alloc(size_t size)
{
    assert_int_equal(size, sizeof(created));
    memset(&created, 0, sizeof(created));
    return &created;
}

bool chipset_add_timer(struct chipset *c, const uint64_t *deadline,
                       void (*expire)(void *dev, uint64_t now), void *dev)
{
    (void)c;
    assert_ptr_equal(deadline, &created.deadline);
    assert_ptr_equal(expire, net_ring_expire);
    assert_ptr_equal(dev, &created);
    timers++;
    return true;
}

static uint64_t test_now(void *ctx)
{
    (void)ctx;
    return time_now;
}

static struct clock test_clock = {.hz = 1000, .now = test_now};

static void tell(void *ctx)
{
    told[(unsigned *)ctx - told]++;
}

static void nic_arrived(void *nic)
{
    arrived[(struct net_ring *)nic - side]++;
}

static void nic_room(void *nic)
{
    room[(struct net_ring *)nic - side]++;
}

static void open_side(unsigned n)
{
    side[n] = (struct net_ring){0};
    assert_true(net_ring_open(&side[n], wire[!n], wire[n], DATA, &test_clock, tell, &told[n]));
    side[n].link.nic = &side[n];
    side[n].link.arrived = nic_arrived;
    side[n].link.room = nic_room;
    told[n] = 0;
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        free(wire[i]);
        wire[i] = aligned_alloc(64, sizeof(struct ring) + DATA);
        ring_init(wire[i], DATA);
    }
    for (unsigned i = 0; i < 2; i++) {
        open_side(i);
        arrived[i] = room[i] = 0;
    }
    time_now = 1000;
    return 0;
}

static bool send(unsigned n, size_t size, uint8_t value)
{
    memset(frame, value, sizeof(frame));
    return side[n].link.send(&side[n].link, frame, size);
}

static size_t receive(unsigned n)
{
    return side[n].link.receive(&side[n].link, got);
}

static void test_frames(void **state)
{
    (void)state;
    assert_int_equal(receive(1), 0);
    assert_true(send(0, 14, 1));
    assert_int_equal(told[0], 1); // it may sleep
    assert_true(send(0, NET_FRAME_MAX, 2));
    assert_int_equal(told[0], 1);
    assert_int_equal(receive(1), 14);
    assert_int_equal(got[13], 1);
    assert_int_equal(receive(1), NET_FRAME_MAX);
    assert_int_equal(got[NET_FRAME_MAX - 1], 2);
    assert_int_equal(receive(1), 0);
    assert_int_equal(told[1], 0); // nobody waits for room
    assert_true(send(0, 13, 3));  // too short: dropped
    assert_true(send(0, NET_FRAME_MAX + 1, 3));
    assert_int_equal(receive(1), 0);
    for (unsigned i = 0; i < 1000; i++) { // around the end of the ring
        assert_true(send(1, 14 + i, (uint8_t)i));
        assert_int_equal(receive(0), 14 + i);
        assert_int_equal(got[0], (uint8_t)i);
        assert_int_equal(got[13 + i], (uint8_t)i);
    }
    assert_int_equal(side[0].damaged + side[1].damaged, 0);
    net_ring_arrived(&side[0]);
    assert_int_equal(arrived[0], 1);
    assert_int_equal(room[0], 0);
}

// Refused for want of room, the NIC is told as soon as a frame was taken.
static void test_room(void **state)
{
    (void)state;
    unsigned sent = 0;

    while (send(0, 1000, (uint8_t)sent))
        sent++;
    assert_int_equal(sent, 8);
    assert_true(side[0].waiting);
    assert_int_equal(side[0].deadline, 1100);
    told[1] = 0;
    assert_int_equal(receive(1), 1000);
    assert_int_equal(told[1], 1);
    net_ring_arrived(&side[0]);
    assert_int_equal(room[0], 1);
    assert_int_equal(side[0].deadline, CLOCK_NEVER);
    assert_true(send(0, 1000, 99));
    for (unsigned i = 1; i < 8; i++)
        assert_int_equal(receive(1), 1000);
    assert_int_equal(receive(1), 1000);
    assert_int_equal(got[5], 99);
}

// A peer that does not read holds the NIC up for a while only, and loses frames until it reads.
static void test_patience(void **state)
{
    (void)state;
    while (send(0, 1000, 1))
        ;
    time_now = 1100;
    net_ring_expire(&side[0], time_now);
    assert_int_equal(room[0], 1);
    assert_true(send(0, 1000, 2));
    assert_true(send(0, 1000, 2));
    assert_int_equal(side[0].dropped, 2);
    assert_int_equal(receive(1), 1000);
    assert_true(send(0, 1000, 3));
    assert_int_equal(side[0].dropped, 2);
    assert_false(send(0, 1000, 4)); // patient again
    net_ring_expire(&side[1], 5);   // of nobody who waits
    assert_int_equal(room[1], 0);
}

static void test_hostile(void **state)
{
    (void)state;
    static const uint8_t bad[][2] = {{0, 0}, {13, 0}, {0xff, 0xff}, {0xeb, 5}, {100, 0}};

    for (unsigned i = 0; i < 5; i++) {
        setup(NULL);
        memcpy(wire[0]->data, bad[i], 2);
        wire[0]->head = 60; // of "100" only a part is there
        assert_int_equal(receive(1), 0);
        assert_int_equal(side[1].damaged, 1);
        assert_int_equal(wire[0]->tail, 60);
        // An honest successor goes on where the ring stands.
        open_side(0);
        assert_true(send(0, 200, 7));
        assert_int_equal(receive(1), 200);
    }
    setup(NULL);
    wire[0]->head = 1; // half of a length
    assert_int_equal(receive(1), 0);
    wire[0]->head = 1 + 2 * DATA; // impossible
    assert_int_equal(receive(1), 0);
    wire[1]->tail = 77; // more than was written
    assert_false(send(1, 100, 1));
}

static void test_restart(void **state)
{
    (void)state;
    while (send(0, 1000, 1))
        ;
    open_side(1); // what was for its predecessor is gone
    assert_int_equal(receive(1), 0);
    assert_true(send(0, 1000, 2));
    assert_int_equal(receive(1), 1000);
    assert_int_equal(got[0], 2);
}

static void test_create(void **state)
{
    (void)state;
    static struct task_info info;
    struct task_device config = {.channel = TASK_CHANNEL_MAX};
    struct device_env env = {.info = &info};
    char error[80];

    struct net_link *link = net_ring_create(&env, &config, error, sizeof(error));
    assert_non_null(link);
    assert_false(link->up);
    assert_true(link->send(link, frame, 100));
    assert_int_equal(link->receive(link, got), 0);
    assert_int_equal(timers, 0);

    struct chipset *chipset = calloc(1, sizeof(*chipset)); // its clock is not used
    env.chipset = chipset;
    info.channel_count = 2;
    info.channels[1] = (struct task_channel){
        .ring_bytes = 4096, .rx = (uintptr_t)wire[0], .tx = (uintptr_t)wire[1]};
    config.channel = 1;
    assert_null(net_ring_create(&env, &config, error, sizeof(error))); // too small a ring
    assert_string_equal(error, "its network cannot be opened");
    free(chipset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_frames, setup),   cmocka_unit_test_setup(test_room, setup),
        cmocka_unit_test_setup(test_patience, setup), cmocka_unit_test_setup(test_hostile, setup),
        cmocka_unit_test_setup(test_restart, setup),  cmocka_unit_test_setup(test_create, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(wire[0]);
    free(wire[1]);
    return failed;
}
