// SPDX-License-Identifier: BSD-2-Clause
// What each exit is answered with. Those of more than a few lines are in exits_*.c.
//
// HAZARD: everything here is reached by whatever the guest does: no answer may fail, and none may
// take unbounded time.
#include "bulkhead/syscall.h"
#include "vm.h"

#define KVM_ENOSYS 1000 // Linux include/uapi/linux/kvm_para.h

// Lengths where the processor does not tell: instructions of one encoding. HAZARD: a prefix in
// front of one is not seen then; AMD processors of before 2010 and their emulation only.
enum { LENGTH_HLT = 1, LENGTH_TWO = 2, LENGTH_THREE = 3 };

static void exit_cpuid(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint32_t leaf = (uint32_t)page->gpr[RAX];
    struct cpuid_regs r;

    // Leaves that show the guest's own state.
    if (leaf == 1 || leaf == 7) {
        if (!vcpu_has(vcpu, GROUP_CR))
            return;
        vcpu->cpu.cr4 = page->cr4;
    } else if (leaf == 0xd) {
        if (!vcpu_has(vcpu, GROUP_XSTATE))
            return;
        vcpu->cpu.xcr0 = page->xcr0;
    }
    cpuid_get(&vcpu->cpu, leaf, (uint32_t)page->gpr[RCX], &r);
    page->gpr[RAX] = r.eax;
    page->gpr[RBX] = r.ebx;
    page->gpr[RCX] = r.ecx;
    page->gpr[RDX] = r.edx;
    vcpu_advance(vcpu, LENGTH_TWO);
}

static void exit_rdmsr(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint32_t index = (uint32_t)page->gpr[RCX], groups = msr_groups(index);
    uint64_t value;

    if (groups && !vcpu_has(vcpu, groups))
        return;
    if (msr_read(&vcpu->msr, index, &value) != MSR_OK) {
        inject_gp(vcpu);
        return;
    }
    page->gpr[RAX] = (uint32_t)value;
    page->gpr[RDX] = value >> 32;
    vcpu_advance(vcpu, LENGTH_TWO);
}

static void exit_wrmsr(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint32_t index = (uint32_t)page->gpr[RCX], groups = msr_groups(index);
    uint64_t value = page->gpr[RDX] << 32 | (uint32_t)page->gpr[RAX];

    if (groups && !vcpu_has(vcpu, groups))
        return;
    if (msr_write(&vcpu->msr, index, value) == MSR_OK)
        vcpu_advance(vcpu, LENGTH_TWO);
    else
        inject_gp(vcpu);
}

static void exit_xsetbv(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t value = page->gpr[RDX] << 32 | (uint32_t)page->gpr[RAX];

    if (!vcpu_has(vcpu, GROUP_CR | GROUP_SEG | GROUP_XSTATE))
        return;
    if (cpu_cpl_of(&page->seg[SEG_SS]) || (uint32_t)page->gpr[RCX] ||
        !cpuid_xcr0_valid(&vcpu->cpu, value)) {
        inject_gp(vcpu);
        return;
    }
    page->xcr0 = vcpu->cpu.xcr0 = value;
    page->dirty |= GROUP_XSTATE;
    vcpu_advance(vcpu, LENGTH_THREE);
}

// The kernel always takes #DB and #AC, see its list of controls; both go back to the guest.
static void exit_exception(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    unsigned vector = EVENT_VECTOR(page->event);

    if (vector == 1) { // SDM 3C table 27-1: what DR6 would hold
        page->dr6 = (page->dr6 & ~0xfull) | (page->qualification & 0xe00f);
        if (page->dr7 & 1u << 13) { // GD is off in the handler
            page->dr7 &= ~(1ull << 13);
            page->dirty |= GROUP_DEBUG;
        }
    }
    inject_exception(vcpu, vector, page->event & EVENT_HAS_ERROR, page->error);
    if (EVENT_TYPE(page->event) == EVENT_PRIV_SOFT) { // INT1
        vcpu->event = page->event;
        vcpu->event_length = page->length;
    }
}

static void exit_hypercall(struct vcpu *vcpu)
{
    vcpu->page->gpr[RAX] = (uint64_t)-KVM_ENOSYS;
    vcpu_advance(vcpu, LENGTH_THREE);
}

