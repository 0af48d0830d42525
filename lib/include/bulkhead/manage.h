// SPDX-License-Identifier: BSD-2-Clause
// The management channel (CHANNEL_MANAGEMENT) between a manager, normally the console, and root:
// fixed-size records in byte rings.
//
// The manager writes struct manage_request and raises root's signal; root answers each request, in
// order, with one struct manage_reply, MANAGE_LIST with one for each task (`more` is 1 on all but
// the last). Root also sends events, which answer nothing: lines for the operator, as a task ends
// or is started again. HAZARD: a ring moves bytes: a record may arrive in parts. Root writes a
// record only when the whole of it fits and drops events, never replies, when the ring is full: so
// a manager that does not read stops being answered, and stops nobody else.
#pragma once

#include "bulkhead/task.h"

enum manage_op {
    MANAGE_LIST,    // every task; name is ignored
    MANAGE_INFO,    // one task
    MANAGE_START,   // starts a stopped VM
    MANAGE_STOP,    // stops a VM; its memory goes back
    MANAGE_RESTART, // both
    MANAGE_SYSTEM, // memory of the machine: `memory` = usable bytes, `value` = bytes not handed out
    MANAGE_SHUTDOWN, // resets the machine; no answer
    MANAGE_EXIT,     // ends an emulator (its exit port), else resets; no answer
    // Steps of a command of the kernel's debugger, which answers on the serial line itself; `name`
    // is its text, `value` of the reply the cursor for the next request, 0: that was all. Refused
    // by a kernel without one.
    MANAGE_KERNEL,
    // A command for a VM's monitor (vmm/monitor.h): `text`. Its output comes as the messages of
    // records with `more` set, in order and uncut; then one without, whose status says how it
    // ended. One at a time for the whole machine.
    MANAGE_MONITOR,
    MANAGE_SNAPSHOT, // keeps the state of a running VM in memory; in place of the one before
    MANAGE_RESTORE,  // stops the VM and starts it again from its snapshot
};
#define MANAGE_TEXT 80

struct manage_request {
    uint32_t op;               // enum manage_op
    uint32_t tag;              // comes back in the reply; not 0
    char name[TASK_NAME_SIZE]; // NUL-terminated
    uint64_t cursor;           // MANAGE_KERNEL: of the reply before, 0 at first
    char text[MANAGE_TEXT];    // MANAGE_MONITOR: NUL-terminated, without a newline
};
_Static_assert(sizeof(struct manage_request) == 128, "the format is shared between tasks");

enum manage_status {
    MANAGE_OK,
    MANAGE_UNKNOWN,     // no task of that name
    MANAGE_REFUSED,     // not possible for this task or in its state; message says why
    MANAGE_FAILED,      // tried; message says what failed
    MANAGE_BAD_REQUEST, // no such operation
};

enum manage_kind { MANAGE_KIND_SERVER, MANAGE_KIND_VM };

// What root knows of a task; what the task says of itself is in its status page.
enum manage_state {
    MANAGE_STOPPED, // not started, or stopped by the operator, or ended by itself
    MANAGE_RUNNING,
    MANAGE_CRASHED, // ended by a fault or a crash and not started again; message says why
};

struct manage_reply {
    uint32_t tag;    // of the request; 0: an event
    uint32_t status; // enum manage_status
    uint32_t more;   // 1: another record answers the same request
    uint32_t kind;   // enum manage_kind
    char name[TASK_NAME_SIZE];
    uint32_t state; // enum manage_state
    uint32_t priority;
    uint32_t restarts;
    uint32_t host_cpu; // that its thread runs on
    uint32_t weight;   // its share of priority 0
    uint32_t reserved;
    uint32_t budget_us, period_us; // of CPU time, microseconds; 0, 0: no limit
    uint64_t overruns;             // how often the budget was spent
    uint64_t memory;               // bytes that it owns: guest RAM, pool, image
    uint64_t value;                // TSC ticks that it ran
    char message[104];             // NUL-terminated text without a newline; may be empty
};
_Static_assert(sizeof(struct manage_reply) == 208, "the format is shared between tasks");
