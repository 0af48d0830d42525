// SPDX-License-Identifier: BSD-2-Clause
// Emulator on hand-written cases: what a comparison with a 64-bit processor cannot show, that is
// 16- and 32-bit modes, segmentation, faults, and what stays unchanged by them.
// links: vmm/decode.c vmm/decode_tables.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_string.c
// links: vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emulate.h"

#define MEMORY 0x4000u

static uint8_t memory[MEMORY]; // linear addresses from 0
static uint64_t fault_at;      // linear address whose accesses fault
static unsigned reads, writes;
static enum walk_access last_intent;
static uint64_t gpr[16];
static struct vcpu_segment seg[6];
static struct cpu_view cpu;
static struct guest_fault fault;

static enum emulate_status check(uint64_t linear, unsigned size, bool write)
{
    if (linear <= fault_at && fault_at < linear + size) {
        fault = (struct guest_fault){14, true, write ? 2 : 0, fault_at};
        return EMULATE_FAULT;
    }
    return linear <= MEMORY - size ? EMULATE_OK : EMULATE_NO_MEMORY;
}

static enum emulate_status memory_read(void *ctx, uint64_t linear, unsigned size,
                                       enum walk_access intent, uint64_t *value,
                                       struct guest_fault *f)
{
    enum emulate_status status = check(linear, size, intent == WALK_WRITE);

    (void)ctx, (void)f;
    last_intent = intent;
    if (status != EMULATE_OK)
        return status;
    reads++;
    *value = 0;
    memcpy(value, memory + linear, size);
    return EMULATE_OK;
}

static enum emulate_status memory_write(void *ctx, uint64_t linear, unsigned size,
                                        const uint64_t *value, struct guest_fault *f)
{
    enum emulate_status status = check(linear, size, true);

    (void)ctx, (void)f;
    if (status != EMULATE_OK)
        return status;
    writes++;
    memcpy(memory + linear, value, size);
    return EMULATE_OK;
}

static const struct emulate_ops ops = {.read = memory_read, .write = memory_write};

static void start(enum cpu_mode mode)
{
    memset(memory, 0, sizeof(memory));
    memset(gpr, 0, sizeof(gpr));
    fault_at = ~0ull;
    reads = writes = 0;
    for (unsigned i = 0; i < 6; i++)
        seg[i] = (struct vcpu_segment){
            .attributes = mode == CPU_MODE_16 ? 0x0093 : 0xc093,
            .limit = mode == CPU_MODE_16 ? 0xffff : 0xffffffff,
        };
    cpu = (struct cpu_view){.gpr = gpr,
                            .rip = 0x1000,
                            .rflags = 2,
                            .cr0 = mode == CPU_MODE_16 ? 0 : CR0_PE,
                            .seg = seg,
                            .mode = mode};
}

static enum emulate_status run(const char *bytes, size_t n)
{
    struct insn insn;

    assert_int_equal(decode(&insn, (const uint8_t *)bytes, n, cpu.mode), DECODE_OK);
    assert_int_equal(insn.length, n);
    return emulate(&cpu, &insn, &ops, NULL, &fault);
}

#define RUN(bytes) run(bytes, sizeof(bytes) - 1)

static uint64_t at(uint64_t linear, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, memory + linear, size);
    return value;
}

