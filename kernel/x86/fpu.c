// SPDX-License-Identifier: BSD-2-Clause
// Who owns the extended state: x87 to AVX-512, PKRU, XCR0, and with it what else is switched
// rarely: debug address registers, KERNEL_GS_BASE, TSC_AUX. A guest's stays loaded while its vmm
// works; it moves only when another thread needs the registers. HAZARD: in host mode CR0.TS is set
// unless the owner itself runs and may use the FPU: else any task reads a guest's keys from the
// registers.
#include "domain.h"
#include "virt.h"
#include "insn.h"

// x87, SSE, AVX, AVX-512, PKRU: what fits one page, and nothing whose state hides outside of XSAVE.
#define XCR0_KNOWN  0x2e7ull
#define XCR0_AVX512 0xe0ull

static uint64_t xcr0_host; // all components that are switched; 0: no XSAVE, use FXSAVE
static bool have_tsc_aux;
static bool fip_stays; // HAZARD: AMD before Zen (CVE-2006-1056): the x87 pointers are neither saved nor loaded
uint32_t xstate_size;  // of a save area
// HAZARD: LazyFP (CVE-2018-3665): TS does not keep these processors from reading ahead.
static bool eager;
// What XRSTOR and FXRSTOR take as the state after reset: FCW 0x037f, MXCSR 0x1f80; XSTATE_BV = 0.
static const uint16_t clean[512] __attribute__((aligned(64))) = {[0] = 0x037f, [12] = 0x1f80};

// Once: the processor's features.
static void find_features(void)
{
    if (cpuid(1, 0).ecx & 1u << 26) {
        xcr0_host = cpuid(0xd, 0).eax & XCR0_KNOWN;
        if ((xcr0_host & XCR0_AVX512) != XCR0_AVX512)
            xcr0_host &= ~XCR0_AVX512;
    }
    eager = domain_need & NEED_EAGER;
    fip_stays = cpuid(0, 0).ecx == 0x444d4163 && !(cpuid_checked(0x80000008, 0).ebx & 1u << 2); // "cAMD"
    have_tsc_aux = cpuid_checked(0x80000001, 0).edx & 1u << 27 || cpuid_checked(7, 0).ecx & 1u << 22;
}

void fpu_init(void)
{
    if (this_cpu()->number == 0)
        find_features();
    this_cpu()->fpu_look = eager;
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (xcr0_host ? CR4_OSXSAVE : 0));
    xstate_size = 512;
    if (xcr0_host) {
        xsetbv(xcr0_host);
        if (cpuid(0xd, 0).ebx > PAGE_SIZE) // of the components that are enabled now
            xsetbv(xcr0_host &= 7);
        xstate_size = cpuid(0xd, 0).ebx;
    }
    clts();
    __asm__ volatile("fninit");
    write_cr0(read_cr0() | CR0_TS);
}

// A guest may have it.
static bool fpu_xcr0_valid(uint64_t xcr0)
{
    if (!(xcr0 & 1) || xcr0 & ~xcr0_host || (xcr0 & 6) == 4)
        return false;
    return !(xcr0 & XCR0_AVX512) || (xcr0 & (XCR0_AVX512 | 4)) == (XCR0_AVX512 | 4);
}

// With XCR0 at its widest: HAZARD: a guest may narrow XCR0 while wider components hold data.
static void save(struct thread *owner)
{
    struct vcpu *v = owner->vcpu;

    if (v) {
        if (xcr0_host)
            v->xcr0 = xgetbv(); // QEMU does not intercept XSETBV
        if (virt->kind == VIRT_VMX)
            v->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
        if (have_tsc_aux)
            v->tsc_aux = rdmsr(MSR_TSC_AUX);
    }
    if (xcr0_host) {
        xsetbv(xcr0_host);
        __asm__ volatile("xsave64 (%0)" ::"r"(owner->xstate), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(owner->xstate) : "memory");
    }
}

static void restore(const void *area)
{
    if (fip_stays) // an x87 load from here sets them; no exception may be pending, no register of the stack be in use
        __asm__ volatile("fnclex; emms; fildl %0" ::"m"(xstate_size));
    if (xcr0_host) {
        xsetbv(xcr0_host);
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
    }
}

