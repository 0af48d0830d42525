// SPDX-License-Identifier: BSD-2-Clause
// The frame of the fire test: drivers, the barrier at which the kernel checks itself, the end. The
// kernel's command line gives
// seed=N, steps=N (system calls of all drivers), check=N (steps between two of these) and cpus=N.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/log.h"
#include "fire.h"

__attribute__((aligned(16), used)) char main_stack[0x4000];
__asm__(".globl start_stack_top\n.set start_stack_top, main_stack + 0x4000\n");

const struct boot_info *boot;
unsigned cpus;

static struct driver drivers[DRIVERS_MAX];
static uint8_t stacks[DRIVERS_MAX][0x4000] __attribute__((aligned(16)));
static uint64_t steps, check_steps; // of each driver: in all; between two checks of everything
static unsigned arrived, checks;
static unsigned ram_slot;
static uint64_t ram_offset;

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(NULL, format, arguments);
    va_end(arguments);
}

static _Noreturn void end(bool passed, const char *what)
{
    say("%s %s", passed ? "PASS" : "FAIL", what);
    say("fire: end");
    sys_hw_ctl(SLOT_HW, HW_EXIT, !passed, NULL, NULL);
    __builtin_trap();
}

static void need(enum status status, const char *what)
{
    if (status != OK) {
        say("%s: %s", what, status_name(status));
        end(false, "start");
    }
}

// ---- this program's code in a victim's task
struct segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static struct segment segments[4];
static unsigned segment_count;

static void image_read(void)
{
    const uint8_t *elf = (const uint8_t *)TOUCH;
    const struct segment *s;

    need(sys_map(SLOT_TASK, SLOT_ROOT_IMAGE, 0, TOUCH, PAGE, MAP_READ), "map of the image");
    s = (const struct segment *)(elf + *(const uint64_t *)(elf + 32));
    for (unsigned i = 0; i < *(const uint16_t *)(elf + 56) && segment_count < 4; i++, s++)
        if (s->type == 1 && !(s->flags & 2))
            segments[segment_count++] = *s;
    need(sys_unmap(SLOT_TASK, TOUCH, PAGE), "unmap");
}

enum status fire_map_program(unsigned task)
{
    enum status status = OK;

    for (unsigned i = 0; i < segment_count && status == OK; i++) {
        const struct segment *s = &segments[i];
        status = sys_map(task, SLOT_ROOT_IMAGE, s->offset, s->vaddr, (s->memsz + PAGE - 1) & -PAGE,
                         MAP_READ | (s->flags & 1 ? MAP_EXEC : 0));
    }
    return status;
}

// ---- the drivers
static void sleep_for(struct driver *d, uint64_t ticks)
{
    uint64_t bits;

    sys_wait(S_SLEEP + d->cpu, fire_tsc() + ticks, &bits);
}

static void barrier(struct driver *d)
{
    unsigned goal = (__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST) / cpus + 1) * cpus;

    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < goal)
        sleep_for(d, 5000);
}

// Each CPU's own objects, and on CPU 0 what all share. The victims go on meanwhile.
static void check(struct driver *d)
{
    uint64_t at = 0;
    enum status status;

    barrier(d);
    do
        status = sys_hw_ctl(SLOT_HW, HW_CHECK, at, &at, NULL);
    while (status == OK && at);
    if (status == OK && !d->cpu)
        checks++;
    barrier(d);
}

static void drive(uint64_t number)
{
    struct driver *d = &drivers[number];
    uint64_t bits, next = check_steps;

    while (d->steps < steps) {
        fire_step(d);
        if (d->steps < next)
            continue;
        check(d);
        next += check_steps;
    }
    check(d);
    sys_raise(S_DONE, 1ull << d->cpu);
    for (;;)
        sys_wait(S_SLEEP + d->cpu, 0, &bits);
}

// ---- start and end
static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *at = boot->cmdline;
    size_t length = strlen(name);

    for (; *at; at++)
        if ((at == boot->cmdline || at[-1] == ' ') && !strncmp(at, name, length) &&
            at[length] == '=') {
            uint64_t value = 0;
            for (at += length + 1; *at >= '0' && *at <= '9'; at++)
                value = value * 10 + (uint64_t)(*at - '0');
            return value;
        }
    return otherwise;
}

