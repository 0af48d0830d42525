// SPDX-License-Identifier: BSD-2-Clause
// What the vCPUs of one VM do with each other: the lock, kicks, INIT and SIPI (SDM 3A 9.4), the
// start of their threads. No vCPU waits for another but for the lock.
#include "bulkhead/syscall.h"
#include "vm.h"

// HAZARD: a wait takes all bits of the signal: what is not for the lock is kept. A kick is no news
// any more: with the lock everything is looked at.
void smp_lock(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    while (!vm_lock_try(&vm->lock, vcpu->index)) { // bound: a raise for each turn
        uint64_t bits;
        enum status status = sys_wait(vcpu->signal, 0, &bits);

        if (status != OK && status != ERR_CANCELLED)
            task_end_at(vcpu->signal, TASK_FAILED, "cannot wait for its signal");
        vcpu->bits |= bits & ~(VCPU_LOCK | VCPU_KICK);
    }
    vm->kicked &= ~(1u << vcpu->index);
    chipset_set_cpu(&vm->chipset, vcpu->index);
}

void smp_unlock(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    uint64_t deadline = chipset_deadline(&vm->chipset, 0);

    if (vcpu->index == 0)
        vm->deadline = deadline;
    else if (deadline < vm->deadline)
        vm->kicks |= 1;
    uint32_t kicks = vm->kicks & ~vm->kicked & ~(1u << vcpu->index);
    vm->kicks = 0;
    vm->kicked |= kicks;
    // From here on nothing of the VM may be touched.
    int next = vm_lock_release(&vm->lock, vcpu->index);
    for (unsigned i = 0; i < vm->vcpus; i++) {
        uint64_t bits = (kicks >> i & 1 ? VCPU_KICK : 0) | (next == (int)i ? VCPU_LOCK : 0);
        if (bits)
            sys_raise(vm->vcpu[i].signal, bits);
    }
}

void vm_kick(struct vm *vm, unsigned cpu)
{
    vm->kicks |= 1u << cpu;
}

void vm_init(struct vm *vm, unsigned cpu)
{
    if (cpu == 0) { // it would start where firmware is
        vm_stop(vm, TASK_REBOOT, "sent INIT to its first processor");
        return;
    }
    vm->vcpu[cpu].init = true;
    vm->vcpu[cpu].start = 0;
}

void vm_sipi(struct vm *vm, unsigned cpu, uint8_t vector)
{
    struct vcpu *to = &vm->vcpu[cpu];

    if ((to->init || to->waits) && !to->start)
        to->start = SIPI_VALID | vector;
}

void smp_settle(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    if (likely(!vcpu->init && !vcpu->waits))
        return;
    for (;;) {
        if (vcpu->init) { // the page of a virtual APIC is only now free of the processor
            lapic_init_reset(vcpu->lapic);
            pv_eoi_write(&vcpu->eoi, 0); // its flag may be any other memory by now
            vcpu->init = vcpu->nmi = false;
            vcpu->event = 0;
            vcpu->waits = true;
        }
        if (vcpu->start)
            break;
        vcpu_dead(vcpu, "no processor is running");
        if (vm->end)
            return;
        vcpu_wait(vcpu, CLOCK_NEVER);
    }
    vm->dead &= ~(1u << vcpu->index);
    machine_sipi(vcpu, (uint8_t)vcpu->start);
    vcpu->start = 0;
    vcpu->waits = false;
}

static struct vm *machine; // of the threads that smp_start() starts

static _Noreturn void thread(uint64_t index)
{
    vcpu_run(&machine->vcpu[index]);
}

void smp_start(struct vm *vm)
{
    machine = vm;
    for (unsigned i = 1; i < vm->vcpus; i++) {
        struct vcpu *vcpu = &vm->vcpu[i];
        uint64_t stack = TASK_STACK_TOP - i * TASK_STACK_STEP - 8; // as after a call

        if (sys_vcpu_bind(TASK_SLOT_VCPU_THREAD + i, vcpu->signal) != OK ||
            sys_thread_start(TASK_SLOT_VCPU_THREAD + i, (uintptr_t)thread, stack, i) != OK)
            task_fail("a virtual CPU's thread cannot be started");
    }
}
