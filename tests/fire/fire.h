// SPDX-License-Identifier: BSD-2-Clause
// Revocation under fire: a root task whose drivers, one on each CPU, make and destroy everything at
// random from a seed, while the threads of victim tasks call, map, run, raise and wait on it. Every
// call may fail; what must hold is that the kernel lives, that its own checks (HW_CHECK, in a
// kernel built with DEBUG=2) find nothing, and that in the end all memory and slots are back.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bulkhead/syscall.h"
#include "bulkhead/vcpu.h"

#define PAGE 4096ull

// ---- Slots of the root task
#define DRIVER_SLOTS 32 // that each driver fills; it uses those of the others, too
#define DRIVERS_MAX  8
enum {
    S_POOL = 90, // that all of it lives in
    S_POOL_MEM,
    S_ARENA, // mem that mems, pools and mappings are made of
    S_STACKS,
    S_CODE, // of guests
    S_FAULT,
    S_DONE,
    S_DRIVER = 100, // threads
    S_SLEEP = 110,  // signals that nobody raises
    S_FIRE = 200,
    S_FIRE_END = S_FIRE + DRIVERS_MAX * DRIVER_SLOTS,
};
#define ARENA_PAGES 8192ull

// ---- Addresses in a victim's task
#define TOUCH       0x60000000ull // drivers map here, victims touch it
#define TOUCH_SIZE  (64 * PAGE)
#define STACKS      0x68000000ull // a page for each slot
#define VCPU_PAGES  0x70000000ull // likewise
#define GUEST_CODE  0x8000ull     // guest-physical
#define GUEST_KINDS 6

#define DRIVER_PRIORITY 40 // above all victims
#define VICTIM_SLOTS    24 // of a victim's table: 1 .. 24

struct driver {
    uint64_t random, steps, hash;
    unsigned cpu;
    uint64_t wrong_op, wrong_status, wrong_step; // a status that there is none of
    uint64_t by_status[STATUS_COUNT + 1], by_op[SYS_COUNT], ok[SYS_COUNT];
};

static inline uint64_t fire_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

__attribute__((always_inline)) static inline uint64_t fire_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x * 0x2545f4914f6cdd1d >> 16;
}

// At the bottom of a victim's stack page: what it did. It may be anything: others run there, too.
struct trail {
    uint64_t acts, calls, served, waits, meddled, entered;
};

extern const struct boot_info *boot;
extern unsigned cpus; // drivers
extern const uint8_t guest_code[GUEST_KINDS][16];

enum status fire_map_program(unsigned task); // code and constants of this program
// One random action of a driver.
void fire_step(struct driver *driver);
// What victims run. They have code and stack, no variables. argument: seed | VICTIM_VCPU | number
// of its slot, which is also that of its vCPU page.
void victim(uint64_t argument);
#define VICTIM_VCPU (1ull << 63)
