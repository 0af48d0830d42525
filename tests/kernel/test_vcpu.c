// SPDX-License-Identifier: BSD-2-Clause
// Virtual CPUs, tested from a root task: entry and exit, every state group, events, kicks,
// deadlines, extended state. Needs a machine with SVM or VT-x.
#include <string.h>

#include "vcpu_drive.h"

#define HOLE          0x3000000ull // guest-physical, mapped by no one at first
#define VCPU_PRIORITY 20

enum { S_RAM = 400, S_HOLE, S_GUEST, S_VCPU, S_DONE, S_KICK, S_FPU, S_FPU_GO, S_SPY };

static uint8_t stacks[3][8192] __attribute__((aligned(16)));

static bool test_boot(void)
{
    bool ok = guest_is_ready(guest_run());

    ktest_check(ok, "the guest runs in real mode");
    if (!ok) {
        ktest_log("status %u exit %u reason 0x%x q 0x%lx rip 0x%lx", guest_status, page->exit,
                  page->reason, page->qualification, page->rip);
        return false;
    }
    ktest_check((page->gpr[RAX] & 0xffff) == 0x1616, "a software interrupt in real mode");
    ktest_check(page->length == 2 && IO_SIZE(page->qualification) == 2 &&
                    !(page->qualification & IO_IN),
                "OUT tells port, size, length");
    guest_skip();
    ok = guest_settle(guest_run());
    ktest_check(ok && (uint32_t)page->gpr[RAX] == 0x3232, "protected mode");
    guest_skip();
    page->want[EXIT_IO] = GROUP_ALL;
    ok = ok && guest_settle(guest_run());
    page->want[EXIT_IO] = 0;
    ktest_check(ok && page->seg[SEG_CS].attributes == 0xa09b &&
                    page->seg[SEG_CS].selector == 0x18 && page->efer & 0x400 &&
                    page->idtr_limit == 4095 && page->seg[SEG_TR].selector == 0x38 &&
                    (page->seg[SEG_TR].attributes & 0xfd) == 0x89,
                "long mode, seen in the state groups");
    ktest_check(page->have == GROUP_ALL, "all groups are there when wanted");
    if (ok) {
        page->dirty = GROUP_ALL;
        ktest_check(guest_plain(G_nop), "all groups loaded back");
    }
    return ok;
}

static void measure(void)
{
    enum { ROUNDS = 100 };
    uint64_t start;

    guest_go(G_cpuid);
    start = ktest_tsc();
    for (unsigned i = 0; i < ROUNDS; i++)
        guest_run(); // the same CPUID again
    ktest_log("vcpu_run with a CPUID exit: %lu ticks", (ktest_tsc() - start) / ROUNDS);
    guest_skip();
    guest_finish();
}

static void test_instructions(void)
{
    page->gpr[RAX] = 0x40000000;
    bool ok = guest_go(G_cpuid) == EXIT_CPUID && page->gpr[RAX] == 0x40000000;
    page->gpr[RAX] = 0x1234567812345678;
    page->gpr[RBX] = 0x77;
    guest_skip();
    ktest_check(ok && guest_finish() && page->gpr[RAX] == 0x1234567812345678 &&
                    page->gpr[RBX] == 0x77,
                "CPUID");
    page->gpr[RDX] = 0xcfc;
    ok = guest_go(G_in) == EXIT_IO && (page->qualification & ~0x40ull) == IO_EXIT(0xcfc, 4, IO_IN);
    page->gpr[RAX] = 0xabcdef;
    guest_skip();
    ktest_check(ok && guest_finish() && page->gpr[RAX] == 0xabcdef, "IN");
    ok = guest_go(G_hlt) == EXIT_HLT;
    guest_skip();
    guest_inject(EVENT_EXTERNAL, 0x51, 0);
    ktest_check(ok && guest_finish() && guest_count(0x51) == 1, "HLT ends with an interrupt");
    page->gpr[RCX] = 0x1b;
    ok = guest_go(G_rdmsr) == EXIT_RDMSR;
    guest_inject(EVENT_EXCEPTION, 13, 0);
    page->inject |= EVENT_HAS_ERROR;
    page->inject_error = 0x5670;
    ktest_check(ok && guest_finish() && page->gpr[R14] == 0x10d && page->gpr[R15] == 0x5670,
                "RDMSR, #GP injected");
    page->gpr[RSI] = 0x80000000; // not in the guest's own tables
    ktest_check(guest_plain(G_load) && page->gpr[R14] == 0x10e,
                "a page fault of the guest stays in the guest");
    ktest_check(guest_plain(G_read_cr2) && page->gpr[RAX] == 0x80000000, "CR2");
    ktest_check(guest_plain(G_reload_cr3) && guest_plain(G_invlpg), "CR3 and INVLPG without exits");
    ktest_check(guest_plain(G_int3) && guest_count(3) == 1 && guest_plain(G_int41) &&
                    guest_count(0x41) == 1,
                "INT3, INT n");
}

