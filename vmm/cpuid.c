// SPDX-License-Identifier: BSD-2-Clause
// CPUID of the virtual processor. cpu_model.def says what is shown and why; this file builds the
// table from it and from the host's CPUID, and looks answers up. HAZARD: on an Intel host CPUID
// inside a guest exits on every execution: the look-up is a hot path, the build is not.
#include "cpuid.h"

#include "platform.h"

enum cpuid_word { // registers that are sets of feature bits
    LEAF1_ECX,
    LEAF1_EDX,
    LEAF6_EAX,
    LEAF7_EBX,
    LEAF7_ECX,
    LEAF7_EDX,
    LEAF7_1_EAX,
    LEAFD_1_EAX,
    KVM_EAX,
    EXT1_ECX,
    EXT1_EDX,
    EXT7_EDX,
    EXT8_EBX,
    WORDS,
};

enum cpuid_dynamic { STATIC, DYNAMIC_1, DYNAMIC_7, DYNAMIC_B, DYNAMIC_D, DYNAMIC_EXT1 };

#define BASE_KVM      0x40000000u
#define BASE_EXTENDED 0x80000000u

#define CR4_OSXSAVE (1u << 18)
#define CR4_PKE     (1u << 22)

#define XCR0_X87    1u
#define XCR0_SSE    2u
#define XCR0_AVX    4u
#define XCR0_AVX512 0xe0u
#define XCR0_PKRU   0x200u

struct build {
    struct cpu_model *model;
    const struct cpu_options *options;
    cpuid_host_fn *host;
    uint64_t tsc_hz;
    uint32_t host_max, host_extended_max;
    unsigned id_bits; // of an APIC id that number the vCPUs
    bool xsavec;
    uint32_t host_mask[WORDS], made[WORDS];
};

static void cpuid_instruction(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    __asm__ volatile("cpuid"
                     : "=a"(out->eax), "=b"(out->ebx), "=c"(out->ecx), "=d"(out->edx)
                     : "a"(leaf), "c"(subleaf));
}

// The host's leaf, zeros where the host has none (an Intel host would answer with another leaf's
// data).
static struct cpuid_regs host_leaf(const struct build *b, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = {0};
    if (leaf < BASE_EXTENDED ? leaf <= b->host_max : leaf <= b->host_extended_max)
        b->host(leaf, subleaf, &r);
    return r;
}

static uint32_t feature(const struct build *b, enum cpuid_word word, uint32_t host)
{
    return (host & b->host_mask[word]) | b->made[word];
}

static struct cpuid_slot *slot_of(struct cpu_model *model, uint32_t leaf)
{
    if (leaf >= BASE_EXTENDED)
        return &model->extended[leaf - BASE_EXTENDED];
    if (leaf >= BASE_KVM)
        return &model->kvm[leaf - BASE_KVM];
    return &model->basic[leaf];
}

// Appends one subleaf to the slot. When the table is full, which the tests rule out, the subleaf
// reads as zeros.
static void add(struct build *b, struct cpuid_slot *slot, struct cpuid_regs r)
{
    struct cpu_model *model = b->model;
    if (model->entries == CPUID_ENTRIES)
        return;
    if (slot->count == 0)
        slot->first = model->entries;
    slot->count++;
    model->entry[model->entries++] = r;
}

static void add_flat(struct build *b, struct cpuid_slot *slot, struct cpuid_regs r)
{
    slot->flat = true;
    add(b, slot, r);
}

static void build_vendor(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    struct cpuid_regs r = host_leaf(b, leaf, 0);
    r.eax = b->model->max_basic;
    add_flat(b, slot, r);
}

static void build_extended_max(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    struct cpuid_regs r = host_leaf(b, leaf, 0);
    r.eax = b->model->max_extended;
    add_flat(b, slot, r);
}

static void build_host(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    add_flat(b, slot, host_leaf(b, leaf, 0));
}