static void load(struct thread *thread)
{
    struct vcpu *v = thread->vcpu;

    restore(thread->xstate);
    if (v) {
        if (xcr0_host)
            xsetbv(v->xcr0);
        if (virt->kind == VIRT_VMX)
            wrmsr(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
        if (have_tsc_aux)
            wrmsr(MSR_TSC_AUX, v->tsc_aux);
        vcpu_load_dr(v);
    }
}

static void close_fpu(void)
{
    write_cr0(read_cr0() | CR0_TS);
}

// By words: a copy by bytes is a stretch with interrupts off that is eight times as long.
static void copy_image(void *to, const void *from)
{
    uint64_t words = xstate_size / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

// The vCPU page's register image becomes the guest's. HAZARD: XRSTOR and FXRSTOR fault on values, and the vmm may write
// the page meanwhile: a copy is checked and loaded, in the save area, which holds nothing while the registers are here.
static void load_image(struct vcpu *v)
{
    uint32_t *area = v->thread->xstate;
    uint64_t *header = (uint64_t *)area + 64;

    clts();
    save(v->thread);                                  // stores MXCSR_MASK, too
    uint32_t mxcsr_mask = area[7] ? area[7] : 0xffbf; // SDM 1 11.6.6
    copy_image(area, v->fpu);
    area[6] &= mxcsr_mask;
    if (xcr0_host) {
        header[0] &= xcr0_host;
        for (unsigned i = 1; i < 8; i++) // bound: 7
            header[i] = 0;               // the standard format
    }
    restore(area);
    if (xcr0_host)
        xsetbv(v->xcr0);
    close_fpu();
}

void vcpu_load_xstate(struct vcpu *v, struct vcpu_page *page, uint32_t groups)
{
    uint64_t xcr0 = READ_ONCE(page->xcr0);

    if (groups & GROUP_FPU && v->fpu)
        load_image(v);
    if (!(groups & GROUP_XSTATE))
        return;
    v->tsc_aux = READ_ONCE(page->tsc_aux) & 0xffffffff; // the rest of the MSR is reserved
    if (have_tsc_aux)
        wrmsr(MSR_TSC_AUX, v->tsc_aux);
    if (fpu_xcr0_valid(xcr0)) { // else the processor would refuse it
        v->xcr0 = xcr0;
        xsetbv(xcr0);
    }
}

void vcpu_store_xstate(struct vcpu *v, struct vcpu_page *page, uint32_t groups)
{
    if (groups & GROUP_FPU && v->fpu) {
        clts();
        save(v->thread);
        if (xcr0_host)
            xsetbv(v->xcr0);
        close_fpu();
        copy_image(v->fpu, v->thread->xstate);
    }
    if (!(groups & GROUP_XSTATE))
        return;
    page->xcr0 = xcr0_host ? xgetbv() : v->xcr0;
    page->tsc_aux = have_tsc_aux ? rdmsr(MSR_TSC_AUX) : v->tsc_aux;
}

// Saves the owner's state, and loads that of `to`, or nobody's.
static void change(struct cpu *cpu, struct thread *to)
{
    clts();
    if (cpu->fpu_owner)
        save(cpu->fpu_owner);
    if (to)
        load(to);
    else
        restore(clean);
    cpu->fpu_owner = to;
    if (!cpu->fpu_open)
        close_fpu();
}

void fpu_own(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    if (cpu->fpu_owner != thread)
        change(cpu, thread);
}

void fpu_switch(struct cpu *cpu, struct thread *to)
{
    bool open = to->state & FLAG_FPU;

    if (open)
        fpu_own(to);
    else if (unlikely(
                 eager && cpu->fpu_owner &&
                 (cpu->fpu_owner->task != to->task || !(to->state & FLAG_SLOW)))) // it may leave without coming here
        change(cpu, NULL);
    if (open == cpu->fpu_open)
        return;
    cpu->fpu_open = open;
    cpu->fpu_look = open | eager;
    if (open)
        clts();
    else
        close_fpu();
}

void fpu_leave(struct thread *thread)
{
    if (this_cpu()->fpu_owner == thread)
        change(this_cpu(), NULL);
}

void fpu_free(struct thread *thread)
{
    if (thread->xstate)
        pool_free(thread->obj.pool, thread->xstate, xstate_size);
    thread->xstate = NULL;
}

enum status arch_thread_area(struct thread *thread)
{
    if (!thread->xstate && (thread->xstate = pool_alloc(thread->obj.pool, xstate_size)))
        __builtin_memcpy(thread->xstate, clean, 32);
    return thread->xstate ? OK : ERR_MEMORY;
}

uint32_t arch_thread_flags(const struct task *task, enum thread_kind kind)
{
    return (task->domain && domain_need & (NEED_FLUSH | NEED_EAGER)) || (kind == THREAD_VCPU && eager) ? FLAG_SLOW : 0;
}

enum status arch_thread_fpu(struct thread *thread, bool use)
{
    if (thread->kind == THREAD_VCPU)
        return ERR_STATE; // the registers are its guest's
    if (use) {
        thread->state |= FLAG_FPU;
        return OK;
    }
    thread->state &= ~FLAG_FPU;
    fpu_leave(thread);
    if (thread->xstate) { // it begins anew when it asks again
        __builtin_memset(thread->xstate, 0, xstate_size);
        __builtin_memcpy(thread->xstate, clean, 32);
    }
    return OK;
}
