// SPDX-License-Identifier: BSD-2-Clause
// The console without its hardware: VMs with their rings and scrollback, the prompt, and what the
// terminal is attached to. It makes no system call, so that all of it runs in unit tests: main.c
// brings the bytes, the time and the signals.
//
// All guest output goes ring -> scrollback; what the terminal shows of a VM is a position in that
// VM's scrollback. Of a VM that is shown no more is taken out of its ring than the terminal has
// room for, so nothing is lost while attached and the VM waits. Each VM gets at most PUMP_QUOTA
// bytes a turn, and input comes first in each turn: a flood holds up neither the operator nor
// another VM.
#pragma once

#include "bulkhead/ring.h"
#include "bulkhead/task.h"
#include "escape.h"
#include "line.h"
#include "manager.h"
#include "out.h"
#include "scroll.h"

#define CONSOLE_VERSION    "0.1"
#define CONSOLE_TASKS      (TASK_CHANNEL_MAX + 2) // rows of the status table
#define CONSOLE_SCROLL_MAX 65536u // bytes of scrollback a VM, when there are not too many
#define PUMP_QUOTA         4096u
#define REPLAY_LINES       20
#define TYPED_SIZE         256u

struct vm {
    char name[TASK_NAME_SIZE];
    unsigned peer_slot;
    struct ring_end rx, tx;           // what it prints, what is typed to it
    const struct task_status *status; // shared with a task that is not trusted; NULL: none
    struct scroll scroll;
    uint64_t rest_until; // TSC before which its ring is not looked at
};

enum activity {
    IDLE,     // at the prompt
    STARTING, // until the VMs are ready
    LISTING,  // the commands that wait for root's answer
    TOP_FIRST,
    TOP_PAUSE,
    TOP_SECOND,
    INFO,
    ACTION,
    KERNEL,       // waits for the steps of a command of the kernel's debugger
    KERNEL_FLUSH, // before: the kernel does not wait for what is to be sent
    MONITOR,      // prints what a VM's monitor answers
    SNAPSHOT,     // waits until a VM is saved or restored
    LOG,          // prints scrollback
    ATTACHED,     // the terminal is a VM's
};

struct console {
    const struct task_info *info;
    void (*raise)(unsigned peer_slot); // tells a peer to look at its rings
    uint64_t now;                      // TSC at this turn
    struct out out;
    struct line line;
    struct escape escape;
    struct manager manager;
    unsigned manager_slot;
    struct vm vms[TASK_CHANNEL_MAX];
    unsigned vm_count;

    enum activity activity;
    uint64_t deadline;  // of the activity, 0: none
    uint64_t start_end; // STARTING: when it is given up
    uint32_t tag;       // of the reply that completes the activity, 0: none is awaited
    char request_name[TASK_NAME_SIZE];
    uint64_t cursor;        // KERNEL: of its next step
    struct vm *shown;       // LOG, ATTACHED
    uint64_t position, end; // in its scrollback; LOG stops at the end

    struct manage_reply rows[CONSOLE_TASKS]; // the last list of tasks
    uint64_t ticks_before[CONSOLE_TASKS];    // TOP: of the first list
    uint64_t rows_time, rows_time_before;
    unsigned row_count;
    uint64_t ram_total, ram_free;

    uint8_t typed[TYPED_SIZE];
    unsigned typed_head, typed_tail;
};

// `scroll`: memory for all scrollback, shared out among the VMs. Prints the banner.
void console_init(struct console *c, const struct task_info *info, uint64_t now, uint8_t *scroll,
                  uint32_t scroll_size, void (*raise)(unsigned peer_slot));

// Bytes from the terminal; nothing happens before the next turn.
void console_type(struct console *c, const uint8_t *bytes, uint32_t n);

// Does what there is to do. True: there is more, call again without waiting.
bool console_turn(struct console *c, uint64_t now);

// When to call again though nothing happens (TSC), 0: never.
uint64_t console_deadline(const struct console *c);

// Takes up to n bytes for the terminal; whether there are any.
uint32_t console_output(struct console *c, uint8_t *to, uint32_t n);
bool console_has_output(const struct console *c);

// ---- Between the console's own files
struct vm *console_find(struct console *c, const char *name);
uint64_t console_ms(const struct console *c, uint64_t ticks);
uint64_t console_ticks(const struct console *c, uint64_t ms);

// activity.c
void console_prompt(struct console *c); // the activity is over
void console_end_start(struct console *c);
void console_attach(struct console *c, struct vm *vm);
void console_detach(struct console *c);
void console_log(struct console *c, struct vm *vm);
void console_end_log(struct console *c, const char *text);
void console_request(struct console *c, enum activity activity, enum manage_op op,
                     const char *name);
void console_kernel(struct console *c, const char *text);
void console_monitor(struct console *c, const char *name, const char *text);
void activity_check(struct console *c);   // whether its time is over
bool activity_receive(struct console *c); // records of root; true: there may be more

void command_run(struct console *c, char *text);
void command_complete(struct console *c);

void view_banner(struct console *c);
void view_boot(struct console *c); // the bar chart of boot times
// `since_before`: CPU time since ticks_before
void view_table(struct console *c, bool since_before);
const char *view_state(const struct manage_reply *row, const struct task_status *status);
void view_info(struct console *c, const struct manage_reply *row);
