// SPDX-License-Identifier: BSD-2-Clause
// What the console is busy with (enum activity): how each begins and ends, and how root's answers
// and events move it on.

#include "console.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS   5000  // how long root may take
#define LONG_MS     60000 // and a VM's monitor, or a whole VM being saved
#define START_POLL  250
#define SPOKEN_MS   5000 // from its first output on the first prompt waits so long for a VM
#define TOP_MS      1000
#define FLUSH_MS    50
#define RECORDS_MAX 64 // of root, a turn

void console_prompt(struct console *c)
{
    c->activity = IDLE;
    c->shown = NULL;
    c->deadline = 0;
    c->tag = 0;
    line_draw(&c->line, &c->out);
}

void console_request(struct console *c, enum activity activity, enum manage_op op, const char *name)
{
    c->row_count = op == MANAGE_LIST ? 0 : c->row_count;
    snprintf(c->request_name, sizeof(c->request_name), "%s", name);
    c->tag = manager_send(&c->manager, op, name);
    if (c->tag != 0 && op == MANAGE_LIST)
        c->tag = manager_send(&c->manager, MANAGE_SYSTEM, "");
    if (c->tag == 0 && activity != STARTING) {
        out_text(&c->out, "The manager (root) takes no requests now. Try again in a moment.\n");
        console_prompt(c);
        return;
    }
    c->activity = activity;
    c->deadline = c->now + console_ticks(c, activity == STARTING   ? START_POLL
                                            : activity == SNAPSHOT ? LONG_MS
                                                                   : ANSWER_MS);
}

void console_monitor(struct console *c, const char *name, const char *text)
{
    snprintf(c->request_name, sizeof(c->request_name), "%s", name);
    c->tag = manager_monitor(&c->manager, name, text);
    c->activity = MONITOR;
    c->deadline = c->now + console_ticks(c, LONG_MS);
    if (c->tag == 0) {
        out_text(&c->out, "The manager (root) takes no requests now. Try again in a moment.\n");
        console_prompt(c);
    }
}

// The kernel writes to the line directly: what the console has said must be out by then.
void console_kernel(struct console *c, const char *text)
{
    snprintf(c->request_name, sizeof(c->request_name), "%s", text);
    c->cursor = 0;
    c->activity = KERNEL_FLUSH;
    c->deadline = c->now + console_ticks(c, FLUSH_MS);
}

static void kernel_step(struct console *c)
{
    c->tag = manager_kernel(&c->manager, c->request_name, c->cursor);
    c->activity = KERNEL;
    c->deadline = c->now + console_ticks(c, ANSWER_MS);
}

void console_attach(struct console *c, struct vm *vm)
{
    out_colour(&c->out, OUT_CYAN);
    out_print(&c->out, "[attached to %s; leave with Enter ~ . or ^] ]", vm->name);
    out_colour(&c->out, OUT_PLAIN);
    out_text(&c->out, "\n");
    c->activity = ATTACHED;
    c->deadline = 0;
    c->shown = vm;
    c->position = scroll_last_lines(&vm->scroll, REPLAY_LINES);
    c->end = UINT64_MAX;
    c->escape.state = ESCAPE_LINE_START;
    c->tag = manager_send(&c->manager, MANAGE_INFO, vm->name); // does it run at all?
}

void console_detach(struct console *c)
{
    out_colour(&c->out, OUT_PLAIN);
    out_print(&c->out, "\n[detached from %s]\n", c->shown->name);
    console_prompt(c);
}

void console_log(struct console *c, struct vm *vm)
{
    c->activity = LOG;
    c->deadline = 0;
    c->shown = vm;
    c->position = scroll_oldest(&vm->scroll);
    c->end = vm->scroll.head;
}

void console_end_log(struct console *c, const char *text)
{
    out_colour(&c->out, OUT_PLAIN);
    out_print(&c->out, "%s[end of the log of %s]\n", text, c->shown->name);
    console_prompt(c);
}

// Whether the first prompt waits for this VM: not for one that has ended, that is not known to get
// ready, or that has spoken for a while and did not.
static bool awaited(const struct console *c, const struct task_status *status)
{
    uint64_t output = __atomic_load_n(&status->tsc_first_output, __ATOMIC_RELAXED);

    if (__atomic_load_n(&status->tsc_ready, __ATOMIC_RELAXED) != 0 ||
        __atomic_load_n(&status->state, __ATOMIC_RELAXED) >= TASK_ENDED)
        return false;
    if (__atomic_load_n(&status->no_ready, __ATOMIC_RELAXED) != 0)
        return __atomic_load_n(&status->tsc_first_entry, __ATOMIC_RELAXED) == 0;
    return output == 0 || c->now < output || c->now - output < console_ticks(c, SPOKEN_MS);
}

static bool all_ready(const struct console *c)
{
    for (unsigned i = 0; i < c->row_count; i++) {
        const struct vm *vm = console_find((struct console *)c, c->rows[i].name);

        if (c->rows[i].kind == MANAGE_KIND_VM && c->rows[i].state == MANAGE_RUNNING && vm &&
            vm->status && awaited(c, vm->status))
            return false;
    }
    return c->row_count > 0;
}

