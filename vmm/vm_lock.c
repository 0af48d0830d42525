// SPDX-License-Identifier: BSD-2-Clause
// The lock word. A waiter is woken by the one that gave the lock back after it was noted; should
// another thread have come first, it is noted again, and that one wakes it.
#include "vm_lock.h"

bool vm_lock_try(struct vm_lock *lock, unsigned self)
{
    uint32_t old = __atomic_load_n(&lock->word, __ATOMIC_RELAXED), new;

    do { // bound: another thread made progress each time
        new = old &VM_LOCK_HELD ? old | 1u << self : (old | VM_LOCK_HELD) & ~(1u << self);
    } while (!__atomic_compare_exchange_n(&lock->word, &old, new, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return !(old & VM_LOCK_HELD);
}

int vm_lock_release(struct vm_lock *lock, unsigned self)
{
    uint32_t old = __atomic_load_n(&lock->word, __ATOMIC_RELAXED), new;
    int next;

    do { // bound: as above
        uint32_t waiters = old & ~VM_LOCK_HELD, behind = waiters & (~1u << self);
        next = waiters ? __builtin_ctz(behind ? behind : waiters) : -1;
        new = next < 0 ? 0 : waiters & ~(1u << next);
    } while (!__atomic_compare_exchange_n(&lock->word, &old, new, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    return next;
}
