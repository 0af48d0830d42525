// SPDX-License-Identifier: BSD-2-Clause
// VM entry and exit. For CPUID and port exits at most 8 VMREADs and VMWRITEs: reason, rip, rsp,
// rflags, shadow, length, qualification; and rip at the entry.
#include "vmx.h"
#include "../insn.h"

bool vmx_enter(struct vcpu_page *page, struct vcpu *v, bool launched, const void *gdtr);
_Static_assert(offsetof(struct vcpu_page, gpr) == 64, "enter.S");

#define REASON_FAILED    (1u << 31)
#define REASON_EXCEPTION 0
#define REASON_INTERRUPT 1
#define REASON_APIC      44
#define REASON_RDTSCP    51
#define REASON_TIMER     52
#define INFO_NMI_UNBLOCK (1u << 12) // the exit broke off an IRET that had ended the blocking of NMIs

// Basic exit reasons, SDM 3D appendix C. 0: an exception, which may be the host's. Behind the last:
// instructions that are not enabled.
// clang-format off
static const uint8_t classes[128] = {
    [0 ... 1] = EXIT_HOST,       [2] = EXIT_SHUTDOWN,   [3] = EXIT_HOST,        [4] = EXIT_SIPI,       [5 ... 6] = EXIT_HOST,
    [7] = EXIT_WINDOW,           [8] = EXIT_NMI_WINDOW, [9] = EXIT_TASK_SWITCH, [10] = EXIT_CPUID,     [11] = EXIT_UNDEFINED,
    [12] = EXIT_HLT,             [13] = EXIT_INVD,      [14] = EXIT_INVLPG,     [15] = EXIT_RDPMC,     [16] = EXIT_RDTSC,
    [17] = EXIT_UNDEFINED,       [18] = EXIT_HYPERCALL, [19 ... 27] = EXIT_UNDEFINED, [28] = EXIT_CR,  [29] = EXIT_DR,
    [30] = EXIT_IO,              [31] = EXIT_RDMSR,     [32] = EXIT_WRMSR,      [33 ... 34] = EXIT_INVALID, [35] = EXIT_OTHER,
    [36] = EXIT_UNDEFINED,       [37 ... 38] = EXIT_OTHER, [39] = EXIT_UNDEFINED, [40] = EXIT_PAUSE,   [41] = EXIT_INVALID,
    [42 ... 43] = EXIT_OTHER,    [44] = EXIT_MEMORY,    [45] = EXIT_APIC_EOI,   [46 ... 47] = EXIT_OTHER, [48] = EXIT_MEMORY,
    [49] = EXIT_OTHER,           [50] = EXIT_UNDEFINED, [51] = EXIT_RDTSC,      [52] = EXIT_HOST,      [53] = EXIT_UNDEFINED,
    [54] = EXIT_INVD,            [55] = EXIT_XSETBV,    [56] = EXIT_APIC_WRITE, [57] = EXIT_OTHER,     [58] = EXIT_INVLPG,
    [59 ... 60] = EXIT_UNDEFINED, [61 ... 62] = EXIT_OTHER, [63 ... 127] = EXIT_UNDEFINED,
};
// clang-format on

enum { DIFFER_LSTAR = 1, DIFFER_STAR = 2, DIFFER_SFMASK = 4 };

// Makes its VMCS the current one of this CPU.
static void vmx_select(struct vcpu *v, struct cpu *cpu)
{
    if (cpu->vmcs == v)
        return;
    vmptrld(&v->vendor_phys);
    cpu->vmcs = v;
    if (v->vmx.host != &vmx_hosts[cpu->number]) {
        v->vmx.host = &vmx_hosts[cpu->number];
        vmx_host_state(v->vmx.host);
        vmx_msrs_set(v, v->vmx.star, v->vmx.lstar, v->vmx.sfmask);
    }
}

static void wrmsr_all(uint8_t differ, uint64_t star, uint64_t lstar, uint64_t sfmask)
{
    if (differ & DIFFER_STAR)
        wrmsr(MSR_STAR, star);
    if (differ & DIFFER_LSTAR)
        wrmsr(MSR_LSTAR, lstar);
    if (differ & DIFFER_SFMASK)
        wrmsr(MSR_SFMASK, sfmask);
}

