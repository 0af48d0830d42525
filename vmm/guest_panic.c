// SPDX-License-Identifier: BSD-2-Clause
// isa-debug-exit and pvpanic.
#include "guest_panic.h"

#include <stdio.h>

static uint64_t exit_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return 0;
}

static void exit_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    const struct guest_panic *panic = dev;
    panic->exited(panic->ctx, value << 1 | 1);
}

static uint64_t panic_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return PVPANIC_PANICKED | PVPANIC_CRASHLOADED;
}

static void panic_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    const struct guest_panic *panic = dev;
    if (value & PVPANIC_PANICKED)
        panic->panicked(panic->ctx);
    else if (value & PVPANIC_CRASHLOADED)
        panic->crash_loaded(panic->ctx);
}

const struct device_ops debug_exit_ops = {
    .name = "debug-exit",
    .read = exit_read,
    .write = exit_write,
    .width = 4,
};

const struct device_ops pvpanic_ops = {
    .name = "pvpanic",
    .read = panic_read,
    .write = panic_write,
    .width = 1,
};
