// SPDX-License-Identifier: BSD-2-Clause
// What the kinds of virtio devices share.
#ifndef VMM_VIRTIO_KIND_H
#define VMM_VIRTIO_KIND_H

#include "device_kind.h"
#include "virtio.h"
#include "vm_alloc.h"

/* Makes an initialized device (`added`: whether its virtio_init() was content) part of the machine:
 * reset, snapshot, timer. False: `error` says why. */
bool virtio_kind_attach(const struct device_env *env, struct virtio_device *v, bool added,
                        char *error, size_t size);

/* vm_alloc() with a message. */
void *virtio_kind_alloc(size_t bytes, char *error, size_t size);

#endif