static void test_memory(void)
{
    page->gpr[RSI] = HOLE + 0x10;
    page->gpr[RAX] = 0x1122334455667788;
    bool ok = guest_go(G_store) == EXIT_MEMORY && page->gpa == HOLE + 0x10 &&
              page->qualification & MEMORY_WRITE;
    ktest_check(ok, "a store to nothing");
    ktest_check(sys_map(S_GUEST, S_HOLE, 0, HOLE, 0x1000, MAP_READ) == OK, "map read-only");
    ok = ok && guest_run() == EXIT_MEMORY && page->qualification & MEMORY_WRITE;
    ktest_check(ok, "a store to read-only memory");
    sys_unmap(S_GUEST, HOLE, 0x1000);
    ktest_check(sys_map(S_GUEST, S_HOLE, 0, HOLE, 0x1000, MAP_READ | MAP_WRITE) == OK && ok &&
                    guest_finish(),
                "a store to memory");
    ok = guest_plain(G_load) && page->gpr[RAX] == 0x1122334455667788;
    ktest_check(ok, "a load from memory");
    sys_unmap(S_GUEST, HOLE, 0x1000);
    ok = guest_go(G_load) == EXIT_MEMORY && !(page->qualification & MEMORY_WRITE);
    ktest_check(ok, "no stale translation after unmap");
    page->rip = page->gpr[R13]; // given up
    ktest_check(guest_finish(), "on after a fault");
}