// Leaves that consist of feature words, with the few other registers that belong to them.
static void build_features(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    const struct cpu_options *o = b->options;
    struct cpuid_regs h = leaf >> 28 == 4 ? (struct cpuid_regs){0} : host_leaf(b, leaf, 0);
    struct cpuid_regs r = {0};
    switch (leaf) {
    case 1:
        r.eax = h.eax;
        r.ebx = (uint32_t)o->apic_id << 24 | 1u << (16 + b->id_bits) | (h.ebx & 0xff00);
        r.ecx = feature(b, LEAF1_ECX, h.ecx);
        r.edx = feature(b, LEAF1_EDX, h.edx);
        slot->dynamic = DYNAMIC_1;
        break;
    case 6:
        r.eax = feature(b, LEAF6_EAX, h.eax);
        break;
    case 7: {
        struct cpuid_regs h1 = h.eax >= 1 ? host_leaf(b, 7, 1) : (struct cpuid_regs){0};
        r.eax = 1;
        r.ebx = feature(b, LEAF7_EBX, h.ebx);
        r.ecx = feature(b, LEAF7_ECX, h.ecx);
        r.edx = feature(b, LEAF7_EDX, h.edx);
        slot->dynamic = DYNAMIC_7;
        add(b, slot, r);
        add(b, slot, (struct cpuid_regs){.eax = feature(b, LEAF7_1_EAX, h1.eax)});
        return;
    }
    case BASE_KVM + 1:
        r.eax = feature(b, KVM_EAX, 0);
        break;
    case BASE_EXTENDED + 1:
        r.eax = h.eax;
        r.ebx = h.ebx;
        r.ecx = feature(b, EXT1_ECX, h.ecx);
        r.edx = feature(b, EXT1_EDX, h.edx);
        slot->dynamic = DYNAMIC_EXT1;
        break;
    case BASE_EXTENDED + 7:
        r.edx = feature(b, EXT7_EDX, h.edx);
        break;
    }
    add_flat(b, slot, r);
}

// Leaf 4 and 0x8000001D have one layout: EAX type 4:0, level 7:5, threads that share it, less one,
// 25:14.
static void build_caches(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    for (uint32_t i = 0; i < 6; i++) {
        struct cpuid_regs r = host_leaf(b, leaf, i);
        if ((r.eax & 31) == 0)
            break;
        uint32_t all = (1u << b->id_bits) - 1;
        uint32_t sharing = (r.eax >> 5 & 7) >= 3 ? all : 0;
        r.eax = (r.eax & 0x3fff) | sharing << 14;
        if (leaf == 4)
            r.eax |= (all & 0x3f) << 26; // cores in the package, less one
        add(b, slot, r);
    }
}

static void build_cache4(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    if (b->model->intel)
        build_caches(b, slot, leaf);
}

static void build_cache1d(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    if (!b->model->intel)
        build_caches(b, slot, leaf);
}

static void build_topology(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    (void)leaf;
    uint32_t id = b->options->apic_id;
    slot->dynamic = DYNAMIC_B;
    add(b, slot, (struct cpuid_regs){.eax = 0, .ebx = 1, .ecx = 0x100, .edx = id}); // threads
    add(b, slot,
        (struct cpuid_regs){
            .eax = b->id_bits, .ebx = b->options->vcpus, .ecx = 0x201, .edx = id}); // cores
}

static void build_topology1e(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    (void)leaf;
    uint32_t id = b->options->apic_id;
    if (!b->model->intel)
        add_flat(
            b, slot,
            (struct cpuid_regs){.eax = id, .ebx = id & 0xff}); // one thread per core, node 0 of 1
}

// Bytes of an XSAVE area with these components. SDM 1 13.4.2 and 13.4.3.
static uint32_t xsave_size(const struct cpu_model *model, uint64_t components, bool compact)
{
    uint32_t size = 512 + 64;
    for (unsigned i = 2; i < CPUID_COMPONENTS; i++) {
        if (!(components >> i & 1))
            continue;
        uint32_t end;
        if (compact) {
            uint32_t start = model->component[i].align ? (size + 63) & ~63u : size;
            end = start + model->component[i].size;
        } else {
            end = (uint32_t)model->component[i].offset + model->component[i].size;
        }
        if (end > size)
            size = end;
    }
    return size;
}

static void build_xsave(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    struct cpu_model *model = b->model;
    if (!model->xcr0_supported)
        return;
    struct cpuid_regs sub[CPUID_COMPONENTS];
    uint32_t count = 2;
    for (uint32_t i = 2; i < CPUID_COMPONENTS; i++) {
        sub[i] = (struct cpuid_regs){0};
        if (!(model->xcr0_supported >> i & 1))
            continue;
        sub[i] = host_leaf(b, leaf, i);
        sub[i].ecx &= 2;
        sub[i].edx = 0;
        model->component[i].size = (uint16_t)sub[i].eax;
        model->component[i].offset = (uint16_t)sub[i].ebx;
        model->component[i].align = sub[i].ecx & 2;
        count = i + 1;
    }
    struct cpuid_regs h1 = host_leaf(b, leaf, 1);
    sub[0] = (struct cpuid_regs){
        .eax = (uint32_t)model->xcr0_supported,
        .ecx = xsave_size(model, model->xcr0_supported, false),
        .edx = (uint32_t)(model->xcr0_supported >> 32),
    };
    sub[1] = (struct cpuid_regs){.eax = feature(b, LEAFD_1_EAX, h1.eax)};
    slot->dynamic = DYNAMIC_D;
    for (uint32_t i = 0; i < count; i++)
        add(b, slot, sub[i]);
}

