// SPDX-License-Identifier: BSD-2-Clause
// links: tests/invariants/check.c tests/invariants/check_thread.c kernel/cpu.c kernel/heap.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c
// flags: -fsanitize-coverage=trace-pc
// The kernel core on several CPUs at once, on the host: each CPU of the model is a coroutine, and
// at any basic block of the kernel another one may go on, as the seed says. So a race that is found
// is found again: KERNEL_SEED=n runs one seed with its calls printed, KERNEL_SEEDS=n as many seeds.
#define RAM_SIZE  (8ull << 20)
#define HOST_CPUS 3
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "kernel_drive.h"

#define STACK_SIZE  (1u << 20)
#define TAPE        128  // bytes that a step may use
#define ROUND       250  // steps between two looks at everything
#define STEPS       2500 // of a seed
#define NO_COVERAGE __attribute__((no_sanitize_coverage))

void __sanitizer_cov_trace_pc(void);

static ucontext_t main_context, contexts[HOST_CPUS];
static uint8_t stacks[HOST_CPUS][STACK_SIZE] __attribute__((aligned(4096)));
static void *fake_stacks[HOST_CPUS], *main_fake;
static const void *main_stack;
static size_t main_size;
static bool at_rest[HOST_CPUS]; // between two steps
static bool in_kernel;
static unsigned blocks_left; // basic blocks until another CPU goes on
static uint64_t random_state, switches;

struct totals {
    uint64_t steps, switches, idle, fast, ok[SYS_COUNT];
};

NO_COVERAGE static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 2862933555777941757ull >> 16;
}

// Back to the main program, until this CPU's turn comes again.
NO_COVERAGE static void give_way(void)
{
    unsigned cpu = host_now;

    in_kernel = false;
    __sanitizer_start_switch_fiber(&fake_stacks[cpu], main_stack, main_size);
    swapcontext(&contexts[cpu], &main_context);
    __sanitizer_finish_switch_fiber(fake_stacks[cpu], NULL, NULL);
    host_now = cpu;
}

NO_COVERAGE void __sanitizer_cov_trace_pc(void)
{
    if (!in_kernel || blocks_left--)
        return;
    switches++;
    give_way();
    in_kernel = true;
}

// Lets a CPU run for so many basic blocks, at most to the end of its step.
NO_COVERAGE static void go_on(unsigned cpu, unsigned blocks)
{
    host_now = cpu;
    blocks_left = blocks;
    __sanitizer_start_switch_fiber(&main_fake, stacks[cpu], STACK_SIZE);
    swapcontext(&main_context, &contexts[cpu]);
    __sanitizer_finish_switch_fiber(main_fake, NULL, NULL);
    in_kernel = false;
}

// An interrupt from another CPU, at user level or while idle.
static void take_ipi(void)
{
    struct thread *t = host_cpu.current;

    if (t)
        t->state |= FLAG_FULL;
    if (host_interrupt() && (host_cpu.current != t || host_cpu.need_resched || !t ||
                             (t->state & STATE_MASK) != STATE_RUNNING))
        run_scheduler();
    else if (t)
        t->state &= ~FLAG_FULL;
}

static void run_cpu(void)
{
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_size);
    for (;;) {
        uint8_t bytes[TAPE];
        at_rest[host_now] = false;
        for (unsigned i = 0; i < TAPE; i++)
            bytes[i] = next_random();
        struct tape tape = {bytes, bytes + TAPE};
        in_kernel = true;
        // Mostly at once, but not always: many may come together.
        if (host_state[host_now].ipi && bytes[0] & 3)
            take_ipi();
        else
            drive_act(&tape);
        in_kernel = false;
        at_rest[host_now] = true;
        give_way();
    }
}

static unsigned some_blocks(void)
{
    uint64_t r = next_random();

    return r % 4 ? r >> 8 & 15 : r >> 8 & 1023;
}

// Everything, between two steps of all CPUs.
static void check_all(void)
{
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        while (!at_rest[cpu])
            go_on(cpu, UINT32_MAX);
    for (host_now = 0; host_now < HOST_CPUS; host_now++)
        check_kernel(true);
    host_now = 0;
}

static void make_context(unsigned cpu)
{
    getcontext(&contexts[cpu]);
    contexts[cpu].uc_stack.ss_sp = stacks[cpu];
    contexts[cpu].uc_stack.ss_size = STACK_SIZE;
    makecontext(&contexts[cpu], run_cpu, 0);
}

static unsigned one_seed(unsigned seed)
{
    unsigned steps = 0, since = 0;

    check_seed = seed;
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    drive_setup();
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++) {
        make_context(cpu);
        at_rest[cpu] = true;
    }
    while (steps < STEPS) {
        unsigned cpu = next_random() % HOST_CPUS;
        go_on(cpu, some_blocks());
        steps += at_rest[cpu];
        since += at_rest[cpu];
        if (since >= ROUND) {
            check_all();
            since = 0;
        }
    }
    check_all();
    return steps;
}

// A process of its own, so that nothing of one seed reaches the next.
static bool run_seed(unsigned seed, void **state, struct totals *totals)
{
    pid_t child;
    int status = -1;

    fflush(NULL);
    child = fork();
    if (!child) {
        kernel_setup(state);
        drive_log = drive_trace ? stdout : fopen("/dev/null", "w");
        totals->steps += one_seed(seed);
        totals->switches += switches;
        totals->idle += drive_idle;
        totals->fast += drive_fast;
        for (unsigned op = 0; op < SYS_COUNT; op++)
            totals->ok[op] += drive_ok[op];
        fflush(NULL);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static void cpus(void **state)
{
    const char *only = getenv("KERNEL_SEED"), *count = getenv("KERNEL_SEEDS");
    unsigned seed = only ? (unsigned)atoi(only) : 1, last = only    ? seed
                                                            : count ? (unsigned)atoi(count)
                                                                    : 80;
    struct totals *totals =
        mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    drive_trace = only != NULL;
    for (; seed <= last; seed++)
        if (!run_seed(seed, state, totals))
            fail_msg("again with KERNEL_SEED=%u", seed);
    printf("%lu steps, %lu switches within, %lu idle, %lu on the fast path; succeeded:",
           totals->steps, totals->switches, totals->idle, totals->fast);
    for (unsigned op = 0; op < SYS_COUNT; op++)
        printf(" %u:%lu", op, totals->ok[op]);
    printf("\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cpus)};

    return cmocka_run_group_tests_name("kernel core, several CPUs", tests, NULL, NULL);
}
