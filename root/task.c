// SPDX-License-Identifier: BSD-2-Clause
// Creates and removes tasks. What a task can reach is decided here and in channel.c and vm.c, and
// nowhere else: each map and each cap_copy below is one line of that list.
#include "task.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/math.h"
#include "bulkhead/syscall.h"
#include "caps.h"
#include "image.h"
#include "rtc.h"

struct system_config config;
struct task tasks[TASK_MAX];

// Kernel objects in a task's pool: task, guest, thread, interrupts; and for each further vCPU its
// thread and signal, with what the kernel needs for them.
enum { POOL_QUOTA = 16, VCPU_QUOTA = 2, VCPU_POOL = 48 * 1024 };

bool task_check(struct task *task, enum status status, const char *what)
{
    if (status != OK)
        snprintf(task->message, sizeof(task->message), "%s: %s", what, status_name(status));
    return status == OK;
}

bool task_map(struct task *task, unsigned mem, uint64_t offset, uint64_t address, uint64_t size,
              unsigned rights, const char *what)
{
    return task_check(task, sys_map(task->task, mem, offset, address, size, rights), what);
}

bool task_give(struct task *task, unsigned from, unsigned to, unsigned rights, const char *what)
{
    return task_check(task, sys_cap_copy(SLOT_TASK, from, task->task, to, rights), what);
}

// Creates an object in *slot, which is CAP_NONE before and, when it fails, afterwards.
static bool create(struct task *task, unsigned *slot, unsigned pool, enum object_type type,
                   const uint64_t w[5], const char *what)
{
    enum status status = ERR_SLOT;
    unsigned fresh = cap_alloc();

    if (fresh != CAP_NONE)
        status = sys_create(pool, type, fresh, w[0], w[1], w[2], w[3], w[4]);
    if (status == OK) {
        *slot = fresh;
        cap_name(fresh, task->config->name);
    } else {
        cap_free(fresh);
    }
    return task_check(task, status, what);
}

bool task_prepare(struct task *task)
{
    uint64_t address = WINDOW_STATUS + task->index * PAGE;

    task->pool = task->task = task->thread = task->guest = task->signal = CAP_NONE;
    task->pool_ram = task->pages = task->rings = task->monitor = task->snapshot = RAM_NONE;
    for (unsigned i = 0; i < RAM_BLOCKS; i++)
        task->ram[i] = RAM_NONE;
    for (unsigned i = 0; i < DEVICE_BLOCKS; i++)
        task->device[i] = RAM_NONE;
    for (unsigned i = 0; i < TASK_VCPU_MAX; i++)
        task->vcpu_thread[i] = task->vcpu_signal[i] = CAP_NONE;
    for (unsigned i = 0; i < TASK_PORT_MAX; i++)
        task->ports[i] = CAP_NONE;
    for (unsigned i = 0; i < TASK_IRQ_MAX; i++)
        task->irqs[i] = CAP_NONE;
    if (!create(task, &task->signal, SLOT_POOL, OBJ_SIGNAL, (uint64_t[5]){0}, "signal") ||
        !task_check(task, ram_alloc_zeroed(&task->status_page, PAGE, PAGE), "status page") ||
        !task_check(task, sys_map(SLOT_TASK, task->status_page.mem, 0, address, PAGE, READ_WRITE),
                    "status page") ||
        !channels_prepare(task))
        return false;
    task->status = (struct task_status *)address;
    return true;
}

static bool give_ports(struct task *task, struct task_info *info)
{
    const struct task_config *from = task->config;

    for (unsigned i = 0; i < from->port_count; i++) {
        unsigned base = from->ports[i].base, count = from->ports[i].count;
        const struct boot_mem *mem = boot_ports(base, count);

        if (!mem)
            return task_check(task, ERR_RANGE, "ports");
        if (!create(task, &task->ports[i], SLOT_POOL, OBJ_MEM,
                    (uint64_t[5]){mem->cap, base - mem->base, count}, "ports") ||
            !task_map(task, task->ports[i], 0, base, count, READ_WRITE, "ports"))
            return false;
        info->ports[i].base = base;
        info->ports[i].count = count;
    }
    info->port_count = from->port_count;
    return true;
}