// A crystal as fast as the TSC makes the ratio 1, exact for any frequency below 4 GiHz; faster ones
// get a ratio.
static void build_crystal(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    (void)leaf;
    if (!b->model->intel || b->tsc_hz == 0)
        return;
    uint32_t ratio = (uint32_t)(b->tsc_hz >> 32) + 1;
    add_flat(b, slot,
             (struct cpuid_regs){.eax = 1, .ebx = ratio, .ecx = (uint32_t)(b->tsc_hz / ratio)});
}

static void build_frequency(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    (void)leaf;
    uint32_t mhz = (uint32_t)((b->tsc_hz + 500000) / 1000000) & 0xffff;
    if (b->model->intel && mhz)
        add_flat(b, slot, (struct cpuid_regs){.eax = mhz, .ebx = mhz, .ecx = 100});
}

static void build_signature(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    (void)leaf;
    if (b->model->pvclock) // "KVMKVMKVM\0\0\0"
        add_flat(b, slot, (struct cpuid_regs){BASE_KVM + 1, 0x4b4d564b, 0x564b4d56, 0x4d});
    else // "BulkheadVirt"
        add_flat(b, slot, (struct cpuid_regs){BASE_KVM, 0x6b6c7542, 0x64616568, 0x74726956});
}

static void build_address(struct build *b, struct cpuid_slot *slot, uint32_t leaf)
{
    struct cpuid_regs h = host_leaf(b, leaf, 0);
    uint32_t physical = h.eax & 0xff;
    struct cpuid_regs r = {.eax = (physical ? physical : 36) | 48 << 8};
    r.ebx = feature(b, EXT8_EBX, h.ebx);
    if (!b->model->intel)
        r.ecx = (uint32_t)(b->options->vcpus - 1) | b->id_bits << 12;
    add_flat(b, slot, r);
}

// Fills the feature masks from the table, by the conditions that it names.
static void evaluate(struct build *b)
{
    const struct cpu_model *model = b->model;
    const struct cpu_options *options = b->options;
    const bool always = true, intel = model->intel, amd = !intel, smp = options->vcpus > 1;
    const uint64_t xcr0 = model->xcr0_supported;
    const bool xsave = xcr0 != 0, avx = xcr0 & XCR0_AVX, avx512 = xcr0 & XCR0_AVX512,
               pku = xcr0 & XCR0_PKRU, xsavec = xsave && b->xsavec;
    (void)intel;
#define HOST(word, bit, name, when, reason) b->host_mask[word] |= (uint32_t)(when) << (bit);
#define MAKE(word, bit, name, when, reason) b->made[word] |= (uint32_t)(when) << (bit);
#include "cpu_model.def"
}

// XCR0 bits come in sets: SSE with x87, AVX with SSE, all of AVX-512 with AVX (SDM 1 13.3).
static uint64_t xcr0_consistent(uint64_t xcr0)
{
    if ((xcr0 & (XCR0_X87 | XCR0_SSE)) != (XCR0_X87 | XCR0_SSE))
        return 0;
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512 || !(xcr0 & XCR0_AVX))
        xcr0 &= ~(uint64_t)XCR0_AVX512;
    return xcr0 & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU);
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// What the host is: vendor, ranges, extended state.
static void look_at_host(struct build *b)
{
    struct cpu_model *model = b->model;
    struct cpuid_regs r;
    b->host(0, 0, &r);
    b->host_max = r.eax;
    model->intel = r.ebx == 0x756e6547; // "Genu"
    b->host(BASE_EXTENDED, 0, &r);
    b->host_extended_max = r.eax;
    model->max_basic = model->intel ? CPUID_BASIC_MAX : 0xd;
    model->max_kvm = BASE_KVM + (model->pvclock ? 1 : 0);
    model->max_extended = lower(r.eax, BASE_EXTENDED + (model->intel ? 8 : CPUID_EXTENDED_MAX));
    if (model->max_extended < BASE_EXTENDED + 8) // no 64-bit processor is so poor
        model->max_extended = BASE_EXTENDED + 8;
    bool has_xsave = host_leaf(b, 1, 0).ecx >> 26 & 1;
    r = host_leaf(b, 0xd, 0);
    uint64_t host_xcr0 = (uint64_t)r.edx << 32 | r.eax;
    host_xcr0 &= b->options->xcr0;
    uint32_t compact = 512 + 64; // bytes of all components that the host knows, at most
    for (uint32_t i = 2; i < CPUID_COMPONENTS; i++) {
        // HAZARD: Bochs 2.7 has PKRU, but tells neither its size nor its place: a guest would
        // reserve no room for it, and its XSAVE would write behind the area, on its stack.
        r = host_leaf(b, 0xd, i);
        if (!r.eax || r.ebx < 512 + 64)
            host_xcr0 &= ~(1ull << i);
        compact = ((compact + 63) & ~63u) + r.eax;
    }
    // HAZARD: Bochs 2.7 counts SSE twice in the compacted format: its XSAVEC writes over the
    // header, and a guest that switches between two threads loses their registers.
    b->xsavec = has_xsave && host_leaf(b, 0xd, 1).ebx <= compact;
    model->xcr0_supported = has_xsave ? xcr0_consistent(host_xcr0) : 0;
    model->nx = host_leaf(b, BASE_EXTENDED + 1, 0).edx >> 20 & 1;
}

