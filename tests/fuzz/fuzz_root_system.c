// SPDX-License-Identifier: BSD-2-Clause
// The configuration reader: it reads nothing outside of the tree, and what it accepts is within
// its bounds. The input is either the tree itself (first byte even) or a list of changes to a
// good tree: 2 bytes of offset, 1 byte of value.

// links: root/system.c root/system_devices.c root/reader.c
// libs: -lfdt
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "root/system.h"

static size_t good_tree(void *blob, int space)
{
    fdt_create(blob, space);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_string(blob, "compatible", "bulkhead,system-1");
    fdt_property_string(blob, "system-name", "fuzz");
    fdt_begin_node(blob, "tasks");
    fdt_begin_node(blob, "console");
    fdt_property_string(blob, "kind", "console");
    fdt_property_string(blob, "image", "console");
    fdt_property_u32(blob, "priority", 50);
    fdt_property_u64(blob, "pool-size", MIB);
    fdt_property_u64(blob, "ports", 0x3f800000008);
    fdt_property_u32(blob, "interrupts", 4);
    fdt_property(blob, "manager", NULL, 0);
    fdt_end_node(blob);
    fdt_begin_node(blob, "open");
    fdt_property_string(blob, "kind", "vm");
    fdt_property_string(blob, "image", "vmm");
    fdt_property_u32(blob, "priority", 20);
    fdt_property_u64(blob, "pool-size", MIB);
    fdt_property_u64(blob, "memory", 256 * MIB);
    fdt_property_u32(blob, "cpus", 1);
    fdt_property_string(blob, "kernel", "open/kernel");
    fdt_property_string(blob, "cmdline", "quiet");
    fdt_property_string(blob, "on-crash", "restart");
    fdt_property(blob, "cpu-hide", "cx16\0cx16", 10);
    fdt_property_string(blob, "console", "console");
    fdt_property(blob, "host-cpu", "\0\0\0\1", 4);
    fdt_begin_node(blob, "modules");
    fdt_begin_node(blob, "m");
    fdt_property_string(blob, "file", "open/m");
    fdt_property_string(blob, "file-name", "m");
    fdt_property_string(blob, "arguments", "x");
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_begin_node(blob, "devices");
    for (char name[] = "a"; *name < 'e'; ++*name) {
        fdt_begin_node(blob, name);
        fdt_property_string(blob, "kind", "k");
        fdt_property_string(blob, "name", name);
        fdt_property_string(blob, "link", *name < 'c' ? "l" : "m");
        fdt_property_u64(blob, "size", 4096);
        fdt_property(blob, "mac", "abcdef", 6);
        fdt_end_node(blob);
    }
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
    return fdt_totalsize(blob);
}

static void check_vm(const struct system_config *config, const struct task_config *task)
{
    unsigned links = 0;

    if (task->device_count > TASK_DEVICE_MAX || task->module_count > TASK_MODULE_MAX)
        abort();
    for (unsigned i = 0; i < task->device_count; i++) {
        const struct device_config *device = &task->devices[i];

        links += device->link != NO_LINK;
        if (device->link > NO_LINK || strlen(device->name) >= 24 || strlen(device->kind) >= 16 ||
            strlen(device->tag) >= 32 || device->size % PAGE)
            abort();
        if (device->link != NO_LINK && device->link >= config->link_count)
            abort();
    }
    if (links > TASK_LINK_MAX)
        abort();
    for (unsigned i = 0; i < task->module_count; i++)
        if (strlen(task->modules[i].name) >= 32 || strlen(task->modules[i].arguments) >= 96)
            abort();
}

static void read_tree(const void *tree, size_t size)
{
    static struct system_config config;
    char error[SYSTEM_ERROR];

    if (system_read(tree, size, &config, error)) {
        if (config.count > TASK_MAX)
            abort();
        for (unsigned i = 0; i < config.count; i++)
            if (strlen(config.tasks[i].name) >= TASK_NAME_SIZE ||
                config.tasks[i].priority >= PRIORITY_COUNT || config.tasks[i].console > TASK_MAX)
                abort();
        for (unsigned i = 0; i < config.count; i++)
            check_vm(&config, &config.tasks[i]);
        for (unsigned i = 0; i < config.link_count; i++)
            for (unsigned j = 0; j < config.links[i].ends; j++)
                if (config.links[i].ends > 2 || config.links[i].end[j].task >= config.count ||
                    config.links[i].end[j].device >=
                        config.tasks[config.links[i].end[j].task].device_count)
                    abort();
    } else if (!error[0]) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t base[512]; // libfdt wants 8-byte alignment, as in the archive
    size_t length = size;
    uint8_t *copy;

    if (size && data[0] & 1)
        length = good_tree(base, sizeof(base));
    copy = malloc(length ? length : 1);
    memcpy(copy, size && data[0] & 1 ? (const uint8_t *)base : data, length);
    if (size && data[0] & 1)
        for (size_t i = 1; i + 3 <= size; i += 3)
            copy[(data[i] | data[i + 1] << 8) % length] = data[i + 2];
    read_tree(copy, length);
    free(copy);
    return 0;
}