// A Linux guest's STAR and SFMASK are the host's.
static inline void msrs_load(const struct vcpu *v)
{
    if (likely(v->vmx.differ == DIFFER_LSTAR))
        wrmsr(MSR_LSTAR, v->vmx.lstar);
    else
        wrmsr_all(v->vmx.differ, v->vmx.star, v->vmx.lstar, v->vmx.sfmask);
}

static inline void msrs_restore(const struct vcpu *v)
{
    const struct vmx_host *host = v->vmx.host;

    if (likely(v->vmx.differ == DIFFER_LSTAR))
        wrmsr(MSR_LSTAR, host->lstar);
    else
        wrmsr_all(v->vmx.differ, host->star, host->lstar, host->sfmask);
}

// After EXIT_HOST the guest's stay in the registers.
void vmx_msrs_leave(struct vcpu *v)
{
    if (v->vmx.msrs)
        msrs_restore(v);
    v->vmx.msrs = false;
}

void vmx_msrs_set(struct vcpu *v, uint64_t star, uint64_t lstar, uint64_t sfmask)
{
    const struct vmx_host *host = v->vmx.host;

    vmx_msrs_leave(v);
    v->vmx.star = star;
    v->vmx.lstar = lstar;
    v->vmx.sfmask = sfmask;
    v->vmx.differ = (lstar != host->lstar ? DIFFER_LSTAR : 0) | (star != host->star ? DIFFER_STAR : 0) |
                    (sfmask != host->sfmask ? DIFFER_SFMASK : 0);
}

static inline void load_registers(struct vcpu *v, struct vcpu_page *page)
{
    uint64_t rip = READ_ONCE(page->rip), rsp = READ_ONCE(page->gpr[RSP]), rflags = READ_ONCE(page->rflags);

    if (rip != v->vmx.rip) {
        v->vmx.rip = rip;
        vmwrite(GUEST_RIP, rip);
        if (v->vmx.shadow & (SHADOW_STI | SHADOW_MOV_SS)) { // an instruction was completed, so its shadow is over
            v->vmx.shadow &= SHADOW_NMI;
            vmwrite(GUEST_SHADOW, v->vmx.shadow);
        }
    }
    if (rsp != v->vmx.rsp) {
        v->vmx.rsp = rsp;
        vmwrite(GUEST_RSP, rsp);
    }
    if (rflags != v->vmx.rflags) {
        v->vmx.rflags = rflags;
        vmwrite(GUEST_RFLAGS, (rflags & 0x3f7fd5) | 2);
    }
}

static inline void store_registers(struct vcpu *v, struct vcpu_page *page)
{
    page->rip = v->vmx.rip = vmread(GUEST_RIP);
    page->gpr[RSP] = v->vmx.rsp = vmread(GUEST_RSP);
    page->rflags = v->vmx.rflags = vmread(GUEST_RFLAGS);
}

// HAZARD: translations that go by the EPT pointer alone survive a new VPID, and the root table's
// page may have been another guest's before: both are flushed with each new tag.
static void renew_tag(struct vcpu *v, struct cpu *cpu)
{
    if (tag_take(&v->tag, cpu, 0xffff)) {
        invvpid(2);
        invept(2, 0);
    }
    invept(1, v->root | EPT_WB_4_LEVELS);
    vmwrite(VPID, v->tag.number);
}

static uint64_t cr_qualification(uint64_t q)
{
    uint64_t basic = CR_DECODED | (q & 15) | (q & 0xf00);

    switch (q >> 4 & 3) {
    case 1:
        return basic | CR_READ;
    case 2:
        return basic | CR_CLTS;
    case 3:
        return basic | CR_LMSW | (q & 0xf0000); // LMSW changes the low 4 bits
    default:
        return basic;
    }
}

