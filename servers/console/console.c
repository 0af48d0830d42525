// SPDX-License-Identifier: BSD-2-Clause
// The console's turn: input, messages of root, output of the VMs.

#include "console.h"

#include <string.h>

#include "bulkhead/math.h"

// A VM that prints is not heard again for so long after its ring was emptied. It raises the console
// only when it writes into an empty ring, so it is this that keeps a guest's output from costing
// two task switches a byte.
#define REST_SHOWN_MS 1
#define REST_MS       20
#define START_MS      30000 // how long the first prompt waits for the VMs

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

// ---- Input

void console_type(struct console *c, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        bool waits = c->activity != IDLE && c->activity != ATTACHED && c->activity != STARTING;

        if (waits && bytes[i] == 3) { // ^C
            if (c->activity == LOG)
                console_end_log(c, "^C\n");
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
        console_detach(c);
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
        console_end_start(c);
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
    uint32_t taken = 0, n;
    uint8_t bytes[512];

    if (c->now < vm->rest_until)
        return false;
    do {
        n = sizeof(bytes);
        if (vm == c->shown && scroll_oldest(&vm->scroll) <= c->position) {
            uint64_t room = vm->scroll.size - (vm->scroll.head - c->position);

            n = n < room ? n : (uint32_t)room; // 0: the terminal is slow, and the VM waits
        }
        n = ring_read(&vm->rx, bytes, n);
        scroll_add(&vm->scroll, bytes, n);
        taken += n;
    } while (n > 0 && taken < PUMP_QUOTA);
    if (n > 0)
        return true;
    if (taken > 0)
        vm->rest_until = c->now + console_ticks(c, vm == c->shown ? REST_SHOWN_MS : REST_MS);
    return false;
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
    more = activity_receive(c);
    activity_check(c);
    for (unsigned i = 0; i < c->vm_count; i++)
        more |= pump(c, &c->vms[i]);
    tell_peers(c);
    return more;
}

uint64_t console_deadline(const struct console *c)
{
    uint64_t deadline = c->deadline;

    for (unsigned i = 0; i < c->vm_count; i++) {
        const struct vm *vm = &c->vms[i];

        if (c->now < vm->rest_until && (deadline == 0 || vm->rest_until < deadline) &&
            ring_used(&vm->rx) > 0)
            deadline = vm->rest_until;
    }
    return deadline;
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
        console_end_log(c, "\n");
    return done;
}
