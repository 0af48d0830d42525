// SPDX-License-Identifier: BSD-2-Clause
// virtio block device under a random driver, with a disk that answers at once, later, or wrongly.
// links: vmm/virtio_blk.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c vmm/block_memory.c
#include "virtio_fuzz.h"

#include "block_memory.h"
#include "virtio_blk.h"

static uint8_t disk[64 * 1024];
static struct block_memory memory;
static struct block_backend backend;
static struct block_request *waiting[VIRTIO_BLK_SLOTS];
static unsigned waits;
static bool later;
static struct virtio_blk blk;

static void submit(struct block_backend *b, struct block_request *r)
{
    (void)b;
    CHECK(r->sector <= backend.sectors && r->count <= backend.sectors - r->sector);
    if (!later) {
        memory.backend.submit(&memory.backend, r);
        return;
    }
    CHECK(waits < VIRTIO_BLK_SLOTS);
    waiting[waits++] = r;
}

static void answer(void)
{
    while (waits > 0) {
        struct block_request *r = waiting[--waits];
        unsigned how = (unsigned)fuzz_take(1);
        if (how & 1)
            memory.backend.submit(&memory.backend, r);
        else
            r->done(r, how / 2 % 3);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    virtio_fuzz_begin(data, size);
    memset(&blk, 0, sizeof(blk));
    waits = 0;
    later = false;
    backend = *block_memory_init(&memory, disk, sizeof(disk), fuzz_take(1) % 8 == 0);
    backend.submit = submit;
    CHECK(virtio_blk_init(&blk, &driver_bus, &driver_ram, &backend, "fuzz", 2));
    virtio_fuzz_setup(&blk.v);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 4 == 0) { /* a request with a good header */
            struct driver_queue *q = &virtio_fuzz_queue[op >> 7];
            const struct virtio_blk_outhdr header = {.type = op >> 2 & 15, .sector = fuzz_take(1)};
            const struct driver_piece pieces[] = {
                {DRIVER_DATA, 16, false},
                {DRIVER_DATA + 512, op & 0x40 ? 16 : 512, header.type % 2 == 0},
                {DRIVER_DATA + 2048, 1, true}};
            memcpy(driver_memory + DRIVER_DATA, &header, sizeof(header));
            if (q->size)
                driver_add(q, pieces, 3);
            later = fuzz_take(1) & 1;
            driver_kick(q->size ? q : &virtio_fuzz_queue[0]);
            if (op & 0x20) /* a reset while it is under way */
                virtio_fuzz_setup(&blk.v);
        } else {
            answer();
            later = false;
            virtio_fuzz_step(&blk.v);
        }
    }
    answer();
    return 0;
}
