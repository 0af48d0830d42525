// SPDX-License-Identifier: BSD-2-Clause
// The arena that the devices of one VM are built in: root gives as much as the entry's devices take
// (tools/config/devices.c lists it by kind), so that a VM without them pays nothing.
#include "vm_alloc.h"

#include "bulkhead/task.h"

#define ALIGN 64u

void *vm_alloc(size_t size)
{
    static size_t used; // a multiple of ALIGN
    size_t all = task_info()->arena_size;

    if (used > all || size > all - used)
        return NULL;
    void *memory = (void *)(ARENA_ADDRESS + used);
    used += (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return memory;
}
