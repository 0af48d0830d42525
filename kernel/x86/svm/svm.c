// SPDX-License-Identifier: BSD-2-Clause
// AMD SVM: AMD APM volume 2, chapter 15. Enabling, the confinement of a guest, entry and exit.
// HAZARD: QEMU 7.2 has no next-RIP save, decode assists or clean bits, and flushes the TLB at every
// switch; hardware does neither.
#include "svm.h"
#include "../boot.h"
#include "../insn.h"
#include "../paging.h"

static struct svm_features {
    uint32_t tags;         // highest ASID
    uint32_t clean;        // clean bits to set after a run; 0 when the processor has none
    bool next_rip, decode; // next-RIP save, decode assists
} svm_features;

#define DR6_RESET       0xffff0ff0
#define IO_BITMAP_SIZE  (3 * PAGE_SIZE)
#define MSR_BITMAP_SIZE (2 * PAGE_SIZE)
static uint8_t io_bitmap[IO_BITMAP_SIZE] __attribute__((aligned(4096)));
static uint8_t msr_bitmap[MSR_BITMAP_SIZE] __attribute__((aligned(4096)));
bool svm_virtual_events;
static uint64_t host_vmcb[CPU_MAX]; // physical; TR, FS, GS and the syscall MSRs of each CPU

void svm_enter(struct vcpu_page *page, uint64_t vmcb, uint64_t host_vmcb);
_Static_assert(offsetof(struct vcpu_page, gpr) == 64, "enter.S");

// APM 15.11: two bits for each MSR, read and write, in three ranges.
static void msr_allow(uint32_t msr)
{
    unsigned range = msr < 0x2000 ? 0 : msr < 0xc0002000 ? 1 : 2;
    unsigned bit = range * 0x2000 * 2 + (msr & 0x1fff) * 2;

    msr_bitmap[bit / 8] &= ~(3u << bit % 8);
}

