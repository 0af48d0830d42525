// SPDX-License-Identifier: BSD-2-Clause
// Random bytes for guests: the processor's generator, conditioned by ChaCha20. There is no other
// source: a processor without RDRAND has none at all.
#ifndef VMM_ENTROPY_H
#define VMM_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entropy {
    uint32_t key[8];
    uint64_t latest;                              /* of the generator's: it must not stand still */
    bool (*generator)(void *ctx, uint64_t *word); /* one word of the hardware's; false: not now */
    void *ctx;
};

/* Seeds a pool; `generator` NULL: RDSEED or RDRAND. False: there is no generator, or it does not
 * work. */
bool entropy_init(struct entropy *e, bool (*generator)(void *ctx, uint64_t *word), void *ctx);

/* Fresh seed, then n random bytes. False, and nothing written: the generator failed. */
bool entropy_fill(struct entropy *e, void *to, size_t n);

/* One block of ChaCha20 (RFC 8439 2.3) with a zero nonce. */
void chacha20_block(const uint32_t key[8], uint32_t counter, uint8_t block[64]);

#endif
