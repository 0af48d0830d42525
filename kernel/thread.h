// SPDX-License-Identifier: BSD-2-Clause
// Threads: registers, priority, home CPU. Active threads have time of their own, workers run on their callers' time,
// vCPU threads can enter a guest.
#pragma once

#include "heap.h"
#include "space.h"

struct cpu;
struct gate;
struct signal;
struct vcpu;

// Pushed by entry.S; RSP0 in the TSS points at its end, so that an interrupt from user mode saves straight into the
// thread.
struct regs {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

// The state word: one of these in the low byte, flags above. entry.S compares the whole word, so any flag leads to the
// slow path.
enum thread_state {
    STATE_STOPPED, // not started, or stopped by thread_ctl
    STATE_RUNNING, // runs, or would if it had the CPU
    STATE_CALLING, // in a call; `callee` serves it
    STATE_HELPING, // wants to call `gate`, whose worker is busy: lends it time
    STATE_RECEIVE, // worker waiting for a call
    STATE_WAITING, // on a signal
    STATE_PARKED,  // its system call waits for other CPUs, see cpu.h
    STATE_FAULTED,
    STATE_DEAD,
};
#define STATE_MASK  0xffu
#define FLAG_FULL   0x100u  // all registers are in `regs`: return by IRET
#define FLAG_FPU    0x200u  // uses the FPU
#define FLAG_FS     0x400u  // has an FS base
#define FLAG_HELPED 0x800u  // a helper lends it time: its reply must reschedule
#define FLAG_CANCEL 0x1000u // cancel at the next blocking call or vcpu_run
#define FLAG_SLOW \
    0x10000u // nothing but: its calls and the replies to it must not take the fast path. Above 16 bits: vcpu_run
             // ignores it

struct thread {
    struct object obj; // 40 bytes, so that state and home are one word of 8
    uint32_t state;
    uint32_t home; // number of the CPU where it runs user code; entry.S compares it together with `state`
    uint64_t cr3;
    cap_t *caps;
    struct thread *caller, *callee;
    struct cpu *cpu; // where it is: away from home only within a system call. Only code on this CPU changes the thread
    struct task *task;
    // RSP0 points at the end of `regs`, which must be aligned to 16 (SDM 3A 6.14.2)
    struct regs regs __attribute__((aligned(16)));
    uint8_t kind, priority;
    uint8_t level; // priority at which it is queued: its own, or away from home that which was lent to it
    uint8_t lent;
    uint8_t queued;  // in the ready queue
    uint8_t special; // a worker, has a budget or is of the band: not for sched_switch
    uint8_t overrun_bit;
    uint16_t gate_count;
    uint32_t depth; // of the call chain that it ends
    uint64_t fs_base;
    struct vcpu *vcpu;
    struct gate *gates; // that it serves
    cap_t helping;      // STATE_HELPING: reference to the gate
    struct thread *ready_next, *ready_prev;
    struct thread *task_next, *task_prev; // threads of its task
    struct heap waiters;                  // threads whose call chain is blocked here, the most urgent first
    struct thread *waits_for;             // in whose `waiters` it was put
    struct heap *parked;                  // or else where it was parked
    struct signal *waiting;               // STATE_WAITING
    uint64_t deadline;                    // of its timer, TSC
    struct heap_node timer;               // armed for `deadline`
    uint64_t time, slice_used;            // TSC ticks used: in all; of the present time slice
    // Budget: at most `budget` ticks in each `period`, donated time included; 0: no limit. Hard constant-bandwidth
    // rule, sched.c.
    uint64_t budget, period, budget_left, period_end;
    struct heap_node refill; // it spent its budget and waits for period_end
    cap_t overrun;           // signal to raise then
    struct heap_node node;   // queued at level 0; or else in `waiters` of a thread, in the CPU's `released`, or parked
    // Level 0, the best-effort band: shares by weight.
    uint64_t virtual_time; // ticks used, divided by weight
    uint32_t weight;
    uint64_t fault_address; // CR2; vector and error are in `regs`
    void *xstate;           // FPU save area, when it may own the FPU
};

#define TIMER_NONE UINT64_MAX

enum status thread_create(struct pool *pool, struct task *task, enum thread_kind kind, unsigned cpu, unsigned priority,
                          struct thread **out);
// The part of this CPU when the thread is destroyed: nothing here points at it any more.
void thread_leave(struct thread *thread);
// After all CPUs did that: unlinks it and gives its memory back.
void thread_free(struct thread *thread);
// Takes the gates that it serves from it, some in each step; true when none is left.
bool thread_drop_gates(struct thread *thread);

// Its former CPU is about to write its state and home (THREAD_CPU): not this CPU's yet.
static inline bool thread_is_moving(const struct thread *thread)
{
    return (READ_ONCE(thread->state) & STATE_MASK) == STATE_PARKED && !heap_holds(&thread->node);
}
// THREAD_CTL: `words` holds the arguments and receives the results.
enum status thread_ctl(struct thread *thread, uint64_t op, uint64_t words[6]);

// Ends a blocking call (wait, call, help) with an error; nothing when the thread does not block.
void thread_cancel(struct thread *thread, enum status status);

// The thread faulted: it stops and its task's fault signal is raised.
void thread_fault(struct thread *thread, unsigned vector, uint64_t error, uint64_t address);

// Ends a blocking call: zeroes the result registers, sets rax, makes the thread RUNNING (not ready).
void thread_result(struct thread *thread, enum status status);
// Sets up `regs` so that the system call is executed again when the thread runs next.
void thread_restart(struct thread *thread);

// In a system call that goes on in steps: lets interrupts in. When one made another thread more urgent it does not come
// back: the call is restarted later. Else nothing but what interrupts do has changed.
void preemption_point(void);
// Counts a step of a walk along a list; a preemption point now and then.
static inline void walk_step(unsigned *steps)
{
    if (++*steps % 64 == 0)
        preemption_point();
}
