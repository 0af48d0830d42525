// SPDX-License-Identifier: BSD-2-Clause
// Differential test of the emulator's memory accesses against Zydis 4: random instructions in 16-,
// 32- and 64-bit mode are emulated with random registers and segments, and each access must be an
// operand that Zydis knows, with its address, size and direction; and the other way round. What the
// emulator refuses must be on the list of docs/virtual-machine.md.
// links: vmm/decode.c vmm/decode_tables.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_string.c
// links: vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c
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

#include "emulate.h"
#include "random_code.h"

#define ROUNDS 1000000 // for each of three modes

struct access {
    uint64_t linear;
    unsigned size;
    bool write, matched;
};

static struct access accesses[8];
static unsigned count;
static uint64_t gpr[16];
static struct vcpu_segment seg[SEG_COUNT];
static unsigned mode;

static enum emulate_status note(uint64_t linear, unsigned size, bool write)
{
    if (count < 8)
        accesses[count++] = (struct access){linear, size, write, false};
    return EMULATE_OK;
}

static enum emulate_status record_read(void *ctx, uint64_t linear, unsigned size,
                                       enum walk_access intent, uint64_t *value,
                                       struct guest_fault *fault)
{
    (void)ctx, (void)intent, (void)fault;
    for (unsigned i = 0; i < (size + 7) / 8; i++)
        value[i] = random64();
    if (size < 8)
        value[0] &= (1ull << 8 * size) - 1;
    return note(linear, size, false);
}

static enum emulate_status record_write(void *ctx, uint64_t linear, unsigned size,
                                        const uint64_t *value, struct guest_fault *fault)
{
    (void)ctx, (void)value, (void)fault;
    return note(linear, size, true);
}

static const struct emulate_ops ops = {.read = record_read, .write = record_write};

static uint64_t value_of(ZydisRegister r, uint64_t rip)
{
    if (r == ZYDIS_REGISTER_NONE)
        return 0;
    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
        return rip;
    return gpr[(unsigned)ZydisRegisterGetId(r) & 15];
}

static uint64_t linear_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *m,
                          const uint64_t before[16], uint64_t rip)
{
    uint64_t now[16], offset, base;
    unsigned s = (unsigned)ZydisRegisterGetId(m->mem.segment);

    memcpy(now, gpr, sizeof(now));
    memcpy(gpr, before, sizeof(gpr));
    offset = value_of(m->mem.base, rip) + value_of(m->mem.index, rip) * m->mem.scale +
             (uint64_t)m->mem.disp.value;
    memcpy(gpr, now, sizeof(gpr));
    if (z->address_width < 64)
        offset &= (1ull << z->address_width) - 1;
    base = mode == 64 && s < SEG_FS ? 0 : seg[s].base;
    return mode == 64 ? base + offset : (uint32_t)(base + offset);
}

// Its address depends on more than the operand: the stack before or after, a bit offset, AL.
static bool address_varies(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *m)
{
    bool bits = z->mnemonic == ZYDIS_MNEMONIC_BT || z->mnemonic == ZYDIS_MNEMONIC_BTS ||
                z->mnemonic == ZYDIS_MNEMONIC_BTR || z->mnemonic == ZYDIS_MNEMONIC_BTC;
    bool stack = m->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
                 (m->mem.base == ZYDIS_REGISTER_RSP || m->mem.base == ZYDIS_REGISTER_ESP ||
                  m->mem.base == ZYDIS_REGISTER_SP);

    return stack || z->mnemonic == ZYDIS_MNEMONIC_LEAVE || z->mnemonic == ZYDIS_MNEMONIC_XLAT ||
           z->mnemonic == ZYDIS_MNEMONIC_POP || (bits && z->opcode != 0xba);
}

static bool match(uint64_t linear, bool any_address, unsigned size, bool write)
{
    for (unsigned i = 0; i < count; i++) {
        struct access *a = &accesses[i];
        if (!a->matched && a->write == write && a->size == size &&
            (any_address || a->linear == linear)) {
            a->matched = true;
            return true;
        }
    }
    return false;
}

