// SPDX-License-Identifier: BSD-2-Clause
// A kernel for root's unit tests: objects, derived mem objects, pools and mappings, with the checks
// that matter to root; RAM is a file in memory, which is really mapped where root asks for it.
// fake_fail makes the n-th call from now fail.
#pragma once

#define _GNU_SOURCE // memfd_create

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bulkhead/syscall.h"
#include "bulkhead/task.h"
#include "root/root.h"

#define FAKE_RAM     0x1000000ull // physical base
#define FAKE_SIZE    (64 * MIB)
#define FAKE_ARCHIVE (FAKE_RAM + FAKE_SIZE)
#define ARCHIVE_SIZE (2 * MIB)
#define MAP_LOG      64

struct fake_map {
    uint64_t address, size, physical;
    unsigned rights;
};

struct fake_object {
    enum object_type type;
    unsigned home; // object of the pool that it lives in
    // mem
    uint64_t base, size;
    unsigned parent;
    bool pooled, ports;
    unsigned mapped; // times
    unsigned mem;    // pool: what it consumed
    // task, guest
    struct fake_map maps[MAP_LOG];
    unsigned map_count;
    uint64_t caps[CAP_SLOTS]; // object | rights << 32
    // thread
    uint64_t start[3], kind, priority, page, guest, weight, budget, period;
    uint64_t report[5];
    uint64_t bits; // signal
    unsigned fault_bit;
};

static struct fake_object fake_objects[600];
static uint64_t fake_caps[CAP_SLOTS]; // root's: object number; 0: empty
static int fake_ram_file = -1;
static int fake_fail; // 0: never
static unsigned fake_calls;
static struct boot_info fake_boot;
static char fake_said[4096];

const struct boot_info *boot = &fake_boot;
unsigned root_signal;

static struct fake_object *fake_at(uint64_t slot, enum object_type type)
{
    struct fake_object *object;

    if (slot >= CAP_SLOTS || !fake_caps[slot])
        return NULL;
    object = &fake_objects[fake_caps[slot]];
    return object->type != OBJ_NONE && (type == OBJ_NONE || object->type == type) ? object : NULL;
}

static unsigned fake_number(const struct fake_object *object)
{
    return (unsigned)(object - fake_objects);
}

__attribute__((unused)) static unsigned fake_count(enum object_type type)
{
    unsigned count = 0;

    for (unsigned i = 1; i < 600; i++)
        count +=
            fake_objects[i].type != OBJ_NONE && (type == OBJ_NONE || fake_objects[i].type == type);
    return count;
}

static void fake_forget_maps(struct fake_object *space, uint64_t base, uint64_t size, bool ports)
{
    for (unsigned i = 0; i < space->map_count; i++) {
        uint64_t physical = space->maps[i].physical;

        if (ports || physical < base || physical >= base + size)
            continue;
        if (fake_number(space) == fake_caps[SLOT_TASK])
            munmap((void *)space->maps[i].address, space->maps[i].size);
        space->maps[i--] = space->maps[--space->map_count];
    }
}

static void fake_destroy(unsigned number)
{
    struct fake_object *object = &fake_objects[number];

    if (object->type == OBJ_POOL) {
        for (unsigned i = 1; i < 600; i++)
            if (fake_objects[i].type != OBJ_NONE && fake_objects[i].home == number)
                fake_destroy(i);
        fake_objects[object->mem].pooled = false;
    }
    if (object->type == OBJ_MEM)
        for (unsigned i = 1; i < 600; i++)
            if (fake_objects[i].type == OBJ_TASK || fake_objects[i].type == OBJ_GUEST)
                fake_forget_maps(&fake_objects[i], object->base, object->size, object->ports);
    memset(object, 0, sizeof(*object));
}

// Object numbers are not used twice: a stale capability names nothing.
static struct fake_object *fake_new(enum object_type type, unsigned home)
{
    static unsigned last = 10;

