// SPDX-License-Identifier: BSD-2-Clause
// Local APIC: pending and in-service vectors, priorities, EOI, the local vector table, IPIs, and
// the verbs of the device. IRR, ISR and PPR have cached maxima; every change of the sets goes
// through the helpers here, which keep them true. Vectors below 16 never enter a set, so 0 means
// "none".
#include "lapic.h"

#include <stdio.h>
#include <string.h>

#define ESR_SEND_ILLEGAL    (1u << 5)
#define ESR_RECEIVE_ILLEGAL (1u << 6)

static uint32_t top(const struct vector_set *set)
{
    if (set->summary == 0)
        return 0;
    unsigned word = 31u - (unsigned)__builtin_clz(set->summary);
    return word * 32 + 31 - (unsigned)__builtin_clz(set->word[word]);
}

static void include(struct vector_set *set, uint8_t vector)
{
    set->word[vector >> 5] |= 1u << (vector & 31);
    set->summary |= 1u << (vector >> 5);
}

static void exclude(struct vector_set *set, uint8_t vector)
{
    set->word[vector >> 5] &= ~(1u << (vector & 31));
    if (set->word[vector >> 5] == 0)
        set->summary &= ~(1u << (vector >> 5));
}

/* SDM 3A 11.8.3.1: the higher class of TPR and the highest vector in service. */
static void update_ppr(struct lapic *lapic)
{
    uint32_t isr = lapic->isr_top & 0xf0;
    uint32_t tpr = lapic->s.tpr;
    lapic->ppr = (tpr & 0xf0) >= isr ? tpr : isr;
}

void lapic_set_tpr(struct lapic *lapic, uint32_t value)
{
    lapic_pull(lapic);
    lapic->s.tpr = value & 0xff;
    update_ppr(lapic);
    lapic_push(lapic);
}

void lapic_set_cr8(struct lapic *lapic, uint64_t value)
{
    lapic_set_tpr(lapic, (uint32_t)(value & 15) << 4);
}

void lapic_error(struct lapic *lapic, uint32_t bit)
{
    bool first = !(lapic->s.esr_pending & bit);
    lapic->s.esr_pending |= bit;
    uint32_t lvt = lapic->s.lvt[LVT_ERROR];
    /* HAZARD: an error entry with an illegal vector would report itself for ever. */
    if (first && !(lvt & LVT_MASKED) && (lvt & 0xff) >= 16)
        lapic_set_irr(lapic, (uint8_t)lvt, false);
}

void lapic_set_irr(struct lapic *lapic, uint8_t vector, bool level)
{
    if (vector < 16) {
        lapic_error(lapic, ESR_RECEIVE_ILLEGAL);
        return;
    }
    include(&lapic->s.irr, vector);
    uint32_t bit = 1u << (vector & 31), *tmr = &lapic->s.tmr[vector >> 5], before = *tmr;
    *tmr = level ? before | bit : before & ~bit;
    if (vector > lapic->irr_top)
        lapic->irr_top = vector;
    lapic_show_pending(lapic, vector, *tmr != before);
}

void lapic_accept(struct lapic *lapic, uint8_t vector)
{
    if (vector < 16)
        return;
    lapic_pull(lapic);
    exclude(&lapic->s.irr, vector);
    lapic->irr_top = top(&lapic->s.irr);
    include(&lapic->s.isr, vector);
    if (vector > lapic->isr_top)
        lapic->isr_top = vector;
    update_ppr(lapic);
    lapic_push(lapic);
}

static void deliver_lint(struct lapic *lapic, unsigned pin);

void lapic_eoi(struct lapic *lapic)
{
    lapic_pull(lapic);
    uint8_t vector = (uint8_t)lapic->isr_top;
    if (vector == 0)
        return;
    exclude(&lapic->s.isr, vector);
    lapic->isr_top = top(&lapic->s.isr);
    update_ppr(lapic);
    lapic_push(lapic);
    lapic_finish(lapic, vector);
}

void lapic_finish(struct lapic *lapic, uint8_t vector)
{
    if (!(lapic->s.tmr[vector >> 5] & 1u << (vector & 31)))
        return;
    for (unsigned pin = 0; pin < 2; pin++) {
        uint32_t *lvt = &lapic->s.lvt[LVT_LINT0 + pin];
        if (*lvt & LVT_REMOTE_IRR && (*lvt & 0xff) == vector) {
            *lvt &= ~LVT_REMOTE_IRR;
            lapic_show(lapic, LAPIC_LVT(LVT_LINT0 + pin));
            deliver_lint(lapic, pin);
        }
    }
    const struct apic_callbacks *callbacks = &lapic->bus->callbacks;
    if (callbacks->eoi != NULL)
        callbacks->eoi(callbacks->eoi_ctx, vector);
}

