// SPDX-License-Identifier: BSD-2-Clause
// The whole console but its hardware: any keys, any guest output, any contents of rings and status
// pages, any records of root.
// clang-format off
// links: servers/console/console.c servers/console/activity.c servers/console/command.c servers/console/view.c servers/console/manager.c servers/console/line.c servers/console/escape.c servers/console/scroll.c servers/console/out.c lib/ring.c
// clang-format on

#include "servers/console/console.h"

#include <stdlib.h>
#include <string.h>

#define RING_BYTES  4096u
#define SCROLL_SIZE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

static _Alignas(4096) uint8_t rings[3][2][RING_BYTES];
static struct task_status status[2];
static struct task_info info;
static struct console console;
static uint8_t scroll[SCROLL_SIZE];
static struct ring_end printed[3];

static void raise(unsigned slot)
{
    (void)slot;
}

static void start(void)
{
    static const char *const names[] = {"open", "secure", "root"};

    memset(rings, 0, sizeof(rings));
    memset(status, 0, sizeof(status));
    memset(&info, 0, sizeof(info));
    info.tsc_hz = 1000000;
    info.channel_count = 3;
    for (unsigned i = 0; i < 3; i++) {
        struct task_channel *channel = &info.channels[i];

        strcpy(channel->peer, names[i]);
        channel->kind = i < 2 ? CHANNEL_CONSOLE : CHANNEL_MANAGEMENT;
        channel->ring_bytes = RING_BYTES;
        channel->rx = (uintptr_t)rings[i][0];
        channel->tx = (uintptr_t)rings[i][1];
        channel->status = i < 2 ? (uintptr_t)&status[i] : 0;
        ring_open(&printed[i], (struct ring *)rings[i][0], ring_capacity(RING_BYTES),
                  RING_PRODUCER);
    }
    console_init(&console, &info, 1, scroll, sizeof(scroll), raise);
}

// One step: an operation, its argument, and for some the bytes behind it. Gives how much of the
// input it used.
static size_t step(const uint8_t *input, size_t length, uint64_t *now)
{
    unsigned n = input[1] < length - 2 ? input[1] : (unsigned)(length - 2);
    uint8_t bytes[256];
    struct manage_reply reply = {0};

    switch (input[0] % 8) {
    case 0:
        console_type(&console, input + 2, n);
        return 2 + n;
    case 1:
        ring_write(&printed[input[0] / 8 % 2], input + 2, n);
        return 2 + n;
    case 2:
        if (console_output(&console, bytes, input[1]) > input[1])
            abort();
        return 2;
    case 3:
        *now += (uint64_t)input[1] * 10000;
        return 2;
    case 4: // a hostile peer writes into a ring or a status page
        memcpy(rings[input[0] / 8 % 3][input[0] / 24 % 2], input + 2, n);
        memcpy((uint8_t *)&status[input[0] / 8 % 2] + 4 * (input[0] / 16), input + 2, n);
        return 2 + n;
    case 5: // an answer to the last request, or the row of a list before it
        reply.tag = console.tag - input[1] / 128;
        reply.status = input[1] % 8;
        memset(reply.name, 'x', sizeof(reply.name));
        memset(reply.message, 'y', sizeof(reply.message));
        strcpy(reply.name, input[1] & 64 ? "open" : "secure");
        reply.state = input[1] / 8 % 8;
        reply.memory = *now * input[1];
        ring_write(&printed[2], &reply, sizeof(reply));
        return 2;
    case 6: // any record
        memcpy(&reply, input + 2, n < sizeof(reply) ? n : sizeof(reply));
        ring_write(&printed[2], &reply, sizeof(reply));
        return 2 + n;
    default:
        return 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    uint64_t now = 1;
    size_t at = 0;

    start();
    while (at + 2 <= length) {
        at += step(input + at, length - at, &now);
        console_turn(&console, now);
        console_deadline(&console);
        if (console.line.cursor > console.line.length || console.line.length > LINE_MAX_LENGTH)
            abort();
    }
    return 0;
}
