// SPDX-License-Identifier: BSD-2-Clause
// Differential test of the instruction emulator against the processor that runs the test: random
// 64-bit instructions with a memory operand, with random registers, flags and memory, are executed
// natively in a small generated function and by the emulator, and all results compared.
// Flags that the SDM calls undefined are masked.
// links: vmm/decode.c vmm/decode_tables.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_string.c
// links: vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c
#define BUFFER 4096
#include "native_code.h"

#define ROUNDS 200000
#define ARITH  (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

// Which flags an instruction leaves undefined.
enum undefined { NOTHING, LOGIC, SHIFT, BIT, MULTIPLY, DOUBLE_SHIFT };
enum immediate { NO_IMM, IMM8, IMMZ };
enum {
    LOCKABLE = 1,
    BIT_OFFSET = 2, // the register operand is a bit offset
    STRING = 4,
    MOFFS = 8,
    STACK = 16,
    NO_66 = 32,
    BIG_ENDIAN_MOVE = 64,
};

struct template
{
    uint8_t map; // 0, 1 = 0F, 2 = 0F38
    uint8_t first, last;
    uint8_t step;
    int8_t reg_first, reg_last; // opcode extension, -1: any register
    uint8_t imm;
    uint8_t undefined;
    uint8_t traits;
};

