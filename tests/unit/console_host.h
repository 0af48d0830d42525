// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the console share: a model of root, two VMs and a terminal around it.
#pragma once

#include "servers/console/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RING_BYTES 4096u
#define HZ         1000000000ull
#define MS         1000000ull
#define SCROLL     4096u // of each VM here

struct peer {
    struct ring *rx, *tx; // as the console sees them
    struct ring_end out, in;
    unsigned raised;
};

static struct task_info info;
static struct task_status status[2];
static struct peer peers[3]; // open, secure, root
static struct console c;
static uint8_t scroll[2 * SCROLL];
static uint64_t now;
static char shown[1 << 18];
static size_t shown_length;
static uint32_t state[2];
static bool root_answers;

static inline void raise(unsigned slot)
{
    assert_in_range(slot, TASK_SLOT_PEER, TASK_SLOT_PEER + 2);
    peers[slot - TASK_SLOT_PEER].raised++;
}

static inline void reply(uint32_t tag, uint32_t more, const char *name, uint32_t st,
                         const char *message)
{
    struct manage_reply r = {.tag = tag,
                             .more = more,
                             .kind = MANAGE_KIND_VM,
                             .state = st,
                             .memory = 256 << 20,
                             .value = now / 4};

    snprintf(r.name, sizeof(r.name), "%s", tag == 0 ? "" : name);
    snprintf(r.message, sizeof(r.message), "%s", message);
    // In two parts, as a ring may deliver it.
    ring_write(&peers[2].out, &r, 50);
    console_turn(&c, now);
    assert_int_equal(ring_write(&peers[2].out, (char *)&r + 50, sizeof(r) - 50), sizeof(r) - 50);
}

static unsigned kernel_steps;
static char asked[160];

static inline void serve(const struct manage_request *q)
{
    int vm = strcmp(q->name, "open") == 0 ? 0 : 1;

    switch (q->op) {
    case MANAGE_LIST:
        reply(q->tag, 1, "open", state[0], "");
        reply(q->tag, 0, "secure", state[1], "");
        break;
    case MANAGE_STOP:
        state[vm] = MANAGE_STOPPED;
        reply(q->tag, 0, q->name, state[vm], "");
        break;
    case MANAGE_START:
        state[vm] = MANAGE_RUNNING;
        // fall through
    case MANAGE_INFO:
        reply(q->tag, 0, q->name, state[vm], "");
        break;
    case MANAGE_SYSTEM: {
        struct manage_reply r = {.tag = q->tag, .memory = 1 << 30, .value = 512 << 20};

        ring_write(&peers[2].out, &r, sizeof(r));
        break;
    }
    case MANAGE_KERNEL: {
        struct manage_reply r = {.tag = q->tag, .value = q->cursor < 3 ? q->cursor + 1 : 0};

        // Three steps of a kernel with a debugger, which prints by itself; or there is none.
        if (strcmp(q->name, "list task") != 0)
            r.status = MANAGE_REFUSED;
        snprintf(r.message, sizeof(r.message), "%s", r.status ? "no debugger" : "");
        kernel_steps++;
        ring_write(&peers[2].out, &r, sizeof(r));
        break;
    }
    case MANAGE_MONITOR:
        snprintf(asked, sizeof(asked), "%s|%s", q->name, q->text);
        if (strcmp(q->text, "long") == 0)
            for (unsigned i = 0; i < 3; i++)
                reply(q->tag, 1, q->name, 0, i == 2 ? "end\n" : "part ");
        if (strcmp(q->text, "no") == 0) {
            struct manage_reply r = {.tag = q->tag, .status = MANAGE_REFUSED};

            ring_write(&peers[2].out, &r, sizeof(r));
            break;
        }
        reply(q->tag, 0, q->name, 0, "");
        break;
    case MANAGE_SNAPSHOT:
        reply(q->tag, 0, q->name, 0, "saved, 7 KiB");
        break;
    default:
        reply(q->tag, 0, q->name, state[vm], "");
    }
}

