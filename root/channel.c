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
    unsigned n = info->channel_count++; // at most TASK_MAX: as many as there are tasks, the task
                                        // itself left out, and root
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
    return task_check(task,
                      sys_map(task->task, owner->rings.mem, task == owner ? 0 : bytes, channel->rx,
                              bytes, MAP_READ | MAP_WRITE),
                      "rings") &&
           task_check(task,
                      sys_map(task->task, owner->rings.mem, task == owner ? bytes : 0, channel->tx,
                              bytes, MAP_READ | MAP_WRITE),
                      "rings") &&
           task_check(task,
                      sys_cap_copy(SLOT_TASK, signal, task->task, channel->peer_slot,
                                   RIGHT_RAISE | RIGHT_BIT(peer_bit)),
                      "rings");
}

// The number of a VM's channel in its server: servers count their VMs in the order of the
// configuration.
static unsigned channel_of(const struct task *vm)
{
    unsigned n = 0;

    for (unsigned i = 0; i < vm->index; i++)
        if (config.tasks[i].console == vm->config->console)
            n++;
    return n;
}

unsigned channel_of_root(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < config.count; i++)
        if (config.tasks[i].console == config.manager)
            n++;
    return n;
}

bool channels_create(struct task *task, struct task_info *info)
{
    if (task->config->console != TASK_MAX) {
        struct task *server = &tasks[task->config->console];

        if (!add(task, info, task, server->config->name, CHANNEL_CONSOLE, server->signal,
                 channel_of(task)))
            return false;
    }
    for (unsigned i = 0; i < config.count; i++) {
        struct task *vm = &tasks[i];
        uint64_t status = STATUS_TABLE_ADDRESS + info->channel_count * STATUS_TABLE_STEP;

        if (config.tasks[i].console != task->index)
            continue;
        if (!add(task, info, vm, vm->config->name, CHANNEL_CONSOLE, vm->signal, 0) ||
            !task_check(task, sys_map(task->task, vm->status_page.mem, 0, status, PAGE, MAP_READ),
                        "status page"))
            return false;
        info->channels[info->channel_count - 1].status = status;
    }
    return !task->config->manager ||
           add(task, info, task, "root", CHANNEL_MANAGEMENT, root_signal, BIT_REPORT(task->index));
}
