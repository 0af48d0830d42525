// SPDX-License-Identifier: BSD-2-Clause
// What a VM gets for its devices: files of the archive as they stand, private memory that begins as
// a copy of a file or as zeros, and the capabilities for what its vmm may show to its guest.
#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "caps.h"
#include "task.h"

#define LARGE      (2 * MIB)
#define MEM_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC)

_Static_assert(TASK_SLOT_MEM + DEVICE_BLOCKS <= TASK_SLOT_VCPU_SIGNAL, "each has a slot");

// Copying takes a while, like zeroing.
static bool fill(struct task *task, struct ram_block *block, const void *data, uint64_t size)
{
    void *to = ram_open(block);

    if (!to)
        return task_check(task, ERR_MEMORY, "device");
    quiet_begin(task->config->priority);
    memcpy(to, data, size);
    quiet_end();
    ram_close(block);
    return true;
}

// Makes block `n`, unless it is there from an earlier run. `size`: of the file when there is one.
static bool make_block(struct task *task, unsigned n, const char *file, uint64_t *size)
{
    struct ram_block *block = &task->device[n];
    const void *data = NULL;

    if (file && (!archive_find(file, &data, size, NULL) || *size == 0)) {
        snprintf(task->message, sizeof(task->message), "%.60s: not in the archive", file);
        return false;
    }
    if (block->mem != CAP_NONE)
        return true;
    uint64_t bytes = page_up(*size), align = bytes % LARGE ? PAGE : LARGE;
    if (!task_check(task, vm_alloc_quietly(task, block, bytes, align), "memory of a device"))
        return false;
    if (!data || fill(task, block, data, *size))
        return true;
    ram_free(block); // it must not be taken for a disk at the next start
    return false;
}

static bool give_device(struct task *task, unsigned n, struct task_device *to)
{
    const struct device_config *from = &task->config->devices[n];
    uint64_t address = DEVICE_ADDRESS + n * DEVICE_STEP, size = from->size;

    snprintf(to->kind, sizeof(to->kind), "%s", from->kind);
    snprintf(to->name, sizeof(to->name), "%s", from->name);
    snprintf(to->tag, sizeof(to->tag), "%s", from->tag);
    to->flags = from->flags;
    to->number = from->number;
    to->channel = channel_of_device(task->config, n);
    memcpy(to->mac, from->mac, sizeof(to->mac));
    if (from->file && from->flags & DEVICE_READ_ONLY)
        return vm_give_file(task, from->file, address, &to->address, &to->size);
    if (!from->file && !size)
        return true;
    if (!make_block(task, n, from->file, &size))
        return false;
    const struct ram_block *block = &task->device[n];
    to->address = address;
    to->size = size;
    to->slot = from->video ? TASK_SLOT_MEM + n : 0;
    return task_map(task, block->mem, 0, address, block->size, READ_WRITE, "memory of a device") &&
           (!to->slot || task_give(task, block->mem, to->slot, MEM_RIGHTS, "memory of a device"));
}

// A copy by pages, which the vmm can show to its guest below 4 GiB.
static bool give_firmware(struct task *task, struct task_info *info)
{
    const struct ram_block *block = &task->device[FIRMWARE_BLOCK];

    info->kernel_address = KERNEL_ADDRESS;
    info->firmware_slot = TASK_SLOT_MEM + FIRMWARE_BLOCK;
    return make_block(task, FIRMWARE_BLOCK, task->config->kernel, &info->kernel_file_size) &&
           task_map(task, block->mem, 0, KERNEL_ADDRESS, block->size, READ_WRITE, "firmware") &&
           task_give(task, block->mem, info->firmware_slot, MEM_RIGHTS, "firmware");
}

bool vm_devices(struct task *task, struct task_info *info)
{
    const struct task_config *from = task->config;

    for (unsigned i = 0; i < from->module_count; i++) {
        const struct module_config *module = &from->modules[i];
        struct task_module *to = &info->modules[i];

        snprintf(to->name, sizeof(to->name), "%s", module->name);
        snprintf(to->arguments, sizeof(to->arguments), "%s", module->arguments);
        if (!vm_give_file(task, module->file, MODULE_ADDRESS + i * DEVICE_STEP, &to->address,
                          &to->size))
            return false;
    }
    info->module_count = from->module_count;
    for (unsigned i = 0; i < from->device_count; i++)
        if (!give_device(task, i, &info->devices[i]))
            return false;
    info->device_count = from->device_count;
    return from->kernel_kind != KERNEL_FIRMWARE || !from->kernel || give_firmware(task, info);
}

void vm_release(struct task *task)
{
    for (unsigned i = 0; i < task->config->device_count; i++)
        if (task->config->devices[i].video)
            ram_free(&task->device[i]);
    ram_free(&task->device[FIRMWARE_BLOCK]);
}