static bool give_irqs(struct task *task, struct task_info *info)
{
    const struct task_config *from = task->config;

    for (unsigned i = 0; i < from->irq_count; i++) {
        unsigned bit = TASK_IRQ_BIT + i, slot = TASK_SLOT_IRQ + i;

        if (!create(task, &task->irqs[i], task->pool, OBJ_IRQ,
                    (uint64_t[5]){SLOT_HW, from->irqs[i], task->signal, bit}, "interrupt") ||
            !task_give(task, task->irqs[i], slot, RIGHT_CTRL, "interrupt"))
            return false;
        info->irqs[i].gsi = from->irqs[i];
        info->irqs[i].slot = slot;
        info->irqs[i].bit = bit;
    }
    info->irq_count = from->irq_count;
    return true;
}

static void describe(const struct task *task, struct task_info *info)
{
    const struct task_config *from = task->config;

    memset(info, 0, sizeof(*info));
    info->magic = TASK_INFO_MAGIC;
    info->size = sizeof(*info);
    snprintf(info->name, sizeof(info->name), "%s", from->name);
    snprintf(info->system, sizeof(info->system), "%s", config.name);
    info->tsc_hz = boot->tsc_hz;
    info->virt = boot->virt;
    info->cpus = boot->cpus;
    info->tsc_kernel = boot->tsc_entry;
    info->tsc_root = boot->tsc_root;
    info->tsc_created = task->status->tsc_created;
    info->unix_seconds = rtc_start.seconds;
    info->unix_tsc = rtc_start.tsc;
    info->ram_total = boot->ram_total;
    info->kernel_text = boot->kernel_text;
    info->kernel_size = boot->kernel_size;
    memcpy(info->cpu_name, boot->cpu_name, sizeof(info->cpu_name) - 1);
    info->priority = from->priority;
    info->restarts = task->restarts;
}

// vCPUs beyond the first, each with a thread of its own.
static unsigned more_vcpus(const struct task_config *from)
{
    return from->cpus > 1 ? from->cpus - 1 : 0;
}

// `at`: where in the task's pages they begin.
static bool map_stacks(struct task *task, uint64_t at)
{
    if (!task_map(task, task->pages.mem, at, TASK_STACK_TOP - TASK_STACK_SIZE, TASK_STACK_SIZE,
                  READ_WRITE, "stack"))
        return false;
    at += TASK_STACK_SIZE;
    for (unsigned i = 1; i <= more_vcpus(task->config); i++, at += TASK_VCPU_STACK)
        if (!task_map(task, task->pages.mem, at,
                      TASK_STACK_TOP - i * TASK_STACK_STEP - TASK_VCPU_STACK, TASK_VCPU_STACK,
                      READ_WRITE, "stack"))
            return false;
    return true;
}