static void look_around(void)
{
    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].kind == MEM_RAM &&
            (!ram_slot || boot->mem[i].size > boot->mem[ram_slot - SLOT_BOOT_MEM].size))
            ram_slot = boot->mem[i].cap;
    uint64_t base = boot->mem[ram_slot - SLOT_BOOT_MEM].base;
    ram_offset = ((base + 0x1fffff) & -0x200000ull) - base;
    cpus = (unsigned)option("cpus", boot->cpus);
    cpus = cpus > DRIVERS_MAX ? DRIVERS_MAX : cpus;
}

static void set_up(void)
{
    uint64_t at = ram_offset;

    need(sys_create_mem(SLOT_POOL, S_ARENA, ram_slot, at, ARENA_PAGES * PAGE), "arena");
    at += ARENA_PAGES * PAGE;
    need(sys_create_mem(SLOT_POOL, S_POOL_MEM, ram_slot, at, 4096 * PAGE), "mem of the pool");
    at += 4096 * PAGE;
    need(sys_create_mem(SLOT_POOL, S_STACKS, ram_slot, at, DRIVERS_MAX * DRIVER_SLOTS * PAGE),
         "stacks");
    at += DRIVERS_MAX * DRIVER_SLOTS * PAGE;
    need(sys_create_mem(SLOT_POOL, S_CODE, ram_slot, at, PAGE), "guest code");
    need(sys_create_pool(SLOT_POOL, S_POOL, S_POOL_MEM, 4000), "pool");
    need(sys_create_signal(SLOT_POOL, S_FAULT), "signal");
    need(sys_create_signal(SLOT_POOL, S_DONE), "signal");
    need(sys_map(SLOT_TASK, S_CODE, 0, TOUCH, PAGE, MAP_READ | MAP_WRITE), "map of the guest code");
    memcpy((void *)TOUCH, guest_code, sizeof(guest_code));
    need(sys_unmap(SLOT_TASK, TOUCH, PAGE), "unmap");
    need(sys_map(SLOT_TASK, S_STACKS, 0, STACKS, DRIVERS_MAX * DRIVER_SLOTS * PAGE,
                 MAP_READ | MAP_WRITE),
         "map of the stacks");
    memset((void *)STACKS, 0, DRIVERS_MAX * DRIVER_SLOTS * PAGE);
    need(sys_unmap(SLOT_TASK, STACKS, DRIVERS_MAX * DRIVER_SLOTS * PAGE), "unmap");
}

static void tear_down(void)
{
    for (unsigned i = 0; i < cpus; i++) {
        need(sys_destroy(S_DRIVER + i), "end of a driver");
        need(sys_destroy(S_SLEEP + i), "end of a signal");
    }
    for (unsigned slot = S_FIRE; slot < S_FIRE_END; slot++)
        if (sys_destroy(slot) != OK)
            sys_cap_drop(SLOT_TASK, slot);
}

static void clear(void)
{
    for (unsigned slot = S_POOL; slot <= S_DONE; slot++)
        if (slot != S_POOL) // S_POOL_MEM takes it along
            need(sys_destroy(slot), "end");
    sys_cap_drop(SLOT_TASK, S_POOL);
}

static void free_of(unsigned pool, uint64_t *pages, uint64_t *slots)
{
    need(sys_hw_ctl(SLOT_HW, HW_POOL_FREE, pool, pages, slots), "free memory");
}

// Waits for all drivers. False: for a long time none made a step.
static bool drivers_end(void)
{
    uint64_t done = 0, bits, before = 0, now;

    for (unsigned still = 0; done != (1ull << cpus) - 1;) {
        if (sys_wait(S_DONE, fire_tsc() + boot->tsc_hz / 2, &bits) == OK) {
            done |= bits;
            continue;
        }
        now = arrived;
        for (unsigned i = 0; i < cpus; i++)
            now += drivers[i].steps;
        still = now == before ? still + 1 : 0;
        before = now;
        if (still == 20)
            return false;
    }
    return true;
}

// What the victims did.
static void trails(void)
{
    struct trail all = {0};

    need(sys_map(SLOT_TASK, S_STACKS, 0, STACKS, DRIVERS_MAX * DRIVER_SLOTS * PAGE,
                 MAP_READ | MAP_WRITE),
         "map of the stacks");
    for (unsigned i = 0; i < DRIVERS_MAX * DRIVER_SLOTS; i++) {
        const struct trail *t = (const struct trail *)(STACKS + i * PAGE);
        all.acts += t->acts, all.calls += t->calls, all.served += t->served;
        all.waits += t->waits, all.meddled += t->meddled, all.entered += t->entered;
    }
    say("fire: victims: %lu acts; OK: %lu calls, %lu served, %lu waits, %lu other system calls, "
        "%lu guest exits",
        all.acts, all.calls, all.served, all.waits, all.meddled, all.entered);
    need(sys_unmap(SLOT_TASK, STACKS, DRIVERS_MAX * DRIVER_SLOTS * PAGE), "unmap");
}

