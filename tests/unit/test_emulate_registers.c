// SPDX-License-Identifier: BSD-2-Clause
// Differential test of the instruction emulator against the processor that runs the test, as in
// test_emulate_native.c, for what needs other registers or a setting of its own: vector moves (the
// whole x87, MMX, SSE, AVX and AVX-512 state is compared), BMI and other VEX encodings, bit scans,
// CRC32, division, near branches and the stack.
// links: vmm/decode.c vmm/decode_tables.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_string.c
// links: vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c
#define BUFFER 1024
#include "native_code.h"

#include "emulate_templates.h"

#define ROUNDS 100000 // times TEST_TIMES of the environment

static bool has[FEATURES];
static uint32_t components;
static uint32_t ymm, zmm;

static void fill(void *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = random64() >> 11;
}

static uint8_t *emit_mask(uint8_t *p)
{
    p = emit(p, "\x31\xd2\xb8", 3); // xor edx, edx; mov eax, imm32
    return emit(p, &components, 4);
}

static uint8_t *emit_load(uint8_t *p)
{
    p = emit_mask(p);
    p = emit_field(p, 0, 0x0fae, 4, state->host_area);  // xsave64
    return emit_field(p, 0, 0x0fae, 5, state->in_area); // xrstor64
}

static uint8_t *emit_store(uint8_t *p)
{
    p = emit_mask(p);
    p = emit_field(p, 0, 0x0fae, 4, state->out_area);
    return emit_field(p, 0, 0x0fae, 5, state->host_area);
}

// ---- generation

struct round {
    const struct template *t;
    uint8_t bytes[24];
    unsigned n;
    unsigned reg, size; // of the general operand, in bytes
    uint64_t address;
};

// ModRM [base + disp32], or relative to RIP; sets the base register.
static void put_address(struct round *r, unsigned base, unsigned imm, const uint8_t *at)
{
    int32_t disp = (int32_t)random64();

    if (base == 16) { // RIP
        r->bytes[r->n++] = (r->reg & 7) << 3 | 5;
        disp = (int32_t)(r->address - ((uintptr_t)at + r->n + 4 + imm));
    } else {
        r->bytes[r->n++] = 0x80 | (r->reg & 7) << 3 | (base & 7);
        if ((base & 7) == 4)
            r->bytes[r->n++] = 0x24;
        state->in[base] = r->address - (uint64_t)(int64_t)disp;
    }
    memcpy(r->bytes + r->n, &disp, 4);
    r->n += 4;
}

static void put_opcode(struct round *r, bool w, bool l, unsigned base, unsigned vvvv,
                       unsigned opcode)
{
    static const uint8_t prefix[] = {0, 0x66, 0xf3, 0xf2};
    const struct template *t = r->t;
    unsigned b = base < 16 ? base >> 3 : 0;

    if (t->encoding == VEX) {
        if (t->map == 1 && !w && !b && below(2)) {
            r->bytes[r->n++] = 0xc5;
            r->bytes[r->n++] = (r->reg < 8) << 7 | (~vvvv & 15) << 3 | l << 2 | t->prefix;
        } else {
            r->bytes[r->n++] = 0xc4;
            r->bytes[r->n++] = (r->reg < 8) << 7 | 0x40 | !b << 5 | t->map;
            r->bytes[r->n++] = w << 7 | (~vvvv & 15) << 3 | l << 2 | t->prefix;
        }
    } else {
        if (t->prefix)
            r->bytes[r->n++] = prefix[t->prefix];
        if (w || r->reg > 7 || b || below(2))
            r->bytes[r->n++] = 0x40 | w << 3 | r->reg >> 3 << 2 | b;
        if (t->map)
            r->bytes[r->n++] = 0x0f;
        if (t->map > 1)
            r->bytes[r->n++] = t->map == 2 ? 0x38 : 0x3a;
    }
    r->bytes[r->n++] = opcode;
}

static void set_memory(const struct round *r, const void *value, unsigned size)
{
    memcpy((uint8_t *)(uintptr_t)r->address, value, size);
}

