// SPDX-License-Identifier: BSD-2-Clause
// Differential test of the decoder against capstone 4, on random bytes shaped like instructions, in
// 16-, 32- and 64-bit mode: validity and length must agree. Where capstone is known to be wrong,
// or the decoder promises less (see decode()), the case is named in one of two functions below.
// links: vmm/decode.c vmm/decode_tables.c
// libs: -lcapstone
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <capstone/capstone.h>

#include "decode.h"

#define ROUNDS 300000 // for each of three modes
#define BYTES  24

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x * 2685821657736338717ull;
}

// Random bytes; often with prefixes, or an escape to one of the larger maps, in front.
static void generate(uint8_t bytes[BYTES])
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36,
                                       0x3e, 0x26, 0x64, 0x65, 0xf0};
    uint64_t r = random64();
    unsigned k = 0;

    for (unsigned i = 0; i < BYTES; i += 8)
        memcpy(bytes + i, &(uint64_t){random64()}, 8);
    if ((r & 3) == 0)
        bytes[k++] = prefixes[(r >> 8 & 0xff) % sizeof(prefixes)];
    if ((r & 0x30) == 0)
        bytes[k++] = prefixes[(r >> 16 & 0xff) % sizeof(prefixes)];
    if ((r & 0xc0) == 0)
        bytes[k++] = 0x40 | (r >> 24 & 15);
    switch (r >> 32 & 7) {
    case 0:
    case 1:
    case 2:
        bytes[k] = 0x0f;
        break;
    case 3:
        bytes[k++] = 0x0f;
        bytes[k] = r >> 40 & 1 ? 0x38 : 0x3a;
        break;
    }
}

// Prefixes and opcode, found without the decoder under test.
struct outline {
    bool p66, p67, repeat, lock, rex, rex_w;
    unsigned map; // 0, 0x0f, 0x0f38, 0x0f3a
    uint8_t opcode;
    uint8_t modrm;
};

static struct outline outline_of(const uint8_t *bytes, unsigned mode)
{
    struct outline o = {0};
    unsigned i;

    for (i = 0; i < 15; i++) {
        uint8_t b = bytes[i];
        bool rex = mode == 64 && (b & 0xf0) == 0x40;

        if (rex) {
            o.rex = true; // capstone takes some REX prefixes that a later prefix cancels
            o.rex_w = b & 8;
        } else if (b == 0x66) {
            o.p66 = true;
        } else if (b == 0x67) {
            o.p67 = true;
        } else if (b == 0xf2 || b == 0xf3) {
            o.repeat = true;
        } else if (b == 0xf0) {
            o.lock = true;
        } else if ((b & 0xe7) != 0x26 && b != 0x64 && b != 0x65) {
            break;
        }
    }
    o.opcode = bytes[i++];
    if (o.opcode == 0x0f) {
        o.map = 0x0f;
        o.opcode = bytes[i++];
        if (o.opcode == 0x38 || o.opcode == 0x3a) {
            o.map = 0x0f00 | o.opcode;
            o.opcode = bytes[i++];
        }
    }
    o.modrm = bytes[i];
    return o;
}

static bool is_vex(const struct outline *o, unsigned mode)
{
    return o->map == 0 && (o->opcode == 0xc4 || o->opcode == 0xc5 || o->opcode == 0x62) &&
           (mode == 64 || o->modrm >= 0xc0);
}