static void memory_details(struct vcpu *v, struct vcpu_page *page)
{
    uint64_t q = vmread(QUALIFICATION);

    page->length = 0; // the processor does not tell it here
    page->gpa = vmread(GUEST_PHYSICAL);
    page->qualification = (q & 2 ? MEMORY_WRITE : 0) | (q & 4 ? MEMORY_FETCH : 0) | (q & 0x38 ? MEMORY_PRESENT : 0) |
                          ((q & 0x180) == 0x80 ? MEMORY_WALK : 0) | (q & 0x80 ? LINEAR_VALID : 0);
    if (q & 0x80)
        page->linear = vmread(GUEST_LINEAR);
    if (q & INFO_NMI_UNBLOCK)
        v->vmx.shadow |= SHADOW_NMI;
}

static void exception_details(struct vcpu *v, struct vcpu_page *page, uint32_t info)
{
    page->event = info & (EVENT_VALID | 0xfff);
    page->length = EVENT_TYPE(info) == EVENT_EXCEPTION ? 0 : page->length; // it is told for INT3, INTO, INT1 only
    page->error = info & EVENT_HAS_ERROR ? (uint32_t)vmread(EXIT_EVENT_ERROR) : 0;
    page->qualification = vmread(QUALIFICATION); // #DB: what DR6 shall tell; #PF: the address
    if (info & INFO_NMI_UNBLOCK && EVENT_VECTOR(info) != 8)
        v->vmx.shadow |= SHADOW_NMI;
}

// The event whose delivery the exit broke off (SDM 3C 27.2.4). `shadow` is that before the exit.
static void broken_off(struct vcpu *v, struct vcpu_page *page)
{
    uint32_t event = (uint32_t)vmread(VECTORING), shadow = (uint32_t)vmread(GUEST_SHADOW);
    unsigned type = EVENT_TYPE(event);

    if (event & EVENT_VALID) {
        v->vmx.shadow = shadow; // what an IRET ended is begun again by the delivery that follows
        if (type == EVENT_NMI)
            v->vmx.shadow &= ~SHADOW_NMI; // it is delivered again
        if (type < EVENT_SOFT_INT) {      // INT n, INT3, INTO run again from their own RIP
            page->vectoring = event & (EVENT_VALID | 0xfff);
            page->vectoring_error = event & EVENT_HAS_ERROR ? (uint32_t)vmread(VECTORING_ERROR) : 0;
        }
    }
    if (v->vmx.shadow != shadow)
        vmwrite(GUEST_SHADOW, v->vmx.shadow);
}

static void details(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit, uint32_t reason, uint32_t info)
{
    switch (exit) {
    case EXIT_CPUID:
    case EXIT_HLT:
    case EXIT_RDMSR:
    case EXIT_WRMSR:
        break;
    case EXIT_IO:
        page->qualification = vmread(QUALIFICATION); // the page's layout is the same
        break;
    case EXIT_MEMORY:
        if (reason == REASON_APIC)
            vmx_apic_access(page);
        else
            memory_details(v, page);
        broken_off(v, page);
        break;
    case EXIT_EXCEPTION:
        exception_details(v, page, info);
        broken_off(v, page);
        break;
    case EXIT_CR:
        page->qualification = cr_qualification(vmread(QUALIFICATION));
        break;
    case EXIT_RDTSC:
        page->qualification = reason == REASON_RDTSCP;
        break;
    case EXIT_INVLPG:
        page->linear = vmread(QUALIFICATION);
        break;
    default:
        page->qualification = vmread(QUALIFICATION);
        broken_off(v, page);
        break;
    }
}

static inline void store_basic(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit)
{
    page->exit = exit;
    page->shadow = v->vmx.shadow;
    uint32_t want = READ_ONCE(page->want[exit]) & GROUP_ALL;
    page->have = want;
    if (want)
        vmx_store(v, page, want);
}

// The state was refused: nothing of the guest ran. `code`: the VM-instruction error, or reason and
// qualification.
static enum vcpu_exit refused(struct vcpu *v, struct vcpu_page *page, uint64_t code)
{
    msrs_restore(v);
    vmwrite(ENTRY_EVENT, 0);
    page->reason = 33;
    page->qualification = code;
    page->vectoring = 0;
    page->length = 0;
    store_basic(v, page, EXIT_INVALID);
    return EXIT_INVALID;
}

