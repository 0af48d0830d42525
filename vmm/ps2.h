// SPDX-License-Identifier: BSD-2-Clause
// The 8042 keyboard controller with a PS/2 keyboard (IBM PS/2 Hardware Interface Technical
// Reference: keyboard and auxiliary device controller, keyboards 101 and 102): scan code sets 1 and
// 2, translation, interrupt line 1, reset by pulse and by output port. It has the commands of a
// second port and says that no mouse is connected to it. A20 is always open.
#ifndef VMM_PS2_H
#define VMM_PS2_H

#include "clock.h"
#include "device.h"
#include "irq.h"
#include "ps2_keys.h"

#include <stdbool.h>
#include <stdint.h>

#define PS2_DATA_PORT    0x60
#define PS2_COMMAND_PORT 0x64
#define PS2_IRQ          1
#define PS2_QUEUE        32 /* bytes of scan codes, a power of two */
#define PS2_REPLIES      8
#define PS2_TYPED        32

struct ps2_state {
    uint64_t pressed;    /* tick of the latest make code of the key that is down */
    uint64_t escaped;    /* tick at which an Escape was typed, while it waits for more */
    uint8_t config;      /* the controller's command byte */
    uint8_t command;     /* a controller command that waits for its data byte; 0: none */
    uint8_t out;         /* output buffer */
    uint8_t status;      /* bits of the status register that are kept */
    uint8_t prefix;      /* 0xf0 was translated: the next byte is a release */
    uint8_t kbd_command; /* a keyboard command that waits for its data byte; 0: none */
    uint8_t enabled;     /* the keyboard scans */
    uint8_t scan_set;
    uint8_t leds, rate;
    uint8_t last; /* latest byte of the keyboard, for its command "resend" */
    uint8_t queue_at, queued;
    uint8_t reply_at, replies;
    uint8_t typed_at, typed_count;
    struct key_parser parser;
    struct key_stroke down; /* the key that is down; code 0: none */
    struct key_stroke next; /* typed after it */
    uint8_t queue[PS2_QUEUE];
    uint8_t reply[PS2_REPLIES];
    uint8_t typed[PS2_TYPED]; /* from the terminal, a ring */
    uint8_t pad[3];
};

struct ps2 {
    struct ps2_state s;
    uint64_t deadline; /* for chipset_add_timer() */
    bool irq_level;
    bool starved; /* it did not take all that was typed */
    const struct clock *clock;
    struct irq_line irq;
    void (*request_reset)(void *ctx); /* may be NULL */
    void (*room)(void *ctx);          /* ps2_type() takes bytes again; may be NULL */
    void *ctx;
};

/* Device verbs: port 0x60 (with save, restore, info), port 0x64. */
extern const struct device_ops ps2_ops;
extern const struct device_ops ps2_command_ops;

/* Connects and resets; the controller is as firmware leaves it: translation and interrupts on. */
void ps2_init(struct ps2 *ps2, const struct clock *clock, struct irq_line irq,
              void (*request_reset)(void *ctx), void (*room)(void *ctx), void *ctx);

/* Bytes typed at a terminal. Returns how many were taken. */
size_t ps2_type(struct ps2 *ps2, const uint8_t *bytes, size_t n);

/* When ps2->deadline has come: keys go up, the next ones down. `dev` is a struct ps2. */
void ps2_expire(void *dev, uint64_t now);

#endif