// One block of RAM holds the copies of the image's segments, then the stacks, the information page
// and the arena.
static bool load(struct task *task, struct task_info *info, uint64_t *entry)
{
    struct image image;
    const void *file;
    uint64_t size, at = 0;
    uint64_t stacks = TASK_STACK_SIZE + more_vcpus(task->config) * TASK_VCPU_STACK;
    uint64_t arena = task->config->arena_size;
    const char *error = "the archive has no such file";
    char *to;

    if (archive_find(task->config->image, &file, &size, NULL))
        error = image_read(file, size, &image);
    if (error) {
        snprintf(task->message, sizeof(task->message), "image %.32s: %s", task->config->image,
                 error);
        return false;
    }
    *entry = image.entry;
    if (!task_check(
            task,
            ram_alloc_zeroed(&task->pages, image.size + stacks + TASK_INFO_SIZE + arena, PAGE),
            "image"))
        return false;
    info->arena_size = (uint32_t)arena;
    info->ram_free = ram_free_bytes();
    to = ram_open(&task->pages);
    if (!to)
        return task_check(task, ERR_MEMORY, "image");
    for (unsigned i = 0; i < image.count; i++) {
        memcpy(to + at, (const char *)file + image.segments[i].offset, image.segments[i].file_size);
        at += image.segments[i].size;
    }
    memcpy(to + at + stacks, info, sizeof(*info));
    ram_close(&task->pages);

    at = 0;
    for (unsigned i = 0; i < image.count; at += image.segments[i++].size)
        if (!task_map(task, task->pages.mem, at, image.segments[i].address, image.segments[i].size,
                      image.segments[i].rights, "image"))
            return false;
    if (!map_stacks(task, at))
        return false;
    at += stacks;
    return task_map(task, task->pages.mem, at, TASK_INFO_ADDRESS, TASK_INFO_SIZE, MAP_READ,
                    "info page") &&
           (!arena || task_map(task, task->pages.mem, at + TASK_INFO_SIZE, ARENA_ADDRESS, arena,
                               READ_WRITE, "arena"));
}

static bool set_time(struct task *task, unsigned thread)
{
    const struct task_config *from = task->config;
    uint64_t budget = mul_div64(boot->tsc_hz, from->budget_us, 1000000),
             period = mul_div64(boot->tsc_hz, from->period_us, 1000000);

    // Rounded down it may be a tick less than the kernel's least.
    if (!task_check(task, sys_thread_set(thread, THREAD_WEIGHT, from->weight), "weight"))
        return false;
    return !from->budget_us ||
           task_check((struct task *)task,
                      sys_thread_budget(thread, budget ? budget : 1, period + 1, CAP_NONE, 0),
                      "budget");
}

// A thread: of a VM that of vCPU `number`. Its time is root's to set, not its own.
static bool create_one_thread(struct task *task, unsigned number, unsigned *slot)
{
    const struct task_config *from = task->config;
    unsigned kind = task->guest == CAP_NONE ? THREAD_ACTIVE : THREAD_VCPU;
    unsigned cpu = from->host_cpu[number];
    uint64_t page = VCPU_PAGE_ADDRESS + number * VCPU_PAGE_STEP + VCPU_FPU +
                    (vm_virtual_apic(from) ? VCPU_APIC : 0);

    if (cpu >= boot->cpus) {
        snprintf(task->message, sizeof(task->message),
                 "host-cpu is %u, and of this machine's CPUs %u run, numbered from 0", cpu,
                 boot->cpus);
        return false;
    }
    return create(task, slot, task->pool, OBJ_THREAD,
                  (uint64_t[5]){task->task, kind | cpu << 8, from->priority, task->guest, page},
                  "thread") &&
           set_time(task, *slot);
}

// The threads and the capabilities that every task has. The vmm starts those of its further vCPUs
// itself.
static bool create_threads(struct task *task)
{
    if (!create_one_thread(task, 0, &task->thread) ||
        !task_give(task, task->thread, TASK_SLOT_THREAD, RIGHT_CTRL, "thread") ||
        !task_give(task, task->signal, TASK_SLOT_SIGNAL, RIGHT_WAIT | RIGHT_RAISE, "signal") ||
        !task_give(task, root_signal, TASK_SLOT_SUPERVISOR,
                   RIGHT_RAISE | RIGHT_BIT(BIT_REPORT(task->index)), "signal"))
        return false;
    for (unsigned i = 1; i <= more_vcpus(task->config); i++)
        if (!create(task, &task->vcpu_signal[i], task->pool, OBJ_SIGNAL, (uint64_t[5]){0},
                    "signal") ||
            !create_one_thread(task, i, &task->vcpu_thread[i]) ||
            !task_give(task, task->vcpu_thread[i], TASK_SLOT_VCPU_THREAD + i, RIGHT_CTRL,
                       "thread") ||
            !task_give(task, task->vcpu_signal[i], TASK_SLOT_VCPU_SIGNAL + i,
                       RIGHT_WAIT | RIGHT_RAISE, "signal"))
            return false;
    return true;
}