static void test_events(void)
{
    page->gpr[RAX] = guest_count(0x50);
    page->gpr[RCX] = 0x50;
    page->window = WINDOW_INTERRUPT;
    page->dirty = GROUP_INJECT;
    bool ok = guest_go(G_spin_open) == EXIT_WINDOW;
    guest_inject(EVENT_EXTERNAL, 0x50, 0);
    ktest_check(ok && guest_finish() && guest_count(0x50) == 1, "interrupt window");

    guest_inject(EVENT_NMI, 2, WINDOW_NMI);
    ok = guest_go(G_nop) == EXIT_NMI_WINDOW;
    page->window = 0;
    page->dirty = GROUP_INJECT;
    ktest_check(ok && guest_finish() && guest_count(2) == 1, "NMI and its window");

    // The delivery of an interrupt meets a nested fault: it must come back and be delivered again.
    page->gpr[RSI] = HOLE + 0x1000;
    page->window = WINDOW_INTERRUPT;
    page->dirty = GROUP_INJECT;
    ok = guest_go(G_stack) == EXIT_WINDOW;
    guest_inject(EVENT_EXTERNAL, 0x52, 0);
    ok = ok && guest_run() == EXIT_MEMORY;
    ktest_check(ok && (page->vectoring & ~0x700u) == (EVENT_VALID | 0x52),
                "an event broken off is told");
    sys_map(S_GUEST, S_HOLE, 0, HOLE, 0x1000, MAP_READ | MAP_WRITE);
    guest_inject(EVENT_EXTERNAL, page->vectoring & 0xff, 0);
    ktest_check(ok && guest_finish() && guest_count(0x52) == 1, "and delivered again");
    sys_unmap(S_GUEST, HOLE, 0x1000);

    page->exceptions = 1u << 14;
    page->dirty = GROUP_CONTROL;
    page->gpr[RSI] = 0x80000000;
    ok = guest_go(G_load) == EXIT_EXCEPTION && EVENT_VECTOR(page->event) == 14 &&
         page->qualification == 0x80000000;
    page->exceptions = 0;
    page->dirty = GROUP_CONTROL;
    guest_inject(EVENT_EXCEPTION, 14, 0);
    page->inject |= EVENT_HAS_ERROR;
    page->inject_error = page->error;
    ktest_check(ok && guest_finish() && page->gpr[R14] == 0x10e && page->gpr[R15] == 0,
                "an exception intercepted and injected");
    guest_go(G_cpuid);
    guest_inject(EVENT_SOFT_EXCEPTION, 3, 0);
    page->inject_length = 2; // of CPUID
    ktest_check(guest_finish() && guest_count(3) == 2,
                "a software exception returns behind its instruction");

    ok = guest_go(G_step) == EXIT_EXCEPTION && EVENT_VECTOR(page->event) == 1 &&
         (page->qualification & 0x4000 || !guest_on_vmx);
    uint32_t before = guest_count(1);
    guest_inject(EVENT_EXCEPTION, 1, 0);
    ktest_check(ok && guest_finish() && guest_count(1) == before + 1, "a single step exits");

    page->dr7 = 0x400 | 3 << 16 | 3 << 18 | 2; // read or write, 4 bytes
    page->dr[0] = 0x1000;
    page->dirty = GROUP_DEBUG;
    page->gpr[RSI] = 0x1000;
    ok = guest_go(G_load) == EXIT_EXCEPTION && EVENT_VECTOR(page->event) == 1 &&
         (page->qualification & 1 || !guest_on_vmx);
    ktest_check(ok || (!guest_on_vmx && guest_is_ready(page->exit)),
                "a breakpoint exits"); // QEMU does not arm DR7 at VMRUN
    page->dr7 = 0x400;
    page->dirty = GROUP_DEBUG;
    ktest_check(!ok || guest_finish(), "on after a breakpoint");
    ktest_check(guest_go(G_read_dr7) == EXIT_DR, "MOV DR exits");
    guest_skip();
    ktest_check(guest_finish() && guest_go(G_write_dr7) == EXIT_DR, "MOV to DR exits");
    guest_skip();
    guest_finish();

    ok = guest_go(G_shadow) == EXIT_CPUID;
    ktest_check(ok && (!guest_on_vmx || page->shadow & SHADOW_STI), "the interrupt shadow is told");
    guest_skip();
    guest_inject(0, 0, WINDOW_INTERRUPT);
    page->inject = 0;
    ok = ok && guest_run() == EXIT_WINDOW;
    guest_inject(EVENT_EXTERNAL, 0x53, 0);
    ktest_check(ok && guest_finish() && guest_count(0x53) == 1, "and over behind the instruction");
}

// The guest handles each interrupt and spins on without an exit until the deadline, which is when
// an emulator leaves its loop. (QEMU 7.2 then delivers an interrupt of SVM's EVENTINJ again, at any
// RFLAGS.IF.)
static void test_once(void)
{
    uint32_t expected = guest_count(0x54);

    page->gpr[RAX] = guest_count(0x55);
    page->gpr[RCX] = 0x55; // never comes
    page->deadline = ktest_tsc();
    bool ok = guest_go(G_spin_open) == EXIT_DEADLINE;
    for (unsigned i = 0; ok && i < 200; i++) {
        if (i) {
            guest_inject(EVENT_EXTERNAL, 0x54, 0);
            expected++;
        }
        do { // until it is out of its handler
            page->deadline = ktest_tsc() + 10000 + 37 * i;
            ok = guest_run() == EXIT_DEADLINE;
            expected -= page->vectoring >> 31; // the deadline came before the entry: given back
        } while (ok && !(page->rflags & 1u << 9));
        ok = ok && guest_count(0x54) == expected;
    }
    ktest_check(ok, "an interrupt is delivered once");
    page->deadline = UINT64_MAX;
    page->gpr[RAX]--;
    ktest_check(guest_finish(), "on after interrupts");
}

