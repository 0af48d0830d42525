// SPDX-License-Identifier: BSD-2-Clause
// Intel VT-x: capabilities and enabling. SDM 3C chapters 23 to 27, 3D appendix A.
// HAZARD: a control that the processor does not offer must never be set: VM entry would fail on
// that machine only.
#include "vmx.h"
#include "../boot.h"
#include "../../sched.h"
#include "../insn.h"
#include "../paging.h"

// clang-format off
enum vmx_msr {
    VMX_BASIC = 0x480, VMX_PIN = 0x481, // PRIMARY, EXIT, ENTRY follow
    VMX_MISC = 0x485, VMX_CR0_FIXED0 = 0x486, VMX_CR0_FIXED1 = 0x487, VMX_CR4_FIXED0 = 0x488, VMX_CR4_FIXED1 = 0x489,
    VMX_SECONDARY = 0x48b, VMX_EPT_VPID = 0x48c, VMX_TRUE_PIN = 0x48d,
};
// clang-format on

#define EPT_4_LEVELS   (1ull << 6)
#define EPT_WRITE_BACK (1ull << 14)
#define EPT_2M         (1ull << 16)
#define EPT_1G         (1ull << 17)
#define EPT_INVEPT     (1ull << 20 | 1ull << 25) // and its single-context type
#define EPT_INVVPID    (1ull << 32 | 1ull << 42) // and its all-context type

#define CR0_GUEST_OWNED 0x8005001full // PE MP EM TS ET WP AM PG
#define CR4_GUEST_OWNED 0x771fbfull   // all but MCE, VMXE, SMXE and what is newer than protection keys

struct vmx_features vmx_features;
struct vmx_host vmx_hosts[CPU_MAX];
static uint8_t msr_bitmap[PAGE_SIZE] __attribute__((aligned(4096)));

static const struct must {
    uint8_t control, bit;
    const char *name;
} must[] = {
#define MUST(control, bit, name, attack) {control, bit, name},
#define KEPT(what, attack)
#include "must.def"
#undef KEPT
#undef MUST
};

// Fills in vmx_features.controls. Each capability MSR tells in its low half what must be 1, in its
// high half what may.
static enum status find_controls(void)
{
    uint64_t capability[CONTROL_GROUPS];
    uint32_t *controls = vmx_features.controls;
    bool precise = rdmsr(VMX_BASIC) >> 55 & 1;

    for (unsigned i = PIN; i <= ENTRY; i++) {
        capability[i] = rdmsr((precise ? VMX_TRUE_PIN : VMX_PIN) + i);
        controls[i] = (uint32_t)capability[i];
    }
    capability[SECONDARY] = capability[PRIMARY] >> 63 ? rdmsr(VMX_SECONDARY) : 0;
    controls[SECONDARY] = (uint32_t)capability[SECONDARY];
    for (unsigned i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
        if (!(capability[must[i].control] >> (32 + must[i].bit) & 1))
            return virt_lacks(must[i].name);
        controls[must[i].control] |= 1u << must[i].bit;
    }
    if (controls[PRIMARY] & (PRIMARY_CR3 | PRIMARY_INVLPG))
        return virt_lacks("guests that switch CR3 without an exit");
    // HAZARD: Bochs 2.7 holds host interrupts back from a guest that is entered with IF = 0, until
    // it touches IF: one that spins then would keep the CPU. The timer takes it out once a time
    // slice; what exits anyway within that time costs nothing.
    controls[PIN] |= capability[PIN] >> 32 & PIN_TIMER;
    const uint32_t apic = SECONDARY_ACCESSES | SECONDARY_APIC;
    // HAZARD: Bochs 2.7 delivers a virtual interrupt at any RFLAGS.IF when the host is interrupted meanwhile.
    virt_apic = capability[PRIMARY] >> 32 & PRIMARY_TPR_SHADOW && (capability[SECONDARY] >> 32 & apic) == apic &&
                !boot_option("apic=software");
    // Instructions that would be #UD in the guest without them; INVPCID stays so, as no guest is
    // told of it. ENCLS exits always, see the bitmap.
    const uint32_t offered = SECONDARY_RDTSCP | SECONDARY_ENCLS | SECONDARY_XSAVES;
    controls[SECONDARY] |= capability[SECONDARY] >> 32 & offered;
    return OK;
}

static void msr_allow(uint32_t msr)
{
    unsigned bit = (msr & 0x1fff) + (msr < 0x2000 ? 0 : 8192);

    msr_bitmap[bit / 8] &= ~(1u << bit % 8);
    msr_bitmap[2048 + bit / 8] &= ~(1u << bit % 8);
}

static enum status find_features(void)
{
    // In the VMCS; or (the last) moved with the extended state.
    static const uint32_t switched[] = {MSR_FS_BASE,      MSR_GS_BASE,      MSR_SYSENTER_CS,
                                        MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_KERNEL_GS_BASE};
    struct vmx_features *f = &vmx_features;
    enum status status = find_controls();
    uint64_t ept = status == OK ? rdmsr(VMX_EPT_VPID) : 0;

