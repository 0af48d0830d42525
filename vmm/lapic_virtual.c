// SPDX-License-Identifier: BSD-2-Clause
// The Local APIC with the processor's help (SDM 3C chapter 29): the guest's reads, TPR, EOI and
// IPIs to itself are done in the virtual-APIC page, and interrupts delivered from it, without an
// exit. Between two entries the page is the truth about TPR, IRR and ISR: a function of the model
// that needs them pulls first and pushes what it changed before anything else can pull again.
#include "lapic.h"

enum { /* index in the page */
       PAGE_TPR = 0x80 / 4,
       PAGE_PPR = 0xa0 / 4,
       PAGE_ISR = 0x100 / 4,
       PAGE_TMR = 0x180 / 4,
       PAGE_IRR = 0x200 / 4,
       PAGE_ICR = 0x300 / 4,
       PAGE_ICR_HIGH = 0x310 / 4,
};

#define WORD(base, i) ((base) + 4 * (i))

static void merge(struct lapic *lapic)
{
    struct lapic_state *s = &lapic->s;
    bool own = lapic_is_current(lapic);
    for (unsigned i = 0; i < 8; i++) {
        s->irr.word[i] |= lapic->posted[i];
        if (!own)
            continue;
        lapic->page[WORD(PAGE_IRR, i)] = s->irr.word[i];
        lapic->page[WORD(PAGE_TMR, i)] = s->tmr[i];
        lapic->posted[i] = 0;
    }
    lapic->has_posted = !own;
}

void lapic_pull(struct lapic *lapic)
{
    struct lapic_state *s = &lapic->s;
    volatile uint32_t *page = lapic->page;
    if (!lapic->virtual)
        return;
    s->tpr = page[PAGE_TPR] & 0xff;
    s->icr_low = page[PAGE_ICR] & 0xccfff;
    s->icr_high = page[PAGE_ICR_HIGH] & 0xff000000;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t legal = i == 0 ? 0xffff0000 : 0xffffffff;
        s->irr.word[i] = page[WORD(PAGE_IRR, i)] & legal;
        s->isr.word[i] = page[WORD(PAGE_ISR, i)] & legal;
    }
    if (lapic->has_posted)
        merge(lapic);
    lapic_refresh(lapic);
}

void lapic_push(struct lapic *lapic)
{
    const struct lapic_state *s = &lapic->s;
    volatile uint32_t *page = lapic->page;
    if (!lapic->virtual)
        return;
    page[PAGE_TPR] = s->tpr;
    page[PAGE_PPR] = lapic->ppr;
    for (unsigned i = 0; i < 8; i++) {
        page[WORD(PAGE_IRR, i)] = s->irr.word[i];
        page[WORD(PAGE_ISR, i)] = s->isr.word[i];
        page[WORD(PAGE_TMR, i)] = s->tmr[i];
    }
    lapic->changed = true;
}

void lapic_show(struct lapic *lapic, uint32_t offset)
{
    uint32_t value;
    if (lapic->virtual && lapic_register_get(lapic, offset, &value))
        lapic->page[offset / 4] = value;
}

void lapic_publish(struct lapic *lapic)
{
    if (!lapic->virtual)
        return;
    for (uint32_t offset = 0; offset < 0x400; offset += 0x10)
        if (offset < 0x80 || (offset >= 0xb0 && offset < 0x100) || offset >= 0x280)
            lapic_show(lapic, offset);
}

void lapic_show_pending(struct lapic *lapic, uint8_t vector, bool retriggered)
{
    unsigned i = vector >> 5;
    if (!lapic->virtual)
        return;
    if (lapic_is_current(lapic)) {
        lapic->page[WORD(PAGE_IRR, i)] |= 1u << (vector & 31);
        lapic->page[WORD(PAGE_TMR, i)] = lapic->s.tmr[i];
    } else {
        lapic->posted[i] |= 1u << (vector & 31);
        lapic->has_posted = true;
    }
    lapic->changed = true;
    lapic->controls |= retriggered;
}

void lapic_mode(struct lapic *lapic)
{
    if (lapic->page == NULL)
        return;
    lapic->virtual = lapic_enabled(lapic) && !lapic_x2apic(lapic);
    lapic->changed = lapic->controls = true;
    lapic_push(lapic);
    lapic_publish(lapic);
}

void lapic_use_page(struct lapic *lapic, void *page)
{
    lapic->page = page;
    lapic_mode(lapic);
}

uint32_t lapic_status(struct lapic *lapic)
{
    lapic_pull(lapic);
    return lapic->irr_top | lapic->isr_top << 8;
}

void lapic_eoi_exit(struct lapic *lapic, uint8_t vector)
{
    lapic_finish(lapic, vector);
}

void lapic_write_exit(struct lapic *lapic, uint32_t offset)
{
    offset &= 0xff0;
    if (lapic->virtual)
        lapic_page_ops.write(lapic->bus, offset, 4, lapic->page[offset / 4]);
}
