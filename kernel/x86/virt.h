// SPDX-License-Identifier: BSD-2-Clause
// Virtual CPUs: what VMX and SVM have in common, and the one table in which they differ.
#pragma once

#include "../arch.h"
#include "../sched.h"
#include "../signal.h"
#include "bulkhead/vcpu.h"
#include "insn.h"
#include "tag.h"

struct vcpu {
    struct thread *thread;
    struct guest *guest;    // NULL after the guest space was destroyed
    struct vcpu_page *page; // shared with the vmm (the kernel's address of it)
    void *apic;             // likewise its virtual-APIC page, or NULL. The kernel itself never looks into it
    void *fpu;              // and the image of its extended state, or NULL
    uint64_t page_address;  // where the vmm's task has it
    unsigned unmapped;      // of its three places there, while it is destroyed
    struct signal *signal;  // bound to it, or NULL
    struct thread *guest_next, *guest_prev; // vCPU threads of the guest, list head guest->space.threads
    struct tag tag;
    // Extended state of the guest: stays in the registers until another owner needs them (fpu.c).
    uint64_t xcr0;
    uint64_t dr[4], dr7;     // dr[] is loaded when dr7 enables any; the guest's own accesses all exit
    uint64_t kernel_gs_base; // VMX only: stays in the MSR while this vCPU owns the extended state
    uint64_t tsc_aux;
    uint64_t root; // physical, of the nested tables
    void *vendor;  // one page: VMCB or VMCS
    uint64_t vendor_phys;
    union {
        struct {
            uint64_t host;                // physical: the VMCB with the state of the CPU that `tag` is of
            uint64_t efer;                // as the guest believes it, without LMA
            uint64_t cache_disable;       // CR0.CD and NW as the guest believes them
            uint32_t control, exceptions; // as the vmm set them
            uint32_t window;              // WINDOW_*
            uint32_t soft_length;         // added to RIP for the event that is injected now
            bool nmi_blocked;             // an NMI was injected and IRET not seen
        } svm;
        struct {
            uint64_t host_rsp;         // as it stands in the VMCS; enter.S writes it
            uint64_t rip, rsp, rflags; // likewise, so that only changes are written
            uint64_t cr2;
            uint64_t star, lstar, cstar, sfmask; // the guest's
            uint32_t shadow;
            uint32_t primary;      // present primary processor-based controls
            struct vmx_host *host; // of the CPU whose tables the host area names; the VMCS is active there
            bool launched;
            bool msrs;      // the guest's STAR, LSTAR, SFMASK are in the registers
            uint8_t differ; // MSR_*: which of them differ from the host's
        } vmx;
    };
};

struct virt_ops {
    const char *name;
    enum virt_kind kind;
    // Turns virtualization on for this CPU; once, after the TSS and the syscall MSRs are loaded and
    // will not change any more. Errors: ERR_UNSUPPORTED (with a line in the log that says what is
    // missing), ERR_MEMORY.
    enum status (*cpu_init)(struct cpu *cpu);
    // Format of nested page tables for this machine (large_max by CPUID or EPT capability).
    const struct ptab_format *(*guest_format)(void);
    // Fills in v->vendor, a zeroed page, with the `must` settings and the state after reset.
    void (*vcpu_create)(struct vcpu *v);
    // This CPU, the vCPU's home, holds nothing of v->vendor afterwards; it may go on on another one.
    void (*vcpu_leave)(struct vcpu *v);
    // Enters the guest: loads the dirty groups, runs, stores the exit with the groups that its class
    // wants. Interrupts of the host are taken, and the guest goes on. EXIT_HOST when the caller has to
    // look what came up after one, or after an NMI: only GPRs, rip and rflags are stored and the guest
    // can be entered again at once (an event whose delivery was broken off is put back). Before the CPU
    // does anything else, `leave` is due.
    enum vcpu_exit (*run)(struct vcpu *v, struct vcpu_page *page);
    // In the preemption point that `run` has behind an exit for a host interrupt: the kernel goes elsewhere and does
    // not come back there; as EXIT_HOST and `leave`.
    void (*preempt)(struct vcpu *v);
    // After EXIT_HOST, or instead of entering: the kernel goes elsewhere. With `exit` = EXIT_HOST
    // the thread will enter again by itself; else its vmm is told that class (kick, deadline):
    // stores it as `run` would, and hands an event that was to be injected back as `vectoring`.
    void (*leave)(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit);
};