// NMI and machine check are taken already: their handlers run as if the host had been interrupted.
// An NMI handler's IRET lets the next one come.
static bool is_host_exception(uint32_t info)
{
    if (EVENT_TYPE(info) == EVENT_NMI)
        __asm__ volatile("int $2");
    else if (EVENT_VECTOR(info) == 18)
        __asm__ volatile("int $18");
    else
        return false;
    return true;
}

// An interrupt of the host, or its time slice is over: true when the guest can go on with nothing loaded. HAZARD: else
// nothing of it may be touched any more: it may be destroyed in the preemption point.
static inline bool interrupted(struct vcpu *v, const struct vcpu_page *page, const struct cpu *cpu, uint32_t reason)
{
    v->vmx.msrs = true;
    if (reason != REASON_INTERRUPT && reason != REASON_TIMER)
        return false;
    vcpu_preempt_point(cpu);
    return vcpu_goes_on(v, page, cpu);
}

enum vcpu_exit vmx_run(struct vcpu *v, struct vcpu_page *page)
{
    struct cpu *cpu = v->thread->cpu;
    uint32_t dirty = READ_ONCE(page->dirty), info = 0;

    if (unlikely(cpu->vmcs != v))
        vmx_select(v, cpu);
    load_registers(v, page);
    if (dirty) {
        page->dirty = 0;
        vmx_load(v, page, dirty);
    }
    if (unlikely(!tag_is_valid(&v->tag, cpu)))
        renew_tag(v, cpu);
    if (likely(!v->vmx.msrs))
        msrs_load(v);
    if (read_cr2() != v->vmx.cr2) // a page fault of the host has been in between
        write_cr2(v->vmx.cr2);
again:
    v->vmx.msrs = false;
    page->entries++; // for statistics: what the vmm makes of it is its own affair
    if (unlikely(vmx_enter(page, v, v->vmx.launched, &v->vmx.host->gdtr)))
        return refused(v, page, vmread(INSTRUCTION_ERROR));
    v->vmx.cr2 = read_cr2();
    cpu->fs_base = 0;
    v->vmx.host->tss_cut = true;
    uint32_t reason = (uint32_t)vmread(EXIT_REASON);
    if (unlikely(reason & REASON_FAILED))
        return refused(v, page, (uint64_t)reason << 32 | (uint32_t)vmread(QUALIFICATION));
    v->vmx.launched = true;
    enum vcpu_exit exit = classes[reason & (sizeof(classes) - 1)];
    store_registers(v, page);
    if (unlikely(exit == EXIT_HOST)) {
        info = reason == REASON_EXCEPTION ? (uint32_t)vmread(EXIT_EVENT) : 0;
        if (!info || is_host_exception(info)) {
            if (interrupted(v, page, cpu, reason))
                goto again; // bound: none, preemptible
            return EXIT_HOST;
        }
        exit = EXIT_EXCEPTION;
    }
    msrs_restore(v);
    page->reason = reason;
    v->vmx.shadow = (uint32_t)vmread(GUEST_SHADOW);
    page->length = (uint32_t)vmread(EXIT_LENGTH);
    page->vectoring = 0;
    details(v, page, exit, reason, info);
    store_basic(v, page, exit);
    return exit;
}

void vmx_leave(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit)
{
    vmx_msrs_leave(v);
    if (exit == EXIT_HOST)
        return;
    vmx_select(v, v->thread->cpu);
    load_registers(v, page);
    uint32_t dirty = READ_ONCE(page->dirty);
    if (dirty) { // before what the vmm wants is stored over it
        page->dirty = 0;
        vmx_load(v, page, dirty);
    }
    uint32_t event = (uint32_t)vmread(ENTRY_EVENT);
    page->vectoring = event & EVENT_VALID ? event : 0;
    page->vectoring_error = (uint32_t)vmread(ENTRY_EVENT_ERROR);
    if (event)
        vmwrite(ENTRY_EVENT, 0);
    v->vmx.shadow = (uint32_t)vmread(GUEST_SHADOW);
    page->length = 0;
    page->reason = 1;
    store_basic(v, page, exit);
}