    for (unsigned tries = 0; tries < 600; tries++) {
        last = last + 1 < 600 ? last + 1 : 11;
        bool referred = false;
        for (unsigned i = 0; i < CAP_SLOTS; i++)
            referred |= fake_caps[i] == last;
        if (fake_objects[last].type == OBJ_NONE && !referred) {
            fake_objects[last].type = type;
            fake_objects[last].home = home;
            return &fake_objects[last];
        }
    }
    abort();
}

static enum status fake_create(struct message *m, uint64_t pool_slot)
{
    enum object_type type = m->label & 0xffff;
    uint64_t slot = m->label >> 16, *w = m->w;
    struct fake_object *pool = fake_at(pool_slot, OBJ_POOL), *mem, *object;

    if (!pool)
        return ERR_CAP;
    if (slot >= CAP_SLOTS || fake_caps[slot])
        return ERR_SLOT;
    switch (type) {
    case OBJ_MEM:
        mem = fake_at(w[0], OBJ_MEM);
        if (!mem || mem->pooled || w[1] + w[2] > mem->size || !w[2] ||
            (!mem->ports && (w[1] | w[2]) % PAGE))
            return ERR_ARG;
        for (unsigned i = 1; i < 600; i++) {
            struct fake_object *o = &fake_objects[i];
            if (o->type == OBJ_MEM && o->parent == fake_number(mem) &&
                o->base < mem->base + w[1] + w[2] && mem->base + w[1] < o->base + o->size)
                return ERR_OVERLAP;
        }
        object = fake_new(type, fake_number(pool));
        object->base = mem->base + w[1];
        object->size = w[2];
        object->parent = fake_number(mem);
        object->ports = mem->ports;
        break;
    case OBJ_POOL:
        mem = fake_at(w[0], OBJ_MEM);
        if (!mem || mem->pooled)
            return ERR_BUSY;
        object = fake_new(type, fake_number(pool));
        object->mem = fake_number(mem);
        mem->pooled = true;
        break;
    case OBJ_TASK:
        if (!fake_at(w[0], OBJ_SIGNAL))
            return ERR_CAP;
        object = fake_new(type, fake_number(pool));
        object->fault_bit = (unsigned)w[1];
        object->priority = w[2];
        break;
    case OBJ_THREAD:
        if (!fake_at(w[0], OBJ_TASK) ||
            ((w[1] & 0xff) == THREAD_VCPU &&
             (!fake_at(w[3], OBJ_GUEST) || (w[4] & ~(uint64_t)(VCPU_APIC | VCPU_FPU)) % PAGE)))
            return ERR_CAP;
        object = fake_new(type, fake_number(pool));
        object->kind = w[1];
        object->priority = w[2];
        object->page = w[4];
        break;
    case OBJ_IRQ:
        if (w[0] != SLOT_HW || !fake_at(w[2], OBJ_SIGNAL))
            return ERR_CAP;
        object = fake_new(type, fake_number(pool));
        object->start[0] = w[1];
        object->start[1] = w[3];
        break;
    default:
        object = fake_new(type, fake_number(pool));
    }
    fake_caps[slot] = fake_number(object);
    return OK;
}

static enum status fake_map_call(struct message *m, uint64_t space_slot)
{
    struct fake_object *space = fake_at(space_slot, OBJ_NONE), *mem = fake_at(m->label, OBJ_MEM);
    uint64_t *w = m->w;

