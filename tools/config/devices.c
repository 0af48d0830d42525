// SPDX-License-Identifier: BSD-2-Clause
// The key `devices` of a VM: a table of kinds, each with its own keys, and what devices say
// together: names, and who is in a network or link with whom. A new kind is one line here and its
// model in vmm/.
#include <ctype.h>
#include <string.h>

#include "config.h"

static void device_name(struct config *config, struct node *value, void *into)
{
    const char *name;

    if (!value_name(config, value, &name))
        return;
    if (strlen(name) > 23)
        report(config, value, "%s is longer than 23 characters", quoted(config, name));
    else
        ((struct device *)into)->name = name;
}

static void device_image(struct config *config, struct node *value, void *into)
{
    struct device *device = into;

    device->image_node = value;
    value_text(config, value, 4096, &device->image);
}

static void device_size(struct config *config, struct node *value, void *into)
{
    value_size(config, value, 64 * KIB, 16 * GIB, 4 * KIB, &((struct device *)into)->size);
}

static void device_readonly(struct config *config, struct node *value, void *into)
{
    value_bool(config, value, &((struct device *)into)->read_only);
}

static void device_link(struct config *config, struct node *value, void *into)
{
    struct device *device = into;

    device->link_node = value;
    value_name(config, value, &device->link);
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
            text[2] != (i < 5 ? ':' : '\0'))
            return false;
        mac[i] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
    return true;
}

static void device_mac(struct config *config, struct node *value, void *into)
{
    struct device *device = into;
    const char *text;

    if (!value_text(config, value, 100, &text))
        return;
    if (!parse_mac(text, device->mac))
        report(config, value, "%s is not a MAC address; write for example \"52:42:00:00:00:01\"",
               quoted(config, text));
    else if (device->mac[0] & 1)
        report(config, value, "%s is a group address; make the first byte even",
               quoted(config, text));
    else
        device->has_mac = true;
}

static void device_ports(struct config *config, struct node *value, void *into)
{
    value_int(config, value, 1, 8, NULL, &((struct device *)into)->number);
}

static void device_cid(struct config *config, struct node *value, void *into)
{
    value_int(config, value, 3, 99999999, "0 to 2 have a meaning of their own",
              &((struct device *)into)->number);
}

static void device_tag(struct config *config, struct node *value, void *into)
{
    value_name(config, value, &((struct device *)into)->tag);
}

static void device_folder(struct config *config, struct node *value, void *into)
{
    struct device *device = into;

    device->image_node = value;
    value_text(config, value, 4096, &device->folder);
}

static void device_video(struct config *config, struct node *value, void *into)
{
    uint64_t size;

    if (!value_size(config, value, 4 * MIB, 16 * MIB, 4 * MIB, &size))
        return;
    if (size & (size - 1))
        report(config, value, "%s is not a power of two; write 4M, 8M or 16M",
               quoted(config, value->text));
    else
        ((struct device *)into)->size = size;
}

// clang-format off
#define NAME {"name", device_name, false}
static const struct field plain_fields[] = {NAME, {0}};
static const struct field disk_fields[] = {NAME, {"image", device_image, false}, {"size", device_size, false},
                                           {"readonly", device_readonly, false}, {0}};
static const struct field cd_fields[] = {NAME, {"image", device_image, false}, {0}};
static const struct field net_fields[] = {NAME, {"network", device_link, false}, {"mac", device_mac, false}, {0}};
static const struct field console_fields[] = {NAME, {"ports", device_ports, false}, {"link", device_link, false}, {0}};
static const struct field share_fields[] = {NAME, {"tag", device_tag, false}, {"folder", device_folder, false}, {0}};
static const struct field vsock_fields[] = {NAME, {"cid", device_cid, true}, {"link", device_link, false}, {0}};
static const struct field video_fields[] = {NAME, {"memory", device_video, false}, {0}};

