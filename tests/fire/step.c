// SPDX-License-Identifier: BSD-2-Clause
// The drivers' random actions. The type of what is in a slot is only a guess: any driver, and many
// a victim, may have destroyed it meanwhile.
#include "fire.h"

// What was made last in each slot: enum object_type, and flags.
static uint8_t made[S_FIRE_END - S_FIRE];
#define MADE_TYPE 0x0f
#define MADE_VCPU 0x40
#define MADE_BASE 0x80 // in the pool of all: a victim must not revoke it, or it would be lost

const uint8_t guest_code[GUEST_KINDS][16] = {
    {0x40, 0xeb, 0xfd},                                     // inc ax; jmp
    {0xe6, 0x80, 0xeb, 0xfc},                               // out 0x80
    {0xf4, 0xeb, 0xfd},                                     // hlt
    {0x0f, 0xa2, 0xeb, 0xfc},                               // cpuid
    {0x89, 0x07, 0x81, 0xc3, 0x00, 0x10, 0xeb, 0xf8},       // mov [bx], ax; add bx, 4096; jmp
    {0x8b, 0x07, 0x81, 0xc3, 0x00, 0x10, 0x40, 0xeb, 0xf7}, // mov ax, [bx]; ...; inc ax; jmp
};

static uint64_t next(struct driver *d)
{
    return fire_random(&d->random);
}

static enum status count(struct driver *d, enum sys_op op, enum status status)
{
    d->steps++;
    d->by_op[op]++;
    d->ok[op] += status == OK;
    d->by_status[status < STATUS_COUNT ? status : STATUS_COUNT]++;
    if (status >= STATUS_COUNT)
        d->wrong_op = op, d->wrong_status = status, d->wrong_step = d->steps;
    d->hash = (d->hash ^ ((uint64_t)op << 8 | status)) * 0x100000001b3;
    return status;
}

// A slot that holds that type, if there is one; it may be gone at once.
static unsigned pick(struct driver *d, enum object_type type)
{
    unsigned n = cpus * DRIVER_SLOTS, at = next(d) % n;

    for (unsigned i = 0, tries = 0; i < n && tries < 6; i++, at = at + 1 < n ? at + 1 : 0) {
        uint64_t word, found;
        if ((made[at] & MADE_TYPE) != type)
            continue;
        if (sys_task_read_cap(SLOT_TASK, S_FIRE + at, &word, &found) == OK && found == type)
            break;
        made[at] = 0;
        tries++;
    }
    return S_FIRE + at;
}

static unsigned any_slot(struct driver *d)
{
    return S_FIRE + next(d) % (cpus * DRIVER_SLOTS);
}

static void destroy(struct driver *d, unsigned slot)
{
    enum status status = count(d, SYS_DESTROY, sys_destroy(slot));

    if ((slot - S_FIRE) / DRIVER_SLOTS != d->cpu)
        return;
    if (status == ERR_CAP)
        sys_cap_drop(SLOT_TASK, slot); // stale, and nobody else fills it
    made[slot - S_FIRE] = 0;
}

// ---- creation
static void give(struct driver *d, unsigned task)
{
    static const uint8_t wanted[] = {OBJ_GATE, OBJ_GATE, OBJ_GATE, OBJ_SIGNAL, OBJ_SIGNAL,
                                     OBJ_MEM,  OBJ_TASK, OBJ_POOL, OBJ_THREAD, OBJ_GUEST};
    unsigned slot = pick(d, wanted[next(d) % sizeof(wanted)]);
    unsigned rights = made[slot - S_FIRE] & MADE_BASE ? RIGHT_ALL & ~RIGHT_CTRL : RIGHT_ALL;

    count(d, SYS_CAP_COPY, sys_cap_copy(SLOT_TASK, slot, task, 1 + next(d) % VICTIM_SLOTS, rights));
}

static void start(struct driver *d, unsigned slot)
{
    uint64_t argument = (next(d) & 0x3fffffffffff0000) | (slot - S_FIRE);

    if (next(d) % 4 == 0)
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_STOP, 0));
    if (made[slot - S_FIRE] & MADE_VCPU)
        argument |= VICTIM_VCPU;
    count(d, SYS_THREAD_CTL,
          sys_thread_start(slot, (uint64_t)victim, STACKS + (slot - S_FIRE + 1) * PAGE - 8,
                           argument));
}

