// SPDX-License-Identifier: BSD-2-Clause
// TLB tags (ASID, VPID): handed out per CPU in rising order; when they run out, the CPU's whole TLB
// is flushed once and a new generation begins. To flush an address space is to forget its tag. A
// generation number names its CPU, so a tag taken on one CPU never counts on another. Tag 0 is the
// host's.
#pragma once

#include "../cpu.h"

struct tag {
    uint64_t number;
    uint64_t generation; // 0: none
};

static inline void tag_init(struct cpu *cpu)
{
    cpu->tag_generation = CPU_MAX + cpu->number;
    cpu->tag_next = 1;
}

static inline bool tag_is_valid(const struct tag *tag, const struct cpu *cpu)
{
    return tag->generation == cpu->tag_generation;
}

// Takes a fresh tag of 1..max on this CPU. True when the caller must flush the translations of all
// tags before it is used.
static inline bool tag_take(struct tag *tag, struct cpu *cpu, uint64_t max)
{
    bool flush = false;

    if (cpu->tag_next > max) {
        cpu->tag_generation = (cpu->tag_generation | (CPU_MAX - 1)) + 1 + cpu->number;
        cpu->tag_next = 1;
        flush = true;
    }
    tag->number = cpu->tag_next++;
    tag->generation = cpu->tag_generation;
    return flush;
}
