// SPDX-License-Identifier: BSD-2-Clause
// virtio console under a random driver, with peers that take and give any number of bytes.
// links: vmm/virtio_console.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "virtio_console.h"

static struct virtio_console console;

static size_t send(void *ctx, const uint8_t *bytes, size_t n)
{
    static uint8_t sink[256];
    (void)ctx;
    CHECK(n > 0 && n <= sizeof(sink));
    memcpy(sink, bytes, n);
    return fuzz_left ? fuzz_take(1) % (n + 1) : n;
}

static size_t take(void *ctx, uint8_t *bytes, size_t n)
{
    (void)ctx;
    CHECK(n > 0 && n <= 256);
    n = fuzz_take(1) % (n + 1);
    memset(bytes, 0x55, n);
    return n;
}

static void room(void *ctx)
{
    virtio_console_poll(&console, ctx != NULL);
}

static const struct virtio_console_peer peers[2] = {
    {NULL, send, take, room, NULL, NULL},
    {"a port", send, take, room, NULL, &console},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&console, 0, sizeof(console));
    CHECK(virtio_console_init(&console, &driver_bus, &driver_ram, 3));
    virtio_console_connect(&console, 0, &peers[0]);
    virtio_fuzz_setup(&console.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
            virtio_console_connect(&console, op >> 3, op & 0x80 ? NULL : &peers[op >> 6 & 1]);
            break;
        case 1:
            virtio_console_poll(&console, op >> 3);
            break;
        case 2: { /* a control message that makes sense */
            const struct virtio_console_control message = {op >> 3 & 3, (uint16_t)fuzz_take(1) % 8,
                                                           op >> 7};
            const struct driver_piece piece = {DRIVER_DATA, sizeof(message), false};
            memcpy(driver_memory + DRIVER_DATA, &message, sizeof(message));
            if (!virtio_fuzz_queue[3].size)
                break;
            driver_add(&virtio_fuzz_queue[3], &piece, 1);
            driver_kick(&virtio_fuzz_queue[3]);
            break;
        }
        default:
            virtio_fuzz_step(&console.v);
        }
    }
    return 0;
}
