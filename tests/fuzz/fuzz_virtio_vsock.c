// SPDX-License-Identifier: BSD-2-Clause
// virtio socket device under a random driver and packets of a hostile peer.
// links: vmm/virtio_vsock.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "net_fuzz.h"
#include "virtio_vsock.h"

enum { OWN = 3, PEER = 4 };

static struct virtio_vsock vsock;

static size_t net_fuzz_frame(void *frame)
{
    uint8_t how = (uint8_t)fuzz_take(1);
    struct virtio_vsock_hdr h = {.src_cid = PEER,
                                 .dst_cid = OWN,
                                 .src_port = 1,
                                 .dst_port = 2,
                                 .len = how & 0xf0 ? (uint32_t)fuzz_take(2) % 1471 : 0,
                                 .type = 1,
                                 .op = how % 8};
    const uint64_t hello[3] = {0x6b637376 | (uint64_t)(how & 1) << 32, PEER + how % 2, 0};
    size_t size = sizeof(h) + h.len;
    memset(frame, 0, NET_FRAME_MAX);
    memcpy(frame, &h, sizeof(h));
    if (how == 255) {
        size = 14 + fuzz_take(2) % (NET_FRAME_MAX - 13);
        for (unsigned i = 0; i < sizeof(h); i++)
            ((uint8_t *)frame)[i] ^= (uint8_t)fuzz_take(1);
    } else if (how >= 250) {
        size = sizeof(hello);
        memcpy(frame, hello, size);
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&vsock, 0, sizeof(vsock));
    net_fuzz_room = net_fuzz_coming = 0;
    CHECK(virtio_vsock_init(&vsock, &driver_bus, &driver_ram, &net_fuzz_link, OWN));
    virtio_fuzz_setup(&vsock.v);
    vsock.s.peer = PEER;
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 4 == 0) {
            net_fuzz_arrived(op >> 4);
        } else if (op % 4 == 1) {
            net_fuzz_has_room(op >> 2);
        } else if (op == 2) { /* a good header where buffers often are */
            struct virtio_vsock_hdr h = {.src_cid = OWN, .dst_cid = PEER, .type = 1, .op = 5};
            h.len = (uint32_t)fuzz_take(2);
            memcpy(driver_memory + DRIVER_DATA + fuzz_take(1), &h, sizeof(h));
        } else {
            virtio_fuzz_step(&vsock.v);
        }
        CHECK(vsock.s.held <= NET_FRAME_MAX && vsock.s.replies <= VIRTIO_VSOCK_REPLIES);
    }
    return 0;
}
