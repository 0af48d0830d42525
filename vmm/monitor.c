// SPDX-License-Identifier: BSD-2-Clause
// The monitor's channel and its table of commands.
#include "monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINES_MAX 4 // commands served in one go

static bool help(void *dev, const char *arguments, struct monitor *monitor)
{
    (void)dev;
    (void)arguments;
    for (unsigned i = 0; i < monitor->commands; i++) {
        const struct monitor_command *c = &monitor->command[i];
        if (c->help)
            monitor_print(monitor, "  %s%s%s  %s\n", c->name, c->device ? " " : "",
                          c->device ? c->device : "", c->help);
    }
    return true;
}

void monitor_init(struct monitor *monitor, const struct task_info *info, void (*tell)(void *vm),
                  bool (*wait)(void *vm), void *vm)
{
    memset(monitor, 0, sizeof(*monitor));
    monitor->tell = tell;
    monitor->wait = wait;
    monitor->vm = vm;
    monitor_add(monitor, "help", NULL, "this list", help, NULL);
    for (unsigned i = 0; i < info->channel_count && i < TASK_CHANNEL_MAX; i++) {
        const struct task_channel *channel = &info->channels[i];
        uint32_t size = ring_capacity(channel->ring_bytes);

        if (channel->kind == CHANNEL_MONITOR &&
            ring_open(&monitor->rx, (struct ring *)(uintptr_t)channel->rx, size, RING_CONSUMER) &&
            ring_open(&monitor->tx, (struct ring *)(uintptr_t)channel->tx, size, RING_PRODUCER))
            monitor->channel = channel;
    }
}

void monitor_add(struct monitor *monitor, const char *name, const char *device, const char *text,
                 monitor_run *run, void *dev)
{
    if (monitor != NULL && monitor->commands < MONITOR_COMMANDS)
        monitor->command[monitor->commands++] =
            (struct monitor_command){name, device, text, run, dev};
}

static void send(struct monitor *monitor, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n > 0 && monitor->channel &&
           !monitor->deaf) { // bound: each round moves bytes, or the peer is given up
        uint32_t done = ring_write(&monitor->tx, at, (uint32_t)n);
        at += done;
        n -= done;
        monitor->tx.raise = false;
        monitor->tell(monitor->vm);
        if (n > 0 && !monitor->wait(monitor->vm))
            monitor->deaf = true;
    }
}

void monitor_write(struct monitor *monitor, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n > 0) {
        const uint8_t *nul = memchr(at, 0, n);
        size_t part = nul ? (size_t)(nul - at) : n;
        send(monitor, at, part);
        at += part + (nul != NULL);
        n -= part + (nul != NULL);
    }
}

void monitor_print(struct monitor *monitor, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (n > 0)
        monitor_write(monitor, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

// Whether the line begins with this word; then *rest is what follows it.
static bool begins(const char *line, const char *word, const char **rest)
{
    size_t n = strlen(word);

    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\0'))
        return false;
    line += n;
    while (*line == ' ')
        line++;
    *rest = line;
    return true;
}

static bool run(struct monitor *monitor, const char *line)
{
    const char *rest, *arguments;
    bool known = false;

    for (unsigned i = 0; i < monitor->commands; i++) {
        const struct monitor_command *c = &monitor->command[i];
        if (!begins(line, c->name, &rest))
            continue;
        known = true;
        if (!c->device)
            return c->run(c->dev, rest, monitor);
        if (begins(rest, c->device, &arguments))
            return c->run(c->dev, arguments, monitor);
    }
    if (!known) {
        monitor_print(monitor, "there is no command \"%s\"; `help` shows all\n", line);
        return false;
    }
    monitor_write(monitor, "it needs the name of a device:", 30);
    for (unsigned i = 0; i < monitor->commands; i++)
        if (monitor->command[i].device && begins(line, monitor->command[i].name, &rest))
            monitor_print(monitor, " %s", monitor->command[i].device);
    monitor_write(monitor, "\n", 1);
    return false;
}

static void execute(struct monitor *monitor)
{
    char *line = monitor->line;

    while (monitor->length > 0 && line[monitor->length - 1] == ' ')
        monitor->length--;
    line[monitor->length] = '\0';
    monitor->length = 0;
    while (*line == ' ')
        line++;
    monitor->deaf = false;
    monitor->busy = true;
    uint8_t end[2] = {0, run(monitor, line) ? MONITOR_DONE : MONITOR_REFUSED};
    monitor->busy = false;
    send(monitor, end, sizeof(end));
}

void monitor_serve(struct monitor *monitor)
{
    uint8_t byte;

    if (!monitor->channel || monitor->busy) // a command that waits lets the loop serve others
        return;
    for (unsigned lines = 0; lines < LINES_MAX && ring_read(&monitor->rx, &byte, 1) == 1;) {
        if (byte == '\n') {
            execute(monitor);
            lines++;
        } else if (monitor->length + 1 < sizeof(monitor->line) && byte >= ' ') {
            monitor->line[monitor->length++] = (char)byte;
        }
    }
    monitor->rx.raise = false; // root asks one thing at a time: it does not wait for room
}
