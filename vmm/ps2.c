// SPDX-License-Identifier: BSD-2-Clause
// 8042 and keyboard. Bytes wait in two queues, replies before scan codes, and enter the output
// buffer one by one as the guest reads it. Typed characters become keys that go down and up with
// time between them: games look at the keyboard now and then only, and a key that goes up at once
// was never down for them.
#include "ps2.h"

#include <stdio.h>
#include <string.h>

#define STATUS_OUT      0x01
#define STATUS_SYSTEM   0x04
#define STATUS_COMMAND  0x08 /* the last byte written was a command */
#define STATUS_UNLOCKED 0x10
#define STATUS_AUX      0x20
#define STATUS_TIMEOUT  0x40
#define STATUS_ALL      0x7d

#define CONFIG_IRQ       0x01
#define CONFIG_SYSTEM    0x04
#define CONFIG_OFF       0x10 /* keyboard's clock held low */
#define CONFIG_AUX_OFF   0x20 /* always set: there is no second port */
#define CONFIG_TRANSLATE 0x40
#define CONFIG_BITS      0x77
#define CONFIG_FIRMWARE  (CONFIG_IRQ | CONFIG_SYSTEM | CONFIG_AUX_OFF | CONFIG_TRANSLATE)

#define OUTPUT_RUN 0x01 /* low: reset */
#define OUTPUT_A20 0x02

#define ACK    0xfa
#define RESEND 0xfe
#define BREAK  0xf0

#define KEY_LSHIFT 0x12
#define KEY_LCTRL  0x14
#define KEY_LALT   0x11

/* Milliseconds: how long a key stays down when nothing follows it, or another key; how long an
 * Escape may be the beginning of a sequence. */
#define HOLD_LAST   100
#define HOLD_NEXT   15
#define HOLD_ESCAPE 40

#define STROKE_BYTES 12 /* at most: three modifiers, and a key with prefixes */

