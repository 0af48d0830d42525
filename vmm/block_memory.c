// SPDX-License-Identifier: BSD-2-Clause
// A disk that is memory. Device models check ranges before; they are checked here once more, as
// this is what keeps a guest inside of its disk. Discarded sectors become zero, as guests expect of
// write-zeroes, and so that snapshots leave them out.
#include "block_memory.h"

#include <string.h>

static bool transfer(uint8_t *disk, const struct block_request *request)
{
    uint64_t left = request->count * BLOCK_SECTOR;

    for (unsigned i = 0; i < request->segments; i++) {
        const struct block_segment *s = &request->segment[i];

        if (s->size > left)
            return false;
        if (request->op == BLOCK_WRITE)
            memcpy(disk, s->address, s->size);
        else
            memcpy(s->address, disk, s->size);
        disk += s->size;
        left -= s->size;
    }
    return left == 0;
}

static enum block_status perform(const struct block_memory *memory,
                                 const struct block_request *request)
{
    const struct block_backend *b = &memory->backend;

    if (request->op == BLOCK_FLUSH)
        return BLOCK_OK;
    if (request->sector > b->sectors || request->count > b->sectors - request->sector)
        return BLOCK_IO_ERROR;
    if (request->op != BLOCK_READ && b->read_only)
        return BLOCK_IO_ERROR;
    uint8_t *disk = memory->base + request->sector * BLOCK_SECTOR;
    switch (request->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        return transfer(disk, request) ? BLOCK_OK : BLOCK_IO_ERROR;
    case BLOCK_DISCARD:
    case BLOCK_WRITE_ZEROES:
        memset(disk, 0, request->count * BLOCK_SECTOR);
        return BLOCK_OK;
    default:
        return BLOCK_UNSUPPORTED;
    }
}

static void submit(struct block_backend *backend, struct block_request *request)
{
    request->done(request, perform(backend->ctx, request));
}

struct block_backend *block_memory_init(struct block_memory *memory, void *base, uint64_t size,
                                        bool read_only)
{
    *memory = (struct block_memory){.backend = {.sectors = size / BLOCK_SECTOR,
                                                .read_only = read_only,
                                                .submit = submit,
                                                .ctx = memory},
                                    .base = base};
    return &memory->backend;
}
