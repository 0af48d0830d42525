// SPDX-License-Identifier: BSD-2-Clause
// What root gives every task that it starts: where things are mapped, the information page, the
// status page, the standard capabilities.
//
// main(const struct task_info *info) is called with the information page. All that happens to a
// task arrives at its one signal (TASK_SLOT_SIGNAL) as bits: bit `own_bit` of a channel when its
// peer raised, bit `bit` of an interrupt.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "bulkhead/abi.h"

// clang-format off
// ---- Addresses in a task
#define TASK_STACK_TOP      0x10000000ull // grows down; the page below it is not mapped
#define TASK_STACK_SIZE     0x10000ull    // 64 KiB
#define TASK_STACK_STEP     0x20000ull    // the stack of vCPU n's thread ends n steps below; a page below each is not mapped
#define TASK_VCPU_STACK     0x8000ull     // bytes of each of these, but for vCPU 0, whose is the task's
#define TASK_INFO_ADDRESS   0x20000000ull // struct task_info, read-only
#define TASK_STATUS_ADDRESS 0x20010000ull // struct task_status, read-write
#define VCPU_PAGE_ADDRESS   0x20020000ull // struct vcpu_page of vCPU n at + n * VCPU_PAGE_STEP (kind "vm")
#define VCPU_APIC_ADDRESS   (VCPU_PAGE_ADDRESS + 0x1000) // its virtual-APIC page, with info->virtual_apic
#define VCPU_FPU_ADDRESS    (VCPU_PAGE_ADDRESS + 0x2000) // its FPU page (vcpu.h)
#define VCPU_PAGE_STEP      0x4000ull
#define STATUS_TABLE_ADDRESS 0x21000000ull // a manager's view of its peers' status pages, read-only, STATUS_TABLE_STEP apart
#define STATUS_TABLE_STEP    0x1000ull
#define ARENA_ADDRESS       0x28000000ull // info->arena_size bytes for models of devices, zeroed (kind "vm")
#define RING_ADDRESS        0x30000000ull // channel n: rx ring at + n * RING_STEP, tx ring RING_STEP / 2 behind it
#define RING_STEP           0x100000ull
#define RAM_ADDRESS      0x10000000000ull // guest RAM, read-write, without a hole: guest-physical g lies at RAM_ADDRESS + g below
                                          // info->ram_below_4g, and what is above 4 GiB follows it
#define KERNEL_ADDRESS   0x20000000000ull // the guest's kernel file, read-only
#define INITRD_ADDRESS   0x30000000000ull // its initial RAM disk, read-only
#define DEVICE_ADDRESS   0x40000000000ull // file or memory of device n at + n * DEVICE_STEP
#define DEVICE_STEP      0x1000000000ull
#define SNAPSHOT_ADDRESS 0x58000000000ull // the VM's snapshot: to be written, read-only while it is restored
#define MODULE_ADDRESS   0x60000000000ull // boot module n at + n * DEVICE_STEP, read-only

// ---- Capabilities that a task starts with. Nothing else is in its table.
enum task_slot {
    TASK_SLOT_NULL,
    TASK_SLOT_SIGNAL,     // its signal: WAIT, RAISE
    TASK_SLOT_THREAD,     // its main thread: CTRL (bind a signal to the vCPU, set FS base), not SCHEDULE
    TASK_SLOT_SUPERVISOR, // root's signal, RAISE of one bit: "look at my status page" (and at the management channel)
    TASK_SLOT_PEER,       // channel n: the peer's signal at TASK_SLOT_PEER + n, RAISE of one bit
    TASK_SLOT_IRQ = TASK_SLOT_PEER + 32, // interrupt n at TASK_SLOT_IRQ + n: CTRL
    TASK_SLOT_GUEST = TASK_SLOT_IRQ + 8, // kind "vm": its guest: MAP
    TASK_SLOT_MEM,                       // kind "vm": memory of device n at TASK_SLOT_MEM + n, as far as it has any: READ, WRITE, EXEC
    TASK_SLOT_VCPU_SIGNAL = TASK_SLOT_MEM + 32, // vCPU n's signal; that of vCPU 0 is TASK_SLOT_SIGNAL, too
    TASK_SLOT_VCPU_THREAD = TASK_SLOT_VCPU_SIGNAL + 8,
};

