// SPDX-License-Identifier: BSD-2-Clause
// Channels: pairs of byte rings between a VM and the server that shows its serial line, between the
// manager and root, between each VM and root, and between two devices of VMs. The block of a
// channel holds first the ring towards its owner (the VM; the manager; the first end of a link),
// then the ring from it.
#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "task.h"

#define CONSOLE_RING (17 * PAGE) // 64 KiB of data
#define MANAGE_RING  (3 * PAGE)  // 8 KiB of data
#define LINK_RING    (65 * PAGE) // 256 KiB of data

static struct ram_block link_rings[LINK_MAX]; // they outlive restarts

static uint64_t ring_bytes(const struct task *owner)
{
    return owner->config->manager ? MANAGE_RING : CONSOLE_RING;
}

// A VM numbers its channels: console, monitor, then its links in the order of its devices.
unsigned channel_of_monitor(const struct task_config *vm)
{
    return vm->console != TASK_MAX;
}

static bool has_peer(const struct device_config *device)
{
    return device->link != NO_LINK && config.links[device->link].ends == 2;
}

unsigned channel_of_device(const struct task_config *vm, unsigned device)
{
    unsigned n = channel_of_monitor(vm) + 1;

    if (!has_peer(&vm->devices[device]))
        return TASK_CHANNEL_MAX;
    for (unsigned i = 0; i < device; i++)
        n += has_peer(&vm->devices[i]);
    return n;
}

static bool prepare_vm(struct task *task)
{
    uint64_t window = WINDOW_MONITOR + task->index * MONITOR_STEP;

    if (!task_check(task, ram_alloc_zeroed(&task->monitor, MONITOR_STEP, PAGE), "rings") ||
        !task_check(task,
                    sys_map(SLOT_TASK, task->monitor.mem, 0, window, MONITOR_STEP, READ_WRITE),
                    "rings"))
        return false;
    // The first end of a link makes it for both: tasks are prepared in their order.
    for (unsigned i = 0; i < config.link_count; i++)
        if (config.links[i].ends == 2 && config.links[i].end[0].task == task->index &&
            !task_check(task, ram_alloc_zeroed(&link_rings[i], 2 * LINK_RING, PAGE), "rings"))
            return false;
    return true;
}

bool channels_prepare(struct task *task)
{
    if (task->config->kind == MANAGE_KIND_VM && !prepare_vm(task))
        return false;
    if (!task->config->manager && task->config->console == TASK_MAX)
        return true;
    return task_check(task, ram_alloc_zeroed(&task->rings, 2 * ring_bytes(task), PAGE), "rings");
}

// One side of a channel, before it is added to a task.
struct side {
    const struct ram_block *rings;
    uint64_t bytes; // of one ring
    bool owner;
    const char *peer;
    enum channel_kind kind;
    unsigned signal, bit; // of the peer: root's slot
};

// Adds the next channel of `task`.
static bool add(struct task *task, struct task_info *info, const struct side *side)
{
    unsigned n = info->channel_count++;
    struct task_channel *channel = &info->channels[n];
    uint64_t rx = side->owner ? 0 : side->bytes, tx = side->owner ? side->bytes : 0;

    // A server: one for each other task, and root.
    _Static_assert(TASK_CHANNEL_MAX >= TASK_MAX, "a server may have a channel to every task");
    _Static_assert(TASK_CHANNEL_MAX >= 2 + TASK_LINK_MAX, "a VM: console, monitor, links");
    _Static_assert(LINK_RING <= RING_STEP / 2, "the largest ring has room");
    *channel = (struct task_channel){
        .kind = side->kind,
        .ring_bytes = (uint32_t)side->bytes,
        .rx = RING_ADDRESS + n * RING_STEP,
        .tx = RING_ADDRESS + n * RING_STEP + RING_STEP / 2,
        .peer_slot = TASK_SLOT_PEER + n,
        .own_bit = n,
    };
    snprintf(channel->peer, sizeof(channel->peer), "%s", side->peer);
    return task_map(task, side->rings->mem, rx, channel->rx, side->bytes, READ_WRITE, "rings") &&
           task_map(task, side->rings->mem, tx, channel->tx, side->bytes, READ_WRITE, "rings") &&
           task_give(task, side->signal, channel->peer_slot, RIGHT_RAISE | RIGHT_BIT(side->bit),
                     "rings");
}

// A server numbers its VMs in the order of the configuration: how many of the first `count` tasks
// are VMs of this server.
static unsigned vms_of(unsigned server, unsigned count)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += config.tasks[i].console == server;
    return n;
}

unsigned channel_of_root(void)
{
    return vms_of(config.manager, config.count);
}

static bool add_links(struct task *task, struct task_info *info)
{
    for (unsigned i = 0; i < task->config->device_count; i++) {
        const struct device_config *device = &task->config->devices[i];

        if (!has_peer(device))
            continue;
        const struct link_config *link = &config.links[device->link];
        unsigned own = link->end[0].task == task->index && link->end[0].device == i ? 0 : 1;
        const struct task *peer = &tasks[link->end[!own].task];
        const struct side side = {
            .rings = &link_rings[device->link],
            .bytes = LINK_RING,
            .owner = own == 0,
            .peer = peer->config->name,
            .kind = CHANNEL_LINK,
            .signal = peer->signal,
            .bit = channel_of_device(peer->config, link->end[!own].device),
        };
        if (!add(task, info, &side))
            return false;
    }
    return true;
}

static bool add_vm(struct task *task, struct task_info *info)
{
    unsigned console = task->config->console;
    struct side side = {&task->rings, CONSOLE_RING, true, "", CHANNEL_CONSOLE, 0, 0};

    if (console != TASK_MAX) {
        side.peer = config.tasks[console].name;
        side.signal = tasks[console].signal;
        side.bit = vms_of(console, task->index);
        if (!add(task, info, &side))
            return false;
    }
    side = (struct side){&task->monitor, MONITOR_RING,           true, "root", CHANNEL_MONITOR,
                         root_signal,    BIT_REPORT(task->index)};
    return add(task, info, &side) && add_links(task, info);
}

bool channels_create(struct task *task, struct task_info *info)
{
    if (task->config->kind == MANAGE_KIND_VM)
        return add_vm(task, info);
    for (struct task *vm = tasks; vm < tasks + config.count; vm++) {
        uint64_t status = STATUS_TABLE_ADDRESS + info->channel_count * STATUS_TABLE_STEP;
        const struct side side = {&vm->rings,      CONSOLE_RING, false, vm->config->name,
                                  CHANNEL_CONSOLE, vm->signal,   0};

        if (vm->config->console != task->index)
            continue;
        if (!add(task, info, &side) ||
            !task_map(task, vm->status_page.mem, 0, status, PAGE, MAP_READ, "status page"))
            return false;
        info->channels[info->channel_count - 1].status = status;
    }
    const struct side side = {
        &task->rings,           MANAGE_RING, true, "root", CHANNEL_MANAGEMENT, root_signal,
        BIT_REPORT(task->index)};
    return !task->config->manager || add(task, info, &side);
}
