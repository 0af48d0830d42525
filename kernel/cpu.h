// SPDX-License-Identifier: BSD-2-Clause
// What belongs to one CPU: the running thread, the ready queues, the timers. Only code on that CPU touches it (every
// object has a home CPU), so there are no locks. What CPUs have to do with each other: the inbox and the round.
//
// What all CPUs share (the object table, pools, mem objects, address spaces, capability tables, the I/O APICs) is
// changed by code on CPU 0 only; the others read it, each time one word. HAZARD: so an object that CPU 0 unlinked may
// still be looked at elsewhere. Its memory is used again only after a round: every CPU was asked by an IPI, did its
// part and answered, which it does only between two system calls or at a preemption point. No CPU waits for another:
// the thread that needs the round sleeps.
#pragma once

#include "arch.h"

struct cpu {
    struct thread *current; // first: entry.S; NULL while idle or after the running thread was destroyed
    uint64_t *rsp0;         // field of the TSS: where interrupts from user mode push
    uint64_t receive;       // `state` and `home` of a worker that waits for calls on this CPU: entry.S
    struct thread *donor;   // the queued thread on whose time `current` runs
    uint32_t number, apic_id;
    bool need_resched, idle;
    uint64_t ready_bitmap;                // bit n: ready[n] is not empty
    struct thread *ready[PRIORITY_COUNT]; // rings; the head runs first. Priority 0 is `fair`
    struct heap timers, refills;          // threads by deadline; those out of budget by the end of their period
    struct heap fair;                     // queued threads of priority 0 by virtual time
    uint64_t fair_time;                   // virtual time of the one that ran last: newcomers start there
    struct heap released;                 // threads that need not wait any more, to be queued when it is their turn
    struct object *inbox;                 // objects that other CPUs posted, newest first
    struct object *taken;                 // the rest of those that were taken out of it
    uint64_t since;                       // TSC of the last accounting
    uint64_t slice_end;
    uint64_t armed;                    // deadline that the hardware timer holds
    struct thread *fpu_owner;          // whose extended state is in the registers
    bool fpu_open;                     // CR0.TS is clear
    bool fpu_look;                     // a switch to a thread without FPU has something to do with it, too
    uint32_t domain;                   // security domain that ran last
    uint64_t fs_base;                  // loaded now
    void *vmcs;                        // x86/vmx: loaded now
    struct vcpu *entered;              // in its guest, or in the preemption point behind an exit
    uint64_t tag_generation, tag_next; // x86/tag.h: ASIDs or VPIDs
};

// 10 ms; long enough that taking turns costs nothing, short enough that a shell answers beside a spinning guest.
#define SLICE_PER_SECOND 100

// Numbers the CPU and makes it ready to schedule; its memory is zero. At boot, once for each.
void cpu_init(struct cpu *cpu, unsigned number);
// Hands the object (a signal that was raised, a thread that moved or shall look again) to another CPU, which looks at
// what it finds in it. Nothing when it is on its way already: whoever takes it out sees all that was written before.
void cpu_post(struct object *object, struct cpu *to);
// The IPI: takes a few objects out of the inbox, does this CPU's part of a round.
void cpu_interrupt(void);

// On CPU 0: all CPUs let go of an object that is marked dying. True when they have; else `thread` sleeps and shall ask
// again (its system call restarts). HAZARD: it may be the thread itself that is destroyed: then `current` is not it
// afterwards.
bool cpu_round_release(struct object *object, struct thread *thread);
// On CPU 0: the same for translations of the space that were taken out of its tables up to now.
bool cpu_round_flush(struct space *space, struct thread *thread);