// clang-format off
/* Scan code set 2 to set 1, as the controller translates. */
static const uint8_t translation[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
// clang-format on

static uint8_t to_set1(uint8_t code)
{
    return code < 0x80 ? translation[code] : code == 0x83 ? 0x41 : code == 0x84 ? 0x54 : code;
}

static void drive(struct ps2 *ps2)
{
    bool level =
        ps2->s.status & STATUS_OUT && !(ps2->s.status & STATUS_AUX) && ps2->s.config & CONFIG_IRQ;
    if (level != ps2->irq_level) {
        ps2->irq_level = level;
        irq_line_set(&ps2->irq, level);
    }
}

/* The controller's own answers overwrite what was not read, as on hardware. */
static void answer(struct ps2 *ps2, uint8_t byte, uint8_t status)
{
    ps2->s.out = byte;
    ps2->s.status &= (uint8_t) ~(STATUS_AUX | STATUS_TIMEOUT);
    ps2->s.status |= STATUS_OUT | status;
}

/* Moves the keyboard's next byte into the empty output buffer. */
static void fill(struct ps2 *ps2)
{
    struct ps2_state *s = &ps2->s;
    while (!(s->status & STATUS_OUT) && !(s->config & CONFIG_OFF) && (s->replies || s->queued)) {
        uint8_t byte;
        if (s->replies) {
            byte = s->reply[s->reply_at];
            s->reply_at = (s->reply_at + 1) % PS2_REPLIES;
            s->replies--;
        } else {
            byte = s->queue[s->queue_at];
            s->queue_at = (s->queue_at + 1) % PS2_QUEUE;
            s->queued--;
        }
        s->last = byte;
        if (s->config & CONFIG_TRANSLATE) {
            if (byte == BREAK) {
                s->prefix = 0x80;
                continue;
            }
            byte = to_set1(byte) | (byte < 0x85 ? s->prefix : 0);
            s->prefix = 0;
        }
        answer(ps2, byte, 0);
    }
    drive(ps2);
}

static void reply(struct ps2 *ps2, uint8_t byte)
{
    struct ps2_state *s = &ps2->s;
    if (s->replies < PS2_REPLIES)
        s->reply[(s->reply_at + s->replies++) % PS2_REPLIES] = byte;
}

static void enqueue(struct ps2 *ps2, uint8_t byte)
{
    struct ps2_state *s = &ps2->s;
    if (s->queued < PS2_QUEUE)
        s->queue[(s->queue_at + s->queued++) % PS2_QUEUE] = byte;
}

static void key(struct ps2 *ps2, uint8_t code, bool extended, bool up)
{
    if (extended)
        enqueue(ps2, 0xe0);
    if (ps2->s.scan_set == 1) {
        enqueue(ps2, to_set1(code) | (up ? 0x80 : 0));
        return;
    }
    if (up)
        enqueue(ps2, BREAK);
    enqueue(ps2, code);
}

static void modifiers(struct ps2 *ps2, uint8_t flags, bool up)
{
    if (flags & KEY_CTRL)
        key(ps2, KEY_LCTRL, false, up);
    if (flags & KEY_ALT)
        key(ps2, KEY_LALT, false, up);
    if (flags & KEY_SHIFT)
        key(ps2, KEY_LSHIFT, false, up);
}

static void key_down(struct ps2 *ps2, uint64_t now)
{
    struct ps2_state *s = &ps2->s;
    modifiers(ps2, s->next.flags, false);
    key(ps2, s->next.code, s->next.flags & KEY_EXTENDED, false);
    s->down = s->next;
    s->next.code = 0;
    s->pressed = now;
}

static void key_up(struct ps2 *ps2)
{
    struct ps2_state *s = &ps2->s;
    key(ps2, s->down.code, s->down.flags & KEY_EXTENDED, true);
    modifiers(ps2, s->down.flags, true);
    s->down.code = 0;
}

static uint64_t after(const struct ps2 *ps2, uint64_t since, unsigned ms)
{
    return clock_add(since, clock_ticks(ps2->clock, ms, 1000));
}

/* Takes the next stroke out of what was typed. */
static void next_stroke(struct ps2 *ps2, uint64_t now)
{
    struct ps2_state *s = &ps2->s;
    while (s->next.code == 0 && s->typed_count > 0) {
        bool again;
        bool waited = keys_waiting(&s->parser);
        if (!keys_parse(&s->parser, s->typed[s->typed_at], &s->next, &again))
            s->next.code = 0;
        if (!waited && keys_waiting(&s->parser))
            s->escaped = now;
        if (!again) {
            s->typed_at = (s->typed_at + 1) % PS2_TYPED;
            s->typed_count--;
        }
    }
    if (s->next.code == 0 && keys_waiting(&s->parser)) {
        uint64_t end = after(ps2, s->escaped, HOLD_ESCAPE);
        if (now >= end)
            keys_escape(&s->parser, &s->next);
        else
            ps2->deadline = end;
    }
}

/* Presses and releases keys, as far as time and the queue allow; finds the deadline. */
static void work(struct ps2 *ps2, uint64_t now)
{
    struct ps2_state *s = &ps2->s;
    for (;;) { // bound: each turn presses or releases a key, and the queue fills up
        ps2->deadline = CLOCK_NEVER;
        if (!s->enabled || PS2_QUEUE - s->queued < STROKE_BYTES)
            break;
        next_stroke(ps2, now);
        if (s->down.code == 0 && s->next.code == 0)
            break;
        if (s->down.code != 0) {
            uint64_t end = after(ps2, s->pressed, s->next.code == 0 ? HOLD_LAST : HOLD_NEXT);
            if (now < end) {
                ps2->deadline = end < ps2->deadline ? end : ps2->deadline;
                break;
            }
            key_up(ps2); /* also when it is typed again: Linux ignores a quick repetition */
            continue;
        }
        key_down(ps2, now);
    }
    fill(ps2);
}

size_t ps2_type(struct ps2 *ps2, const uint8_t *bytes, size_t n)
{
    struct ps2_state *s = &ps2->s;
    size_t taken = 0;
    while (taken < n && s->typed_count < PS2_TYPED)
        s->typed[(s->typed_at + s->typed_count++) % PS2_TYPED] = bytes[taken++];
    ps2->starved = taken < n;
    if (taken > 0)
        work(ps2, clock_now(ps2->clock));
    return taken;
}

/* As far as it goes; then asks for more when there is room again. */
static void progress(struct ps2 *ps2, uint64_t now)
{
    work(ps2, now);
    if (ps2->starved && ps2->s.typed_count <= PS2_TYPED / 2) {
        ps2->starved = false;
        if (ps2->room != NULL)
            ps2->room(ps2->ctx);
    }
}

void ps2_expire(void *dev, uint64_t now)
{
    struct ps2 *ps2 = dev;
    if (now >= ps2->deadline)
        progress(ps2, now);
}

static void keyboard_defaults(struct ps2 *ps2)
{
    ps2->s.scan_set = 2;
    ps2->s.leds = 0;
    ps2->s.rate = 0x2b; /* 10.9 a second after 500 ms */
    ps2->s.kbd_command = 0;
    ps2->s.queued = 0;
    ps2->s.prefix = 0;
    ps2->s.down.code = 0;
}

/* The second byte of a keyboard command. */
static bool keyboard_data(struct ps2 *ps2, uint8_t value)
{
    struct ps2_state *s = &ps2->s;
    uint8_t command = s->kbd_command;
    s->kbd_command = 0;
    if (value >= 0xed) /* a new command */
        return false;
    if (command == 0xf0 && value > 2) {
        reply(ps2, RESEND); /* set 3 is not offered */
        return true;
    }
    reply(ps2, ACK);
    if (command == 0xed)
        s->leds = value & 7;
    else if (command == 0xf3)
        s->rate = value & 0x7f;
    else if (command == 0xf0 && value == 0)
        reply(ps2, s->scan_set);
    else if (command == 0xf0)
        s->scan_set = value;
    return true;
}

static void keyboard_write(struct ps2 *ps2, uint8_t value)
{
    struct ps2_state *s = &ps2->s;
    if (s->kbd_command != 0 && keyboard_data(ps2, value))
        return;
    switch (value) {
    case 0xee: /* echo */
        reply(ps2, 0xee);
        return;
    case 0xfe: /* resend */
        reply(ps2, s->last);
        return;
    case 0xed: /* lamps */
    case 0xf0: /* scan code set */
    case 0xf3: /* rate of repetition */
        s->kbd_command = value;
        break;
    case 0xf2: /* identify */
        reply(ps2, ACK);
        reply(ps2, 0xab);
        reply(ps2, 0x83);
        return;
    case 0xf4:
        s->enabled = true;
        s->queued = 0;
        break;
    case 0xf5: /* disable */
    case 0xf6: /* defaults */
        keyboard_defaults(ps2);
        s->enabled = value == 0xf6;
        break;
    case 0xf7 ... 0xfa: /* all keys: for set 3 only */
        break;
    case 0xff:
        keyboard_defaults(ps2);
        s->replies = 0;
        s->enabled = true;
        reply(ps2, ACK);
        reply(ps2, 0xaa);
        return;
    default:
        reply(ps2, RESEND);
        return;
    }
    reply(ps2, ACK);
}

static void reset_request(struct ps2 *ps2)
{
    if (ps2->request_reset != NULL)
        ps2->request_reset(ps2->ctx);
}

/* The data byte of a controller command. */
static void command_data(struct ps2 *ps2, uint8_t command, uint8_t value)
{
    switch (command) {
    case 0x60:
        ps2->s.config = (value & CONFIG_BITS) | CONFIG_AUX_OFF;
        ps2->s.status &= (uint8_t)~STATUS_SYSTEM;
        ps2->s.status |= value & CONFIG_SYSTEM;
        break;
    case 0xd1:
        if (!(value & OUTPUT_RUN))
            reset_request(ps2);
        break;
    case 0xd2: /* as if from the keyboard */
    case 0xd3: /* as if from a mouse; without its flag: there is no second port */
        answer(ps2, value, 0);
        break;
    case 0xd4: /* to the mouse: nobody answers */
        answer(ps2, RESEND, STATUS_AUX | STATUS_TIMEOUT);
        break;
    default:
        break;
    }
}

static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct ps2 *ps2 = dev;
    uint8_t command = ps2->s.command;
    ps2->s.status &= (uint8_t)~STATUS_COMMAND;
    ps2->s.command = 0;
    if (command != 0) {
        command_data(ps2, command, (uint8_t)value);
    } else {
        ps2->s.config &= (uint8_t)~CONFIG_OFF; /* to talk to the keyboard, its clock must run */
        keyboard_write(ps2, (uint8_t)value);
    }
    progress(ps2, clock_now(ps2->clock));
    drive(ps2);
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    struct ps2 *ps2 = dev;
    uint8_t value = ps2->s.out;
    ps2->s.status &= (uint8_t) ~(STATUS_OUT | STATUS_AUX | STATUS_TIMEOUT);
    drive(ps2); /* down before the next byte drives it up: the guest needs an edge for each */
    progress(ps2, clock_now(ps2->clock));
    return value;
}