static const char *compare(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands,
                           const uint64_t before[16], uint64_t rip)
{
    for (unsigned i = 0; i < z->operand_count; i++) {
        const ZydisDecodedOperand *m = &operands[i];
        if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || m->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
            z->meta.category == ZYDIS_CATEGORY_PREFETCH || z->mnemonic == ZYDIS_MNEMONIC_CLDEMOTE ||
            z->meta.category == ZYDIS_CATEGORY_PREFETCHWT1 ||
            z->meta.category == ZYDIS_CATEGORY_NOP || z->meta.category == ZYDIS_CATEGORY_WIDENOP)
            continue;
        uint64_t linear = linear_of(z, m, before, rip + z->length);
        bool any = address_varies(z, m);
        if (m->actions & ZYDIS_OPERAND_ACTION_MASK_READ && !match(linear, any, m->size / 8, false))
            return "a read that was not made";
        // CMPXCHG and CMPXCHG8B write in any case.
        if (m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE && !match(linear, any, m->size / 8, true))
            return "a write that was not made";
    }
    for (unsigned i = 0; i < count; i++)
        if (!accesses[i].matched)
            return "an access that Zydis does not know";
    return NULL;
}

static bool refused_by_name(ZydisMnemonic m)
{
    static const uint16_t names[] = {
#define N(name) ZYDIS_MNEMONIC_##name
        // Far pointers, descriptor tables, segment registers, system state
        N(LDS),
        N(LES),
        N(LSS),
        N(LFS),
        N(LGS),
        N(LGDT),
        N(SGDT),
        N(LIDT),
        N(SIDT),
        N(LLDT),
        N(SLDT),
        N(LTR),
        N(STR),
        N(LMSW),
        N(VERR),
        N(VERW),
        N(LAR),
        N(LSL),
        N(ARPL),
        N(BOUND),
        N(INVLPG),
        N(RET),
        N(IRET),
        N(IRETD),
        N(IRETQ),
        N(INT),
        N(INT1),
        N(INT3),
        N(INTO),
        N(SYSENTER),
        // On the stack only
        N(ENTER),
        N(PUSHA),
        N(PUSHAD),
        N(POPA),
        N(POPAD),
        N(POPF),
        N(POPFD),
        N(POPFQ),
        // Vector moves that compute or mask
        N(MASKMOVQ),
        N(MASKMOVDQU),
        N(VMASKMOVDQU),
        N(VMASKMOVPS),
        N(VMASKMOVPD),
        // Port accesses exit by themselves
        N(INSB),
        N(INSW),
        N(INSD),
        N(OUTSB),
        N(OUTSW),
        N(OUTSD),
#undef N
    };
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i] == m)
            return true;
    return false;
}

// Zydis knows a memory operand, and the emulator refuses: whether the documentation says so.
static bool may_be_refused(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    bool far = z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    bool segment = insn->map == MAP_ONE_BYTE && insn->encoding == ENCODING_LEGACY &&
                   (insn->opcode == 0x8e || (insn->opcode & 0xe6) == 0x06);
    bool segment_0f = insn->map == MAP_0F && (insn->opcode & 0xf6) == 0xa0;

    if (insn->encoding == ENCODING_EVEX || far || segment || segment_0f ||
        refused_by_name(z->mnemonic))
        return true;
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_BROADCAST:
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_BITBYTE:
    case ZYDIS_CATEGORY_BMI1:
    case ZYDIS_CATEGORY_BMI2:
    case ZYDIS_CATEGORY_ADOX_ADCX:
    case ZYDIS_CATEGORY_LZCNT:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_ROTATE:
    case ZYDIS_CATEGORY_SHIFT:
    case ZYDIS_CATEGORY_SEMAPHORE:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_STRINGOP:
        break;
    default:
        return true;
    }
    switch (z->meta.isa_ext) {
    case ZYDIS_ISA_EXT_SSE: // computing instructions of the categories above
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVX2:
        return z->meta.category != ZYDIS_CATEGORY_DATAXFER &&
               z->meta.category != ZYDIS_CATEGORY_BROADCAST;
    case ZYDIS_ISA_EXT_SSE4A:
    case ZYDIS_ISA_EXT_MOVDIR:
    case ZYDIS_ISA_EXT_MPX:
        return true;
    default:
        return false;
    }
}

// Where Zydis and processors differ.
static bool zydis_is_wrong(const ZydisDecodedInstruction *z)
{
    bool no_base = z->attributes & ZYDIS_ATTRIB_HAS_ADDRESSSIZE &&
                   z->attributes & ZYDIS_ATTRIB_HAS_SIB && z->raw.modrm.mod == 0 &&
                   z->raw.sib.base == 5; // then REX.B does not count

    return no_base || z->attributes & ZYDIS_ATTRIB_HAS_NOTRACK || // 3E is an override, too
           z->meta.isa_ext == ZYDIS_ISA_EXT_MPX ||                // these are NOPs
           (z->mnemonic == ZYDIS_MNEMONIC_MOVSXD && z->operand_width == 16); // reads 16 bits
}

