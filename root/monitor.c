// SPDX-License-Identifier: BSD-2-Clause
// Commands for the monitors of VMs: passes an operator's line on to a vmm and its answer back, and
// keeps and restores snapshots, which take three such commands. One exchange with each VM at a
// time. HAZARD: a vmm may answer anything, for ever, late, or not at all: what it says is only ever
// text for the operator, and a number that is checked; it is read no faster than the manager takes
// it; what comes after the operator was told that nothing came is read and dropped, and only behind
// its end the next command is passed on.
#include <stdio.h>
#include <string.h>

#include "bulkhead/ring.h"
#include "bulkhead/syscall.h"
#include "task.h"

enum purpose { NOTHING, RELAY, SIZE, SAVE };

#define PATIENCE_S 10         // without a byte; a vmm waits half of that for its vCPUs
#define SAVE_SPEED (32 * MIB) // bytes a second, at least

static struct exchange {
    enum purpose purpose;
    struct task *task;
    uint32_t tag;
    struct ring_end rx, tx;
    char text[104]; // of the answer, for SIZE and SAVE
    unsigned length;
    bool ended;     // its end has been seen: the next byte is the status
    bool late;      // the operator was told that there is no answer
    uint64_t limit; // TSC: when that will be
} exchanges[TASK_MAX];

uint64_t monitor_deadline = UINT64_MAX;

static struct ring *rings_of(const struct task *task, unsigned half)
{
    return (struct ring *)(WINDOW_MONITOR + task->index * MONITOR_STEP + half * MONITOR_RING);
}

static void tell(const struct exchange *e)
{
    sys_raise(e->task->signal, 1ull << channel_of_monitor(e->task->config));
}

static void wait_from_now(struct exchange *e)
{
    uint64_t seconds = PATIENCE_S;

    if (e->purpose == SAVE)
        seconds += e->task->snapshot.size / SAVE_SPEED;
    e->limit = task_tsc() + seconds * boot->tsc_hz;
}

// The VM does not run: nobody else looks at the rings.
void monitor_reset(struct task *task)
{
    uint32_t capacity = ring_capacity(MONITOR_RING);

    ring_init(rings_of(task, 0), capacity);
    ring_init(rings_of(task, 1), capacity);
}

static bool ask(struct exchange *e, enum purpose purpose, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);

    if (ring_free(&e->tx) <= n)
        return false;
    ring_write(&e->tx, text, n);
    ring_write(&e->tx, "\n", 1);
    e->purpose = purpose;
    e->length = 0;
    e->ended = false;
    wait_from_now(e);
    tell(e);
    return true;
}

static void say(const struct exchange *e, enum manage_status status, uint32_t more,
                const char *text)
{
    struct manage_reply reply = {.tag = e->tag, .status = status, .more = more};

    if (e->late)
        return;
    snprintf(reply.name, sizeof(reply.name), "%s", e->task->config->name);
    snprintf(reply.message, sizeof(reply.message), "%s", text);
    manage_answer(&reply);
}

static void answer(struct exchange *e, enum manage_status status, const char *text)
{
    say(e, status, 0, text);
    e->purpose = NOTHING;
}

const char *monitor_ask(struct task *task, uint32_t tag, const char *text)
{
    struct exchange *e = &exchanges[task->index];
    uint32_t capacity = ring_capacity(MONITOR_RING);

    if (task->config->kind != MANAGE_KIND_VM)
        return "it is not a VM";
    if (task->state != MANAGE_RUNNING)
        return "it does not run";
    if (e->purpose != NOTHING)
        return e->late ? "its monitor has not answered the command before"
                       : "its monitor is being asked";
    e->task = task;
    e->tag = tag;
    e->late = false;
    if (!ring_open(&e->tx, rings_of(task, 0), capacity, RING_PRODUCER) ||
        !ring_open(&e->rx, rings_of(task, 1), capacity, RING_CONSUMER) ||
        !ask(e, text ? RELAY : SIZE, text ? text : "snapshot-size"))
        return "its monitor does not read";
    return NULL;
}

