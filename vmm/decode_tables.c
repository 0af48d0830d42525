// SPDX-License-Identifier: BSD-2-Clause
// Opcode maps of the decoder (SDM vol. 2 appendix A, tables ), one byte per opcode.
// Prefixes and escapes never reach the tables; their entries are 0.
#include "decode.h"

// clang-format off
#define M   SHAPE_MODRM
#define B   IMM_8
#define W   IMM_16
#define Z   IMM_Z
#define V   IMM_V
#define J   IMM_BRANCH
#define O   IMM_ADDRESS
#define MB  (SHAPE_MODRM | IMM_8)
#define MZ  (SHAPE_MODRM | IMM_Z)
#define G3  (SHAPE_MODRM | IMM_GROUP3)
#define N   SHAPE_NOT_64
#define NB  (SHAPE_NOT_64 | IMM_8)
#define NM  (SHAPE_NOT_64 | SHAPE_MODRM)
#define NMB (SHAPE_NOT_64 | SHAPE_MODRM | IMM_8)
#define NP  (SHAPE_NOT_64 | IMM_FAR)
#define D   SHAPE_DEFAULT_64
#define DB  (SHAPE_DEFAULT_64 | IMM_8)
#define DW  (SHAPE_DEFAULT_64 | IMM_16)
#define DZ  (SHAPE_DEFAULT_64 | IMM_Z)
#define DJ  (SHAPE_DEFAULT_64 | IMM_BRANCH)
#define DE  (SHAPE_DEFAULT_64 | IMM_ENTER)
#define DM  (SHAPE_DEFAULT_64 | SHAPE_MODRM)
#define X   SHAPE_INVALID

const uint8_t decode_shape_one_byte[256] = {
    //     0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f
    /* 0 */ M,  M,  M,  M,  B,  Z,  N,  N,  M,  M,  M,  M,  B,  Z,  N,  0,
    /* 1 */ M,  M,  M,  M,  B,  Z,  N,  N,  M,  M,  M,  M,  B,  Z,  N,  N,
    /* 2 */ M,  M,  M,  M,  B,  Z,  0,  N,  M,  M,  M,  M,  B,  Z,  0,  N,
    /* 3 */ M,  M,  M,  M,  B,  Z,  0,  N,  M,  M,  M,  M,  B,  Z,  0,  N,
    /* 4 */ 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    /* 5 */ D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,  D,
    /* 6 */ N,  N,  NM, M,  0,  0,  0,  0,  DZ, MZ, DB, MB, 0,  0,  0,  0,
    /* 7 */ DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB, DB,
    /* 8 */ MB, MZ, NMB,MB, M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  DM,
    /* 9 */ 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  NP, 0,  D,  D,  0,  0,
    /* a */ O,  O,  O,  O,  0,  0,  0,  0,  B,  Z,  0,  0,  0,  0,  0,  0,
    /* b */ B,  B,  B,  B,  B,  B,  B,  B,  V,  V,  V,  V,  V,  V,  V,  V,
    /* c */ MB, MB, DW, D,  NM, NM, MB, MZ, DE, D,  W,  0,  0,  B,  N,  0,
    /* d */ M,  M,  M,  M,  NB, NB, N,  0,  M,  M,  M,  M,  M,  M,  M,  M,
    /* e */ DB, DB, DB, DB, B,  B,  B,  B,  DJ, DJ, NP, DB, 0,  0,  0,  0,
    /* f */ 0,  0,  0,  0,  0,  0,  G3, G3, 0,  0,  0,  0,  0,  0,  M,  M,
};

const uint8_t decode_shape_0f[256] = {
    //     0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f
    /* 0 */ M,  M,  M,  M,  X,  0,  0,  0,  0,  0,  X,  0,  X,  M,  0,  MB,
    /* 1 */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* 2 */ M,  M,  M,  M,  X,  X,  X,  X,  M,  M,  M,  M,  M,  M,  M,  M,
    /* 3 */ 0,  0,  0,  0,  0,  0,  X,  0,  0,  X,  0,  X,  X,  X,  X,  X,
    /* 4 */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* 5 */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* 6 */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* 7 */ MB, MB, MB, MB, M,  M,  M,  0,  M,  M,  X,  X,  M,  M,  M,  M,
    /* 8 */ DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ, DJ,
    /* 9 */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* a */ D,  D,  0,  M,  MB, M,  X,  X,  D,  D,  0,  M,  MB, M,  M,  M,
    /* b */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  MB, M,  M,  M,  M,  M,
    /* c */ M,  M,  MB, M,  MB, MB, MB, M,  0,  0,  0,  0,  0,  0,  0,  0,
    /* d */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* e */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
    /* f */ M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,  M,
};

const uint16_t decode_valid_0f38[16] = {
    [0x0] = 0x0fff, [0x1] = 0x70b1, [0x2] = 0x0f3f, [0x3] = 0xffff, [0x4] = 0x0003,
    [0x8] = 0x0007, [0xc] = 0xbf00, [0xd] = 0xf800, [0xf] = 0x0363,
};

const uint16_t decode_valid_0f3a[16] = {
    [0x0] = 0xff00, [0x1] = 0x00f0, [0x2] = 0x0007, [0x4] = 0x0017, [0x6] = 0x000f,
    [0xc] = 0xd000, [0xd] = 0x8000,
};
// clang-format on
