// SPDX-License-Identifier: BSD-2-Clause
// Address spaces: mapping and unmapping with one record per range. Every step leaves tables and records in agreement: a
// record exists before its first table entry and until after its last.
#include "arch.h"
#include "check.h"
#include "cpu.h"
#include "debug.h"

static void record_link(struct record *record, struct record *after)
{
    struct space *space = record->space;
    struct mem *mem = record->mem;

    space->record_count++;
    LIST_INSERT(space->records, record, after, space_next, space_prev);
    LIST_INSERT(mem->records, record, NULL, mem_next, mem_prev);
    mem->check_size = 0;
}

static void record_free(struct record *record)
{
    struct space *space = record->space;

    for (unsigned i = 0; i < 2; i++)
        if (space->finger[i] == record)
            space->finger[i] = record->space_prev;
    if (record->mem->unchecked == record)
        record->mem->unchecked = record->mem_next;
    space->record_count--;
    LIST_REMOVE(space->records, record, space_next, space_prev);
    LIST_REMOVE(record->mem->records, record, mem_next, mem_prev);
    pool_free(space->obj.pool, record, sizeof(*record));
}

// The last record that begins at or below `address`. With preemption points: the finger remembers how far it came.
static struct record *record_at(struct space *space, uint64_t address, unsigned finger)
{
    struct record **at = &space->finger[finger], *next;
    unsigned steps = 0;

    if (!*at && !(*at = space->records))
        return NULL;
    while ((*at)->address > address && (next = (*at)->space_prev)) { // bound: RECORDS_MAX
        *at = next;
        walk_step(&steps);
    }
    while ((next = (*at)->space_next) && next->address <= address) { // bound: RECORDS_MAX
        *at = next;
        walk_step(&steps);
    }
    return (*at)->address <= address ? *at : NULL;
}

static bool is_ports(const struct record *record)
{
    return record->address >= PORTS_ADDRESS;
}

// The ports of [first, first + *count) of the record; see arch_task_ports.
static enum status set_ports(struct record *record, uint64_t first, uint64_t *count, bool allow)
{
    return arch_task_ports((struct task *)record->space, record->mem->base + record->offset + first, count, allow);
}

static enum status map_continue(struct record *record, struct thread *thread, enum step *step)
{
    struct space *space = record->space;
    uint64_t left = record->size - record->done;
    struct ptab_result r = {.size = left < PORT_STEPS ? left : PORT_STEPS};

    if (is_ports(record))
        r.status = set_ports(record, record->done, &r.size, true);
    else
        r = ptab_map(&space->ptab, record->address + record->done, record->mem->base + record->offset + record->done,
                     left, record->rights, record->mem->kind == MEM_DEVICE, SPACE_STEPS);
    if (r.status != OK) {
        // What was mapped goes again, in steps, before the error is told.
        record->done += is_ports(record) ? 0 : r.size;
        record->building = r.status;
        *step = STEP_AGAIN;
        return OK;
    }
    record->done += r.size;
    *step = record->done < record->size ? STEP_AGAIN : STEP_DONE;
    if (*step == STEP_DONE && is_ports(record) && space->flushed < space->cleared && !cpu_round_flush(space, thread))
        *step = STEP_WAIT; // every CPU sees the new bitmap
    record->building = *step != STEP_DONE ? BUILDING : 0;
    return OK;
}

enum status space_map(struct space *space, struct mem *mem, uint64_t offset, uint64_t address, uint64_t size,
                      unsigned rights, struct thread *thread, enum step *step)
{
    bool ports = mem->kind == MEM_PORTS;

    trace(map, space->obj.slot, mem->obj.slot, rights, address);
    *step = STEP_DONE;
    if (ports) {
        if (space->obj.type != OBJ_TASK)
            return ERR_ARG;
        address = PORTS_ADDRESS | (mem->base + offset);
    } else if ((offset | address | size) & (PAGE_SIZE - 1)) {
        return ERR_ARG;
    }
    if (!size || !(rights & MAP_READ) || rights > (MAP_READ | MAP_WRITE | MAP_EXEC))
        return ERR_ARG;
    if (offset >= mem->size || size > mem->size - offset)
        return ERR_RANGE;
    if (!ports && (address >= space->limit || size > space->limit - address))
        return ERR_RANGE;
    struct record *before = record_at(space, address, 0);
    if (before && before->building && before->address == address && before->mem == mem && before->offset == offset &&
        before->size == size && before->rights == rights) {
        if (before->building == BUILDING)
            return map_continue(before, thread, step);
        if (before->building != REMOVING) { // it failed: take back what was mapped
            enum status status = before->building;
            *step = record_remove_step(before, thread);
            return *step == STEP_DONE ? status : OK;
        }
    }
    if (mem->pool)
        return ERR_BUSY;
    struct record *after = before ? before->space_next : space->records;
    if (before && before->address + before->size > address)
        return ERR_OVERLAP;
    if (after && after->address < address + size)
        return ERR_OVERLAP;
    if (!mem_is_free(mem, offset, size))
        return ERR_OVERLAP;
    if (space->record_count >= RECORDS_MAX)
        return ERR_QUOTA;
    struct record *record = pool_alloc(space->obj.pool, sizeof(*record));
    if (!record)
        return ERR_MEMORY;
    record->mem = mem;
    record->space = space;
    record->address = address;
    record->size = size;
    record->offset = offset;
    record->rights = rights;
    record->building = BUILDING;
    record_link(record, before);
    *step = STEP_AGAIN;
    return OK;
}

