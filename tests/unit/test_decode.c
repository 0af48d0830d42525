// SPDX-License-Identifier: BSD-2-Clause
// Decoder on hand-written encodings: the fields that the emulator uses, lengths for exits without
// a next RIP, and the limits.
// links: vmm/decode.c vmm/decode_tables.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decode.h"

// 0: it is none.
static unsigned decode_length(const void *bytes, size_t n, enum cpu_mode mode)
{
    struct insn insn;

    return decode(&insn, bytes, n, mode) == DECODE_OK ? insn.length : 0;
}

static struct insn decoded(const char *bytes, size_t n, enum cpu_mode mode)
{
    struct insn insn;

    assert_int_equal(decode(&insn, (const uint8_t *)bytes, n, mode), DECODE_OK);
    assert_int_equal(insn.length, n);
    return insn;
}

#define DECODE(bytes, mode) decoded(bytes, sizeof(bytes) - 1, mode)

static void expect(const char *bytes, size_t n, enum cpu_mode mode, enum decode_status status)
{
    struct insn insn;

    assert_int_equal(decode(&insn, (const uint8_t *)bytes, n, mode), status);
}

#define EXPECT(bytes, mode, status) expect(bytes, sizeof(bytes) - 1, mode, status)

static void local_apic_accesses(void **unused)
{
    (void)unused;
    struct insn insn = DECODE("\x89\x87\xb0\x00\x00\x00", CPU_MODE_64); // mov %eax,0xb0(%rdi)
    assert_int_equal(insn.opcode, 0x89);
    assert_true(insn.has_memory);
    assert_int_equal(insn.base, RDI);
    assert_int_equal(insn.index, REG_NONE);
    assert_int_equal(insn.disp, 0xb0);
    assert_int_equal(insn.operand_size, 4);
    assert_int_equal(insn.address_size, 8);
    assert_int_equal(insn.segment, SEG_DS);

    insn = DECODE("\x89\x04\x25\xb0\xd0\x5f\xff", CPU_MODE_64); // mov %eax,0xffffffffff5fd0b0
    assert_int_equal(insn.base, REG_NONE);
    assert_int_equal(insn.disp, (int64_t)0xffffffffff5fd0b0);

    insn = DECODE("\xc7\x04\x25\xb0\xd0\x5f\xff\x78\x56\x34\xf2", CPU_MODE_64);
    assert_int_equal(insn.imm, (int64_t)0xfffffffff2345678);
    assert_int_equal(insn.imm_size, 4);
}

static void addressing_64(void **unused)
{
    (void)unused;
    struct insn insn = DECODE("\x48\x8b\x05\x10\x00\x00\x00", CPU_MODE_64); // mov 0x10(%rip),%rax
    assert_int_equal(insn.base, BASE_RIP);
    assert_int_equal(insn.operand_size, 8);
    insn = DECODE("\x47\x8b\x5c\xa5\x80", CPU_MODE_64); // mov -128(%r13,%r12,4),%r11d
    assert_int_equal(insn_reg(&insn), 11);
    assert_int_equal(insn.base, 13);
    assert_int_equal(insn.index, 12);
    assert_int_equal(insn.scale, 2);
    assert_int_equal(insn.disp, -128);
    insn = DECODE("\x8b\x04\x24", CPU_MODE_64); // mov (%rsp),%eax
    assert_int_equal(insn.base, RSP);
    assert_int_equal(insn.index, REG_NONE);
    assert_int_equal(insn.segment, SEG_SS);
    insn = DECODE("\x42\x8b\x04\x20", CPU_MODE_64); // mov (%rax,%r12),%eax: index 4 with REX.X
    assert_int_equal(insn.index, 12);
    insn = DECODE("\x67\x8b\x03", CPU_MODE_64);
    assert_int_equal(insn.address_size, 4);
    insn = DECODE("\x48\xa1\x88\x77\x66\x55\x44\x33\x22\x11", CPU_MODE_64); // movabs
    assert_true(insn.has_memory);
    assert_int_equal(insn.disp, 0x1122334455667788);
    insn = DECODE("\x67\xa1\x44\x33\x22\xf1", CPU_MODE_64);
    assert_int_equal((uint32_t)insn.disp, 0xf1223344);
}

