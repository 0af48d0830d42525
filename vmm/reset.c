// SPDX-License-Identifier: BSD-2-Clause
// Reset control. A guest without 8042 sees all ones at port 0x64 and takes it for absent; only the
// reset command is listened to, as operating systems try it before they give up.
#include "reset.h"

#include <stdio.h>
#include <string.h>

#define CONTROL_SYSTEM 0x02
#define CONTROL_CPU    0x04
#define CONTROL_FULL   0x08
#define PORT92_INIT    0x01
#define PORT92_A20     0x02
#define KBD_PULSE_ALL  0xf0 /* pulse output lines; bit 0 low is the CPU's reset */

void reset_request(struct reset *reset)
{
    if (reset->request != NULL)
        reset->request(reset->ctx);
}

static uint64_t config_read(void *dev, uint64_t offset, unsigned size)
{
    struct reset *reset = dev;
    if (offset == 1 && size == 1)
        return reset->control;
    if (reset->config == NULL)
        return UINT64_MAX;
    return reset->config->read(reset->config_dev, offset, size);
}

static void config_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset *reset = dev;
    if (offset != 1 || size != 1) {
        if (reset->config != NULL)
            reset->config->write(reset->config_dev, offset, size, value);
        return;
    }
    bool rises = value & ~(uint64_t)reset->control & CONTROL_CPU;
    reset->control = value & (CONTROL_SYSTEM | CONTROL_CPU | CONTROL_FULL);
    if (rises)
        reset_request(reset);
}

static uint64_t port92_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    const struct reset *reset = dev;
    return reset->port92;
}

static void port92_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct reset *reset = dev;
    bool rises = value & ~(uint64_t)reset->port92 & PORT92_INIT;
    /* A20 is always open: no guest of this age relies on the wrap-around at 1 MiB. */
    reset->port92 = (value & PORT92_INIT) | PORT92_A20;
    if (rises)
        reset_request(reset);
}

static uint64_t port64_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return UINT64_MAX;
}

static void port64_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    if ((value & KBD_PULSE_ALL) == KBD_PULSE_ALL && !(value & 1))
        reset_request(dev);
}

static void reset_device(void *dev)
{
    struct reset *reset = dev;
    reset->control = 0;
    reset->port92 = PORT92_A20;
}

void reset_init(struct reset *reset, void (*callback)(void *ctx), void *ctx)
{
    memset(reset, 0, sizeof(*reset));
    reset->request = callback;
    reset->ctx = ctx;
    reset_device(reset);
}

void reset_set_config(struct reset *reset, const struct device_ops *config, void *dev)
{
    reset->config = config;
    reset->config_dev = dev;
}

#define RESET_SNAPSHOT SNAPSHOT_ID('R', 'S', 'T', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct reset *reset = dev;
    uint8_t state[2] = {reset->control, reset->port92};
    return snapshot_save(buf, size, RESET_SNAPSHOT, state, sizeof(state));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct reset *reset = dev;
    uint8_t state[2];
    if (!snapshot_load(buf, size, RESET_SNAPSHOT, state, sizeof(state)))
        return false;
    reset->control = state[0] & (CONTROL_SYSTEM | CONTROL_CPU | CONTROL_FULL);
    reset->port92 = (state[1] & PORT92_INIT) | PORT92_A20;
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct reset *reset = dev;
    return info_length(
        snprintf(buf, size, "reset: cf9 %02x port92 %02x\n", reset->control, reset->port92), size);
}

const struct device_ops reset_ops = {
    .name = "reset",
    .reset = reset_device,
    .read = config_read,
    .write = config_write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};

const struct device_ops reset_port92_ops = {
    .name = "port92",
    .read = port92_read,
    .write = port92_write,
    .width = 1,
};

const struct device_ops reset_port64_ops = {
    .name = "port64",
    .read = port64_read,
    .write = port64_write,
    .width = 1,
};
