// SPDX-License-Identifier: BSD-2-Clause
// KVM's paravirtual clock; see pvclock.h. The layouts are the ABI of KVM's msr.rst.
#include "pvclock.h"

#define NS_PER_S   1000000000ull
#define TSC_STABLE 1 // flag: all vCPUs read one clock

struct system_time { // KVM: struct pvclock_vcpu_time_info
    uint32_t version, pad0;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags, pad[2];
};
_Static_assert(sizeof(struct system_time) == 32, "KVM ABI");

struct wall_clock { // KVM: struct pvclock_wall_clock
    uint32_t version, sec, nsec;
};
_Static_assert(sizeof(struct wall_clock) == 12, "KVM ABI");

void pvclock_scale(uint64_t tsc_hz, uint32_t *mult, int8_t *shift)
{
    uint64_t factor = (NS_PER_S << 32) / tsc_hz; // 32.32 ns per tick; what is cut off stays in rest
    uint64_t rest = (NS_PER_S << 32) % tsc_hz;
    int8_t s = 0;
    while (factor > UINT32_MAX) {
        factor >>= 1;
        s++;
    }
    while (s <= 0 && !(factor >> 31)) { // long division, one more bit each round
        bool carry = rest >= tsc_hz - rest;
        rest = carry ? rest - (tsc_hz - rest) : rest + rest;
        factor = factor << 1 | carry;
        s--;
    }
    *mult = (uint32_t)factor;
    *shift = s;
}

void pvclock_init(struct pvclock *clock, const struct guest_ram *ram, uint64_t tsc_hz,
                  uint64_t tsc_base, uint64_t wall_ns)
{
    *clock = (struct pvclock){.ram = ram, .tsc_base = tsc_base, .wall_ns = wall_ns};
    pvclock_scale(tsc_hz, &clock->mult, &clock->shift);
}

// The version is odd while the rest changes, and even and new afterwards: another vCPU of the guest
// may be reading.
bool pvclock_write_system_time(struct pvclock *clock, uint64_t value)
{
    if (value & 1) {
        if (value & 2)
            return false;
        volatile struct system_time *page =
            guest_ram_at(clock->ram, value & ~3ull, sizeof(struct system_time));
        if (!page)
            return false;
        uint32_t version = page->version | 1;
        page->version = version;
        __atomic_signal_fence(__ATOMIC_SEQ_CST); // x86 keeps stores in order, the compiler must too
        page->tsc_timestamp = clock->tsc_base;
        page->system_time = 0;
        page->tsc_to_system_mul = clock->mult;
        page->tsc_shift = clock->shift;
        page->flags = TSC_STABLE;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        page->version = version + 1;
    }
    clock->system_time = value;
    return true;
}

bool pvclock_write_wall_clock(struct pvclock *clock, uint64_t value)
{
    volatile struct wall_clock *wall = NULL;
    if (!(value & 3))
        wall = guest_ram_at(clock->ram, value, sizeof(struct wall_clock));
    if (!wall)
        return false;
    uint32_t version = wall->version | 1;
    wall->version = version;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    wall->sec = (uint32_t)(clock->wall_ns / NS_PER_S);
    wall->nsec = (uint32_t)(clock->wall_ns % NS_PER_S);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    wall->version = version + 1;
    clock->wall_clock = value;
    return true;
}

void pvclock_rebase(struct pvclock *clock, uint64_t tsc_base, uint64_t wall_ns)
{
    clock->tsc_base = tsc_base;
    clock->wall_ns = wall_ns;
    if (clock->system_time & 1)
        pvclock_write_system_time(clock, clock->system_time);
    if (clock->wall_clock)
        pvclock_write_wall_clock(clock, clock->wall_clock);
}
