// SPDX-License-Identifier: BSD-2-Clause
// Events for the guest: which one the next entry delivers, and what becomes of an exception that
// meets another. SDM 3A 6.9 (priorities) and 6.15 (double fault), 3C 24.8.3 and 27.2.4 (injection,
// vectoring information).
#include <string.h>

#include "vm.h"

#define VECTOR_DF 8

static void inject(struct vm *vm, uint32_t event, uint32_t error, uint32_t length)
{
    vm->page->inject = event;
    vm->page->inject_error = error;
    vm->page->inject_length = length;
}

// Tells the processor what there is to deliver from the virtual-APIC page.
static void load_apic(struct vm *vm)
{
    struct vcpu_page *page = vm->page;
    struct lapic *lapic = &vm->chipset.lapic[0];

    lapic->changed = false;
    page->apic_status = lapic_status(lapic);
    page->dirty |= GROUP_APIC;
    vm->status->irqs_injected += lapic->irr_top != 0;
    if (!lapic->controls)
        return;
    lapic->controls = false;
    memcpy(page->eoi_exit, lapic->s.tmr, sizeof(page->eoi_exit)); // level: the I/O APIC waits
    page->control = (page->control & ~CONTROL_APIC) | (lapic->virtual ? CONTROL_APIC : 0);
    page->dirty |= GROUP_CONTROL;
}

void inject_slow(struct vm *vm)
{
    struct vcpu_page *page = vm->page;
    struct chipset *chipset = &vm->chipset;
    uint32_t window = 0;
    bool busy = false, shadow = page->shadow & SHADOW_INSTRUCTION;

    if (chipset->lapic[0].changed)
        load_apic(vm);
    if (vm->event) { // was on its way already, or belongs to the instruction that was emulated
        inject(vm, vm->event, vm->event_error, vm->event_length);
        vm->event = 0;
        busy = true;
    }
    if (vm->nmi) {
        if (busy || shadow || page->shadow & SHADOW_NMI) {
            window |= WINDOW_NMI;
        } else {
            inject(vm, EVENT_VALID | EVENT_NMI << 8 | 2, 0, 0);
            vm->nmi = false;
            busy = true;
        }
    }
    if (!busy && !shadow && page->rflags & RFLAGS_IF) {
        int vector = chipset_interrupt_take(chipset, 0);
        if (vector >= 0) {
            inject(vm, EVENT_VALID | EVENT_EXTERNAL << 8 | (uint32_t)vector, 0, 0);
            vm->status->irqs_injected++;
            busy = true;
        }
    }
    if (chipset_inject_pending(chipset, 0))
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

void inject_exception(struct vm *vm, unsigned vector, bool has_error, uint32_t error)
{
    if (vm->event && EVENT_TYPE(vm->event) == EVENT_EXCEPTION) {
        unsigned first = EVENT_VECTOR(vm->event);
        enum severity was = severity_of(first), now = severity_of(vector);

        if (first == VECTOR_DF && now != BENIGN) {
            vm_stop(vm, TASK_CRASHED, "triple fault at rip 0x%llx",
                    (unsigned long long)vm->page->rip);
            return;
        }
        if (now != BENIGN && (was == PAGE_FAULT || (was == CONTRIBUTORY && now == CONTRIBUTORY))) {
            vector = VECTOR_DF;
            has_error = true;
            error = 0;
        }
    }
    vm->event = EVENT_VALID | EVENT_EXCEPTION << 8 | vector | (has_error ? EVENT_HAS_ERROR : 0);
    vm->event_error = error;
    vm->event_length = 0;
}

void inject_fault(struct vm *vm, const struct guest_fault *fault)
{
    if (fault->vector == VECTOR_PF) {
        vm->page->cr2 = fault->cr2;
        vm->page->dirty |= GROUP_CR;
    }
    inject_exception(vm, fault->vector, fault->has_error, fault->error);
}

void inject_gp(struct vm *vm)
{
    if (vm_has(vm, GROUP_CR))
        inject_exception(vm, VECTOR_GP, vm->page->cr0 & CR0_PE, 0);
}

void inject_ud(struct vm *vm)
{
    inject_exception(vm, VECTOR_UD, false, 0);
}
