// SPDX-License-Identifier: BSD-2-Clause
// State groups between the vCPU page and the VMCB. Everything from the page is cut down to what cannot hurt the host.
#include "svm.h"
#include "../insn.h"

// APM 15.5: segment attributes are the descriptor's bits 40..47 and 52..55 side by side; the page has VT-x's format, with a gap.
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

// CR0.CD and NW are not switched by hardware in a way that stays within the guest: they are kept off, the guest sees what it
// wrote because all its accesses to CR0 exit as long as the two differ.
static void load_cr(struct vcpu *v, struct vmcb *vmcb, struct vcpu_page *page)
{
    uint64_t cr0 = READ_ONCE(page->cr0);

    v->svm.cache_disable = cr0 & (CR0_CD | CR0_NW);
    vmcb->cr0 = (cr0 & 0xffffffff & ~(CR0_CD | CR0_NW)) | CR0_ET;
    vmcb->cr2 = READ_ONCE(page->cr2);
    vmcb->cr3 = READ_ONCE(page->cr3);
    vmcb->cr4 = READ_ONCE(page->cr4);
    const uint32_t cr0_accesses = 1u | 1u << 16;
    vmcb->intercept_cr = v->svm.cache_disable ? vmcb->intercept_cr | cr0_accesses : vmcb->intercept_cr & ~cr0_accesses;
}

static void load_inject(struct vcpu *v, struct vmcb *vmcb, struct vcpu_page *page)
{
    uint32_t event = vcpu_event(READ_ONCE(page->inject));
    unsigned type = EVENT_TYPE(event);

    page->inject = 0;
    // INT n, INT3, INTO and INT1 push the RIP behind the instruction. VT-x adds the length, SVM takes the RIP as it is; and knows
    // only exceptions beside INT n.
    if (event && type >= EVENT_SOFT_INT) {
        v->svm.soft_length = READ_ONCE(page->inject_length) & 15;
        vmcb->rip += v->svm.soft_length;
    }
    if (type > EVENT_SOFT_INT)
        event = (event & ~0x700u) | EVENT_EXCEPTION << 8;
    vmcb->event = event;
    vmcb->event_error = READ_ONCE(page->inject_error);
    if (event && type == EVENT_NMI) { // blocked until its IRET
        v->svm.nmi_blocked = true;
        vmcb->intercept[0] |= 1u << INTERCEPT_IRET;
    }
    v->svm.window = READ_ONCE(page->window);
    if (v->svm.window & WINDOW_INTERRUPT) {
        vmcb->virq = VIRQ_MASKING | VIRQ_PENDING | VIRQ_IGNORE_TPR;
        vmcb->intercept[0] |= 1u << INTERCEPT_VINTR;
    } else {
        vmcb->virq = VIRQ_MASKING;
        vmcb->intercept[0] &= ~(1u << INTERCEPT_VINTR);
    }
}