static void test_host(void)
{
    uint64_t bits;

    page->deadline = ktest_tsc() + 3000000;
    ktest_check(guest_go(G_spin) == EXIT_DEADLINE && ktest_tsc() >= page->deadline,
                "a spinning guest meets its deadline");
    ktest_check(guest_run() == EXIT_DEADLINE, "a deadline in the past");
    page->deadline = UINT64_MAX;
    sys_raise(S_DONE, 2); // the main thread kicks in a while
    ktest_check(guest_run() == EXIT_KICK && page->gpr[R12] == G_spin, "a spinning guest is kicked");
    ktest_check(guest_run() == EXIT_KICK, "the kick stays");
    guest_inject(EVENT_NMI, 2, 0);
    page->want[EXIT_KICK] = GROUP_CR;
    ktest_check(guest_run() == EXIT_KICK && page->vectoring == (EVENT_VALID | EVENT_NMI << 8 | 2),
                "a kick before the entry hands the event back");
    sys_poll(S_KICK, &bits);
    ktest_check(bits == 1, "the kick's bits");
    page->rip = page->gpr[R13];
    guest_inject(EVENT_NMI, 2, 0);
    uint32_t before = guest_count(2);
    ktest_check(guest_finish() && guest_count(2) == before + 1, "on after a kick");

    page->tsc_offset = 0 - ktest_tsc();
    page->dirty = GROUP_TIME;
    ktest_check(guest_plain(G_rdtsc) && page->gpr[RAX] < 1ull << 32, "TSC offset");
    page->tsc_offset = 0;
    page->control = CONTROL_RDTSC | CONTROL_INVLPG | CONTROL_CR3 | CONTROL_PAUSE;
    page->dirty = GROUP_TIME | GROUP_CONTROL;
    bool ok = guest_go(G_rdtsc) == EXIT_RDTSC;
    guest_skip();
    ok = ok && guest_finish() && guest_go(G_invlpg) == EXIT_INVLPG;
    guest_skip();
    ok = ok && guest_finish() && guest_go(G_pause) == EXIT_PAUSE;
    guest_skip();
    ok = ok && guest_finish();
    ktest_check(ok, "exits on demand: RDTSC, INVLPG, PAUSE");
    ok = guest_go(G_reload_cr3) == EXIT_CR;
    page->control = 0;
    page->dirty = GROUP_CONTROL;
    ktest_check(ok && guest_finish(), "exits on demand: CR3");

    page->want[EXIT_IO] = GROUP_ALL;
    guest_plain(G_nop);
    page->want[EXIT_IO] = 0;
    uint64_t cr4 = page->cr4;
    page->cr4 = cr4 & ~0x20ull; // long mode without PAE
    page->dirty = GROUP_CR;
    guest_skip();
    page->gpr[R12] = G_nop;
    ktest_check(guest_run() == EXIT_INVALID, "impossible state is refused");
    page->cr4 = cr4;
    page->dirty = GROUP_ALL;
    ktest_check(guest_finish(), "and the guest goes on with a possible one");
}

// ---- extended state: another thread uses the FPU between two entries; a third must not be able to
// look
static volatile uint64_t fpu_seen;

static void fpu_thread(void)
{
    uint64_t bits, pattern = 0x0f0f0f0f0f0f0f0f;

    __asm__ volatile("movq %0, %%xmm0" ::"r"(pattern));
    sys_raise(S_DONE, 8);
    sys_wait(S_FPU_GO, 0, &bits);
    __asm__ volatile("movq %%xmm0, %0" : "=r"(pattern));
    fpu_seen = pattern;
    sys_raise(S_DONE, 16);
    for (;;)
        sys_wait(S_FPU_GO, 0, &bits);
}

static void spy_thread(void)
{
    uint64_t value;

    __asm__ volatile("movq %%xmm0, %0" : "=r"(value));
    fpu_seen = value;
    for (;;)
        ;
}

static void wait_bit(uint64_t bit)
{
    static uint64_t got;
    uint64_t bits;

    for (unsigned i = 0; i < 10 && !(got & bit); i++) {
        sys_wait(S_FPU, ktest_tsc() + 200000000, &bits);
        got |= bits;
    }
}

