// SPDX-License-Identifier: BSD-2-Clause
// The console's turn: input, messages of root, output of the VMs.

#include "console.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/math.h"

#define ANSWER_MS   5000  // how long root may take
#define START_MS    30000 // how long the first prompt waits for the VMs
#define START_POLL  250
#define TOP_MS      1000
#define RECORDS_MAX 64 // of root, a turn

uint64_t console_ms(const struct console *c, uint64_t ticks)
{
    return c->info->tsc_hz != 0 ? mul_div64(ticks, 1000, c->info->tsc_hz) : 0;
}

uint64_t console_ticks(const struct console *c, uint64_t ms)
{
    return mul_div64(ms, c->info->tsc_hz, 1000);
}

struct vm *console_find(struct console *c, const char *name)
{
    for (unsigned i = 0; i < c->vm_count; i++)
        if (strcmp(c->vms[i].name, name) == 0)
            return &c->vms[i];
    return NULL;
}

static bool open_channel(const struct task_channel *channel, struct ring_end *rx,
                         struct ring_end *tx)
{
    uint32_t size = ring_capacity(channel->ring_bytes);

    return ring_open(rx, (struct ring *)(uintptr_t)channel->rx, size, RING_CONSUMER) &&
           ring_open(tx, (struct ring *)(uintptr_t)channel->tx, size, RING_PRODUCER);
}

void console_init(struct console *c, const struct task_info *info, uint64_t now, uint8_t *scroll,
                  uint32_t scroll_size, void (*raise)(unsigned peer_slot))
{
    uint32_t part = CONSOLE_SCROLL_MAX;

    memset(c, 0, sizeof(*c));
    c->info = info;
    c->raise = raise;
    c->now = now;
    out_init(&c->out);
    line_init(&c->line);
    c->ram_total = info->ram_total;
    c->ram_free = info->ram_free;
    for (unsigned i = 0; i < info->channel_count && i < TASK_CHANNEL_MAX; i++) {
        const struct task_channel *channel = &info->channels[i];
        struct vm *vm = &c->vms[c->vm_count];

        if (channel->kind == CHANNEL_MANAGEMENT) {
            c->manager.present = open_channel(channel, &c->manager.rx, &c->manager.tx);
            c->manager_slot = channel->peer_slot;
        } else if (channel->kind == CHANNEL_CONSOLE && open_channel(channel, &vm->rx, &vm->tx)) {
            memcpy(vm->name, channel->peer, sizeof(vm->name));
            vm->name[sizeof(vm->name) - 1] = '\0';
            vm->peer_slot = channel->peer_slot;
            vm->status = (const struct task_status *)(uintptr_t)channel->status;
            c->vm_count++;
        }
    }
    while (c->vm_count * part > scroll_size)
        part /= 2;
    for (unsigned i = 0; i < c->vm_count; i++)
        scroll_init(&c->vms[i].scroll, scroll + i * part, part);
    view_banner(c);
    c->activity = STARTING;
    c->deadline = now;
    c->start_end = now + console_ticks(c, START_MS);
}

// ---- Activities

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
    c->deadline = c->now + console_ticks(c, activity == STARTING ? START_POLL : ANSWER_MS);
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

static void detach(struct console *c)
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

static void end_log(struct console *c, const char *text)
{
    out_colour(&c->out, OUT_PLAIN);
    out_print(&c->out, "%s[end of the log of %s]\n", text, c->shown->name);
    console_prompt(c);
}

static bool all_ready(const struct console *c)
{
    for (unsigned i = 0; i < c->row_count; i++) {
        const struct vm *vm = console_find((struct console *)c, c->rows[i].name);

        if (c->rows[i].kind == MANAGE_KIND_VM && c->rows[i].state == MANAGE_RUNNING && vm &&
            vm->status && __atomic_load_n(&vm->status->tsc_ready, __ATOMIC_RELAXED) == 0)
            return false;
    }
    return c->row_count > 0;
}

static void end_start(struct console *c)
{
    view_boot(c);
    if (c->row_count > 0)
        view_table(c, false);
    out_text(&c->out, "\nType `help`, or `console NAME`; leave a console with Enter ~ . or ^]\n");
    console_prompt(c);
}

static void check_deadline(struct console *c)
{
    if (c->deadline == 0 || c->now < c->deadline)
        return;
    switch (c->activity) {
    case STARTING:
        if (c->now >= c->start_end || !c->manager.present)
            end_start(c);
        else if (c->tag != 0)
            c->deadline = c->now + console_ticks(c, START_POLL); // not yet answered
        else
            console_request(c, STARTING, MANAGE_LIST, "");
        break;
    case TOP_PAUSE:
        console_request(c, TOP_SECOND, MANAGE_LIST, "");
        break;
    default:
        out_print(&c->out, "The manager (root) did not answer within %u s.\n", ANSWER_MS / 1000);
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
            end_start(c);
        return;
    case ATTACHED:
        if (reply->status != MANAGE_OK || reply->state == MANAGE_RUNNING)
            return;
        out_print(&c->out, "\n[%s is %s; `start %s` starts it]", c->shown->name,
                  view_state(reply, NULL), c->shown->name);
        detach(c);
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
    default:
        if (reply->status != MANAGE_OK)
            out_print(&c->out, "%s: %s%s%s\n", c->request_name, text,
                      reply->message[0] != '\0' ? ": " : "", reply->message);
        else if (c->activity == INFO)
            view_info(c, reply);
        else
            out_print(&c->out, "%s: %s\n", c->request_name, view_state(reply, NULL));
    }
    console_prompt(c);
}

