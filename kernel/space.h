// SPDX-License-Identifier: BSD-2-Clause
// Address spaces: what a task and a guest have in common, so that `map` treats both alike. And the two objects
// themselves.
#pragma once

#include "mem.h"
#include "ptab.h"

struct thread;
#define CHECK_CPUS 8 // that the TLB ledger knows (check.h)

struct space {
    struct object obj;
    struct ptab ptab;         // root and format
    struct record *records;   // sorted by address
    struct record *finger[2]; // into them, where the last searches ended
    uint32_t record_count;
    uint64_t limit;         // first address past it
    struct thread *threads; // task: its threads; guest: the vCPUs that run in it
    uint64_t tag;           // task: PCID
    uint64_t cpus;          // on which its translations may be cached
    uint64_t cleared;       // counts the steps that took translations out of the tables ...
    uint64_t flushed;       // ... and of those the ones that no CPU has cached any more
#if CHECKED
    uint64_t check_seen[CHECK_CPUS]; // 1 + `cleared` when the CPU flushed it last; 0: it holds nothing of it
#endif
};

struct task {
    struct space space;
    cap_t *caps;        // CAP_SLOTS words, one page
    uint64_t cr3;       // with PCID and no-flush bit
    void *io_bitmap[2]; // two pages, or NULL while it has no ports
    cap_t fault_signal; // reference; 0: none
    uint8_t fault_bit;
    uint8_t priority_max; // that it may hand out
    uint32_t domain;      // security domain; 0: root and servers
    uint64_t time;        // TSC ticks used
    uint64_t overruns;    // budgets spent
    void *io_tables[3];   // the page tables that put the bitmap behind the TSS
};

struct guest {
    struct space space;
    void *apic_access; // the page at APIC_PAGE, or NULL: no vCPU has VCPU_APIC
    uint32_t vcpus;
};

enum status task_create(struct pool *pool, cap_t fault_signal, unsigned fault_bit, unsigned priority_max,
                        struct task **out);
enum status guest_create(struct pool *pool, struct guest **out);
// No CPU holds anything of the space any more. False: more to do.
bool task_destroy_step(struct task *task);
bool guest_destroy_step(struct guest *guest);

// Steps of work (table entries) between two preemption points.
#define SPACE_STEPS 48
#define PORT_STEPS  3072 // 48 words of the bitmap

// Addresses of I/O ports in a task's records: above every memory address.
#define PORTS_ADDRESS (1ull << 63)

// Maps a piece of [offset, offset + size) of mem at address for a system call of `thread`. *step: whether there is more
// to do; then call again with the same arguments. Errors: ERR_ARG, ERR_RANGE, ERR_OVERLAP, ERR_BUSY, ERR_MEMORY.
enum status space_map(struct space *space, struct mem *mem, uint64_t offset, uint64_t address, uint64_t size,
                      unsigned rights, struct thread *thread, enum step *step);
// Removes mappings in [address, address + size). Splitting a record or large page may fail with ERR_MEMORY, before
// anything changed.
enum status space_unmap(struct space *space, uint64_t address, uint64_t size, struct thread *thread, enum step *step);
// Removes a piece of a record. Its range stays taken until no CPU has a translation of it cached.
enum step record_remove_step(struct record *record, struct thread *thread);
