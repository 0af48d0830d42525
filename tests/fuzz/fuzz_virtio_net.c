// SPDX-License-Identifier: BSD-2-Clause
// virtio network device under a random driver and frames of a hostile peer.
// links: vmm/virtio_net.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "net_fuzz.h"
#include "virtio_net.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};
static struct virtio_net net;

static size_t net_fuzz_frame(void *frame)
{
    return net_fuzz_any(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&net, 0, sizeof(net));
    net_fuzz_room = net_fuzz_coming = 0;
    CHECK(virtio_net_init(&net, &driver_bus, &driver_ram, &net_fuzz_link, mac));
    virtio_fuzz_setup(&net.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 4 == 0) {
            net_fuzz_arrived(op >> 4);
        } else if (op % 4 == 1) {
            net_fuzz_has_room(op >> 2);
        } else {
            virtio_fuzz_step(&net.v);
        }
        CHECK(net.s.held <= NET_FRAME_MAX);
    }
    return 0;
}