static bool receive(struct console *c)
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

// ---- Input

void console_type(struct console *c, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        bool waits = c->activity != IDLE && c->activity != ATTACHED && c->activity != STARTING;

        if (waits && bytes[i] == 3) { // ^C
            if (c->activity == LOG)
                end_log(c, "^C\n");
            else
                console_prompt(c);
        } else if (c->typed_head - c->typed_tail < TYPED_SIZE) {
            c->typed[c->typed_head++ % TYPED_SIZE] = bytes[i];
        } else {
            out_text(&c->out, "\a");
        }
    }
}

static void type_to_guest(struct console *c, uint8_t byte)
{
    uint8_t send[2];
    int n = escape_feed(&c->escape, byte, send);

    if (n == ESCAPE_DETACH)
        detach(c);
    else if (n > 0 && ring_write(&c->shown->tx, send, (uint32_t)n) < (uint32_t)n)
        out_text(&c->out, "\a"); // the guest does not read: like a full terminal queue
}

static void type_to_prompt(struct console *c, uint8_t byte)
{
    bool starting = c->activity == STARTING;
    uint32_t before = c->out.head;
    enum line_event event = line_feed(&c->line, &c->out, byte);
    char text[LINE_MAX_LENGTH + 1];

    if (starting)
        c->out.head = before; // nothing is echoed yet: the first prompt shows what was typed
    if (event == LINE_ANSWER)
        c->out.colour = true;
    if (event == LINE_TAB && !starting)
        command_complete(c);
    if (event != LINE_READY)
        return;
    if (starting)
        end_start(c);
    if (starting && c->line.length == 0)
        return;
    if (starting)
        out_text(&c->out, "\n");
    memcpy(text, c->line.text, sizeof(text));
    line_done(&c->line);
    command_run(c, text);
}

static void take_input(struct console *c)
{
    while (c->typed_tail != c->typed_head) {
        bool prompt = c->activity == IDLE || c->activity == STARTING;

        if (!(prompt && out_has_room(&c->out)) && c->activity != ATTACHED)
            return;
        if (prompt)
            type_to_prompt(c, c->typed[c->typed_tail++ % TYPED_SIZE]);
        else
            type_to_guest(c, c->typed[c->typed_tail++ % TYPED_SIZE]);
    }
}

// ---- Guest output

static bool pump(struct console *c, struct vm *vm)
{
    uint8_t bytes[512];
    uint32_t left = PUMP_QUOTA;

    while (left > 0) {
        uint32_t n = left < sizeof(bytes) ? left : (uint32_t)sizeof(bytes);

        if (vm == c->shown && scroll_oldest(&vm->scroll) <= c->position) {
            uint64_t room = vm->scroll.size - (vm->scroll.head - c->position);

            n = n < room ? n : (uint32_t)room;
            if (n == 0)
                return false; // the terminal is slow: the VM waits
        }
        n = ring_read(&vm->rx, bytes, n);
        if (n == 0)
            return false;
        scroll_add(&vm->scroll, bytes, n);
        left -= n;
    }
    return true;
}

static void tell_peers(struct console *c)
{
    for (unsigned i = 0; i < c->vm_count; i++) {
        struct vm *vm = &c->vms[i];

        if (vm->rx.raise || vm->tx.raise)
            c->raise(vm->peer_slot);
        vm->rx.raise = vm->tx.raise = false;
    }
    if (c->manager.rx.raise || c->manager.tx.raise)
        c->raise(c->manager_slot);
    c->manager.rx.raise = c->manager.tx.raise = false;
}

bool console_turn(struct console *c, uint64_t now)
{
    bool more;

    c->now = now;
    take_input(c);
    more = receive(c);
    check_deadline(c);
    for (unsigned i = 0; i < c->vm_count; i++)
        more |= pump(c, &c->vms[i]);
    tell_peers(c);
    return more;
}

uint64_t console_deadline(const struct console *c)
{
    return c->deadline;
}

bool console_has_output(const struct console *c)
{
    return out_used(&c->out) > 0 || (c->shown && c->position < c->shown->scroll.head);
}

uint32_t console_output(struct console *c, uint8_t *to, uint32_t n)
{
    uint32_t done = out_take(&c->out, to, n);

    if (!c->shown || done == n)
        return done;
    if (n - done > c->end - c->position)
        n = done + (uint32_t)(c->end > c->position ? c->end - c->position : 0);
    done += scroll_read(&c->shown->scroll, &c->position, to + done, n - done);
    if (c->activity == LOG && c->position >= c->end)
        end_log(c, "\n");
    return done;
}
