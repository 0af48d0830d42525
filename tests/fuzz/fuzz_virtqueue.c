// SPDX-License-Identifier: BSD-2-Clause
// Split virtqueues in memory that holds anything: whatever is popped lies in RAM, adds up, and is
// bounded; nothing else is written.
// links: vmm/virtqueue.c vmm/guest_memory.c vmm/clock.c
#include "device_fuzz.h"

#include "virtqueue.h"

#define RAM 0x10000u

static _Alignas(4096) uint8_t memory[RAM];
static struct guest_ram ram = {memory, RAM};
static struct virtqueue q;
static struct virtqueue_chain chain;

static void check(void)
{
    uint64_t readable = 0, writable = 0;
    CHECK(chain.readable + chain.writable <= VIRTQUEUE_SEGMENTS && chain.head < q.size);
    for (unsigned i = 0; i < chain.readable + chain.writable; i++) {
        const struct virtqueue_segment *s = &chain.segment[i];
        const uint8_t *at = s->address;
        CHECK(s->size > 0 && at >= memory && at < memory + RAM &&
              s->size <= (size_t)(memory + RAM - at));
        *(i < chain.readable ? &readable : &writable) += s->size;
    }
    CHECK(readable == chain.readable_size && writable == chain.writable_size);
}

static void request(void)
{
    static uint8_t buf[4096];
    uint64_t offset = fuzz_take(2);
    size_t n = fuzz_take(2) % sizeof(buf);
    if (!virtqueue_pop(&q, &chain))
        return;
    check();
    size_t got = virtqueue_read(&chain, offset, buf, n);
    CHECK(got == n || offset >= chain.readable_size || got == chain.readable_size - offset);
    got = virtqueue_write(&chain, offset, buf, n);
    CHECK(got == n || offset >= chain.writable_size || got == chain.writable_size - offset);
    if (fuzz_take(1) & 1)
        virtqueue_push(&q, chain.head, (uint32_t)n);
    else
        virtqueue_unpop(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    memset(memory, 0, sizeof(memory));
    virtqueue_reset(&q, &ram, 16);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0: /* sensible places, or any */
            virtqueue_reset(&q, &ram, 16);
            q.size = op & 0x80 ? (uint16_t)fuzz_take(2) : 16;
            q.desc = op & 0x40 ? fuzz_take(8) : 0x1000;
            q.driver = op & 0x20 ? fuzz_take(8) : 0x2000;
            q.device = op & 0x10 ? fuzz_take(8) : 0x3000;
            q.event_idx = op & 8;
            q.indirect = true;
            CHECK(virtqueue_enable(&q) == q.enabled);
            break;
        case 1: /* a descriptor */
        case 2: {
            struct vring_desc d = {0x4000 + fuzz_take(1) * 16, (uint32_t)fuzz_take(1) * 16,
                                   (uint16_t)(op >> 3 & 7), (uint16_t)fuzz_take(1) % 17};
            if (op & 0x80)
                d.addr = fuzz_take(8);
            memcpy(memory + (op & 0x40 ? 0x1000 : 0x4000) + fuzz_take(1) % 16 * 16, &d, sizeof(d));
            break;
        }
        case 3: /* available */
            if (q.enabled) {
                q.avail_ring->ring[q.avail_ring->idx % q.size] = (uint16_t)fuzz_take(1) % 17;
                q.avail_ring->idx++;
            }
            break;
        case 4:
            memory[fuzz_take(2)] = (uint8_t)fuzz_take(1);
            break;
        case 5:
            virtqueue_want_kick(&q, op & 0x80);
            virtqueue_should_notify(&q);
            break;
        default:
            request();
        }
    }
    return 0;
}