    if (!space || !mem || (space->type != OBJ_TASK && space->type != OBJ_GUEST))
        return ERR_CAP;
    if (mem->pooled)
        return ERR_BUSY;
    if (!mem->ports && ((w[0] | w[1] | w[2]) % PAGE || w[0] + w[2] > mem->size || !w[2]))
        return ERR_RANGE;
    for (unsigned i = 0; i < space->map_count; i++)
        if (!mem->ports && space->maps[i].address < w[1] + w[2] &&
            w[1] < space->maps[i].address + space->maps[i].size)
            return ERR_OVERLAP;
    assert_true(space->map_count < MAP_LOG);
    space->maps[space->map_count++] = (struct fake_map){mem->ports ? mem->base + w[0] : w[1], w[2],
                                                        mem->base + w[0], (unsigned)w[3]};
    if (space_slot == SLOT_TASK)
        assert_ptr_equal(mmap((void *)w[1], w[2],
                              w[3] & MAP_WRITE ? PROT_READ | PROT_WRITE : PROT_READ,
                              MAP_SHARED | MAP_FIXED_NOREPLACE, fake_ram_file,
                              (off_t)(mem->base + w[0] - FAKE_RAM)),
                         w[1]);
    return OK;
}

static enum status fake_thread_ctl(struct message *m, uint64_t slot)
{
    struct fake_object *thread = fake_at(slot, OBJ_THREAD);

    if (!thread)
        return ERR_CAP;
    if (m->label == THREAD_START)
        memcpy(thread->start, m->w, sizeof(thread->start));
    if (m->label == THREAD_WEIGHT)
        thread->weight = m->w[0];
    if (m->label == THREAD_BUDGET) {
        thread->budget = m->w[0];
        thread->period = m->w[1];
    }
    if (m->label == THREAD_FAULT)
        memcpy(m->w, thread->report, sizeof(thread->report));
    return OK;
}

static uint64_t fake_debugger; // 0: the kernel has none; else 1 + the steps that were done

enum status sys_invoke(uint64_t operation, struct message *m, uint64_t *badge)
{
    uint64_t slot = operation >> 16, *w = m->w;
    enum sys_op op = operation & 0xff;
    struct fake_object *object;

    (void)badge;
    fake_calls++;
    // What gives back must not fail: the kernel has no reason. To name an object changes nothing.
    if (fake_fail && op != SYS_DESTROY && op != SYS_CAP_DROP && op != SYS_UNMAP &&
        op != SYS_HW_CTL && --fake_fail == 0)
        return ERR_MEMORY;
    switch (op) {
    case SYS_CREATE:
        return fake_create(m, slot);
    case SYS_DESTROY:
        object = fake_at(slot, OBJ_NONE);
        if (!object)
            return ERR_CAP;
        if (object->type == OBJ_MEM && object->pooled)
            return ERR_STATE;
        fake_destroy(fake_number(object));
        return OK;
    case SYS_CAP_DROP:
        fake_caps[w[0]] = 0;
        return OK;
    case SYS_HW_CTL:
        if (m->label == HW_NAME)
            return fake_at(w[0], OBJ_NONE) && strcmp((char *)(w + 1), "") != 0 ? OK : ERR_CAP;
        if ((m->label & 0xff) != HW_DEBUG || !fake_debugger)
            return ERR_ARG;
        assert_string_equal((char *)w, "list task");
        assert_int_equal(m->label >> 8, fake_debugger - 1); // the cursor of the step before
        w[0] = fake_debugger == 20 ? 0 : fake_debugger;     // a command of 20 steps
        fake_debugger++;
        return OK;
    case SYS_CAP_COPY:
        object = fake_at(w[1], OBJ_TASK);
        if (!object || !fake_at(w[0], OBJ_NONE) || slot != SLOT_TASK)
            return ERR_CAP;
        if (object->caps[w[2]])
            return ERR_SLOT;
        object->caps[w[2]] = fake_caps[w[0]] | w[3] << 32;
        return OK;
    case SYS_MAP:
        return fake_map_call(m, slot);
    case SYS_UNMAP:
        object = fake_at(slot, OBJ_TASK);
        if (!object)
            return ERR_CAP;
        for (unsigned i = 0; i < object->map_count; i++)
            if (object->maps[i].address == w[0] && object->maps[i].size == w[1]) {
                munmap((void *)w[0], w[1]);
                object->maps[i] = object->maps[--object->map_count];
                return OK;
            }
        return ERR_RANGE;
    case SYS_THREAD_CTL:
        return fake_thread_ctl(m, slot);
    case SYS_RAISE:
        object = fake_at(slot, OBJ_SIGNAL);
        if (!object)
            return ERR_CAP;
        object->bits |= m->label;
        return OK;
    case SYS_WAIT:
        object = fake_at(slot, OBJ_SIGNAL);
        if (!object)
            return ERR_CAP;
        w[0] = object->bits;
        object->bits = 0;
        return OK;
    case SYS_TASK_CTL:
        w[0] = 12345;
        return fake_at(slot, OBJ_TASK) ? OK : ERR_CAP;
    default:
        return ERR_UNSUPPORTED;
    }
}

