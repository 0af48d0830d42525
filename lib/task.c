// SPDX-License-Identifier: BSD-2-Clause
// How a task speaks before it has a console, and how it ends.
#include <string.h>

#include "bulkhead/log.h"
#include "bulkhead/syscall.h"
#include "bulkhead/task.h"

void task_log(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(task_info()->name, format, arguments);
    va_end(arguments);
}

void task_end_at(unsigned signal, enum task_state state, const char *reason)
{
    struct task_status *status = task_status();
    size_t length = strnlen(reason, sizeof(status->reason) - 1);
    uint64_t bits;

    memcpy(status->reason, reason, length);
    status->reason[length] = 0;
    __atomic_store_n(&status->state, state,
                     __ATOMIC_RELEASE); // after the reason: root looks when the state says so
    sys_raise(TASK_SLOT_SUPERVISOR, 1);
    // Root tears the task down. Bits still come in meanwhile; a wait that fails for good ends in
    // the trap.
    while (sys_wait(signal, 0, &bits) == OK)
        ;
    __builtin_trap();
}

void task_end(enum task_state state, const char *reason)
{
    task_end_at(TASK_SLOT_SIGNAL, state, reason);
}

void task_fail(const char *reason)
{
    task_log("%s", reason);
    task_end(TASK_FAILED, reason);
}

void task_exit(int code)
{
    (void)code;
    task_end(TASK_FAILED, "main returned");
}
