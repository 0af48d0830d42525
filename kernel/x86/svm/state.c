// SPDX-License-Identifier: BSD-2-Clause
// State groups between the vCPU page and the VMCB. Everything from the page is cut down to what
// cannot hurt the host.
#include "svm.h"
#include "../insn.h"

// APM 15.5: segment attributes are the descriptor's bits 40..47 and 52..55 side by side; the page
// has VT-x's format, with a gap.
static void load_segment(struct vmcb_segment *to, const struct vcpu_segment *from)
{
    uint32_t a = READ_ONCE(from->attributes);

    to->selector = (uint16_t)READ_ONCE(from->selector);
    to->attributes = a & 0x10000 ? 0 : (uint16_t)((a & 0xff) | (a >> 4 & 0xf00));
    to->limit = READ_ONCE(from->limit);
    to->base = READ_ONCE(from->base);
}

static void store_segment(struct vcpu_segment *to, const struct vmcb_segment *from)
{
    uint32_t a = from->attributes;

    to->selector = from->selector;
    to->attributes = (a & 0xff) | (a & 0xf00) << 4 | (a & 0x80 ? 0 : 0x10000);
    to->limit = from->limit;
    to->base = from->base;
}

// The same processor state in the order of enum seg.
static struct vmcb_segment *segment(struct vmcb *vmcb, unsigned i)
{
    return i == SEG_LDTR ? &vmcb->ldtr : i == SEG_TR ? &vmcb->tr : &vmcb->es + i;
}

// Fields that travel as they are: group, member of the vCPU page, member of the VMCB.
#define FIELDS                                           \
    FIELD(GROUP_CR, cr2, cr2)                            \
    FIELD(GROUP_CR, cr3, cr3)                            \
    FIELD(GROUP_CR, cr4, cr4)                            \
    FIELD(GROUP_TABLES, gdtr_base, gdtr.base)            \
    FIELD(GROUP_TABLES, gdtr_limit, gdtr.limit)          \
    FIELD(GROUP_TABLES, idtr_base, idtr.base)            \
    FIELD(GROUP_TABLES, idtr_limit, idtr.limit)          \
    FIELD(GROUP_SYSCALL, star, star)                     \
    FIELD(GROUP_SYSCALL, lstar, lstar)                   \
    FIELD(GROUP_SYSCALL, cstar, cstar)                   \
    FIELD(GROUP_SYSCALL, sfmask, sfmask)                 \
    FIELD(GROUP_SYSCALL, kernel_gs_base, kernel_gs_base) \
    FIELD(GROUP_SYSENTER, sysenter_cs, sysenter_cs)      \
    FIELD(GROUP_SYSENTER, sysenter_esp, sysenter_esp)    \
    FIELD(GROUP_SYSENTER, sysenter_eip, sysenter_eip)    \
    FIELD(GROUP_EFER_PAT, pat, pat)                      \
    FIELD(GROUP_TIME, tsc_offset, tsc_offset)

static void load_inject(struct vcpu *v, struct vmcb *vmcb, struct vcpu_page *page)
{
    uint32_t event = vcpu_event(READ_ONCE(page->inject));
    unsigned type = EVENT_TYPE(event);

    page->inject = 0;
    // INT n, INT3, INTO and INT1 push the RIP behind the instruction. VT-x adds the length, SVM
    // takes the RIP as it is; and knows only exceptions beside INT n.
    if (event && type >= EVENT_SOFT_INT) {
        v->svm.soft_length = READ_ONCE(page->inject_length) & 15;
        vmcb->rip += v->svm.soft_length;
    }
    if (type > EVENT_SOFT_INT)
        event = (event & ~0x700u) | EVENT_EXCEPTION << 8;
    if (event && type == EVENT_NMI)
        v->svm.nmi_blocked = true; // until its IRET
    v->svm.window = READ_ONCE(page->window);
    vmcb->virq = VIRQ_MASKING;
    // HAZARD: QEMU 7.2 delivers an external interrupt of EVENTINJ again, at any RFLAGS.IF, when its loop is left before
    // the guest's next exception or exit, as with -icount. As virtual interrupts (APM 2 15.21.4) they are delivered
    // once, but without -icount QEMU then loses interrupts of the host now and then: only as asked for.
    bool virtual = svm_virtual_events && event && type == EVENT_EXTERNAL && !(v->svm.window & WINDOW_INTERRUPT);
    if (v->svm.window & WINDOW_INTERRUPT || virtual) {
        vmcb->virq |= VIRQ_PENDING | VIRQ_IGNORE_TPR;
        vmcb->virq_vector = EVENT_VECTOR(event);
    }
    if (virtual)
        event = 0;
    vmcb->event = event;
    vmcb->event_error = READ_ONCE(page->inject_error);
}

