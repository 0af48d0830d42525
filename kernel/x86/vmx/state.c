// SPDX-License-Identifier: BSD-2-Clause
// State groups between the vCPU page and the VMCS, which is current. Everything from the page is
// cut down to what cannot hurt the host; what the processor checks itself is left to VM entry,
// whose refusal is EXIT_INVALID.
#include "vmx.h"
#include "../insn.h"

#define EXCEPTIONS_MUST (1u << 1 | 1u << 17 | 1u << 18) // #DB #AC #MC, see docs/confinement.md

void vmx_host_state(const struct vmx_host *host)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idtr;
    uint16_t cs, ss, tr;

    __asm__ volatile("mov %%cs, %0; mov %%ss, %1; str %2" : "=r"(cs), "=r"(ss), "=r"(tr));
    __asm__ volatile("sidt %0" : "=m"(idtr));
    const uint32_t *tss = (const uint32_t *)(host->gdtr.base + tr);
    vmwrite(HOST_CS, cs);
    vmwrite(HOST_SS, ss);
    vmwrite(HOST_TR, tr);
    vmwrite(HOST_TR_BASE, (uint64_t)tss[2] << 32 | (tss[1] & 0xff000000) | (tss[1] & 0xff) << 16 | tss[0] >> 16);
    vmwrite(HOST_GDTR_BASE, host->gdtr.base);
    vmwrite(HOST_IDTR_BASE, idtr.base);
    vmwrite(HOST_CR0, read_cr0() | CR0_TS); // the FPU owner rule
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(HOST_PAT, rdmsr(MSR_PAT));
}

void vmx_reset(struct vcpu *v)
{
    // HOST_SYSENTER_CS 0: SYSENTER faults at user level.
    // clang-format off
    static const uint16_t zero[] = {
        CR3_TARGETS, ENTRY_EVENT, GUEST_SHADOW, GUEST_ACTIVITY, GUEST_DEBUGCTL, TSC_OFFSET, GUEST_CR3, GUEST_PENDING_DEBUG,
        GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP, GUEST_RIP, GUEST_RSP, GUEST_GDTR_BASE, GUEST_IDTR_BASE,
        GUEST_GDTR_LIMIT, GUEST_IDTR_LIMIT, GUEST_EFER, CR0_SHADOW, CR4_SHADOW, HOST_ES, HOST_DS, HOST_FS, HOST_GS,
        HOST_FS_BASE, HOST_GS_BASE, HOST_SYSENTER_CS, HOST_SYSENTER_ESP, HOST_SYSENTER_EIP};
    // clang-format on
    const struct vmx_features *f = &vmx_features;

    for (unsigned i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
        vmwrite(zero[i], 0);
    v->vmx.primary = f->controls[PRIMARY];
    vmwrite(PIN_CONTROLS, f->controls[PIN]);
    if (f->controls[PIN] & PIN_TIMER)
        vmwrite(PREEMPTION_TIMER, f->timer);
    vmwrite(PRIMARY_CONTROLS, v->vmx.primary);
    vmwrite(SECONDARY_CONTROLS, f->controls[SECONDARY]);
    if (v->apic)
        vmx_apic_reset(v);
    vmwrite(EXIT_CONTROLS, f->controls[EXIT]);
    vmwrite(ENTRY_CONTROLS, f->controls[ENTRY]);
    vmwrite(EXCEPTION_BITMAP, EXCEPTIONS_MUST);
    vmwrite(MSR_BITMAP, f->msr_bitmap);
    vmwrite(EPT_POINTER, v->root | EPT_WB_4_LEVELS);
    if (f->controls[SECONDARY] & SECONDARY_ENCLS)
        vmwrite(ENCLS_EXITING, ~0ull);
    if (f->controls[SECONDARY] & SECONDARY_XSAVES)
        vmwrite(XSS_EXITING, ~0ull);
    vmwrite(GUEST_LINK, ~0ull);
    // Its vmm's; the no-flush bit is only for MOV CR3.
    vmwrite(HOST_CR3, v->thread->cr3 & ~(1ull << 63));
    vmwrite(GUEST_PAT, 0x0007040600070406);
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_RFLAGS, 2);
    v->vmx.rflags = 2;
    vmwrite(CR0_MASK, f->cr0_mask);
    vmwrite(CR4_MASK, f->cr4_mask);
    vmwrite(GUEST_CR0, f->cr0_fixed);
    vmwrite(GUEST_CR4, f->cr4_fixed);
}

static void load_segment(const struct vcpu_segment *from, unsigned i)
{
    vmwrite(GUEST_ES + 2 * i, READ_ONCE(from->selector) & 0xffff);
    vmwrite(GUEST_ES_LIMIT + 2 * i, READ_ONCE(from->limit));
    vmwrite(GUEST_ES_RIGHTS + 2 * i, READ_ONCE(from->attributes) & 0x1f0ff);
    vmwrite(GUEST_ES_BASE + 2 * i, READ_ONCE(from->base));
}

