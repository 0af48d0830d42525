// SPDX-License-Identifier: BSD-2-Clause
// Switches between security domains, for the one who counts the kernel's writes to the
// model-specific registers: tests/kernel/domain-bochs.sh. Between two magic breakpoints (a NOP
// elsewhere) there is one way, ROUNDS times.
#include "vcpu_drive.h"

#define ROUNDS 8
#define TRACE  __asm__ volatile("xchg %%bx, %%bx" ::: "memory")

enum { TASK = T, PEER, GO, BACK, WORKER, GATE, GUEST, RAM, VCPU, NEAR, NEAR_GATE, DONE };

static volatile bool calls;

// In a task of another domain: comes when it is told to, or calls the server.
static void peer(uint64_t unused)
{
    struct message m = {0};
    uint64_t bits;

    (void)unused;
    sys_wait(GO, 0, &bits);
    for (;;) {
        if (calls) {
            TRACE;
            for (unsigned i = 0; i < ROUNDS; i++)
                sys_call(GATE, &m);
            TRACE;
            calls = false;
        }
        sys_raise(BACK, 1);
        sys_wait(GO, 0, &bits);
    }
}

static void answer(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    for (;;)
        sys_reply_wait(&m, &badge);
}

static void vmm(uint64_t unused)
{
    bool ok;
    (void)unused;
    guest_reset();
    ok = guest_is_ready(guest_run());
    guest_skip();
    ok = ok && guest_settle(guest_run());
    guest_skip();
    ok = ok && guest_settle(guest_run());
    ok = ok && guest_go(G_cpuid) == EXIT_CPUID;
    TRACE;
    for (unsigned i = 0; i < ROUNDS; i++)
        guest_run(); // the same CPUID again
    TRACE;
    sys_raise(BACK, ok);
    for (;;)
        sys_wait(GO, 0, &(uint64_t){0});
}

static void make_peer(unsigned domain)
{
    EXPECT_OK(sys_create(SLOT_POOL, OBJ_TASK, TASK, CAP_NONE, 0, PRIORITY_COUNT - 1, domain, 0));
    EXPECT_OK(program_map(TASK, true));
    give(TASK, GO, GO, RIGHT_WAIT);
    give(TASK, BACK, BACK, RIGHT_RAISE);
    give(TASK, GATE, GATE, RIGHT_CALL);
    EXPECT_OK(thread_new(PEER, TASK, THREAD_ACTIVE, 10, peer, 0));
}

// There and back, by signals; then calls of a server.
static void ping(unsigned domain)
{
    uint64_t bits;

    make_peer(domain);
    calls = false;
    TRACE;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sys_raise(GO, 1);
        sys_wait(BACK, 0, &bits);
    }
    TRACE;
    calls = true;
    sys_raise(GO, 1);
    sys_wait(BACK, 0, &bits);
    EXPECT_OK(sys_destroy(PEER));
    EXPECT_OK(sys_destroy(TASK));
}

void t_domains(void)
{
    uint64_t bits = 0;

    EXPECT_STATUS(sys_create(SLOT_POOL, OBJ_TASK, TASK, CAP_NONE, 0, 1, 1ull << 32, 0), ERR_ARG);
    EXPECT_OK(sys_create_signal(SLOT_POOL, GO));
    EXPECT_OK(sys_create_signal(SLOT_POOL, BACK));
    EXPECT_OK(thread_new(WORKER, SLOT_TASK, THREAD_WORKER, 10, answer, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, WORKER, 0));
    ping(0);
    ping(1);
    if (boot->virt != VIRT_VMX)
        return;
    EXPECT_OK(sys_create(SLOT_POOL, OBJ_TASK, TASK, CAP_NONE, 0, PRIORITY_COUNT - 1, 2, 0));
    EXPECT_OK(program_map(TASK, true));
    give(TASK, GO, GO, RIGHT_WAIT);
    give(TASK, BACK, BACK, RIGHT_RAISE);
    EXPECT_OK(ram_new(RAM, 0, GUEST_RAM));
    EXPECT_OK(sys_map(TASK, RAM, 0, RAM_VIEW, GUEST_RAM, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_create_guest(SLOT_POOL, GUEST));
    EXPECT_OK(sys_map(GUEST, RAM, 0, 0, GUEST_RAM, MAP_READ | MAP_WRITE | MAP_EXEC));
    EXPECT_OK(sys_create_vcpu(SLOT_POOL, VCPU, TASK, 0, 10, GUEST, PAGE_VIEW));
    EXPECT_OK(sys_thread_start(VCPU, (uint64_t)vmm, stack_new(), 0));
    EXPECT_OK(sys_wait(BACK, ktest_tsc() + ticks(2000000), &bits));
    EXPECT_EQ(bits, 1);
}
