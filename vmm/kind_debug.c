// SPDX-License-Identifier: BSD-2-Clause
// The kind "debug-port": both debug output ports, each with its own lines.
#include "debug_port.h"
#include "device_kind.h"
#include "vm_alloc.h"

#include <stdio.h>

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct chipset *c = env->chipset;
    struct debug_port *port = vm_alloc(2 * sizeof(*port));

    (void)config;
    if (port == NULL) {
        snprintf(error, size, "no memory for it");
        return false;
    }
    debug_port_init(&port[0], "debug", env->log, env->vm);
    debug_port_init(&port[1], "firmware", env->log, env->vm);
    if (!bus_add(&c->ports, DEBUG_PORT_BOCHS, 1, &debug_port_ops, &port[0]) ||
        !bus_add(&c->ports, DEBUG_PORT_FIRMWARE, 1, &debug_port_ops, &port[1]) ||
        !chipset_add_device(c, &debug_port_ops, &port[0]) ||
        !chipset_add_device(c, &debug_port_ops, &port[1])) {
        snprintf(error, size, "its ports are taken");
        return false;
    }
    return true;
}

DEVICE_KIND(debug_port, .name = "debug-port", .create = create);
