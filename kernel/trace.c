// SPDX-License-Identifier: BSD-2-Clause
// The trace rings. Interrupts are off in the kernel and an NMI writes no record, so a CPU's ring has one writer.
#include "trace.h"
#include "cpu.h"

#define RECORDS 16384 // of all CPUs: 512 KiB

static struct trace_record records[RECORDS];
static uint64_t written[CPU_MAX];
static bool paused;

static uint64_t capacity(void)
{
    return RECORDS / arch_cpu_count();
}

void trace_put(enum trace_event event, uint32_t a, uint32_t b, uint32_t c, uint64_t d)
{
    unsigned cpu = this_cpu()->number;

    if (paused)
        return;
    records[cpu * capacity() + written[cpu]++ % capacity()] =
        (struct trace_record){.time = arch_time(), .event = event, .cpu = cpu, .a = a, .b = b, .c = c, .d = d};
}

uint64_t trace_count(const struct cpu *cpu)
{
    return written[cpu->number] < capacity() ? written[cpu->number] : capacity();
}

bool trace_read(const struct cpu *cpu, uint64_t back, struct trace_record *out)
{
    if (back >= trace_count(cpu))
        return false;
    *out = records[cpu->number * capacity() + (written[cpu->number] - 1 - back) % capacity()];
    return true;
}

void trace_pause(bool pause)
{
    paused = pause;
}
