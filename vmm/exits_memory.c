// SPDX-License-Identifier: BSD-2-Clause
// Accesses to guest-physical addresses without RAM: the APICs, and holes, which read as ones. Also
// the view of the processor and the decoding that other exits need.
#include "vm.h"
#include "emulate_fast.h"

void vcpu_view(struct vcpu *vcpu, struct cpu_view *view)
{
    struct vcpu_page *page = vcpu->page;

    *view = (struct cpu_view){
        .gpr = page->gpr,
        .rip = page->rip,
        .rflags = page->rflags,
        .cr0 = page->cr0,
        .cr3 = page->cr3,
        .cr4 = page->cr4,
        .efer = page->efer,
        .seg = page->seg,
        .fpu = page->have & GROUP_FPU && vcpu->fpu.area ? &vcpu->fpu : NULL,
        .mode = (uint8_t)cpu_mode_of(&page->seg[SEG_CS], page->efer),
        .cpl = cpu_cpl_of(&page->seg[SEG_SS]),
    };
}

static void host_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    __asm__ volatile("cpuid"
                     : "=a"(r->eax), "=b"(r->ebx), "=c"(r->ecx), "=d"(r->edx)
                     : "a"(leaf), "c"(subleaf));
}

void vcpu_find_fpu(struct vcpu *vcpu, void *area)
{
    struct cpuid_regs features, avx, zmm;

    vcpu->fpu = (struct emulate_fpu){.area = area};
    host_cpuid(1, 0, &features);
    if (!(features.ecx & 1u << 26))
        return;
    host_cpuid(0xd, 2, &avx);
    host_cpuid(0xd, 6, &zmm);
    vcpu->fpu.xsave = true;
    vcpu->fpu.ymm = avx.ebx + 256 <= 4096 ? (uint16_t)avx.ebx : 0;
    vcpu->fpu.zmm = zmm.ebx + 512 <= 4096 ? (uint16_t)zmm.ebx : 0;
}

void vcpu_emulated(struct vcpu *vcpu, enum emulate_status status, const struct guest_fault *fault,
                   const char *what)
{
    const struct vcpu_page *page = vcpu->page;

    switch (status) {
    case EMULATE_OK:
    case EMULATE_AGAIN:
    case EMULATE_RETRY:
        break;
    case EMULATE_FAULT:
        inject_fault(vcpu, fault);
        break;
    case EMULATE_FPU:
    case EMULATE_UNSUPPORTED:
        vm_stop(vcpu->vm, TASK_CRASHED, "%s: an instruction that cannot be emulated, at rip 0x%llx",
                what, (unsigned long long)page->rip);
        break;
    case EMULATE_NO_MEMORY:
        vm_stop(vcpu->vm, TASK_CRASHED,
                "%s: page tables or code outside of memory, rip 0x%llx cr3 0x%llx", what,
                (unsigned long long)page->rip, (unsigned long long)page->cr3);
        break;
    }
}

bool vcpu_decode(struct vcpu *vcpu, struct cpu_view *view, struct insn *insn)
{
    uint8_t bytes[INSN_MAX_LENGTH];
    struct guest_fault fault;
    unsigned n;

    vcpu_view(vcpu, view);
    enum emulate_status status = mmio_fetch(&vcpu->mmio, view, bytes, &n, &fault);
    if (status != EMULATE_OK) {
        vcpu_emulated(vcpu, status, &fault, "instruction fetch");
        return false;
    }
    // What is not valid now has been changed by the guest since it exited: it runs again.
    return decode(insn, bytes, n, view->mode) == DECODE_OK;
}

static void stop(struct vcpu *vcpu, const char *what)
{
    const struct vcpu_page *page = vcpu->page;

    vm_stop(vcpu->vm, TASK_CRASHED, "%s at 0x%llx, where there is no memory; rip 0x%llx", what,
            (unsigned long long)page->gpa, (unsigned long long)page->rip);
}

void exit_memory(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t gpa = page->gpa, q = page->qualification;
    bool write = q & MEMORY_WRITE;
    struct guest_fault fault;

    if (unlikely(q & (MEMORY_FETCH | MEMORY_WALK) || page->vectoring & EVENT_VALID)) {
        // HAZARD: in the delivery of an event RIP does not point at what made the access.
        stop(vcpu, page->vectoring & EVENT_VALID ? "delivers an interrupt through memory"
                   : q & MEMORY_FETCH            ? "executes"
                                                 : "has page tables");
        return;
    }
    struct cpu_view view = {.gpr = page->gpr,
                            .rip = page->rip,
                            .rflags = page->rflags,
                            .cr3 = page->cr3,
                            .cr4 = page->cr4};
    if (!fast_emulate(&vcpu->mmio, &view, gpa, write)) {
        if (!vcpu_has(vcpu, GROUPS_CODE))
            return;
        vcpu_view(vcpu, &view);
        enum emulate_status status = mmio_emulate(&vcpu->mmio, &view, gpa, write, &fault);
        page->dirty |= vcpu->fpu.changed ? GROUP_FPU : 0;
        vcpu->fpu.changed = false;
        page->rflags = view.rflags;
        if (status == EMULATE_FPU && vcpu->fpu.area) {
            vcpu_has(vcpu, GROUPS_CODE | GROUP_FPU);
            return;
        }
        if (status != EMULATE_OK && !(status == EMULATE_AGAIN && view.rflags & RFLAGS_TF)) {
            vcpu_emulated(vcpu, status, &fault, "device access");
            return;
        }
    }
    page->rflags = view.rflags;
    vcpu_done(vcpu, view.rip);
}
