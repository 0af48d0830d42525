// SPDX-License-Identifier: BSD-2-Clause
// The arena that the devices of one VM are built in. It is linked, and so takes memory, only when
// the VM has such devices.
#include "vm_alloc.h"

#include <stdint.h>

#define ARENA (384u * 1024)
#define ALIGN 64u

static _Alignas(ALIGN) uint8_t arena[ARENA]; // zeroed, as nothing is given back
static size_t used;

void *vm_alloc(size_t size)
{
    void *memory = arena + used;

    if (size > ARENA - used)
        return NULL;
    used += (size + ALIGN - 1) & ~(size_t)(ALIGN - 1); // ARENA is a multiple of ALIGN
    return memory;
}