// A dividend whose quotient fits.
static void prepare_divide(struct round *r, unsigned base)
{
    uint64_t mask = r->size == 8 ? ~0ull : (1ull << (8 * r->size)) - 1, *gpr = state->in;
    uint64_t divisor = (random64() & mask) >> below(8 * r->size), high, low = random64() & mask;

    (void)base;
    divisor = divisor ? divisor : 3;
    if (r->reg == 6) {
        high = random64() % divisor;
    } else {
        high = low >> (8 * r->size - 1) ? mask : 0;
        divisor = divisor == mask ? 5 : divisor;
        if (below(2) && divisor >> 4) { // larger dividends: the quotient is below 8 bits less
            low = random64() & mask;
            high = (divisor >> (8 * r->size - 1) ? -divisor & mask : divisor) >> 3;
            high = below(2) ? high : ~high & mask;
        }
    }
    set_memory(r, &divisor, r->size);
    if (r->size == 1) {
        gpr[RAX] = (gpr[RAX] & ~0xffffull) | (high & 0xff) << 8 | low;
    } else {
        gpr[RAX] = (gpr[RAX] & ~mask) | low;
        gpr[RDX] = (gpr[RDX] & ~mask) | (high & mask);
    }
}

static void prepare_area(void)
{
    uint8_t *area = state->in_area;
    uint64_t *header = (uint64_t *)(area + 512);

    fill(area, AREA);
    memcpy(area, &(uint16_t){0x37f}, 2);                          // FCW
    memcpy(area + 2, &(uint16_t){(uint16_t)(below(8) << 11)}, 2); // FSW: TOP
    area[5] = 0;
    memcpy(area + 24, &(uint32_t){0x1f80}, 4);
    memset(header, 0, 64);
    header[0] = (random64() | random64()) & components;
}

static bool generate(struct round *r, const uint8_t *at)
{
    const struct template *t = &templates[below(sizeof(templates) / sizeof(templates[0]))];
    uint64_t *gpr = state->in, next;
    unsigned base = below(17), opcode = t->opcode, size16 = 0;
    bool w = t->traits & W1 && (!(t->traits & W0) || below(2));
    bool l = t->traits & L1 && (!(t->traits & L0) || below(2));

    *r = (struct round){.t = t, .reg = t->extension == ANY ? below(16) : (unsigned)t->extension};
    if (!has[t->feature])
        return false;
    for (unsigned i = 0; i < 16; i++)
        gpr[i] = below(3) ? random64() : below(80);
    fill(buffer, BUFFER);
    prepare_area();
    r->address = (uintptr_t)buffer + 128 + below(512);
    if (t->traits & (ALIGNED | ALIGNED_LEGACY))
        r->address &= ~31ull;
    gpr[RSP] = ((uintptr_t)buffer + 800) & ~7ull;
    state->in_flags = 0x202 | (random64() & ARITH);

    if (t->traits & SIZE16 && below(3) == 0) {
        r->bytes[r->n++] = 0x66;
        size16 = 1;
    }
    r->size = (t->map == 0 && !(opcode & 1)) || (t->map == 2 && opcode == 0xf0) ? 1
              : w                                                               ? 8
              : size16                                                          ? 2
                                                                                : 4;
    switch (t->special) {
    case DIVIDE:
        base = base == RAX || base == RDX || base == RSP ? RBX : base;
        put_opcode(r, w, false, base, 0, opcode);
        put_address(r, base, 0, at);
        prepare_divide(r, base);
        break;
    case COMPARE:
        base = base < 5 ? RDI : base;
        put_opcode(r, w, false, base, 0, opcode);
        put_address(r, base, 0, at);
        if (below(2)) {
            memcpy(&gpr[RAX], (uint8_t *)(uintptr_t)r->address, w ? 8 : 4);
            memcpy(&gpr[RDX], (uint8_t *)(uintptr_t)r->address + (w ? 8 : 4), w ? 8 : 4);
        }
        break;
    case CALL_MEMORY:
        base = base == RSP ? RBX : base;
        put_opcode(r, w, false, base, 0, opcode);
        put_address(r, base, 0, at);
        next = (uintptr_t)at + r->n;
        set_memory(r, &next, 8);
        break;
    case CALL_NEXT:
        put_opcode(r, w, false, 16, 0, opcode);
        memset(r->bytes + r->n, 0, 4);
        r->n += 4;
        break;
    case RETURN:
        put_opcode(r, w, false, 16, 0, opcode);
        if (opcode == 0xc2) {
            memcpy(r->bytes + r->n, &(uint16_t){(uint16_t)below(2000)}, 2);
            r->n += 2;
        }
        next = (uintptr_t)at + r->n;
        memcpy((uint8_t *)(uintptr_t)gpr[RSP], &next, 8);
        break;
    case ON_STACK:
        base = opcode < 0x60 ? below(16) : 0;
        put_opcode(r, w, false, base, 0, opcode | (opcode < 0x60 ? base & 7 : 0));
        if (opcode == 0x68 || opcode == 0x6a) {
            unsigned imm = opcode == 0x6a ? 1 : size16 && !w ? 2 : 4;
            fill(r->bytes + r->n, imm);
            r->n += imm;
        }
        break;
    case LEAVE:
        gpr[RBP] = r->address;
        put_opcode(r, w, false, 16, 0, opcode);
        break;
    case TRANSLATE:
        put_opcode(r, w, false, 16, 0, opcode);
        gpr[RBX] = r->address - (gpr[RAX] & 0xff);
        break;
    default:
        base = base == RSP ? RBP : base;
        put_opcode(r, w, l, base, t->traits & VVVV ? below(16) : 0, opcode);
        put_address(r, base, !!(t->traits & IMM8), at);
        if (t->traits & IMM8)
            r->bytes[r->n++] = random64() >> 5;
        if (below(4) == 0) // few bits, and none
            set_memory(r, &(uint64_t){t->traits & NO_ZERO ? 0x8000800080008000 : 0}, 8);
    }
    return true;
}

