// SPDX-License-Identifier: BSD-2-Clause
// Signals: 64 bits and one waiter. Interrupts, timers, kicks, faults and other CPUs all arrive here.
#pragma once

#include "thread.h"

// Bits are set from any CPU; everything else happens where the waiter is.
struct signal {
    struct object obj;
    uint64_t bits;
    struct thread *waiter; // in `wait`
    struct thread *vcpu;   // bound vCPU; CPU 0 changes it
};

enum status signal_create(struct pool *pool, struct signal **out);
// The part of this CPU when the signal is destroyed: a thread that waits here gets ERR_DEAD.
void signal_leave(struct signal *signal);
// Another CPU raised it, or this one: if its waiter is here, it gets the bits.
void signal_arrived(struct signal *signal);
void signal_raise(struct signal *signal, uint64_t bits);
// Raises through a reference that may be stale: then nothing happens.
void signal_raise_ref(cap_t reference, unsigned bit);
enum status signal_wait(struct signal *signal, struct thread *thread, bool poll, uint64_t deadline);