static void store_segment(struct vcpu_segment *to, unsigned i)
{
    to->selector = (uint32_t)vmread(GUEST_ES + 2 * i);
    to->limit = (uint32_t)vmread(GUEST_ES_LIMIT + 2 * i);
    to->attributes = (uint32_t)vmread(GUEST_ES_RIGHTS + 2 * i);
    to->base = vmread(GUEST_ES_BASE + 2 * i);
}

// The guest sees what it wrote in the read shadows; the bits that are not its own stay as they must
// be. A change of one exits.
static void load_cr(struct vcpu *v, struct vcpu_page *page)
{
    const struct vmx_features *f = &vmx_features;
    uint64_t cr0 = READ_ONCE(page->cr0), cr4 = READ_ONCE(page->cr4);

    vmwrite(CR0_SHADOW, cr0);
    vmwrite(GUEST_CR0, (cr0 & f->cr0_allowed) | f->cr0_fixed);
    vmwrite(CR4_SHADOW, cr4);
    vmwrite(GUEST_CR4, (cr4 & f->cr4_allowed) | f->cr4_fixed);
    v->vmx.cr2 = READ_ONCE(page->cr2);
}

static void load_syscall(struct vcpu *v, struct vcpu_page *page)
{
    uint64_t lstar = READ_ONCE(page->lstar), gs = READ_ONCE(page->kernel_gs_base);

    v->vmx.cstar = READ_ONCE(page->cstar); // Intel has no SYSCALL in compatibility mode: never in the MSR
    // What WRMSR would refuse is not loaded.
    vmx_msrs_set(v, READ_ONCE(page->star), is_canonical(lstar) ? lstar : v->vmx.lstar,
                 READ_ONCE(page->sfmask) & 0xffffffff);
    if (is_canonical(gs))
        wrmsr(MSR_KERNEL_GS_BASE, gs);
}

static void load_efer(uint64_t efer)
{
    bool long_mode = efer & EFER_LME && vmread(GUEST_CR0) & CR0_PG;
    uint64_t entry = vmread(ENTRY_CONTROLS);

    vmwrite(GUEST_EFER, (efer & ~EFER_LMA) | (long_mode ? EFER_LMA : 0));
    vmwrite(ENTRY_CONTROLS, long_mode ? entry | ENTRY_IA32E : entry & ~(uint64_t)ENTRY_IA32E);
}

static void load_primary(struct vcpu *v, uint32_t clear, uint32_t set)
{
    uint32_t primary = (v->vmx.primary & ~clear) | set;

    if (primary != v->vmx.primary) {
        v->vmx.primary = primary;
        vmwrite(PRIMARY_CONTROLS, primary);
    }
}

static void load_inject(struct vcpu *v, struct vcpu_page *page)
{
    uint32_t event = vcpu_event(READ_ONCE(page->inject)), window = READ_ONCE(page->window);

    page->inject = 0;
    vmwrite(ENTRY_EVENT, event);
    if (event) {
        vmwrite(ENTRY_EVENT_ERROR, READ_ONCE(page->inject_error));
        vmwrite(ENTRY_EVENT_LENGTH, READ_ONCE(page->inject_length) & 15);
    }
    load_primary(v, PRIMARY_WINDOW | PRIMARY_NMI_WINDOW,
                 (window & WINDOW_INTERRUPT ? PRIMARY_WINDOW : 0) | (window & WINDOW_NMI ? PRIMARY_NMI_WINDOW : 0));
}

// Fields that travel as they are: group, member of the vCPU page, field.
#define FIELDS                                              \
    FIELD(GROUP_CR, cr3, GUEST_CR3)                         \
    FIELD(GROUP_TABLES, gdtr_base, GUEST_GDTR_BASE)         \
    FIELD(GROUP_TABLES, gdtr_limit, GUEST_GDTR_LIMIT)       \
    FIELD(GROUP_TABLES, idtr_base, GUEST_IDTR_BASE)         \
    FIELD(GROUP_TABLES, idtr_limit, GUEST_IDTR_LIMIT)       \
    FIELD(GROUP_SYSENTER, sysenter_cs, GUEST_SYSENTER_CS)   \
    FIELD(GROUP_SYSENTER, sysenter_esp, GUEST_SYSENTER_ESP) \
    FIELD(GROUP_SYSENTER, sysenter_eip, GUEST_SYSENTER_EIP) \
    FIELD(GROUP_EFER_PAT, pat, GUEST_PAT)                   \
    FIELD(GROUP_PDPTE, pdpte[0], GUEST_PDPTE)               \
    FIELD(GROUP_PDPTE, pdpte[1], GUEST_PDPTE + 2)           \
    FIELD(GROUP_PDPTE, pdpte[2], GUEST_PDPTE + 4)           \
    FIELD(GROUP_PDPTE, pdpte[3], GUEST_PDPTE + 6)           \
    FIELD(GROUP_EVENT, pending_debug, GUEST_PENDING_DEBUG)  \
    FIELD(GROUP_TIME, tsc_offset, TSC_OFFSET)

