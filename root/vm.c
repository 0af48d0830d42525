// SPDX-License-Identifier: BSD-2-Clause
// What a VM has beyond a task: a guest with its RAM, which its vmm sees too, and the files that it
// boots from.
#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "caps.h"
#include "task.h"

// Guest-physical addresses from 2 to 4 GiB are devices: RAM that does not fit below goes on at 4
// GiB.
#define RAM_LOW_END  (2 * GIB)
#define RAM_HIGH     (4 * GIB)
#define GUEST_RIGHTS (MAP_READ | MAP_WRITE | MAP_EXEC)
#define LARGE        (2 * MIB)

// Maps a block into the guest and the vmm; `offset` counts the RAM before it.
static enum status map_ram(const struct task *task, const struct ram_block *block, uint64_t offset)
{
    uint64_t low = offset < RAM_LOW_END ? RAM_LOW_END - offset : 0;
    enum status status =
        sys_map(task->task, block->mem, 0, RAM_ADDRESS + offset, block->size, READ_WRITE);

    if (low > block->size)
        low = block->size;
    if (status == OK && low > 0)
        status = sys_map(task->guest, block->mem, 0, offset, low, GUEST_RIGHTS);
    if (status == OK && low < block->size)
        status = sys_map(task->guest, block->mem, low, offset + low - RAM_LOW_END + RAM_HIGH,
                         block->size - low, GUEST_RIGHTS);
    return status;
}

// Zeroing takes a while: it is done at the priority of the VM that wants it, so that nobody above
// it notices.
enum status vm_alloc_quietly(const struct task *task, struct ram_block *block, uint64_t size,
                             uint64_t align)
{
    quiet_begin(task->config->priority);
    enum status status = ram_alloc_zeroed(block, size, align);
    quiet_end();
    return status;
}

// One piece when there is one that large, else the largest ones.
static bool give_ram(struct task *task)
{
    uint64_t wanted = task->config->memory, offset = 0;

    for (unsigned i = 0; i < RAM_BLOCKS && offset < wanted; i++) {
        uint64_t size = ram_largest(LARGE) & ~(LARGE - 1);

        if (size > wanted - offset)
            size = wanted - offset;
        if (size == 0)
            break;
        if (!task_check(task, vm_alloc_quietly(task, &task->ram[i], size, LARGE), "guest RAM") ||
            !task_check(task, map_ram(task, &task->ram[i], offset), "guest RAM"))
            return false;
        offset += size;
    }
    if (offset == wanted)
        return true;
    snprintf(task->message, sizeof(task->message), "it wants %llu MiB of RAM, there are %llu",
             (unsigned long long)(wanted / MIB),
             (unsigned long long)((offset + ram_free_bytes()) / MIB));
    return false;
}

bool vm_give_file(struct task *task, const char *name, uint64_t address, uint64_t *info_address,
                  uint64_t *info_size)
{
    uint64_t size, offset;

    if (!name)
        return true;
    if (!archive_find(name, NULL, &size, &offset) || size == 0 || offset % PAGE) {
        snprintf(task->message, sizeof(task->message), "%.60s: not in the archive", name);
        return false;
    }
    *info_address = address;
    *info_size = size;
    return task_map(task, SLOT_SYSTEM, offset, address, page_up(size), MAP_READ, name);
}

static bool vcpus_apart(const struct task_config *from)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < from->cpus; i++) {
        if (seen >> from->host_cpu[i] & 1)
            return false;
        seen |= 1ull << from->host_cpu[i];
    }
    return true;
}

bool vm_virtual_apic(const struct task_config *from)
{
    return from->apic == GUEST_APIC_AUTO && boot->virt_features & VIRT_APIC;
}

bool vm_create(struct task *task, struct task_info *info)
{
    const struct task_config *from = task->config;
    enum status status;

    if (boot->virt == VIRT_NONE) {
        snprintf(task->message, sizeof(task->message),
                 "this processor has neither SVM nor VT-x that could be used");
        return false;
    }
    task->guest = cap_alloc();
    status = task->guest == CAP_NONE ? ERR_SLOT : sys_create_guest(task->pool, task->guest);
    if (status == OK)
        cap_name(task->guest, from->name);
    if (!task_check(task, status, "guest") || !give_ram(task) ||
        !task_give(task, task->guest, TASK_SLOT_GUEST, RIGHT_MAP, "guest") ||
        (from->kernel_kind != KERNEL_FIRMWARE &&
         !vm_give_file(task, from->kernel, KERNEL_ADDRESS, &info->kernel_address,
                       &info->kernel_file_size)) ||
        !vm_give_file(task, from->initrd, INITRD_ADDRESS, &info->initrd_address,
                      &info->initrd_file_size) ||
        !vm_devices(task, info))
        return false;
    if (task->restoring) {
        info->snapshot_address = SNAPSHOT_ADDRESS;
        info->snapshot_size = task->snapshot_size;
        if (!task_map(task, task->snapshot.mem, 0, SNAPSHOT_ADDRESS, task->snapshot.size, MAP_READ,
                      "snapshot"))
            return false;
    }
    info->ram_size = from->memory;
    info->ram_below_4g = from->memory < RAM_LOW_END ? from->memory : RAM_LOW_END;
    info->kernel_kind = from->kernel_kind;
    info->guest_cpus = from->cpus;
    info->vcpus_apart = vcpus_apart(from);
    info->hide = from->hide;
    info->clock = from->clock;
    info->virtual_apic = vm_virtual_apic(from);
    snprintf(info->cmdline, sizeof(info->cmdline), "%s", from->cmdline);
    return true;
}