static const struct template templates[] = {
    {0, 0x00, 0x01, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE}, // ADD
    {0, 0x02, 0x03, 1, -1, -1, NO_IMM, NOTHING, 0},
    {0, 0x08, 0x09, 1, -1, -1, NO_IMM, LOGIC, LOCKABLE}, // OR
    {0, 0x0a, 0x0b, 1, -1, -1, NO_IMM, LOGIC, 0},
    {0, 0x10, 0x11, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE}, // ADC
    {0, 0x12, 0x13, 1, -1, -1, NO_IMM, NOTHING, 0},
    {0, 0x18, 0x19, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE}, // SBB
    {0, 0x1a, 0x1b, 1, -1, -1, NO_IMM, NOTHING, 0},
    {0, 0x20, 0x21, 1, -1, -1, NO_IMM, LOGIC, LOCKABLE}, // AND
    {0, 0x22, 0x23, 1, -1, -1, NO_IMM, LOGIC, 0},
    {0, 0x28, 0x29, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE}, // SUB
    {0, 0x2a, 0x2b, 1, -1, -1, NO_IMM, NOTHING, 0},
    {0, 0x30, 0x31, 1, -1, -1, NO_IMM, LOGIC, LOCKABLE}, // XOR
    {0, 0x32, 0x33, 1, -1, -1, NO_IMM, LOGIC, 0},
    {0, 0x38, 0x3b, 1, -1, -1, NO_IMM, NOTHING, 0}, // CMP
    {0, 0x63, 0x63, 1, -1, -1, NO_IMM, NOTHING, 0}, // MOVSXD
    {0, 0x69, 0x69, 1, -1, -1, IMMZ, MULTIPLY, 0},  // IMUL
    {0, 0x6b, 0x6b, 1, -1, -1, IMM8, MULTIPLY, 0},
    {0, 0x80, 0x80, 1, 0, 7, IMM8, LOGIC, 0},
    {0, 0x81, 0x81, 1, 0, 7, IMMZ, LOGIC, 0},
    {0, 0x83, 0x83, 1, 0, 7, IMM8, LOGIC, 0},
    {0, 0x80, 0x80, 1, 0, 6, IMM8, LOGIC, LOCKABLE},
    {0, 0x83, 0x83, 1, 0, 6, IMM8, LOGIC, LOCKABLE},
    {0, 0x84, 0x85, 1, -1, -1, NO_IMM, LOGIC, 0},          // TEST
    {0, 0x86, 0x87, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE}, // XCHG
    {0, 0x88, 0x8b, 1, -1, -1, NO_IMM, NOTHING, 0},        // MOV
    {0, 0x8f, 0x8f, 1, 0, 0, NO_IMM, NOTHING, STACK},      // POP
    {0, 0xa0, 0xa3, 1, 0, 0, NO_IMM, NOTHING, MOFFS},
    {0, 0xa4, 0xa7, 1, 0, 0, NO_IMM, NOTHING, STRING}, // MOVS, CMPS
    {0, 0xaa, 0xaf, 1, 0, 0, NO_IMM, NOTHING, STRING}, // STOS, LODS, SCAS
    {0, 0xc0, 0xc1, 1, 0, 7, IMM8, SHIFT, 0},
    {0, 0xd0, 0xd3, 1, 0, 7, NO_IMM, SHIFT, 0},
    {0, 0xc6, 0xc6, 1, 0, 0, IMM8, NOTHING, 0},
    {0, 0xc7, 0xc7, 1, 0, 0, IMMZ, NOTHING, 0},
    {0, 0xf6, 0xf6, 1, 0, 1, IMM8, LOGIC, 0}, // TEST
    {0, 0xf7, 0xf7, 1, 0, 1, IMMZ, LOGIC, 0},
    {0, 0xf6, 0xf7, 1, 2, 3, NO_IMM, NOTHING, LOCKABLE},            // NOT, NEG
    {0, 0xf6, 0xf7, 1, 4, 5, NO_IMM, MULTIPLY, 0},                  // MUL, IMUL
    {0, 0xfe, 0xff, 1, 0, 1, NO_IMM, NOTHING, LOCKABLE},            // INC, DEC
    {0, 0xff, 0xff, 1, 6, 6, NO_IMM, NOTHING, STACK},               // PUSH
    {1, 0x40, 0x4f, 1, -1, -1, NO_IMM, NOTHING, 0},                 // CMOV
    {1, 0x90, 0x9f, 1, 0, 0, NO_IMM, NOTHING, 0},                   // SETcc
    {1, 0xa3, 0xbb, 24, -1, -1, NO_IMM, BIT, BIT_OFFSET},           // BT, BTC
    {1, 0xab, 0xb3, 8, -1, -1, NO_IMM, BIT, BIT_OFFSET | LOCKABLE}, // BTS, BTR
    {1, 0xba, 0xba, 1, 4, 7, IMM8, BIT, 0},
    {1, 0xba, 0xba, 1, 5, 7, IMM8, BIT, LOCKABLE},
    {1, 0xa4, 0xac, 8, -1, -1, IMM8, DOUBLE_SHIFT, 0}, // SHLD, SHRD
    {1, 0xa5, 0xad, 8, -1, -1, NO_IMM, DOUBLE_SHIFT, 0},
    {1, 0xaf, 0xaf, 1, -1, -1, NO_IMM, MULTIPLY, 0},             // IMUL
    {1, 0xb0, 0xb1, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE},       // CMPXCHG
    {1, 0xb6, 0xb7, 1, -1, -1, NO_IMM, NOTHING, 0},              // MOVZX
    {1, 0xbe, 0xbf, 1, -1, -1, NO_IMM, NOTHING, 0},              // MOVSX
    {1, 0xc0, 0xc1, 1, -1, -1, NO_IMM, NOTHING, LOCKABLE},       // XADD
    {1, 0xc3, 0xc3, 1, -1, -1, NO_IMM, NOTHING, NO_66},          // MOVNTI
    {1, 0xc7, 0xc7, 1, 1, 1, NO_IMM, NOTHING, NO_66 | LOCKABLE}, // CMPXCHG8B
    {1, 0x18, 0x18, 1, 0, 3, NO_IMM, NOTHING, 0},                // PREFETCH
    {1, 0x1f, 0x1f, 1, 0, 0, NO_IMM, NOTHING, 0},                // NOP
    {2, 0xf0, 0xf1, 1, -1, -1, NO_IMM, NOTHING, BIG_ENDIAN_MOVE},
};

// ---- generation

