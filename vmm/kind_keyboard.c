// SPDX-License-Identifier: BSD-2-Clause
// The kind "keyboard".
#include "keyboard.h"
#include "ps2.h"
#include "vm_alloc.h"

#include <stdio.h>

static struct ps2 *keyboard; /* one machine, one vmm */

static struct {
    void (*typed)(void *ctx, const uint8_t *bytes, size_t n);
    void *ctx;
} watcher;

static size_t typed(void *dev, const uint8_t *bytes, size_t n)
{
    size_t taken = ps2_type(dev, bytes, n);

    if (watcher.typed != NULL)
        watcher.typed(watcher.ctx, bytes, taken);
    return taken;
}

void keyboard_watch(void (*function)(void *ctx, const uint8_t *bytes, size_t n), void *ctx)
{
    watcher.typed = function;
    watcher.ctx = ctx;
}

static void room(void *ctx)
{
    const struct device_env *env = ctx;

    env->typed_more(env->vm);
}

static void request_reset(void *ctx)
{
    const struct device_env *env = ctx;

    reset_request(&env->chipset->reset);
}

bool keyboard_create(const struct device_env *env, char *error, size_t size)
{
    struct chipset *c = env->chipset;

    if (keyboard != NULL)
        return true;
    struct ps2 *ps2 = vm_alloc(sizeof(*ps2));
    if (ps2 == NULL) {
        snprintf(error, size, "no memory for it");
        return false;
    }
    ps2_init(ps2, &c->clock, (struct irq_line){&c->irqs, PS2_IRQ}, request_reset, room,
             (void *)env);
    if (!bus_remove(&c->ports, RESET_PORT64) ||
        !bus_add(&c->ports, PS2_DATA_PORT, 1, &ps2_ops, ps2) ||
        !bus_add(&c->ports, PS2_COMMAND_PORT, 1, &ps2_command_ops, ps2) ||
        !chipset_add_device(c, &ps2_ops, ps2) ||
        !chipset_add_timer(c, &ps2->deadline, ps2_expire, ps2)) {
        snprintf(error, size, "its ports are taken");
        return false;
    }
    env->take_keys(env->vm, typed, ps2);
    env->acpi->ps2 = true;
    keyboard = ps2;
    return true;
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    (void)config;
    return keyboard_create(env, error, size);
}

DEVICE_KIND(keyboard, .name = "keyboard", .create = create);
