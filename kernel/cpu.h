// SPDX-License-Identifier: BSD-2-Clause
// What belongs to one CPU: the running thread, the ready queues, the timers. Only code on that CPU touches it (DESIGN:
// every object has a home CPU), so there are no locks.
#pragma once

#include "arch.h"

struct cpu {
    struct thread *current; // first: entry.S; NULL while idle or after the running thread was destroyed
    uint64_t *rsp0;         // field of the TSS: where interrupts from user mode push
    struct thread *donor;   // the queued thread on whose time `current` runs
    uint32_t number, apic_id;
    bool need_resched;
    uint64_t ready_bitmap;                // bit n: ready[n] is not empty
    struct thread *ready[PRIORITY_COUNT]; // rings; the head runs first. Priority 0 is `fair`
    struct heap timers, refills;          // threads by deadline; those out of budget by the end of their period
    struct heap fair;                     // queued threads of priority 0 by virtual time
    uint64_t fair_time;                   // virtual time of the one that ran last: newcomers start there
    uint64_t since;                       // TSC of the last accounting
    uint64_t slice_end;
    uint64_t armed;                    // deadline that the hardware timer holds
    struct thread *fpu_owner;          // whose extended state is in the registers
    bool fpu_open;                     // CR0.TS is clear
    uint32_t domain;                   // security domain that ran last
    uint64_t fs_base;                  // loaded now
    void *vmcs;                        // x86/vmx: loaded now
    uint64_t tag_generation, tag_next; // x86/tag.h: ASIDs or VPIDs
};

// Another CPU sent an interrupt (arch_ipi) to this one.
void cpu_interrupt(void);

// 10 ms; long enough that taking turns costs nothing, short enough that a shell answers beside a spinning guest.
#define SLICE_PER_SECOND 100
