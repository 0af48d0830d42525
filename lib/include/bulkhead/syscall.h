// SPDX-License-Identifier: BSD-2-Clause
// System-call stubs: one function for each line of bulkhead/syscalls.def, which documents them, and
// shorthands for the operations of create, thread_ctl and task_ctl. Each returns enum status. A
// capability is named by its slot in the caller's table.
//
// HAZARD: a system call keeps only rsp, rip and rflags. All other registers are outputs or clobbers
// here but rbp, which may be the frame pointer and is pushed: so code that includes this must be
// built with -mno-red-zone. Under a hosted compiler (unit tests), and with SYS_INVOKE_EXTERN, there
// is no stub: the test supplies sys_invoke().
#pragma once

#include <stddef.h>
#include "bulkhead/abi.h"

struct message {
    uint64_t label;
    uint64_t w[6];
};

// `operation` is enum sys_op | slot << 16. The message goes in and comes back. *badge (may be NULL)
// receives rdi.
#if __STDC_HOSTED__ || SYS_INVOKE_EXTERN
enum status sys_invoke(uint64_t operation, struct message *message, uint64_t *badge);
#else
__attribute__((always_inline)) static inline enum status
sys_invoke(uint64_t operation, struct message *message, uint64_t *badge)
{
    register uint64_t rax __asm__("rax");
    register uint64_t rdi __asm__("rdi") = operation;
    register uint64_t rsi __asm__("rsi") = message->label;
    register uint64_t rdx __asm__("rdx") = message->w[0];
    register uint64_t r10 __asm__("r10") = message->w[1];
    register uint64_t r8 __asm__("r8") = message->w[2];
    register uint64_t r9 __asm__("r9") = message->w[3];
    register uint64_t r12 __asm__("r12") = message->w[4];
    register uint64_t r13 __asm__("r13") = message->w[5];

    __asm__ volatile("push %%rbp\n\tsyscall\n\tpop %%rbp"
                     : "=r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
                       "+r"(r12), "+r"(r13)
                     :
                     : "rbx", "rcx", "r11", "r14", "r15", "cc", "memory");
    *message = (struct message){rsi, {rdx, r10, r8, r9, r12, r13}};
    if (badge)
        *badge = rdi;
    return (enum status)rax;
}
#endif

#define SYS_STUB __attribute__((always_inline)) static inline enum status

// A call whose results are not wanted.
SYS_STUB sys_invoke6(enum sys_op op, uint64_t slot, uint64_t label, uint64_t w0, uint64_t w1,
                     uint64_t w2, uint64_t w3, uint64_t w4, uint64_t w5)
{
    struct message message = {label, {w0, w1, w2, w3, w4, w5}};

    return sys_invoke(op | slot << 16, &message, NULL);
}

// ---- IPC and signals

// Calls the gate; the message is the request, then the reply (untouched words are 0 on error).
SYS_STUB sys_call(unsigned gate, struct message *message)
{
    return sys_invoke(SYS_CALL | (uint64_t)gate << 16, message, NULL);
}

// Worker threads: the message is the reply to the present caller, then the next request.
SYS_STUB sys_reply_wait(struct message *message, uint64_t *badge)
{
    return sys_invoke(SYS_REPLY_WAIT, message, badge);
}

SYS_STUB sys_raise(unsigned signal, uint64_t bits)
{
    return sys_invoke6(SYS_RAISE, signal, bits, 0, 0, 0, 0, 0, 0);
}

// deadline: absolute TSC, 0 = none. *bits: those that were set; 0 on error.
SYS_STUB sys_wait(unsigned signal, uint64_t deadline, uint64_t *bits)
{
    struct message message = {0, {deadline}};
    enum status status = sys_invoke(SYS_WAIT | (uint64_t)signal << 16, &message, NULL);

    *bits = status == OK ? message.w[0] : 0;
    return status;
}

// The same without blocking: *bits may be 0.
SYS_STUB sys_poll(unsigned signal, uint64_t *bits)
{
    struct message message = {1, {0}};
    enum status status = sys_invoke(SYS_WAIT | (uint64_t)signal << 16, &message, NULL);

    *bits = status == OK ? message.w[0] : 0;
    return status;
}

SYS_STUB sys_yield(void)
{
    return sys_invoke6(SYS_YIELD, 0, 0, 0, 0, 0, 0, 0, 0);
}

// ---- Objects. `slot` is the caller's empty slot that receives the capability.

SYS_STUB sys_create(unsigned pool, enum object_type type, unsigned slot, uint64_t w0, uint64_t w1,
                    uint64_t w2, uint64_t w3, uint64_t w4)
{
    return sys_invoke6(SYS_CREATE, pool, (uint64_t)type | (uint64_t)slot << 16, w0, w1, w2, w3, w4,
                       0);
}

