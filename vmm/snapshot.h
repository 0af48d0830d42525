// SPDX-License-Identifier: BSD-2-Clause
// The image of a saved VM: a header, sections with what the vmm knows, and memory of which pages
// that are all zero are left out. One block of memory from beginning to end; whoever has it may
// keep it, copy it, or damage it: a reader looks at version, length and checksum of the whole
// before it believes anything, and checks every length again.
//
// Layout, little-endian, everything aligned to 8 bytes:
//   struct snapshot_header
//   sections: struct snapshot_section, its `length` bytes, padding
//   SNAPSHOT_MEMORY sections hold runs: u64 first page, u64 pages, their bytes; ended by 0, 0.
#ifndef VMM_SNAPSHOT_H
#define VMM_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAGIC   0x3130504e53484c42ull /* "BLHSNP01" */
#define SNAPSHOT_VERSION 2u
#define SNAPSHOT_PAGE    4096u

enum snapshot_kind {
    SNAPSHOT_MACHINE, /* what the VM consists of: must be the same where it is restored */
    SNAPSHOT_CPU,     /* index: vCPU */
    SNAPSHOT_CHIPSET,
    SNAPSHOT_MEMORY, /* index 0: guest RAM, n + 1: memory of device n */
};

struct snapshot_header {
    uint64_t magic;
    uint32_t version, sections;
    uint64_t size;     /* bytes of the whole image */
    uint64_t checksum; /* of all that follows the header */
};

struct snapshot_section {
    uint32_t kind, index; /* enum snapshot_kind */
    uint64_t length;      /* bytes of the contents */
};

/* Writing. The first error sticks: snapshot_finish() tells. */
struct snapshot_writer {
    uint8_t *to;       /* NULL: only counts */
    uint64_t room, at; /* bytes */
    uint64_t section;  /* where the open section begins */
    uint32_t sections;
    bool failed; /* no room */
};

void snapshot_begin(struct snapshot_writer *w, void *to, uint64_t room);

/* Opens a section and gives where up to *room bytes of contents may be put; snapshot_close() says
 * how many there were. For contents whose length is known snapshot_put() does it all. */
void *snapshot_open(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t index,
                    uint64_t *room);
void snapshot_close(struct snapshot_writer *w, uint64_t length);
void snapshot_put(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t index,
                  const void *from, uint64_t length);

/* A section of kind SNAPSHOT_MEMORY; size is a multiple of 4096. */
void snapshot_put_memory(struct snapshot_writer *w, uint32_t index, const void *memory,
                         uint64_t size);

/* Writes the header. The length of the image, 0: it does not fit. */
uint64_t snapshot_finish(struct snapshot_writer *w);

/* Whether the image is whole and of this version; NULL or one line that says what is wrong. */
const char *snapshot_check(const void *image, uint64_t size);

/* The contents of a section of a checked image; NULL: there is none. */
const void *snapshot_find(const void *image, enum snapshot_kind kind, uint32_t index,
                          uint64_t *length);

/* Fills memory, which is zero, from its section. False: it does not fit; the memory is then to be
 * thrown away. With NULL it is only looked at. */
bool snapshot_get_memory(const void *image, uint32_t index, void *memory, uint64_t size);

#endif
