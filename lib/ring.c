// SPDX-License-Identifier: BSD-2-Clause
// The byte ring of ring.h. Indices count bytes modulo 2^32 and are masked only where the data is
// touched, so full and empty differ.

#include "bulkhead/ring.h"

#include <stddef.h>
#include <string.h>

#define SIZE_MAX_RING (1u << 30)

static bool size_ok(uint32_t size)
{
    return size != 0 && size <= SIZE_MAX_RING && (size & (size - 1)) == 0;
}

uint32_t ring_capacity(uint64_t bytes)
{
    uint32_t size = SIZE_MAX_RING;

    if (bytes <= offsetof(struct ring, data))
        return 0;
    while (size > bytes - offsetof(struct ring, data))
        size >>= 1;
    return size;
}

void ring_init(struct ring *ring, uint32_t size)
{
    ring->head = 0;
    ring->tail = 0;
    memset(ring->data, 0, size);
}

bool ring_open(struct ring_end *end, struct ring *ring, uint32_t size, enum ring_side side)
{
    uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

    if (!size_ok(size))
        return false;
    end->shared = ring;
    end->size = size;
    end->raise = false;
    end->own = side == RING_PRODUCER ? head : tail;
    if (head - tail > size) {
        // A predecessor left nonsense: what it wrote is given up, in both roles by moving to the
        // index of the other side.
        end->own = side == RING_PRODUCER ? tail : head;
        __atomic_store_n(side == RING_PRODUCER ? &ring->head : &ring->tail, end->own,
                         __ATOMIC_RELEASE);
    }
    return true;
}

uint32_t ring_used(const struct ring_end *end)
{
    uint32_t used = __atomic_load_n(&end->shared->head, __ATOMIC_ACQUIRE) - end->own;

    return used <= end->size ? used : 0;
}

uint32_t ring_free(const struct ring_end *end)
{
    uint32_t used = end->own - __atomic_load_n(&end->shared->tail, __ATOMIC_ACQUIRE);

    return used <= end->size ? end->size - used : 0;
}

uint32_t ring_write(struct ring_end *end, const void *from, uint32_t n)
{
    uint32_t room = ring_free(end), before = end->own, at = before & (end->size - 1), first;

    if (n > room)
        n = room;
    if (n == 0)
        return 0;
    first = end->size - at < n ? end->size - at : n;
    memcpy(end->shared->data + at, from, first);
    memcpy(end->shared->data, (const uint8_t *)from + first, n - first);
    end->own = before + n;
    __atomic_store_n(&end->shared->head, end->own, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the peer stores its index, then looks at ours
    if (__atomic_load_n(&end->shared->tail, __ATOMIC_RELAXED) == before)
        end->raise = true;
    return n;
}

// With nothing to read, what a hostile or dead peer did to the indices is repaired, so that its
// successor finds a working ring: an impossible head is taken as the new beginning, and our own
// index, which the peer can overwrite, is stored again.
static void put_back(struct ring_end *end)
{
    uint32_t head = __atomic_load_n(&end->shared->head, __ATOMIC_ACQUIRE);

    if (head - end->own > end->size)
        end->own = head;
    if (__atomic_load_n(&end->shared->tail, __ATOMIC_RELAXED) != end->own)
        __atomic_store_n(&end->shared->tail, end->own, __ATOMIC_RELEASE);
}

uint32_t ring_read(struct ring_end *end, void *to, uint32_t n)
{
    uint32_t used = ring_used(end), before = end->own, at = before & (end->size - 1), first;

    if (n > used)
        n = used;
    if (used == 0)
        put_back(end);
    if (n == 0)
        return 0;
    first = end->size - at < n ? end->size - at : n;
    memcpy(to, end->shared->data + at, first);
    memcpy((uint8_t *)to + first, end->shared->data, n - first);
    end->own = before + n;
    __atomic_store_n(&end->shared->tail, end->own, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&end->shared->head, __ATOMIC_RELAXED) - before >= end->size)
        end->raise = true;
    return n;
}