// Takes host interrupts. HAZARD: another CPU may have destroyed the thread in one: then nothing of it may be touched.
static inline void vcpu_preempt_point(const struct cpu *cpu)
{
    arch_preempt_point();
    if (unlikely(!cpu->current))
        schedule();
}

// Then: nothing came up for this CPU, the thread or its vmm, so that the guest can go on as it stands.
static inline bool vcpu_goes_on(const struct vcpu *v, const struct vcpu_page *page, const struct cpu *cpu)
{
    if (cpu->need_resched) // HAZARD: first: it is set when the vCPU was destroyed
        return false;
    const struct signal *signal = READ_ONCE(v->signal);
    return (uint16_t)v->thread->state == STATE_RUNNING && !(signal && READ_ONCE(signal->bits)) &&
           READ_ONCE(page->deadline) == v->thread->deadline && tag_is_valid(&v->tag, cpu) && READ_ONCE(v->guest);
}

extern const struct virt_ops vmx_ops, svm_ops;
extern const struct virt_ops *virt; // chosen at boot by CPUID; NULL: none
extern bool virt_apic;              // vCPUs may have VCPU_APIC

// On each CPU at boot, see cpu_init. Sets `virt` on the first. False: this CPU cannot do what the first can.
bool virt_init(void);
// A page that is never given back, for the CPU's own use by the processor. NULL: none left.
void *virt_boot_page(void);
// One line in the log: the processor lacks this.
enum status virt_lacks(const char *feature);

uint64_t vcpu_syscall(struct thread *thread); // the system call vcpu_run, see entry.S
// Nested translations of the guest changed: no stale one is used from its next entry on, on this
// CPU.
void vcpu_flush(struct guest *guest);
// Cuts an event that a vmm asks to inject down to what a processor delivers; 0 when it is none.
uint32_t vcpu_event(uint32_t event);

// A #GP at user level in a task with I/O ports: true when the TSS limit was cut by a VM exit and is
// whole again: run the instruction once more.
bool tss_restore(struct cpu *cpu);

// ---- fpu.c
void fpu_init(void); // on each CPU at boot, before any thread: CR4, XCR0, CR0.TS
// Makes the thread the owner of the extended state (x87..AVX-512, PKRU, XCR0, debug registers,
// KERNEL_GS_BASE, TSC_AUX): saves the present owner's, loads its. CR0.TS stays as it is. A vCPU
// thread or one with FLAG_FPU, on its CPU.
void fpu_own(struct thread *thread);
// On each switch to a thread: opens the FPU (CR0.TS clear) for one that uses it, closes it for all
// others.
void fpu_switch(struct cpu *cpu, struct thread *to);
void fpu_leave(struct thread *thread);   // its state is saved, and not in the registers of this CPU
void fpu_free(struct thread *thread);    // its save area goes back
void vcpu_load_dr(const struct vcpu *v); // DR0..3 of a guest that uses them
uint64_t vcpu_load_debug(struct vcpu *v, struct vcpu_page *page); // GROUP_DEBUG; the DR7 to use
void vcpu_store_debug(const struct vcpu *v, struct vcpu_page *page, uint64_t dr7);
// GROUP_XSTATE and GROUP_FPU, as far as `groups` names them. The vCPU is the owner.
void vcpu_load_xstate(struct vcpu *v, struct vcpu_page *page, uint32_t groups);
void vcpu_store_xstate(struct vcpu *v, struct vcpu_page *page, uint32_t groups);