static void real_mode(void **unused)
{
    (void)unused;
    start(CPU_MODE_16);
    seg[SEG_DS].base = 0x2000;
    gpr[RAX] = 0xffffffff12345678;
    gpr[RBX] = 0xdead0000fff0;                     // only BX counts
    gpr[RSI] = 0x0110;                             // BX + SI wraps to 0x100
    assert_int_equal(RUN("\x89\x00"), EMULATE_OK); // mov %ax,(%bx,%si)
    assert_int_equal(at(0x2100, 4), 0x5678);
    assert_int_equal(cpu.rip, 0x1002);
    assert_int_equal(RUN("\x66\x89\x00"), EMULATE_OK);
    assert_int_equal(at(0x2100, 4), 0x12345678);
    assert_int_equal(RUN("\x8a\x20"), EMULATE_OK); // mov (%bx,%si),%ah
    assert_int_equal(gpr[RAX], 0xffffffff12347878);

    // The limit of 64 KiB: #GP without an error code, #SS for the stack segment.
    gpr[RBX] = 0xffff;
    gpr[RSI] = 0;
    assert_int_equal(RUN("\x89\x00"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 13);
    assert_false(fault.has_error);
    gpr[RBP] = 0xffff;
    assert_int_equal(RUN("\x89\x46\x00"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 12);

    // Code segments are writable in real mode.
    seg[SEG_CS].attributes = 0x9b;
    gpr[RBX] = 0x200;
    assert_int_equal(RUN("\x2e\x89\x00"), EMULATE_OK);
}

static void protected_segments(void **unused)
{
    (void)unused;
    start(CPU_MODE_32);
    gpr[RBX] = 0x100;
    seg[SEG_DS].base = 0xfffff800; // linear addresses wrap at 4 GiB
    gpr[RBX] = 0x1000;
    gpr[RAX] = 0x55;
    assert_int_equal(RUN("\x88\x03"), EMULATE_OK);
    assert_int_equal(at(0x800, 1), 0x55);

    seg[SEG_DS].base = 0;
    seg[SEG_DS].attributes = 0xc091; // read only
    assert_int_equal(RUN("\x8a\x03"), EMULATE_OK);
    assert_int_equal(RUN("\x88\x03"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 13);
    assert_true(fault.has_error);
    assert_int_equal(fault.error, 0);
    assert_int_equal(RUN("\x00\x03"), EMULATE_FAULT); // read-modify-write checks before reading
    seg[SEG_DS].attributes = 0xc099;                  // execute only
    assert_int_equal(RUN("\x8a\x03"), EMULATE_FAULT);
    seg[SEG_DS].attributes = 0xc09b;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_OK);
    seg[SEG_DS].attributes = 0x1c093; // unusable: a null selector
    assert_int_equal(RUN("\x8a\x03"), EMULATE_FAULT);
    seg[SEG_DS].attributes = 0xc013; // not present
    assert_int_equal(RUN("\x8a\x03"), EMULATE_FAULT);

    seg[SEG_DS].attributes = 0xc097; // expands down: valid above the limit
    seg[SEG_DS].limit = 0xfff;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_OK);
    gpr[RBX] = 0xfff;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_FAULT);
    seg[SEG_DS].attributes = 0x8097; // up to 64 KiB without B
    gpr[RBX] = 0x10000;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_FAULT);

    seg[SEG_DS].attributes = 0xc093;
    seg[SEG_DS].limit = 0x1002;
    gpr[RBX] = 0x1000;
    assert_int_equal(RUN("\x8b\x03"), EMULATE_FAULT); // the fourth byte is beyond
    seg[SEG_DS].limit = 0x1003;
    assert_int_equal(RUN("\x8b\x03"), EMULATE_OK);
    assert_int_equal(RUN("\x64\x8b\x03"), EMULATE_OK); // FS has its own
}