// The entry counts on large pages. HAZARD: on processors with the iTLB multi-hit erratum
// (CVE-2018-12207) the kernel maps executable guest pages by 4 KiB: 8 bytes of table for each.
static uint64_t pool_size(const struct task_config *from)
{
    return from->pool_size + more_vcpus(from) * (uint64_t)VCPU_POOL +
           (boot->virt == VIRT_VMX ? page_up(from->memory / 512) : 0);
}

static bool create_all(struct task *task, uint64_t *entry)
{
    static struct task_info info;
    const struct task_config *from = task->config;

    describe(task, &info);
    if (!task_check(task, ram_alloc(&task->pool_ram, pool_size(from), PAGE), "pool") ||
        !create(task, &task->pool, SLOT_POOL, OBJ_POOL,
                (uint64_t[5]){task->pool_ram.mem, POOL_QUOTA + more_vcpus(from) * VCPU_QUOTA},
                "pool") ||
        !create(task, &task->task, task->pool, OBJ_TASK,
                (uint64_t[5]){root_signal, BIT_FAULT(task->index), from->priority,
                              from->kind == MANAGE_KIND_VM ? task->index + 1 : 0},
                "task"))
        return false;
    return task_map(task, task->status_page.mem, 0, TASK_STATUS_ADDRESS, PAGE, READ_WRITE,
                    "status page") &&
           (from->kind != MANAGE_KIND_VM || vm_create(task, &info)) &&
           channels_create(task, &info) && give_ports(task, &info) && give_irqs(task, &info) &&
           load(task, &info, entry) && create_threads(task);
}

bool task_start(struct task *task)
{
    uint64_t entry, stale;

    if (!task->status) // task_prepare() failed; its message stays
        return false;
    task->message[0] = 0;
    sys_poll(task->signal, &stale); // what the run before left
    memset(task->status, 0, sizeof(*task->status));
    task->status->tsc_created = task_tsc();
    if (task->config->kind == MANAGE_KIND_VM)
        monitor_reset(task);
    if (create_all(task, &entry)) {
        task->status->tsc_started = task_tsc();
        if (task_check(task,
                       sys_thread_start(task->thread, entry, TASK_STACK_TOP, TASK_INFO_ADDRESS),
                       "start")) {
            task->state = MANAGE_RUNNING;
            return true;
        }
    }
    task_stop(task, MANAGE_STOPPED);
    return false;
}

void task_stop(struct task *task, enum manage_state state)
{
    task->state = state;
    monitor_ended(task);
    cap_destroy(&task->pool); // and all that lives in it: the capabilities below are stale then
    cap_free(task->task);
    cap_free(task->thread);
    cap_free(task->guest);
    task->task = task->thread = task->guest = CAP_NONE;
    for (unsigned i = 0; i < TASK_VCPU_MAX; i++) {
        cap_free(task->vcpu_thread[i]);
        cap_free(task->vcpu_signal[i]);
        task->vcpu_thread[i] = task->vcpu_signal[i] = CAP_NONE;
    }
    for (unsigned i = 0; i < TASK_IRQ_MAX; i++) {
        cap_free(task->irqs[i]);
        task->irqs[i] = CAP_NONE;
    }
    for (unsigned i = 0; i < TASK_PORT_MAX; i++)
        cap_destroy(&task->ports[i]);
    for (unsigned i = 0; i < RAM_BLOCKS; i++)
        ram_free(&task->ram[i]);
    vm_release(task);
    ram_free(&task->pages);
    ram_free(&task->pool_ram);
}

uint64_t task_memory(const struct task *task)
{
    uint64_t sum = task->pool_ram.size + task->pages.size + task->snapshot.size;

    for (unsigned i = 0; i < RAM_BLOCKS; i++)
        sum += task->ram[i].size;
    for (unsigned i = 0; i < DEVICE_BLOCKS; i++)
        sum += task->device[i].size;
    return sum;
}