// Runs until all is quiet; the terminal takes everything.
static inline void run(void)
{
    struct manage_request q;
    bool busy = true;

    for (unsigned i = 0; busy; i++) {
        uint8_t bytes[16];
        uint32_t n;

        assert_true(i < 100000);
        busy = console_turn(&c, now);
        while (root_answers && ring_used(&peers[2].in) >= sizeof(q)) {
            ring_read(&peers[2].in, &q, sizeof(q));
            serve(&q);
            busy = true;
        }
        while ((n = console_output(&c, bytes, sizeof(bytes))) > 0) {
            memcpy(shown + shown_length, bytes, n);
            shown_length += n;
            busy = true;
        }
        shown[shown_length] = '\0';
        for (unsigned k = 0; k < 2 && !busy; k++) {
            if (ring_used(&c.vms[k].rx) == 0 || c.vms[k].rest_until <= now)
                continue;
            assert_in_range(console_deadline(&c), now + 1, now + 20 * MS);
            now = console_deadline(&c);
            busy = true;
        }
    }
}

static inline void type(const char *keys)
{
    shown_length = 0;
    for (; *keys != '\0'; keys++) {
        console_type(&c, (const uint8_t *)keys, 1);
        run();
    }
}

static inline void expect(const char *text)
{
    if (!strstr(shown, text))
        fail_msg("missing \"%s\" in:\n%s", text, shown);
}

static inline void expect_not(const char *text)
{
    if (strstr(shown, text))
        fail_msg("unexpected \"%s\" in:\n%s", text, shown);
}

static inline void print(unsigned vm, const char *text)
{
    assert_int_equal(ring_write(&peers[vm].out, text, (uint32_t)strlen(text)), strlen(text));
}

static inline const char *received(unsigned vm)
{
    static char text[RING_BYTES];

    text[ring_read(&peers[vm].in, text, sizeof(text) - 1)] = '\0';
    return text;
}

static inline void channel(unsigned i, const char *name, uint32_t kind)
{
    struct task_channel *ch = &info.channels[i];

    peers[i].rx = aligned_alloc(4096, RING_BYTES);
    peers[i].tx = aligned_alloc(4096, RING_BYTES);
    memset(peers[i].rx, 0, RING_BYTES);
    memset(peers[i].tx, 0, RING_BYTES);
    ring_open(&peers[i].out, peers[i].rx, ring_capacity(RING_BYTES), RING_PRODUCER);
    ring_open(&peers[i].in, peers[i].tx, ring_capacity(RING_BYTES), RING_CONSUMER);
    snprintf(ch->peer, sizeof(ch->peer), "%s", name);
    ch->kind = kind;
    ch->ring_bytes = RING_BYTES;
    ch->rx = (uintptr_t)peers[i].rx;
    ch->tx = (uintptr_t)peers[i].tx;
    ch->peer_slot = TASK_SLOT_PEER + i;
    ch->status = i < 2 ? (uintptr_t)&status[i] : 0;
}

static inline int start(void **s)
{
    (void)s;
    memset(&info, 0, sizeof(info));
    memset(status, 0, sizeof(status));
    info.tsc_hz = HZ;
    info.cpus = 1;
    info.virt = VIRT_SVM;
    info.tsc_kernel = 0;
    info.tsc_root = 10 * MS;
    info.tsc_created = 30 * MS;
    info.ram_total = 1 << 30;
    snprintf(info.name, sizeof(info.name), "console");
    snprintf(info.system, sizeof(info.system), "demo");
    snprintf(info.cpu_name, sizeof(info.cpu_name), "Test CPU");
    info.channel_count = 3;
    channel(0, "open", CHANNEL_CONSOLE);
    channel(1, "secure", CHANNEL_CONSOLE);
    channel(2, "root", CHANNEL_MANAGEMENT);
    for (unsigned i = 0; i < 2; i++) {
        status[i].state = TASK_RUNNING;
        status[i].tsc_created = 40 * MS;
        status[i].tsc_started = (60 + i) * MS;
        status[i].tsc_first_entry = 70 * MS;
        status[i].tsc_first_output = 100 * MS;
        state[i] = MANAGE_RUNNING;
    }
    now = 200 * MS;
    shown_length = 0;
    root_answers = true;
    console_init(&c, &info, now, scroll, sizeof(scroll), raise);
    run();
    return 0;
}

static inline int start_prompt(void **s)
{
    start(s);
    status[0].tsc_ready = status[1].tsc_ready = 250 * MS;
    status[0].state = status[1].state = TASK_READY;
    now = 500 * MS;
    run();
    return 0;
}

static inline int stop(void **s)
{
    (void)s;
    for (unsigned i = 0; i < 3; i++) {
        free(peers[i].rx);
        free(peers[i].tx);
    }
    return 0;
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, stop)
