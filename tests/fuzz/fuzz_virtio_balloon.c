// SPDX-License-Identifier: BSD-2-Clause
// virtio balloon under a random driver.
// links: vmm/virtio_balloon.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "virtio_balloon.h"

static struct virtio_balloon balloon;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&balloon, 0, sizeof(balloon));
    CHECK(virtio_balloon_init(&balloon, &driver_bus, &driver_ram));
    virtio_fuzz_setup(&balloon.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 8 == 0)
            virtio_balloon_set_target(&balloon, fuzz_take(4));
        else if (op % 8 == 1)
            virtio_balloon_ask_stats(&balloon);
        else
            virtio_fuzz_step(&balloon.v);
    }
    return 0;
}
