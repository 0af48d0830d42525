// SPDX-License-Identifier: BSD-2-Clause
// virtio block device (virtio 1.2 section 5.2). A request is parsed into a slot, and the slot goes
// to the backend, which ends it at once or later. What the request says is checked here: header,
// range, sizes; a wrong request fails, one without place for a status breaks the queue (5.2.6).
#include "virtio_blk.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FEATURES                                                                                 \
    (1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_FLUSH | \
     1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_MQ)
#define WRITE_FEATURES (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

#define RANGE_SECTORS (1u << 22) /* of one discard or write-zeroes request: 2 GiB */

static struct virtio_blk *blk_of(struct virtio_device *v)
{
    return (struct virtio_blk *)v; // its first member
}

static struct virtio_blk_slot *free_slot(struct virtio_blk *blk)
{
    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS; i++)
        if (!blk->slot[i].blk)
            return &blk->slot[i];
    return NULL;
}

// The guest gets the status, and the slot is free.
static void finish(struct virtio_blk_slot *slot, uint8_t status)
{
    struct virtio_blk *blk = slot->blk;

    slot->blk = NULL;
    if (slot->stale)
        return;
    *slot->status = status;
    virtqueue_push(&blk->v.queue[slot->queue], slot->head, slot->written + 1);
}

// ---- Parsing

// Copies the list of pieces of `n` bytes at `offset` among these; false: too many.
static bool take_data(struct virtio_blk_slot *slot, const struct virtqueue_segment *from,
                      unsigned count, uint64_t offset, uint64_t n)
{
    struct block_request *r = &slot->request;

    for (unsigned i = 0; i < count && n > 0; i++) {
        if (offset >= from[i].size) {
            offset -= from[i].size;
            continue;
        }
        if (r->segments == VIRTIO_BLK_SEGMENTS)
            return false;
        uint64_t size = from[i].size - offset;
        if (size > n)
            size = n;
        slot->segment[r->segments++] =
            (struct block_segment){(uint8_t *)from[i].address + offset, (uint32_t)size};
        n -= size;
        offset = 0;
    }
    return true;
}

static bool in_range(const struct virtio_blk *blk, uint64_t sector, uint64_t count)
{
    return sector <= blk->backend->sectors && count <= blk->backend->sectors - sector;
}

static uint8_t parse_transfer(struct virtio_blk *blk, struct virtio_blk_slot *slot, bool write,
                              uint64_t sector)
{
    const struct virtqueue_chain *chain = &blk->chain;
    uint64_t bytes =
        write ? chain->readable_size - sizeof(struct virtio_blk_outhdr) : chain->writable_size - 1;

    if (bytes % BLOCK_SECTOR || !in_range(blk, sector, bytes / BLOCK_SECTOR))
        return VIRTIO_BLK_S_IOERR;
    if (write && blk->backend->read_only)
        return VIRTIO_BLK_S_IOERR;
    slot->request.op = write ? BLOCK_WRITE : BLOCK_READ;
    slot->request.sector = sector;
    slot->request.count = bytes / BLOCK_SECTOR;
    bool good = write
                    ? take_data(slot, chain->segment, chain->readable,
                                sizeof(struct virtio_blk_outhdr), bytes)
                    : take_data(slot, chain->segment + chain->readable, chain->writable, 0, bytes);
    if (!good)
        return VIRTIO_BLK_S_IOERR;
    slot->written = write ? 0 : (uint32_t)bytes;
    return VIRTIO_BLK_S_OK;
}

