// SPDX-License-Identifier: BSD-2-Clause
// A task that root made: what it owns for good (signal, status page, rings: they outlive a restart,
// so that its peers need not be told) and what it owns while it runs, which all goes back when it
// ends.
#pragma once

#include "ram.h"
#include "system.h"

#define RAM_BLOCKS    4 // pieces that a guest's RAM may consist of
#define RESTART_LIMIT 5 // in a minute

struct task {
    const struct task_config *config;
    unsigned index;
    enum manage_state state;
    unsigned restarts;
    uint64_t restart_times[RESTART_LIMIT]; // TSC; a ring
    char message[104];                     // why it does not run

    unsigned signal; // slots of root's table
    struct ram_block status_page, rings;
    struct task_status *status; // in root; NULL: not prepared. HAZARD: the task writes it

    unsigned pool, task, thread, guest;
    unsigned ports[TASK_PORT_MAX], irqs[TASK_IRQ_MAX];
    struct ram_block pool_ram, pages, ram[RAM_BLOCKS];
};

extern struct system_config config;
extern struct task tasks[TASK_MAX];

// Notes why something about the task failed, when status is not OK. Gives whether it is OK.
bool task_check(struct task *task, enum status status, const char *what);

// The only two ways to give a task something. `mem` and `from` are slots of root.
bool task_map(struct task *task, unsigned mem, uint64_t offset, uint64_t address, uint64_t size,
              unsigned rights, const char *what);
bool task_give(struct task *task, unsigned from, unsigned to, unsigned rights, const char *what);

#define READ_WRITE (MAP_READ | MAP_WRITE)

// Makes what the task owns for good.
bool task_prepare(struct task *task);

// Creates the task with all that its entry names and starts it. False: task->message says why, and
// nothing is left of it.
bool task_start(struct task *task);

// Takes everything back that task_start() made. The state becomes `state`.
void task_stop(struct task *task, enum manage_state state);

// Bytes that it owns while it runs.
uint64_t task_memory(const struct task *task);

// ---- vm.c: the guest, its RAM and its files. Fills the part of the info page. The vCPU thread
// follows in task_start().
bool vm_create(struct task *task, struct task_info *info);
// Whether its vCPU gets the processor's APIC virtualization.
bool vm_virtual_apic(const struct task_config *from);

// ---- channel.c
bool channels_prepare(struct task *task);
bool channels_create(struct task *task, struct task_info *info);
unsigned channel_of_root(void); // number of the management channel in the manager

// ---- manage.c: the management channel
bool manage_prepare(void);           // after task_prepare() of the manager
void manage_serve(void);             // answers what has come in
bool manage_event(const char *text); // false: there is no manager that runs

// ---- supervise.c: what the bits of root's signal mean
void supervise(uint64_t bits);

// ---- main.c: a file of the system archive; the offset of its data in the mem object SLOT_SYSTEM.
bool archive_find(const char *name, const void **data, uint64_t *size, uint64_t *mem_offset);