static void long_mode_segments(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    seg[SEG_DS].base = 0x100; // ignored
    seg[SEG_DS].attributes = 0x10000;
    seg[SEG_GS].base = 0x200;
    gpr[RBX] = 0x1000;
    gpr[RAX] = 0x11;
    assert_int_equal(RUN("\x88\x03"), EMULATE_OK);
    assert_int_equal(at(0x1000, 1), 0x11);
    assert_int_equal(RUN("\x65\x88\x03"), EMULATE_OK);
    assert_int_equal(at(0x1200, 1), 0x11);

    gpr[RBX] = 0x800000000000;
    assert_int_equal(RUN("\x88\x03"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 13);
    gpr[RBX] = 0x7fffffffffff; // the second byte is not canonical
    assert_int_equal(RUN("\x66\x89\x03"), EMULATE_FAULT);
    gpr[RBP] = 0x800000000000;
    assert_int_equal(RUN("\x88\x45\x00"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 12);
}

static void faults_change_nothing(void **unused)
{
    static const struct {
        const char *bytes;
        unsigned n;
    } cases[] = {
        {"\x01\x03", 2},         {"\x03\x03", 2},         {"\x87\x03", 2},
        {"\x89\x03", 2},         {"\x8b\x03", 2},         {"\xc7\x03\x01\x02\x03\x04", 6},
        {"\xff\x03", 2},         {"\xf7\x1b", 2},         {"\xd1\x03", 2},
        {"\x0f\xc1\x03", 3},     {"\x0f\xb1\x03", 3},     {"\x0f\xab\x0b", 3},
        {"\x0f\xc7\x0b", 3},     {"\x0f\xb6\x03", 3},     {"\x0f\x44\x03", 3},
        {"\x0f\x94\x03", 3},     {"\x0f\x38\xf0\x03", 4}, {"\x0f\x38\xf1\x03", 4},
        {"\x0f\xa4\x03\x04", 4}, {"\xff\x33", 2},         {"\x8f\x03", 2},
        {"\xf7\x23", 2},         {"\x69\x03\1\2\3\4", 6}, {"\x0f\xc3\x03", 3},
    };

    (void)unused;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t before[16];

        start(CPU_MODE_64);
        for (unsigned r = 0; r < 16; r++)
            gpr[r] = 0x0101010101010101ull * r;
        gpr[RBX] = 0x1000;
        gpr[RSP] = 0x2000;
        gpr[RCX] = 3;
        memcpy(before, gpr, sizeof(gpr));
        fault_at = 0x1000;
        cpu.rflags = 0x8d7;
        assert_int_equal(run(cases[i].bytes, cases[i].n), EMULATE_FAULT);
        assert_int_equal(fault.cr2, 0x1000);
        assert_memory_equal(before, gpr, sizeof(gpr));
        assert_int_equal(cpu.rip, 0x1000);
        assert_int_equal(cpu.rflags, 0x8d7);
        assert_int_equal(at(0x1000, 8), 0);
    }
}

static void writes_are_announced(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RBX] = 0x1000;
    RUN("\x01\x03");
    assert_int_equal(last_intent, WALK_WRITE);
    RUN("\x39\x03"); // CMP only reads
    assert_int_equal(last_intent, WALK_READ);
    RUN("\x0f\xba\x23\x01"); // BT too
    assert_int_equal(last_intent, WALK_READ);
    RUN("\x0f\xba\x2b\x01");
    assert_int_equal(last_intent, WALK_WRITE);
    RUN("\x87\x03");
    assert_int_equal(last_intent, WALK_WRITE);
}

static void one_access_each(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RBX] = 0x1000;
    RUN("\x8b\x03");
    assert_int_equal(reads, 1);
    assert_int_equal(writes, 0);
    RUN("\x89\x03");
    assert_int_equal(reads, 1);
    assert_int_equal(writes, 1);
    RUN("\x0f\xb1\x03"); // CMPXCHG writes in either case
    assert_int_equal(reads, 2);
    assert_int_equal(writes, 2);
    RUN("\x0f\x18\x03"); // a prefetch does neither
    assert_int_equal(reads, 2);
    assert_int_equal(writes, 2);
}

static void repeats_are_bounded_and_restart(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RDI] = 0x1000;
    gpr[RCX] = 300;
    gpr[RAX] = 0xabcd;
    assert_int_equal(RUN("\xf3\x66\xab"), EMULATE_AGAIN);
    assert_int_equal(gpr[RCX], 300 - EMULATE_STRING_MAX);
    assert_int_equal(gpr[RDI], 0x1000 + 2 * EMULATE_STRING_MAX);
    assert_int_equal(cpu.rip, 0x1000);
    assert_int_equal(RUN("\xf3\x66\xab"), EMULATE_AGAIN);
    assert_int_equal(RUN("\xf3\x66\xab"), EMULATE_OK);
    assert_int_equal(gpr[RCX], 0);
    assert_int_equal(cpu.rip, 0x1003);
    assert_int_equal(at(0x1000 + 598, 4), 0xabcd);

    // Exactly the bound is finished in one call.
    gpr[RCX] = EMULATE_STRING_MAX;
    gpr[RDI] = 0x1000;
    assert_int_equal(RUN("\xf3\xaa"), EMULATE_OK);

    // A fault in the middle keeps what was done.
    gpr[RCX] = 16;
    gpr[RSI] = 0x1000;
    gpr[RDI] = 0x2000;
    fault_at = 0x2014;
    cpu.rip = 0x1000;
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_FAULT);
    assert_int_equal(gpr[RCX], 11);
    assert_int_equal(gpr[RSI], 0x1014);
    assert_int_equal(gpr[RDI], 0x2014);
    assert_int_equal(cpu.rip, 0x1000);
}

