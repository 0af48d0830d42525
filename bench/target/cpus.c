// SPDX-License-Identifier: BSD-2-Clause
// Several CPUs, for Bochs: its TSC counts the instructions of one CPU, while all CPUs run side by
// side. How much work N CPUs do in a given number of ticks, each with threads of its own; and what
// a signal to another CPU takes.
#include "kbench.h"

#define CPUS     4
#define INTERVAL 500000 // ticks
#define PRIORITY 5      // below the main thread
#define TRIPS    200

// Slots, one of each for every CPU.
enum {
    SLOT_CLIENT = 140,
    SLOT_SERVERS = 150,
    SLOT_GATES = 160,
    SLOT_SIGNALS = 170,
    SLOT_BACK = 180,
    SLOT_ECHO,
    SLOT_NEVER
};

static volatile uint64_t rounds[CPUS];
static char stacks[CPUS][2048] __attribute__((aligned(16)));

static void pause(uint64_t ticks)
{
    uint64_t bits;
    enum status status = sys_wait(SLOT_NEVER, tsc() + ticks, &bits);

    must(status == ERR_TIMEOUT ? OK : status, "wait");
}

static _Noreturn void park(void)
{
    uint64_t bits;

    for (;;)
        sys_wait(SLOT_BACK, 0, &bits);
}

static _Noreturn void caller(uint64_t cpu)
{
    struct message message = {0};

    while (sys_call(SLOT_GATES + (unsigned)cpu, &message) == OK)
        rounds[cpu]++;
    for (;;)
        ;
}

static _Noreturn void signaller(uint64_t cpu)
{
    uint64_t bits;

    while (sys_raise(SLOT_SIGNALS + (unsigned)cpu, 1) == OK &&
           sys_wait(SLOT_SIGNALS + (unsigned)cpu, 0, &bits) == OK)
        rounds[cpu]++;
    for (;;)
        ;
}

// On another CPU: answers each signal by one.
static _Noreturn void echo(uint64_t cpu)
{
    uint64_t bits;

    while (sys_wait(SLOT_SIGNALS + (unsigned)cpu, 0, &bits) == OK && sys_raise(SLOT_BACK, 1) == OK)
        ;
    park();
}

static void thread_new(unsigned slot, unsigned cpu, unsigned priority, void (*run)(uint64_t))
{
    must(sys_create_thread(SLOT_POOL, slot, SLOT_TASK, THREAD_ACTIVE, cpu, priority),
         "create a thread");
    must(sys_thread_start(slot, (uint64_t)run, (uint64_t)(stacks[cpu] + sizeof(stacks[cpu]) - 8),
                          cpu),
         "start it");
}

// The work that `cpus` CPUs do in an interval.
static uint64_t work(unsigned cpus, void (*run)(uint64_t))
{
    uint64_t before = 0, after = 0;

    for (unsigned i = 0; i < cpus; i++)
        thread_new(SLOT_CLIENT + i, i, PRIORITY, run);
    pause(INTERVAL / 10); // all have begun
    for (unsigned i = 0; i < cpus; i++)
        before += rounds[i];
    pause(INTERVAL);
    for (unsigned i = 0; i < cpus; i++)
        after += rounds[i];
    for (unsigned i = 0; i < cpus; i++)
        must(sys_destroy(SLOT_CLIENT + i), "end a thread");
    return after - before;
}

static void bench_signal_between(void)
{
    uint64_t bits, start, sender = 0, trip = 0;

    must(sys_create_signal(SLOT_POOL, SLOT_BACK), "create a signal");
    thread_new(SLOT_ECHO, 1, PRIORITY, echo);
    pause(INTERVAL / 10);
    for (unsigned i = 0; i < TRIPS; i++) {
        start = tsc();
        sys_raise(SLOT_SIGNALS + 1, 1);
        sender += tsc() - start;
        sys_wait(SLOT_BACK, 0, &bits);
        trip += tsc() - start;
        pause(5000);
    }
    must(sys_destroy(SLOT_ECHO), "end a thread");
    print("bench between rounds=%u sender=%lu trip=%lu", TRIPS, sender, trip);
}

void bench_cpus(void)
{
    if (boot->cpus < 2)
        return;
    unsigned most = boot->cpus < CPUS ? boot->cpus : CPUS;

    must(sys_create_signal(SLOT_POOL, SLOT_NEVER), "create a signal");
    for (unsigned i = 0; i < most; i++) {
        must(sys_create_signal(SLOT_POOL, SLOT_SIGNALS + i), "create a signal");
        server_worker_new(SLOT_SERVERS + i, SLOT_GATES + i, i);
    }
    for (unsigned n = 1; n <= most; n *= 2)
        print("bench cpus=%u ticks=%u ipc=%lu signal=%lu", n, INTERVAL, work(n, caller),
              work(n, signaller));
    bench_signal_between();
}
