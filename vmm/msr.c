// SPDX-License-Identifier: BSD-2-Clause
// RDMSR and WRMSR. The table is cpu_model.def; here are the checks that hardware makes (SDM 4, APM
// 2 appendix A) and the registers that need code. HAZARD: the index and the value are the guest's:
// nothing is indexed by either.
#include "msr.h"

#include <stddef.h>

#include "platform.h"

enum msr_kind { KIND_VALUE, KIND_STORE, KIND_PAGE, KIND_CALL };
enum msr_cpus { ANY, INTEL, AMD };
enum msr_check {
    CHECK_ANY,
    CHECK_CANONICAL,
    CHECK_LOW32,    // upper half must be 0
    CHECK_TRUNCATE, // upper half is dropped
    CHECK_PAT,
    CHECK_MTRR,       // one type; no bit beyond the guest's physical addresses
    CHECK_MTRR_FIXED, // eight types
    CHECK_EFER,
};

struct msr {
    uint8_t kind, cpus, check;
    uint8_t slot;      // KIND_STORE: in msr_state.stored
    uint16_t offset;   // KIND_PAGE: in struct vcpu_page
    uint32_t group;    // KIND_PAGE
    uint64_t value;    // KIND_VALUE, and KIND_STORE after reset
    uint64_t writable; // bits in which a write may differ from `value`
    enum msr_result (*read)(struct msr_state *state, uint32_t index, uint64_t *value);
    enum msr_result (*write)(struct msr_state *state, uint32_t index, uint64_t value);
};

#define EFER_SCE 0x1u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u
#define CR0_PG   0x80000000u

#define APIC_BASE    0x1bu
#define APIC_BASE_EN 0x800u
#define X2APIC_RANGE 8u // index >> 8

#define PAT_RESET 0x0007040600070406ull

// Memory types: PAT allows UC WC WT WP WB and UC-, MTRRs all but the last (SDM 3A 11.12.2,
// 11.11.2.1).
#define PAT_TYPES  0xf3u
#define MTRR_TYPES 0x73u

#define MTRR_WRITE_BACK  0x0606060606060606ull
#define MTRR_DEF_TYPE_ON 0xc06u // E, FE, write-back
#define MTRR_MASK_VALID  0x800u

static enum msr_result read_tsc(struct msr_state *state, uint32_t index, uint64_t *value)
{
    (void)index;
    *value = state->hooks.tsc_read(state->hooks.context);
    return MSR_OK;
}

static enum msr_result write_tsc(struct msr_state *state, uint32_t index, uint64_t value)
{
    (void)index;
    state->hooks.tsc_write(state->hooks.context, value);
    return MSR_OK;
}

// The Local APIC checks what it is told. CPUID shows whether it is enabled.
static enum msr_result read_apic(struct msr_state *state, uint32_t index, uint64_t *value)
{
    if (state->hooks.apic_read(state->hooks.context, index, value))
        return MSR_OK;
    *value = 0;
    return MSR_GP;
}

static enum msr_result write_apic(struct msr_state *state, uint32_t index, uint64_t value)
{
    if (!state->hooks.apic_write(state->hooks.context, index, value))
        return MSR_GP;
    if (index == APIC_BASE)
        state->model->apic_disabled = !(value & APIC_BASE_EN);
    return MSR_OK;
}

static bool has_pvclock(const struct msr_state *state)
{
    return state->model->pvclock && state->pvclock;
}

static enum msr_result read_wall_clock(struct msr_state *state, uint32_t index, uint64_t *value)
{
    (void)index;
    if (!has_pvclock(state))
        return MSR_GP;
    *value = state->pvclock->wall_clock;
    return MSR_OK;
}

static enum msr_result write_wall_clock(struct msr_state *state, uint32_t index, uint64_t value)
{
    (void)index;
    return has_pvclock(state) && pvclock_write_wall_clock(state->pvclock, value) ? MSR_OK : MSR_GP;
}

static enum msr_result read_system_time(struct msr_state *state, uint32_t index, uint64_t *value)
{
    (void)index;
    if (!has_pvclock(state))
        return MSR_GP;
    *value = state->pvclock->system_time;
    return MSR_OK;
}