static void addressing_16(void **unused)
{
    static const uint8_t bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, REG_NONE, RBX};
    static const uint8_t indexes[8] = {RSI, RDI, RSI, RDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};

    (void)unused;
    for (unsigned rm = 0; rm < 8; rm++) {
        uint8_t bytes[] = {0x8b, rm, 0x34, 0x12};
        struct insn insn;
        assert_int_equal(decode(&insn, bytes, sizeof(bytes), CPU_MODE_16), DECODE_OK);
        assert_int_equal(insn.length, rm == 6 ? 4 : 2);
        assert_int_equal(insn.base, bases[rm]);
        assert_int_equal(insn.index, indexes[rm]);
        assert_int_equal(insn.segment, rm == 2 || rm == 3 ? SEG_SS : SEG_DS);
        assert_int_equal(insn.operand_size, 2);
        if (rm == 6)
            assert_int_equal(insn.disp, 0x1234);
    }
    struct insn insn = DECODE("\x8b\x46\xfe", CPU_MODE_16); // mov -2(%bp),%ax
    assert_int_equal(insn.base, RBP);
    assert_int_equal(insn.disp, -2);
    assert_int_equal(insn.segment, SEG_SS);
    insn = DECODE("\x26\x66\x67\x8b\x84\x88\x78\x56\x34\x12", CPU_MODE_16);
    assert_int_equal(insn.segment, SEG_ES);
    assert_int_equal(insn.operand_size, 4);
    assert_int_equal(insn.address_size, 4);
    assert_int_equal(insn.base, RAX);
    assert_int_equal(insn.index, RCX);
    insn = DECODE("\x67\x8b\x46\x10", CPU_MODE_32); // 16-bit addressing from 32-bit code
    assert_int_equal(insn.address_size, 2);
    assert_int_equal(insn.base, RBP);
}

static void prefixes(void **unused)
{
    (void)unused;
    struct insn insn = DECODE("\x65\x2e\x8b\x03", CPU_MODE_64); // CS after GS changes nothing
    assert_int_equal(insn.segment, SEG_GS);
    insn = DECODE("\x65\x2e\x8b\x03", CPU_MODE_32);
    assert_int_equal(insn.segment, SEG_CS);
    insn = DECODE("\x48\x66\x8b\x03", CPU_MODE_64); // REX before another prefix is void
    assert_int_equal(insn.rex, 0);
    assert_int_equal(insn.operand_size, 2);
    insn = DECODE("\x66\x48\x8b\x03", CPU_MODE_64); // REX.W wins over 66
    assert_int_equal(insn.operand_size, 8);
    insn = DECODE("\xf2\xf3\xa4", CPU_MODE_64); // the last one counts
    assert_int_equal(insn.prefixes, PREFIX_REP);
    insn = DECODE("\x48\x89\x03", CPU_MODE_64);
    assert_int_equal(insn.rex, 0x48);
    struct insn plain;
    assert_int_equal(decode(&plain, (const uint8_t *)"\x48\x89\x03", 3, CPU_MODE_32), DECODE_OK);
    assert_int_equal(plain.length, 1); // DEC EAX
}

