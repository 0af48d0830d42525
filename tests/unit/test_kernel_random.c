// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cpu.c tests/invariants/check.c tests/invariants/check_thread.c kernel/heap.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c
// Random system calls of several hostile threads, with all invariants of the kernel core checked
// after each. One seed again, with its calls printed: KERNEL_SEED=n; fewer of its steps:
// KERNEL_BYTES=n.
#define RAM_SIZE (8ull << 20)
#include "kernel_drive.h"

#define BYTES 16384

static unsigned one_seed(uint64_t seed, size_t bytes)
{
    static uint8_t buffer[BYTES];

    for (size_t i = 0; i < bytes; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        buffer[i] = seed * 2862933555777941757ull >> 56;
    }
    struct tape tape = {buffer, buffer + bytes};
    return drive(&tape);
}

static void hostile_threads(void **state)
{
    const char *only = getenv("KERNEL_SEED"), *bytes = getenv("KERNEL_BYTES"),
               *count = getenv("KERNEL_SEEDS");
    unsigned steps = 0, last = count ? atoi(count) : 400;

    drive_trace = only != NULL;
    for (unsigned seed = only ? atoi(only) : 1; seed <= (only ? (unsigned)atoi(only) : last);
         seed++) {
        kernel_setup(state);
        check_seed = seed;
        steps += one_seed(seed * 88172645463325252ull, bytes ? atoi(bytes) : BYTES);
        kernel_teardown(state);
    }
    printf("%u steps, %u idle, %u on the fast path; succeeded:", steps, drive_idle, drive_fast);
    for (unsigned op = 0; op < SYS_COUNT; op++)
        printf(" %u:%u", op, drive_ok[op]);
    printf("\n");
    if (!only && !count)
        assert_true(steps >= 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hostile_threads)};

    return cmocka_run_group_tests_name("kernel core, random", tests, NULL, NULL);
}
