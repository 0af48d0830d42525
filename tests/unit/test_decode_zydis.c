// SPDX-License-Identifier: BSD-2-Clause
// Differential test of the decoder against Zydis 4, on random bytes shaped like instructions, in
// 16-, 32- and 64-bit mode: validity, length, opcode, ModRM, address and immediate must agree.
// Where the decoder promises less than Zydis (see decode()), or they read the manuals differently,
// the case is named in one of two functions below.
// links: vmm/decode.c vmm/decode_tables.c
// libs: -lZydis
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "decode.h"
#include "random_code.h"

#define ROUNDS 2000000 // for each of three modes

// Zydis accepts it, and the decoder does not. NULL: not a known case.
static const char *zydis_accepts_more(const ZydisDecodedInstruction *z)
{
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
        return "Knights Corner's vectors";
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP)
        return "XOP (AMD, withdrawn)";
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)
        return "3DNow! (AMD, withdrawn)";
    if (z->meta.isa_set == ZYDIS_ISA_SET_KEYLOCKER ||
        z->meta.isa_set == ZYDIS_ISA_SET_KEYLOCKER_WIDE)
        return "Key Locker, which no guest has";
    if (z->mnemonic == ZYDIS_MNEMONIC_HRESET)
        return "HRESET, which no guest has";
    if (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode == 0xa6 || z->opcode == 0xa7))
        return "VIA PadLock";
    return NULL;
}

// Both accept it, with fields that differ. NULL: not a known case.
static const char *fields_differ(const ZydisDecodedInstruction *z)
{
    if (z->attributes & ZYDIS_ATTRIB_HAS_ADDRESSSIZE && z->attributes & ZYDIS_ATTRIB_HAS_SIB &&
        z->raw.modrm.mod == 0 && z->raw.sib.base == 5)
        return "R13 as a base where there is none, with 67 and REX.B (processors agree)";
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_JKZD:
    case ZYDIS_MNEMONIC_JKNZD:
        return "Knights Corner took these VEX encodings for jumps";
    case ZYDIS_MNEMONIC_BNDLDX:
    case ZYDIS_MNEMONIC_BNDSTX:
    case ZYDIS_MNEMONIC_BNDMOV:
    case ZYDIS_MNEMONIC_BNDMK:
    case ZYDIS_MNEMONIC_BNDCL:
    case ZYDIS_MNEMONIC_BNDCN:
    case ZYDIS_MNEMONIC_BNDCU:
        return "MPX ignores 67, and is withdrawn";
    case ZYDIS_MNEMONIC_LEA:
        return "LEA has no segment";
    default:
        return z->attributes & ZYDIS_ATTRIB_HAS_NOTRACK ? "3E is no override for Zydis" : NULL;
    }
}

// The decoder accepts it and Zydis does not. NULL: not a known case.
static const char *zydis_refuses(const struct insn *o)
{
    unsigned op = o->opcode;

    if (o->encoding != ENCODING_LEGACY)
        return "reserved VEX and EVEX encodings: not checked by the decoder";
    if (o->map == MAP_0F38 || o->map == MAP_0F3A)
        return "0F38 and 0F3A with a prefix that no instruction has: not checked";
    if (o->map == MAP_ONE_BYTE)
        return op >= 0xd8 && op <= 0xdf ? "reserved x87 encodings: not checked" : NULL;
    switch (op) {
    case 0x37: // GETSEC has no prefix
    case 0x01: // reserved parts of group 7
    case 0x0d: // prefetches and hinting NOPs
    case 0x18 ... 0x1f:
    case 0x0f: // 3DNow suffixes
    case 0xae: // group 15
    case 0xb8: // POPCNT
    case 0xc7: // group 9
        return "reserved parts of groups and hints: not checked";
    case 0x10 ... 0x17: // vector instructions with a prefix that none has
    case 0x28 ... 0x2f:
    case 0x50 ... 0x7f:
    case 0xc2 ... 0xc6:
    case 0xd0 ... 0xfe:
        return "vector opcode with a prefix that no instruction has: not checked";
    }
    return NULL;
}

static void print_bytes(const uint8_t *bytes, unsigned mode)
{
    print_message("%u-bit:", mode);
    for (unsigned i = 0; i < 15; i++)
        print_message(" %02x", bytes[i]);
    print_message("\n");
}

static const char *what;
static bool same(const char *name, uint64_t ours, uint64_t theirs)
{
    if (ours == theirs)
        return true;
    static char text[100];
    snprintf(text, sizeof(text), "%s is %#llx, Zydis: %#llx", name, (unsigned long long)ours,
             (unsigned long long)theirs);
    what = text;
    return false;
}

static unsigned register_of(ZydisRegister r)
{
    if (r == ZYDIS_REGISTER_NONE)
        return REG_NONE;
    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
        return BASE_RIP;
    return (unsigned)ZydisRegisterGetId(r);
}

