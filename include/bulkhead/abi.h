// SPDX-License-Identifier: BSD-2-Clause
// The kernel's interface to user level: system-call numbers, errors, objects, rights, the boot
// information page. All arguments travel in registers (see syscalls.def); the kernel never reads or
// writes user memory.
#pragma once

#include <stdint.h>

// Register use of `syscall`: edi = operation (bits 0..7) | capability slot << 16, rsi = label, rdx
// r10 r8 r9 r12 r13 = words 0..5. On return rax = enum status; registers that carry no result are
// cleared; only rsp, rip and rflags are preserved.
enum sys_op {
#define SYSCALL(nr, name, ...) SYS_##name = (nr),
#include "bulkhead/syscalls.def"
#undef SYSCALL
    SYS_COUNT
};

// clang-format off
enum status {
    OK = 0,
    ERR_CAP,         // no such capability, or the object behind it is of another type, revoked or gone
    ERR_RIGHTS,      // the capability lacks the right
    ERR_ARG,         // an argument is malformed, unaligned or unknown
    ERR_RANGE,       // outside of the object or of the address space
    ERR_OVERLAP,     // something is mapped or derived there already
    ERR_SLOT,        // the destination slot is taken or out of range
    ERR_MEMORY,      // the pool has no memory left
    ERR_QUOTA,       // the pool has no object slots left, or one of the kernel's lists is full
    ERR_BUSY,        // the object is in use in a way that excludes this
    ERR_STATE,       // the thread or object is in the wrong state, or at home on another CPU
    ERR_DEAD,        // the other side was destroyed
    ERR_CANCELLED,   // taken out by thread_ctl(CANCEL)
    ERR_TIMEOUT,     // the deadline passed
    ERR_DEPTH,       // call chain deeper than CALL_DEPTH_MAX, or pools and mems nested too deep
    ERR_UNSUPPORTED, // this machine or build cannot
    STATUS_COUNT
};

enum object_type {
    OBJ_NONE,
    OBJ_POOL,   // create: w0 = mem (RAM, CTRL, unused) to consume, w1 = quota of object slots
    OBJ_MEM,    // create: w0 = parent mem (CTRL), w1 = offset, w2 = size: derives a child
    OBJ_TASK,   // create: w0 = fault signal (RAISE) or CAP_NONE, w1 = fault bit, w2 = highest priority it may hand out,
                //         w3 = security domain, chosen by the creator: a VM with its vmm has a number of its own, servers have 0
    OBJ_GUEST,  // create: no words
    OBJ_THREAD, // create: w0 = task (CTRL), w1 = enum thread_kind | home CPU << 8, w2 = priority,
                //         vCPU: w3 = guest (CTRL), w4 = page-aligned address of its vCPU page in the task | VCPU_APIC | VCPU_FPU
    OBJ_GATE,   // create: w0 = worker thread (CTRL), w1 = badge
    OBJ_SIGNAL, // create: no words
    OBJ_IRQ,    // create: w0 = hw (CTRL), w1 = GSI | IRQ_LEVEL | IRQ_LOW, w2 = signal (RAISE), w3 = bit
    OBJ_DEVICE,
    OBJ_HW,
    OBJ_COUNT
};

// A capability is one 64-bit word: object slot (bits 0..19), rights (20..31), generation (32..63). User level names it by its slot in
// the task's capability table.
#define CAP_SLOTS 512      // per task: one page
#define CAP_NONE  0xffffu  // names no slot; where an argument is optional

enum rights {
    RIGHT_READ = 1,  // mem
    RIGHT_WRITE = 2, // mem
    RIGHT_EXEC = 4,  // mem
    RIGHT_CALL = 1,  // gate
    RIGHT_RAISE = 1, // signal
    RIGHT_WAIT = 2,  // signal
    RIGHT_CREATE = 1, // pool
    RIGHT_MAP = 1,   // task, guest
    RIGHT_SCHEDULE = 2, // thread: priority, budget, weight; needs CTRL too
    RIGHT_CTRL = 8,  // every type: destroy, revoke, derive, control
    RIGHT_ALL = 15,
    RIGHT_ONE_BIT = 1 << 4, // signal: RAISE sets only the bit in bits 5..10
};
#define RIGHT_BIT(n) (RIGHT_ONE_BIT | (unsigned)(n) << 5)

enum thread_kind { THREAD_ACTIVE, THREAD_WORKER, THREAD_VCPU };

#define PRIORITY_COUNT 64 // threads of one priority take turns; 0 is the lowest, its threads share by weight
#define CALL_DEPTH_MAX 8
#define CPU_MAX        64

enum map_rights { MAP_READ = 1, MAP_WRITE = 2, MAP_EXEC = 4 };

