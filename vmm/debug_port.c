// SPDX-License-Identifier: BSD-2-Clause
// Debug output ports. Only printable characters reach the log, so that a guest cannot steer the
// terminal that shows it.
#include "debug_port.h"

#include <stdio.h>
#include <string.h>

static void flush(struct debug_port *port)
{
    char line[DEBUG_PORT_LINE + 20];
    if (port->length == 0)
        return;
    snprintf(line, sizeof(line), "%s: %s", port->prefix, port->line);
    port->length = 0;
    port->line[0] = 0;
    port->log(port->ctx, line);
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return DEBUG_PORT_BOCHS;
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct debug_port *port = dev;
    uint8_t byte = (uint8_t)value;
    if (byte == '\n') {
        flush(port);
        return;
    }
    if (byte == '\t')
        byte = ' ';
    if (byte < ' ' || byte > '~')
        return;
    port->line[port->length++] = (char)byte;
    port->line[port->length] = 0;
    if (port->length == DEBUG_PORT_LINE)
        flush(port);
}

static void reset(void *dev)
{
    flush(dev);
}

void debug_port_init(struct debug_port *port, const char *prefix,
                     void (*log)(void *ctx, const char *line), void *ctx)
{
    memset(port, 0, sizeof(*port));
    port->prefix = prefix;
    port->log = log;
    port->ctx = ctx;
}

#define DEBUG_SNAPSHOT SNAPSHOT_ID('D', 'B', 'G', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct debug_port *port = dev;
    return snapshot_save(buf, size, DEBUG_SNAPSHOT, port->line, sizeof(port->line));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct debug_port *port = dev;
    char line[sizeof(port->line)];
    if (!snapshot_load(buf, size, DEBUG_SNAPSHOT, line, sizeof(line)) ||
        strnlen(line, sizeof(line)) >= DEBUG_PORT_LINE)
        return false;
    for (const char *c = line; *c; c++)
        if (*c < ' ' || *c > '~')
            return false;
    port->length = (unsigned)strlen(line);
    memset(port->line, 0, sizeof(port->line));
    memcpy(port->line, line, port->length);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct debug_port *port = dev;
    return info_length(
        snprintf(buf, size, "debug-port %s: %u characters of a line\n", port->prefix, port->length),
        size);
}

const struct device_ops debug_port_ops = {
    .name = "debug-port",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};