struct round {
    const struct template *t;
    uint8_t bytes[16];
    unsigned n;
    uint8_t opcode;
    unsigned extension; // ModRM reg
    unsigned size;      // operand size in bytes
    uint8_t imm;
};

// Address that leaves room on both sides for strings, bit offsets and the stack.
static uint64_t target(void)
{
    return (uintptr_t)buffer + BUFFER / 2 - 256 + below(512);
}

static void put32(struct round *r, uint32_t value)
{
    memcpy(r->bytes + r->n, &value, 4);
    r->n += 4;
}

// ModRM for `address`: sets base and index registers so that it comes out, or uses RIP or disp32.
static void put_address(struct round *r, uint64_t address, uint8_t *rex_at, unsigned imm_size,
                        bool address32, const uint8_t *at)
{
    unsigned reg = r->extension & 7;
    unsigned kind = below(16);
    uint64_t *gpr = state->in;

    if (kind == 0) { // RIP
        r->bytes[r->n++] = reg << 3 | 5;
        put32(r, (uint32_t)(address - ((uintptr_t)at + r->n + 4 + imm_size)));
        return;
    }
    if (kind == 1) { // absolute
        r->bytes[r->n++] = reg << 3 | 4;
        r->bytes[r->n++] = 0x25;
        put32(r, (uint32_t)address);
        return;
    }

    unsigned base = below(rex_at ? 16 : 8);
    unsigned index = below(rex_at ? 16 : 8);
    unsigned scale = below(4);
    bool sib = below(2) || (base & 7) == 4;
    bool bit_offset = r->t->traits & BIT_OFFSET;
    unsigned operand = r->extension;
    if (sib && (index == RSP || index == base))
        index = 4; // none
    if (bit_offset && (base == operand || index == operand)) {
        base = operand == RBX ? RSI : RBX;
        index = 4;
    }
    if (r->t->traits & STACK) // the stack pointer must point into the buffer
        index = 4;
    if (index != 4 && sib && !bit_offset)
        gpr[index] = below(2) ? random64() : below(1000);
    uint64_t sum = sib && index != 4 ? gpr[index] << scale : 0;
    unsigned mod = below(3);
    int32_t disp = mod == 0 ? 0 : mod == 1 ? (int8_t)random64() : (int32_t)random64();
    if (r->t->traits & STACK)
        disp = mod == 0 ? 0 : (int8_t)disp;
    if (mod == 0 && (base & 7) == 5)
        mod = 1;
    if (mod == 1)
        disp = (int8_t)disp;
    gpr[base] = address - (uint64_t)(int64_t)disp - sum;
    if (address32)
        gpr[base] = (gpr[base] & 0xffffffff) | (random64() << 32);

    r->bytes[r->n++] = mod << 6 | reg << 3 | (sib ? 4 : (base & 7));
    if (sib)
        r->bytes[r->n++] = scale << 6 | (index & 7) << 3 | (base & 7);
    if (mod == 1)
        r->bytes[r->n++] = disp;
    else if (mod == 2)
        put32(r, disp);
    if (rex_at)
        *rex_at |= base >> 3 | (sib ? index >> 3 << 1 : 0);
}