#define TASK_NAME_SIZE   32 // bytes, with the NUL
#define TASK_CHANNEL_MAX 20
#define TASK_IRQ_MAX     4
#define TASK_PORT_MAX    4
#define TASK_CMDLINE     2048 // bytes, with the NUL
#define TASK_DEVICE_MAX  24
#define TASK_MODULE_MAX  8
#define TASK_VCPU_MAX    8
#define TASK_IRQ_BIT     56 // interrupt n arrives as bit TASK_IRQ_BIT + n; channel n as bit n

enum channel_kind {
    CHANNEL_CONSOLE,    // bytes of a serial line: rx is what was typed, tx what is printed
    CHANNEL_MANAGEMENT, // with root: manage.h
    CHANNEL_LINK,       // with another VM: a network or vsock link between them
    CHANNEL_MONITOR,    // with root: commands for this vmm (monitor.h)
};

// A pair of byte rings (bulkhead/ring.h) in zeroed memory, which is an empty ring; each is ring_bytes long with its indices.
// They outlive a restart of one side, so that what it said last is not lost.
struct task_channel {
    char peer[TASK_NAME_SIZE]; // name of the task at the other end; "root"
    uint32_t kind;             // enum channel_kind
    uint32_t ring_bytes;       // memory of one ring: a multiple of 4096; ring_capacity() gives its data bytes
    uint64_t rx, tx;           // addresses of struct ring: this side reads rx and writes tx
    uint32_t peer_slot;        // capability: sys_raise(peer_slot, 1) tells the peer (the bit is fixed in the capability)
    uint32_t own_bit;          // bit of the own signal that the peer raises
    uint64_t status;           // address of the peer's struct task_status, read-only; 0: none is given
    uint64_t reserved;
};

enum guest_apic { GUEST_APIC_AUTO, GUEST_APIC_SOFTWARE }; // auto: virtualized where the processor can
enum guest_clock { GUEST_CLOCK_PVCLOCK, GUEST_CLOCK_8254 };
enum guest_hide { // what is kept from the guest
    HIDE_CX16 = 1 << 0,
    HIDE_PCI_PORTS = 1 << 1, // configuration space by memory only, not by 0xCF8 and 0xCFC
};
enum guest_kernel { KERNEL_UNKNOWN, KERNEL_BZIMAGE, KERNEL_MULTIBOOT, KERNEL_MULTIBOOT2, KERNEL_PVH, KERNEL_FIRMWARE };

// A device that the VM's entry names. Kinds: docs/configuration.md.
enum task_device_flags { DEVICE_READ_ONLY = 1, DEVICE_CDROM = 2 };
#define TASK_LINK_MAX 16 // devices of one VM that have a channel
struct task_device {
    char kind[16];          // struct device_kind
    char name[24];          // unique in its VM: the monitor knows the device by it
    char tag[32];           // share: mount tag; network or link: its name
    uint64_t address, size; // its file (read-only) or memory (read-write) in the vmm; 0, 0: none
    uint32_t flags;         // enum task_device_flags
    uint32_t channel;       // its channel; TASK_CHANNEL_MAX: none
    uint32_t slot;          // capability of its memory, for the guest's address space; 0: none
    uint32_t number;        // by kind: ports, queues, the VM's CID
    uint8_t mac[6];
    uint8_t reserved[2];
};

struct task_module { // of a Multiboot kernel
    uint64_t address, size;
    char name[32]; // file name; the first word of its command line
    char arguments[96];
};

struct task_info {
    uint32_t magic, size; // TASK_INFO_MAGIC, sizeof(struct task_info)
    char name[TASK_NAME_SIZE];
    char system[TASK_NAME_SIZE]; // name of the whole system
    uint64_t tsc_hz;
    uint32_t virt; // enum virt_kind
    uint32_t cpus; // of the machine
    uint64_t tsc_kernel, tsc_root, tsc_created; // kernel entry, root's start, this task's creation
    uint64_t unix_seconds, unix_tsc;            // seconds since 1970 (UTC, whole ones) at that TSC; 0, 0: not known
    uint64_t ram_total, ram_free;               // bytes of the machine: usable; not handed out when the task was created
    uint32_t kernel_text, kernel_size;          // bytes
    char cpu_name[48];
    uint32_t priority, restarts; // of this task; how often it was started again