static const struct device_kind kinds[] = {
    {.name = "virtio-blk", .arena = 40, .fields = disk_fields, .max = 24, .needs = "'image' or 'size'", .sector = 512},
    {.name = "ahci-disk", .arena = 4, .fields = disk_fields, .max = 6, .needs = "'image' or 'size'", .sector = 512},
    {.name = "ahci-cd", .arena = 4, .fields = cd_fields, .max = 6, .needs = "'image'", .sector = 2048, .read_only = true, .cdrom = true},
    {.name = "virtio-net", .arena = 24, .fields = net_fields, .max = 16, .needs = "'network'"},
    {.name = "e1000", .arena = 20, .fields = net_fields, .max = 16, .needs = "'network'"},
    {.name = "virtio-console", .arena = 24, .fields = console_fields, .max = 1},
    {.name = "virtio-rng", .arena = 12, .fields = plain_fields, .max = 1},
    {.name = "virtio-balloon", .arena = 16, .fields = plain_fields, .max = 1},
    {.name = "virtio-9p", .arena = 44, .fields = share_fields, .max = 8, .needs = "'folder'", .read_only = true},
    {.name = "virtio-vsock", .arena = 24, .fields = vsock_fields, .max = 1, .needs = "'link'"},
    {.name = "vga", .arena = 28, .fields = video_fields, .max = 1, .video = 4 * MIB},
    {.name = "keyboard", .arena = 4, .fields = plain_fields, .max = 1},
    {.name = "debug-port", .arena = 4, .fields = plain_fields, .max = 1},
    {.name = "debug-exit", .arena = 4, .fields = plain_fields, .max = 1},
    {.name = "pvpanic", .arena = 4, .fields = plain_fields, .max = 1},
    {.name = "watchdog", .arena = 12, .fields = plain_fields, .max = 1},
};
// clang-format on
enum {
    KINDS = sizeof(kinds) / sizeof(kinds[0]),
    AHCI_PORTS = 6,
    AHCI_ARENA = 100, // of the controller, KiB
    FIRMWARE_ARENA = 64,
    FILE_ARENA = 32, // bytes for each file of a shared folder
};

static const struct device_kind *find_kind(struct config *config, const struct node *node,
                                           const char *name)
{
    const char *known[KINDS + 1] = {NULL}, *list = "";

    for (unsigned i = 0; i < KINDS; i++) {
        if (!strcmp(kinds[i].name, name))
            return &kinds[i];
        known[i] = kinds[i].name;
        list = config_printf(config, "%s%s%s", list, i ? ", " : "", known[i]);
    }
    const char *near = nearest(name, known);
    if (near)
        report(config, node, "%s is no kind of device; did you mean '%s'?", quoted(config, name),
               near);
    else
        report(config, node, "%s is no kind of device; known are: %s", quoted(config, name), list);
    return NULL;
}

// The name of the kind, and its keys (NULL: none were written): "- KIND" or "- KIND: {...}".
static const char *split(struct config *config, struct node *item, struct node **keys)
{
    const char *text;

    *keys = NULL;
    if (item->kind == NODE_SCALAR)
        return value_text(config, item, 100, &text) ? text : NULL;
    if (!value_is(config, item, NODE_MAP) || !item->first)
        return NULL;
    if (item->first->next) {
        report_key(config, item->first->next,
                   "does not belong to '%s'; indent it, or begin another device with '-'",
                   item->first->key);
        return NULL;
    }
    *keys = item->first;
    return item->first->key;
}

static void check_device(struct config *config, const struct device *device)
{
    const char *needs = device->kind->needs;
    bool has = device->image || device->folder || device->link ||
               (device->size && device->kind->sector) || device->image_node || device->link_node;

    if (needs && !has)
        report(config, device->node, "the key %s is missing", needs);
    if (device->image_node && device->size)
        report(config, device->node, "has an image and a size; remove one of the two");
    if (device->size && device->read_only && device->kind->sector && !device->image_node)
        report(config, device->node, "is an empty disk that cannot be written; remove 'readonly'");
}

// KIND and the number of the device among those of its kind.
static const char *default_name(struct config *config, const struct vm *vm,
                                const struct device_kind *kind)
{
    unsigned number = 0;

    for (unsigned i = 0; i < vm->device_count; i++)
        number += vm->devices[i].kind == kind;
    return config_printf(config, "%s%u", kind->name, number);
}

static void read_device(struct config *config, struct node *item, struct vm *vm)
{
    struct node *keys;
    const char *name = split(config, item, &keys);
    const struct device_kind *kind = name ? find_kind(config, item, name) : NULL;
    struct device *device = &vm->devices[vm->device_count];
    unsigned same = 0;

    if (!kind)
        return;
    *device = (struct device){.kind = kind,
                              .node = item,
                              .name = default_name(config, vm, kind),
                              .size = kind->video,
                              .number = kind->fields == console_fields,
                              .read_only = kind->read_only};
    if (keys)
        read_map(config, keys, kind->fields, device);
    check_device(config, device);
    if (device->folder && !device->tag)
        device->tag = device->name;
    for (unsigned i = 0; i < vm->device_count; i++) {
        same += vm->devices[i].kind == kind;
        if (!strcmp(vm->devices[i].name, device->name))
            report(config, item, "the name '%s' is taken by devices[%u]; give it another",
                   device->name, vm->devices[i].node->index);
    }
    if (same == kind->max)
        report(config, item, "is one %s too many; a VM has at most %u", kind->name, kind->max);
    vm->device_count++;
}