void lapic_local(struct lapic *lapic, unsigned entry)
{
    const struct apic_callbacks *callbacks = &lapic->bus->callbacks;
    uint32_t lvt = entry < LVT_COUNT ? lapic->s.lvt[entry] : LVT_MASKED;
    if (lvt & LVT_MASKED || !lapic_hw_enabled(lapic))
        return;
    switch (lvt >> 8 & 7) {
    case APIC_FIXED:
        lapic_set_irr(lapic, (uint8_t)lvt, false);
        break;
    case APIC_NMI:
        if (callbacks->nmi != NULL)
            callbacks->nmi(callbacks->ctx, lapic->cpu);
        break;
    default: /* ExtINT is asked for by lapic_extint_enabled(); SMI and INIT do not exist here */
        break;
    }
}

static void deliver_lint(struct lapic *lapic, unsigned pin)
{
    uint32_t *lvt = &lapic->s.lvt[LVT_LINT0 + pin];
    if (!(lapic->s.lint_level & 1u << pin))
        return;
    /* Only fixed interrupts may be level triggered, and only on LINT0 (SDM 3A 11.5.1). */
    if (pin != 0 || !(*lvt & LVT_LEVEL) || (*lvt >> 8 & 7) != APIC_FIXED) {
        lapic_local(lapic, LVT_LINT0 + pin);
        return;
    }
    if (*lvt & (LVT_MASKED | LVT_REMOTE_IRR) || (*lvt & 0xff) < 16 || !lapic_hw_enabled(lapic))
        return;
    *lvt |= LVT_REMOTE_IRR;
    lapic_show(lapic, LAPIC_LVT(LVT_LINT0));
    lapic_set_irr(lapic, (uint8_t)*lvt, true);
}

void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level)
{
    uint32_t bit = 1u << (pin & 1);
    bool before = lapic->s.lint_level & bit;
    if (level == before)
        return;
    lapic->s.lint_level ^= bit;
    if (!level)
        return;
    deliver_lint(lapic, pin & 1);
    const struct apic_callbacks *callbacks = &lapic->bus->callbacks;
    bool masked = lapic_hw_enabled(lapic) && lapic->s.lvt[LVT_LINT0 + (pin & 1)] & LVT_MASKED;
    if (!masked && lapic->cpu != lapic->bus->current && callbacks->kick != NULL)
        callbacks->kick(callbacks->ctx, lapic->cpu);
}

uint32_t lapic_logical_id(const struct lapic *lapic)
{
    if (lapic_x2apic(lapic)) /* cluster in the upper half, a bit in the lower: SDM 3A 11.12.10.2 */
        return lapic->s.id >> 4 << 16 | 1u << (lapic->s.id & 15);
    return lapic->s.ldr;
}

void lapic_send_ipi(struct lapic *lapic, uint32_t low, uint32_t high)
{
    bool x2apic = lapic_x2apic(lapic);
    struct apic_message message = {
        .dest = x2apic ? high : high >> 24,
        .vector = (uint8_t)low,
        .mode = low >> 8 & 7,
        .logical = (low & 1u << 11) != 0,
        .level = false, /* the trigger mode has no meaning for IPIs since the Pentium 4 */
        .x2apic = x2apic,
    };
    if (message.mode == APIC_INIT && (low & 0xc000) == 0x8000)
        return; /* INIT level de-assert: only the P6 and older did something with it */
    if (message.mode <= APIC_LOWEST && message.vector < 16) {
        lapic_error(lapic, ESR_SEND_ILLEGAL);
        return;
    }
    uint32_t self = 1u << lapic->cpu;
    uint32_t all = (1u << lapic->bus->count) - 1;
    switch (low >> 18 & 3) {
    case 0:
        apic_bus_send(lapic->bus, &message);
        break;
    case 1:
        apic_bus_send_set(lapic->bus, self, &message);
        break;
    case 2:
        apic_bus_send_set(lapic->bus, all, &message);
        break;
    default:
        apic_bus_send_set(lapic->bus, all & ~self, &message);
        break;
    }
}

void lapic_refresh(struct lapic *lapic)
{
    struct vector_set *sets[2] = {&lapic->s.irr, &lapic->s.isr};
    for (unsigned i = 0; i < 2; i++) {
        sets[i]->summary = 0;
        for (unsigned w = 0; w < 8; w++)
            if (sets[i]->word[w] != 0)
                sets[i]->summary |= 1u << w;
    }
    lapic->irr_top = top(&lapic->s.irr);
    lapic->isr_top = top(&lapic->s.isr);
    update_ppr(lapic);
}

