// SPDX-License-Identifier: BSD-2-Clause
// Random bytes shaped like x86 instructions: what the differential tests of decoder and emulator
// are fed with.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_CODE 24

static inline uint64_t random64(void)
{
    static uint64_t x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x * 2685821657736338717ull;
}

// How often a differential test shall try: `rounds`, times TEST_TIMES of the environment.
static inline unsigned long random_rounds(unsigned long rounds)
{
    const char *times = getenv("TEST_TIMES");

    return times ? rounds * strtoul(times, NULL, 0) : rounds;
}

// Random bytes; often with prefixes, an escape to one of the larger maps, or VEX in front.
static inline void random_code(uint8_t bytes[RANDOM_CODE])
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36,
                                       0x3e, 0x26, 0x64, 0x65, 0xf0};
    uint64_t r = random64();
    unsigned k = 0;

    for (unsigned i = 0; i < RANDOM_CODE; i += 8)
        memcpy(bytes + i, &(uint64_t){random64()}, 8);
    if ((r & 3) == 0)
        bytes[k++] = prefixes[(r >> 8 & 0xff) % sizeof(prefixes)];
    if ((r & 0x30) == 0)
        bytes[k++] = prefixes[(r >> 16 & 0xff) % sizeof(prefixes)];
    if ((r & 0xc0) == 0)
        bytes[k++] = 0x40 | (r >> 24 & 15);
    switch (r >> 32 & 15) {
    case 0 ... 5:
        bytes[k] = 0x0f;
        break;
    case 6 ... 7:
        bytes[k++] = 0x0f;
        bytes[k] = r >> 40 & 1 ? 0x38 : 0x3a;
        break;
    case 8: // VEX of three bytes, mostly with vvvv unused
        bytes[0] = 0xc4;
        bytes[1] = 0xe0 | (1 + r % 3);
        bytes[2] = r >> 44 & 1 ? bytes[2] : (bytes[2] & 0x87) | 0x78;
        break;
    case 9:
        bytes[0] = 0xc5;
        bytes[1] |= 0xf8;
        break;
    }
}