    uint32_t channel_count, irq_count, port_count;
    uint32_t arena_size; // bytes at ARENA_ADDRESS
    struct task_channel channels[TASK_CHANNEL_MAX];
    struct {
        uint32_t gsi, slot, bit, reserved;
    } irqs[TASK_IRQ_MAX];
    struct {
        uint32_t base, count;
    } ports[TASK_PORT_MAX];

    // kind "vm": all 0 in other tasks
    uint64_t ram_size, ram_below_4g; // bytes; guest-physical [0, ram_below_4g) and, when there is more, from 4 GiB on
    uint64_t kernel_address, kernel_file_size; // 0, 0: none
    uint64_t initrd_address, initrd_file_size;
    uint32_t kernel_kind; // enum guest_kernel
    uint32_t guest_cpus;
    uint32_t vcpus_apart; // each vCPU has a CPU of the machine for itself, as far as this VM goes
    uint32_t hide;  // enum guest_hide
    uint32_t clock; // enum guest_clock
    uint32_t virtual_apic; // the vCPU was made with VCPU_APIC
    uint64_t snapshot_address, snapshot_size; // to start from; 0, 0: none
    uint32_t device_count, module_count;
    uint32_t firmware_slot; // with KERNEL_FIRMWARE: the capability of its page-aligned copy at kernel_address; 0: none
    struct task_device devices[TASK_DEVICE_MAX];
    struct task_module modules[TASK_MODULE_MAX];
    char cmdline[TASK_CMDLINE];
};
#define TASK_INFO_MAGIC 0x6f666e69u
#define TASK_INFO_SIZE 12288ull
_Static_assert(sizeof(struct task_info) <= TASK_INFO_SIZE, "the information takes three pages");

// ---- The status page: written by the task, read by root and by the console. HAZARD: a reader copies a field once, then checks it.
enum task_state {
    TASK_CREATED, // by root
    TASK_RUNNING, // by the task: its main loop, or its guest, runs
    TASK_READY,   // its guest reached user level, as far as the vmm can tell; servers: they serve
    // What follows are ends: the task stores one, raises TASK_SLOT_SUPERVISOR and waits to be torn down. task_end() does it.
    TASK_ENDED = 16,
    TASK_POWEROFF = 16, // the guest switched itself off
    TASK_REBOOT,        // the guest asked for a reset: root starts it again
    TASK_CRASHED,       // triple fault or what the vmm cannot go on with; `reason` says
    TASK_FAILED,        // the task could not start; `reason` says. Never restarted
};

#define TASK_EXIT_CLASSES 32
struct task_status {
    uint32_t state;    // enum task_state
    uint32_t no_ready; // by the task: its guest may run well and never show that it is ready: not worth waiting for
    char reason[112]; // NUL-terminated text
    // TSC, 0 = not yet
    uint64_t tsc_created, tsc_started;         // by root: creation begins; the thread was started
    uint64_t tsc_first_entry, tsc_first_output; // by the task: first guest entry; first byte of output
    uint64_t tsc_ready;
    uint64_t exits[TASK_EXIT_CLASSES]; // by enum vcpu_exit
    uint64_t irqs_injected, bytes_out;
};
_Static_assert(sizeof(struct task_status) <= 4096, "one page");

// ---- Helpers (lib/task.c). In root only task_log() is of use.

// Writes a line "name: text" to the kernel's log (debug builds), cut at 240 bytes.
void task_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Ends the task: stores the state and the reason, tells root, never returns.
_Noreturn void task_end(enum task_state state, const char *reason);

// The same in a task of several threads: `signal` is the slot of the caller's own.
_Noreturn void task_end_at(unsigned signal, enum task_state state, const char *reason);

// The same as TASK_FAILED, with a line in the log.
_Noreturn void task_fail(const char *reason);

// clang-format on

// What _start calls when main returns.
_Noreturn void task_exit(int code);

static inline const struct task_info *task_info(void)
{
    return (const struct task_info *)TASK_INFO_ADDRESS;
}

static inline struct task_status *task_status(void)
{
    return (struct task_status *)TASK_STATUS_ADDRESS;
}

// Time-stamp counter: the unit of all deadlines.
static inline uint64_t task_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