static bool same_memory(const struct insn *o, const ZydisDecodedInstruction *z,
                        const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < z->operand_count; i++) {
        const ZydisDecodedOperand *m = &operands[i];
        if (m->type != ZYDIS_OPERAND_TYPE_MEMORY ||
            m->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT || !o->has_modrm)
            continue;
        bool vector = ZydisRegisterGetClass(m->mem.index) >= ZYDIS_REGCLASS_XMM &&
                      ZydisRegisterGetClass(m->mem.index) <= ZYDIS_REGCLASS_ZMM;
        // RSP as an index is none; an address of 16 bits has both registers as Zydis says.
        return same("base", o->base, register_of(m->mem.base)) &&
               (vector ||
                (same("index", o->index, register_of(m->mem.index)) &&
                 (o->index == REG_NONE || same("scale", 1u << o->scale, m->mem.scale)))) &&
               same("segment", o->segment, register_of(m->mem.segment));
    }
    return true;
}

static bool same_fields(const struct insn *o, const ZydisDecodedInstruction *z,
                        const ZydisDecodedOperand *operands)
{
    static const unsigned maps[] = {
        [ZYDIS_OPCODE_MAP_DEFAULT] = MAP_ONE_BYTE, [ZYDIS_OPCODE_MAP_0F] = MAP_0F,
        [ZYDIS_OPCODE_MAP_0F38] = MAP_0F38,        [ZYDIS_OPCODE_MAP_0F3A] = MAP_0F3A,
        [ZYDIS_OPCODE_MAP_MAP5] = MAP_5,           [ZYDIS_OPCODE_MAP_MAP6] = MAP_6,
    };
    uint64_t imm = z->raw.imm[0].value.u, mask;

    if (!same("length", o->length, z->length))
        return false;
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW) // the suffix is its opcode
        return true;
    if (!same("opcode", o->opcode, z->opcode) || !same("map", o->map, maps[z->opcode_map]))
        return false;
    if (o->has_modrm && z->attributes & ZYDIS_ATTRIB_HAS_MODRM &&
        !(same("mod", o->mod, z->raw.modrm.mod) && same("reg", o->reg, z->raw.modrm.reg) &&
          same("rm", o->rm, z->raw.modrm.rm)))
        return o->map == MAP_0F && (o->opcode & ~3) == 0x20; // mod is ignored there
    if (o->has_memory && !same("address size", o->address_size * 8u, z->address_width))
        return false;
    // The displacement of EVEX is scaled, which is left to who executes it.
    if (o->has_memory && o->encoding != ENCODING_EVEX && z->raw.disp.size &&
        !same("displacement", (uint64_t)o->disp, (uint64_t)z->raw.disp.value))
        return false;
    if (o->imm_size && o->imm_size <= 8 && z->raw.imm[1].size == 0 && z->raw.imm[0].size) {
        mask = o->imm_size == 8 ? ~0ull : (1ull << 8 * o->imm_size) - 1;
        if (!same("immediate's size", o->imm_size * 8u, z->raw.imm[0].size) ||
            !same("immediate", (uint64_t)o->imm & mask, imm & mask))
            return false;
    }
    if (o->encoding == ENCODING_VEX &&
        !(same("vvvv", o->vvvv,
               z->machine_mode == ZYDIS_MACHINE_MODE_LONG_64 ? ~z->raw.vex.vvvv & 15
                                                             : ~z->raw.vex.vvvv & 7) &&
          same("L", o->wide, z->raw.vex.L)))
        return false;
    return same_memory(o, z, operands);
}

static void agrees_with_zydis(void **unused)
{
    static const struct {
        ZydisMachineMode mode;
        ZydisStackWidth stack;
        unsigned bits;
    } modes[] = {{ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, 16},
                 {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, 32},
                 {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, 64}};
    unsigned long rounds = random_rounds(ROUNDS), known = 0, reserved = 0, both = 0;

    (void)unused;
    for (unsigned m = 0; m < 3; m++) {
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, modes[m].mode, modes[m].stack);
        for (unsigned long i = 0; i < rounds; i++) {
            uint8_t bytes[RANDOM_CODE];
            ZydisDecodedInstruction z;
            ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
            struct insn ours;

            random_code(bytes);
            bool valid =
                ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, sizeof(bytes), &z, operands));
            bool accepted = decode(&ours, bytes, sizeof(bytes), modes[m].bits) == DECODE_OK;
            if (accepted && valid) {
                both++;
                if (same_fields(&ours, &z, operands) || fields_differ(&z))
                    continue;
                print_bytes(bytes, modes[m].bits);
                fail_msg("%s (%s)", what, ZydisMnemonicGetString(z.mnemonic));
            }
            if (accepted == valid)
                continue;
            if (valid || ours.encoding == ENCODING_LEGACY)
                known++;
            else
                reserved++;
            if (valid ? zydis_accepts_more(&z) : zydis_refuses(&ours))
                continue;
            print_bytes(bytes, modes[m].bits);
            fail_msg("%s", valid ? ZydisMnemonicGetString(z.mnemonic) : "accepted, not by Zydis");
        }
    }
    print_message("%lu accepted by both, %lu and %lu reserved VEX by one\n", both, known, reserved);
    // The lists above must stay exceptions.
    assert_true(both > 3 * rounds / 2);
    assert_true(known < 3 * rounds / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_zydis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