static void fake_add_mem(enum mem_kind kind, uint64_t base, uint64_t size, unsigned slot)
{
    struct fake_object *object = &fake_objects[4 + slot - SLOT_SYSTEM]; // 4..10

    *object = (struct fake_object){
        .type = OBJ_MEM, .base = base, .size = size, .ports = kind == MEM_PORTS};
    fake_caps[slot] = fake_number(object);
    fake_boot.mem[fake_boot.mem_count++] = (struct boot_mem){base, size, kind, slot};
}

// Memory of the machine: what the file holds from FAKE_RAM on. Full of rubbish at first.
static uint8_t *fake_memory(void)
{
    static uint8_t *view;

    if (!view)
        view = mmap(NULL, FAKE_SIZE + ARCHIVE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                    fake_ram_file, 0);
    return view;
}

static void fake_init(void)
{
    if (fake_ram_file < 0) {
        fake_ram_file = memfd_create("ram", 0);
        assert_int_equal(ftruncate(fake_ram_file, FAKE_SIZE + ARCHIVE_SIZE), 0);
    } else {
        fake_forget_maps(&fake_objects[1], 0, UINT64_MAX, false);
    }
    memset(fake_memory(), 0xa5, FAKE_SIZE);
    memset(fake_objects, 0, sizeof(fake_objects));
    memset(fake_caps, 0, sizeof(fake_caps));
    memset(&fake_boot, 0, sizeof(fake_boot));
    fake_said[0] = 0;
    fake_fail = 0;
    fake_objects[1].type = OBJ_TASK;
    fake_objects[2].type = OBJ_POOL;
    fake_objects[3].type = OBJ_HW;
    fake_caps[SLOT_TASK] = 1;
    fake_caps[SLOT_POOL] = 2;
    fake_caps[SLOT_HW] = 3;
    fake_boot.tsc_hz = 1000000000;
    fake_boot.virt = VIRT_SVM;
    fake_boot.cpus = 1;
    fake_boot.system_base = FAKE_ARCHIVE;
    fake_boot.system_size = ARCHIVE_SIZE;
    fake_boot.ram_total = FAKE_SIZE;
    fake_add_mem(MEM_RAM, FAKE_ARCHIVE, ARCHIVE_SIZE, SLOT_SYSTEM);
    fake_add_mem(MEM_RAM, FAKE_RAM, 3 * MIB + 5 * PAGE, SLOT_BOOT_MEM);
    fake_add_mem(MEM_RAM, FAKE_RAM + 4 * MIB, FAKE_SIZE - 4 * MIB, SLOT_BOOT_MEM + 1);
    fake_add_mem(MEM_DEVICE, 0xd0000000, MIB, SLOT_BOOT_MEM + 2);
    fake_add_mem(MEM_PORTS, 0, 0x20, SLOT_BOOT_MEM + 3);
    fake_add_mem(MEM_PORTS, 0x100, 0xff00, SLOT_BOOT_MEM + 4);
}

void root_say(const char *format, ...)
{
    size_t length = strlen(fake_said);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_said + length, sizeof(fake_said) - length - 2, format, arguments);
    va_end(arguments);
    strcat(fake_said, "\n");
}