void cpuid_init(struct cpu_model *model, const struct cpu_options *options, uint64_t tsc_hz)
{
    *model = (struct cpu_model){
        .xcr0 = XCR0_X87,
        .pvclock = !options->hide_pvclock,
        .pv_eoi = options->pv_eoi && !options->hide_pvclock,
        .x2apic = options->x2apic,
        .vcpus = options->vcpus,
        .apic_id = options->apic_id,
    };
    struct build b = {
        .model = model,
        .options = options,
        .host = options->host ? options->host : cpuid_instruction,
        .tsc_hz = tsc_hz,
    };
    while (b.id_bits < 7 && 1u << b.id_bits < options->vcpus)
        b.id_bits++;
    look_at_host(&b);
    evaluate(&b);
#define LEAF(leaf, builder, name, reason) build_##builder(&b, slot_of(model, leaf), leaf);
#include "cpu_model.def"
}

static const struct cpuid_slot *find(const struct cpu_model *model, uint32_t leaf)
{
    static const struct cpuid_slot nothing;
    if (leaf <= model->max_basic)
        return &model->basic[leaf];
    if (leaf >= BASE_EXTENDED && leaf <= model->max_extended)
        return &model->extended[leaf - BASE_EXTENDED];
    if (leaf >> 8 == BASE_KVM >> 8) // what hypervisors use: no silicon answers here
        return leaf <= model->max_kvm ? &model->kvm[leaf - BASE_KVM] : &nothing;
    return model->intel ? &model->basic[model->max_basic] : &nothing;
}

static void patch(const struct cpu_model *model, unsigned dynamic, uint32_t subleaf,
                  struct cpuid_regs *r)
{
    switch (dynamic) {
    case DYNAMIC_1:
        if (model->cr4 & CR4_OSXSAVE)
            r->ecx |= 1u << 27;
        if (model->apic_disabled)
            r->edx &= ~(1u << 9);
        break;
    case DYNAMIC_7:
        if (subleaf == 0 && model->cr4 & CR4_PKE)
            r->ecx |= 1u << 4;
        break;
    case DYNAMIC_B:
        r->ecx =
            (r->ecx & ~0xffu) | (subleaf & 0xff); // subleaves out of range still tell these two
        r->edx = model->apic_id;
        break;
    case DYNAMIC_D:
        if (subleaf == 0)
            r->ebx = xsave_size(model, model->xcr0, false);
        else if (subleaf == 1 && r->eax & 2)
            r->ebx = xsave_size(model, model->xcr0, true);
        break;
    case DYNAMIC_EXT1:
        if (model->apic_disabled)
            r->edx &= ~(1u << 9);
        break;
    }
}

void cpuid_get(const struct cpu_model *model, uint32_t leaf, uint32_t subleaf,
               struct cpuid_regs *out)
{
    const struct cpuid_slot *slot = find(model, leaf);
    unsigned index = slot->flat ? 0 : subleaf;
    if (index < slot->count)
        *out = model->entry[slot->first + index];
    else
        *out = (struct cpuid_regs){0};
    if (slot->dynamic)
        patch(model, slot->dynamic, subleaf, out);
}

bool cpuid_xcr0_valid(const struct cpu_model *model, uint64_t value)
{
    if (value & ~model->xcr0_supported || !(value & XCR0_X87))
        return false;
    if (value & XCR0_AVX && !(value & XCR0_SSE))
        return false;
    uint64_t avx512 = value & XCR0_AVX512;
    return avx512 == 0 || (avx512 == XCR0_AVX512 && value & XCR0_AVX);
}
