// SPDX-License-Identifier: BSD-2-Clause
// The instructions of test_emulate_registers.c: how they are encoded, which processors have them,
// and which flags the SDM leaves undefined.
#pragma once

#include <stdint.h>

#include "x86.h"

#define ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

enum { LEGACY, VEX };
enum { P0, P66, PF3, PF2 }; // as VEX.pp
enum { ANY = -1 };
enum {
    W0 = 1,
    W1 = 2,
    WIG = 3, // also where W selects the size
    L0 = 4,
    L1 = 8,
    LIG = 12,
    VVVV = 16,
    IMM8 = 32,
    ALIGNED = 64,        // to the vector's size
    SIZE16 = 128,        // 66 is no selector but the operand size, or 16 bytes must be aligned
    NO_ZERO = 256,       // undefined for an operand of zero
    ALIGNED_LEGACY = 512 // 16 bytes
};
enum feature { NONE, AVX, AVX2, BMI1, BMI2, ADX, LZCNT, POPCNT, SSE42, CX16, FEATURES };
enum special { PLAIN, DIVIDE, CALL_MEMORY, CALL_NEXT, RETURN, ON_STACK, LEAVE, TRANSLATE, COMPARE };

struct template
{
    uint8_t encoding, map, prefix, opcode;
    int8_t extension;
    uint16_t traits;
    uint8_t feature;
    uint64_t undefined; // flags
    uint8_t special;
};