// Capstone accepts it, and the decoder does not or says another length. NULL: not a known case.
static const char *capstone_wrongly_accepts(const struct outline *o, unsigned mode, bool accepted)
{
    unsigned op = o->opcode;
    unsigned reg = o->modrm >> 3 & 7;

    if (!accepted && o->lock)
        return "LOCK where it is #UD";
    if (!accepted && is_vex(o, mode) && (o->p66 || o->repeat || o->rex))
        return "66, F2, F3 or REX before VEX";
    if (!accepted && o->map == 0 && op == 0x8f && (o->modrm & 0x1f) >= 8)
        return "XOP (AMD, withdrawn)";
    if (!accepted && o->map == 0 && op == 0x8e && reg == 1)
        return "MOV to CS";
    if (!accepted && o->map == 0x0f && op >= 0x20 && op <= 0x23)
        return "control or debug register that does not exist";
    if (!accepted && o->map == 0x0f && (op == 0xa6 || op == 0xa7))
        return "VIA PadLock";
    if (accepted && o->map == 0x0f && (op == 0xb9 || op == 0xff))
        return "UD0 and UD1 without their ModRM byte";
    if (accepted && o->map == 0x0f && op == 0x78 && (o->p66 || o->repeat || (o->p67 && o->rex_w)))
        return "EXTRQ and INSERTQ taken for VMREAD, or the reverse with 67 and REX.W";
    if (accepted && mode == 64 && o->p66 &&
        ((o->map == 0 && (op & ~1u) == 0xe8) || (o->map == 0x0f && op >> 4 == 8)))
        return "near branch with 66: AMD's reading, not Intel's";
    if (accepted && mode == 64 && o->map == 0 && (op & ~1u) == 0xe8 && o->p67 && o->rex_w)
        return "near branch with 67 and REX.W: its offset has 32 bits";
    if (accepted && mode == 64 && o->map == 0 && op == 0xc2 && o->rex_w)
        return "RET with REX.W: its immediate has 16 bits";
    if (accepted && o->p66 && o->repeat &&
        ((o->map == 0 && (op == 0x68 || (op & ~1u) == 0xe8)) || (o->map == 0x0f && op >> 4 == 8)))
        return "PUSH or near branch with 66 and F2 or F3: 66 still counts";
    return NULL;
}

// The decoder accepts it and capstone does not. NULL: not a known case.
static const char *capstone_refuses(const struct outline *o, unsigned mode)
{
    unsigned op = o->opcode;

    if (is_vex(o, mode))
        return "reserved or newer VEX and EVEX encodings: not checked by the decoder";
    if (o->map == 0x0f38 || o->map == 0x0f3a)
        return "0F38 and 0F3A with a prefix that no instruction has: not checked";
    if (o->map == 0 && op >= 0xd8 && op <= 0xdf)
        return "reserved x87 encodings: not checked";
    if (o->map == 0 && (op == 0x8c || op == 0x8e) && o->rex)
        return "MOV of a segment register with REX.R, which is ignored";
    if (o->map == 0 && op >= 0xa0 && op <= 0xa3 && o->repeat)
        return "MOV moffs with 66 and F2 or F3, which is ignored";
    if (o->map != 0x0f)
        return NULL;
    switch (op) {
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
    case 0xff:
        return "UD0 at the end of what capstone reads";
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

static void agrees_with_capstone(void **unused)
{
    static const cs_mode capstone_mode[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    static const unsigned modes[] = {16, 32, 64};
    unsigned known = 0, accepted_by_both = 0;

    (void)unused;
    for (unsigned m = 0; m < 3; m++) {
        csh handle;
        assert_int_equal(cs_open(CS_ARCH_X86, capstone_mode[m], &handle), CS_ERR_OK);
        cs_insn *theirs = cs_malloc(handle);

        for (unsigned i = 0; i < ROUNDS; i++) {
            uint8_t bytes[BYTES];
            struct insn ours;
            uint64_t address = 0;
            size_t left = BYTES;

            generate(bytes);
            const uint8_t *at = bytes;
            bool valid = cs_disasm_iter(handle, &at, &left, &address, theirs);
            bool accepted = decode(&ours, bytes, BYTES, modes[m]) == DECODE_OK;
            if (accepted == valid && (!valid || ours.length == theirs->size)) {
                accepted_by_both += valid;
                continue;
            }
            struct outline o = outline_of(bytes, modes[m]);
            const char *reason = valid ? capstone_wrongly_accepts(&o, modes[m], accepted)
                                       : capstone_refuses(&o, modes[m]);
            if (!reason) {
                print_bytes(bytes, modes[m]);
                fail_msg("length %u, capstone %u", accepted ? ours.length : 0,
                         valid ? theirs->size : 0);
            }
            known++;
        }
        cs_free(theirs, 1);
        cs_close(&handle);
    }
    // The lists above must stay exceptions.
    assert_true(accepted_by_both > 3 * ROUNDS / 2);
    assert_true(known < 3 * ROUNDS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_capstone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