// VMRUN demands SVME; the guest never reads this MSR, and a change of CR0.PG exits, so LME need not
// stand there before. HAZARD: it must not: QEMU 7.2 does not come back to the host from LME = 1, PG
// = 0, PAE = 0.
static uint64_t efer(const struct vcpu *v, const struct vmcb *vmcb)
{
    bool long_mode = v->svm.efer & EFER_LME && vmcb->cr0 & CR0_PG;

    return (v->svm.efer & ~EFER_LME) | EFER_SVME | (long_mode ? EFER_LME | EFER_LMA : 0);
}

void svm_load(struct vcpu *v, struct vcpu_page *page, uint32_t dirty)
{
    struct vmcb *vmcb = v->vendor;

    vmcb->clean = 0;
#define FIELD(group, from, to) \
    if (dirty & (group))       \
        vmcb->to = READ_ONCE(page->from);
    FIELDS
#undef FIELD
    if (dirty & GROUP_CR) {
        uint64_t cr0 = READ_ONCE(page->cr0);
        v->svm.cache_disable = cr0 & (CR0_CD | CR0_NW);
        vmcb->cr0 = (cr0 & 0xffffffff & ~(CR0_CD | CR0_NW)) | CR0_ET;
    }
    if (dirty & GROUP_EFER_PAT)
        v->svm.efer = READ_ONCE(page->efer) & ~(EFER_LMA | EFER_SVME);
    if (dirty & (GROUP_EFER_PAT | GROUP_CR)) // LMA hangs on both
        vmcb->efer = efer(v, vmcb);
    if (dirty & GROUP_SEG) {
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            load_segment(segment(vmcb, i), &page->seg[i]);
        vmcb->cpl = vmcb->ss.attributes >> 5 & 3;
    }
    if (dirty & GROUP_TABLES)
        for (unsigned i = SEG_LDTR; i <= SEG_TR; i++)
            load_segment(segment(vmcb, i), &page->seg[i]);
    if (dirty & GROUP_DEBUG)
        vmcb->dr7 = vcpu_load_debug(v, page);
    if (dirty & GROUP_EVENT) {
        uint32_t shadow = READ_ONCE(page->shadow);
        vmcb->shadow = shadow & (SHADOW_STI | SHADOW_MOV_SS) ? 1 : 0;
        v->svm.nmi_blocked = shadow & SHADOW_NMI;
    }
    if (dirty & GROUP_CONTROL) {
        v->svm.control = READ_ONCE(page->control);
        v->svm.exceptions = READ_ONCE(page->exceptions);
    }
    if (dirty & GROUP_INJECT)
        load_inject(v, vmcb, page);
    if (dirty & (GROUP_CR | GROUP_EVENT | GROUP_CONTROL | GROUP_INJECT))
        svm_intercepts(v);
    if (dirty & (GROUP_XSTATE | GROUP_FPU))
        vcpu_load_xstate(v, page, dirty);
}

void svm_store(struct vcpu *v, struct vcpu_page *page, uint32_t want)
{
    struct vmcb *vmcb = v->vendor;

#define FIELD(group, to, from) \
    if (want & (group))        \
        page->to = vmcb->from;
    FIELDS
#undef FIELD
    page->cr0 = want & GROUP_CR ? vmcb->cr0 | v->svm.cache_disable : page->cr0;
    page->efer = want & GROUP_EFER_PAT ? v->svm.efer | (vmcb->efer & EFER_LMA) : page->efer;
    if (want & GROUP_SEG) {
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            store_segment(&page->seg[i], segment(vmcb, i));
        // APM 15.5.1: the privilege level is in CPL, SS.DPL need not tell it.
        uint32_t *ss = &page->seg[SEG_SS].attributes;
        *ss = (*ss & ~0x60u) | (vmcb->cpl & 3u) << 5;
    }
    if (want & GROUP_TABLES)
        for (unsigned i = SEG_LDTR; i <= SEG_TR; i++)
            store_segment(&page->seg[i], segment(vmcb, i));
    if (want & GROUP_DEBUG)
        vcpu_store_debug(v, page, vmcb->dr7);
    if (want & (GROUP_XSTATE | GROUP_FPU))
        vcpu_store_xstate(v, page, want);
}
