// SPDX-License-Identifier: BSD-2-Clause
// Reads the configuration with libfdt (Devicetree Specification 0.4). HAZARD: the tree comes from a
// boot medium: fdt_check_full looks at the whole of it before anything else does, and each value is
// checked here again, whatever the compiler on the host promised.
#include "system.h"

#include <libfdt.h>
#include <string.h>

#include "reader.h"

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
                                          [KERNEL_MULTIBOOT2] = "multiboot2",
                                          [KERNEL_PVH] = "pvh",
                                          [KERNEL_FIRMWARE] = "firmware",
                                          NULL};

    task->memory = reader_number(r, "memory", 8, 2 * MIB, 1ull << 40);
    if (task->memory % (2 * MIB))
        reader_refuse(r, "memory", "is not a multiple of 2 MiB");
    task->cpus = (unsigned)reader_number(r, "cpus", 4, 1, TASK_VCPU_MAX);
    task->kernel = reader_optional(r, "kernel", 1024);
    task->initrd = reader_optional(r, "initrd", 1024);
    task->kernel_kind = (enum guest_kernel)reader_choice(r, "kernel-kind", kernels, KERNEL_UNKNOWN);
    task->cmdline = reader_has(r, "cmdline") ? reader_optional(r, "cmdline", TASK_CMDLINE) : "";
    task->restart = reader_choice(r, "on-crash", crash, 0) == 1;
    task->autostart = reader_has(r, "autostart");
    task->clock = (enum guest_clock)reader_choice(r, "clock", clocks, GUEST_CLOCK_PVCLOCK);
    task->apic = (enum guest_apic)reader_choice(r, "apic", apics, GUEST_APIC_AUTO);
    for (int i = 0, count = fdt_stringlist_count(r->dtb, r->node, "cpu-hide"); i < count; i++) {
        const char *feature = fdt_stringlist_get(r->dtb, r->node, "cpu-hide", i, NULL);

        if (feature && strcmp(feature, "cx16") == 0)
            task->hide |= HIDE_CX16;
        else if (feature && strcmp(feature, "pci-ports") == 0)
            task->hide |= HIDE_PCI_PORTS;
        else if (!feature || strcmp(feature, "hpet") != 0) // with which its vmm was not linked
            reader_refuse(r, "cpu-hide", "names an unknown feature");
    }
}

// What a VM may have of its CPU's time.
static void read_time(struct reader *r, struct task_config *task)
{
    uint32_t cpus[TASK_VCPU_MAX];
    unsigned count = reader_cells(r, "host-cpu", TASK_VCPU_MAX, cpus);

    if (count > 1 && count != task->cpus)
        reader_refuse(r, "host-cpu", "has a wrong length");
    for (unsigned i = 0; count && i < task->cpus; i++) {
        task->host_cpu[i] = cpus[count > 1 ? i : 0];
        if (task->host_cpu[i] >= CPU_MAX)
            reader_refuse(r, "host-cpu", "is out of range");
    }
    if (reader_has(r, "weight"))
        task->weight = (unsigned)reader_number(r, "weight", 4, 1, WEIGHT_MAX);
    if (!reader_has(r, "budget-us"))
        return;
    task->period_us =
        (unsigned)reader_number(r, "period-us", 4, 1000000 / PERIODS_PER_SECOND, 10000000);
    task->budget_us = (unsigned)reader_number(r, "budget-us", 4, 1, task->period_us);
}

static void read_server(struct reader *r, struct task_config *task)
{
    uint32_t values[2 * TASK_PORT_MAX];
    unsigned count = reader_cells(r, "ports", 2 * TASK_PORT_MAX, values);

    if (count % 2)
        reader_refuse(r, "ports", "has a wrong length");
    task->port_count = count / 2;
    for (unsigned i = 0; i < task->port_count; i++) {
        task->ports[i].base = values[2 * i];
        task->ports[i].count = values[2 * i + 1];
        if (values[2 * i] > 0xffff || values[2 * i + 1] == 0 ||
            values[2 * i + 1] > 0x10000 - values[2 * i])
            reader_refuse(r, "ports", "is out of range");
    }
    task->irq_count = reader_cells(r, "interrupts", TASK_IRQ_MAX, task->irqs);
    for (unsigned i = 0; i < task->irq_count; i++)
        if (task->irqs[i] > 0xffff)
            reader_refuse(r, "interrupts", "is out of range");
    task->manager = reader_has(r, "manager");
    task->restart = task->autostart = true;
}

static void read_task(struct reader *r, struct task_config *task)
{
    static const char *const kinds[] = {
        [MANAGE_KIND_SERVER] = "console", [MANAGE_KIND_VM] = "vm", NULL};

    task->name = r->name;
    if (strlen(task->name) >= TASK_NAME_SIZE || !*task->name)
        reader_refuse(r, "its name", "is too long or empty");
    reader_text(r, "kind", 32);
    task->kind = (enum manage_kind)reader_choice(r, "kind", kinds, MANAGE_KIND_SERVER);
    task->image = reader_text(r, "image", 256);
    task->priority = (unsigned)reader_number(r, "priority", 4, 0, PRIORITY_COUNT - 1);
    task->pool_size = reader_number(r, "pool-size", 8, 64 * 1024, GIB);
    if (task->pool_size % PAGE)
        reader_refuse(r, "pool-size", "is not a multiple of 4096");
    if (reader_has(r, "arena-size"))
        task->arena_size = reader_number(r, "arena-size", 8, PAGE, 16 * MIB);
    if (task->arena_size % PAGE)
        reader_refuse(r, "arena-size", "is not a multiple of 4096");
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
        static struct task_config task; // too large for the stack

        memset(&task, 0, sizeof(task));
        r->node = node;
        r->name = fdt_get_name(r->dtb, node, NULL);
        if (!r->name)
            r->name = "";
        read_task(r, &task);
        if (task.kind != kind)
            continue;
        if (find(config, task.name) != TASK_MAX)
            reader_refuse(r, "its name", "is not unique");
        if (config->count == TASK_MAX)
            reader_refuse(r, "there", "are too many tasks");
        if (task.manager && config->manager != TASK_MAX)
            reader_refuse(r, "there", "are two managers");
        if (kind == MANAGE_KIND_VM) {
            const char *console = reader_optional(r, "console", TASK_NAME_SIZE);

            task.console = console ? find(config, console) : TASK_MAX;
            if (console &&
                (task.console == TASK_MAX || config->tasks[task.console].kind == MANAGE_KIND_VM))
                reader_refuse(r, "console", "names no server");
            system_read_devices(r, config, &task);
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
        reader_refuse(r, "the tree", "is damaged");
        return false;
    }
    if (fdt_node_check_compatible(dtb, 0, "bulkhead,system-1") != 0)
        reader_refuse(r, "compatible", "is not bulkhead,system-1");
    config->name = reader_text(r, "system-name", TASK_NAME_SIZE);
    tasks = fdt_subnode_offset(dtb, 0, "tasks");
    if (tasks < 0)
        reader_refuse(r, "tasks", "is missing");
    if (error[0])
        return false;
    read_tasks(r, tasks, MANAGE_KIND_SERVER, config);
    if (!error[0])
        read_tasks(r, tasks, MANAGE_KIND_VM, config);
    return !error[0];
}