SYS_STUB sys_create_pool(unsigned pool, unsigned slot, unsigned mem, uint64_t quota)
{
    return sys_create(pool, OBJ_POOL, slot, mem, quota, 0, 0, 0);
}

SYS_STUB sys_create_mem(unsigned pool, unsigned slot, unsigned parent, uint64_t offset,
                        uint64_t size)
{
    return sys_create(pool, OBJ_MEM, slot, parent, offset, size, 0, 0);
}

SYS_STUB sys_create_task(unsigned pool, unsigned slot, unsigned fault_signal, unsigned fault_bit,
                         unsigned priority_max)
{
    return sys_create(pool, OBJ_TASK, slot, fault_signal, fault_bit, priority_max, 0, 0);
}

SYS_STUB sys_create_guest(unsigned pool, unsigned slot)
{
    return sys_create(pool, OBJ_GUEST, slot, 0, 0, 0, 0, 0);
}

SYS_STUB sys_create_thread(unsigned pool, unsigned slot, unsigned task, enum thread_kind kind,
                           unsigned cpu, unsigned priority)
{
    return sys_create(pool, OBJ_THREAD, slot, task, (uint64_t)kind | (uint64_t)cpu << 8, priority,
                      0, 0);
}

SYS_STUB sys_create_vcpu(unsigned pool, unsigned slot, unsigned task, unsigned cpu,
                         unsigned priority, unsigned guest, uint64_t page_address)
{
    return sys_create(pool, OBJ_THREAD, slot, task, (uint64_t)THREAD_VCPU | (uint64_t)cpu << 8,
                      priority, guest, page_address);
}

SYS_STUB sys_create_gate(unsigned pool, unsigned slot, unsigned worker, uint64_t badge)
{
    return sys_create(pool, OBJ_GATE, slot, worker, badge, 0, 0, 0);
}

SYS_STUB sys_create_signal(unsigned pool, unsigned slot)
{
    return sys_create(pool, OBJ_SIGNAL, slot, 0, 0, 0, 0, 0);
}

SYS_STUB sys_create_irq(unsigned pool, unsigned slot, unsigned hw, uint64_t gsi_and_flags,
                        unsigned signal, unsigned bit)
{
    return sys_create(pool, OBJ_IRQ, slot, hw, gsi_and_flags, signal, bit, 0);
}

SYS_STUB sys_destroy(unsigned object)
{
    return sys_invoke6(SYS_DESTROY, object, 0, 0, 0, 0, 0, 0, 0);
}

SYS_STUB sys_revoke(unsigned object)
{
    return sys_invoke6(SYS_REVOKE, object, 0, 0, 0, 0, 0, 0, 0);
}

SYS_STUB sys_cap_copy(unsigned from_task, unsigned from_slot, unsigned to_task, unsigned to_slot,
                      unsigned rights)
{
    return sys_invoke6(SYS_CAP_COPY, from_task, 0, from_slot, to_task, to_slot, rights, 0, 0);
}

SYS_STUB sys_cap_drop(unsigned task, unsigned slot)
{
    return sys_invoke6(SYS_CAP_DROP, task, 0, slot, 0, 0, 0, 0, 0);
}

// ---- Address spaces: `space` is a task or a guest.

SYS_STUB sys_map(unsigned space, unsigned mem, uint64_t offset, uint64_t address, uint64_t size,
                 unsigned rights)
{
    return sys_invoke6(SYS_MAP, space, mem, offset, address, size, rights, 0, 0);
}

SYS_STUB sys_unmap(unsigned space, uint64_t address, uint64_t size)
{
    return sys_invoke6(SYS_UNMAP, space, 0, address, size, 0, 0, 0, 0);
}

// Removes all mappings of a mem object, everywhere.
SYS_STUB sys_unmap_all(unsigned mem)
{
    return sys_invoke6(SYS_UNMAP, mem, 0, 0, 0, 0, 0, 0, 0);
}

// ---- Threads and tasks

// label of the message: enum thread_op (and register group); w in and out by operation.
SYS_STUB sys_thread_ctl(unsigned thread, struct message *message)
{
    return sys_invoke(SYS_THREAD_CTL | (uint64_t)thread << 16, message, NULL);
}

SYS_STUB sys_thread_start(unsigned thread, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
    return sys_invoke6(SYS_THREAD_CTL, thread, THREAD_START, rip, rsp, rdi, 0, 0, 0);
}