static void strings_in_16_bit_mode(void **unused)
{
    (void)unused;
    start(CPU_MODE_16);
    seg[SEG_ES].base = 0x2000;
    seg[SEG_SS].base = 0x1000;
    memory[0x1000] = 0x77;
    gpr[RSI] = 0xabcd0000;
    gpr[RDI] = 0x12340005;
    gpr[RCX] = 0xffff0001;
    cpu.rflags |= RFLAGS_DF;
    assert_int_equal(RUN("\xf3\x36\xa4"), EMULATE_OK); // the source segment can be overridden
    assert_int_equal(at(0x2005, 1), 0x77);
    assert_int_equal(gpr[RSI], 0xabcdffff); // 16-bit registers wrap, their upper parts stay
    assert_int_equal(gpr[RDI], 0x12340004);
    assert_int_equal(gpr[RCX], 0xffff0000);
    assert_int_equal(RUN("\xf3\xa4"), EMULATE_OK); // count 0
    assert_int_equal(gpr[RDI], 0x12340004);
}

static void stack(void **unused)
{
    (void)unused;
    start(CPU_MODE_32);
    gpr[RSP] = 0x2000;
    gpr[RBX] = 0x1000;
    memory[0x1000] = 0x42;
    assert_int_equal(RUN("\xff\x33"), EMULATE_OK); // pushl (%ebx)
    assert_int_equal(gpr[RSP], 0x1ffc);
    assert_int_equal(at(0x1ffc, 4), 0x42);
    assert_int_equal(RUN("\x8f\x44\x24\x08"), EMULATE_OK); // popl 8(%esp): address after the pop
    assert_int_equal(gpr[RSP], 0x2000);
    assert_int_equal(at(0x2008, 4), 0x42);

    seg[SEG_SS].attributes = 0x0093; // 16-bit stack
    gpr[RSP] = 0x70002000;
    assert_int_equal(RUN("\xff\x33"), EMULATE_OK);
    assert_int_equal(gpr[RSP], 0x70001ffc);
    assert_int_equal(at(0x1ffc, 4), 0x42);

    start(CPU_MODE_64);
    gpr[RSP] = 0x2000;
    gpr[RBX] = 0x1000;
    assert_int_equal(RUN("\x66\xff\x33"), EMULATE_OK);
    assert_int_equal(gpr[RSP], 0x1ffe);
    assert_int_equal(RUN("\xff\x33"), EMULATE_OK);
    assert_int_equal(gpr[RSP], 0x1ff6);
}

static void flags_and_rip(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RBX] = 0x1000;
    cpu.rflags |= RFLAGS_RF;
    assert_int_equal(RUN("\x89\x03"), EMULATE_OK);
    assert_int_equal(cpu.rflags, 2); // RF ends with the instruction
    start(CPU_MODE_32);
    gpr[RBX] = 0x1000;
    cpu.rip = 0xfffffffe;
    assert_int_equal(RUN("\x89\x03"), EMULATE_OK);
    assert_int_equal(cpu.rip, 0);
}

static void segment_store(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    seg[SEG_GS].selector = 0x2b;
    gpr[RBX] = 0x1000;
    memset(memory + 0x1000, 0xff, 8);
    assert_int_equal(RUN("\x48\x8c\x2b"), EMULATE_OK); // always 16 bits in memory
    assert_int_equal(at(0x1000, 4), 0xffff002b);
}

static void unsupported(void **unused)
{
    static const struct {
        const char *bytes;
        size_t n;
    } refused[] = {
        {"\xd9\x03", 2},                 // FLD
        {"\xff\x1b", 2},                 // CALL far
        {"\xff\x2b", 2},                 // JMP far
        {"\x8e\x03", 2},                 // MOV to ES
        {"\x66\x0f\xef\x03", 4},         // PXOR
        {"\xc5\xf9\xef\x03", 4},         // VPXOR
        {"\x62\xf1\xfe\x48\x6f\x03", 6}, // VMOVDQU64
        {"\x0f\x01\x13", 3},             // LGDT
        {"\x89\xc3", 2},                 // no memory operand
        {"\x90", 1},
    };

    (void)unused;
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        start(CPU_MODE_64);
        gpr[RBX] = 0x1000;
        assert_int_equal(run(refused[i].bytes, refused[i].n), EMULATE_UNSUPPORTED);
        assert_int_equal(cpu.rip, 0x1000);
        assert_int_equal(reads + writes, 0);
    }
}

