// SPDX-License-Identifier: BSD-2-Clause
// KVM's paravirtual clock: the guest computes nanoseconds from its TSC with a factor that it finds
// in its own memory, and so learns the TSC's frequency without measuring. Linux
// Documentation/virt/kvm/x86/msr.rst and cpuid.rst. The TSC of a VM is constant and the same on all
// vCPUs, so a page is filled once, when the guest names it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest_memory.h"

struct pvclock {
    const struct guest_ram *ram;
    uint64_t tsc_base; // guest TSC at which the clock reads 0
    uint64_t wall_ns;  // time of day at that moment: nanoseconds since 1970, UTC
    uint32_t mult;     // ns = ((tsc - tsc_base) << shift) * mult >> 32; a negative shift goes right
    int8_t shift;
    uint64_t system_time; // the guest's last writes
    uint64_t wall_clock;
};

// The factor for a TSC of this frequency (1 kHz .. 1 THz), with 31 significant bits or more: an
// error below half a ns per second.
void pvclock_scale(uint64_t tsc_hz, uint32_t *mult, int8_t *shift);

// Prepares one vCPU's clock. ram stays the caller's and must outlive it.
void pvclock_init(struct pvclock *clock, const struct guest_ram *ram, uint64_t tsc_hz,
                  uint64_t tsc_base, uint64_t wall_ns);

// MSR 0x4B564D01: bit 0 enables, bits 63:2 are the address of 32 bytes. False (#GP): not in RAM, or
// bit 1 set.
bool pvclock_write_system_time(struct pvclock *clock, uint64_t value);

// MSR 0x4B564D00: address of 12 bytes, 4-byte aligned, that get the time of day at clock 0. False
// (#GP): not in RAM.
bool pvclock_write_wall_clock(struct pvclock *clock, uint64_t value);

// After the time base moved (pause, restore, TSC written): new base; the named pages are filled
// again.
void pvclock_rebase(struct pvclock *clock, uint64_t tsc_base, uint64_t wall_ns);
