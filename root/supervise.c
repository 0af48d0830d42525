// SPDX-License-Identifier: BSD-2-Clause
// Watches the tasks: one that faults, crashes or ends is reported, its memory taken back, and as
// its entry says it is started again, at most RESTART_LIMIT times a minute. The others do not
// notice.
#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "task.h"

#define MINUTE 60

// SDM 3A table 6-1
static const char *vector_name(uint64_t vector)
{
    static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                        "#DF", "(9)", "#TS", "#NP", "#SS", "#GP", "#PF", "(15)",
                                        "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};

    return vector < sizeof(names) / sizeof(names[0]) ? names[vector] : "(unknown)";
}

// Whether one more restart is within the limit; then it is counted.
static bool may_restart(struct task *task)
{
    uint64_t now = task_tsc();
    uint64_t *oldest = &task->restart_times[task->restarts % RESTART_LIMIT];

    if (task->restarts >= RESTART_LIMIT && now - *oldest < MINUTE * boot->tsc_hz)
        return false;
    *oldest = now;
    task->restarts++;
    return true;
}

// `why` becomes the task's message. `again`: it is to be started again.
static void end(struct task *task, enum manage_state state, bool again, const char *why)
{
    const char *name = task->config->name;

    task_stop(task, state);
    root_say("%s: %s", name, why);
    if (!again) {
        snprintf(task->message, sizeof(task->message), "%s", why);
        return;
    }
    if (!may_restart(task)) {
        snprintf(task->message, sizeof(task->message), "%.60s (%u restarts in a minute)", why,
                 RESTART_LIMIT);
        root_say("%s: not started again: that was %u times in a minute", name, RESTART_LIMIT);
    } else if (task_start(task)) {
        root_say("%s: started again", name);
    } else {
        root_say("%s: cannot be started again: %s", name, task->message);
    }
}

// Whether this thread stands at a fault.
static bool fault_of(unsigned thread, struct message *report)
{
    *report = (struct message){THREAD_FAULT, {0}};
    return thread != CAP_NONE && sys_thread_ctl(thread, report) == OK &&
           report->w[4] == REPORT_FAULTED;
}

static void faulted(struct task *task)
{
    struct message report;
    char why[sizeof(task->message)];
    bool found = task->state == MANAGE_RUNNING && fault_of(task->thread, &report);

    for (unsigned i = 0; task->state == MANAGE_RUNNING && !found && i < TASK_VCPU_MAX; i++)
        found = fault_of(task->vcpu_thread[i], &report);
    if (!found)
        return; // the bit was meant for the run before
    snprintf(why, sizeof(why), "fault %s at 0x%llx, address 0x%llx, error 0x%llx",
             vector_name(report.w[0]), (unsigned long long)report.w[3],
             (unsigned long long)report.w[2], (unsigned long long)report.w[1]);
    end(task, MANAGE_CRASHED, task->config->restart, why);
}

static void reported(struct task *task)
{
    char why[sizeof(task->message)];
    char text[sizeof(task->status->reason)];

    if (task->state != MANAGE_RUNNING)
        return;
    uint32_t state = __atomic_load_n(&task->status->state, __ATOMIC_ACQUIRE);
    memcpy(text, task->status->reason, sizeof(text));
    text[sizeof(text) - 1] = 0;
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?'; // it will reach a terminal
    switch (state) {
    case TASK_POWEROFF:
        snprintf(why, sizeof(why), "%.80s", *text ? text : "switched itself off");
        end(task, MANAGE_STOPPED, false, why);
        break;
    case TASK_REBOOT:
        snprintf(why, sizeof(why), "%.80s", *text ? text : "asked for a reset");
        end(task, MANAGE_STOPPED, true, why);
        break;
    case TASK_CRASHED:
        snprintf(why, sizeof(why), "crashed: %.80s", text);
        end(task, MANAGE_CRASHED, task->config->restart, why);
        break;
    case TASK_FAILED:
        snprintf(why, sizeof(why), "gave up: %.80s", text);
        end(task, MANAGE_CRASHED, false, why);
        break;
    default: // a milestone: nothing to do
        break;
    }
}

void supervise(uint64_t bits)
{
    for (unsigned i = 0; i < config.count; i++) {
        if (bits & 1ull << BIT_FAULT(i))
            faulted(&tasks[i]);
        if (bits & 1ull << BIT_REPORT(i))
            reported(&tasks[i]);
    }
    monitor_serve();
    if (config.manager != TASK_MAX && (bits & 1ull << BIT_REPORT(config.manager)))
        manage_serve();
}