// The guest's registers in the FPU page: what it has, what it gets, and what no processor takes.
static void test_fpu_page(void)
{
    enum { FCW_FTW = 0, MXCSR = 3, XMM0 = 20, XSTATE_BV = 64 };
    uint32_t known, features, b, c, d;

    __asm__ volatile("cpuid" : "=a"(known), "=b"(b), "=c"(features), "=d"(d) : "a"(1), "c"(0));
    __asm__ volatile("cpuid" : "=a"(known), "=b"(b), "=c"(c), "=d"(d) : "a"(0xd), "c"(0));

    page->gpr[RAX] = 0x1111222233334444;
    page->gpr[RBX] = 0x5555;
    page->want[EXIT_IO] |= GROUP_FPU | GROUP_XSTATE;
    ktest_check(guest_plain(G_xmm_write) && page->have & GROUP_FPU && fpu[XMM0] == page->gpr[RAX] &&
                    fpu[XMM0 + 1] >> 48 == 0x5555 && (uint32_t)fpu[MXCSR] == 0x1f80,
                "the FPU page shows the guest's registers");
    uint64_t guest_xcr0 = page->xcr0;
    for (unsigned i = 0; i < 4; i++) { // nothing is loaded unasked, and with the group all is
        fpu[XMM0] = 0x6666 + i;
        page->gpr[RAX] = 0;
        page->dirty |= i & 1 ? GROUP_FPU : 0;
        page->want[EXIT_IO] &= ~(uint32_t)GROUP_FPU;
        ktest_check(guest_plain(G_xmm_read) && page->gpr[RAX] == (i & 1 ? 0x6666 + i
                                                                  : i   ? 0x6667
                                                                        : 0x1111222233334444),
                    i & 1 ? "and loads them" : "when asked to");
    }
    for (unsigned i = 0; i < 512; i++) // XSTATE_BV, XCOMP_BV and MXCSR have all bits that they can
        fpu[i] = ~0ull;
    page->dirty |= GROUP_FPU;
    page->want[EXIT_IO] |= GROUP_FPU;
    ktest_check(guest_plain(G_nop) && fpu[XMM0] == ~0ull, "a register image of ones");
    ktest_check((uint32_t)fpu[MXCSR] >> 16 == 0 && (uint32_t)fpu[MXCSR] & 0x1f80,
                "without reserved bits of MXCSR");
    ktest_check(!(features & 1u << 27) || !(fpu[XSTATE_BV] & ~(known & 0x2e7ull)),
                "and without unknown components");
    ktest_check(page->xcr0 == guest_xcr0, "XCR0 stays the guest's");
    for (unsigned i = 0; i < 512; i++)
        fpu[i] = 0;
    fpu[FCW_FTW] = 0x37f;
    fpu[MXCSR] = 0x1f80;
    page->dirty |= GROUP_FPU;
    ktest_check(guest_plain(G_xmm_read) && page->gpr[RAX] == 0 && (uint32_t)fpu[MXCSR] == 0x1f80,
                "the state after reset");
    page->want[EXIT_IO] &= ~(uint32_t)(GROUP_FPU | GROUP_XSTATE);
}

static void test_fpu(void)
{
    page->gpr[RAX] = 0x1111222233334444;
    page->gpr[RBX] = 0x5555;
    ktest_check(guest_plain(G_xmm_write), "SSE without exits");
    sys_raise(S_DONE, 4); // starts both threads, which raise S_FPU
    wait_bit(1);
    page->gpr[RAX] = page->gpr[RBX] = 0;
    ktest_check(guest_plain(G_xmm_read) && page->gpr[RAX] == 0x1111222233334444 &&
                    page->gpr[RBX] == 0x5555,
                "the guest's registers survive another owner");
    sys_raise(S_FPU_GO, 1);
    wait_bit(2);
    ktest_check(fpu_seen == 0x0f0f0f0f0f0f0f0f, "and the other owner's the guest");
    struct message m = {THREAD_FAULT, {0}};
    sys_thread_ctl(S_SPY, &m);
    ktest_check(m.w[4] == REPORT_FAULTED && m.w[0] == 7, "a thread without the FPU cannot look");

    test_fpu_page();

    page->gpr[RCX] = 0xc0000102; // KERNEL_GS_BASE
    page->gpr[RAX] = 0x12345000;
    page->gpr[RDX] = 0;
    ktest_check(guest_plain(G_wrmsr) && guest_plain(G_swapgs),
                "KERNEL_GS_BASE and SWAPGS without exits");
    page->gpr[RCX] = 0xc0000101;
    ktest_check(guest_plain(G_rdmsr) && page->gpr[RAX] == 0x12345000, "GS base switched");
    page->lstar = GUEST_BASE + (uint64_t)(guest_lstar - guest_image);
    page->star = 0x0013001800000000;
    page->sfmask = 0x700;
    page->dirty = GROUP_SYSCALL;
    ktest_check(guest_plain(G_syscall) && page->gpr[RAX] == 0x5ca11, "SYSCALL in the guest");
}