static void generate(struct round *r, const uint8_t *at)
{
    const struct template *t = &templates[below(sizeof(templates) / sizeof(templates[0]))];
    bool string = t->traits & STRING;
    uint64_t *gpr = state->in;
    uint8_t *rex = NULL;
    bool address32, operand16;

    *r = (struct round){.t = t};
    r->opcode = t->first + t->step * below((t->last - t->first) / t->step + 1);
    r->extension = t->reg_first >= 0 ? t->reg_first + below(t->reg_last - t->reg_first + 1) : 0;
    for (unsigned i = 0; i < 16; i++)
        gpr[i] = below(4) ? random64() : (uint64_t)(int64_t)(int8_t)random64();
    gpr[RSP] = target() & ~7ull;
    if (t->map == 1 && (r->opcode & ~1) == 0xb0)
        gpr[RAX] = 0x5a5a5a5a5a5a5a5aull; // see run_one()

    address32 = !below(8) && !(t->traits & (MOFFS | STACK));
    operand16 = !below(4) && !(t->traits & NO_66);
    if (t->traits & LOCKABLE && below(2))
        r->bytes[r->n++] = 0xf0;
    if (operand16)
        r->bytes[r->n++] = 0x66;
    if (address32)
        r->bytes[r->n++] = 0x67;
    if (string && below(2))
        r->bytes[r->n++] = below(2) ? 0xf3 : 0xf2;
    if (below(4)) {
        rex = &r->bytes[r->n];
        r->bytes[r->n++] = 0x40 | (below(2) ? REX_W : 0);
        if (t->map == 1 && r->opcode == 0xc7) // not CMPXCHG16B
            *rex = 0x40;
    }
    bool wide = rex && *rex & REX_W;
    r->size = r->opcode & 1 || (t->map == 1 && (r->opcode < 0x90 || (r->opcode >> 4) == 0xa)) ||
                      (t->map == 1 && r->opcode == 0xba) || t->map == 2
                  ? wide        ? 8
                    : operand16 ? 2
                                : 4
                  : 1;
    if (t->map)
        r->bytes[r->n++] = 0x0f;
    if (t->map == 2)
        r->bytes[r->n++] = 0x38;
    r->bytes[r->n++] = r->opcode;

    if (t->reg_first < 0) {
        r->extension = below(rex ? 16 : 8);
        if (r->extension >= 8)
            *rex |= REX_R;
    }
    if (t->traits & BIT_OFFSET) {
        uint64_t mask = r->size == 8 ? ~0ull : (1ull << (8 * r->size)) - 1;
        uint64_t offset = (uint64_t)((int64_t)below(8000) - 4000);
        if (r->extension == RSP) // keeps the register away from the stack pointer's value
            r->extension = RDX, rex ? *rex &= ~REX_R : 0;
        gpr[r->extension] = (gpr[r->extension] & ~mask) | (offset & mask);
    }

    unsigned z = operand16 && !wide ? 2 : 4;
    unsigned imm_size = t->imm == IMM8 ? 1 : t->imm == IMMZ ? z : 0;
    if (string) {
        gpr[RSI] = target();
        gpr[RDI] = below(4) ? target() : gpr[RSI] + 8 * r->size;
        gpr[RCX] = below(24);
        if (address32) {
            gpr[RSI] |= random64() << 32;
            gpr[RDI] |= random64() << 32;
            // REP with a count of zero clears upper halves or not, by processor: not tested.
            gpr[RCX] = (gpr[RCX] + 1) | random64() << 32;
        }
    } else if (t->traits & MOFFS) {
        uint64_t address = target();
        memcpy(r->bytes + r->n, &address, 8);
        r->n += 8;
    } else {
        put_address(r, target(), rex, imm_size, address32, at);
    }
    for (unsigned i = 0; i < imm_size; i++)
        r->bytes[r->n++] = random64() >> 9;
    r->imm = r->bytes[r->n - 1];
    state->in_flags = 0x202 | (random64() & (ARITH | (string ? RFLAGS_DF : 0)));
}

static uint64_t defined_flags(const struct round *r)
{
    unsigned count, width = 8 * r->size;
    uint64_t defined = ARITH | RFLAGS_DF;

    switch (r->t->undefined) {
    case LOGIC: // group 1 holds both kinds: AF counts for the arithmetic ones only
        if (r->opcode >= 0x80 && r->opcode <= 0x83 && r->extension != 1 && r->extension != 4 &&
            r->extension != 6)
            return defined;
        return defined & ~RFLAGS_AF;
    case BIT:
        return defined & ~(RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF);
    case MULTIPLY:
        return defined & ~(RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF);
    case SHIFT:
    case DOUBLE_SHIFT:
        count = r->t->imm == IMM8 ? r->imm : r->opcode < 0xd2 && !r->t->map ? 1 : state->in[RCX];
        count &= r->size == 8 ? 63 : 31;
        if (count == 0)
            return defined;
        if (count != 1)
            defined &= ~RFLAGS_OF;
        if (r->t->undefined == DOUBLE_SHIFT || r->extension >= 4)
            defined &= ~RFLAGS_AF;
        if (r->t->undefined == SHIFT && r->extension >= 4 && r->extension != 7 && count >= width)
            defined &= ~RFLAGS_CF;
        return defined;
    default:
        return defined;
    }
}