static void equip_task(struct driver *d, unsigned task)
{
    count(d, SYS_MAP, fire_map_program(task));
    count(d, SYS_MAP,
          sys_map(task, S_STACKS, 0, STACKS, cpus * DRIVER_SLOTS * PAGE, MAP_READ | MAP_WRITE));
    for (unsigned i = 0; i < 8; i++)
        give(d, task);
}

static enum status create(struct driver *d, enum object_type type, unsigned pool, unsigned slot)
{
    uint64_t r = next(d);
    unsigned parent = r % 8 ? S_ARENA : pick(d, OBJ_MEM);

    switch (type) {
    case OBJ_POOL:
        return sys_create_pool(pool, slot, pick(d, OBJ_MEM), 1 + r % 40);
    case OBJ_MEM:
        return sys_create_mem(pool, slot, parent,
                              (r >> 8) % (parent == S_ARENA ? ARENA_PAGES : 64) * PAGE,
                              PAGE << (r >> 24) % 9);
    case OBJ_TASK:
        return sys_create_task(pool, slot, r % 4 ? S_FAULT : pick(d, OBJ_SIGNAL), r >> 8 & 63,
                               DRIVER_PRIORITY - 1);
    case OBJ_GUEST:
        return sys_create_guest(pool, slot);
    case OBJ_THREAD:
        if (boot->virt != VIRT_NONE && r % 3 == 0)
            return sys_create_vcpu(pool, slot, pick(d, OBJ_TASK), (r >> 8) % cpus,
                                   (r >> 16) % DRIVER_PRIORITY, pick(d, OBJ_GUEST),
                                   VCPU_PAGES + (slot - S_FIRE) * PAGE);
        return sys_create_thread(pool, slot, pick(d, OBJ_TASK),
                                 r % 3 == 1 ? THREAD_WORKER : THREAD_ACTIVE, (r >> 8) % cpus,
                                 (r >> 16) % DRIVER_PRIORITY);
    case OBJ_GATE:
        return sys_create_gate(pool, slot, pick(d, OBJ_THREAD), r);
    case OBJ_IRQ:
        return sys_create_irq(pool, slot, SLOT_HW, 16 + r % 8, pick(d, OBJ_SIGNAL), r >> 8 & 63);
    default:
        return sys_create_signal(pool, slot);
    }
}

static void make(struct driver *d)
{
    static const uint8_t types[] = {OBJ_POOL,   OBJ_MEM,  OBJ_MEM,    OBJ_MEM,    OBJ_TASK,
                                    OBJ_TASK,   OBJ_TASK, OBJ_GUEST,  OBJ_THREAD, OBJ_THREAD,
                                    OBJ_THREAD, OBJ_GATE, OBJ_THREAD, OBJ_GATE,   OBJ_SIGNAL,
                                    OBJ_SIGNAL, OBJ_IRQ};
    enum object_type type = types[next(d) % sizeof(types)];
    unsigned first = S_FIRE + d->cpu * DRIVER_SLOTS, slot = first + next(d) % DRIVER_SLOTS;
    unsigned pool = next(d) % 2 ? S_POOL : pick(d, OBJ_POOL);

    for (unsigned i = 0; made[slot - S_FIRE] && i < DRIVER_SLOTS; i++)
        slot = slot + 1 < first + DRIVER_SLOTS ? slot + 1 : first;
    if (made[slot - S_FIRE])
        destroy(d, slot);
    enum status status = count(d, SYS_CREATE, create(d, type, pool, slot));
    if (status == ERR_SLOT)
        destroy(d, slot);
    if (status != OK)
        return;
    made[slot - S_FIRE] = type | (pool == S_POOL ? MADE_BASE : 0);
    if (type == OBJ_TASK)
        equip_task(d, slot);
    if (type == OBJ_GUEST)
        count(d, SYS_MAP,
              sys_map(slot, S_CODE, 0, GUEST_CODE, PAGE, MAP_READ | MAP_WRITE | MAP_EXEC));
    if (type == OBJ_THREAD) {
        if (count(d, SYS_VCPU_CTL, sys_vcpu_bind(slot, pick(d, OBJ_SIGNAL))) == OK)
            made[slot - S_FIRE] |= MADE_VCPU;
        start(d, slot);
    }
}