/* Rebuilds what is derived from the state. */
static void refresh(struct lapic *lapic)
{
    lapic_refresh(lapic);
    lapic_mode(lapic);
    lapic->deadline = CLOCK_NEVER;
    lapic_timer_schedule(lapic, clock_now(lapic->clock));
}

void lapic_init_reset(struct lapic *lapic)
{
    struct lapic_state *s = &lapic->s;
    struct lapic_state keep = *s;
    memset(s, 0, sizeof(*s));
    s->apic_base = keep.apic_base;
    s->id = keep.id;
    s->lint_level = keep.lint_level;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    for (unsigned i = 0; i < LVT_COUNT; i++)
        s->lvt[i] = LVT_MASKED;
    refresh(lapic);
}

static void reset(void *dev)
{
    struct lapic *lapic = dev;
    lapic->s.id = lapic->cpu;
    lapic->s.apic_base = LAPIC_BASE | APIC_BASE_ENABLE | (lapic->cpu == 0 ? APIC_BASE_BSP : 0);
    lapic_init_reset(lapic);
}

bool lapic_init(struct lapic *lapic, struct apic_bus *bus, const struct clock *clock,
                uint64_t timer_hz)
{
    memset(lapic, 0, sizeof(*lapic));
    lapic->cpu = bus->count;
    lapic->clock = clock;
    lapic->bus = bus;
    lapic->timer_hz = timer_hz != 0 ? timer_hz : 1000000000;
    if (!apic_bus_add(bus, lapic))
        return false;
    reset(lapic);
    return true;
}

void lapic_virtual_wire(struct lapic *lapic)
{
    lapic->s.svr = 0x1ff;
    lapic->s.lvt[LVT_LINT0] = APIC_EXTINT << 8;
    lapic->s.lvt[LVT_LINT1] = APIC_NMI << 8;
    lapic_mode(lapic);
}

#define LAPIC_SNAPSHOT SNAPSHOT_ID('A', 'P', 'C', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    struct lapic *lapic = dev;
    lapic_pull(lapic);
    struct lapic_state s = lapic->s;
    uint64_t now = clock_now(lapic->clock);
    s.timer_origin = clock_since(now, s.timer_origin);
    s.timer_last = clock_since(now, s.timer_last);
    return snapshot_save(buf, size, LAPIC_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct lapic *lapic = dev;
    struct lapic_state s;
    if (!snapshot_load(buf, size, LAPIC_SNAPSHOT, &s, sizeof(s)))
        return false;
    uint64_t mode = s.apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    uint64_t known = LAPIC_BASE | APIC_BASE_ENABLE | APIC_BASE_X2APIC | APIC_BASE_BSP;
    if (s.apic_base & ~known || (s.apic_base & LAPIC_BASE) != LAPIC_BASE ||
        mode == APIC_BASE_X2APIC || (mode & APIC_BASE_X2APIC && !lapic->allow_x2apic))
        return false;
    if ((s.irr.word[0] | s.isr.word[0] | s.tmr[0]) & 0xffff || s.tpr > 0xff || s.id > 0xff)
        return false;
    uint64_t now = clock_now(lapic->clock);
    s.timer_origin = clock_since(now, s.timer_origin);
    s.timer_last = clock_since(now, s.timer_last);
    lapic->s = s;
    refresh(lapic);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    struct lapic *lapic = dev;
    const struct lapic_state *s = &lapic->s;
    lapic_pull(lapic);
    size_t n = info_length(
        snprintf(buf, size,
                 "lapic%u: id %u base %llx svr %03x tpr %02x ppr %02x irr-top %02x isr-top %02x "
                 "ldr %08x esr %02x timer %u/%u%s\n  lvt",
                 lapic->cpu, s->id, (unsigned long long)s->apic_base, s->svr, s->tpr, lapic->ppr,
                 lapic->irr_top, lapic->isr_top, lapic_logical_id(lapic), s->esr,
                 lapic_timer_count(lapic, clock_now(lapic->clock)), s->timer_initial,
                 lapic->virtual ? " virtual" : ""),
        size);
    for (unsigned i = 0; i < LVT_COUNT; i++)
        n += info_length(snprintf(buf + n, size - n, " %05x", s->lvt[i]), size - n);
    n += info_length(snprintf(buf + n, size - n, "\n"), size - n);
    return n;
}

const struct device_ops lapic_ops = {
    .name = "lapic",
    .reset = reset,
    .save = save,
    .restore = restore,
    .info = info,
};