// SIZE: the vmm told how many bytes its state has, and holds the guest.
static void begin_save(struct exchange *e)
{
    struct task *task = e->task;
    uint64_t bytes = 0;
    const char *c = e->text;

    for (; *c >= '0' && *c <= '9' && bytes < 1ull << 50; c++)
        bytes = bytes * 10 + (uint64_t)(*c - '0');
    if (*c || bytes == 0 || bytes > task->config->memory + (64ull << 20)) {
        answer(e, MANAGE_FAILED, "its monitor told no size");
        return;
    }
    ram_free(&task->snapshot);
    task->snapshot_size = 0;
    if (vm_alloc_quietly(task, &task->snapshot, page_up(bytes), PAGE) != OK ||
        sys_map(task->task, task->snapshot.mem, 0, SNAPSHOT_ADDRESS, task->snapshot.size,
                READ_WRITE) != OK) {
        ram_free(&task->snapshot);
        ask(e, SAVE, "snapshot-cancel");
        return;
    }
    if (!ask(e, SAVE, "snapshot-save"))
        answer(e, MANAGE_FAILED, "its monitor does not read");
    else
        task->snapshot_size = bytes;
}

static void end_save(struct exchange *e, bool good)
{
    struct task *task = e->task;
    char text[sizeof(e->text)];

    if (!good || task->snapshot.mem == CAP_NONE) {
        ram_free(&task->snapshot);
        answer(e, MANAGE_FAILED, good ? "there is not enough memory for the snapshot" : e->text);
        return;
    }
    sys_unmap(task->task, SNAPSHOT_ADDRESS, task->snapshot.size);
    snprintf(text, sizeof(text), "saved, %llu KiB",
             (unsigned long long)(task->snapshot_size >> 10));
    answer(e, MANAGE_OK, text);
}

// What the vmm said, byte by byte.
static void take(struct exchange *e, char byte)
{
    bool good = byte == 1;

    if (e->ended) {
        if (e->purpose == SAVE)
            end_save(e, good);
        else if (e->purpose == SIZE && good && e->late) // it holds the guest: nobody waits for that
            ask(e, RELAY, "snapshot-cancel");
        else if (e->purpose == SIZE && good)
            begin_save(e);
        else
            answer(e, good ? MANAGE_OK : MANAGE_REFUSED, e->purpose == SIZE ? e->text : "");
        return;
    }
    e->ended = byte == 0;
    if (e->length + 1 < sizeof(e->text) && byte != 0) {
        // HAZARD: it goes to the operator's terminal, which a vmm must not steer.
        bool plain = (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\t';
        e->text[e->length++] = plain ? byte : '?';
        e->text[e->length] = 0;
    }
    if (e->purpose == RELAY && e->length > 0 && (byte == 0 || e->length + 1 == sizeof(e->text))) {
        say(e, MANAGE_OK, 1, e->text);
        e->length = 0;
    }
}

static void serve(struct exchange *e)
{
    char byte;

    // bound: a ring of 4 KiB holds at most 40 full answers; the manager's ring takes fewer
    for (unsigned n = 0; n < MONITOR_RING && e->purpose != NOTHING && (e->late || manage_room()) &&
                         ring_read(&e->rx, &byte, 1) == 1;
         n++) {
        wait_from_now(e);
        take(e, byte);
    }
    if (e->purpose == NOTHING)
        return;
    if (e->rx.raise)
        tell(e);
    e->rx.raise = false;
    if (e->late || !manage_room()) // without room it is the manager's turn
        return;
    if (task_tsc() >= e->limit) {
        say(e, MANAGE_FAILED, 0, "its monitor does not answer");
        e->late = true;
    } else if (e->limit < monitor_deadline) {
        monitor_deadline = e->limit;
    }
}

void monitor_serve(void)
{
    monitor_deadline = UINT64_MAX;
    for (unsigned i = 0; i < config.count; i++)
        if (exchanges[i].purpose != NOTHING)
            serve(&exchanges[i]);
}

void monitor_ended(struct task *task)
{
    struct exchange *e = &exchanges[task->index];

    if (e->purpose == NOTHING)
        return;
    if (e->purpose == SAVE)
        ram_free(&task->snapshot);
    answer(e, MANAGE_FAILED, "it ended");
}

const char *monitor_restore(struct task *task)
{
    if (task->config->kind != MANAGE_KIND_VM)
        return "it is not a VM";
    if (task->snapshot.mem == CAP_NONE || exchanges[task->index].purpose == SAVE)
        return "it has no snapshot";
    if (task->state == MANAGE_RUNNING)
        task_stop(task, MANAGE_STOPPED);
    task->restoring = true;
    bool started = task_start(task);
    task->restoring = false;
    return started ? NULL : task->message;
}
