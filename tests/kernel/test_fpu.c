// SPDX-License-Identifier: BSD-2-Clause
// Extended state: threads that use it keep their registers whoever runs in between; one that does
// not can neither read nor keep them.
#include "ktest.h"

enum { A_ = T, B_, SIGNAL, SPY, C_, N = T + 20 };

static volatile uint64_t rounds[4], wrong[4];

// Fills XMM0..15 and an x87 register with values of its own, and looks whether they stay.
static void user(uint64_t n)
{
    static uint8_t area[4][512] __attribute__((aligned(16)));
    const uint64_t pattern = 0x0101010101010101 * (n + 1);

    __asm__ volatile(
        "movq %0, %%xmm0; punpcklqdq %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm2\n"
        "movdqa %%xmm0, %%xmm7; movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm15; fldz; fld1" ::"r"(
            pattern));
    for (;;) {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area[n]) : "memory");
        const uint64_t *xmm = (const uint64_t *)(area[n] + 160);
        wrong[n] += xmm[0] != pattern || xmm[1] != pattern || xmm[4] != pattern ||
                    xmm[14] != pattern || xmm[16] != pattern || xmm[31] != pattern ||
                    area[n][4] != 0xc0 || // two x87 registers are in use
                    ((uint16_t *)area[n])[0] != 0x37f || ((uint32_t *)area[n])[6] != 0x1f80;
        rounds[n]++;
        if (n & 1)
            sys_yield();
    }
}

static void touch(uint64_t unused)
{
    uint64_t value;

    (void)unused;
    __asm__ volatile("movq %%xmm0, %0" : "=r"(value));
    rounds[3] = value;
}

static void t_two(void)
{
    for (unsigned i = 0; i < 3; i++) {
        rounds[i] = wrong[i] = 0;
        EXPECT_OK(sys_create_thread(SLOT_POOL, N + i, SLOT_TASK, THREAD_ACTIVE, 0, 10));
        EXPECT_OK(sys_thread_set(N + i, THREAD_FPU, 1));
        EXPECT_OK(sys_thread_set(N + i, THREAD_FPU, 1)); // again is no error
        EXPECT_OK(sys_thread_start(N + i, (uint64_t)user, stack_new(), i));
    }
    for (unsigned i = 0; i < 30; i++) {
        sleep_us(3000);
        struct fault f = probe(SLOT_TASK, touch, 0); // no FPU: #NM, whoever's registers are loaded
        EXPECT(!f.ended && f.vector == 7);
    }
    WAIT_UNTIL(rounds[0] > 10 && rounds[1] > 10 && rounds[2] > 10);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(wrong[i], 0);
}

// A new owner starts with registers of its own: zero, not what the last one left.
static void t_fresh(void)
{
    rounds[0] = wrong[0] = 0;
    EXPECT_OK(sys_create_thread(SLOT_POOL, A_, SLOT_TASK, THREAD_ACTIVE, 0, 10));
    EXPECT_OK(sys_thread_set(A_, THREAD_FPU, 1));
    EXPECT_OK(sys_thread_start(A_, (uint64_t)user, stack_new(), 0));
    WAIT_UNTIL(rounds[0] > 3);
    rounds[3] = 1;
    EXPECT_OK(sys_create_thread(SLOT_POOL, B_, SLOT_TASK, THREAD_ACTIVE, 0, 61));
    EXPECT_OK(sys_thread_set(B_, THREAD_FPU, 1));
    EXPECT_OK(sys_thread_start(B_, (uint64_t)touch, stack_new(), 0));
    EXPECT_EQ(rounds[3], 0);
    EXPECT_EQ(thread_report_of(B_), REPORT_FAULTED);
    // The owner dies: the next one does not inherit
    EXPECT_OK(sys_destroy(A_));
    rounds[3] = 1;
    EXPECT_OK(sys_create_thread(SLOT_POOL, A_, SLOT_TASK, THREAD_ACTIVE, 0, 61));
    EXPECT_OK(sys_thread_set(A_, THREAD_FPU, 1));
    EXPECT_OK(sys_thread_start(A_, (uint64_t)touch, stack_new(), 0));
    EXPECT_EQ(rounds[3], 0);
    // Taken away again
    EXPECT_OK(sys_thread_set(B_, THREAD_FPU, 0));
    EXPECT_OK(sys_thread_set(B_, THREAD_FPU, 0));
    EXPECT_OK(sys_thread_start(B_, (uint64_t)touch, stack_new(), 0));
    struct message m = {THREAD_FAULT, {0}};
    EXPECT_OK(sys_thread_ctl(B_, &m));
    EXPECT_EQ(m.w[0], 7);
}

// An unmasked floating-point exception is a fault of its thread, and does not reach the next owner.
static void sse_exception(uint64_t unused)
{
    uint32_t mxcsr = 0x1d80; // division by zero not masked

    (void)unused;
    __asm__ volatile("ldmxcsr %0; pxor %%xmm0, %%xmm0; mov $1, %%eax; cvtsi2sd %%eax, %%xmm1; "
                     "divsd %%xmm0, %%xmm1" ::"m"(mxcsr)
                     : "eax");
}

static void x87_exception(uint64_t unused)
{
    uint16_t control = 0x37b; // division by zero not masked

    (void)unused;
    __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" ::"m"(control));
}

static void t_exceptions(void)
{
    void (*const entry[2])(uint64_t) = {sse_exception, x87_exception};

    for (unsigned i = 0; i < 4; i++) {
        EXPECT_OK(sys_create_thread(SLOT_POOL, N + i, SLOT_TASK, THREAD_ACTIVE, 0, 61));
        EXPECT_OK(sys_thread_set(N + i, THREAD_FPU, 1));
        EXPECT_OK(sys_thread_start(N + i, (uint64_t)entry[i & 1], stack_new(), 0));
        struct message m = {THREAD_FAULT, {0}};
        EXPECT_OK(sys_thread_ctl(N + i, &m));
        EXPECT_EQ(m.w[4], REPORT_FAULTED);
        if (machine_bochs || i & 1) // QEMU's emulation knows no SSE exceptions
            EXPECT_EQ(m.w[0], i & 1 ? 16 : 19);
        rounds[3] = 1; // another one is not disturbed
        EXPECT_OK(sys_create_thread(SLOT_POOL, A_, SLOT_TASK, THREAD_ACTIVE, 0, 61));
        EXPECT_OK(sys_thread_set(A_, THREAD_FPU, 1));
        EXPECT_OK(sys_thread_start(A_, (uint64_t)touch, stack_new(), 0));
        EXPECT_EQ(rounds[3], 0);
        EXPECT_OK(sys_destroy(A_));
    }
}

void tests_fpu(void)
{
    ktest_run("fpu/switch", t_two);
    ktest_run("fpu/fresh", t_fresh);
    ktest_run("fpu/exceptions", t_exceptions);
    ktest_run("domain/switches", t_domains);
    ktest_run("fpu/owners", tests_fpu_owners);
}
