// SPDX-License-Identifier: BSD-2-Clause
// Disks behind the device models (virtio-blk, AHCI): requests that end by a callback, so that a
// storage server can stand where memory stands now (block_memory.c: a boot module, read-only, or a
// private copy of one in RAM).
#ifndef VMM_BLOCK_H
#define VMM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SECTOR 512u

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES };
enum block_status { BLOCK_OK, BLOCK_IO_ERROR, BLOCK_UNSUPPORTED };

struct block_segment {
    void *address; /* HAZARD: guest memory: it changes while it is read */
    uint32_t size; /* bytes */
};

struct block_request {
    enum block_op op;
    uint64_t sector; /* of 512 bytes */
    uint64_t count;  /* sectors; for READ and WRITE the segments hold exactly that many bytes */
    const struct block_segment *segment; /* valid until done() */
    unsigned segments;
    void (*done)(struct block_request *request,
                 enum block_status status); /* may be called before submit() returns */
    void *ctx;
};

struct block_backend {
    uint64_t sectors;
    bool read_only;
    void (*submit)(struct block_backend *backend, struct block_request *request);
    void *ctx;
};

#endif
