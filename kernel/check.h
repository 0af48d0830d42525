// SPDX-License-Identifier: BSD-2-Clause
// The kernel checks itself: what must hold between any two system calls. Only with DEBUG=2 and in the host tests
// (CHECKED); otherwise every hook is empty. What they call is in tests/invariants/. A failed check is a panic that
// names the line there.
#pragma once

#include "cpu.h"

// All that belongs to this CPU about the objects in slots [first, first + n): on CPU 0 also tables against records and
// the use of every page of a pool. Returns the next slot, 0 after the last, which checks the CPU's queues, too.
uint32_t check_slots(uint32_t first, uint32_t n);

#if CHECKED
// A touched object, cheaply: what it says about itself and its neighbours. Fields that belong to another CPU are not
// looked at.
void check_object(const struct object *object);
// The object's memory is about to be used again: asserts that nothing holds anything of it.
void check_released(const struct object *object);
// The TLB ledger, of each space and CPU: it may hold translations of the space; it flushed those that were taken out
// until now; it holds none any more. And it must hold none of what was taken out when `cleared` was counted.
void check_tlb_load(struct space *space);
void check_tlb_flush(struct space *space);
void check_tlb_leave(struct space *space);
void check_tlb_reuse(const struct space *space, uint64_t cleared);
bool check_alloc_fails(void); // FAIL_ALLOC: every n-th time, once user threads run
static inline bool check_preempts(void)
{
    return PREEMPT;
}

// Shared by the files of tests/invariants/.
extern struct slot *slots;
extern uint32_t slot_fresh;
bool check_live(const void *object, enum object_type type);
void check_thread(const struct thread *t);        // what its CPU changes
void check_thread_shared(const struct thread *t); // what CPU 0 changes
void check_queues(const struct cpu *cpu);
void check_references(const struct object *gone); // no live object points at one that is about to go

// What the architecture adds.
struct check_use {
    uint64_t pages, blocks[POOL_CLASSES - 1], slots; // of a pool
};
void check_use(struct check_use *use, size_t size);
void arch_check_object(const struct object *object);
void arch_check_released(const struct object *object);
void arch_check_use(const struct object *object, struct check_use *use); // memory of its pool beyond its struct
// A page that is mapped without a record: the kernel's own (a vCPU page).
bool arch_check_page(const struct space *space, uint64_t address, uint64_t physical);
void check_that(bool holds, const char *what, unsigned line);
#define CHECK(x) check_that(x, #x, __LINE__)
#else
#define check_object(object)            ((void)0)
#define check_released(object)          ((void)0)
#define check_tlb_load(space)           ((void)0)
#define check_tlb_flush(space)          ((void)0)
#define check_tlb_leave(space)          ((void)0)
#define check_tlb_reuse(space, cleared) ((void)0)
#define check_alloc_fails()             false
#define check_preempts()                false
#endif
