// SPDX-License-Identifier: BSD-2-Clause
// The trace: per CPU a ring of 32-byte records, written by trace_NAME(), one function for each line of trace.def. Only
// in kernels made with DEBUG=2; otherwise the functions are empty, so their arguments must cost nothing: loads and
// constants, no calls.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifndef TRACING
#define TRACING 0
#endif

struct trace_record {
    uint64_t time; // TSC
    uint16_t event, cpu;
    uint32_t a, b, c;
    uint64_t d;
};
_Static_assert(sizeof(struct trace_record) == 32, "a record is what tools/trace-ctf.c writes");

enum trace_event {
#define EVENT(number, name, ...) TRACE_##name = number,
#include "trace.def"
#undef EVENT
};

#if TRACING
struct cpu;
void trace_put(enum trace_event event, uint32_t a, uint32_t b, uint32_t c, uint64_t d);
// The record `back` before the newest of a CPU, in *out; false when there is none.
bool trace_read(const struct cpu *cpu, uint64_t back, struct trace_record *out);
uint64_t trace_count(const struct cpu *cpu); // records that can be read
void trace_pause(bool pause);
#define trace(name, ...) trace_put(TRACE_##name, __VA_ARGS__)
#else
#define trace(name, ...) ((void)0)
#endif
