// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cpu.c tests/invariants/check.c tests/invariants/check_thread.c kernel/heap.c kernel/object.c kernel/pool.c kernel/mem.c kernel/ptab.c kernel/space.c kernel/thread.c kernel/ipc.c kernel/signal.c kernel/sched.c kernel/irq.c kernel/destroy.c kernel/syscall.c
// libs: -lcmocka
// Sequences of system calls, interrupts and faults of hostile threads; the kernel core's invariants
// are checked after each.
#define RAM_SIZE (8ull << 20)
#include "tests/unit/kernel_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tape tape = {data, data + size};
    void *state = NULL;

    setenv("CMOCKA_TEST_ABORT", "1", 1); // a failed check is a crash
    kernel_setup(&state);
    drive(&tape);
    kernel_teardown(&state);
    return 0;
}