void console_end_start(struct console *c)
{
    view_boot(c);
    if (c->row_count > 0)
        view_table(c, false);
    out_text(&c->out, "\nType `help`, or `console NAME`; leave a console with Enter ~ . or ^]\n");
    console_prompt(c);
}

void activity_check(struct console *c)
{
    if (c->deadline == 0 || c->now < c->deadline)
        return;
    switch (c->activity) {
    case STARTING:
        if (c->now >= c->start_end || !c->manager.present)
            console_end_start(c);
        else if (c->tag != 0)
            c->deadline = c->now + console_ticks(c, START_POLL); // not yet answered
        else
            console_request(c, STARTING, MANAGE_LIST, "");
        break;
    case TOP_PAUSE:
        console_request(c, TOP_SECOND, MANAGE_LIST, "");
        break;
    case KERNEL_FLUSH:
        kernel_step(c);
        break;
    default:
        out_print(&c->out, "The manager (root) did not answer within %u s.\n",
                  (c->activity == MONITOR || c->activity == SNAPSHOT ? LONG_MS : ANSWER_MS) / 1000);
        console_prompt(c);
    }
}

// ---- Records of root

static void event(struct console *c, const struct manage_reply *reply)
{
    if (c->activity == IDLE)
        line_wipe(&c->line, &c->out);
    else
        out_text(&c->out, "\n");
    out_colour(&c->out, OUT_YELLOW);
    out_print(&c->out, "[%s]", reply->message);
    out_colour(&c->out, OUT_PLAIN);
    out_text(&c->out, "\n");
    if (c->activity == IDLE)
        line_draw(&c->line, &c->out);
    else if (c->activity == ATTACHED) // was it about this VM?
        c->tag = manager_send(&c->manager, MANAGE_INFO, c->shown->name);
}

static void complete(struct console *c, const struct manage_reply *reply)
{
    static const char *const result[] = {"", "there is no such task; `list` shows all", "refused",
                                         "failed", "root does not know this request"};
    const char *text = reply->status <= MANAGE_BAD_REQUEST ? result[reply->status] : "failed";

    switch (c->activity) {
    case STARTING:
        if (all_ready(c))
            console_end_start(c);
        return;
    case ATTACHED:
        if (reply->status != MANAGE_OK || reply->state == MANAGE_RUNNING)
            return;
        out_print(&c->out, "\n[%s is %s; `start %s` starts it]", c->shown->name,
                  view_state(reply, NULL), c->shown->name);
        console_detach(c);
        return;
    case LISTING:
    case TOP_SECOND:
        view_table(c, c->activity == TOP_SECOND);
        break;
    case TOP_FIRST:
        for (unsigned i = 0; i < c->row_count; i++)
            c->ticks_before[i] = c->rows[i].value;
        c->rows_time_before = c->rows_time;
        c->activity = TOP_PAUSE;
        c->deadline = c->now + console_ticks(c, TOP_MS);
        return;
    case KERNEL:
        c->cursor = reply->value;
        if (reply->status == MANAGE_OK && c->cursor != 0) {
            kernel_step(c);
            return;
        }
        if (reply->status != MANAGE_OK)
            out_print(&c->out, "kernel: %s%s%s\n", text, reply->message[0] != '\0' ? ": " : "",
                      reply->message);
        break;
    default:
        if (reply->status != MANAGE_OK)
            out_print(&c->out, "%s: %s%s%s\n", c->request_name, text,
                      reply->message[0] != '\0' ? ": " : "", reply->message);
        else if (c->activity == INFO)
            view_info(c, reply);
        else if (c->activity == MONITOR)
            out_text(&c->out, reply->message);
        else if (c->activity == SNAPSHOT)
            out_print(&c->out, "%s: %s\n", c->request_name, reply->message);
        else
            out_print(&c->out, "%s: %s\n", c->request_name, view_state(reply, NULL));
    }
    console_prompt(c);
}

bool activity_receive(struct console *c)
{
    struct manage_reply reply;

    for (unsigned i = 0; i < RECORDS_MAX; i++) {
        // What an attached VM printed last comes before the news that it ended.
        if (c->activity == ATTACHED &&
            (c->position < c->shown->scroll.head || ring_used(&c->shown->rx) > 0))
            return false;
        if (!out_has_room(&c->out) || !manager_receive(&c->manager, &reply))
            return false;
        if (reply.tag == 0) {
            event(c, &reply);
        } else if (reply.tag == c->tag && reply.more && c->activity == MONITOR) {
            out_text(&c->out, reply.message);
            c->deadline = c->now + console_ticks(c, LONG_MS);
        } else if (reply.tag == c->tag) {
            if (c->activity == STARTING || c->activity == LISTING || c->activity == TOP_FIRST ||
                c->activity == TOP_SECOND) {
                c->ram_total = reply.memory;
                c->ram_free = reply.value;
                c->rows_time = c->now;
            }
            c->tag = 0;
            complete(c, &reply);
        } else if (reply.tag + 1 == c->tag && c->row_count < CONSOLE_TASKS) {
            c->rows[c->row_count++] = reply; // of the list; its end is the reply behind it
        }
    }
    return true;
}
