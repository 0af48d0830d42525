// SPDX-License-Identifier: BSD-2-Clause
// virtio entropy device, and with it the transport with its window in configuration space, under a
// random driver.
// links: vmm/virtio_rng.c vmm/entropy.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "virtio_rng.h"

static struct virtio_rng rng;
static uint64_t words;

static bool generator(void *ctx, uint64_t *word)
{
    (void)ctx;
    *word = ++words;
    return words % 64 != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&rng, 0, sizeof(rng));
    words = 0;
    CHECK(entropy_init(&rng.entropy, generator, NULL));
    CHECK(virtio_rng_init(&rng, &driver_bus, &driver_ram));
    virtio_fuzz_setup(&rng.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        unsigned size_of = 1u << (op >> 3) % 3;
        unsigned offset = (op & 0x80 ? rng.v.window + (unsigned)fuzz_take(1) % 20
                                     : (unsigned)fuzz_take(1) % 248) /
                          size_of * size_of;
        if (op % 8 == 0)
            pci_fake_read(&rng.v.pci, offset, size_of);
        else if (op % 8 == 1)
            pci_fake_write(&rng.v.pci, offset, size_of, fuzz_take(size_of));
        else
            virtio_fuzz_step(&rng.v);
    }
    return 0;
}
