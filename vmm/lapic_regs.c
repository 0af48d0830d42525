// SPDX-License-Identifier: BSD-2-Clause
// Local APIC registers: the xAPIC page (SDM 3A table 11-1) and the MSRs APIC_BASE, TSC_DEADLINE and
// 0x800..0x83f of x2APIC mode (table 11-6). The base address cannot be moved: such a write is
// refused.
#include "lapic.h"

enum { /* register numbers: offset in the page / 16; the x2APIC MSR is 0x800 + number */
       APIC_ID = 0x02,
       APIC_VERSION = 0x03,
       APIC_TPR = 0x08,
       APIC_APR = 0x09,
       APIC_PPR = 0x0a,
       APIC_EOI = 0x0b,
       APIC_RRD = 0x0c,
       APIC_LDR = 0x0d,
       APIC_DFR = 0x0e,
       APIC_SVR = 0x0f,
       APIC_ISR = 0x10,
       APIC_TMR = 0x18,
       APIC_IRR = 0x20,
       APIC_ESR = 0x28,
       APIC_ICR_LOW = 0x30,
       APIC_ICR_HIGH = 0x31,
       APIC_LVT_TIMER = 0x32,
       APIC_LVT_ERROR = 0x37,
       APIC_TIMER_INITIAL = 0x38,
       APIC_TIMER_CURRENT = 0x39,
       APIC_TIMER_DIVIDE = 0x3e,
       APIC_SELF_IPI = 0x3f,
};

/* An integrated APIC with six LVT entries, without EOI-broadcast suppression. */
#define VERSION_VALUE 0x00050014u

#define ESR_ILLEGAL_REGISTER (1u << 7)

/* Bits of each LVT entry that software can write. */
static const uint32_t lvt_mask[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

bool lapic_register_get(const struct lapic *lapic, uint32_t offset, uint32_t *value)
{
    const struct lapic_state *s = &lapic->s;
    unsigned word = offset >> 4 & 7;
    switch (offset >> 4) {
    case APIC_ID:
        *value = lapic_x2apic(lapic) ? s->id : s->id << 24;
        break;
    case APIC_VERSION:
        *value = VERSION_VALUE;
        break;
    case APIC_TPR:
        *value = s->tpr;
        break;
    case APIC_PPR:
        *value = lapic->ppr;
        break;
    case APIC_APR:
    case APIC_RRD:
    case APIC_EOI:
        *value = 0;
        break;
    case APIC_LDR:
        *value = lapic_logical_id(lapic);
        break;
    case APIC_DFR:
        *value = s->dfr;
        break;
    case APIC_SVR:
        *value = s->svr;
        break;
    case APIC_ISR ... APIC_ISR + 7:
        *value = s->isr.word[word];
        break;
    case APIC_TMR ... APIC_TMR + 7:
        *value = s->tmr[word];
        break;
    case APIC_IRR ... APIC_IRR + 7:
        *value = s->irr.word[word];
        break;
    case APIC_ESR:
        *value = s->esr;
        break;
    case APIC_ICR_LOW:
        *value = s->icr_low;
        break;
    case APIC_ICR_HIGH:
        *value = s->icr_high;
        break;
    case APIC_LVT_TIMER ... APIC_LVT_ERROR:
        *value = s->lvt[(offset >> 4) - APIC_LVT_TIMER];
        break;
    case APIC_TIMER_INITIAL:
        *value = s->timer_initial;
        break;
    case APIC_TIMER_CURRENT:
        *value = lapic_timer_count(lapic, clock_now(lapic->clock));
        break;
    case APIC_TIMER_DIVIDE:
        *value = s->timer_divide;
        break;
    default:
        *value = 0;
        return false;
    }
    return true;
}

bool lapic_register_read(struct lapic *lapic, uint32_t offset, uint32_t *value)
{
    lapic_pull(lapic);
    return lapic_register_get(lapic, offset, value);
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    lapic->s.svr = value & 0x1ff;
    /* SDM 3A 11.4.7.2: while disabled by software all LVT masks are set and stay so. */
    for (unsigned i = 0; i < LVT_COUNT && !(value & 0x100); i++)
        lapic->s.lvt[i] |= LVT_MASKED;
    if (!(value & 0x100))
        lapic_timer_set_lvt(lapic, lapic->s.lvt[LVT_TIMER]);
    lapic_mode(lapic);
}

static void write_lvt(struct lapic *lapic, unsigned entry, uint32_t value)
{
    value &= lvt_mask[entry];
    if (!(lapic->s.svr & 0x100))
        value |= LVT_MASKED;
    if (entry == LVT_TIMER) {
        lapic_timer_set_lvt(lapic, value);
        return;
    }
    if (value & LVT_LEVEL)
        value |= lapic->s.lvt[entry] & LVT_REMOTE_IRR;
    lapic->s.lvt[entry] = value;
}

bool lapic_register_write(struct lapic *lapic, uint32_t offset, uint32_t value)
{
    struct lapic_state *s = &lapic->s;
    lapic_pull(lapic); /* the upper half of ICR */
    switch (offset >> 4) {
    case APIC_EOI:
        lapic_eoi(lapic);
        break;
    case APIC_TPR:
        lapic_set_tpr(lapic, value);
        break;
    case APIC_TIMER_INITIAL:
        lapic_timer_set_initial(lapic, value);
        break;
    case APIC_ICR_LOW:
        s->icr_low = value & 0xccfff;
        lapic_send_ipi(lapic, s->icr_low, s->icr_high);
        break;
    case APIC_ICR_HIGH:
        s->icr_high = lapic_x2apic(lapic) ? value : value & 0xff000000;
        break;
    case APIC_ID:
        if (lapic_x2apic(lapic))
            return false;
        s->id = value >> 24;
        break;
    case APIC_LDR:
        if (lapic_x2apic(lapic))
            return false;
        s->ldr = value & 0xff000000;
        break;
    case APIC_DFR:
        if (lapic_x2apic(lapic))
            return false;
        s->dfr = value | 0x0fffffff;
        break;
    case APIC_SVR:
        write_svr(lapic, value);
        break;
    case APIC_ESR: /* a write makes what was found since the last one readable */
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        break;
    case APIC_LVT_TIMER ... APIC_LVT_ERROR:
        write_lvt(lapic, (offset >> 4) - APIC_LVT_TIMER, value);
        break;
    case APIC_TIMER_DIVIDE:
        lapic_timer_set_divide(lapic, value);
        break;
    default:
        return false;
    }
    if (offset >> 4 == APIC_LVT_TIMER)
        lapic_publish(lapic); /* it changes others */
    else
        lapic_show(lapic, offset);
    return true;
}

/* Registers are 32 bits wide every 16 bytes. Narrow reads get their part; the bytes between
 * registers read as 0. Writes are taken only where a register begins. */
static uint64_t page_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct apic_bus *bus = dev;
    struct lapic *lapic = bus->cpu[bus->current];
    uint32_t value = 0;
    if (!lapic_hw_enabled(lapic) || lapic_x2apic(lapic))
        return UINT64_MAX; /* the page is not there */
    if (offset & 0xc)
        return 0;
    if (!lapic_register_read(lapic, (uint32_t)offset & 0xff0, &value))
        lapic_error(lapic, ESR_ILLEGAL_REGISTER);
    return value >> (8 * (offset & 3));
}