void vm_devices(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;
    unsigned ahci = 0;

    if (!value_is(config, value, NODE_LIST))
        return;
    for (struct node *item = value->first; item; item = item->next) {
        unsigned before = vm->device_count;

        if (before == MAX_DEVICES) {
            report(config, item, "is one device too many; at most %d are possible", MAX_DEVICES);
            return;
        }
        read_device(config, item, vm);
        if (vm->device_count > before && !strncmp(vm->devices[before].kind->name, "ahci-", 5) &&
            ++ahci == AHCI_PORTS + 1)
            report(config, item, "the AHCI controller has %d ports", AHCI_PORTS);
    }
}

// The vendor's bits say "locally administered"; the rest is the VM's and the device's place.
static void default_mac(struct device *device, unsigned vm, unsigned number)
{
    const uint8_t mac[6] = {0x52, 0x42, 0x48, 0, (uint8_t)vm, (uint8_t)number};

    if (!device->has_mac && device->kind->fields == net_fields)
        memcpy(device->mac, mac, sizeof(mac));
}

static const char *kind_of_link(const struct field *fields)
{
    if (fields == vsock_fields)
        return "link of virtio-vsock";
    return fields == console_fields ? "link of virtio-console" : "network";
}

static void join(struct config *config, unsigned vm, const struct device *device)
{
    struct system *system = &config->system;
    struct link *link = system->links;
    const struct field *fields = device->kind->fields;

    while (link < system->links + system->link_count && strcmp(link->name, device->link))
        link++;
    if (link == system->links + MAX_LINKS) {
        report(config, device->link_node,
               "is one network or link too many; at most %d are possible", MAX_LINKS);
        return;
    }
    if (link == system->links + system->link_count) {
        system->link_count++;
        *link = (struct link){.name = device->link, .fields = fields};
        link->text =
            config_printf(config, "%s %s", fields == net_fields ? "network" : "link", device->link);
    }
    if (link->fields != fields)
        report(config, device->link_node, "'%s' is a %s; choose another name", device->link,
               kind_of_link(link->fields));
    else if (link->ends == 2)
        report(config, device->link_node,
               "is the third in '%s', which joins %s and %s; name another, for only two fit",
               device->link, system->vms[link->vm[0]].name, system->vms[link->vm[1]].name);
    else
        link->vm[link->ends++] = vm;
}

void devices_check(struct config *config)
{
    struct system *system = &config->system;

    for (unsigned i = 0; i < system->vm_count; i++) {
        struct vm *vm = &system->vms[i];
        unsigned linked = 0;

        for (unsigned j = 0; j < vm->device_count; j++) {
            struct device *device = &vm->devices[j];

            default_mac(device, i, j);
            if (!device->link)
                continue;
            if (device->kind->fields == console_fields && device->number < 2)
                device->number = 2; // port 1 leads there
            join(config, i, device);
            if (++linked == MAX_LINKED + 1)
                report(config, device->link_node,
                       "is one network or link of the VM too many; at most %d are possible",
                       MAX_LINKED);
        }
    }
}

// A firmware's guest may be any system, and one without KVM's clock needs it to find the TSC's
// frequency.
static bool has_hpet(const struct vm *vm)
{
    bool needed = vm->firmware || vm->clock == CLOCK_8254;

    for (unsigned i = 0; i < vm->hide_count; i++)
        needed = needed && strcmp(vm->hide[i], "hpet");
    return needed;
}

const char *vmm_name(struct config *config, const struct vm *vm)
{
    const char *start = vm->firmware ? "firmware" : vm->kernel_kind;
    bool linked = start && strcmp(start, "bzimage"); // which every vmm loads
    const char *name = linked ? config_printf(config, "vmm-%s", start) : "vmm";
    char separator = linked ? '+' : '-';

    if (has_hpet(vm)) {
        name = config_printf(config, "%s%chpet", name, separator);
        separator = '+';
    }
    for (unsigned i = 0; i < KINDS; i++) // in the order of the table: VMs with the same share one
        for (unsigned j = 0; j < vm->device_count; j++)
            if (vm->devices[j].kind == &kinds[i]) {
                name = config_printf(config, "%s%c%s", name, separator, kinds[i].name);
                separator = '+';
                break;
            }
    return name;
}

uint64_t vmm_arena(const struct vm *vm)
{
    uint64_t kib = vm->firmware ? FIRMWARE_ARENA : 0;
    bool ahci = false;

    for (unsigned i = 0; i < vm->device_count; i++) {
        kib += vm->devices[i].kind->arena + (vm->devices[i].entries * FILE_ARENA + 4095) / 4096 * 4;
        ahci |= !strncmp(vm->devices[i].kind->name, "ahci-", 5);
    }
    return (kib + (ahci ? AHCI_ARENA : 0)) * KIB;
}