static void immediates(void **unused)
{
    (void)unused;
    assert_int_equal(DECODE("\x83\x00\x80", CPU_MODE_32).imm, -128);
    assert_int_equal(DECODE("\x66\x81\x00\x34\xf2", CPU_MODE_32).imm, (int16_t)0xf234);
    DECODE("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", CPU_MODE_64);
    DECODE("\xf6\x00\x12", CPU_MODE_64);             // TEST has an immediate,
    DECODE("\xf6\x10", CPU_MODE_64);                 // NOT has none
    DECODE("\xf7\x00\x01\x02\x03\x04", CPU_MODE_64); //
    DECODE("\xf7\x18", CPU_MODE_64);
    DECODE("\xc8\x01\x02\x03", CPU_MODE_64); // ENTER
    DECODE("\xea\x01\x02\x03\x04\x05\x06", CPU_MODE_32);
    DECODE("\xea\x01\x02\x03\x04", CPU_MODE_16);
    DECODE("\xe8\x01\x02", CPU_MODE_16);
    DECODE("\x66\xe8\x01\x02\x03\x04", CPU_MODE_64); // the SDM's reading
    DECODE("\x0f\x84\x01\x02\x03\x04", CPU_MODE_32);
    DECODE("\x66\x0f\x78\xc0\x01\x02", CPU_MODE_64);         // EXTRQ
    DECODE("\x0f\x0f\x00\x9e", CPU_MODE_64);                 // 3DNow
    DECODE("\x0f\xba\x23\x05", CPU_MODE_64);                 // BT
    DECODE("\x66\x0f\x3a\x0f\x44\x88\x10\x07", CPU_MODE_64); // PALIGNR
}

static void vector_encodings(void **unused)
{
    (void)unused;
    struct insn insn = DECODE("\xc5\xfa\x6f\x44\x88\x10", CPU_MODE_64); // vmovdqu
    assert_int_equal(insn.encoding, ENCODING_VEX);
    assert_int_equal(insn.map, MAP_0F);
    assert_int_equal(insn.prefixes, PREFIX_REP);
    insn = DECODE("\xc4\x43\x7d\x39\x48\x10\x01", CPU_MODE_64); // vextracti128 $1,%ymm9,0x10(%r8)
    assert_int_equal(insn.map, MAP_0F3A);
    assert_int_equal(insn.base, 8);
    assert_int_equal(insn_reg(&insn), 9);
    insn = DECODE("\x62\xf1\x7c\x48\x11\x47\x01", CPU_MODE_64); // vmovups %zmm0,64(%rdi)
    assert_int_equal(insn.encoding, ENCODING_EVEX);
    DECODE("\xc5\xf8\x77", CPU_MODE_64);     // VZEROUPPER has no ModRM
    DECODE("\xc5\x00", CPU_MODE_32);         // LDS
    DECODE("\x62\x00", CPU_MODE_32);         // BOUND
    DECODE("\xc5\xf8\x10\x00", CPU_MODE_32); // VMOVUPS
    EXPECT("\x66\xc5\xf8\x10\x00", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\x48\xc5\xf8\x10\x00", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\xc4\xe0\x7d\x39\x48\x10", CPU_MODE_64, DECODE_INVALID); // map 0
    EXPECT("\x62\xf1\x78\x48\x11\x47\x01", CPU_MODE_64, DECODE_INVALID);
}

static void instructions_of_exits(void **unused)
{
    static const struct {
        const char *bytes;
        unsigned length;
    } cases[] = {
        {"\x0f\xa2", 2},             // CPUID
        {"\x66\x48\x0f\xa2", 4},     // with prefixes
        {"\x0f\x30", 2},             // WRMSR
        {"\x0f\x32", 2},             // RDMSR
        {"\xf4", 1},                 // HLT
        {"\x0f\x01\xd9", 3},         // VMMCALL
        {"\x0f\x01\xc1", 3},         // VMCALL
        {"\x0f\x08", 2},             // INVD
        {"\x0f\x09", 2},             // WBINVD
        {"\xf3\x0f\x09", 3},         // WBNOINVD
        {"\x0f\x01\xd1", 3},         // XSETBV
        {"\x0f\x22\xc0", 3},         // MOV CR0
        {"\x44\x0f\x22\xc0", 4},     // MOV CR8
        {"\x0f\x20\x04", 3},         // MOV from CR: mod is ignored
        {"\x0f\x21\xf8", 3},         // MOV from DR7
        {"\x0f\x31", 2},             // RDTSC
        {"\x0f\x01\xf9", 3},         // RDTSCP
        {"\x0f\x33", 2},             // RDPMC
        {"\xf3\x90", 2},             // PAUSE
        {"\x0f\x01\x3c\x24", 4},     // INVLPG
        {"\x0f\x06", 2},             // CLTS
        {"\x0f\x01\xf0", 3},         // LMSW
        {"\x6c", 1},                 // INSB
        {"\xf3\x66\x6f", 3},         // REP OUTSW
        {"\xe4\x60", 2},             // IN
        {"\x0f\x00\xd8", 3},         // LTR
        {"\x0f\x01\x15\0\0\0\0", 7}, // LGDT
        {"\x66\x0f\x38\x82\x00", 5}, // INVPCID
    };

    (void)unused;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[INSN_MAX_LENGTH] = {0};
        memcpy(bytes, cases[i].bytes, cases[i].length);
        assert_int_equal(decode_length(bytes, sizeof(bytes), CPU_MODE_64), cases[i].length);
    }
}