// A vmm gone mad: any state in any group. The kernel must stay up, and the vCPU must be good for a
// proper guest afterwards.
static void test_random(void)
{
    enum { ROUNDS = 30000 };
    uint64_t x = 88172645463325252ull, y = x, *words = (uint64_t *)page;
    unsigned classes = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        guest_reset();
        // Some rounds change a few words of a good state, others all.
        unsigned changes = i % 4 ? i % 8 : sizeof(*page) / 8;
        for (unsigned k = 0; k < changes; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            words[x % (sizeof(*page) / 8)] = x >> 63 ? x : x & 0xff;
        }
        if (guest_has_apic && i & 1) { // the processor's own part of it gone mad, too
            for (unsigned k = 0; k < 0x400; k++)
                apic[k] = (uint32_t)(x ^= x << 13, x ^= x >> 7, x ^= x << 17);
            page->control |= CONTROL_APIC;
            page->apic_status = (uint32_t)x;
            page->rflags |= (x >> 40 & 1) << 9;
        }
        for (unsigned k = 0; i % 8 == 3 && k < 512; k++)
            fpu[k] = y = y * 6364136223846793005 + 1442695040888963407;
        page->deadline = ktest_tsc() + 100000;
        enum vcpu_exit exit = guest_run();
        classes |= exit < EXIT_CLASSES ? 1u << exit : 0;
        if (exit == EXIT_CLASSES)
            ktest_check(false, "vcpu_run takes any page");
    }
    ktest_log("random pages: exit classes 0x%x", classes);
    memset(page, 0, sizeof(*page));
    for (unsigned k = 0; guest_has_apic && k < 0x400; k++)
        apic[k] = 0;
    page->deadline = UINT64_MAX;
    guest_reset();
    ktest_check(test_boot(), "a vCPU is good again after nonsense");
}

static void vcpu_thread(void)
{
    bool counted =
        !machine_bochs && clock_is_exact(); // slow: only what the end of QEMU's turns changes

    guest_reset();
    if (test_boot())
        test_once();
    if (!counted) {
        test_instructions();
        measure();
        test_memory();
        test_events();
        test_host();
        test_fpu();
        test_apic();
        test_confinement();
        guest_reset();
        if (test_boot())
            test_confinement_cr4();
        test_random();
        test_apic_hostile();
    }
    sys_raise(S_DONE, 1);
    for (;;)
        sys_wait(S_FPU, 0, &(uint64_t){0});
}

static uint64_t top(unsigned stack)
{
    return (uint64_t)stacks[stack] + sizeof(stacks[stack]) - 8;
}

static void start_others(void)
{
    sys_create_thread(SLOT_POOL, S_SPY, SLOT_TASK, THREAD_ACTIVE, 0, VCPU_PRIORITY + 2);
    sys_thread_start(S_SPY, (uint64_t)spy_thread, top(2), 0);
    sys_create_thread(SLOT_POOL, S_SPY + 1, SLOT_TASK, THREAD_ACTIVE, 0, VCPU_PRIORITY + 1);
    sys_thread_set(S_SPY + 1, THREAD_FPU, 1);
    sys_thread_start(S_SPY + 1, (uint64_t)fpu_thread, top(1), 0);
}

