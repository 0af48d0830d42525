// SPDX-License-Identifier: BSD-2-Clause
// Split virtqueues, virtio 1.2 section 2.7. HAZARD: other vCPUs of the guest run while this does,
// so that each field is loaded exactly once, and the order of loads and stores is the
// specification's (2.7.13, 2.7.14). x86 keeps loads and stores in order among themselves; only a
// store before a load of another field (suppress, then look again) needs a fence.
#include "virtqueue.h"

#include <string.h>

// The rings' last entries, behind the arrays, are the event indexes (2.7.6, 2.7.8).
static uint16_t *used_event(const struct virtqueue *q)
{
    return &q->avail_ring->ring[q->size];
}

static uint16_t *avail_event(const struct virtqueue *q)
{
    return (uint16_t *)(void *)&q->used_ring->ring[q->size];
}

static uint16_t load(const uint16_t *from)
{
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *to, uint16_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

void virtqueue_reset(struct virtqueue *q, const struct guest_ram *ram, uint16_t size_max)
{
    *q = (struct virtqueue){
        .ram = ram, .size = size_max, .size_max = size_max, .vector = 0xffff /* none */};
}

bool virtqueue_enable(struct virtqueue *q)
{
    unsigned n = q->size;

    if (n == 0 || n > q->size_max || (n & (n - 1)))
        return false;
    if (q->desc % 16 || q->driver % 2 || q->device % 4)
        return false;
    q->descs = guest_ram_at(q->ram, q->desc, n * sizeof(struct vring_desc));
    q->avail_ring = guest_ram_at(q->ram, q->driver, sizeof(struct vring_avail) + 2 * (n + 1));
    q->used_ring = guest_ram_at(q->ram, q->device,
                                sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + 2);
    q->enabled = q->descs && q->avail_ring && q->used_ring;
    return q->enabled;
}

bool virtqueue_pending(const struct virtqueue *q)
{
    return q->enabled && !q->broken && load(&q->avail_ring->idx) != q->last_avail;
}

// A descriptor as it was at one moment. The barrier keeps the compiler from reading it again.
// Indirect tables may lie at any address.
static struct vring_desc copy(const uint8_t *table, uint32_t index)
{
    struct vring_desc desc;

    memcpy(&desc, table + (uint64_t)index * sizeof(desc), sizeof(desc));
    __asm__ volatile("" ::: "memory");
    return desc;
}

// Adds one piece; false when it is not acceptable.
static bool add(const struct virtqueue *q, struct virtqueue_chain *chain,
                const struct vring_desc *desc)
{
    unsigned n = chain->readable + chain->writable;

    if (n == VIRTQUEUE_SEGMENTS || desc->len == 0)
        return false;
    void *address = guest_ram_at(q->ram, desc->addr, desc->len);
    if (!address)
        return false;
    if (desc->flags & VRING_DESC_F_WRITE) {
        chain->writable++;
        chain->writable_size += desc->len;
    } else {
        if (chain->writable) // 2.7.4.2: what the device writes comes last
            return false;
        chain->readable++;
        chain->readable_size += desc->len;
    }
    chain->segment[n] = (struct virtqueue_segment){address, desc->len};
    return chain->readable_size + chain->writable_size <= UINT32_MAX; // 2.7.5
}

// Follows a chain from `head`. A loop is found because it has more pieces than any chain may have.
static bool gather(const struct virtqueue *q, uint16_t head, struct virtqueue_chain *chain)
{
    const uint8_t *table = (const uint8_t *)q->descs;
    uint32_t entries = q->size, index = head;
    bool indirect = false;

    chain->head = head;
    chain->readable = chain->writable = 0;
    chain->readable_size = chain->writable_size = 0;
    for (unsigned steps = 0; steps <= VIRTQUEUE_SEGMENTS + 1; steps++) {
        if (index >= entries)
            return false;
        struct vring_desc desc = copy(table, index);
        if (desc.flags & VRING_DESC_F_INDIRECT) {
            // 2.7.5.3: a table is the end of its chain, and holds no other table
            if (!q->indirect || indirect || desc.flags & VRING_DESC_F_NEXT)
                return false;
            if (desc.len == 0 || desc.len % sizeof(desc))
                return false;
            table = guest_ram_at(q->ram, desc.addr, desc.len);
            if (!table)
                return false;
            entries = desc.len / sizeof(desc);
            index = 0;
            indirect = true;
            continue;
        }
        if (!add(q, chain, &desc))
            return false;
        if (!(desc.flags & VRING_DESC_F_NEXT))
            return true;
        index = desc.next;
    }
    return false;
}

bool virtqueue_pop(struct virtqueue *q, struct virtqueue_chain *chain)
{
    if (!q->enabled || q->broken)
        return false;
    uint16_t waiting = (uint16_t)(load(&q->avail_ring->idx) - q->last_avail);
    if (waiting == 0)
        return false;
    q->broken =
        waiting > q->size || !gather(q, load(&q->avail_ring->ring[q->last_avail % q->size]), chain);
    if (q->broken)
        return false;
    q->last_avail++;
    return true;
}

void virtqueue_unpop(struct virtqueue *q)
{
    q->last_avail--;
}

void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t written)
{
    virtqueue_push_all(q, &(struct vring_used_elem){head, written}, 1);
}

