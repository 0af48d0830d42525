// SPDX-License-Identifier: BSD-2-Clause
// A single-producer, single-consumer byte ring in memory that two tasks share.
//
// The memory belongs to the server; the peer maps it too and is taken to be hostile. So each side
// keeps its own index and the size in private memory (struct ring_end), reads the index of the
// other side once per operation, and believes it only when it is possible: an index that claims
// more than `size` bytes counts as "nothing to do". Whatever the peer writes, no access leaves
// data[0..size).
//
// When to raise the peer's signal: exactly when ring_write or ring_read set `raise` (it stays set
// until the caller clears it).
//   - the producer raises when the consumer had taken all there was: it may be asleep;
//   - the consumer raises when the ring had been full: the producer may wait for room.
// A side sleeps only after it saw the ring empty (consumer) or full (producer). Each operation
// stores its own index, then a full fence, then looks at the peer's: of two sides that race, at
// least one sees the other. Signals are sticky, so no wake-up is lost.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ring {
    _Alignas(64) uint32_t head; // bytes ever written, modulo 2^32; stored by the producer
    _Alignas(64) uint32_t tail; // bytes ever read, modulo 2^32; stored by the consumer
    _Alignas(64) uint8_t data[];
};
_Static_assert(sizeof(struct ring) == 128, "the layout is shared between tasks");

enum ring_side { RING_PRODUCER, RING_CONSUMER };

struct ring_end {
    struct ring *shared;
    uint32_t size; // bytes of data[]; a power of two, at most 2^30
    uint32_t own;  // this side's index
    bool raise;    // set when the peer has to be told; cleared by the caller
};

// Largest power of two of data bytes that fits into `bytes` of memory together with the indices; 0
// when there is no room.
uint32_t ring_capacity(uint64_t bytes);

// Empties the ring. For the owner of the memory, while no other side uses it.
void ring_init(struct ring *ring, uint32_t size);

// Opens one side, going on where the shared indices say, or as empty when they are impossible.
// `size` is a power of two that the caller knows from a trusted source, never from the ring itself;
// false when it is not.
bool ring_open(struct ring_end *end, struct ring *ring, uint32_t size, enum ring_side side);

// Producer: copies up to n bytes in; returns how many there was room for.
uint32_t ring_write(struct ring_end *end, const void *from, uint32_t n);

// Consumer: takes up to n bytes out; returns how many there were. Finding none, it repairs indices
// that a peer broke.
uint32_t ring_read(struct ring_end *end, void *to, uint32_t n);

// Consumer: bytes that can be read now. Producer: bytes that can be written now. 0 also when the
// peer's index is impossible.
uint32_t ring_used(const struct ring_end *end);
uint32_t ring_free(const struct ring_end *end);
