// SPDX-License-Identifier: BSD-2-Clause
// The management channel: requests of the operator, which the manager passes on
// (bulkhead/manage.h). HAZARD: the manager may write anything into its ring at any time: a request
// is copied out, then looked at.
#include <stdio.h>
#include <string.h>

#include "bulkhead/ring.h"
#include "bulkhead/syscall.h"
#include "task.h"

static struct ring_end requests, replies;
static struct manage_request pending; // what has come of the next request
static unsigned pending_bytes;
static bool prepared;

// Room that is kept for the answer to one request, which events may not take.
#define KERNEL_STEPS 16
#define ANSWER_ROOM  (TASK_MAX * (uint32_t)sizeof(struct manage_reply))

bool manage_prepare(void)
{
    struct task *manager = &tasks[config.manager];
    uint64_t bytes = manager->rings.size / 2;
    uint32_t capacity = ring_capacity(bytes);

    if (!task_check(manager,
                    sys_map(SLOT_TASK, manager->rings.mem, 0, WINDOW_MANAGE, 2 * bytes,
                            MAP_READ | MAP_WRITE),
                    "rings"))
        return false;
    prepared =
        ring_open(&replies, (struct ring *)WINDOW_MANAGE, capacity, RING_PRODUCER) &&
        ring_open(&requests, (struct ring *)(WINDOW_MANAGE + bytes), capacity, RING_CONSUMER);
    return prepared;
}

// The caller has made sure that it fits.
static void send(const struct manage_reply *reply)
{
    ring_write(&replies, reply, sizeof(*reply));
}

static void raise_manager(void)
{
    requests.raise = replies.raise = false;
    sys_raise(tasks[config.manager].signal, 1ull << channel_of_root());
}

bool manage_event(const char *text)
{
    struct manage_reply event = {.tag = 0};

    if (!prepared || tasks[config.manager].state != MANAGE_RUNNING)
        return false;
    snprintf(event.message, sizeof(event.message), "%s", text);
    if (ring_free(&replies) < ANSWER_ROOM + sizeof(event))
        return true; // dropped
    send(&event);
    raise_manager();
    return true;
}

static void describe(const struct task *task, struct manage_reply *reply)
{
    reply->kind = task->config->kind;
    snprintf(reply->name, sizeof(reply->name), "%s", task->config->name);
    reply->state = task->state;
    reply->priority = task->config->priority;
    reply->restarts = task->restarts;
    reply->host_cpu = task->config->host_cpu[0];
    reply->weight = task->config->weight;
    reply->budget_us = task->config->budget_us;
    reply->period_us = task->config->period_us;
    reply->overruns = 0;
    reply->memory = task_memory(task);
    if (task->task != CAP_NONE)
        sys_task_time(task->task, &reply->value, &reply->overruns);
    snprintf(reply->message, sizeof(reply->message), "%s", task->message);
}

static void list(struct manage_reply *reply)
{
    for (unsigned i = 0; i < config.count; i++) {
        reply->more = i + 1 < config.count;
        reply->value = 0;
        describe(&tasks[i], reply);
        if (reply->more)
            send(reply);
    }
}

static void refuse(struct manage_reply *reply, const char *why)
{
    reply->status = MANAGE_REFUSED;
    snprintf(reply->message, sizeof(reply->message), "%s", why);
}

// MANAGE_START, MANAGE_STOP, MANAGE_RESTART
static void control(struct task *task, uint32_t op, struct manage_reply *reply)
{
    if (task->config->kind != MANAGE_KIND_VM)
        return refuse(reply, "it is not a VM");
    if (op == MANAGE_START && task->state == MANAGE_RUNNING)
        return refuse(reply, "it runs already");
    if (op == MANAGE_STOP && task->state != MANAGE_RUNNING)
        return refuse(reply, "it does not run");
    if (task->state == MANAGE_RUNNING)
        task_stop(task, MANAGE_STOPPED);
    task->message[0] = 0;
    if (op != MANAGE_STOP && !task_start(task))
        reply->status = MANAGE_FAILED;
    describe(task, reply);
}

