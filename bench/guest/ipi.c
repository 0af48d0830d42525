// SPDX-License-Identifier: BSD-2-Clause
// In the measured Linux with two CPUs: IPIs from CPU 0 to CPU 1, which is busy. Each membarrier of
// a process that runs on both makes the kernel send one and wait for it.
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IPIS = 2000 }; // bench/guests.py has the same number

static atomic_bool started, over;

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        exit(1);
}

static void *busy(void *argument)
{
    pin(1);
    started = true;
    while (!over)
        __builtin_ia32_pause(); // the vCPUs share a CPU: else each IPI would wait for a time slice
    return argument;
}

int main(void)
{
    pthread_t thread;

    pin(0);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ||
        pthread_create(&thread, NULL, busy, NULL))
        return 1;
    while (!started)
        sched_yield();
    if (system("/bench-mark begin of"))
        return 1;
    for (int i = 0; i < IPIS; i++)
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
            return 1;
    if (system("/bench-mark end of requests"))
        return 1;
    over = true;
    return pthread_join(thread, NULL);
}
