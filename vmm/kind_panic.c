// SPDX-License-Identifier: BSD-2-Clause
// The kinds "debug-exit" and "pvpanic".
#include "device_kind.h"
#include "guest_panic.h"
#include "vm_alloc.h"

#include <stdio.h>

static void exited(void *ctx, uint64_t status)
{
    const struct device_env *env = ctx;
    char reason[64];

    snprintf(reason, sizeof(reason), "debug exit: status %llu", (unsigned long long)status);
    env->stop(env->vm, TASK_POWEROFF, reason);
}

static void panicked(void *ctx)
{
    const struct device_env *env = ctx;

    env->log(env->vm, "pvpanic: the guest's kernel panicked");
    env->stop(env->vm, TASK_CRASHED, "the guest's kernel panicked");
}

static void crash_loaded(void *ctx)
{
    const struct device_env *env = ctx;

    env->log(env->vm, "pvpanic: the guest's kernel panicked and loads its crash kernel");
}

static bool add(const struct device_env *env, uint64_t port, uint64_t ports,
                const struct device_ops *ops, char *error, size_t size)
{
    struct guest_panic *panic = vm_alloc(sizeof(*panic));

    if (panic == NULL || !bus_add(&env->chipset->ports, port, ports, ops, panic)) {
        snprintf(error, size, panic ? "its port is taken" : "no memory for it");
        return false;
    }
    *panic = (struct guest_panic){exited, panicked, crash_loaded, (void *)env};
    return true;
}

static bool create_exit(const struct device_env *env, const struct task_device *config, char *error,
                        size_t size)
{
    (void)config;
    return add(env, DEBUG_EXIT_PORT, DEBUG_EXIT_SIZE, &debug_exit_ops, error, size);
}

static bool create_pvpanic(const struct device_env *env, const struct task_device *config,
                           char *error, size_t size)
{
    (void)config;
    return add(env, PVPANIC_PORT, 1, &pvpanic_ops, error, size);
}

DEVICE_KIND(debug_exit, .name = "debug-exit", .create = create_exit);
DEVICE_KIND(pvpanic, .name = "pvpanic", .create = create_pvpanic);
