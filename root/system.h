// SPDX-License-Identifier: BSD-2-Clause
// The configuration: what system.dtb says of each task (docs/configuration.md lists nodes and
// properties).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/manage.h"
#include "root.h"

struct task_config {
    const char *name; // texts lie in the device tree
    const char *image;
    enum manage_kind kind;
    unsigned host_cpu, priority, weight;
    unsigned budget_us, period_us; // 0, 0: no limit
    uint64_t pool_size;
    bool manager; // it gets the management channel
    bool restart; // when it crashes
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
};

struct system_config {
    const char *name;
    unsigned count;
    unsigned manager;                   // index; TASK_MAX: none
    struct task_config tasks[TASK_MAX]; // servers first
};

#define SYSTEM_ERROR 128

// Reads a device tree, which must stay where it is. False with one line in `error` when something
// in it is missing, malformed or out of range.
bool system_read(const void *dtb, size_t size, struct system_config *config,
                 char error[SYSTEM_ERROR]);
