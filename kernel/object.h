// SPDX-License-Identifier: BSD-2-Clause
// Kernel objects, the object table, and capabilities: one 64-bit word that names a table slot, rights and a generation.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bulkhead/abi.h"

// For what is on a path whose instructions are counted, although it has several users.
#define ALWAYS_INLINE static inline __attribute__((always_inline))

// One access, although somebody else may write at the same time.
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)

// Ends the function with the error, if `expression` gives one.
#define TRY(expression)                        \
    do {                                       \
        enum status try_status = (expression); \
        if (try_status != OK)                  \
            return try_status;                 \
    } while (0)

// Doubly linked lists, linked by the members `next` and `prev`: behind `after`, or as the head when that is NULL. The
// last store is the one by which a CPU that walks the list meanwhile finds the item.
#define LIST_INSERT(head, item, after, next, prev)                                                \
    do {                                                                                          \
        (item)->prev = (after);                                                                   \
        (item)->next = (item)->prev ? (item)->prev->next : (head);                                \
        if ((item)->next)                                                                         \
            (item)->next->prev = (item);                                                          \
        __atomic_store_n((item)->prev ? &(item)->prev->next : &(head), (item), __ATOMIC_RELEASE); \
    } while (0)
#define LIST_REMOVE(head, item, next, prev)                             \
    do {                                                                \
        if ((item)->next)                                               \
            (item)->next->prev = (item)->prev;                          \
        *((item)->prev ? &(item)->prev->next : &(head)) = (item)->next; \
    } while (0)

struct pool;
struct task;

struct object {
    uint8_t type;        // enum object_type; first byte: entry.S reads it
    uint8_t dying;       // being destroyed: no look-up finds it any more; RELEASED: no CPU holds anything of it
    uint16_t depth;      // of what it lives in, derives from or consumed: longest way down to it for destroy
    uint32_t slot;       // in the object table
    struct pool *pool;   // that it is charged to
    struct object *next; // all objects of the pool, a ring through pool->objects
    struct object *prev;
    struct object *inbox; // while it is on its way to another CPU (cpu.c): the next one there
};

#define RELEASED   2
#define ROUND_DONE 3 // it went through one round and needs another

// How a piece of something large went.
enum step {
    STEP_DONE,  // all of it is done
    STEP_AGAIN, // there is more: after a preemption point
    STEP_WAIT,  // the thread sleeps until other CPUs have answered; its system call restarts
};

// HAZARD: a stale capability must never be followed into memory that was given back. So `generation` changes before the
// memory does, and a slot whose generation would wrap is never used again.
struct slot {
    uint32_t reserved;
    uint32_t generation;
    struct object *object; // NULL while free; then `reserved` links the free list
};

// Bounds of the lists that a system call walks with interrupts off; ERR_QUOTA, for the depth ERR_DEPTH.
#define DEPTH_MAX    16  // pools and mems within each other
#define CHILDREN_MAX 256 // of a mem
#define RECORDS_MAX  256 // mapped ranges of an address space
#define GATES_MAX    256 // of a worker
#define VCPUS_MAX    64  // of a guest

#define SLOT_BITS      20
#define SLOT_COUNT_MAX (1u << SLOT_BITS)

typedef uint64_t cap_t; // 0: empty

static inline cap_t cap_make(uint32_t slot, unsigned rights, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint64_t)(rights & 0xfff) << SLOT_BITS | slot;
}
static inline unsigned cap_rights(cap_t cap)
{
    return (unsigned)(cap >> SLOT_BITS) & 0xfff;
}

// Sets up the table: `count` slots of memory that is never handed out.
void object_table_init(struct slot *table, uint32_t count);

// Takes a slot of the pool's quota for a new object. The object's memory was allocated from the pool and is zero.
// Errors: ERR_QUOTA.
enum status object_register(struct object *object, enum object_type type, struct pool *pool);

// Both at once: a zeroed block of the pool, registered. *out is set only when it is OK.
// Errors: ERR_MEMORY, ERR_QUOTA.
enum status object_create(struct pool *pool, enum object_type type, size_t size, void *out);
// Gives slot and memory back: from now on no capability or reference resolves.
void object_free(struct object *object, size_t size);

// A capability to the object with these rights, for its present generation.
cap_t object_cap(const struct object *object, unsigned rights);

// The object behind a capability word, or NULL when it is stale. Does not look at rights or type.
// Only the kernel makes such words, so the slot is in range.
static inline struct object *cap_object(cap_t cap)
{
    extern struct slot *slots;
    const struct slot *slot = &slots[cap & (SLOT_COUNT_MAX - 1)];

    // In this order: object_free changes both, and a slot in use again has a new generation from before.
    struct object *object = __atomic_load_n(&slot->object, __ATOMIC_ACQUIRE);
    return READ_ONCE(slot->generation) == cap >> 32 ? object : NULL;
}

// The object dies. HAZARD: from here on, before the round, no capability leads to it: a CPU that has answered the round
// must not come by its address any more. Its slot has the generation 0 then, and the true one in `reserved`.
void object_condemn(struct object *object);
// For destroy, which goes on: the dying object behind the word, or NULL.
struct object *object_condemned(cap_t cap);

// Raises the generation, so that every capability and reference made before is dead. False when the slot can hold no
// further one.
bool object_revoke(struct object *object);

// The object behind a capability word: type (OBJ_NONE: any) and rights are checked. Errors: ERR_CAP, ERR_RIGHTS.
enum status cap_resolve(cap_t cap, enum object_type type, unsigned rights, struct object **out);

// Looks up slot `index` of a task: type (OBJ_NONE: any) and rights are checked.
// Errors: ERR_CAP, ERR_RIGHTS.
enum status cap_lookup(const struct task *task, uint64_t index, enum object_type type, unsigned rights,
                       struct object **out);
