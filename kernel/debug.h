// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own debugger: names of objects, commands that list and show them, the crash report. Only in kernels made
// with DEBUG=2; otherwise every hook is empty.
#pragma once

#include "object.h"
#include "trace.h"

struct regs;

#if TRACING
void debug_table(const struct slot *slots, uint32_t count); // where the object table is
void debug_free(const struct object *object);               // it is no more: its name goes, too
// HW_DEBUG and HW_NAME; false when op is another one. The caller has checked the right.
bool debug_hw_ctl(const struct task *task, uint64_t op, uint64_t words[6], enum status *status);
void debug_exception(const struct regs *regs); // of the panic that follows
void debug_crash(void);                        // writes the report

// ---- Between the debugger's own files
// %d decimal, %x hexadecimal, %s text, %o object (slot and name; NULL is "-"). Every argument is converted to uint64_t.
#define say(format, ...) debug_say(format, (const uint64_t[]){__VA_ARGS__})
#define P(pointer)       ((uint64_t)(uintptr_t)(pointer))
void debug_say(const char *format, const uint64_t *arguments);
const char *debug_name(const struct object *object); // "" when it has none
struct object *debug_object(uint32_t slot);          // NULL: the slot is empty or out of range
extern const struct debug_type {
    const char *name;
    void (*line)(const struct object *object); // the end of the line
} debug_types[OBJ_COUNT];
void debug_line(const struct object *object); // one line about an object
// More about it: a piece per call. Gives the cursor of the next piece, 0 behind the last.
uint64_t debug_detail(const struct object *object, uint64_t cursor);
void debug_record(const struct trace_record *record);
#else
#define debug_table(slots, count) ((void)0)
#define debug_free(object)        ((void)0)
#define debug_hw_ctl(...)         false
#define debug_exception(regs)     ((void)0)
#define debug_crash()             ((void)0)
#endif