static void exit_shutdown(struct vcpu *vcpu)
{
    const struct vcpu_page *page = vcpu->page;

    vm_stop(vcpu->vm, TASK_CRASHED, "triple fault at rip 0x%llx rsp 0x%llx cr2 0x%llx cr3 0x%llx",
            (unsigned long long)page->rip, (unsigned long long)page->gpr[RSP],
            (unsigned long long)page->cr2, (unsigned long long)page->cr3);
}

static void exit_refused(struct vcpu *vcpu, const char *what)
{
    const struct vcpu_page *page = vcpu->page;

    vm_stop(vcpu->vm, TASK_CRASHED, "%s: reason 0x%x, detail 0x%llx, at rip 0x%llx", what,
            page->reason, (unsigned long long)page->qualification, (unsigned long long)page->rip);
}

// The registers are those that the vmm knew last: the processor may have left anything.
static void exit_invalid(struct vcpu *vcpu)
{
    const struct vcpu_page *page = vcpu->page;

    vm_stop(vcpu->vm, TASK_CRASHED,
            "refused state: detail 0x%llx cr0 0x%x cr3 0x%llx cr4 0x%x efer 0x%x",
            (unsigned long long)page->qualification, (unsigned)page->cr0,
            (unsigned long long)page->cr3, (unsigned)page->cr4, (unsigned)page->efer);
}

void vcpu_handle(struct vcpu *vcpu, uint64_t exit)
{
    switch (exit) {
    case EXIT_IO:
        exit_io(vcpu);
        break;
    case EXIT_MEMORY:
        exit_memory(vcpu);
        break;
    case EXIT_CPUID:
        exit_cpuid(vcpu);
        break;
    case EXIT_WRMSR:
        exit_wrmsr(vcpu);
        break;
    case EXIT_APIC_EOI:
        lapic_eoi_exit(vcpu->lapic, (uint8_t)vcpu->page->qualification);
        break;
    case EXIT_APIC_WRITE:
        lapic_write_exit(vcpu->lapic, (uint32_t)vcpu->page->qualification);
        break;
    case EXIT_RDMSR:
        exit_rdmsr(vcpu);
        break;
    case EXIT_HLT:
        vcpu_advance(vcpu, LENGTH_HLT);
        if (!vcpu->event) // else a single-step trap wakes it
            vcpu_idle(vcpu);
        break;
    case EXIT_WINDOW: // the loop injects what it waited for
    case EXIT_NMI_WINDOW:
        break;
    case EXIT_DEADLINE: {
        uint64_t now = task_tsc();
        chipset_expire(&vcpu->vm->chipset, vcpu->index, now);
        if (chipset_deadline(&vcpu->vm->chipset, vcpu->index) <= task_tsc()) // there is more
            vcpu_worked(vcpu, now);
        break;
    }
    case EXIT_KICK: {
        uint64_t bits;
        sys_poll(vcpu->signal, &bits);
        vcpu->bits |= bits;
        break;
    }
    case EXIT_CR:
        exit_cr(vcpu);
        break;
    case EXIT_DR:
        exit_dr(vcpu);
        break;
    case EXIT_XSETBV:
        exit_xsetbv(vcpu);
        break;
    case EXIT_EXCEPTION:
        exit_exception(vcpu);
        break;
    case EXIT_SHUTDOWN:
        exit_shutdown(vcpu);
        break;
    case EXIT_INVD:
        vcpu_advance(vcpu, LENGTH_TWO);
        break;
    case EXIT_PAUSE: // it waits for another vCPU, whose thread may be next on this CPU
        vcpu_advance(vcpu, LENGTH_TWO);
        sys_yield();
        break;
    case EXIT_HYPERCALL:
        exit_hypercall(vcpu);
        break;
    case EXIT_RDPMC:
        inject_gp(vcpu);
        break;
    case EXIT_UNDEFINED:
        inject_ud(vcpu);
        break;
    case EXIT_TASK_SWITCH:
        exit_refused(vcpu, "hardware task switches are not supported");
        break;
    case EXIT_INVALID:
        exit_invalid(vcpu);
        break;
    default:
        exit_refused(vcpu, "unexpected exit");
        break;
    }
}
