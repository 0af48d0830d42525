// SPDX-License-Identifier: BSD-2-Clause
// What the devices that a VM's entry names get of their vmm (struct device_env), and how its loop
// tells them of their channels.
#ifndef VMM_DEVICE_ENV_H
#define VMM_DEVICE_ENV_H

#include "bulkhead/task.h"
#include "device_kind.h"

struct vm;

struct vm_devices {
    struct device_env env;
    struct monitor monitor;
    struct {
        void (*arrived)(void *dev); /* NULL: no device has this channel */
        void *dev;
    } channel[TASK_CHANNEL_MAX];
    size_t (*typed)(void *dev, const uint8_t *bytes, size_t n); /* NULL: keys go to the UART */
    void *typed_dev;
};

/* Creates all devices of the VM's entry; its chipset is built. False: `error` holds one line. */
bool vm_devices_create(struct vm *vm, char *error, size_t size);

/* The peers of these bits of the VM's signal raised. */
void vm_devices_serve(struct vm *vm, uint64_t bits);

#endif
