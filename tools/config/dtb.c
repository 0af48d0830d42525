// SPDX-License-Identifier: BSD-2-Clause
// Writes the checked system as a flattened device tree (Devicetree Specification 0.4, chapter 5)
// with libfdt's sequential functions. docs/configuration.md lists the nodes and properties; root
// reads them.
#include <libfdt.h>
#include <string.h>

#include "config.h"

enum { CONSOLE_PORT = 0x3F8, CONSOLE_PORTS = 8, CONSOLE_GSI = 4 };
static const uint64_t console_pool = MIB;

// The first error sticks; what follows it does nothing.
struct writer {
    void *blob;
    int error;
};

static void begin(struct writer *w, const char *name)
{
    if (!w->error)
        w->error = fdt_begin_node(w->blob, name);
}

static void end(struct writer *w)
{
    if (!w->error)
        w->error = fdt_end_node(w->blob);
}

static void text(struct writer *w, const char *name, const char *value)
{
    if (!w->error)
        w->error = fdt_property_string(w->blob, name, value);
}

static void cell(struct writer *w, const char *name, uint32_t value)
{
    if (!w->error)
        w->error = fdt_property_u32(w->blob, name, value);
}

static void cells(struct writer *w, const char *name, const unsigned *values, unsigned count)
{
    void *space;

    if (!w->error && count)
        w->error = fdt_property_placeholder(w->blob, name, (int)(count * 4), &space);
    for (unsigned i = 0; !w->error && i < count; i++)
        fdt32_st((char *)space + i * 4, values[i]);
}

static void wide(struct writer *w, const char *name, uint64_t value)
{
    if (!w->error)
        w->error = fdt_property_u64(w->blob, name, value);
}

static void flag(struct writer *w, const char *name)
{
    if (!w->error)
        w->error = fdt_property(w->blob, name, NULL, 0);
}

static void text_list(struct writer *w, const char *name, const char *const *values, unsigned count)
{
    size_t size = 0;
    void *space;

    for (unsigned i = 0; i < count; i++)
        size += strlen(values[i]) + 1;
    if (w->error)
        return;
    w->error = fdt_property_placeholder(w->blob, name, (int)size, &space);
    for (unsigned i = 0; !w->error && i < count; i++)
        space = stpcpy(space, values[i]) + 1;
}

static void write_console(struct writer *w)
{
    const fdt32_t ports[2] = {cpu_to_fdt32(CONSOLE_PORT), cpu_to_fdt32(CONSOLE_PORTS)};

    begin(w, "console");
    text(w, "kind", "console");
    text(w, "image", "console");
    cell(w, "priority", PRIORITY_CONSOLE);
    wide(w, "pool-size", console_pool);
    if (!w->error)
        w->error = fdt_property(w->blob, "ports", ports, sizeof(ports));
    cell(w, "interrupts", CONSOLE_GSI);
    flag(w, "manager");
    end(w);
}

static void write_modules(struct writer *w, const struct vm *vm)
{
    char node[32];

    if (!vm->module_count)
        return;
    begin(w, "modules");
    for (unsigned i = 0; i < vm->module_count; i++) {
        const struct module *module = &vm->modules[i];

        snprintf(node, sizeof(node), "module%u", i);
        begin(w, node);
        text(w, "file", module->image ? module->image->name : "?");
        text(w, "file-name", module->name);
        text(w, "arguments", module->arguments);
        end(w);
    }
    end(w);
}

static void write_device(struct writer *w, const struct device *device)
{
    begin(w, device->name);
    text(w, "kind", device->kind->name);
    text(w, "name", device->name);
    if (device->file)
        text(w, "file", device->file->name);
    if (device->size)
        wide(w, "size", device->size);
    if (device->kind->video)
        flag(w, "video");
    if (device->read_only)
        flag(w, "read-only");
    if (device->kind->cdrom)
        flag(w, "cdrom");
    if (device->number)
        cell(w, "number", device->number);
    if (device->tag)
        text(w, "tag", device->tag);
    if (device->link)
        text(w, "link", device->link);
    if (device->mac[0] && !w->error)
        w->error = fdt_property(w->blob, "mac", device->mac, sizeof(device->mac));
    end(w);
}

static void write_devices(struct writer *w, const struct vm *vm)
{
    if (!vm->device_count)
        return;
    begin(w, "devices");
    for (unsigned i = 0; i < vm->device_count; i++)
        write_device(w, &vm->devices[i]);
    end(w);
}

static void write_vm(struct writer *w, const struct vm *vm, const char *program)
{
    begin(w, vm->name);
    text(w, "kind", "vm");
    text(w, "image", program);
    cell(w, "priority", vm->priority);
    cells(w, "host-cpu", vm->host_cpu, vm->host_cpus);
    if (vm->weight)
        cell(w, "weight", vm->weight);
    if (vm->budget) {
        cell(w, "budget-us", vm->budget);
        cell(w, "period-us", vm->period);
    }
    wide(w, "pool-size", vm->pool);
    if (vmm_arena(vm))
        wide(w, "arena-size", vmm_arena(vm));
    wide(w, "memory", vm->memory);
    cell(w, "cpus", vm->cpus);
    if (vm->kernel_image) {
        text(w, "kernel", vm->kernel_image->name);
        text(w, "kernel-kind", vm->kernel_kind);
    }
    if (vm->initrd_image)
        text(w, "initrd", vm->initrd_image->name);
    text(w, "cmdline", vm->cmdline);
    text(w, "on-crash", vm->restart ? "restart" : "stop");
    if (vm->autostart)
        flag(w, "autostart");
    if (vm->hide_count)
        text_list(w, "cpu-hide", vm->hide, vm->hide_count);
    text(w, "clock", vm->clock == CLOCK_8254 ? "8254" : "pvclock");
    text(w, "apic", vm->apic == APIC_SOFTWARE ? "software" : "auto");
    text(w, "console", "console");
    write_modules(w, vm);
    write_devices(w, vm);
    end(w);
}

const void *dtb_write(struct config *config, size_t *size)
{
    const struct system *system = &config->system;
    // A VM takes at most its command line, its CPU features, some 500 bytes of the rest, and 400
    // bytes for each module and device.
    int space =
        4096 + (int)system->vm_count * (MAX_CMDLINE + 2048 + 400 * (MAX_MODULES + MAX_DEVICES));
    struct writer writer = {.blob = config_alloc(config, (size_t)space)}, *w = &writer;

    w->error = fdt_create(w->blob, space);
    if (!w->error)
        w->error = fdt_finish_reservemap(w->blob);
    begin(w, "");
    text(w, "compatible", "bulkhead,system-1");
    text(w, "system-name", system->name);
    begin(w, "tasks");
    write_console(w);
    for (unsigned i = 0; i < system->vm_count; i++)
        write_vm(w, &system->vms[i], vmm_name(config, &system->vms[i]));
    end(w);
    end(w);
    if (!w->error)
        w->error = fdt_finish(w->blob);
    if (w->error) {
        report(config, NULL, "the device tree cannot be made: %s", fdt_strerror(w->error));
        return NULL;
    }
    *size = fdt_totalsize(w->blob);
    return w->blob;
}