static enum status svm_cpu_init(struct cpu *cpu)
{
    // What VMLOAD and VMSAVE switch, and so cannot tell the host's from.
    static const uint32_t switched[] = {MSR_STAR,         MSR_LSTAR,       MSR_CSTAR,          MSR_SFMASK,
                                        MSR_FS_BASE,      MSR_GS_BASE,     MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS,
                                        MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
    struct cpuid_regs f = cpuid_checked(0x8000000a, 0);

    if (!(f.edx & 1))
        return virt_lacks("nested paging");
    if (f.edx & 1u << 2 && rdmsr(MSR_VM_CR) & 1u << 4) // the MSR is there with the lock; Bochs has neither
        return virt_lacks("SVM: the firmware disabled it");
    void *save = virt_boot_page(), *host = virt_boot_page();
    if (!save || !host)
        return ERR_MEMORY;
    if (cpu->number == 0) {
        svm_virtual_events = boot_option("inject=virtual");
        svm_features = (struct svm_features){.tags = f.ebx - 1,
                                             .clean = f.edx & 1u << 5 ? ~0u : 0,
                                             .next_rip = f.edx & 1u << 3,
                                             .decode = f.edx & 1u << 7};
        __builtin_memset(io_bitmap, 0xff, sizeof(io_bitmap));
        __builtin_memset(msr_bitmap, 0xff, sizeof(msr_bitmap));
        for (unsigned i = 0; i < sizeof(switched) / sizeof(switched[0]); i++)
            msr_allow(switched[i]);
        if (cpuid_checked(0x80000001, 0).edx & 1u << 27)
            msr_allow(MSR_TSC_AUX); // moves with the extended state
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(save));
    host_vmcb[cpu->number] = virt_to_phys(host);
    // HAZARD: TR as LTR left it, FS and GS base 0: what every exit brings back.
    __asm__ volatile("vmsave %%rax" ::"a"(host_vmcb[cpu->number]) : "memory");
    return OK;
}

// Accessed and dirty bits are set from the start, so that the processor never writes to a nested
// table.
static const struct ptab_format *svm_guest_format(void)
{
    // clang-format off
    static struct ptab_format npt = { // table: present, writable, user, accessed; leaf: present, user, accessed, dirty
        .table = 0x27, .leaf = 0x65, .read = 0x1, .write = 0x2, .no_exec = 1ull << 63, .large = 1u << 7,
        .uncached = 0x18, // PCD, PWT: UC in the PAT that the host leaves as after reset
        .present = 1, .levels = 4, .large_max = 1,
    };
    // clang-format on
    if (cpuid_checked(0x80000001, 0).edx & 1u << 26)
        npt.large_max = 2;
    return &npt;
}

void svm_intercepts(struct vcpu *v)
{
    struct vmcb *vmcb = v->vendor;
    uint32_t word[6] = {0};

#define MUST(word_, bit, name, attack) word[word_] |= 1u << (bit);
#define KEPT(what, attack)
#include "must.def"
#undef KEPT
#undef MUST
    word[1] = 0xffffffff; // every access to a debug register: they move with the extended state
    if (v->svm.control & CONTROL_CR3)
        word[0] |= 1u << 3 | 1u << 19;
    if (v->svm.cache_disable) // the guest sees what it wrote to CR0: all accesses exit as long as
                              // the two differ
        word[0] |= 1u << 0 | 1u << 16;
    word[2] |= v->svm.exceptions & ~(1u << 2); // vector 2 is reserved here, NMI has a bit of its own
    if (v->svm.control & CONTROL_RDTSC) {      // QEMU reports RDTSCP as RDTSC
        word[3] |= 1u << INTERCEPT_RDTSC;
        word[4] |= 1u << (INTERCEPT_RDTSCP - 32);
    }
    word[3] |= (v->svm.control & CONTROL_PAUSE ? 1u << INTERCEPT_PAUSE : 0) |
               (v->svm.control & CONTROL_INVLPG ? 1u << INTERCEPT_INVLPG : 0) |
               (v->svm.window & WINDOW_INTERRUPT ? 1u << INTERCEPT_VINTR : 0) |
               (v->svm.nmi_blocked ? 1u << INTERCEPT_IRET : 0);
    vmcb->intercept_cr = word[0];
    vmcb->intercept_dr = word[1];
    vmcb->intercept_exceptions = word[2];
    for (unsigned i = 0; i < 3; i++)
        vmcb->intercept[i] = word[3 + i];
    vmcb->clean = 0;
}

// The state after reset, in a VMCB that is zero: nothing of a guest's or (see svm_run) of the host's is left in it.
static void reset(struct vcpu *v)
{
    struct vmcb *vmcb = v->vendor;

    vmcb->iopm = kernel_phys(io_bitmap);
    vmcb->msrpm = kernel_phys(msr_bitmap);
    vmcb->virq = VIRQ_MASKING;
    vmcb->nested = 1;
    vmcb->nested_cr3 = v->root;
    vmcb->asid = (uint32_t)v->tag.number;
    vmcb->efer = EFER_SVME;
    vmcb->pat = 0x0007040600070406;
    vmcb->cr0 = CR0_ET;
    vmcb->rflags = 2;
    vmcb->dr7 = 0x400;
    vmcb->dr6 = DR6_RESET;
    __builtin_memset(&v->svm, 0, sizeof(v->svm));
    v->tag.generation = 0; // whose CPU `host` belongs to
    svm_intercepts(v);
}

static void svm_vcpu_leave(struct vcpu *v)
{
    v->tag.generation = 0; // with a new tag the next entry trusts no clean bit either
}

// Exit codes 0x60..0x8f.
// clang-format off
static const uint8_t classes[] = {
    [0x00 ... 0x03] = EXIT_HOST,  [0x04] = EXIT_WINDOW,   [0x05] = EXIT_CR,               [0x06 ... 0x0d] = EXIT_OTHER,
    [0x0e] = EXIT_RDTSC,          [0x0f] = EXIT_RDPMC,    [0x10 ... 0x11] = EXIT_OTHER,   [0x12] = EXIT_CPUID,
    [0x13] = EXIT_UNDEFINED,      [0x14] = EXIT_HOST,     [0x15] = EXIT_OTHER,            [0x16] = EXIT_INVD,
    [0x17] = EXIT_PAUSE,          [0x18] = EXIT_HLT,      [0x19] = EXIT_INVLPG,           [0x1a] = EXIT_UNDEFINED,
    [0x1b] = EXIT_IO,             [0x1c] = EXIT_RDMSR,    [0x1d] = EXIT_TASK_SWITCH,      [0x1e] = EXIT_OTHER,
    [0x1f] = EXIT_SHUTDOWN,       [0x20] = EXIT_UNDEFINED, [0x21] = EXIT_HYPERCALL,       [0x22 ... 0x26] = EXIT_UNDEFINED,
    [0x27] = EXIT_RDTSC,          [0x28] = EXIT_OTHER,    [0x29] = EXIT_INVD,             [0x2a ... 0x2c] = EXIT_UNDEFINED,
    [0x2d] = EXIT_XSETBV,         [0x2e] = EXIT_UNDEFINED, [0x2f] = EXIT_OTHER,
};
// clang-format on

// What the processor tells beyond the class: qualification, gpa, event, length. May change the
// class.
static enum vcpu_exit details(struct vmcb *vmcb, struct vcpu_page *page, enum vcpu_exit exit)
{
    uint64_t code = vmcb->exit_code, info = vmcb->exit_info1;
    uint64_t length = svm_features.next_rip ? vmcb->next_rip - vmcb->rip : 0;