static enum msr_result write_system_time(struct msr_state *state, uint32_t index, uint64_t value)
{
    (void)index;
    return has_pvclock(state) && pvclock_write_system_time(state->pvclock, value) ? MSR_OK : MSR_GP;
}

static enum msr_result read_pv_eoi(struct msr_state *state, uint32_t index, uint64_t *value)
{
    (void)index;
    if (!state->model->pv_eoi || !state->hooks.pv_eoi)
        return MSR_GP;
    *value = state->hooks.pv_eoi->value;
    return MSR_OK;
}

static enum msr_result write_pv_eoi(struct msr_state *state, uint32_t index, uint64_t value)
{
    (void)index;
    if (!state->model->pv_eoi || !state->hooks.pv_eoi)
        return MSR_GP;
    return pv_eoi_write(state->hooks.pv_eoi, value) ? MSR_OK : MSR_GP;
}

// Numbers the rows of kind MSR_STORE.
enum {
#define MSR_STORE(index, name, cpus, value, change, check, reason) SLOT_##index,
#include "cpu_model.def"
    STORED
};
_Static_assert(STORED <= MSR_STORED_MAX, "raise MSR_STORED_MAX");

// A switch over the indices of the table becomes a search tree: no loop, no index from the guest.
static const struct msr *find(uint32_t index)
{
#define MSR_VALUE(i, name, on, v, accept, reason)                            \
    case i: {                                                                \
        static const struct msr m = {                                        \
            .kind = KIND_VALUE, .cpus = on, .value = v, .writable = accept}; \
        return &m;                                                           \
    }
#define MSR_STORE(i, name, on, v, change, how, reason)    \
    case i: {                                             \
        static const struct msr m = {.kind = KIND_STORE,  \
                                     .cpus = on,          \
                                     .check = how,        \
                                     .slot = SLOT_##i,    \
                                     .value = v,          \
                                     .writable = change}; \
        return &m;                                        \
    }
#define MSR_PAGE(i, name, field, of, how, reason)                                  \
    case i: {                                                                      \
        static const struct msr m = {.kind = KIND_PAGE,                            \
                                     .check = how,                                 \
                                     .group = of,                                  \
                                     .offset = offsetof(struct vcpu_page, field)}; \
        return &m;                                                                 \
    }
#define MSR_CALL(i, name, function, reads, writes, reason)                          \
    case i: {                                                                       \
        static const struct msr m = {                                               \
            .kind = KIND_CALL, .read = read_##function, .write = write_##function}; \
        return &m;                                                                  \
    }
    switch (index) {
#include "cpu_model.def"
    default:
        return NULL;
    }
}

static uint64_t *field(const struct msr_state *state, const struct msr *m)
{
    return (uint64_t *)((uint8_t *)state->page + m->offset);
}

static bool present(const struct msr_state *state, const struct msr *m)
{
    return m && (m->cpus == ANY || (m->cpus == INTEL) == state->model->intel);
}

// Eight memory types, each of which is a bit of `allowed`.
static bool types_valid(uint64_t value, unsigned allowed)
{
    for (unsigned i = 0; i < 8; i++, value >>= 8)
        if ((value & 0xff) > 7 || !(allowed >> (value & 7) & 1))
            return false;
    return true;
}

static unsigned physical_bits(const struct msr_state *state)
{
    struct cpuid_regs r;
    cpuid_get(state->model, 0x80000008, 0, &r);
    return r.eax & 0x3f;
}

// LMA is the processor's; a write cannot change it and is not refused for it (SDM 3A 2.2.1).
static bool efer_check(const struct msr_state *state, uint64_t *value)
{
    uint64_t old = state->page->efer;
    uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | (state->model->nx ? EFER_NXE : 0);
    if (*value & ~allowed)
        return false;
    if ((*value ^ old) & EFER_LME && state->page->cr0 & CR0_PG)
        return false;
    *value = (*value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    return true;
}

static bool check(const struct msr_state *state, const struct msr *m, uint64_t *value)
{
    switch ((enum msr_check)m->check) {
    case CHECK_ANY:
        return true;
    case CHECK_CANONICAL:
        return (uint64_t)((int64_t)(*value << 16) >> 16) == *value;
    case CHECK_LOW32:
        return *value >> 32 == 0;
    case CHECK_TRUNCATE:
        *value &= UINT32_MAX;
        return true;
    case CHECK_PAT:
        return types_valid(*value, PAT_TYPES);
    case CHECK_MTRR:
        return types_valid(*value & 0xff, MTRR_TYPES) && !(*value >> physical_bits(state));
    case CHECK_MTRR_FIXED:
        return types_valid(*value, MTRR_TYPES);
    case CHECK_EFER:
        return efer_check(state, value);
    }
    return false;
}

static enum msr_result unknown(struct msr_state *state, uint32_t index)
{
    state->unknown++;
    state->unknown_last = index;
    return MSR_GP;
}

static bool is_x2apic(const struct msr_state *state, uint32_t index)
{
    return index >> 8 == X2APIC_RANGE && state->model->x2apic;
}

void msr_init(struct msr_state *state, struct cpu_model *model, struct vcpu_page *page,
              struct pvclock *pvclock, const struct msr_hooks *hooks)
{
    *state = (struct msr_state){
        .model = model,
        .page = page,
        .pvclock = pvclock,
        .hooks = *hooks,
    };
    model->apic_disabled = false;
#define MSR_STORE(index, name, cpus, v, change, check, reason) state->stored[SLOT_##index] = v;
#include "cpu_model.def"
}

void msr_firmware_state(struct msr_state *state)
{
    for (unsigned i = SLOT_0x0250; i <= SLOT_0x026f; i++)
        state->stored[i] = MTRR_WRITE_BACK;
    state->stored[SLOT_0x0259] = 0;                      // where a VGA card is: uncacheable
    state->stored[SLOT_0x0200] = PLATFORM_LOW_RAM_LIMIT; // so is all from there to 4 GiB
    state->stored[SLOT_0x0201] =
        ((1ull << physical_bits(state)) - PLATFORM_LOW_RAM_LIMIT) | MTRR_MASK_VALID;
    state->stored[SLOT_0x02ff] = MTRR_DEF_TYPE_ON;
}

void msr_reset_page(struct vcpu_page *page)
{
#define MSR_PAGE(index, name, field, group, check, reason) page->field = 0;
#include "cpu_model.def"
    page->pat = PAT_RESET;
    page->xcr0 = 1;
    page->dirty |= GROUP_SEG | GROUP_SYSCALL | GROUP_SYSENTER | GROUP_EFER_PAT | GROUP_XSTATE;
}

uint32_t msr_groups(uint32_t index)
{
    const struct msr *m = find(index);
    if (!m || m->kind != KIND_PAGE)
        return 0;
    return m->check == CHECK_EFER ? m->group | GROUP_CR : m->group;
}

enum msr_result msr_read(struct msr_state *state, uint32_t index, uint64_t *value)
{
    *value = 0;
    const struct msr *m = find(index);
    if (!present(state, m)) {
        if (is_x2apic(state, index))
            return read_apic(state, index, value);
        return unknown(state, index);
    }
    switch ((enum msr_kind)m->kind) {
    case KIND_VALUE:
        *value = m->value;
        return MSR_OK;
    case KIND_STORE:
        *value = state->stored[m->slot];
        return MSR_OK;
    case KIND_PAGE:
        *value = *field(state, m);
        return MSR_OK;
    case KIND_CALL:
        return m->read(state, index, value);
    }
    return MSR_GP;
}

enum msr_result msr_write(struct msr_state *state, uint32_t index, uint64_t value)
{
    const struct msr *m = find(index);
    if (!present(state, m)) {
        if (is_x2apic(state, index))
            return write_apic(state, index, value);
        return unknown(state, index);
    }
    switch ((enum msr_kind)m->kind) {
    case KIND_VALUE:
        // A register without a writable bit is read-only: even its own value is refused
        return m->writable && !((value ^ m->value) & ~m->writable) ? MSR_OK : MSR_GP;
    case KIND_STORE:
        if ((value ^ m->value) & ~m->writable || !check(state, m, &value))
            return MSR_GP;
        state->stored[m->slot] = value;
        return MSR_OK;
    case KIND_PAGE:
        if (!check(state, m, &value))
            return MSR_GP;
        *field(state, m) = value;
        state->page->dirty |= m->group;
        return MSR_OK;
    case KIND_CALL:
        return m->write(state, index, value);
    }
    return MSR_GP;
}
