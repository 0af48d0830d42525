// SPDX-License-Identifier: BSD-2-Clause
// Modules and devices of a VM in the configuration, and the links that join devices. HAZARD: as in
// system.c, nothing in the tree is taken for granted.
#include <libfdt.h>
#include <string.h>

#include "reader.h"
#include "system.h"

#define DEVICE_SIZE_MAX (64 * GIB) // one device's place in a vmm: DEVICE_STEP

_Static_assert(DEVICE_SIZE_MAX <= DEVICE_STEP, "a device's memory has room");

static void read_module(struct reader *r, struct module_config *module)
{
    *module = (struct module_config){
        .file = reader_text(r, "file", 1024),
        .name = reader_text(r, "file-name", sizeof(((struct task_module *)0)->name)),
        .arguments = reader_optional(r, "arguments", sizeof(((struct task_module *)0)->arguments)),
    };
    if (!module->arguments)
        module->arguments = "";
}

// The link of that name, with one more end; NO_LINK when it is refused.
static unsigned join(struct reader *r, struct system_config *config, const char *name,
                     unsigned device)
{
    struct link_config *link = config->links;

    while (link < config->links + config->link_count && strcmp(link->name, name) != 0)
        link++;
    if (link == config->links + LINK_MAX) {
        reader_refuse(r, "link", "is one too many");
        return NO_LINK;
    }
    if (link->ends == 2) {
        reader_refuse(r, "link", "has more than two ends");
        return NO_LINK;
    }
    link->name = name;
    link->end[link->ends].task = config->count;
    link->end[link->ends++].device = device;
    if (link == config->links + config->link_count)
        config->link_count++;
    return (unsigned)(link - config->links);
}

static void read_device(struct reader *r, struct system_config *config, struct task_config *task)
{
    static const struct task_device *to;
    struct device_config *device = &task->devices[task->device_count];
    const char *link = reader_optional(r, "link", sizeof(to->tag));
    const char *tag = reader_optional(r, "tag", sizeof(to->tag));
    int length;
    const void *mac = fdt_getprop(r->dtb, r->node, "mac", &length);

    *device = (struct device_config){
        .kind = reader_text(r, "kind", sizeof(to->kind)),
        .name = reader_text(r, "name", sizeof(to->name)),
        .tag = link  ? link
               : tag ? tag
                     : "",
        .file = reader_optional(r, "file", 1024),
        .flags = (reader_has(r, "read-only") ? DEVICE_READ_ONLY : 0u) |
                 (reader_has(r, "cdrom") ? DEVICE_CDROM : 0u),
        .video = reader_has(r, "video"),
        .link = NO_LINK,
    };
    if (reader_has(r, "number"))
        device->number = (uint32_t)reader_number(r, "number", 4, 0, UINT32_MAX);
    if (reader_has(r, "size"))
        device->size = reader_number(r, "size", 8, PAGE, DEVICE_SIZE_MAX);
    if (device->size % PAGE)
        reader_refuse(r, "size", "is not a multiple of 4096");
    if (mac && length != sizeof(device->mac))
        reader_refuse(r, "mac", "has a wrong length");
    else if (mac)
        memcpy(device->mac, mac, sizeof(device->mac));
    for (unsigned i = 0; i < task->device_count; i++)
        if (strcmp(task->devices[i].name, device->name) == 0)
            reader_refuse(r, "a device's name", "is not unique");
    if (link)
        device->link = join(r, config, link, task->device_count);
}

// Ends that have a channel must not be more than there is room for.
static void check_links(struct reader *r, const struct task_config *task)
{
    unsigned links = 0;

    for (unsigned i = 0; i < task->device_count; i++)
        links += task->devices[i].link != NO_LINK;
    if (links > TASK_LINK_MAX)
        reader_refuse(r, "there", "are too many links");
}

void system_read_devices(struct reader *r, struct system_config *config, struct task_config *task)
{
    int vm = r->node, list;

    list = fdt_subnode_offset(r->dtb, vm, "modules");
    if (list >= 0)
        fdt_for_each_subnode(r->node, r->dtb, list)
        {
            if (task->module_count == TASK_MODULE_MAX)
                reader_refuse(r, "there", "are too many modules");
            if (r->error[0])
                return;
            read_module(r, &task->modules[task->module_count++]);
        }
    list = fdt_subnode_offset(r->dtb, vm, "devices");
    if (list >= 0)
        fdt_for_each_subnode(r->node, r->dtb, list)
        {
            if (task->device_count == TASK_DEVICE_MAX)
                reader_refuse(r, "there", "are too many devices");
            if (r->error[0])
                return;
            read_device(r, config, task);
            task->device_count++;
        }
    r->node = vm;
    check_links(r, task);
}
