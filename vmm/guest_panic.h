// SPDX-License-Identifier: BSD-2-Clause
// Two ports by which a guest ends its machine: isa-debug-exit (a write of `value` ends it with the
// status value * 2 + 1) and pvpanic (a guest kernel tells that it panicked; QEMU's specification
// docs/specs/pvpanic). Neither has state.
#ifndef VMM_GUEST_PANIC_H
#define VMM_GUEST_PANIC_H

#include "device.h"

#define DEBUG_EXIT_PORT 0x501
#define DEBUG_EXIT_SIZE 4
#define PVPANIC_PORT    0x505

#define PVPANIC_PANICKED    1u
#define PVPANIC_CRASHLOADED 2u

/* Both are called once for each write; the caller ends the VM after the exit. */
struct guest_panic {
    void (*exited)(void *ctx, uint64_t status); /* isa-debug-exit */
    void (*panicked)(void *ctx);                /* pvpanic, event 0 */
    void (*crash_loaded)(void *ctx);            /* pvpanic, event 1: the crash kernel takes over */
    void *ctx;
};

extern const struct device_ops debug_exit_ops; /* 4 ports */
extern const struct device_ops pvpanic_ops;    /* 1 port */

#endif