enum step record_remove_step(struct record *record, struct thread *thread)
{
    struct space *space = record->space;

    trace(unmap, space->obj.slot, record->mem->obj.slot, record->rights, record->address);
    if (!record->building || record->building == BUILDING)
        record->building = REMOVING; // HAZARD: else a range half built were mapped on
    // From the end, so that `done` always tells what may still be mapped. A large page lies whole within its record.
    if (record->done) {
        if (is_ports(record)) {
            uint64_t piece = record->done < PORT_STEPS ? record->done : PORT_STEPS;
            record->done -= piece;
            set_ports(record, record->done, &piece, false);
        } else {
            record->done = ptab_unmap(&space->ptab, record->address, record->done, SPACE_STEPS);
            record->cleared = ++space->cleared;
        }
        return STEP_AGAIN;
    }
    // HAZARD: only now may the memory be another's, or the address be mapped again.
    if (record->cleared > space->flushed && space->obj.dying != RELEASED && !cpu_round_flush(space, thread))
        return STEP_WAIT;
    check_tlb_reuse(space, record->cleared);
    record_free(record);
    return STEP_DONE;
}

// Cuts the record in two at `address`, which lies inside of it, or its large pages before. The second half is new.
static enum status record_split(struct record *record, uint64_t address)
{
    struct space *space = record->space;

    if (space->record_count >= RECORDS_MAX)
        return ERR_QUOTA;
    if (!is_ports(record)) {
        bool again = false;
        enum status status = ptab_split(&space->ptab, address, &again);
        if (status != OK || again)
            return status;
    }
    struct record *half = pool_alloc(space->obj.pool, sizeof(*half));
    if (!half)
        return ERR_MEMORY;
    uint64_t first = address - record->address;
    *half = (struct record){.mem = record->mem,
                            .space = space,
                            .address = address,
                            .size = record->size - first,
                            .offset = record->offset + first,
                            .rights = record->rights};
    half->done = half->size;
    record->size = record->done = first;
    record_link(half, record);
    return OK;
}

enum status space_unmap(struct space *space, uint64_t address, uint64_t size, struct thread *thread, enum step *step)
{
    uint64_t limit = address >= PORTS_ADDRESS ? UINT64_MAX : space->limit;

    *step = STEP_DONE;
    if (!size || (address < PORTS_ADDRESS && (address | size) & (PAGE_SIZE - 1)))
        return ERR_ARG;
    if (address >= limit || size > limit - address)
        return ERR_RANGE;
    uint64_t end = address + size;
    // Both cuts first: after them nothing can fail.
    uint64_t cuts[2] = {address, end};
    for (unsigned i = 0; i < 2; i++) {
        struct record *r = record_at(space, cuts[i], i);
        if (r && r->address < cuts[i] && cuts[i] < r->address + r->size) {
            enum status status = r->building ? ERR_BUSY : record_split(r, cuts[i]);
            *step = status == OK ? STEP_AGAIN : STEP_DONE;
            return status;
        }
    }
    struct record *r = record_at(space, address, 0);
    if (!r || r->address < address)
        r = r ? r->space_next : space->records;
    if (r && r->address < end) {
        *step = record_remove_step(r, thread);
        if (*step == STEP_DONE)
            *step = STEP_AGAIN;
    }
    return OK;
}

enum status task_create(struct pool *pool, cap_t fault_signal, unsigned fault_bit, unsigned priority_max,
                        struct task **out)
{
    struct task *task;
    TRY(object_create(pool, OBJ_TASK, sizeof(*task), &task));
    task->space.ptab.pool = pool;
    task->space.limit = USER_END;
    task->caps = pool_alloc(pool, PAGE_SIZE);
    enum status status = task->caps ? arch_task_init(task) : ERR_MEMORY;
    if (status != OK) {
        if (task->caps)
            pool_free(pool, task->caps, PAGE_SIZE);
        object_free(&task->space.obj, sizeof(*task));
        return status;
    }
    task->fault_signal = fault_signal;
    task->fault_bit = fault_bit;
    task->priority_max = priority_max;
    *out = task;
    return OK;
}

static bool space_empty_step(struct space *space, unsigned top)
{
    if (space->records) {
        record_remove_step(space->records, NULL);
        return false;
    }
    return ptab_free_step(&space->ptab, top, 8); // each walks down from the root: about 110 instructions
}

bool task_destroy_step(struct task *task)
{
    if (!space_empty_step(&task->space, 256)) // the upper half is the kernel's
        return false;
    arch_task_release(task);
    pool_free(task->space.obj.pool, task->caps, PAGE_SIZE);
    object_free(&task->space.obj, sizeof(*task));
    return true;
}

enum status guest_create(struct pool *pool, struct guest **out)
{
    struct guest *guest;
    TRY(object_create(pool, OBJ_GUEST, sizeof(*guest), &guest));
    guest->space.ptab.pool = pool;
    guest->space.limit = 1ull << 47;
    enum status status = arch_guest_init(guest);
    if (status != OK)
        object_free(&guest->space.obj, sizeof(*guest));
    *out = guest;
    return status;
}

bool guest_destroy_step(struct guest *guest)
{
    if (!space_empty_step(&guest->space, 512))
        return false;
    arch_guest_release(guest);
    object_free(&guest->space.obj, sizeof(*guest));
    return true;
}