static void page_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct apic_bus *bus = dev;
    struct lapic *lapic = bus->cpu[bus->current];
    if (!lapic_hw_enabled(lapic) || lapic_x2apic(lapic) || offset & 0xf)
        return;
    if (!lapic_register_write(lapic, (uint32_t)offset & 0xff0, (uint32_t)value))
        lapic_error(lapic, ESR_ILLEGAL_REGISTER);
}

const struct device_ops lapic_page_ops = {
    .name = "lapic-page",
    .read = page_read,
    .write = page_write,
    .width = 4,
};

static bool write_base(struct lapic *lapic, uint64_t value)
{
    lapic_pull(lapic); /* what the page knows, before it may be left */
    uint64_t before = lapic->s.apic_base;
    uint64_t changed = before ^ value;
    if (changed & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC))
        return false;
    if (changed == 0)
        return true;
    bool was_on = before & APIC_BASE_ENABLE, was_x2 = before & APIC_BASE_X2APIC;
    bool on = value & APIC_BASE_ENABLE, x2 = value & APIC_BASE_X2APIC;
    /* SDM 3A figure 11-27: x2APIC only from xAPIC, and out of it only to disabled. */
    if (x2 && (!on || !was_on || !lapic->allow_x2apic))
        return false;
    if (was_x2 && on && !x2)
        return false;
    lapic->s.apic_base = value;
    if (!on)
        lapic_init_reset(lapic);
    if (x2) {
        lapic->s.id = lapic->cpu; /* the x2APIC ID is read only, whatever the xAPIC's was set to */
        lapic->s.icr_high = 0;
    }
    lapic_mode(lapic);
    return true;
}

static bool x2apic_read(struct lapic *lapic, uint32_t number, uint64_t *value)
{
    uint32_t low;
    if (number == APIC_ICR_HIGH || number == APIC_DFR || number == APIC_EOI || number == APIC_APR ||
        number == APIC_RRD || number == APIC_SELF_IPI ||
        !lapic_register_read(lapic, number << 4, &low))
        return false;
    *value = low;
    if (number == APIC_ICR_LOW)
        *value |= (uint64_t)lapic->s.icr_high << 32;
    return true;
}

static bool x2apic_write(struct lapic *lapic, uint32_t number, uint64_t value)
{
    switch (number) {
    case APIC_ICR_LOW:
        lapic->s.icr_high = (uint32_t)(value >> 32);
        return lapic_register_write(lapic, number << 4, (uint32_t)value);
    case APIC_SELF_IPI:
        if (value > 0xff)
            return false;
        lapic_send_ipi(lapic, 1u << 18 | (uint32_t)value, 0);
        return true;
    case APIC_EOI:
    case APIC_ESR:
        if (value != 0)
            return false;
        break;
    case APIC_TPR:
        if (value > 0xff)
            return false;
        break;
    case APIC_ICR_HIGH:
        return false;
    default:
        break;
    }
    return value >> 32 == 0 && lapic_register_write(lapic, number << 4, (uint32_t)value);
}

bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value)
{
    if (msr == MSR_APIC_BASE) {
        *value = lapic->s.apic_base;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *value = lapic->s.tsc_deadline;
        return lapic->allow_deadline;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !lapic_x2apic(lapic))
        return false;
    return x2apic_read(lapic, msr - MSR_X2APIC_FIRST, value);
}

bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value)
{
    if (msr == MSR_APIC_BASE)
        return write_base(lapic, value);
    if (msr == MSR_TSC_DEADLINE) {
        if (!lapic->allow_deadline)
            return false;
        lapic_timer_set_deadline(lapic, value);
        return true;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !lapic_x2apic(lapic))
        return false;
    return x2apic_write(lapic, msr - MSR_X2APIC_FIRST, value);
}