// THREAD_STOP, THREAD_RESUME, THREAD_CANCEL (w0 = 0), THREAD_FS_BASE, THREAD_PRIORITY,
// THREAD_WEIGHT, THREAD_FPU
SYS_STUB sys_thread_set(unsigned thread, enum thread_op op, uint64_t w0)
{
    return sys_invoke6(SYS_THREAD_CTL, thread, op, w0, 0, 0, 0, 0, 0);
}

// At most `budget` TSC ticks in each `period`; both 0: no limit. `signal`'s `bit` is raised each
// time it is spent; CAP_NONE: nothing is.
SYS_STUB sys_thread_budget(unsigned thread, uint64_t budget, uint64_t period, unsigned signal,
                           unsigned bit)
{
    return sys_invoke6(SYS_THREAD_CTL, thread, THREAD_BUDGET, budget, period, signal, bit, 0, 0);
}

// *ticks: TSC ticks that the task's threads ran; *overruns: how often one of them had spent its
// budget, or NULL; 0 on error.
SYS_STUB sys_task_time(unsigned task, uint64_t *ticks, uint64_t *overruns)
{
    struct message message = {TASK_TIME, {0}};
    enum status status = sys_invoke(SYS_TASK_CTL | (uint64_t)task << 16, &message, NULL);

    *ticks = status == OK ? message.w[0] : 0;
    if (overruns)
        *overruns = status == OK ? message.w[1] : 0;
    return status;
}

// *word: the capability word in a slot of the task, 0 when empty or stale; *type: enum object_type.
SYS_STUB sys_task_read_cap(unsigned task, unsigned slot, uint64_t *word, uint64_t *type)
{
    struct message message = {TASK_READ_CAP, {slot}};
    enum status status = sys_invoke(SYS_TASK_CTL | (uint64_t)task << 16, &message, NULL);

    *word = message.w[0];
    *type = message.w[1];
    return status;
}

// ---- Virtual CPUs

// *exit: enum vcpu_exit; meaningful only with OK.
SYS_STUB sys_vcpu_run(uint64_t *exit)
{
    struct message message = {0, {0}};
    enum status status = sys_invoke(SYS_VCPU_RUN, &message, NULL);

    *exit = message.label;
    return status;
}

SYS_STUB sys_vcpu_bind(unsigned thread, unsigned signal)
{
    return sys_invoke6(SYS_VCPU_CTL, thread, VCPU_BIND, signal, 0, 0, 0, 0, 0);
}

// ---- Devices, the machine, the log

SYS_STUB sys_irq_ctl(unsigned irq, enum irq_op op)
{
    return sys_invoke6(SYS_IRQ_CTL, irq, op, 0, 0, 0, 0, 0, 0);
}

// w0, w1 (may be NULL): argument and results by operation.
SYS_STUB sys_hw_ctl(unsigned hw, enum hw_op op, uint64_t argument, uint64_t *w0, uint64_t *w1)
{
    struct message message = {op, {argument}};
    enum status status = sys_invoke(SYS_HW_CTL | (uint64_t)hw << 16, &message, NULL);

    if (w0)
        *w0 = message.w[0];
    if (w1)
        *w1 = message.w[1];
    return status;
}

// Names an object for the kernel's debugger. ERR_ARG: this kernel has none.
SYS_STUB sys_hw_name(unsigned hw, unsigned slot, const char *name)
{
    struct message message = {HW_NAME, {slot}};
    char *to = (char *)(message.w + 1);

    for (unsigned i = 0; i < 31 && name[i] != '\0'; i++)
        to[i] = name[i];
    return sys_invoke(SYS_HW_CTL | (uint64_t)hw << 16, &message, NULL);
}

// One step of a command of the kernel's debugger, up to 48 bytes. *cursor is 0 at first, and again
// behind the last step. ERR_ARG: this kernel has none.
SYS_STUB sys_hw_debug(unsigned hw, const char *text, uint64_t *cursor)
{
    struct message message = {HW_DEBUG | *cursor << 8, {0}};
    enum status status;

    for (unsigned i = 0; i < sizeof(message.w) && text[i] != '\0'; i++)
        ((char *)message.w)[i] = text[i];
    status = sys_invoke(SYS_HW_CTL | (uint64_t)hw << 16, &message, NULL);
    *cursor = status == OK ? message.w[0] : 0;
    return status;
}

// The message's label is the number of bytes, 1..48, and w[] holds them.
SYS_STUB sys_log(struct message *message)
{
    return sys_invoke(SYS_LOG, message, NULL);
}

#undef SYS_STUB

// "OK", "ERR_CAP", ...; "?" for what is not a status.
const char *status_name(enum status status);