static void invalid(void **unused)
{
    (void)unused;
    EXPECT("\x06", CPU_MODE_64, DECODE_INVALID); // PUSH ES
    EXPECT("\x82\x00\x00", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\x8d\xc0", CPU_MODE_64, DECODE_INVALID); // LEA of a register
    EXPECT("\x8e\xc8", CPU_MODE_64, DECODE_INVALID); // MOV to CS
    EXPECT("\xff\xf8", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\xc6\x08\x00", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\x0f\x04", CPU_MODE_64, DECODE_INVALID);
    EXPECT("\x0f\x22\xc8", CPU_MODE_64, DECODE_INVALID);     // CR1
    EXPECT("\xf0\x8b\x00", CPU_MODE_64, DECODE_INVALID);     // LOCK MOV
    EXPECT("\xf0\x01\xc0", CPU_MODE_64, DECODE_INVALID);     // LOCK ADD to a register
    EXPECT("\xf0\x83\x38\x00", CPU_MODE_64, DECODE_INVALID); // LOCK CMP
    EXPECT("\xf0\x0f\xba\x20\x00", CPU_MODE_64, DECODE_INVALID);
    DECODE("\xf0\x01\x00", CPU_MODE_64);
    DECODE("\xf0\x0f\xc7\x08", CPU_MODE_64);
    DECODE("\xf0\x0f\xb1\x10", CPU_MODE_64);
    assert_int_equal(decode_length("\x0f\x04\0", 3, CPU_MODE_64), 0);
}

static void limits(void **unused)
{
    static const char longest[] = "\x66\x66\x66\x66\x66\x66\x66\x67\xc7\x84\x88\x01\x02\x03\x04";
    uint8_t prefixes_only[64];

    (void)unused;
    EXPECT("", CPU_MODE_64, DECODE_MORE);
    EXPECT("\x48", CPU_MODE_64, DECODE_MORE);
    EXPECT("\x0f", CPU_MODE_64, DECODE_MORE);
    EXPECT("\x8b\x84", CPU_MODE_64, DECODE_MORE);
    EXPECT("\xc5", CPU_MODE_64, DECODE_MORE);
    expect(longest, 15, CPU_MODE_64, DECODE_TOO_LONG); // its immediate would be bytes 16 and 17
    expect(longest + 2, 13, CPU_MODE_64, DECODE_MORE);
    memset(prefixes_only, 0x2e, sizeof(prefixes_only));
    for (size_t n = 0; n <= sizeof(prefixes_only); n++)
        expect((char *)prefixes_only, n, CPU_MODE_64, n < 15 ? DECODE_MORE : DECODE_TOO_LONG);
    prefixes_only[14] = 0x90;
    assert_int_equal(decode_length(prefixes_only, 64, CPU_MODE_64), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_apic_accesses),
        cmocka_unit_test(addressing_64),
        cmocka_unit_test(addressing_16),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(immediates),
        cmocka_unit_test(vector_encodings),
        cmocka_unit_test(instructions_of_exits),
        cmocka_unit_test(invalid),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