void test_vcpu(void)
{
    const struct boot_info *info = (const struct boot_info *)INFO_ADDRESS;
    unsigned best = 0;
    uint64_t bits = 0, got = 0;

    if (info->virt == VIRT_NONE) {
        ktest_log("no hardware virtualization: vCPUs not tested");
        return;
    }
    guest_on_vmx = info->virt == VIRT_VMX;
    guest_has_apic = info->virt_features & VIRT_APIC;
    for (unsigned i = 1; i < info->mem_count; i++)
        if (info->mem[i].kind == MEM_RAM &&
            (info->mem[best].kind != MEM_RAM || info->mem[i].size > info->mem[best].size))
            best = i;
    uint64_t end = (info->mem[best].size & ~(GUEST_RAM - 1)) - GUEST_RAM;
    uint64_t start = ((info->mem[best].base + end) & ~(GUEST_RAM - 1)) - info->mem[best].base;
    ktest_check(
        sys_create_mem(SLOT_POOL, S_RAM, info->mem[best].cap, start, GUEST_RAM) == OK &&
            sys_create_mem(SLOT_POOL, S_HOLE, info->mem[best].cap, start - 0x1000, 0x1000) == OK,
        "memory for the guest");
    ktest_check(sys_map(SLOT_TASK, S_RAM, 0, RAM_VIEW, GUEST_RAM, MAP_READ | MAP_WRITE) == OK,
                "the vmm sees it");
    memset(ram, 0, 0x20000);
    ktest_check(sys_create_guest(SLOT_POOL, S_GUEST) == OK, "create a guest");
    ktest_check(sys_map(S_GUEST, S_RAM, 0, 0, GUEST_RAM, MAP_READ | MAP_WRITE | MAP_EXEC) == OK,
                "map its memory");
    ktest_check(sys_create_vcpu(SLOT_POOL, S_VCPU, SLOT_TASK, 0, VCPU_PRIORITY, S_GUEST,
                                PAGE_VIEW | VCPU_FPU | (guest_has_apic ? VCPU_APIC : 0)) == OK,
                "create a vCPU");
    test_apic_create(S_GUEST, S_HOLE, S_SPY);
    sys_create_signal(SLOT_POOL, S_DONE);
    sys_create_signal(SLOT_POOL, S_KICK);
    sys_create_signal(SLOT_POOL, S_FPU);
    sys_create_signal(SLOT_POOL, S_FPU_GO);
    ktest_check(sys_vcpu_bind(S_VCPU, S_KICK) == OK && sys_vcpu_bind(S_VCPU, S_KICK) == ERR_BUSY,
                "bind a signal");
    ktest_check(sys_thread_start(S_VCPU, (uint64_t)vcpu_thread, top(0), 0) == OK, "start the vCPU");
    while (!(got & 1)) {
        if (sys_wait(S_DONE, ktest_tsc() + 200000000000, &bits) != OK) {
            struct message m = {THREAD_FAULT, {0}};
            sys_thread_ctl(S_VCPU, &m);
            ktest_check(false, "the vCPU tests end");
            ktest_log("the vCPU: state %lu vector %lu error 0x%lx address 0x%lx rip 0x%lx", m.w[4],
                      m.w[0], m.w[1], m.w[2], m.w[3]);
            break;
        }
        got |= bits;
        if (bits & 2) { // let the guest spin, then kick it
            sys_wait(S_DONE, ktest_tsc() + 3000000, &bits);
            sys_raise(S_KICK, 1);
        }
        if (bits & 4)
            start_others();
        if (bits & 8)
            sys_raise(S_FPU, 1);
        if (bits & 16)
            sys_raise(S_FPU, 2);
    }
    ktest_check(sys_destroy(S_GUEST) == OK && sys_destroy(S_VCPU) == OK, "destroy guest and vCPU");
    for (unsigned slot = S_SPY + 1; slot >= S_RAM; slot--)
        if (slot != S_GUEST && slot != S_VCPU && slot != S_HOLE)
            sys_destroy(slot);
    ktest_check(sys_map(SLOT_TASK, S_HOLE, 0, APIC_VIEW, 0x1000, MAP_READ) == OK,
                "nothing is left behind the vCPU page");
    sys_destroy(S_HOLE);
}
