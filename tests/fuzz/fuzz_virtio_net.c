// SPDX-License-Identifier: BSD-2-Clause
// virtio network device under a random driver and frames of a hostile peer.
// links: vmm/virtio_net.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "virtio_net.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};
static struct virtio_net net;
static unsigned room, coming;

static bool link_send(struct net_link *link, const void *frame, size_t size)
{
    (void)link;
    CHECK(size >= 14 && size <= NET_FRAME_MAX);
    static uint8_t sink[NET_FRAME_MAX];
    memcpy(sink, frame, size);
    if (room == 0)
        return false;
    room--;
    return true;
}

static size_t link_receive(struct net_link *link, void *frame)
{
    (void)link;
    if (coming == 0)
        return 0;
    coming--;
    size_t size = 14 + fuzz_take(2) % (NET_FRAME_MAX - 13);
    memset(frame, (int)fuzz_take(1), size);
    return size;
}

static struct net_link fake_link = {.send = link_send, .receive = link_receive, .up = true};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&net, 0, sizeof(net));
    room = coming = 0;
    CHECK(virtio_net_init(&net, &driver_bus, &driver_ram, &fake_link, mac));
    virtio_fuzz_setup(&net.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 4 == 0) {
            coming = op >> 4;
            fake_link.arrived(fake_link.nic);
        } else if (op % 4 == 1) {
            room = op >> 2;
            fake_link.room(fake_link.nic);
        } else {
            virtio_fuzz_step(&net.v);
        }
        CHECK(net.s.held <= NET_FRAME_MAX);
    }
    return 0;
}