// Discard and write-zeroes: one range, as max_discard_seg says (5.2.6.1).
static uint8_t parse_range(struct virtio_blk *blk, struct virtio_blk_slot *slot, bool zeroes)
{
    struct virtio_blk_discard_write_zeroes range;
    size_t header = sizeof(struct virtio_blk_outhdr);

    if (!virtio_has(&blk->v, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD))
        return VIRTIO_BLK_S_UNSUPP;
    if (blk->chain.readable_size != header + sizeof(range))
        return VIRTIO_BLK_S_IOERR;
    virtqueue_read(&blk->chain, header, &range, sizeof(range));
    if (range.flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
        return VIRTIO_BLK_S_UNSUPP; // 5.2.6.2
    if (range.num_sectors > RANGE_SECTORS || !in_range(blk, range.sector, range.num_sectors))
        return VIRTIO_BLK_S_IOERR;
    slot->request.op = zeroes ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD;
    slot->request.sector = range.sector;
    slot->request.count = range.num_sectors;
    blk->v.work += (uint64_t)range.num_sectors * BLOCK_SECTOR;
    return VIRTIO_BLK_S_OK;
}

// Whether the request is for the backend; else it ends with *status.
static bool parse(struct virtio_blk *blk, struct virtio_blk_slot *slot,
                  const struct virtio_blk_outhdr *header, uint8_t *status)
{
    switch (header->type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        *status = parse_transfer(blk, slot, header->type == VIRTIO_BLK_T_OUT, header->sector);
        return *status == VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_FLUSH:
        slot->request.op = BLOCK_FLUSH;
        return true;
    case VIRTIO_BLK_T_GET_ID:
        slot->written = (uint32_t)(blk->chain.writable_size - 1);
        if (slot->written > VIRTIO_BLK_ID_BYTES)
            slot->written = VIRTIO_BLK_ID_BYTES;
        virtqueue_write(&blk->chain, 0, blk->serial, slot->written);
        *status = VIRTIO_BLK_S_OK;
        return false;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        *status = parse_range(blk, slot, header->type == VIRTIO_BLK_T_WRITE_ZEROES);
        return *status == VIRTIO_BLK_S_OK;
    default:
        *status = VIRTIO_BLK_S_UNSUPP;
        return false;
    }
}

// ---- Requests

static void done(struct block_request *request, enum block_status status)
{
    static const uint8_t codes[] = {[BLOCK_OK] = VIRTIO_BLK_S_OK,
                                    [BLOCK_IO_ERROR] = VIRTIO_BLK_S_IOERR,
                                    [BLOCK_UNSUPPORTED] = VIRTIO_BLK_S_UNSUPP};
    struct virtio_blk_slot *slot = request->ctx;
    struct virtio_blk *blk = slot->blk;
    unsigned queue = slot->queue;
    bool stale = slot->stale;

    finish(slot, codes[status]);
    if (blk->serving) // notify() interrupts when it is through
        blk->ended |= 1u << queue;
    else if (!stale)
        virtio_notify_queue(&blk->v, queue);
    virtio_later(&blk->v, blk->full); // a slot is free
    blk->full = 0;
}

static bool request(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_blk *blk = blk_of(v);
    struct virtio_blk_slot *slot = free_slot(blk);
    struct virtio_blk_outhdr header;
    uint8_t status = VIRTIO_BLK_S_OK;

    if (virtqueue_read(chain, 0, &header, sizeof(header)) != sizeof(header) ||
        chain->writable_size == 0) {
        virtio_broken(v, queue);
        return true;
    }
    if (!slot) {
        blk->full |= 1u << queue;
        return false;
    }
    const struct virtqueue_segment *last = &chain->segment[chain->readable + chain->writable - 1];
    slot->blk = blk;
    slot->stale = false;
    slot->head = chain->head;
    slot->queue = (uint16_t)queue;
    slot->written = 0;
    slot->status = (uint8_t *)last->address + last->size - 1;
    slot->request = (struct block_request){.segment = slot->segment, .done = done, .ctx = slot};
    blk->requests++;
    if (parse(blk, slot, &header, &status))
        blk->backend->submit(blk->backend, &slot->request);
    else
        finish(slot, status);
    return true;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_blk *blk = blk_of(v);

    blk->serving = true;
    virtio_serve(v, queue, &blk->chain, request);
    blk->serving = false;
    for (unsigned i = 0; i < v->queues && blk->ended; i++, blk->ended >>= 1)
        if (blk->ended & 1)
            virtio_notify_queue(v, i);
    blk->ended = 0;
}

// What is at the backend ends without anybody noticing. HAZARD: a backend that is not done at once
// still writes to its segments then.
static void queue_reset(struct virtio_device *v, unsigned queue)
{
    struct virtio_blk *blk = blk_of(v);

    blk->full &= ~(1u << queue);
    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS; i++)
        if (blk->slot[i].queue == queue)
            blk->slot[i].stale = true;
}

static void reset(struct virtio_device *v)
{
    for (unsigned i = 0; i < v->queues; i++)
        queue_reset(v, i);
}

// ---- Snapshots: there is no state but the requests under way, and then there is no snapshot

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    struct virtio_blk *blk = blk_of(v);

    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS; i++)
        if (blk->slot[i].blk)
            return 0;
    return snapshot_save(buf, size, SNAPSHOT_ID('v', 'b', 'k', 1), &blk->config,
                         sizeof(blk->config));
}

static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct virtio_blk *blk = blk_of(v);
    struct virtio_blk_config config;

    return snapshot_load(buf, size, SNAPSHOT_ID('v', 'b', 'k', 1), &config, sizeof(config)) &&
           memcmp(&config, &blk->config, sizeof(config)) == 0; // the same disk
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    struct virtio_blk *blk = blk_of(v);

    return info_length(snprintf(buf, size, "  %.20s: %llu sectors%s, %llu requests\n", blk->serial,
                                (unsigned long long)blk->backend->sectors,
                                blk->backend->read_only ? ", read-only" : "",
                                (unsigned long long)blk->requests),
                       size);
}

static const struct virtio_ops ops = {
    .name = "virtio-blk",
    .id = VIRTIO_ID_BLOCK,
    .class_code = 0x010000, // SCSI controller, as firmware expects
    .features = FEATURES | WRITE_FEATURES | 1ull << VIRTIO_BLK_F_RO,
    .reset = reset,
    .queue_reset = queue_reset,
    .notify = notify,
    .save = save,
    .restore = restore,
    .info = info};

bool virtio_blk_init(struct virtio_blk *blk, struct pci_bus *bus, const struct guest_ram *ram,
                     struct block_backend *backend, const char *serial, unsigned queues)
{
    if (queues < 1)
        queues = 1;
    if (queues > VIRTIO_QUEUES_MAX)
        queues = VIRTIO_QUEUES_MAX;
    blk->backend = backend;
    memset(blk->serial, 0, sizeof(blk->serial)); // not terminated when it is full (5.2.6)
    memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
    blk->config = (struct virtio_blk_config){.capacity = backend->sectors,
                                             .seg_max = VIRTIO_BLK_SEGMENTS,
                                             .blk_size = BLOCK_SECTOR,
                                             .physical_block_exp = 3, // 4 KiB
                                             .min_io_size = 8,
                                             .num_queues = (uint16_t)queues,
                                             .max_discard_sectors = RANGE_SECTORS,
                                             .max_discard_seg = 1,
                                             .discard_sector_alignment = 8,
                                             .max_write_zeroes_sectors = RANGE_SECTORS,
                                             .max_write_zeroes_seg = 1,
                                             .write_zeroes_may_unmap = 1};
    if (!virtio_init(&blk->v, &ops, bus, ram, queues, VIRTIO_BLK_QUEUE_SIZE, &blk->config,
                     offsetof(struct virtio_blk_config, max_secure_erase_sectors)))
        return false;
    blk->v.offered &= ~(backend->read_only ? WRITE_FEATURES : 1ull << VIRTIO_BLK_F_RO);
    return true;
}
