// SPDX-License-Identifier: BSD-2-Clause
// Reads the configuration with libfdt (Devicetree Specification 0.4). HAZARD: the tree comes from a
// boot medium: fdt_check_full looks at the whole of it before anything else does, and each value is
// checked here again, whatever the compiler on the host promised.
#include "system.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

// Where the reader is; the first error sticks, and what is read after it does not matter.
struct reader {
    const void *dtb;
    int node;
    const char *name; // of the node
    char *error;      // "" while all is well
};

static void refuse(struct reader *r, const char *property, const char *why)
{
    if (!r->error[0])
        snprintf(r->error, SYSTEM_ERROR, "system.dtb: %.32s: %s %s", r->name, property, why);
}

static bool has(const struct reader *r, const char *property)
{
    return fdt_getprop(r->dtb, r->node, property, NULL) != NULL;
}

// A big-endian number of 4 or 8 bytes in [min, max]; min when it is refused.
static uint64_t number(struct reader *r, const char *property, int bytes, uint64_t min,
                       uint64_t max)
{
    int length;
    const uint8_t *data = fdt_getprop(r->dtb, r->node, property, &length);
    uint64_t value = 0;

    if (!data || length != bytes) {
        refuse(r, property, data ? "has a wrong length" : "is missing");
        return min;
    }
    for (int i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    if (value >= min && value <= max)
        return value;
    refuse(r, property, "is out of range");
    return min;
}

// Up to max cells; returns their count, 0 when the property is absent.
static unsigned cells(struct reader *r, const char *property, unsigned max, uint32_t *values)
{
    int length;
    const fdt32_t *data = fdt_getprop(r->dtb, r->node, property, &length);

    if (!data)
        return 0;
    if (length % 4 || (unsigned)length / 4 > max) {
        refuse(r, property, "has a wrong length");
        return 0;
    }
    for (int i = 0; i < length / 4; i++)
        values[i] = fdt32_ld(&data[i]);
    return (unsigned)length / 4;
}

// One text with less than `limit` bytes; NULL when the property is absent, or refused.
static const char *optional(struct reader *r, const char *property, size_t limit)
{
    int length;
    const char *text = fdt_getprop(r->dtb, r->node, property, &length);

    if (!text)
        return NULL;
    if (length < 1 || memchr(text, 0, (size_t)length) != text + length - 1 ||
        (size_t)length > limit) {
        refuse(r, property, "is not a text, or too long");
        return NULL;
    }
    return text;
}

static const char *text(struct reader *r, const char *property, size_t limit)
{
    const char *value = optional(r, property, limit);

    if (!value || !*value)
        refuse(r, property, "is missing");
    return value ? value : "";
}

// The place of the text in the list, which ends with NULL; `absent` when there is no such property.
static unsigned choice(struct reader *r, const char *property, const char *const *list,
                       unsigned absent)
{
    const char *value = optional(r, property, 32);

    if (!value)
        return absent;
    for (unsigned i = 0; list[i]; i++)
        if (strcmp(list[i], value) == 0)
            return i;
    refuse(r, property, "has an unknown value");
    return absent;
}

static void read_vm(struct reader *r, struct task_config *task)
{
    static const char *const crash[] = {"stop", "restart", NULL};
    static const char *const clocks[] = {
        [GUEST_CLOCK_PVCLOCK] = "pvclock", [GUEST_CLOCK_8254] = "8254", NULL};
    static const char *const apics[] = {
        [GUEST_APIC_AUTO] = "auto", [GUEST_APIC_SOFTWARE] = "software", NULL};
    static const char *const kernels[] = {[KERNEL_UNKNOWN] = "unknown",
                                          [KERNEL_BZIMAGE] = "bzimage",
                                          [KERNEL_MULTIBOOT] = "multiboot",
                                          NULL};

    task->memory = number(r, "memory", 8, 2 * MIB, 1ull << 40);
    if (task->memory % (2 * MIB))
        refuse(r, "memory", "is not a multiple of 2 MiB");
    task->cpus = (unsigned)number(r, "cpus", 4, 1, 1);
    task->kernel = optional(r, "kernel", 1024);
    task->initrd = optional(r, "initrd", 1024);
    task->kernel_kind = (enum guest_kernel)choice(r, "kernel-kind", kernels, KERNEL_UNKNOWN);
    task->cmdline = has(r, "cmdline") ? optional(r, "cmdline", TASK_CMDLINE) : "";
    task->restart = choice(r, "on-crash", crash, 0) == 1;
    task->autostart = has(r, "autostart");
    task->clock = (enum guest_clock)choice(r, "clock", clocks, GUEST_CLOCK_PVCLOCK);
    task->apic = (enum guest_apic)choice(r, "apic", apics, GUEST_APIC_AUTO);
    for (int i = 0, count = fdt_stringlist_count(r->dtb, r->node, "cpu-hide"); i < count; i++) {
        const char *feature = fdt_stringlist_get(r->dtb, r->node, "cpu-hide", i, NULL);

        if (feature && strcmp(feature, "cx16") == 0)
            task->hide |= HIDE_CX16;
        else
            refuse(r, "cpu-hide", "names an unknown feature");
    }
}

// What a VM may have of its CPU's time.
static void read_time(struct reader *r, struct task_config *task)
{
    if (has(r, "host-cpu"))
        task->host_cpu = (unsigned)number(r, "host-cpu", 4, 0, CPU_MAX - 1);
    if (has(r, "weight"))
        task->weight = (unsigned)number(r, "weight", 4, 1, WEIGHT_MAX);
    if (!has(r, "budget-us"))
        return;
    task->period_us = (unsigned)number(r, "period-us", 4, 1000000 / PERIODS_PER_SECOND, 10000000);
    task->budget_us = (unsigned)number(r, "budget-us", 4, 1, task->period_us);
}

static void read_server(struct reader *r, struct task_config *task)
{
    uint32_t values[2 * TASK_PORT_MAX];
    unsigned count = cells(r, "ports", 2 * TASK_PORT_MAX, values);

    if (count % 2)
        refuse(r, "ports", "has a wrong length");
    task->port_count = count / 2;
    for (unsigned i = 0; i < task->port_count; i++) {
        task->ports[i].base = values[2 * i];
        task->ports[i].count = values[2 * i + 1];
        if (values[2 * i] > 0xffff || values[2 * i + 1] == 0 ||
            values[2 * i + 1] > 0x10000 - values[2 * i])
            refuse(r, "ports", "is out of range");
    }
    task->irq_count = cells(r, "interrupts", TASK_IRQ_MAX, task->irqs);
    for (unsigned i = 0; i < task->irq_count; i++)
        if (task->irqs[i] > 0xffff)
            refuse(r, "interrupts", "is out of range");
    task->manager = has(r, "manager");
    task->restart = task->autostart = true;
}

static void read_task(struct reader *r, struct task_config *task)
{
    static const char *const kinds[] = {
        [MANAGE_KIND_SERVER] = "console", [MANAGE_KIND_VM] = "vm", NULL};

    task->name = r->name;
    if (strlen(task->name) >= TASK_NAME_SIZE || !*task->name)
        refuse(r, "its name", "is too long or empty");
    text(r, "kind", 32);
    task->kind = (enum manage_kind)choice(r, "kind", kinds, MANAGE_KIND_SERVER);
    task->image = text(r, "image", 64);
    task->priority = (unsigned)number(r, "priority", 4, 0, PRIORITY_COUNT - 1);
    task->pool_size = number(r, "pool-size", 8, 64 * 1024, GIB);
    if (task->pool_size % PAGE)
        refuse(r, "pool-size", "is not a multiple of 4096");
    if (task->kind == MANAGE_KIND_VM)
        read_vm(r, task);
    else
        read_server(r, task);
    task->console = TASK_MAX;
    task->weight = WEIGHT_DEFAULT;
    if (task->kind == MANAGE_KIND_VM)
        read_time(r, task);
}

static unsigned find(const struct system_config *config, const char *name)
{
    for (unsigned i = 0; i < config->count; i++)
        if (strcmp(config->tasks[i].name, name) == 0)
            return i;
    return TASK_MAX;
}

// Reads the tasks of one kind.
static void read_tasks(struct reader *r, int parent, enum manage_kind kind,
                       struct system_config *config)
{
    int node;

    fdt_for_each_subnode(node, r->dtb, parent)
    {
        struct task_config task = {0};

        r->node = node;
        r->name = fdt_get_name(r->dtb, node, NULL);
        if (!r->name)
            r->name = "";
        read_task(r, &task);
        if (task.kind != kind)
            continue;
        if (find(config, task.name) != TASK_MAX)
            refuse(r, "its name", "is not unique");
        if (config->count == TASK_MAX)
            refuse(r, "there", "are too many tasks");
        if (task.manager && config->manager != TASK_MAX)
            refuse(r, "there", "are two managers");
        if (kind == MANAGE_KIND_VM) {
            const char *console = optional(r, "console", TASK_NAME_SIZE);

            task.console = console ? find(config, console) : TASK_MAX;
            if (console &&
                (task.console == TASK_MAX || config->tasks[task.console].kind == MANAGE_KIND_VM))
                refuse(r, "console", "names no server");
        }
        if (r->error[0])
            return;
        if (task.manager)
            config->manager = config->count;
        config->tasks[config->count++] = task;
    }
}

bool system_read(const void *dtb, size_t size, struct system_config *config,
                 char error[SYSTEM_ERROR])
{
    struct reader reader = {.dtb = dtb, .name = "/", .error = error}, *r = &reader;
    int tasks;

    error[0] = 0;
    memset(config, 0, sizeof(*config));
    config->manager = TASK_MAX;
    if (fdt_check_full(dtb, size) != 0) {
        refuse(r, "the tree", "is damaged");
        return false;
    }
    if (fdt_node_check_compatible(dtb, 0, "bulkhead,system-1") != 0)
        refuse(r, "compatible", "is not bulkhead,system-1");
    config->name = text(r, "system-name", TASK_NAME_SIZE);
    tasks = fdt_subnode_offset(dtb, 0, "tasks");
    if (tasks < 0)
        refuse(r, "tasks", "is missing");
    if (error[0])
        return false;
    read_tasks(r, tasks, MANAGE_KIND_SERVER, config);
    if (!error[0])
        read_tasks(r, tasks, MANAGE_KIND_VM, config);
    return !error[0];
}
