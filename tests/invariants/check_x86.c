// SPDX-License-Identifier: BSD-2-Clause
// What the x86 part adds to the checks of check.c: vCPUs, I/O bitmaps, CR3, the registers' owner.
#include "../../kernel/check.h"
#include "../../kernel/x86/cpu.h"
#include "../../kernel/x86/virt.h"

extern uint32_t xstate_size; // fpu.c

void arch_check_use(const struct object *o, struct check_use *use)
{
    if (o->type == OBJ_TASK) {
        const struct task *task = (const struct task *)o;
        for (unsigned i = 0; i < 3; i++)
            use->pages += task->io_tables[i] != NULL;
        for (unsigned i = 0; i < 2; i++)
            use->pages += task->io_bitmap[i] != NULL;
    } else if (o->type == OBJ_THREAD) {
        const struct thread *t = (const struct thread *)o;
        if (t->xstate)
            check_use(use, xstate_size);
        if (t->vcpu) {
            check_use(use, sizeof(struct vcpu));
            use->pages += 2 + (t->vcpu->apic != NULL);
        }
    } else if (o->type == OBJ_GUEST) {
        use->pages += ((const struct guest *)o)->apic_access != NULL;
    }
}

bool arch_check_page(const struct space *space, uint64_t address, uint64_t physical)
{
    if (space->obj.type == OBJ_GUEST)
        return physical == virt_to_phys(((const struct guest *)space)->apic_access);
    for (const struct thread *t = space->threads; t; t = t->task_next) {
        const struct vcpu *v = t->vcpu;
        if (v && ((v->page_address == address && virt_to_phys(v->page) == physical) ||
                  (v->apic && v->page_address + PAGE_SIZE == address && virt_to_phys(v->apic) == physical)))
            return true;
    }
    return false;
}

void arch_check_object(const struct object *o)
{
    if (o->type == OBJ_THREAD && ((const struct thread *)o)->vcpu) {
        const struct vcpu *v = ((const struct thread *)o)->vcpu;
        CHECK(v->thread == (const struct thread *)o && (!v->signal || v->signal->vcpu == v->thread));
        CHECK(v->guest_prev ? v->guest_prev->vcpu->guest_next == v->thread
                            : !v->guest || v->guest->space.threads == v->thread);
    } else if (o->type == OBJ_SIGNAL) {
        const struct thread *t = ((const struct signal *)o)->vcpu;
        CHECK(!t || t->vcpu->signal == (const struct signal *)o);
    } else if (o->type == OBJ_TASK) {
        const struct task *task = (const struct task *)o;
        CHECK((task->cr3 & 0x000ffffffffff000) == virt_to_phys(task->space.ptab.root));
    }
}

void arch_check_released(const struct object *o)
{
    if (o->type == OBJ_TASK)
        CHECK((read_cr3() & 0x000ffffffffff000) != (((const struct task *)o)->cr3 & 0x000ffffffffff000));
}
