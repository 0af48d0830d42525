// SPDX-License-Identifier: BSD-2-Clause
// Long work of root that must not disturb: done at the priority of the VM that wants it. HAZARD: a
// guest that computes above that priority would keep root, the supervisor of all, from coming back.
// A second thread brings it back after a while, with a budget: then the work goes on above all VMs
// but takes a tenth of the CPU.
#include "bulkhead/syscall.h"
#include "bulkhead/task.h"
#include "caps.h"
#include "root.h"

enum { BEGIN = 1, END = 2 };
#define PATIENCE (boot->tsc_hz / 50)   // 20 ms
#define PERIOD   (boot->tsc_hz / 1000) // 1 ms

static unsigned watch_signal = CAP_NONE;
static char watch_stack[2048] __attribute__((aligned(16)));

static void watch(uint64_t unused)
{
    uint64_t bits;

    (void)unused;
    for (;;) {
        if (sys_wait(watch_signal, 0, &bits) != OK || bits != BEGIN)
            continue;
        if (sys_wait(watch_signal, task_tsc() + PATIENCE, &bits) != ERR_TIMEOUT)
            continue;
        sys_thread_budget(SLOT_THREAD, PERIOD / 10, PERIOD, CAP_NONE, 0);
        sys_thread_set(SLOT_THREAD, THREAD_PRIORITY, ROOT_PRIORITY);
    }
}

void quiet_init(void)
{
    unsigned thread = cap_alloc(), signal = cap_alloc();

    // The stack's top is where a return address would be: 8 off a multiple of 16.
    if (sys_create_signal(SLOT_POOL, signal) != OK ||
        sys_create_thread(SLOT_POOL, thread, SLOT_TASK, THREAD_ACTIVE, 0, ROOT_PRIORITY + 1) != OK)
        return; // such work then is done at root's own priority
    watch_signal = signal;
    if (sys_thread_start(thread, (uint64_t)watch, (uint64_t)(watch_stack + 2048 - 8), 0) != OK)
        watch_signal = CAP_NONE;
}

void quiet_begin(unsigned priority)
{
    if (watch_signal == CAP_NONE)
        return;
    sys_raise(watch_signal, BEGIN);
    sys_thread_set(SLOT_THREAD, THREAD_PRIORITY, priority);
}

void quiet_end(void)
{
    if (watch_signal == CAP_NONE)
        return;
    sys_thread_set(SLOT_THREAD, THREAD_PRIORITY, ROOT_PRIORITY);
    sys_raise(watch_signal, END);
    sys_thread_budget(SLOT_THREAD, 0, 0, CAP_NONE, 0);
}