static uint64_t status_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    const struct ps2 *ps2 = dev;
    return ps2->s.status;
}

static void command_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct ps2 *ps2 = dev;
    struct ps2_state *s = &ps2->s;
    uint8_t command = (uint8_t)value;
    s->status |= STATUS_COMMAND;
    s->command = 0;
    switch (command) {
    case 0x20:
        answer(ps2, s->config, 0);
        break;
    case 0x60:
    case 0xd1 ... 0xd4:
        s->command = command;
        break;
    case 0xa4: /* is there a password? */
        answer(ps2, 0xf1, 0);
        break;
    case 0xa9: /* test of the second port: its clock line is stuck */
        answer(ps2, 0x01, 0);
        break;
    case 0xaa: /* self test */
        s->status |= STATUS_SYSTEM;
        s->config |= CONFIG_SYSTEM;
        answer(ps2, 0x55, 0);
        break;
    case 0xab: /* test of the keyboard's port */
    case 0xe0: /* test inputs */
        answer(ps2, 0x00, 0);
        break;
    case 0xad:
        s->config |= CONFIG_OFF;
        break;
    case 0xae:
        s->config &= (uint8_t)~CONFIG_OFF;
        break;
    case 0xc0: /* input port: the lock is open */
        answer(ps2, 0x80, 0);
        break;
    case 0xd0:
        answer(ps2, OUTPUT_RUN | OUTPUT_A20 | (s->status & STATUS_OUT ? 0x10 : 0), 0);
        break;
    case 0xf0 ... 0xff: /* pulse the output port's bits that are 0 */
        if (!(command & OUTPUT_RUN))
            reset_request(ps2);
        break;
    default: /* second port on and off, A20: nothing to do */
        break;
    }
    progress(ps2, clock_now(ps2->clock));
    drive(ps2);
}