static void report(const struct round *r, const char *what, uint64_t got, uint64_t expected)
{
    char text[80] = "";

    for (unsigned i = 0; i < r->n; i++)
        sprintf(text + 3 * i, "%02x ", r->bytes[i]);
    fail_msg("%s: %s is %#llx, the processor has %#llx", text, what, (unsigned long long)got,
             (unsigned long long)expected);
}

// Bytes of a component as the processor sees them.
static void compare_component(const struct round *r, const uint8_t *ours, unsigned number,
                              unsigned from, unsigned to)
{
    static const uint8_t zero[AREA];
    uint64_t ours_bv, their_bv;

    memcpy(&ours_bv, ours + 512, 8);
    memcpy(&their_bv, state->out_area + 512, 8);
    const uint8_t *a = ours_bv >> number & 1 ? ours : zero;
    const uint8_t *b = their_bv >> number & 1 ? state->out_area : zero;
    for (unsigned i = from; i < to; i++) {
        uint8_t initial = number == 0 && i == 0 ? 0x7f : number == 0 && i == 1 ? 3 : 0;
        uint8_t left = a == zero ? initial : a[i], right = b == zero ? initial : b[i];
        if (number == 0 && i >= 32 && (i & 15) >= 10)
            continue;
        if (left != right) {
            char name[40];
            sprintf(name, "byte %u of component %u", i, number);
            report(r, name, left, right);
        }
    }
}