// A few steps, so that nobody waits long for root.
static void kernel(const struct manage_request *request, struct manage_reply *reply)
{
    char text[sizeof(request->name) + 1] = "";
    enum status status = OK;

    memcpy(text, request->name, sizeof(request->name));
    reply->value = request->cursor;
    for (unsigned i = 0; i < KERNEL_STEPS && status == OK && (i == 0 || reply->value != 0); i++)
        status = sys_hw_debug(SLOT_HW, text, &reply->value);
    if (status != OK)
        refuse(reply, status == ERR_ARG ? "this kernel has no debugger: make DEBUG=2"
                                        : status_name(status));
}

// False: the answer comes later.
static bool monitor(struct task *task, const struct manage_request *request,
                    struct manage_reply *reply)
{
    char text[MANAGE_TEXT];
    const char *why;

    memcpy(text, request->text, sizeof(text));
    text[sizeof(text) - 1] = 0;
    const char *command = text;
    while (*command == ' ')
        command++;
    if (strchr(text, '\n'))
        why = "a command is one line";
    else if (request->op == MANAGE_MONITOR && strncmp(command, "snapshot-", 9) == 0)
        why = "such commands are root's: the vmm relies on what it did before"; // maps the image
    else if (request->op == MANAGE_RESTORE)
        why = monitor_restore(task);
    else
        why = monitor_ask(task, request->tag, request->op == MANAGE_MONITOR ? text : NULL);
    if (why)
        refuse(reply, why);
    else if (request->op == MANAGE_RESTORE)
        snprintf(reply->message, sizeof(reply->message), "started from its snapshot");
    return why || request->op == MANAGE_RESTORE;
}

bool manage_room(void)
{
    return prepared && ring_free(&replies) >= ANSWER_ROOM + sizeof(struct manage_reply);
}

void manage_answer(const struct manage_reply *reply)
{
    if (!manage_room())
        return;
    send(reply);
    raise_manager();
}

static void serve(const struct manage_request *request)
{
    struct manage_reply reply = {.tag = request->tag, .status = MANAGE_OK};
    struct task *task = NULL;

    for (unsigned i = 0; i < config.count; i++)
        if (strncmp(config.tasks[i].name, request->name, TASK_NAME_SIZE) == 0)
            task = &tasks[i];
    switch (request->op) {
    case MANAGE_LIST:
        list(&reply);
        break;
    case MANAGE_SYSTEM:
        reply.memory = boot->ram_total;
        reply.value = ram_free_bytes();
        break;
    case MANAGE_INFO:
    case MANAGE_START:
    case MANAGE_STOP:
    case MANAGE_RESTART:
        if (!task)
            reply.status = MANAGE_UNKNOWN;
        else if (request->op == MANAGE_INFO)
            describe(task, &reply);
        else
            control(task, request->op, &reply);
        break;
    case MANAGE_MONITOR:
    case MANAGE_SNAPSHOT:
    case MANAGE_RESTORE:
        if (!task)
            reply.status = MANAGE_UNKNOWN;
        else if (!monitor(task, request, &reply))
            return; // it is answered later
        break;
    case MANAGE_KERNEL:
        kernel(request, &reply);
        break;
    case MANAGE_SHUTDOWN:
        sys_hw_ctl(SLOT_HW, HW_RESET, 0, NULL, NULL);
        reply.status = MANAGE_FAILED; // it came back
        break;
    case MANAGE_EXIT:
        sys_hw_ctl(SLOT_HW, HW_EXIT, 0, NULL, NULL);
        reply.status = MANAGE_FAILED;
        break;
    default:
        reply.status = MANAGE_BAD_REQUEST;
    }
    send(&reply);
}

void manage_serve(void)
{
    bool answered = false;

    // Bounded by what the ring holds: a manager that goes on writing while root answers runs itself
    // out of room for answers.
    while (prepared && ring_free(&replies) >= ANSWER_ROOM) {
        pending_bytes += ring_read(&requests, (char *)&pending + pending_bytes,
                                   (uint32_t)sizeof(pending) - pending_bytes);
        if (pending_bytes < sizeof(pending))
            break;
        pending_bytes = 0;
        serve(&pending);
        answered = true;
    }
    if (answered || requests.raise)
        raise_manager();
    monitor_serve(); // which may have waited for room
}