void vmx_load(struct vcpu *v, struct vcpu_page *page, uint32_t dirty)
{
#define FIELD(group, member, field) \
    if (dirty & (group))            \
        vmwrite(field, READ_ONCE(page->member));
    FIELDS
#undef FIELD
    if (dirty & GROUP_CR)
        load_cr(v, page);
    if (dirty & (GROUP_EFER_PAT | GROUP_CR)) // LMA hangs on both
        load_efer(dirty & GROUP_EFER_PAT ? READ_ONCE(page->efer) : vmread(GUEST_EFER));
    for (unsigned i = SEG_ES; dirty & (GROUP_SEG | GROUP_TABLES) && i <= SEG_TR; i++)
        if (dirty & (i <= SEG_GS ? GROUP_SEG : GROUP_TABLES))
            load_segment(&page->seg[i], i);
    if (dirty & GROUP_SYSCALL)
        load_syscall(v, page);
    if (dirty & GROUP_DEBUG)
        vmwrite(GUEST_DR7, vcpu_load_debug(v, page));
    if (dirty & GROUP_EVENT) {
        v->vmx.shadow = READ_ONCE(page->shadow) & (SHADOW_STI | SHADOW_MOV_SS | SHADOW_NMI);
        vmwrite(GUEST_SHADOW, v->vmx.shadow);
    }
    if (dirty & GROUP_INJECT)
        load_inject(v, page);
    if (dirty & GROUP_CONTROL) {
        uint32_t control = READ_ONCE(page->control);
        bool apic = v->apic && control & CONTROL_APIC;
        // HAZARD: without the shadow MOV CR8 would be the host's own task priority.
        load_primary(v, PRIMARY_RDTSC | PRIMARY_CR3 | PRIMARY_INVLPG | PRIMARY_PAUSE | PRIMARY_CR8 | PRIMARY_TPR_SHADOW,
                     (apic ? PRIMARY_TPR_SHADOW : PRIMARY_CR8) | (control & CONTROL_RDTSC ? PRIMARY_RDTSC : 0) |
                         (control & CONTROL_CR3 ? PRIMARY_CR3 : 0) | (control & CONTROL_INVLPG ? PRIMARY_INVLPG : 0) |
                         (control & CONTROL_PAUSE ? PRIMARY_PAUSE : 0));
        if (v->apic)
            vmx_apic_load(page, apic);
        vmwrite(EXCEPTION_BITMAP, READ_ONCE(page->exceptions) | EXCEPTIONS_MUST);
    }
    if (dirty & GROUP_APIC && v->apic)
        vmwrite(INTERRUPT_STATUS, READ_ONCE(page->apic_status) & 0xffff);
    if (dirty & (GROUP_XSTATE | GROUP_FPU))
        vcpu_load_xstate(v, page, dirty);
}

void vmx_store(struct vcpu *v, struct vcpu_page *page, uint32_t want)
{
    const struct vmx_features *f = &vmx_features;

#define FIELD(group, member, field) \
    if (want & (group))             \
        page->member = vmread(field);
    FIELDS
#undef FIELD
    if (want & GROUP_CR) {
        page->cr0 = (vmread(GUEST_CR0) & ~f->cr0_mask) | (vmread(CR0_SHADOW) & f->cr0_mask);
        page->cr4 = (vmread(GUEST_CR4) & ~f->cr4_mask) | (vmread(CR4_SHADOW) & f->cr4_mask);
        page->cr2 = v->vmx.cr2;
    }
    for (unsigned i = SEG_ES; want & (GROUP_SEG | GROUP_TABLES) && i <= SEG_TR; i++)
        if (want & (i <= SEG_GS ? GROUP_SEG : GROUP_TABLES))
            store_segment(&page->seg[i], i);
    if (want & GROUP_SYSCALL) {
        page->star = v->vmx.star;
        page->lstar = v->vmx.lstar;
        page->cstar = v->vmx.cstar;
        page->sfmask = v->vmx.sfmask;
        page->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    }
    if (want & GROUP_EFER_PAT)
        page->efer = vmread(GUEST_EFER);
    if (want & GROUP_DEBUG)
        vcpu_store_debug(v, page, vmread(GUEST_DR7));
    if (want & GROUP_APIC && v->apic)
        page->apic_status = (uint32_t)vmread(INTERRUPT_STATUS);
    if (want & (GROUP_XSTATE | GROUP_FPU))
        vcpu_store_xstate(v, page, want);
}