static void compare(const struct round *r, const struct cpu_view *cpu, uint64_t rip)
{
    uint64_t defined = ARITH & ~r->t->undefined;

    for (unsigned i = 0; i < 16; i++)
        if (cpu->gpr[i] != state->out[i]) {
            char name[8];
            sprintf(name, "gpr %u", i);
            report(r, name, cpu->gpr[i], state->out[i]);
        }
    if ((cpu->rflags & defined) != (state->out_flags & defined))
        report(r, "rflags", cpu->rflags & defined, state->out_flags & defined);
    if (cpu->rip != rip + r->n)
        report(r, "rip", cpu->rip, rip + r->n);
    for (unsigned i = 0; i < BUFFER; i++)
        if (shadow[i] != buffer[i])
            report(r, "memory", shadow[i], buffer[i]);
    compare_component(r, cpu->fpu->area, 0, 0, 5); // FCW FSW FTW; what follows are pointers
    compare_component(r, cpu->fpu->area, 0, 32, 160);
    compare_component(r, cpu->fpu->area, 1, 160, 416);
    if (ymm)
        compare_component(r, cpu->fpu->area, 2, ymm, ymm + 256);
    if (zmm)
        compare_component(r, cpu->fpu->area, 6, zmm, zmm + 512);
    if (memcmp(cpu->fpu->area + 24, state->out_area + 24, 4) != 0)
        report(r, "mxcsr", cpu->fpu->area[24], state->out_area[24]);
    if (!cpu->fpu->changed && memcmp(cpu->fpu->area, state->in_area, AREA) != 0)
        report(r, "changed", 0, 1);
}

static void run_one(uint8_t *at)
{
    static struct vcpu_segment seg[SEG_COUNT];
    static uint8_t area[AREA] __attribute__((aligned(64)));
    uint64_t gpr[16];
    struct guest_fault fault;
    struct insn insn;
    struct round r;

    if (!generate(&r, at))
        return;
    memcpy(shadow, buffer, BUFFER);
    memcpy(area, state->in_area, AREA);
    memcpy(gpr, state->in, sizeof(gpr));

    struct emulate_fpu fpu = {
        .area = area, .xsave = true, .ymm = (uint16_t)ymm, .zmm = (uint16_t)zmm};
    struct cpu_view cpu = {.gpr = gpr,
                           .rip = (uintptr_t)at,
                           .rflags = state->in_flags,
                           .cr4 = CR4_OSFXSR | CR4_OSXSAVE,
                           .seg = seg,
                           .fpu = &fpu,
                           .mode = CPU_MODE_64,
                           .cpl = 3};
    enum decode_status decoded = decode(&insn, r.bytes, r.n, CPU_MODE_64);
    if (decoded != DECODE_OK || insn.length != r.n)
        report(&r, "decoded length", decoded == DECODE_OK ? insn.length : 0, r.n);
    enum emulate_status status = emulate(&cpu, &insn, &shadow_ops, NULL, &fault);
    if (status != EMULATE_OK)
        report(&r, "status", status, EMULATE_OK);

    memcpy(at, r.bytes, r.n);
    emit_epilogue(at + r.n, emit_store);
    ((void (*)(void))(uintptr_t)code)();
    compare(&r, &cpu, (uintptr_t)at);
}

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf cpuid(uint32_t number, uint32_t sub)
{
    struct leaf l;

    __asm__("cpuid" : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d) : "a"(number), "c"(sub));
    return l;
}

static bool find_features(void)
{
    uint32_t c = cpuid(1, 0).c, b = cpuid(0, 0).a >= 7 ? cpuid(7, 0).b : 0, xcr0, high;

    if (!(c >> 27 & 1)) // OSXSAVE
        return false;
    __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    components = xcr0 & 0xe7;
    has[NONE] = true;
    has[POPCNT] = c >> 23 & 1;
    has[SSE42] = c >> 20 & 1;
    has[CX16] = c >> 13 & 1;
    has[AVX] = c >> 28 & 1 && (xcr0 & 6) == 6;
    has[AVX2] = has[AVX] && b >> 5 & 1;
    has[BMI1] = has[AVX] && b >> 3 & 1;
    has[BMI2] = has[AVX] && b >> 8 & 1;
    has[ADX] = b >> 19 & 1;
    has[LZCNT] = cpuid(0x80000001, 0).c >> 5 & 1;
    ymm = xcr0 & 4 ? cpuid(0xd, 2).b : 0;
    zmm = xcr0 & 64 ? cpuid(0xd, 6).b : 0;
    for (unsigned i = 2; i < 8; i++)
        if (components >> i & 1 && cpuid(0xd, i).a + cpuid(0xd, i).b > AREA)
            return false;
    return true;
}

static void same_results_as_the_processor(void **unused)
{
    (void)unused;
    if (!find_features())
        skip();
    native_run(ROUNDS, emit_load, run_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_results_as_the_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