// ---- everything else
static void control_thread(struct driver *d)
{
    unsigned slot = pick(d, OBJ_THREAD);
    uint64_t r = next(d), period = boot->tsc_hz / 5000 + (r >> 8) % 100000;
    struct message message = {THREAD_READ, {r % 3}};

    switch (r % 13) {
    case 0:
    case 1:
    case 2:
        start(d, slot);
        break;
    case 12:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_CPU, (r >> 8) % cpus));
        break;
    case 3:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_STOP, 0));
        break;
    case 4:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_RESUME, 0));
        break;
    case 5:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_CANCEL, 0));
        break;
    case 6:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_PRIORITY, (r >> 8) % DRIVER_PRIORITY));
        break;
    case 7:
        count(d, SYS_THREAD_CTL,
              sys_invoke6(SYS_THREAD_CTL, slot, THREAD_BUDGET, r % 2 ? period / (2 + r % 7) : 0,
                          r % 2 ? period : 0, r % 5 ? pick(d, OBJ_SIGNAL) : CAP_NONE, r >> 58, 0,
                          0));
        break;
    case 8:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_WEIGHT, 1 + r % WEIGHT_MAX));
        break;
    case 9:
        count(d, SYS_THREAD_CTL, sys_thread_set(slot, THREAD_FPU, r >> 8 & 1));
        break;
    case 10:
        count(d, SYS_THREAD_CTL, sys_thread_ctl(slot, &message));
        break;
    default:
        count(d, SYS_VCPU_CTL, sys_vcpu_bind(slot, pick(d, OBJ_SIGNAL)));
        break;
    }
}

static void map(struct driver *d)
{
    uint64_t r = next(d);
    unsigned space = pick(d, r & 1 ? OBJ_TASK : OBJ_GUEST), mem = pick(d, OBJ_MEM);
    uint64_t base = r & 1 ? TOUCH : 0;

    count(d, SYS_MAP,
          sys_map(space, mem, (r >> 8) % 4 * PAGE, base + (r >> 16) % 64 * PAGE,
                  PAGE << (r >> 32) % 7,
                  MAP_READ | (r >> 40 & 1 ? MAP_WRITE : 0) | (r >> 41 & 1 ? MAP_EXEC : 0)));
}

static void unmap(struct driver *d)
{
    uint64_t r = next(d);
    unsigned slot = pick(d, r % 3 == 0 ? OBJ_TASK : r % 3 == 1 ? OBJ_GUEST : OBJ_MEM);
    uint64_t address = (r % 3 ? 0 : TOUCH) + (r >> 16) % 64 * PAGE;

    count(d, SYS_UNMAP, sys_unmap(slot, address, PAGE << (r >> 32) % 7));
}

void fire_step(struct driver *d)
{
    uint64_t r = next(d), bits;
    unsigned task = pick(d, OBJ_TASK);

    switch (r % 32) {
    case 0 ... 5:
        make(d);
        break;
    case 6:
        destroy(d, any_slot(d));
        break;
    case 7:
        count(d, SYS_REVOKE, sys_revoke(any_slot(d)));
        break;
    case 8 ... 10:
        give(d, task);
        break;
    case 11:
        count(d, SYS_CAP_DROP, sys_cap_drop(task, 1 + (r >> 8) % VICTIM_SLOTS));
        break;
    case 12 ... 15:
        map(d);
        break;
    case 16:
        unmap(d);
        break;
    case 17 ... 23:
        control_thread(d);
        break;
    case 24 ... 26:
        count(d, SYS_RAISE, sys_raise(pick(d, OBJ_SIGNAL), r >> 8));
        break;
    case 27:
        count(d, SYS_WAIT, sys_wait(pick(d, OBJ_SIGNAL), fire_tsc() + (r >> 8) % 5000, &bits));
        break;
    case 28: // a gate's worker may keep its caller for ever; whoever has none is told at once
        count(d, SYS_TASK_CTL, sys_task_time(task, &bits, NULL));
        break;
    default: // the victims' turn
        sys_wait(S_SLEEP + d->cpu, fire_tsc() + (r >> 8) % (boot->tsc_hz / 20000), &bits);
        break;
    }
}
