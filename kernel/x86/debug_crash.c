// SPDX-License-Identifier: BSD-2-Clause
// The crash report: registers, who ran, a backtrace by frame pointers (DEBUG=2 keeps them), the last records of the
// trace. HAZARD: what it looks at may be what broke: a fault in here ends the report.
#include "../debug.h"
#include "cpu.h"
#include "log.h"

#define FRAMES  24
#define RECORDS 16

static struct regs regs; // of the exception; all 0: there was none
static bool reporting;

void debug_exception(const struct regs *from)
{
    if (!reporting)
        regs = *from;
}

static void registers(void)
{
    // clang-format off
    static const char *const names[] = {
        "r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8", "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax", "vec", "error",
        "rip", "cs", "rflags", "rsp", "ss"};
    // clang-format on

    _Static_assert(sizeof(regs) == 8 * sizeof(names) / sizeof(*names), "a name for each register");
    for (unsigned i = 0; i < sizeof(regs) / 8; i++)
        log_hex(names[i], ((const uint64_t *)&regs)[i]), log_text(i % 3 == 2 ? "\n" : "  ");
    log_hex("\ncr0", read_cr0());
    log_hex("  cr2", read_cr2());
    log_hex("\ncr3", read_cr3());
    log_hex("  cr4", read_cr4());
    log_text("\n");
}

static bool on_stack(uint64_t address)
{
    uint64_t region = (uint64_t)this_cpu() - CPU_STACK_TOP, at = address - region;

    return !(address & 7) &&
           ((at >= CPU_STACK && at <= CPU_STACK_TOP - 16) || (at >= CPU_IST && at <= CPU_IST + 4 * CPU_IST_SIZE - 16));
}

// HAZARD: the outermost frame is entry.S, where RBP is the user's: only frames on this CPU's stacks are followed, and
// only upwards.
static void backtrace(uint64_t rip, uint64_t frame)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        log_hex("  at", rip);
        log_text("\n");
        if (!on_stack(frame))
            break;
        rip = ((const uint64_t *)frame)[1];
        uint64_t next = *(const uint64_t *)frame;
        frame = next > frame ? next : 1; // 1: on no stack
    }
}

void debug_crash(void)
{
    const struct cpu *cpu = this_cpu();
    struct trace_record record;

    if (reporting)
        return;
    reporting = true;
    if (regs.cs)
        registers();
    say("CPU %d thread %o of task %o on the time of %o\nbacktrace (./bulkhead symbols names it):\n", cpu->number,
        P(cpu->current), P(cpu->current ? cpu->current->task : NULL), P(cpu->donor));
    if (regs.cs)
        backtrace(regs.rip, regs.rbp);
    else
        backtrace((uint64_t)__builtin_return_address(0), *(uint64_t *)__builtin_frame_address(0));
    say("the last records of the trace (./bulkhead trace --from):\n");
    for (unsigned i = RECORDS; i > 0; i--)
        if (trace_read(cpu, i - 1, &record))
            debug_record(&record);
}