static void division(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RBX] = 0x1000;
    gpr[RAX] = 0xff80; // -128
    memory[0x1000] = 1;
    assert_int_equal(RUN("\xf6\x3b"), EMULATE_OK); // idivb: the smallest quotient that there is
    assert_int_equal(gpr[RAX], 0x0080);
    memory[0x1000] = 0xff;
    gpr[RAX] = 0xff80;
    assert_int_equal(RUN("\xf6\x3b"), EMULATE_FAULT); // 128
    assert_int_equal(fault.vector, 0);
    assert_false(fault.has_error);
    assert_int_equal(gpr[RAX], 0xff80);
    memory[0x1000] = 0;
    assert_int_equal(RUN("\xf6\x33"), EMULATE_FAULT); // divb by 0
    gpr[RAX] = 0x100;
    memory[0x1000] = 1;
    assert_int_equal(RUN("\xf6\x33"), EMULATE_FAULT); // 256
    gpr[RAX] = 1ull << 63;
    gpr[RDX] = ~0ull;
    memory[0x1000] = 0xff;
    memset(memory + 0x1001, 0xff, 7);
    assert_int_equal(RUN("\x48\xf7\x3b"), EMULATE_FAULT); // idivq: 2^63
}

static uint8_t area[4096] __attribute__((aligned(64)));

static void vector_moves(void **unused)
{
    struct emulate_fpu fpu = {.area = area, .xsave = true, .ymm = 576};

    (void)unused;
    start(CPU_MODE_64);
    memset(area, 0xee, sizeof(area));
    memset(area + 512, 0, 64); // all components in their initial state
    gpr[RBX] = 0x1000;
    memset(memory + 0x1000, 0xff, 32);
    assert_int_equal(RUN("\x0f\x11\x03"), EMULATE_FAULT); // without CR4.OSFXSR: #UD
    assert_int_equal(fault.vector, 6);
    cpu.cr4 = CR4_OSFXSR;
    assert_int_equal(RUN("\xc5\xf8\x11\x03"), EMULATE_FAULT); // AVX wants OSXSAVE
    assert_int_equal(fault.vector, 6);
    cpu.cr4 |= CR4_OSXSAVE;
    cpu.cr0 |= CR0_TS;
    assert_int_equal(RUN("\x0f\x11\x03"), EMULATE_FAULT);
    assert_int_equal(fault.vector, 7);
    cpu.cr0 &= ~CR0_TS;
    assert_int_equal(RUN("\x0f\x11\x03"), EMULATE_FPU); // the registers are not at hand
    assert_int_equal(reads + writes, 0);
    cpu.fpu = &fpu;
    assert_int_equal(RUN("\x0f\x11\x03"), EMULATE_OK); // movups: zeroes, whatever the area says
    assert_int_equal(at(0x1000, 8) | at(0x1008, 8), 0);
    assert_int_equal(writes, 1);
    assert_false(fpu.changed);
    memcpy(memory + 0x1000, "0123456789abcdefghijklmnopqrstuv", 32);
    assert_int_equal(RUN("\xc5\xfe\x6f\x03"), EMULATE_OK); // vmovdqu ymm0
    assert_true(fpu.changed);
    assert_int_equal(area[512], 6);
    assert_memory_equal(area + 160, "0123456789abcdef", 16);
    assert_memory_equal(area + 576, "ghijklmnopqrstuv", 16);
    assert_int_equal(area[176], 0); // the component's other registers came to be zero
    assert_int_equal(RUN("\x66\x0f\x6f\x03"), EMULATE_OK); // movdqa keeps the upper half
    assert_memory_equal(area + 576, "ghijklmnopqrstuv", 16);
    assert_int_equal(RUN("\xc5\xf9\x6f\x03"), EMULATE_OK); // vmovdqa clears it
    assert_int_equal(area[576], 0);

    gpr[RBX] = 0x1008;
    assert_int_equal(RUN("\x66\x0f\x7f\x03"), EMULATE_FAULT); // movdqa: not aligned
    assert_int_equal(fault.vector, 13);
    assert_true(fault.has_error);
    gpr[RBX] = 0x1010;
    assert_int_equal(RUN("\xc5\xfd\x7f\x03"), EMULATE_FAULT); // vmovdqa, 32 bytes
    gpr[RBX] = 0x1008;
    assert_int_equal(RUN("\x48\x0f\xc7\x0b"), EMULATE_FAULT); // cmpxchg16b
    assert_int_equal(fault.vector, 13);
    assert_int_equal(RUN("\x0f\xc7\x0b"), EMULATE_OK); // cmpxchg8b need not be

    fpu.xsave = false; // FXSAVE's format has no header
    fpu.ymm = 0;
    memset(area, 0x55, 512);
    memset(area + 512, 0, 64);
    assert_int_equal(RUN("\x0f\x11\x03"), EMULATE_OK);
    assert_int_equal(at(0x1008, 8), 0x5555555555555555);
    assert_int_equal(RUN("\xc5\xf8\x11\x03"), EMULATE_UNSUPPORTED);
}

