// SPDX-License-Identifier: BSD-2-Clause
// Events for the guest: which one the next entry delivers, and what becomes of an exception that
// meets another. SDM 3A 6.9 (priorities) and 6.15 (double fault), 3C 24.8.3 and 27.2.4 (injection,
// vectoring information).
#include <string.h>

#include "vm.h"

#define VECTOR_DF 8

static void inject(struct vcpu *vcpu, uint32_t event, uint32_t error, uint32_t length)
{
    vcpu->page->inject = event;
    vcpu->page->inject_error = error;
    vcpu->page->inject_length = length;
}

// Tells the processor what there is to deliver from the virtual-APIC page.
static void load_apic(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    struct lapic *lapic = vcpu->lapic;

    lapic->changed = false;
    page->apic_status = lapic_status(lapic);
    page->dirty |= GROUP_APIC;
    vcpu->vm->status->irqs_injected += lapic->irr_top != 0;
    if (!lapic->controls)
        return;
    lapic->controls = false;
    memcpy(page->eoi_exit, lapic->s.tmr, sizeof(page->eoi_exit)); // level: the I/O APIC waits
    page->control = (page->control & ~CONTROL_APIC) | (lapic->virtual ? CONTROL_APIC : 0);
    page->dirty |= GROUP_CONTROL;
}

void inject_slow(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    struct chipset *chipset = &vcpu->vm->chipset;
    uint32_t window = 0;
    bool busy = false, shadow = page->shadow & SHADOW_INSTRUCTION;

    if (vcpu->lapic->changed)
        load_apic(vcpu);
    if (vcpu->event) { // was on its way already, or belongs to the instruction that was emulated
        inject(vcpu, vcpu->event, vcpu->event_error, vcpu->event_length);
        vcpu->event = 0;
        busy = true;
    }
    if (vcpu->nmi) {
        if (busy || shadow || page->shadow & SHADOW_NMI) {
            window |= WINDOW_NMI;
        } else {
            inject(vcpu, EVENT_VALID | EVENT_NMI << 8 | 2, 0, 0);
            vcpu->nmi = false;
            busy = true;
        }
    }
    if (!busy && !shadow && page->rflags & RFLAGS_IF) {
        int vector = chipset_interrupt_take(chipset, vcpu->index);
        if (vector >= 0) {
            inject(vcpu, EVENT_VALID | EVENT_EXTERNAL << 8 | (uint32_t)vector, 0, 0);
            vcpu->vm->status->irqs_injected++;
            busy = true;
            if (lapic_eoi_is_plain(vcpu->lapic))
                pv_eoi_arm(&vcpu->eoi);
        }
    }
    if (chipset_inject_pending(chipset, vcpu->index))
        window |= WINDOW_INTERRUPT;
    if (busy || window != page->window) {
        page->window = window;
        page->dirty |= GROUP_INJECT;
    }
}

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum severity severity_of(unsigned vector)
{
    if (vector == VECTOR_PF)
        return PAGE_FAULT;
    return vector == 0 || (vector >= 10 && vector <= 13) ? CONTRIBUTORY : BENIGN;
}

void inject_exception(struct vcpu *vcpu, unsigned vector, bool has_error, uint32_t error)
{
    if (vcpu->event && EVENT_TYPE(vcpu->event) == EVENT_EXCEPTION) {
        unsigned first = EVENT_VECTOR(vcpu->event);
        enum severity was = severity_of(first), now = severity_of(vector);

        if (first == VECTOR_DF && now != BENIGN) {
            vm_stop(vcpu->vm, TASK_CRASHED, "triple fault at rip 0x%llx",
                    (unsigned long long)vcpu->page->rip);
            return;
        }
        if (now != BENIGN && (was == PAGE_FAULT || (was == CONTRIBUTORY && now == CONTRIBUTORY))) {
            vector = VECTOR_DF;
            has_error = true;
            error = 0;
        }
    }
    vcpu->event = EVENT_VALID | EVENT_EXCEPTION << 8 | vector | (has_error ? EVENT_HAS_ERROR : 0);
    vcpu->event_error = error;
    vcpu->event_length = 0;
}

void inject_fault(struct vcpu *vcpu, const struct guest_fault *fault)
{
    if (fault->vector == VECTOR_PF) {
        vcpu->page->cr2 = fault->cr2;
        vcpu->page->dirty |= GROUP_CR;
    }
    inject_exception(vcpu, fault->vector, fault->has_error, fault->error);
}

void inject_gp(struct vcpu *vcpu)
{
    if (vcpu_has(vcpu, GROUP_CR))
        inject_exception(vcpu, VECTOR_GP, vcpu->page->cr0 & CR0_PE, 0);
}

void inject_ud(struct vcpu *vcpu)
{
    inject_exception(vcpu, VECTOR_UD, false, 0);
}