enum thread_op {
    THREAD_START,    // w0 = rip, w1 = rsp, w2 = rdi; a stopped or faulted thread runs from there
    THREAD_STOP,     // it leaves whatever it does; a call it made is cancelled at its side
    THREAD_RESUME,   // continues a stopped or faulted thread where it was
    THREAD_CANCEL,   // a blocking call returns ERR_CANCELLED
    THREAD_READ,     // w0 = register group (0: rip rsp rflags rax rbx rcx, 1: rdx rsi rdi rbp r8 r9, 2: r10 r11 r12 r13 r14 r15)
    THREAD_WRITE,    // label = THREAD_WRITE | group << 8, w0..w5 = values; the thread must be stopped
    THREAD_FAULT,    // -> w0 = vector, w1 = error code, w2 = address (CR2), w3 = rip, w4 = state (enum thread_report)
    THREAD_FS_BASE,  // w0 = base; canonical user address
    THREAD_PRIORITY, // w0 = priority, not above the thread's task's ceiling and the caller's
    THREAD_BUDGET, // w0 = ticks it may run in each w1 = period (both 0: no limit; else at most PERIOD_MAX ticks, at least 1 /
                   // PERIODS_PER_SECOND s), w2 = signal (RAISE) or CAP_NONE, w3 = bit that is raised each time it is spent
    THREAD_WEIGHT, // w0 = share within priority 0, 1 .. WEIGHT_MAX
    THREAD_CPU,      // w0 = CPU: its new home; not while it calls, serves, helps or waits (ERR_BUSY)
    THREAD_FPU,      // w0 = 1: the thread uses the FPU, 0: it does not (#NM faults)
};
#define PERIOD_MAX (1ull << 48)
#define PERIODS_PER_SECOND 10000
#define WEIGHT_DEFAULT 64
#define WEIGHT_MAX     4096
enum thread_report { REPORT_STOPPED, REPORT_READY, REPORT_BLOCKED, REPORT_FAULTED };

enum task_op {
    TASK_READ_CAP, // w0 = slot -> w0 = capability word (0 when empty or stale), w1 = type
    TASK_TIME,     // -> w0 = TSC ticks that its threads ran, w1 = how often one of them had spent its budget
};

enum vcpu_op { VCPU_BIND };
// create: the processor's APIC virtualization for this vCPU, its virtual-APIC page behind the vCPU page. Errors: ERR_UNSUPPORTED without VIRT_APIC,
// ERR_OVERLAP when the guest has something at APIC_PAGE (vcpu.h).
#define VCPU_APIC 1u
// create: a page for the guest's x87, SSE and AVX registers, two pages behind the vCPU page (vcpu.h).
#define VCPU_FPU 2u
enum irq_op { IRQ_ACK, IRQ_MASK, IRQ_UNMASK };
#define IRQ_LEVEL 0x10000u // level-triggered
#define IRQ_LOW   0x20000u // active low

enum hw_op {
    HW_RESET,     // resets the machine; does not return
    HW_POOL_FREE, // w0 = pool (CTRL) -> w0 = free pages, w1 = free object slots
    HW_EXIT,      // w0 = code; ends the emulator where it has an exit port, else resets
    HW_CHECK,     // only in kernels that check themselves (DEBUG=2): w0 = first object, 0 at first -> w0 = next, 0: all were
                  // checked, as far as they belong to this CPU
    // Kernels made with DEBUG=2; ERR_ARG otherwise.
    HW_NAME,  // w0 = slot of any object, w1..w4 = its name, up to 31 bytes
    HW_DEBUG, // label = HW_DEBUG | cursor << 8, w0..w5 = text of a command; writes one step of the answer to the log
              // -> w0 = cursor of the next step, 0: that was all
};

// Faults of user threads: raised on the task's fault signal; read with THREAD_FAULT. Vectors are the processor's.

#define USER_END 0x00007ffffffff000ull // one page below the canonical hole (SYSRET with a non-canonical RCX faults in ring 0)
#define INFO_ADDRESS 0x00007ff000000000ull // where the kernel maps the information page into root

// ---- The information page: what the kernel tells root at boot; a mem object that root maps read-only into other tasks.
enum mem_kind { MEM_RAM, MEM_DEVICE, MEM_PORTS };
struct boot_mem {
    uint64_t base, size; // bytes, or ports
    uint32_t kind;       // enum mem_kind
    uint32_t cap;        // slot in root's table
};
enum virt_kind { VIRT_NONE, VIRT_SVM, VIRT_VMX };
#define VIRT_APIC 1u // virt_features: TPR shadow, APIC-register virtualization, virtual-interrupt delivery

#define BOOT_MEM_MAX 64
struct boot_info {
    uint32_t magic, size; // INFO_MAGIC, sizeof(struct boot_info)
    uint32_t cpus, virt;  // enum virt_kind
    uint64_t tsc_hz;
    uint64_t tsc_entry, tsc_root; // TSC at kernel entry, and when root started
    uint64_t ram_total;           // bytes of usable RAM that the firmware reported
    uint32_t kernel_text, kernel_size; // bytes
    uint64_t system_base, system_size; // physical range of the system archive; it is one of mem[]
    uint32_t acpi_rsdp_present, mem_count;
    uint64_t acpi_rsdp; // physical address
    char cmdline[128];  // of the kernel
    struct boot_mem mem[BOOT_MEM_MAX];
    char cpu_name[48];
    uint32_t virt_features; // VIRT_APIC
    uint32_t reserved;
};
#define INFO_MAGIC 0x64686c62u

// Capabilities that root starts with.
enum boot_slot {
    SLOT_NULL, // never filled
    SLOT_TASK, // the task itself
    SLOT_POOL, // the pool it lives in
    SLOT_THREAD,
    SLOT_HW,
    SLOT_INFO, // mem of the information page (READ)
    SLOT_ROOT_IMAGE, // mem of root's own ELF image
    SLOT_SYSTEM,     // mem of the system archive
    SLOT_BOOT_MEM,   // first of the mem objects listed in boot_info.mem
};

_Static_assert(SYS_COUNT == 20, "system calls are numbered without gaps");
_Static_assert(sizeof(struct boot_info) <= 4096, "the information page is one page");
// clang-format on