// A single step of the guest's stops after each iteration.
static void repeats_and_single_steps(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RDI] = 0x1000;
    gpr[RCX] = 3;
    cpu.rflags |= RFLAGS_TF;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(RUN("\xf3\xaa"), EMULATE_AGAIN);
        assert_int_equal(gpr[RCX], 2 - i);
        assert_int_equal(cpu.rip, 0x1000);
    }
    assert_int_equal(RUN("\xf3\xaa"), EMULATE_OK);
    assert_int_equal(cpu.rip, 0x1002);
}

static void branches(void **unused)
{
    (void)unused;
    start(CPU_MODE_64);
    gpr[RBX] = 0x1000;
    gpr[RSP] = 0x2000;
    memset(memory + 0x1000, 0x80, 8);
    assert_int_equal(RUN("\xff\x13"), EMULATE_FAULT); // call to where no code can be
    assert_int_equal(fault.vector, 13);
    assert_int_equal(gpr[RSP], 0x2000);
    assert_int_equal(writes, 0);
    memcpy(memory + 0x1000, "\x78\x56\x34\x12\x34\x12\0\0", 8);
    assert_int_equal(RUN("\x66\xff\x13"), EMULATE_OK); // 66 does not count
    assert_int_equal(cpu.rip, 0x123412345678);
    assert_int_equal(at(0x1ff8, 8), 0x1003);
    start(CPU_MODE_16);
    gpr[RSP] = 0xaaaa2000;
    cpu.rip = 0xfffe;
    assert_int_equal(RUN("\xe8\x10\x00"), EMULATE_OK); // call: IP wraps
    assert_int_equal(cpu.rip, 0x11);
    assert_int_equal(gpr[RSP], 0xaaaa1ffe);
    seg[SEG_CS].limit = 0xfff;
    memcpy(memory + 0x1ffe, "\x00\x10", 2);
    assert_int_equal(RUN("\xc3"), EMULATE_FAULT); // behind the segment's end
    assert_int_equal(fault.vector, 13);
    assert_int_equal(gpr[RSP], 0xaaaa1ffe);
}

static void modes(void **unused)
{
    struct vcpu_segment cs = {.attributes = 0xa09b};

    (void)unused;
    assert_int_equal(cpu_mode_of(&cs, EFER_LMA), CPU_MODE_64);
    assert_int_equal(cpu_mode_of(&cs, 0), CPU_MODE_16);
    cs.attributes = 0xc0fb;
    assert_int_equal(cpu_mode_of(&cs, EFER_LMA), CPU_MODE_32);
    assert_int_equal(cpu_cpl_of(&cs), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode),
        cmocka_unit_test(protected_segments),
        cmocka_unit_test(long_mode_segments),
        cmocka_unit_test(faults_change_nothing),
        cmocka_unit_test(writes_are_announced),
        cmocka_unit_test(one_access_each),
        cmocka_unit_test(repeats_are_bounded_and_restart),
        cmocka_unit_test(strings_in_16_bit_mode),
        cmocka_unit_test(stack),
        cmocka_unit_test(flags_and_rip),
        cmocka_unit_test(segment_store),
        cmocka_unit_test(unsupported),
        cmocka_unit_test(division),
        cmocka_unit_test(vector_moves),
        cmocka_unit_test(repeats_and_single_steps),
        cmocka_unit_test(branches),
        cmocka_unit_test(modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
