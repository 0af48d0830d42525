// SPDX-License-Identifier: BSD-2-Clause
// Holding a VM, saving it and starting from what was saved. All vCPUs stand still outside of their
// guest while `paused` is set; what a saved VM consists of is in save.c.
#ifndef VMM_SAVE_H
#define VMM_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct vcpu;

enum save_pause { PAUSED_BY_OPERATOR = 1, PAUSED_TO_SAVE = 2 };

struct vm_save {
    void *image;     // where root gives room for an image: SNAPSHOT_ADDRESS
    uint32_t paused; // enum save_pause: why its vCPUs stand still
    uint32_t parked; // vCPUs that do, their whole state in their pages
    uint64_t kept;   // what peers raised meanwhile: a guest that stands still receives nothing
    uint64_t size;   // of the image, as root was told: it gave no more room
    bool ready;      // restored: its guest had reached user level
    uint64_t now;    // the time that devices are shown while they are saved or restored
};

// Registers pause, resume and the three steps of a snapshot with the monitor.
void save_init(struct vm *vm);

// With the lock, before an entry and while halted: stands still as long as the VM is paused.
void save_park(struct vcpu *vcpu);

// In machine_build(), in place of loading a kernel: takes the state from info->snapshot. False:
// `error` holds one line, and the machine cannot be used.
bool save_restore(struct vm *vm, char *error, size_t size);

#endif
