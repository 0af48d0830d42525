// SPDX-License-Identifier: BSD-2-Clause
// The lock of a VM's shared state, among the threads of its vCPUs. A thread that finds it taken
// does not spin: it notes itself as a waiter and waits for its own signal, which whoever gives the
// lock back raises. So two vCPUs on one host CPU cost each other nothing but the wait.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VM_LOCK_HELD 0x80000000u

struct vm_lock {
    uint32_t word; // VM_LOCK_HELD | a bit for each waiter
};

// Takes the lock for thread `self` (0..30). False: it is taken, and the thread is noted as a
// waiter: it waits for its signal, then tries again.
bool vm_lock_try(struct vm_lock *lock, unsigned self);

// Gives it back. Returns the waiter that is to be woken, or -1; it is no longer noted. Those behind
// `self` come first, so that none waits for ever.
int vm_lock_release(struct vm_lock *lock, unsigned self);