    if (status != OK)
        return status;
    if ((ept & (EPT_4_LEVELS | EPT_WRITE_BACK)) != (EPT_4_LEVELS | EPT_WRITE_BACK))
        return virt_lacks("EPT with 4 levels, write-back");
    if ((ept & EPT_INVEPT) != EPT_INVEPT || (ept & EPT_INVVPID) != EPT_INVVPID)
        return virt_lacks("INVEPT, INVVPID");
    f->cr0_fixed = (rdmsr(VMX_CR0_FIXED0) & ~(CR0_PE | CR0_PG)) | CR0_ET; // unrestricted guest
    f->cr0_allowed = rdmsr(VMX_CR0_FIXED1) & ~(CR0_CD | CR0_NW);
    f->cr4_fixed = rdmsr(VMX_CR4_FIXED0) | (read_cr4() & CR4_MCE);
    f->cr4_allowed = rdmsr(VMX_CR4_FIXED1) & (CR4_GUEST_OWNED | CR4_MCE | CR4_VMXE);
    f->cr0_mask = ~(CR0_GUEST_OWNED & f->cr0_allowed & ~(f->cr0_fixed & ~CR0_ET));
    f->cr4_mask = ~(CR4_GUEST_OWNED & f->cr4_allowed & ~f->cr4_fixed);
    f->timer = (uint32_t)(tsc_hz / SLICE_PER_SECOND >> (rdmsr(VMX_MISC) & 31));
    f->msr_bitmap = kernel_phys(msr_bitmap);
    __builtin_memset(msr_bitmap, 0xff, sizeof(msr_bitmap));
    for (unsigned i = 0; i < sizeof(switched) / sizeof(switched[0]); i++)
        msr_allow(switched[i]);
    if (f->controls[SECONDARY] & SECONDARY_RDTSCP)
        msr_allow(MSR_TSC_AUX);
    return OK;
}

static enum status vmx_cpu_init(struct cpu *cpu)
{
    struct vmx_host *host = &vmx_hosts[cpu->number];
    uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

    if (!(control & 1))
        wrmsr(MSR_FEATURE_CONTROL, control | 5);
    if ((rdmsr(MSR_FEATURE_CONTROL) & 5) != 5)
        return virt_lacks("VT-x: the firmware disabled it");
    TRY(cpu->number == 0 ? find_features() : OK);
    uint32_t *region = virt_boot_page();
    if (!region)
        return ERR_MEMORY;
    *region = (uint32_t)rdmsr(VMX_BASIC) & 0x7fffffff;
    uint64_t physical = virt_to_phys(region);
    write_cr0(read_cr0() | rdmsr(VMX_CR0_FIXED0));
    write_cr4(read_cr4() | rdmsr(VMX_CR4_FIXED0));
    if (!vmxon(&physical))
        return virt_lacks("VT-x: VMXON failed");
    host->star = rdmsr(MSR_STAR);
    host->lstar = rdmsr(MSR_LSTAR);
    host->sfmask = rdmsr(MSR_SFMASK);
    __asm__ volatile("sgdt %0" : "=m"(host->gdtr));
    return OK;
}

// HAZARD: iTLB multi-hit (CVE-2018-12207): on processors that do not deny it a guest could stop the
// machine by way of an executable large page.
static bool has_itlb_multihit(void)
{
    if (!(cpuid_checked(7, 0).edx & 1u << 29))
        return true;
    return !(rdmsr(MSR_ARCH_CAPABILITIES) & 1u << 6);
}

static const struct ptab_format *vmx_guest_format(void)
{
    // clang-format off
    static struct ptab_format ept = {
        .table = 7, .read = 1, .write = 2, .exec = 4, .large = 1u << 7, .cached = 6u << 3, .present = 7, .levels = 4,
    };
    // clang-format on
    uint64_t capability = rdmsr(VMX_EPT_VPID);

    if (!has_itlb_multihit())
        ept.large_max = capability & EPT_1G ? 2 : capability & EPT_2M ? 1 : 0;
    return &ept;
}

// HAZARD: a VMCS stays active on the CPU that loaded it last. The home CPU may be another one: it
// is cleared here.
static void vmx_vcpu_create(struct vcpu *v)
{
    *(uint32_t *)v->vendor = (uint32_t)rdmsr(VMX_BASIC) & 0x7fffffff;
    vmclear(&v->vendor_phys);
    vmptrld(&v->vendor_phys);
    vmx_reset(v);
    vmclear(&v->vendor_phys);
    this_cpu()->vmcs = NULL;
}

static void vmx_vcpu_leave(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    vmx_msrs_leave(v);
    vmclear(&v->vendor_phys); // else the processor might write the page later, when it is another's
    v->vmx.launched = false;
    v->tag.generation = 0;
    if (cpu->vmcs == v)
        cpu->vmcs = NULL;
}

bool tss_restore(struct cpu *cpu)
{
    struct vmx_host *host = &vmx_hosts[cpu->number];
    uint16_t selector;

    if (!host->tss_cut)
        return false;
    host->tss_cut = false;
    __asm__ volatile("str %0" : "=r"(selector));
    ((uint8_t *)host->gdtr.base)[selector + 5] &= (uint8_t)~2; // LTR wants an available TSS
    __asm__ volatile("ltr %0" ::"r"(selector) : "memory");
    return true;
}

// clang-format off
const struct virt_ops vmx_ops = {
    .name = "VMX", .kind = VIRT_VMX, .cpu_init = vmx_cpu_init, .guest_format = vmx_guest_format,
    .vcpu_create = vmx_vcpu_create, .vcpu_leave = vmx_vcpu_leave, .run = vmx_run, .preempt = vmx_msrs_leave, .leave = vmx_leave,
};
// clang-format on
