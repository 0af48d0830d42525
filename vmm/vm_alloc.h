// SPDX-License-Identifier: BSD-2-Clause
// Memory for the device models of one VM: taken from a fixed arena while the machine is built,
// never given back.
#ifndef VMM_VM_ALLOC_H
#define VMM_VM_ALLOC_H

#include <stddef.h>

/* Zeroed memory aligned to 64 bytes, or NULL when the arena is used up: the caller then refuses the
 * device with a message. */
void *vm_alloc(size_t size);

#endif
