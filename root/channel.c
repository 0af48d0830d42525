// SPDX-License-Identifier: BSD-2-Clause
// Channels: pairs of byte rings between a VM and the server that shows its serial line, and between
// the manager and root. The block of a channel holds first the ring towards its owner (the VM; the
// manager), then the ring from it.
#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "task.h"

#define CONSOLE_RING (17 * PAGE) // 64 KiB of data
#define MANAGE_RING  (3 * PAGE)  // 8 KiB of data

static uint64_t ring_bytes(const struct task *owner)
{
    return owner->config->manager ? MANAGE_RING : CONSOLE_RING;
}

bool channels_prepare(struct task *task)
{
    if (!task->config->manager && task->config->console == TASK_MAX)
        return true;
    return task_check(task, ram_alloc_zeroed(&task->rings, 2 * ring_bytes(task), PAGE), "rings");
}

// Adds the next channel of `task`: the rings are in owner->rings. The peer is raised through root's
// slot `signal`, bit `peer_bit`.
static bool add(struct task *task, struct task_info *info, const struct task *owner,
                const char *peer, enum channel_kind kind, unsigned signal, unsigned peer_bit)
{
    unsigned n = info->channel_count++; // one for each other task, and root: at most TASK_MAX
    struct task_channel *channel = &info->channels[n];
    uint64_t bytes = ring_bytes(owner);

    _Static_assert(TASK_CHANNEL_MAX >= TASK_MAX, "a server may have a channel to every task");
    *channel = (struct task_channel){
        .kind = kind,
        .ring_bytes = (uint32_t)bytes,
        .rx = RING_ADDRESS + n * RING_STEP,
        .tx = RING_ADDRESS + n * RING_STEP + RING_STEP / 2,
        .peer_slot = TASK_SLOT_PEER + n,
        .own_bit = n,
    };
    snprintf(channel->peer, sizeof(channel->peer), "%s", peer);
    return task_map(task, owner->rings.mem, task == owner ? 0 : bytes, channel->rx, bytes,
                    READ_WRITE, "rings") &&
           task_map(task, owner->rings.mem, task == owner ? bytes : 0, channel->tx, bytes,
                    READ_WRITE, "rings") &&
           task_give(task, signal, channel->peer_slot, RIGHT_RAISE | RIGHT_BIT(peer_bit), "rings");
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

bool channels_create(struct task *task, struct task_info *info)
{
    unsigned console = task->config->console;

    if (console != TASK_MAX && !add(task, info, task, config.tasks[console].name, CHANNEL_CONSOLE,
                                    tasks[console].signal, vms_of(console, task->index)))
        return false;
    for (struct task *vm = tasks; vm < tasks + config.count; vm++) {
        uint64_t status = STATUS_TABLE_ADDRESS + info->channel_count * STATUS_TABLE_STEP;

        if (vm->config->console != task->index)
            continue;
        if (!add(task, info, vm, vm->config->name, CHANNEL_CONSOLE, vm->signal, 0) ||
            !task_map(task, vm->status_page.mem, 0, status, PAGE, MAP_READ, "status page"))
            return false;
        info->channels[info->channel_count - 1].status = status;
    }
    return !task->config->manager ||
           add(task, info, task, "root", CHANNEL_MANAGEMENT, root_signal, BIT_REPORT(task->index));
}