static void summary(void)
{
    struct driver all = {0};

    for (unsigned i = 0; i < cpus; i++) {
        const struct driver *d = &drivers[i];
        all.hash = (all.hash ^ d->hash) * 0x100000001b3;
        all.steps += d->steps;
        if (d->by_status[STATUS_COUNT])
            say("driver %u, step %lu: call %lu gave 0x%lx", i, d->wrong_step, d->wrong_op,
                d->wrong_status);
        for (unsigned s = 0; s <= STATUS_COUNT; s++)
            all.by_status[s] += d->by_status[s];
        for (unsigned op = 0; op < SYS_COUNT; op++)
            all.by_op[op] += d->by_op[op], all.ok[op] += d->ok[op];
    }
    say("fire: %lu steps, %u checks of everything, hash %016lx", all.steps, checks, all.hash);
    for (unsigned op = 0; op < SYS_COUNT; op++)
        if (all.by_op[op])
            say("fire: call %u: %lu, %lu of them OK", op, all.by_op[op], all.ok[op]);
    for (unsigned s = 0; s < STATUS_COUNT; s++)
        if (all.by_status[s])
            say("fire: %lu %s", all.by_status[s], status_name((enum status)s));
    trails();
    if (all.by_status[STATUS_COUNT])
        end(false, "status (one that there is none of)");
}

int main(const struct boot_info *info);
int main(const struct boot_info *info)
{
    uint64_t seed, pages, slots, pages_before, slots_before, pool_slots, unused;

    boot = info;
    look_around();
    seed = option("seed", 1);
    steps = option("steps", 20000) / cpus;
    check_steps = option("check", 1000) / cpus;
    say("fire: %s, %u CPUs, seed %lu, %lu steps", info->cpu_name, cpus, seed, steps * cpus);
    image_read();
    set_up();
    for (unsigned i = 0; i < cpus; i++)
        need(sys_create_signal(S_POOL, S_SLEEP + i), "signal");
    clear(); // the second time no page has to be cut for small blocks any more
    for (unsigned i = 0; i < cpus; i++)
        sys_cap_drop(SLOT_TASK, S_SLEEP + i);
    free_of(SLOT_POOL, &pages_before, &slots_before);
    set_up();
    free_of(S_POOL, &unused, &pool_slots);
    for (unsigned i = 0; i < cpus; i++) {
        drivers[i].cpu = i;
        drivers[i].random = (seed * DRIVERS_MAX + i + 1) * 0x9e3779b97f4a7c15;
        need(sys_create_signal(S_POOL, S_SLEEP + i), "signal");
        need(sys_create_thread(S_POOL, S_DRIVER + i, SLOT_TASK, THREAD_ACTIVE, i, DRIVER_PRIORITY),
             "driver");
    }
    for (unsigned i = 0; i < cpus; i++)
        need(sys_thread_start(S_DRIVER + i, (uint64_t)drive,
                              (uint64_t)(stacks[i] + sizeof(stacks[i]) - 8), i),
             "start of a driver");
    if (!drivers_end()) {
        for (unsigned i = 0; i < cpus; i++) {
            struct message m = {THREAD_FAULT, {0}};
            sys_thread_ctl(S_DRIVER + i, &m);
            say("driver %u: %lu steps, state %lu, vector %lu, at 0x%lx", i, drivers[i].steps,
                m.w[4], m.w[0], m.w[3]);
        }
        end(false, "progress (for a long time no driver made a step)");
    }
    summary();
    tear_down();
    say("PASS progress");
    free_of(S_POOL, &unused, &slots);
    if (slots != pool_slots) {
        say("slots of the pool: %lu, not %lu", slots, pool_slots);
        end(false, "slots");
    }
    say("PASS slots");
    clear();
    free_of(SLOT_POOL, &pages, &slots);
    if (pages != pages_before || slots != slots_before)
        say("pages %lu, not %lu; slots %lu, not %lu", pages, pages_before, slots, slots_before);
    end(pages == pages_before && slots == slots_before, "memory");
}
