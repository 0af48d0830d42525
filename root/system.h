// SPDX-License-Identifier: BSD-2-Clause
// The configuration: what system.dtb says of each task (docs/configuration.md lists nodes and
// properties).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/manage.h"
#include "root.h"

#define LINK_MAX 64 // networks and vsock links
enum { NO_LINK = LINK_MAX };

// A device of a VM. Root knows no kinds: what it does is said by the other members.
struct device_config {
    const char *kind, *name, *tag; // texts lie in the device tree; tag may be ""
    const char *file;              // in the archive; NULL: none
    uint64_t size;                 // bytes of memory, when there is no file; 0: none
    uint32_t flags;                // enum task_device_flags
    uint32_t number;
    bool video;    // its memory may be mapped into the guest, and is new at each start
    unsigned link; // index in system_config.links, NO_LINK: none
    uint8_t mac[6];
};

struct module_config {
    const char *file, *name, *arguments;
};

struct task_config {
    const char *name;
    const char *image;
    enum manage_kind kind;
    unsigned host_cpu[TASK_VCPU_MAX]; // of vCPU n; servers: the first
    unsigned priority, weight;
    unsigned budget_us, period_us; // 0, 0: no limit
    uint64_t pool_size;
    uint64_t arena_size; // bytes for the models of devices
    bool manager;        // it gets the management channel
    bool restart;        // when it crashes
    bool autostart;
    unsigned port_count, irq_count;
    struct {
        unsigned base, count;
    } ports[TASK_PORT_MAX];
    unsigned irqs[TASK_IRQ_MAX]; // GSIs

    // kind VM
    uint64_t memory;
    unsigned cpus;
    const char *kernel, *initrd; // names in the archive; NULL: none
    enum guest_kernel kernel_kind;
    const char *cmdline;
    uint32_t hide; // enum guest_hide
    enum guest_clock clock;
    enum guest_apic apic;
    unsigned console; // index of the task that shows its serial line; TASK_MAX: none
    unsigned device_count, module_count;
    struct device_config devices[TASK_DEVICE_MAX];
    struct module_config modules[TASK_MODULE_MAX];
};

// Joins two devices of VMs.
struct link_config {
    const char *name;
    unsigned ends; // 1: nobody is at the other one
    struct {
        unsigned task, device;
    } end[2];
};

struct system_config {
    const char *name;
    unsigned count;
    unsigned manager;                   // index; TASK_MAX: none
    struct task_config tasks[TASK_MAX]; // servers first
    unsigned link_count;
    struct link_config links[LINK_MAX];
};

#define SYSTEM_ERROR 128
struct reader;

// system_devices.c: the modules and devices of the VM that will be the next task.
void system_read_devices(struct reader *r, struct system_config *config, struct task_config *task);

// Reads a device tree, which must stay where it is. False with one line in `error` when something
// in it is missing, malformed or out of range.
bool system_read(const void *dtb, size_t size, struct system_config *config,
                 char error[SYSTEM_ERROR]);