static bool has_memory(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < z->operand_count; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            operands[i].mem.type == ZYDIS_MEMOP_TYPE_MEM)
            return true;
    return false;
}

static void print_bytes(const uint8_t *bytes)
{
    print_message("%u-bit:", mode);
    for (unsigned i = 0; i < 15; i++)
        print_message(" %02x", bytes[i]);
    print_message("\n");
    for (unsigned i = 0; i < count; i++)
        print_message("  %s %u bytes at %#llx\n", accesses[i].write ? "writes" : "reads",
                      accesses[i].size, (unsigned long long)accesses[i].linear);
}

static uint8_t area[4096] __attribute__((aligned(64)));

static void setup(struct cpu_view *cpu, struct emulate_fpu *fpu)
{
    count = 0;
    for (unsigned i = 0; i < 16; i++)
        gpr[i] = random64() & (mode == 64 ? 0xffffffffff : 0xffffffff) & ~31ull;
    gpr[RCX] = 1; // one iteration of REP
    for (unsigned i = 0; i < SEG_COUNT; i++)
        seg[i] = (struct vcpu_segment){.attributes = mode == 16 ? 0x93 : 0xc093,
                                       .limit = 0xffffffff,
                                       .base = random64() & 0x7fffffe0};
    *fpu = (struct emulate_fpu){.area = area, .xsave = true, .ymm = 576};
    *cpu = (struct cpu_view){.gpr = gpr,
                             .rip = mode == 16 ? 0x1000 : 0x40001000,
                             .rflags = 2,
                             .cr0 = CR0_PE,
                             .cr4 = CR4_OSFXSR | CR4_OSXSAVE,
                             .seg = seg,
                             .fpu = fpu,
                             .mode = (uint8_t)mode};
}

static void same_accesses_as_zydis(void **unused)
{
    static const struct {
        ZydisMachineMode mode;
        ZydisStackWidth stack;
        unsigned bits;
    } modes[] = {{ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, 16},
                 {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, 32},
                 {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, 64}};
    unsigned long rounds = random_rounds(ROUNDS), done = 0, refused = 0, faults = 0;

    (void)unused;
    for (unsigned m = 0; m < 3; m++) {
        ZydisDecoder decoder;
        mode = modes[m].bits;
        ZydisDecoderInit(&decoder, modes[m].mode, modes[m].stack);
        for (unsigned long i = 0; i < rounds; i++) {
            uint8_t bytes[RANDOM_CODE];
            uint64_t before[16];
            ZydisDecodedInstruction z;
            ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
            struct emulate_fpu fpu;
            struct guest_fault fault;
            struct cpu_view cpu;
            struct insn insn;

            random_code(bytes);
            if (!ZYAN_SUCCESS(
                    ZydisDecoderDecodeFull(&decoder, bytes, sizeof(bytes), &z, operands)) ||
                zydis_is_wrong(&z) || decode(&insn, bytes, sizeof(bytes), mode) != DECODE_OK)
                continue;
            setup(&cpu, &fpu);
            memcpy(before, gpr, sizeof(before));
            uint64_t rip = cpu.rip;
            enum emulate_status status = emulate(&cpu, &insn, &ops, NULL, &fault);
            if (status == EMULATE_FAULT) { // #GP unaligned or near a limit, #DE
                faults++;
                continue;
            }
            if (status == EMULATE_UNSUPPORTED) {
                refused++;
                if (!has_memory(&z, operands) || may_be_refused(&z, &insn))
                    continue;
                print_bytes(bytes);
                fail_msg("%s is refused", ZydisMnemonicGetString(z.mnemonic));
            }
            const char *wrong =
                status == EMULATE_OK ? compare(&z, operands, before, rip) : "an unexpected status";
            done++;
            if (!wrong)
                continue;
            print_bytes(bytes);
            fail_msg("%s: %s", ZydisMnemonicGetString(z.mnemonic), wrong);
        }
    }
    print_message("%lu emulated, %lu refused, %lu faults\n", done, refused, faults);
    assert_true(done > rounds / 3);
    assert_true(faults < done / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_accesses_as_zydis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
