// SPDX-License-Identifier: BSD-2-Clause
// A task that root made: what it owns for good (signal, status page, rings: they outlive a restart,
// so that its peers need not be told) and what it owns while it runs, which all goes back when it
// ends.
#pragma once

#include "ram.h"
#include "system.h"

#define RAM_BLOCKS    4 // pieces that a guest's RAM may consist of
#define RESTART_LIMIT 5 // in a minute

// Memory of devices: a disk's stays, whatever happens to its VM; that of a screen and the copy of
// the firmware are new at each start.
#define FIRMWARE_BLOCK TASK_DEVICE_MAX
#define DEVICE_BLOCKS  (TASK_DEVICE_MAX + 1)

struct task {
    const struct task_config *config;
    unsigned index;
    enum manage_state state;
    unsigned restarts;
    uint64_t restart_times[RESTART_LIMIT]; // TSC; a ring
    char message[104];                     // why it does not run

    unsigned signal; // slots of root's table
    struct ram_block status_page, rings, monitor;
    struct ram_block device[DEVICE_BLOCKS];
    struct ram_block snapshot;
    uint64_t snapshot_size;     // bytes of it that count
    bool restoring;             // task_start() is to begin with the snapshot
    struct task_status *status; // in root; NULL: not prepared. HAZARD: the task writes it

    unsigned pool, task, thread, guest;
    // Of the vCPUs but the first, whose are `thread` and `signal`; with the pool they die.
    unsigned vcpu_thread[TASK_VCPU_MAX], vcpu_signal[TASK_VCPU_MAX];
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
// Maps a file of the archive read-only into the vmm, or nothing when there is no name.
bool vm_give_file(struct task *task, const char *name, uint64_t address, uint64_t *info_address,
                  uint64_t *info_size);
// ram_alloc_zeroed() at the priority of the VM.
enum status vm_alloc_quietly(const struct task *task, struct ram_block *block, uint64_t size,
                             uint64_t align);

// ---- vm_devices.c: modules, devices and firmware.
bool vm_devices(struct task *task, struct task_info *info);
// Takes back what does not outlive a run.
void vm_release(struct task *task);
// Whether its vCPU gets the processor's APIC virtualization.
bool vm_virtual_apic(const struct task_config *from);

// ---- channel.c
bool channels_prepare(struct task *task);
bool channels_create(struct task *task, struct task_info *info);
unsigned channel_of_root(void); // number of the management channel in the manager
// Number of a VM's channel CHANNEL_MONITOR: root raises the VM's signal at this bit, and is raised
// at BIT_REPORT. The rings are at WINDOW_MONITOR + index * MONITOR_STEP: first the one towards the
// VM, MONITOR_RING behind it the one from it.
unsigned channel_of_monitor(const struct task_config *vm);
// Number of the channel of a VM's device; TASK_CHANNEL_MAX: it has none.
unsigned channel_of_device(const struct task_config *vm, unsigned device);

// ---- manage.c: the management channel
bool manage_prepare(void);           // after task_prepare() of the manager
void manage_serve(void);             // answers what has come in
bool manage_event(const char *text); // false: there is no manager that runs
bool manage_room(void);              // for an answer that comes later
void manage_answer(const struct manage_reply *reply);

// ---- monitor.c: commands for the monitors of VMs, and snapshots
void monitor_reset(struct task *task); // before it starts: forgets what its last run left
// Passes `text` on, or begins a snapshot (NULL). NULL, and the answer comes later; else why not.
const char *monitor_ask(struct task *task, uint32_t tag, const char *text);
void monitor_serve(void);              // takes what monitors said, or no longer waits for it
extern uint64_t monitor_deadline;      // when it is to be called for that, TSC; UINT64_MAX: never
void monitor_ended(struct task *task); // the task has ended: it will not answer
// Starts the VM again from its snapshot. NULL, or why not.
const char *monitor_restore(struct task *task);

// ---- supervise.c: what the bits of root's signal mean
void supervise(uint64_t bits);

// ---- main.c: a file of the system archive; the offset of its data in the mem object SLOT_SYSTEM.
bool archive_find(const char *name, const void **data, uint64_t *size, uint64_t *mem_offset);
