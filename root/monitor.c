// SPDX-License-Identifier: BSD-2-Clause
// Commands for the monitors of VMs: passes an operator's line on to a vmm and its answer back, and
// keeps and restores snapshots, which take three such commands. One exchange at a time. HAZARD: a
// vmm may answer anything, for ever, or not at all: what it says is only ever text for the
// operator, and a number that is checked; it is read no faster than the manager takes it.
#include <stdio.h>
#include <string.h>

#include "bulkhead/ring.h"
#include "bulkhead/syscall.h"
#include "task.h"

enum purpose { NOTHING, RELAY, SIZE, SAVE };

static struct {
    enum purpose purpose;
    struct task *task;
    uint32_t tag;
    struct ring_end rx, tx;
    char text[104]; // of the answer, for SIZE and SAVE
    unsigned length;
    bool ended; // its end has been seen: the next byte is the status
} exchange;

static struct ring *rings_of(const struct task *task, unsigned half)
{
    return (struct ring *)(WINDOW_MONITOR + task->index * MONITOR_STEP + half * MONITOR_RING);
}

static void tell(void)
{
    sys_raise(exchange.task->signal, 1ull << channel_of_monitor(exchange.task->config));
}

// The VM does not run: nobody else looks at the rings.
void monitor_reset(struct task *task)
{
    uint32_t capacity = ring_capacity(MONITOR_RING);

    ring_init(rings_of(task, 0), capacity);
    ring_init(rings_of(task, 1), capacity);
}

static bool ask(enum purpose purpose, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);

    if (ring_free(&exchange.tx) <= n)
        return false;
    ring_write(&exchange.tx, text, n);
    ring_write(&exchange.tx, "\n", 1);
    exchange.purpose = purpose;
    exchange.length = 0;
    exchange.ended = false;
    tell();
    return true;
}

static void answer(enum manage_status status, uint32_t more, const char *text)
{
    struct manage_reply reply = {.tag = exchange.tag, .status = status, .more = more};

    snprintf(reply.name, sizeof(reply.name), "%s", exchange.task->config->name);
    snprintf(reply.message, sizeof(reply.message), "%s", text);
    manage_answer(&reply);
    if (!more)
        exchange.purpose = NOTHING;
}

const char *monitor_ask(struct task *task, uint32_t tag, const char *text)
{
    uint32_t capacity = ring_capacity(MONITOR_RING);

    if (task->config->kind != MANAGE_KIND_VM)
        return "it is not a VM";
    if (task->state != MANAGE_RUNNING)
        return "it does not run";
    if (exchange.purpose != NOTHING)
        return "another VM's monitor is being asked";
    exchange.task = task;
    exchange.tag = tag;
    if (!ring_open(&exchange.tx, rings_of(task, 0), capacity, RING_PRODUCER) ||
        !ring_open(&exchange.rx, rings_of(task, 1), capacity, RING_CONSUMER) ||
        !ask(text ? RELAY : SIZE, text ? text : "snapshot-size"))
        return "its monitor does not read";
    return NULL;
}

// SIZE: the vmm told how many bytes its state has, and holds the guest.
static void begin_save(void)
{
    struct task *task = exchange.task;
    uint64_t bytes = 0;
    const char *c = exchange.text;

    for (; *c >= '0' && *c <= '9' && bytes < 1ull << 50; c++)
        bytes = bytes * 10 + (uint64_t)(*c - '0');
    if (*c || bytes == 0 || bytes > task->config->memory + (64ull << 20)) {
        answer(MANAGE_FAILED, 0, "its monitor told no size");
        return;
    }
    ram_free(&task->snapshot);
    task->snapshot_size = 0;
    if (vm_alloc_quietly(task, &task->snapshot, page_up(bytes), PAGE) != OK ||
        sys_map(task->task, task->snapshot.mem, 0, SNAPSHOT_ADDRESS, task->snapshot.size,
                READ_WRITE) != OK) {
        ram_free(&task->snapshot);
        ask(SAVE, "snapshot-cancel");
        return;
    }
    if (!ask(SAVE, "snapshot-save"))
        answer(MANAGE_FAILED, 0, "its monitor does not read");
    else
        task->snapshot_size = bytes;
}

static void end_save(bool good)
{
    struct task *task = exchange.task;
    char text[sizeof(exchange.text)];

    if (!good || task->snapshot.mem == CAP_NONE) {
        ram_free(&task->snapshot);
        answer(MANAGE_FAILED, 0,
               good ? "there is not enough memory for the snapshot" : exchange.text);
        return;
    }
    sys_unmap(task->task, SNAPSHOT_ADDRESS, task->snapshot.size);
    snprintf(text, sizeof(text), "saved, %llu KiB",
             (unsigned long long)(task->snapshot_size >> 10));
    answer(MANAGE_OK, 0, text);
}

// What the vmm said, byte by byte; true when that was all.
static bool take(char byte)
{
    bool good = byte == 1;

    if (exchange.ended) {
        switch (exchange.purpose) {
        case RELAY:
            answer(good ? MANAGE_OK : MANAGE_REFUSED, 0, "");
            break;
        case SIZE:
            if (good)
                begin_save();
            else
                answer(MANAGE_REFUSED, 0, exchange.text);
            break;
        default:
            end_save(good);
        }
        return true;
    }
    exchange.ended = byte == 0;
    if (exchange.length + 1 < sizeof(exchange.text) && byte != 0) {
        // HAZARD: it goes to the operator's terminal, which a vmm must not steer.
        bool plain = (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\t';
        exchange.text[exchange.length++] = plain ? byte : '?';
        exchange.text[exchange.length] = 0;
    }
    if (exchange.purpose == RELAY && exchange.length > 0 &&
        (byte == 0 || exchange.length + 1 == sizeof(exchange.text))) {
        answer(MANAGE_OK, 1, exchange.text);
        exchange.length = 0;
    }
    return false;
}

void monitor_serve(void)
{
    char byte;

    // bound: a ring of 4 KiB holds at most 40 full answers; the manager's ring takes fewer
    while (exchange.purpose != NOTHING && manage_room() && ring_read(&exchange.rx, &byte, 1) == 1)
        if (take(byte))
            break;
    if (exchange.purpose != NOTHING && exchange.rx.raise) {
        exchange.rx.raise = false;
        tell();
    }
}

void monitor_ended(struct task *task)
{
    if (exchange.purpose == NOTHING || exchange.task != task)
        return;
    if (exchange.purpose == SAVE)
        ram_free(&task->snapshot);
    answer(MANAGE_FAILED, 0, "it ended");
}

const char *monitor_restore(struct task *task)
{
    if (task->config->kind != MANAGE_KIND_VM)
        return "it is not a VM";
    if (task->snapshot.mem == CAP_NONE || (exchange.purpose != NOTHING && exchange.task == task))
        return "it has no snapshot";
    if (task->state == MANAGE_RUNNING)
        task_stop(task, MANAGE_STOPPED);
    task->restoring = true;
    bool started = task_start(task);
    task->restoring = false;
    return started ? NULL : task->message;
}