void virtqueue_push_all(struct virtqueue *q, const struct vring_used_elem *elems, unsigned n)
{
    if (!q->enabled || q->broken)
        return;
    for (unsigned i = 0; i < n; i++)
        q->used_ring->ring[q->used++ % q->size] = elems[i];
    store(&q->used_ring->idx, q->used);
}

bool virtqueue_should_notify(struct virtqueue *q)
{
    uint16_t old = q->signalled;

    if (!q->enabled || q->broken || q->used == old)
        return false;
    q->signalled = q->used;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the used index before the guest's wish
    if (q->event_idx)
        return vring_need_event(load(used_event(q)), q->used, old);
    return !(load(&q->avail_ring->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

void virtqueue_want_kick(struct virtqueue *q, bool want)
{
    if (!q->enabled || q->broken)
        return;
    if (!q->event_idx)
        store(&q->used_ring->flags, want ? 0 : VRING_USED_F_NO_NOTIFY);
    else if (want) // otherwise the event lies behind: no new request reaches it
        store(avail_event(q), q->last_avail);
    if (want)
        __atomic_thread_fence(__ATOMIC_SEQ_CST); // before the caller looks once more
}

// One piece of a copy: from or to guest memory.
static void move(void *guest, void *to, const void *from, size_t n)
{
    if (to)
        memcpy(to, guest, n);
    else
        memcpy(guest, from, n);
}

static size_t transfer(const struct virtqueue_segment *segment, unsigned segments, uint64_t offset,
                       uint8_t *to, const uint8_t *from, size_t n)
{
    size_t done = 0;

    for (unsigned i = 0; i < segments && done < n; i++) {
        if (offset >= segment[i].size) {
            offset -= segment[i].size;
            continue;
        }
        size_t piece = segment[i].size - offset;
        if (piece > n - done)
            piece = n - done;
        move((uint8_t *)segment[i].address + offset, to ? to + done : NULL,
             from ? from + done : NULL, piece);
        done += piece;
        offset = 0;
    }
    return done;
}

size_t virtqueue_read(const struct virtqueue_chain *chain, uint64_t offset, void *to, size_t n)
{
    return transfer(chain->segment, chain->readable, offset, to, NULL, n);
}

size_t virtqueue_write(const struct virtqueue_chain *chain, uint64_t offset, const void *from,
                       size_t n)
{
    return transfer(chain->segment + chain->readable, chain->writable, offset, NULL, from, n);
}
