// SPDX-License-Identifier: BSD-2-Clause
// The monitor of one VM: commands that its operator types at the prompt (`vm NAME COMMAND ...`),
// which come through root. Whoever has something to offer registers it: a name, a line of help, a
// function. Answers are text of any length.
//
// On the channel (CHANNEL_MONITOR): a line ended by a newline; back comes text without a NUL, a
// NUL, and one byte: MONITOR_DONE or MONITOR_REFUSED. One command at a time.
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

#include "bulkhead/ring.h"
#include "bulkhead/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_COMMANDS 48
#define MONITOR_LINE     96

#define MONITOR_DONE    1
#define MONITOR_REFUSED 2

struct monitor;

/* `arguments` is what stands behind the command (and behind the device's name), without blanks at
 * its ends; "" when that is nothing. False: the command is refused, for a reason that it has
 * printed. */
typedef bool monitor_run(void *dev, const char *arguments, struct monitor *monitor);

struct monitor_command {
    const char *name;
    const char *device; /* the first argument that it is meant for, NULL: any */
    const char *help;
    monitor_run *run;
    void *dev;
};

struct monitor {
    const struct task_channel *channel; /* NULL: there is none */
    struct ring_end rx, tx;
    /* Tells the peer to look; waits until it did, at most a moment: false, it does not read. */
    void (*tell)(void *vm);
    bool (*wait)(void *vm);
    void *vm;
    struct monitor_command command[MONITOR_COMMANDS];
    unsigned commands;
    char line[MONITOR_LINE];
    unsigned length;
    bool busy; /* a command runs */
    bool deaf; /* the peer stopped reading: the rest of the answer is dropped */
};

/* Opens the channel of `info`, if it has one. */
void monitor_init(struct monitor *monitor, const struct task_info *info, void (*tell)(void *vm),
                  bool (*wait)(void *vm), void *vm);

/* Adds a command; all strings must stay valid. With `device` several may have one name. Dropped
 * when there are too many. */
void monitor_add(struct monitor *monitor, const char *name, const char *device, const char *help,
                 monitor_run *run, void *dev);

/* The peer raised: takes what came, and runs the commands in it. */
void monitor_serve(struct monitor *monitor);

/* Output of the command that runs; NULs in it are dropped. */
void monitor_write(struct monitor *monitor, const void *bytes, size_t n);
void monitor_print(struct monitor *monitor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A file as text: `begin-base64 644 NAME`, lines of base64, `====`: uudecode reads it. Start, any
 * number of parts, end. */
struct monitor_file {
    struct monitor *monitor;
    uint8_t rest[57];
    unsigned count;
};
void monitor_file_begin(struct monitor_file *file, struct monitor *monitor, const char *name);
void monitor_file_write(struct monitor_file *file, const void *bytes, size_t n);
void monitor_file_end(struct monitor_file *file);

#endif