    switch (exit) {
    case EXIT_IO:
        page->qualification = (info & 0xffff0000) | ((info >> 4 & 7) - 1) | (info & 1) << 3 |
                              (info & 0xc) << 2; // APM 2 15.10.2: IN, STR, REP
        length = vmcb->exit_info2 - vmcb->rip;
        break;
    case EXIT_RDMSR:
        exit = info & 1 ? EXIT_WRMSR : EXIT_RDMSR;
        break;
    case EXIT_MEMORY:
        page->qualification = (info & 2 ? MEMORY_WRITE : 0) | (info & 0x10 ? MEMORY_FETCH : 0) |
                              (info & 1 ? MEMORY_PRESENT : 0) | (info >> 33 & 1 ? MEMORY_WALK : 0);
        page->gpa = vmcb->exit_info2;
        length = 0;
        break;
    case EXIT_EXCEPTION:
        page->event = (uint32_t)(code - SVM_EXCEPTION) | EVENT_EXCEPTION << 8 | EVENT_VALID;
        if (0x27d00u >> (code - SVM_EXCEPTION) & 1)
            page->event |= EVENT_HAS_ERROR;
        page->error = (uint32_t)info;
        page->qualification = code == SVM_DB ? vmcb->dr6 & 0xe00f : vmcb->exit_info2; // as VT-x tells it; #PF: address
        vmcb->dr6 = DR6_RESET; // the guest's DR6 is the vmm's: it never reads this one
        vmcb->clean = 0;
        length = 0;
        break;
    case EXIT_CR:
        page->qualification = 0;
        if (code < 0x20 && svm_features.decode && info >> 63)
            page->qualification = CR_DECODED | (code & 15) | (info & 15) << 8 | (code < 0x10 ? CR_READ : 0);
        break;
    case EXIT_RDTSC:
        page->qualification = code == SVM_RDTSCP;
        break;
    case EXIT_OTHER:
        page->qualification = info;
        break;
    default:
        break;
    }
    page->length = length <= 15 ? (uint32_t)length : 0;
    return exit;
}

static enum vcpu_exit class_of(uint64_t code)
{
    if (code >= 0x60 && code - 0x60 < sizeof(classes))
        return classes[code - 0x60];
    if (code < 0x20)
        return EXIT_CR;
    if (code < 0x40)
        return EXIT_DR;
    if (code < 0x60)
        return code == SVM_MC ? EXIT_HOST : EXIT_EXCEPTION;
    return code == SVM_NPF ? EXIT_MEMORY : (uint32_t)code == SVM_INVALID ? EXIT_HOST : EXIT_OTHER;
}

// The event whose delivery the exit broke off. INT n, INT3 and INTO run again from their own RIP,
// so they are not kept.
static uint32_t broken_off(struct vcpu *v, struct vmcb *vmcb)
{
    uint32_t event = vmcb->exit_int_info;
    unsigned type = EVENT_TYPE(event), vector = EVENT_VECTOR(event);

    if (likely(!(event & EVENT_VALID)))
        return 0;
    if (type == EVENT_SOFT_INT || (type == EVENT_EXCEPTION && (vector == 3 || vector == 4))) {
        vmcb->rip -= v->svm.soft_length; // when it was injected
        return 0;
    }
    if (type == EVENT_NMI)
        v->svm.nmi_blocked = false; // it is delivered again
    return event & (EVENT_VALID | 0xfff);
}

// Takes back the external interrupt that was not delivered yet (see load_inject), or `event`. HAZARD: when its delivery
// is broken off QEMU leaves it pending, and tells an exception in `event`.
static inline uint32_t take_back(struct vcpu *v, struct vmcb *vmcb, uint32_t event)
{
    if (likely(!(vmcb->virq & VIRQ_PENDING)) || v->svm.window & WINDOW_INTERRUPT)
        return event;
    vmcb->virq = VIRQ_MASKING;
    vmcb->clean = 0;
    return EVENT_VALID | EVENT_EXTERNAL << 8 | vmcb->virq_vector;
}

// Returns the event that was broken off.
static inline uint32_t store_registers(struct vcpu *v, struct vmcb *vmcb, struct vcpu_page *page)
{
    uint32_t event = broken_off(v, vmcb);

    v->svm.soft_length = 0;
    page->gpr[RAX] = vmcb->rax;
    page->gpr[RSP] = vmcb->rsp;
    page->rip = vmcb->rip;
    page->rflags = vmcb->rflags;
    return event;
}

static inline void store_basic(struct vcpu *v, struct vmcb *vmcb, struct vcpu_page *page, enum vcpu_exit exit)
{
    page->exit = exit;
    page->reason = (uint32_t)vmcb->exit_code;
    page->shadow = (vmcb->shadow & 1) | (v->svm.nmi_blocked ? SHADOW_NMI : 0);
    uint32_t want = READ_ONCE(page->want[exit]) & GROUP_ALL;
    page->have = want;
    if (want)
        svm_store(v, page, want);
}

static inline void load_rip(struct vmcb *vmcb, struct vcpu_page *page)
{
    uint64_t rip = READ_ONCE(page->rip);

    if (rip != vmcb->rip) {
        vmcb->rip = rip;
        vmcb->shadow = 0; // an instruction was completed, so its shadow is over
    }
}

static void svm_leave(struct vcpu *v, struct vcpu_page *page, enum vcpu_exit exit)
{
    struct vmcb *vmcb = v->vendor;

    if (exit == EXIT_HOST)
        return;
    load_rip(vmcb, page);
    uint32_t dirty = READ_ONCE(page->dirty);
    if (dirty) { // before what the vmm wants is stored over it
        page->dirty = 0;
        svm_load(v, page, dirty);
    }
    page->vectoring = take_back(v, vmcb, vmcb->event);
    page->vectoring_error = vmcb->event_error;
    if (EVENT_TYPE(vmcb->event) == EVENT_NMI && vmcb->event)
        v->svm.nmi_blocked = false;
    vmcb->event = 0;
    page->length = 0;
    store_basic(v, vmcb, page, exit);
}

// HAZARD: QEMU then saves the host's state in the VMCB. Nothing of it may reach the vmm, which has
// to load all groups again.
static enum vcpu_exit refused(struct vcpu *v, struct vcpu_page *page)
{
    page->exit = EXIT_INVALID;
    page->reason = SVM_INVALID;
    page->qualification = 0;
    page->vectoring = page->length = page->shadow = page->have = 0;
    __builtin_memset(v->vendor, 0, sizeof(struct vmcb));
    reset(v);
    return EXIT_INVALID;
}

// An exit for the host that was no interrupt.
static void host_exit(struct vcpu *v, const struct vmcb *vmcb)
{
    if (vmcb->exit_code == SVM_MC) {
        __asm__ volatile("int $18");          // the host's own handler decides
    } else if (vmcb->exit_code == SVM_IRET) { // it runs next; the APM has no event behind it
        v->svm.nmi_blocked = false;
        svm_intercepts(v);
    }
}

static void svm_preempt(struct vcpu *v)
{
    struct vmcb *vmcb = v->vendor;

    vmcb->event = store_registers(v, vmcb, v->page);
    vmcb->event_error = vmcb->exit_int_error;
    v->page->length = 0;
}

static enum vcpu_exit svm_run(struct vcpu *v, struct vcpu_page *page)
{
    struct vmcb *vmcb = v->vendor;
    struct cpu *cpu = v->thread->cpu;
    uint32_t dirty = READ_ONCE(page->dirty);

