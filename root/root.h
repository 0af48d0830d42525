// SPDX-License-Identifier: BSD-2-Clause
// What the parts of root share: the machine it was given, its address space, its own signal, and
// how it speaks.
#pragma once

#include "bulkhead/abi.h"

// Above every task: what ends a task must not wait for one.
#define ROOT_PRIORITY (PRIORITY_COUNT - 4)

#define TASK_MAX 20 // tasks that a system may have

// Bits of root's signal.
#define BIT_FAULT(index) (index) // a thread of the task faulted
#define BIT_REPORT(index) \
    (32 + (index)) // the task changed its status page, or wrote to the management ring

// Root's own address space, apart from its image. HAZARD: the windows lie above 32 TiB, where the
// unit tests may map memory too.
#define WINDOW_ARCHIVE 0x200000000000ull
#define WINDOW_RAM \
    0x210000000000ull // RAM being zeroed or filled; at the offset that its physical address has in
                      // 1 GiB
#define WINDOW_STATUS 0x220000000000ull // status page of task n at + n * 4096
#define WINDOW_MANAGE 0x230000000000ull // the rings of the management channel

#define WINDOW_MONITOR 0x240000000000ull // the rings of task n's monitor at + n * MONITOR_STEP
#define MONITOR_RING   (2 * PAGE)        // 4 KiB of data
#define MONITOR_STEP   (2 * MONITOR_RING)

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)

static inline uint64_t page_up(uint64_t size)
{
    return (size + PAGE - 1) & ~(PAGE - 1);
}

extern const struct boot_info *boot; // set by main before anything else
extern unsigned root_signal;         // slot

// The mem object of the kernel that holds these ports; NULL when none does.
static inline const struct boot_mem *boot_ports(unsigned base, unsigned count)
{
    for (const struct boot_mem *mem = boot->mem; mem < boot->mem + boot->mem_count; mem++)
        if (mem->kind == MEM_PORTS && base >= mem->base && base + count <= mem->base + mem->size)
            return mem;
    return 0;
}

// ---- quiet.c: what takes long and is not urgent goes between begin and end: at this priority, but
// not kept from ending by those above it.
void quiet_init(void);
void quiet_begin(unsigned priority);
void quiet_end(void);

// A line for the operator: an event to the manager while one runs, else a line in the kernel's log.
void root_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