static void reset(void *dev)
{
    struct ps2 *ps2 = dev;
    memset(&ps2->s, 0, sizeof(ps2->s));
    ps2->s.config = CONFIG_FIRMWARE;
    ps2->s.status = STATUS_SYSTEM | STATUS_UNLOCKED;
    ps2->s.enabled = true;
    keyboard_defaults(ps2);
    ps2->deadline = CLOCK_NEVER;
    drive(ps2);
}

void ps2_init(struct ps2 *ps2, const struct clock *clock, struct irq_line irq,
              void (*request_reset)(void *ctx), void (*room)(void *ctx), void *ctx)
{
    memset(ps2, 0, sizeof(*ps2));
    ps2->clock = clock;
    ps2->irq = irq;
    ps2->request_reset = request_reset;
    ps2->room = room;
    ps2->ctx = ctx;
    reset(ps2);
}

#define PS2_SNAPSHOT SNAPSHOT_ID('P', 'S', '2', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct ps2 *ps2 = dev;
    struct ps2_state s = ps2->s;
    uint64_t now = clock_now(ps2->clock);
    s.pressed = clock_since(now, s.pressed);
    s.escaped = clock_since(now, s.escaped);
    return snapshot_save(buf, size, PS2_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct ps2 *ps2 = dev;
    struct ps2_state s;
    if (!snapshot_load(buf, size, PS2_SNAPSHOT, &s, sizeof(s)))
        return false;
    if (s.config & ~CONFIG_BITS || s.status & ~STATUS_ALL || (s.prefix & ~0x80) || s.enabled > 1 ||
        s.scan_set == 0 || s.scan_set > 2 || s.queue_at >= PS2_QUEUE || s.queued > PS2_QUEUE ||
        s.reply_at >= PS2_REPLIES || s.replies > PS2_REPLIES || s.typed_at >= PS2_TYPED ||
        s.typed_count > PS2_TYPED || s.parser.state >= KEYS_STATES || s.parser.parameters > 1 ||
        (s.down.flags | s.next.flags) & ~KEY_FLAGS)
        return false;
    uint64_t now = clock_now(ps2->clock);
    s.pressed = clock_since(now, s.pressed);
    s.escaped = clock_since(now, s.escaped);
    ps2->s = s;
    work(ps2, now);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct ps2_state *s = &((const struct ps2 *)dev)->s;
    return info_length(snprintf(buf, size,
                                "keyboard: config %02x status %02x set %u%s lamps %x queued %u\n",
                                s->config, s->status, s->scan_set, s->enabled ? "" : " disabled",
                                s->leds, s->queued),
                       size);
}

const struct device_ops ps2_ops = {
    .name = "keyboard",
    .reset = reset,
    .read = data_read,
    .write = data_write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};

const struct device_ops ps2_command_ops = {
    .name = "8042",
    .read = status_read,
    .write = command_write,
    .width = 1,
};