// SHLD and SHRD by more than the operand's width: nothing is defined, the round is skipped.
static bool skipped(const struct round *r)
{
    unsigned count = r->t->imm == IMM8 ? r->imm : state->in[RCX];

    return r->t->undefined == DOUBLE_SHIFT && (count & 31) > 8 * r->size;
}

static void report(const struct round *r, const char *what, uint64_t got, uint64_t expected)
{
    char text[64] = "";

    for (unsigned i = 0; i < r->n; i++)
        sprintf(text + 3 * i, "%02x ", r->bytes[i]);
    fail_msg("%s: %s is %#llx, the processor has %#llx (flags before %#llx)", text, what,
             (unsigned long long)got, (unsigned long long)expected,
             (unsigned long long)state->in_flags);
}

static void compare(const struct round *r, const struct cpu_view *cpu, uint64_t rip)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    uint64_t defined = defined_flags(r);

    for (unsigned i = 0; i < 16; i++)
        if (cpu->gpr[i] != state->out[i])
            report(r, names[i], cpu->gpr[i], state->out[i]);
    if ((cpu->rflags & defined) != (state->out_flags & defined))
        report(r, "rflags", cpu->rflags & defined, state->out_flags & defined);
    if (cpu->rip != rip + r->n)
        report(r, "rip", cpu->rip, rip + r->n);
    for (unsigned i = 0; i < BUFFER; i++)
        if (shadow[i] != buffer[i])
            report(r, "memory", shadow[i], buffer[i]);
}

static void run_one(uint8_t *at)
{
    static struct vcpu_segment seg[SEG_COUNT];
    uint64_t gpr[16];
    struct guest_fault fault;
    struct insn insn;
    struct round r;

    generate(&r, at);
    if (skipped(&r))
        return;
    for (unsigned i = 0; i < 64; i++) // what the instruction can see, and its surroundings
        memcpy(buffer + BUFFER / 2 - 256 + 8 * i, &(uint64_t){random64()}, 8);
    if (below(2) && r.t->map == 1 && (r.opcode & ~1) == 0xb0) // make CMPXCHG succeed at times
        memset(buffer, 0x5a, BUFFER);
    if (below(2) && r.t->traits & STRING) // and comparisons go on
        memset(buffer + BUFFER / 4, below(256), BUFFER / 2);
    memcpy(shadow, buffer, BUFFER);
    memcpy(gpr, state->in, sizeof(gpr));

    struct cpu_view cpu = {.gpr = gpr,
                           .rip = (uintptr_t)at,
                           .rflags = state->in_flags,
                           .seg = seg,
                           .mode = CPU_MODE_64,
                           .cpl = 3};
    enum decode_status decoded = decode(&insn, r.bytes, r.n, CPU_MODE_64);
    if (decoded != DECODE_OK || insn.length != r.n)
        report(&r, "decoded length", decoded == DECODE_OK ? insn.length : 0, r.n);
    enum emulate_status status = emulate(&cpu, &insn, &shadow_ops, NULL, &fault);
    if (status != EMULATE_OK)
        report(&r, "status", status, EMULATE_OK);

    memcpy(at, r.bytes, r.n);
    emit_epilogue(at + r.n, NULL);
    ((void (*)(void))(uintptr_t)code)();
    compare(&r, &cpu, (uintptr_t)at);
}

static void same_results_as_the_processor(void **unused)
{
    (void)unused;
    native_run(ROUNDS, NULL, run_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_results_as_the_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
