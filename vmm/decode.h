// SPDX-License-Identifier: BSD-2-Clause
// x86 instruction decoder (SDM vol. 2 chapter 2 and appendix A): prefixes, opcode, ModRM, SIB,
// displacement and immediate of every instruction in the one-byte, 0F, 0F38 and 0F3A maps, in
// legacy, VEX and EVEX encoding. It has no side effects and reads nothing beyond the bytes given.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/vcpu.h"

#define INSN_MAX_LENGTH 15

// Width of the code segment: the default operand and address size follow from it.
enum cpu_mode { CPU_MODE_16 = 16, CPU_MODE_32 = 32, CPU_MODE_64 = 64 };

enum decode_status {
    DECODE_OK,
    DECODE_MORE,     // the bytes end before the instruction does
    DECODE_INVALID,  // the processor raises #UD
    DECODE_TOO_LONG, // longer than 15 bytes: the processor raises #GP(0)
};

enum opcode_map { MAP_ONE_BYTE = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3, MAP_5 = 5, MAP_6 = 6 };
enum insn_encoding { ENCODING_LEGACY, ENCODING_VEX, ENCODING_EVEX };

// insn.base and insn.index: a general register in encoding order (enum gpr), or one of these.
enum { BASE_RIP = 0xfe, REG_NONE = 0xff };

enum {
    PREFIX_OPERAND_SIZE = 1 << 0, // 66
    PREFIX_ADDRESS_SIZE = 1 << 1, // 67
    PREFIX_LOCK = 1 << 2,         // F0
    PREFIX_REPNE = 1 << 3,        // F2; the last one of F2 and F3 counts
    PREFIX_REP = 1 << 4,          // F3
};

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

// One decoded instruction. VEX and EVEX payloads appear as their legacy equivalents: pp as
// prefixes, W R X B as rex.
struct insn {
    uint8_t length;       // bytes, 1..15
    uint8_t encoding;     // enum insn_encoding
    uint8_t map;          // enum opcode_map
    uint8_t opcode;       // last opcode byte
    uint8_t prefixes;     // PREFIX_*
    uint8_t rex;          // 0 without a REX prefix, else 0x40 | REX_*
    uint8_t segment;      // enum seg of the memory operand: the override, else the default
    uint8_t operand_size; // 2, 4 or 8 bytes; an opcode with a byte form ignores it
    uint8_t address_size; // 2, 4 or 8 bytes
    bool has_modrm;
    bool has_memory;  // ModRM or moffs names memory
    bool overridden;  // a segment override is in effect
    uint8_t mod;      // ModRM fields; reg and rm without the REX extension
    uint8_t reg;      // as a general register: insn_reg()
    uint8_t rm;       // as a general register: insn_rm()
    uint8_t base;     // enum gpr, BASE_RIP or REG_NONE
    uint8_t index;    // enum gpr or REG_NONE
    uint8_t scale;    // shift of the index, 0..3
    uint8_t imm_size; // bytes of immediate, 0..8
    uint8_t vvvv;     // VEX: the additional register; 0 when the encoding names none
    bool wide;        // VEX.L: 256 bits
    int64_t disp;     // sign-extended displacement, or the moffs address
    int64_t imm;      // sign-extended immediate; of ENTER and far pointers the raw bytes
};

// Decodes the instruction at `bytes`, of which `n` may be read. `out` is complete only with
// DECODE_OK. Encodings that differ between vendors follow the SDM: near branches ignore 66 in
// 64-bit mode. Reserved opcodes inside the VEX and EVEX maps, and mandatory-prefix combinations
// that no instruction uses, are not rejected: their length is well defined.
enum decode_status decode(struct insn *out, const uint8_t *bytes, size_t n, enum cpu_mode mode);

// Register numbers 0..15 of the ModRM fields.
static inline unsigned insn_reg(const struct insn *insn)
{
    return insn->reg | (insn->rex & REX_R) << 1;
}

static inline unsigned insn_rm(const struct insn *insn)
{
    return insn->rm | (insn->rex & REX_B) << 3;
}

// Shape of an opcode, from the tables in decode_tables.c: what follows it, and where it is valid.
enum {
    IMM_NONE,
    IMM_8,
    IMM_16,
    IMM_Z,       // 2 or 4 bytes by operand size
    IMM_V,       // 2, 4 or 8 bytes by operand size
    IMM_BRANCH,  // as IMM_Z, but 4 bytes in 64-bit mode always
    IMM_ADDRESS, // moffs: by address size
    IMM_FAR,     // offset by operand size, and a selector
    IMM_ENTER,   // 16 bits and 8 bits
    IMM_GROUP3,  // F6 and F7: only TEST (/0, /1) has one
    SHAPE_IMM = 0x0f,
    SHAPE_MODRM = 0x10,
    SHAPE_NOT_64 = 0x20,     // #UD in 64-bit mode
    SHAPE_DEFAULT_64 = 0x40, // 64-bit operands without REX.W in 64-bit mode
    SHAPE_INVALID = 0x80,
};

extern const uint8_t decode_shape_one_byte[256];
extern const uint8_t decode_shape_0f[256];
// Bit n of word n / 16: opcode n is defined in legacy encoding.
extern const uint16_t decode_valid_0f38[16];
extern const uint16_t decode_valid_0f3a[16];