    load_rip(vmcb, page);
    if (dirty) {
        page->dirty = 0;
        svm_load(v, page, dirty);
    }
    vmcb->rsp = READ_ONCE(page->gpr[RSP]);
    vmcb->rax = READ_ONCE(page->gpr[RAX]);
    vmcb->rflags = READ_ONCE(page->rflags) | 2;
    if (unlikely(v->svm.window & WINDOW_NMI && !v->svm.nmi_blocked)) {
        svm_leave(v, page, EXIT_NMI_WINDOW);
        return EXIT_NMI_WINDOW;
    }
    vmcb->tlb_control = 0;
    if (unlikely(!tag_is_valid(&v->tag, cpu))) { // also for the first entry on this CPU
        vmcb->tlb_control = tag_take(&v->tag, cpu, svm_features.tags) ? TLB_FLUSH_ALL : 0;
        vmcb->asid = (uint32_t)v->tag.number;
        vmcb->clean = 0;
        v->svm.host = host_vmcb[cpu->number];
    }
    cpu->fs_base = 0; // it is when the guest is left
again:
    page->entries++; // for statistics: what the vmm makes of it is its own affair
    svm_enter(page, v->vendor_phys, v->svm.host);
    enum vcpu_exit exit = class_of(vmcb->exit_code);
    if (unlikely(exit == EXIT_HOST)) {
        const struct thread *thread = v->thread;
        if (likely(vmcb->exit_code == SVM_INTR)) {
            arch_preempt_point();
            // HAZARD: it may be destroyed there, which sets need_resched: then nothing of it may be touched.
            if (cpu->need_resched && cpu->current != thread)
                return EXIT_HOST;
            if (likely(vcpu_goes_on(v, page, cpu) && !(vmcb->exit_int_info & EVENT_VALID))) {
                vmcb->event = 0;
                v->svm.soft_length = 0;
                goto again; // with nothing stored or loaded. Bound: none, preemptible
            }
        } else if ((uint32_t)vmcb->exit_code == SVM_INVALID) {
            return refused(v, page);
        } else {
            host_exit(v, vmcb);
        }
        svm_preempt(v);
        return EXIT_HOST;
    }
    vmcb->clean = svm_features.clean;
    page->vectoring = take_back(v, vmcb, store_registers(v, vmcb, page));
    page->vectoring_error = vmcb->exit_int_error;
    vmcb->event = 0;
    exit = details(vmcb, page, exit);
    store_basic(v, vmcb, page, exit);
    return exit;
}

// clang-format off
const struct virt_ops svm_ops = {
    .name = "SVM", .kind = VIRT_SVM, .cpu_init = svm_cpu_init, .guest_format = svm_guest_format,
    .vcpu_create = reset, .vcpu_leave = svm_vcpu_leave, .run = svm_run, .preempt = svm_preempt, .leave = svm_leave,
};
// clang-format on