void svm_load(struct vcpu *v, struct vcpu_page *page, uint32_t dirty)
{
    struct vmcb *vmcb = v->vendor;

    vmcb->clean = 0;
    if (dirty & GROUP_CR)
        load_cr(v, vmcb, page);
    if (dirty & GROUP_SEG) {
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            load_segment(segment(vmcb, i), &page->seg[i]);
        vmcb->cpl = vmcb->ss.attributes >> 5 & 3;
    }
    if (dirty & GROUP_TABLES) {
        load_segment(&vmcb->ldtr, &page->seg[SEG_LDTR]);
        load_segment(&vmcb->tr, &page->seg[SEG_TR]);
        vmcb->gdtr.base = READ_ONCE(page->gdtr_base);
        vmcb->gdtr.limit = READ_ONCE(page->gdtr_limit) & 0xffff;
        vmcb->idtr.base = READ_ONCE(page->idtr_base);
        vmcb->idtr.limit = READ_ONCE(page->idtr_limit) & 0xffff;
    }
    if (dirty & GROUP_SYSCALL) {
        vmcb->star = READ_ONCE(page->star);
        vmcb->lstar = READ_ONCE(page->lstar);
        vmcb->cstar = READ_ONCE(page->cstar);
        vmcb->sfmask = READ_ONCE(page->sfmask);
        vmcb->kernel_gs_base = READ_ONCE(page->kernel_gs_base);
    }
    if (dirty & GROUP_SYSENTER) {
        vmcb->sysenter_cs = READ_ONCE(page->sysenter_cs);
        vmcb->sysenter_esp = READ_ONCE(page->sysenter_esp);
        vmcb->sysenter_eip = READ_ONCE(page->sysenter_eip);
    }
    if (dirty & GROUP_EFER_PAT) {
        vmcb->efer = READ_ONCE(page->efer) | EFER_SVME; // VMRUN demands it; the guest never reads this
        vmcb->pat = READ_ONCE(page->pat);
    }
    if (dirty & (GROUP_EFER_PAT | GROUP_CR)) // the vmm may have switched either of the two that make LMA
        vmcb->efer = (vmcb->efer & ~EFER_LMA) |
                     (vmcb->efer & EFER_LME && vmcb->cr0 & CR0_PG ? EFER_LMA : 0);
    if (dirty & GROUP_DEBUG) {
        for (unsigned i = 0; i < 4; i++)
            v->dr[i] = READ_ONCE(page->dr[i]);
        v->dr7 = vmcb->dr7 = (READ_ONCE(page->dr7) & 0xffff2bff) | 0x400;
        vcpu_load_dr(v);
    }
    if (dirty & GROUP_EVENT) {
        uint32_t shadow = READ_ONCE(page->shadow);
        vmcb->shadow = shadow & (SHADOW_STI | SHADOW_MOV_SS) ? 1 : 0;
        v->svm.nmi_blocked = shadow & SHADOW_NMI;
        if (v->svm.nmi_blocked)
            vmcb->intercept[0] |= 1u << INTERCEPT_IRET;
    }
    if (dirty & GROUP_TIME)
        vmcb->tsc_offset = READ_ONCE(page->tsc_offset);
    if (dirty & GROUP_CONTROL) {
        svm_intercepts(vmcb, READ_ONCE(page->control), READ_ONCE(page->exceptions));
        if (v->svm.nmi_blocked)
            vmcb->intercept[0] |= 1u << INTERCEPT_IRET;
        if (v->svm.window & WINDOW_INTERRUPT)
            vmcb->intercept[0] |= 1u << INTERCEPT_VINTR;
        if (v->svm.cache_disable)
            vmcb->intercept_cr |= 1u | 1u << 16;
    }
    if (dirty & GROUP_INJECT)
        load_inject(v, vmcb, page);
    if (dirty & GROUP_XSTATE)
        vcpu_load_xstate(v, page);
}

void svm_store(const struct vcpu *v, struct vcpu_page *page, uint32_t want)
{
    struct vmcb *vmcb = v->vendor;

    if (want & GROUP_CR) {
        page->cr0 = vmcb->cr0 | v->svm.cache_disable;
        page->cr2 = vmcb->cr2;
        page->cr3 = vmcb->cr3;
        page->cr4 = vmcb->cr4;
    }
    if (want & GROUP_SEG) {
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            store_segment(&page->seg[i], segment(vmcb, i));
        // APM 15.5.1: the privilege level is in CPL, SS.DPL need not tell it.
        page->seg[SEG_SS].attributes = (page->seg[SEG_SS].attributes & ~0x60u) | (vmcb->cpl & 3u) << 5;
    }
    if (want & GROUP_TABLES) {
        store_segment(&page->seg[SEG_LDTR], &vmcb->ldtr);
        store_segment(&page->seg[SEG_TR], &vmcb->tr);
        page->gdtr_base = vmcb->gdtr.base;
        page->gdtr_limit = vmcb->gdtr.limit;
        page->idtr_base = vmcb->idtr.base;
        page->idtr_limit = vmcb->idtr.limit;
    }
    if (want & GROUP_SYSCALL) {
        page->star = vmcb->star;
        page->lstar = vmcb->lstar;
        page->cstar = vmcb->cstar;
        page->sfmask = vmcb->sfmask;
        page->kernel_gs_base = vmcb->kernel_gs_base;
    }
    if (want & GROUP_SYSENTER) {
        page->sysenter_cs = vmcb->sysenter_cs;
        page->sysenter_esp = vmcb->sysenter_esp;
        page->sysenter_eip = vmcb->sysenter_eip;
    }
    if (want & GROUP_EFER_PAT) {
        page->efer = vmcb->efer & ~EFER_SVME;
        page->pat = vmcb->pat;
    }
    if (want & GROUP_DEBUG) {
        for (unsigned i = 0; i < 4; i++)
            page->dr[i] = v->dr[i];
        page->dr7 = vmcb->dr7;
    }
    if (want & GROUP_TIME)
        page->tsc_offset = vmcb->tsc_offset;
    if (want & GROUP_XSTATE)
        vcpu_store_xstate(v, page);
}