static const struct template templates[] = {
// Vector moves that exist in both encodings
#define BOTH(map, prefix, opcode, traits)                                 \
    {LEGACY, map, prefix, opcode, ANY, (traits) & ~0x18, NONE, 0, PLAIN}, \
    {                                                                     \
        VEX, map, prefix, opcode, ANY, traits, AVX, 0, PLAIN              \
    }
    BOTH(1, P0, 0x10, WIG | LIG),
    BOTH(1, P66, 0x10, WIG | LIG),
    BOTH(1, PF3, 0x10, WIG | L0),
    BOTH(1, PF2, 0x10, WIG | L0),
    BOTH(1, P0, 0x11, WIG | LIG),
    BOTH(1, P66, 0x11, WIG | LIG),
    BOTH(1, PF3, 0x11, WIG | L0),
    BOTH(1, PF2, 0x11, WIG | L0),
    BOTH(1, P0, 0x12, WIG | L0 | VVVV),
    BOTH(1, P66, 0x12, WIG | L0 | VVVV),
    BOTH(1, P0, 0x13, WIG | L0),
    BOTH(1, P66, 0x13, WIG | L0),
    BOTH(1, P0, 0x16, WIG | L0 | VVVV),
    BOTH(1, P66, 0x16, WIG | L0 | VVVV),
    BOTH(1, P0, 0x17, WIG | L0),
    BOTH(1, P66, 0x17, WIG | L0),
    BOTH(1, PF3, 0x12, WIG | LIG | ALIGNED_LEGACY),
    BOTH(1, PF3, 0x16, WIG | LIG | ALIGNED_LEGACY),
    BOTH(1, PF2, 0x12, WIG | LIG),
    BOTH(1, P0, 0x28, WIG | LIG | ALIGNED),
    BOTH(1, P66, 0x28, WIG | LIG | ALIGNED),
    BOTH(1, P0, 0x29, WIG | LIG | ALIGNED),
    BOTH(1, P66, 0x29, WIG | LIG | ALIGNED),
    BOTH(1, P0, 0x2b, WIG | LIG | ALIGNED),
    BOTH(1, P66, 0x2b, WIG | LIG | ALIGNED),
    BOTH(1, P66, 0x6e, WIG | L0),
    BOTH(1, P66, 0x7e, WIG | L0),
    BOTH(1, PF3, 0x7e, WIG | L0),
    BOTH(1, P66, 0xd6, WIG | L0),
    BOTH(1, P66, 0x6f, WIG | LIG | ALIGNED),
    BOTH(1, P66, 0x7f, WIG | LIG | ALIGNED),
    BOTH(1, PF3, 0x6f, WIG | LIG),
    BOTH(1, PF3, 0x7f, WIG | LIG),
    BOTH(1, P66, 0xe7, WIG | LIG | ALIGNED),
    BOTH(1, PF2, 0xf0, WIG | LIG),
    BOTH(2, P66, 0x2a, WIG | L0 | ALIGNED),
    BOTH(1, P66, 0xc4, W0 | L0 | VVVV | IMM8),
    BOTH(3, P66, 0x20, W0 | L0 | VVVV | IMM8),
    BOTH(3, P66, 0x22, WIG | L0 | VVVV | IMM8),
    BOTH(3, P66, 0x14, W0 | L0 | IMM8),
    BOTH(3, P66, 0x15, W0 | L0 | IMM8),
    BOTH(3, P66, 0x16, WIG | L0 | IMM8),
    BOTH(3, P66, 0x17, W0 | L0 | IMM8),
    // AVX only
    {VEX, 2, P66, 0x2a, ANY, WIG | L1 | ALIGNED, AVX2, 0, PLAIN},
    {VEX, 2, P66, 0x18, ANY, W0 | LIG, AVX, 0, PLAIN},
    {VEX, 2, P66, 0x19, ANY, W0 | L1, AVX, 0, PLAIN},
    {VEX, 2, P66, 0x1a, ANY, W0 | L1, AVX, 0, PLAIN},
    {VEX, 2, P66, 0x5a, ANY, W0 | L1, AVX2, 0, PLAIN},
    {VEX, 2, P66, 0x58, ANY, W0 | LIG, AVX2, 0, PLAIN},
    {VEX, 2, P66, 0x59, ANY, W0 | LIG, AVX2, 0, PLAIN},
    {VEX, 2, P66, 0x78, ANY, W0 | LIG, AVX2, 0, PLAIN},
    {VEX, 2, P66, 0x79, ANY, W0 | LIG, AVX2, 0, PLAIN},
    {VEX, 3, P66, 0x18, ANY, W0 | L1 | VVVV | IMM8, AVX, 0, PLAIN},
    {VEX, 3, P66, 0x38, ANY, W0 | L1 | VVVV | IMM8, AVX2, 0, PLAIN},
    {VEX, 3, P66, 0x19, ANY, W0 | L1 | IMM8, AVX, 0, PLAIN},
    {VEX, 3, P66, 0x39, ANY, W0 | L1 | IMM8, AVX2, 0, PLAIN},
    // MMX
    {LEGACY, 1, P0, 0x6e, ANY, WIG, NONE, 0, PLAIN},
    {LEGACY, 1, P0, 0x7e, ANY, WIG, NONE, 0, PLAIN},
    {LEGACY, 1, P0, 0x6f, ANY, WIG, NONE, 0, PLAIN},
    {LEGACY, 1, P0, 0x7f, ANY, WIG, NONE, 0, PLAIN},
    {LEGACY, 1, P0, 0xe7, ANY, WIG, NONE, 0, PLAIN},
    // General registers in VEX encoding
    {VEX, 2, P0, 0xf2, ANY, WIG | L0 | VVVV, BMI1, RFLAGS_AF | RFLAGS_PF, PLAIN},
    {VEX, 2, P0, 0xf3, 1, WIG | L0 | VVVV, BMI1, RFLAGS_AF | RFLAGS_PF, PLAIN},
    {VEX, 2, P0, 0xf3, 2, WIG | L0 | VVVV, BMI1, RFLAGS_AF | RFLAGS_PF, PLAIN},
    {VEX, 2, P0, 0xf3, 3, WIG | L0 | VVVV, BMI1, RFLAGS_AF | RFLAGS_PF, PLAIN},
    {VEX, 2, P0, 0xf5, ANY, WIG | L0 | VVVV, BMI2, RFLAGS_AF | RFLAGS_PF, PLAIN},
    {VEX, 2, P0, 0xf7, ANY, WIG | L0 | VVVV, BMI1, RFLAGS_AF | RFLAGS_PF | RFLAGS_SF, PLAIN},
    {VEX, 2, PF2, 0xf5, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 2, PF3, 0xf5, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 2, PF2, 0xf6, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 2, P66, 0xf7, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 2, PF2, 0xf7, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 2, PF3, 0xf7, ANY, WIG | L0 | VVVV, BMI2, 0, PLAIN},
    {VEX, 3, PF2, 0xf0, ANY, WIG | L0 | IMM8, BMI2, 0, PLAIN},
    // Scans and counts
    {LEGACY, 1, P0, 0xbc, ANY, WIG | SIZE16 | NO_ZERO, NONE, ARITH & ~RFLAGS_ZF, PLAIN},
    {LEGACY, 1, P0, 0xbd, ANY, WIG | SIZE16 | NO_ZERO, NONE, ARITH & ~RFLAGS_ZF, PLAIN},
    {LEGACY, 1, PF3, 0xbc, ANY, WIG | SIZE16, BMI1, ARITH & ~(RFLAGS_ZF | RFLAGS_CF), PLAIN},
    {LEGACY, 1, PF3, 0xbd, ANY, WIG | SIZE16, LZCNT, ARITH & ~(RFLAGS_ZF | RFLAGS_CF), PLAIN},
    {LEGACY, 1, PF3, 0xb8, ANY, WIG | SIZE16, POPCNT, 0, PLAIN},
    {LEGACY, 2, PF2, 0xf0, ANY, WIG, SSE42, 0, PLAIN},
    {LEGACY, 2, PF2, 0xf1, ANY, WIG | SIZE16, SSE42, 0, PLAIN},
    {LEGACY, 2, P66, 0xf6, ANY, WIG, ADX, 0, PLAIN},
    {LEGACY, 2, PF3, 0xf6, ANY, WIG, ADX, 0, PLAIN},
    // The rest
    {LEGACY, 0, P0, 0xf6, 6, WIG, NONE, ARITH, DIVIDE},
    {LEGACY, 0, P0, 0xf6, 7, WIG, NONE, ARITH, DIVIDE},
    {LEGACY, 0, P0, 0xf7, 6, WIG | SIZE16, NONE, ARITH, DIVIDE},
    {LEGACY, 0, P0, 0xf7, 7, WIG | SIZE16, NONE, ARITH, DIVIDE},
    {LEGACY, 0, P0, 0xff, 2, WIG, NONE, 0, CALL_MEMORY},
    {LEGACY, 0, P0, 0xff, 4, WIG, NONE, 0, CALL_MEMORY},
    {LEGACY, 0, P0, 0xe8, 0, WIG, NONE, 0, CALL_NEXT},
    {LEGACY, 0, P0, 0xc2, 0, WIG, NONE, 0, RETURN},
    {LEGACY, 0, P0, 0xc3, 0, WIG, NONE, 0, RETURN},
    {LEGACY, 0, P0, 0x50, 0, WIG | SIZE16, NONE, 0, ON_STACK},
    {LEGACY, 0, P0, 0x58, 0, WIG | SIZE16, NONE, 0, ON_STACK},
    {LEGACY, 0, P0, 0x68, 0, WIG | SIZE16, NONE, 0, ON_STACK},
    {LEGACY, 0, P0, 0x6a, 0, WIG | SIZE16, NONE, 0, ON_STACK},
    {LEGACY, 0, P0, 0x9c, 0, WIG | SIZE16, NONE, 0, ON_STACK},
    {LEGACY, 0, P0, 0xc9, 0, WIG | SIZE16, NONE, 0, LEAVE},
    {LEGACY, 0, P0, 0xd7, 0, WIG, NONE, 0, TRANSLATE},
    {LEGACY, 1, P0, 0xc7, 1, W1 | ALIGNED, CX16, 0, COMPARE},
    {LEGACY, 1, P0, 0xc7, 1, W0, NONE, 0, COMPARE},
};
