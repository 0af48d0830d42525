// SPDX-License-Identifier: BSD-2-Clause
// The object table: slots with generations, set aside at boot and never handed out.
#include "object.h"
#include "check.h"
#include "debug.h"
#include "pool.h"
#include "space.h"

struct slot *slots;
uint32_t slot_fresh;                   // slots from here on were never used
static uint32_t slot_count, slot_free; // slot_free: list head, 0 = empty

void object_table_init(struct slot *table, uint32_t count)
{
    slots = table;
    slot_count = count;
    slot_fresh = 1; // slot 0 stays empty, so that a capability word of 0 is never valid
    slot_free = 0;
    debug_table(table, count);
}

enum status object_register(struct object *object, enum object_type type, struct pool *pool)
{
    uint32_t index = slot_free;

    if (!pool->slots_left || (!index && slot_fresh == slot_count))
        return ERR_QUOTA;
    if (index)
        slot_free = slots[index].reserved;
    else
        index = slot_fresh++;
    struct slot *slot = &slots[index];
    if (!slot->generation)
        slot->generation = 1;
    slot->object = object;
    pool->slots_left--;
    object->type = type;
    object->slot = index;
    object->pool = pool;
    object->depth = pool->obj.depth + 1;
    struct object *head = pool->objects;
    if (head) {
        object->next = head;
        object->prev = head->prev;
        head->prev->next = object;
        head->prev = object;
    } else {
        object->next = object->prev = object;
    }
    pool->objects = object;
    trace(create, index, type, pool->obj.slot, (uint64_t)object);
    return OK;
}

enum status object_create(struct pool *pool, enum object_type type, size_t size, void *out)
{
    struct object *object = pool_alloc(pool, size);

    if (!object)
        return ERR_MEMORY;
    enum status status = object_register(object, type, pool);
    if (status == OK)
        *(struct object **)out = object;
    else
        pool_free(pool, object, size);
    return status;
}

void object_free(struct object *object, size_t size)
{
    struct slot *slot = &slots[object->slot];
    struct pool *pool = object->pool;

    check_released(object);
    debug_free(object);
    trace(destroy, object->slot, object->type, pool->obj.slot, (uint64_t)object);
    uint32_t generation = slot->generation ? slot->generation : slot->reserved;
    __atomic_store_n(&slot->object, NULL, __ATOMIC_RELEASE);
    if (generation != UINT32_MAX) {
        __atomic_store_n(&slot->generation, generation + 1, __ATOMIC_RELEASE);
        slot->reserved = slot_free;
        slot_free = object->slot;
    } // else: retired, a stale capability could match again
    pool->slots_left++;
    object->type = OBJ_NONE;
    object->next->prev = object->prev;
    object->prev->next = object->next;
    if (pool->objects == object)
        pool->objects = object->next == object ? NULL : object->next;
    pool_free(pool, object, size);
}

cap_t object_cap(const struct object *object, unsigned rights)
{
    const struct slot *slot = &slots[object->slot];
    uint32_t generation = READ_ONCE(slot->generation);

    return cap_make(object->slot, rights, generation ? generation : slot->reserved);
}

void object_condemn(struct object *object)
{
    struct slot *slot = &slots[object->slot];

    if (object->dying)
        return;
    object->dying = 1;
    slot->reserved = slot->generation;
    __atomic_store_n(&slot->generation, 0, __ATOMIC_SEQ_CST);
}

struct object *object_condemned(cap_t cap)
{
    const struct slot *slot = &slots[cap & (SLOT_COUNT_MAX - 1)];

    return !slot->generation && slot->reserved == cap >> 32 ? slot->object : NULL;
}

bool object_revoke(struct object *object)
{
    struct slot *slot = &slots[object->slot];

    if (slot->generation == UINT32_MAX)
        return false;
    slot->generation++;
    return true;
}

enum status cap_resolve(cap_t cap, enum object_type type, unsigned rights, struct object **out)
{
    struct object *object = cap_object(cap);

    if (!object || (type != OBJ_NONE && object->type != type) || object->dying)
        return ERR_CAP;
    if ((cap_rights(cap) & rights) != rights)
        return ERR_RIGHTS;
    check_object(object);
    *out = object;
    return OK;
}

enum status cap_lookup(const struct task *task, uint64_t index, enum object_type type, unsigned rights,
                       struct object **out)
{
    return index < CAP_SLOTS ? cap_resolve(READ_ONCE(task->caps[index]), type, rights, out) : ERR_CAP;
}
