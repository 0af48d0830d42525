// SPDX-License-Identifier: BSD-2-Clause
// Random bytes: RDSEED or RDRAND (SDM 1 7.3.17), 256 bits of it and the TSC for each request, mixed
// into a ChaCha20 key that is replaced by output of its own after every use, so that what was given
// out cannot be computed from what is here later. HAZARD: some processors' generators got stuck
// at all ones or repeat a word; such words are not taken.
#include "entropy.h"

#include <string.h>

#define TRIES        16
#define CPUID_RDRND  (1u << 30) // leaf 1, ECX
#define CPUID_RDSEED (1u << 18) // leaf 7, EBX

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t x[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, uint8_t block[64])
{
    uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];

    memcpy(in + 4, key, 32);
    in[12] = counter;
    memcpy(x, in, sizeof(x));
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++)
            quarter(x, i, 4 + i, 8 + i, 12 + i);
        for (unsigned i = 0; i < 4; i++)
            quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (unsigned i = 0; i < 16; i++)
        x[i] += in[i];
    memcpy(block, x, sizeof(x));
}

static bool rdseed(void *ctx, uint64_t *word)
{
    bool good;

    (void)ctx;
    __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(good));
    return good;
}

static bool rdrand(void *ctx, uint64_t *word)
{
    bool good;

    (void)ctx;
    __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(good));
    return good;
}

static bool (*find_generator(void))(void *ctx, uint64_t *word)
{
    uint32_t a = 0, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    uint32_t leaves = a;
    if (leaves >= 7) {
        a = 7, c = 0;
        __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        if (b & CPUID_RDSEED)
            return rdseed;
    }
    a = 1, c = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & CPUID_RDRND ? rdrand : NULL;
}

// A word of the generator's; false: it gives none, or the same again and again.
static bool generate(struct entropy *e, uint64_t *word)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (e->generator(e->ctx, word) && *word != 0 && *word != UINT64_MAX && *word != e->latest) {
            e->latest = *word;
            return true;
        }
        __builtin_ia32_pause();
    }
    return false;
}

// New seed into the key.
static bool stir(struct entropy *e)
{
    uint64_t seed[4];

    for (unsigned i = 0; i < 4; i++)
        if (!generate(e, &seed[i]))
            return false;
    seed[0] ^= __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < 4; i++) {
        e->key[2 * i] ^= (uint32_t)seed[i];
        e->key[2 * i + 1] ^= (uint32_t)(seed[i] >> 32);
    }
    return true;
}

bool entropy_init(struct entropy *e, bool (*generator)(void *ctx, uint64_t *word), void *ctx)
{
    *e = (struct entropy){.generator = generator ? generator : find_generator(), .ctx = ctx};
    return e->generator && stir(e);
}

bool entropy_fill(struct entropy *e, void *to, size_t n)
{
    uint8_t block[64], *out = to;
    uint32_t counter = 1;

    if (!stir(e))
        return false;
    for (; n > 0; counter++) {
        size_t piece = n < sizeof(block) ? n : sizeof(block);
        chacha20_block(e->key, counter, block);
        memcpy(out, block, piece);
        out += piece;
        n -= piece;
    }
    chacha20_block(e->key, 0, block);
    memcpy(e->key, block, sizeof(e->key));
    return true;
}
