// SPDX-License-Identifier: BSD-2-Clause
// The keys of system.yaml: one table per map, with the function that reads each value.
// docs/configuration.md describes the same keys for people. Every error of a file is found in one
// run: a function that reports goes on with a default.
#include <string.h>

#include "config.h"

// What a vmm can keep from its guest (enum guest_hide): CPU features as Linux prints them in
// /proc/cpuinfo, and two parts of a PC that cost exits.
static const char *const cpu_features[] = {"cx16", "hpet", "pci-ports", NULL};

// The keys of the table, for messages; at most 24.
static const char *const *field_names(struct config *config, const struct field *fields)
{
    const char **names = config_alloc(config, 25 * sizeof(*names));

    for (unsigned i = 0; i < 24 && fields[i].key; i++)
        names[i] = fields[i].key;
    return names;
}

static void report_unknown_key(struct config *config, const struct node *child,
                               const struct field *fields)
{
    const char *const *names = field_names(config, fields);
    const char *near = nearest(child->key, names);
    const char *list = "";

    if (near) {
        report_key(config, child, "unknown key; did you mean '%s'?", near);
        return;
    }
    for (unsigned i = 0; names[i]; i++)
        list = config_printf(config, "%s%s%s", list, i ? ", " : "", names[i]);
    report_key(config, child, "unknown key; known here: %s", list);
}

void read_map(struct config *config, struct node *map, const struct field *fields, void *into)
{
    if (!value_is(config, map, NODE_MAP))
        return;
    for (struct node *child = map->first; child; child = child->next) {
        const struct field *field = fields;

        while (field->key && strcmp(field->key, child->key))
            field++;
        if (field->key)
            field->read(config, child, into);
        else
            report_unknown_key(config, child, fields);
    }
    for (const struct field *field = fields; field->key; field++)
        if (field->required && !tree_find(map, field->key))
            report_key(config, map, "the key '%s' is missing", field->key);
}

static void vm_kernel(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->kernel_node = value;
    value_text(config, value, 4096, &vm->kernel);
}

static void vm_kernel_kind(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;
    unsigned choice;

    vm->kind_node = value;
    if (value_choice(config, value, kernel_kinds, &choice))
        vm->kernel_kind = kernel_kinds[choice];
}

static void vm_firmware(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->firmware_node = value;
    value_text(config, value, 4096, &vm->firmware);
}

static void module_file(struct config *config, struct node *value, void *into)
{
    value_text(config, value, 4096, &((struct module *)into)->path);
}

static void module_arguments(struct config *config, struct node *value, void *into)
{
    value_text(config, value, MAX_ARGUMENTS, &((struct module *)into)->arguments);
}

// "FILE ARGUMENTS" or a map.
static void read_module(struct config *config, struct node *node, struct module *module)
{
    static const struct field fields[] = {
        {"file", module_file, true}, {"arguments", module_arguments, false}, {0}};
    const char *text, *blank;

    *module = (struct module){.node = node, .arguments = ""};
    if (node->kind == NODE_MAP) {
        read_map(config, node, fields, module);
    } else if (value_text(config, node, 4096, &text)) {
        blank = strchr(text, ' ');
        module->path = blank ? config_strdup(config, text, (size_t)(blank - text)) : text;
        while (blank && *blank == ' ')
            blank++;
        module->arguments = blank ? blank : "";
        if (strlen(module->arguments) > MAX_ARGUMENTS)
            report(config, node, "has arguments of %zu characters; at most %d are possible",
                   strlen(module->arguments), MAX_ARGUMENTS);
    }
    if (!module->path)
        return;
    const char *slash = strrchr(module->path, '/');
    module->name = slash ? slash + 1 : module->path;
    if (!strncmp(module->name, "build:", 6))
        module->name += 6;
}

static void vm_modules(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->modules_node = value;
    if (!value_is(config, value, NODE_LIST))
        return;
    for (struct node *item = value->first; item; item = item->next) {
        if (vm->module_count == MAX_MODULES) {
            report(config, item, "is one module too many; at most %d are possible", MAX_MODULES);
            return;
        }
        read_module(config, item, &vm->modules[vm->module_count++]);
    }
}

static void vm_initrd(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->initrd_node = value;
    value_text(config, value, 4096, &vm->initrd);
}

static void vm_cmdline(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    if (value->kind == NODE_SCALAR && !value->plain && !value->bad && !*value->text)
        return; // "" is a command line
    value_text(config, value, MAX_CMDLINE, &vm->cmdline);
}

static void vm_memory(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->memory_node = value;
    value_size(config, value, 2 * MIB, 32 * GIB, 2 * MIB, &vm->memory);
}

static void vm_pool(struct config *config, struct node *value, void *into)
{
    value_size(config, value, 256 * KIB, 64 * MIB, 4 * KIB, &((struct vm *)into)->pool);
    ((struct vm *)into)->pool_given = true;
}

static void vm_cpus(struct config *config, struct node *value, void *into)
{
    value_int(config, value, 1, MAX_VM_CPUS, NULL, &((struct vm *)into)->cpus);
}

static void vm_host_cpu(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->host_cpu_node = value;
    if (value->kind != NODE_LIST) {
        vm->host_cpus = value_int(config, value, 0, VM_HOST_CPU_MAX, NULL, &vm->host_cpu[0]);
        return;
    }
    for (struct node *item = value->first; item; item = item->next) {
        if (item->index == MAX_VM_CPUS) {
            report(config, item, "is one CPU too many; at most %d are possible", MAX_VM_CPUS);
            return;
        }
        value_int(config, item, 0, VM_HOST_CPU_MAX, NULL, &vm->host_cpu[item->index]);
        vm->host_cpus = item->index + 1;
    }
}

static void vm_priority(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->priority_node = value;
    value_int(config, value, PRIORITY_VM_MIN, PRIORITY_VM_MAX, "50 to 63 are for servers and root",
              &vm->priority);
}

static void vm_weight(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->weight_node = value;
    value_int(config, value, 1, VM_WEIGHT_MAX, NULL, &vm->weight);
}

static void vm_budget(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->budget_node = value;
    if (value->kind == NODE_SCALAR && strchr(value->text, '%'))
        value_percent(config, value, &vm->budget_percent);
    else
        value_time(config, value, VM_BUDGET_MIN, VM_PERIOD_MAX, &vm->budget);
}

static void vm_period(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->period_node = value;
    value_time(config, value, VM_PERIOD_MIN, VM_PERIOD_MAX, &vm->period);
}

// What the keys of scheduling say together.
static void check_time(struct config *config, struct vm *vm)
{
    if (vm->weight_node && !vm->priority_node)
        vm->priority = 0;
    if (vm->weight && vm->priority)
        report_key(config, vm->weight_node,
                   "shares out priority 0, and the priority is %u; remove one of the two",
                   vm->priority);
    if (vm->period_node && !vm->budget_node)
        report_key(config, vm->period_node, "does nothing without a budget; add the key 'budget'");
    if (vm->budget_percent)
        vm->budget = (unsigned)((uint64_t)vm->period * vm->budget_percent / 100);
    if (vm->budget_percent && vm->budget < VM_BUDGET_MIN)
        report(config, vm->budget_node, "'%u%%' of the period is less than %u us; make it longer",
               vm->budget_percent, VM_BUDGET_MIN);
    if (vm->budget > vm->period)
        report(config, vm->budget_node, "%s is more than the period of %u us; make that longer",
               quoted(config, vm->budget_node->text), vm->period);
}

// What the keys of start-up say together.
static void check_boot(struct config *config, const struct vm *vm)
{
    if (vm->node->kind == NODE_MAP && !vm->kernel_node && !vm->firmware_node)
        report_key(config, vm->node,
                   "the key 'kernel' is missing (or 'firmware', which boots from a disk)");
    if (vm->kernel_node && vm->firmware_node)
        report_key(config, vm->firmware_node,
                   "boots from a disk, and there is a kernel; remove one of the two");
    if (vm->firmware_node && !vm->kernel_node) {
        const struct node *useless[] = {vm->initrd_node, vm->kind_node};

        for (unsigned i = 0; i < 2; i++)
            if (useless[i])
                report_key(config, useless[i], "does nothing without a kernel; remove it");
    }
    if (vm->host_cpu_node && vm->host_cpu_node->kind == NODE_LIST && vm->host_cpus != vm->cpus &&
        !vm->host_cpu_node->bad)
        report(config, vm->host_cpu_node, "names %u CPUs, and the VM has %u; name one for each",
               vm->host_cpus, vm->cpus);
}

static void vm_on_crash(struct config *config, struct node *value, void *into)
{
    static const char *const choices[] = {"stop", "restart", NULL};
    unsigned choice;

    if (value_choice(config, value, choices, &choice))
        ((struct vm *)into)->restart = choice == 1;
}

static void vm_autostart(struct config *config, struct node *value, void *into)
{
    value_bool(config, value, &((struct vm *)into)->autostart);
}

static void vm_clock(struct config *config, struct node *value, void *into)
{
    static const char *const choices[] = {"pvclock", "8254", NULL};
    unsigned choice;

    if (value_choice(config, value, choices, &choice))
        ((struct vm *)into)->clock = choice ? CLOCK_8254 : CLOCK_PVCLOCK;
}

static void vm_apic(struct config *config, struct node *value, void *into)
{
    static const char *const choices[] = {"auto", "software", NULL};
    unsigned choice;

    if (value_choice(config, value, choices, &choice))
        ((struct vm *)into)->apic = choice ? APIC_SOFTWARE : APIC_AUTO;
}

static void vm_console(struct config *config, struct node *value, void *into)
{
    static const char *const choices[] = {"console", NULL};
    unsigned choice;

    (void)into;
    value_choice(config, value, choices, &choice);
}

// A list of choices, each at most once. Returns how many.
static unsigned read_choices(struct config *config, struct node *value, const char *const *known,
                             const char *const **into)
{
    unsigned count = 0, choice;

    if (!value_is(config, value, NODE_LIST))
        return 0;
    const char **list =
        config_alloc(config, sizeof(*list) * (value->last ? value->last->index + 1 : 1));
    for (struct node *item = value->first; item; item = item->next) {
        bool repeated = false;

        if (!value_choice(config, item, known, &choice))
            continue;
        for (unsigned i = 0; i < count; i++)
            repeated |= list[i] == known[choice];
        if (repeated)
            report(config, item, "'%s' is already in the list", item->text);
        else
            list[count++] = known[choice];
    }
    *into = list;
    return count;
}

static void cpu_hide(struct config *config, struct node *value, void *into)
{
    struct vm *vm = into;

    vm->hide_count = read_choices(config, value, cpu_features, &vm->hide);
}

static void vm_cpu(struct config *config, struct node *value, void *into)
{
    static const struct field fields[] = {{"hide", cpu_hide, false}, {0}};

    read_map(config, value, fields, into);
}

static void read_vm(struct config *config, struct node *node, struct vm *vm)
{
    // clang-format off
    static const struct field fields[] = {
        {"kernel", vm_kernel, false},
        {"kernel-kind", vm_kernel_kind, false},
        {"firmware", vm_firmware, false},
        {"modules", vm_modules, false},
        {"initrd", vm_initrd, false},
        {"cmdline", vm_cmdline, false},
        {"memory", vm_memory, true},
        {"cpus", vm_cpus, false},
        {"host-cpu", vm_host_cpu, false},
        {"priority", vm_priority, false},
        {"weight", vm_weight, false},
        {"budget", vm_budget, false},
        {"period", vm_period, false},
        {"on-crash", vm_on_crash, false},
        {"autostart", vm_autostart, false},
        {"clock", vm_clock, false},
        {"apic", vm_apic, false},
        {"cpu", vm_cpu, false},
        {"console", vm_console, false},
        {"pool", vm_pool, false},
        {"devices", vm_devices, false},
        {0},
    };
    // clang-format on

    *vm = (struct vm){
        .name = node->key,
        .node = node,
        .cmdline = "",
        .cpus = 1,
        .priority = PRIORITY_VM_DEFAULT,
        .period = VM_PERIOD_DEFAULT,
        .autostart = true,
    };
    read_map(config, node, fields, vm);
    check_time(config, vm);
    check_boot(config, vm);
    // Kernel objects and the vmm's own tables; then, per GiB of guest memory, a page of table
    // entries for 2 MiB pages, once for the guest and once for its vmm. files.c adds what its files
    // take.
    if (!vm->pool)
        vm->pool = 256 * KIB + 2 * 4 * KIB * ((vm->memory + GIB - 1) / GIB);
}

static void system_vms(struct config *config, struct node *value, void *into)
{
    static const char *const reserved[] = {"console", "root", "kernel", "system", "vmm", NULL};
    struct system *system = into;

    if (!value_is(config, value, NODE_MAP))
        return;
    if (!value->first)
        report_key(config, value, "holds no VM; describe at least one");
    for (struct node *child = value->first; child; child = child->next) {
        // A name is checked like a value, at the place of the key.
        struct node name = {.kind = NODE_SCALAR,
                            .mark = child->key_mark,
                            .key = child->key,
                            .text = child->key,
                            .parent = value};
        const char *result;

        if (value_name(config, &name, &result))
            for (unsigned i = 0; reserved[i]; i++)
                if (!strcmp(reserved[i], child->key))
                    report_key(config, child,
                               "the name '%s' is taken by the system; choose another", child->key);
        if (system->vm_count == MAX_VMS) {
            report_key(config, child, "is one VM too many; at most %d are possible", MAX_VMS);
            return;
        }
        read_vm(config, child, &system->vms[system->vm_count++]);
    }
}

static void system_name(struct config *config, struct node *value, void *into)
{
    value_name(config, value, &((struct system *)into)->name);
}

static void machine_memory(struct config *config, struct node *value, void *into)
{
    struct system *system = into;

    system->memory_node = value;
    value_size(config, value, 64 * MIB, 64 * GIB, MIB, &system->memory);
}

static void machine_cpus(struct config *config, struct node *value, void *into)
{
    value_int(config, value, 1, MAX_MACHINE_CPUS, NULL, &((struct system *)into)->cpus);
}

static void machine_accept(struct config *config, struct node *value, void *into)
{
    static const char *const known[] = {"meltdown", NULL};
    struct system *system = into;

    system->accept_count = read_choices(config, value, known, &system->accept);
}

static void system_machine(struct config *config, struct node *value, void *into)
{
    static const struct field fields[] = {{"memory", machine_memory, false},
                                          {"cpus", machine_cpus, false},
                                          {"accept", machine_accept, false},
                                          {0}};

    read_map(config, value, fields, into);
}

// "open -> secure"
static void read_deny(struct config *config, struct node *node, struct deny *deny)
{
    const char *text, *arrow;

    if (!value_text(config, node, 200, &text))
        return;
    arrow = strstr(text, "->");
    if (!arrow) {
        report(config, node, "%s is not a rule; write for example \"open -> secure\"",
               quoted(config, text));
        return;
    }
    size_t from = (size_t)(arrow - text);
    while (from && text[from - 1] == ' ')
        from--;
    arrow += 2;
    while (*arrow == ' ')
        arrow++;
    *deny = (struct deny){node, config_strdup(config, text, from), arrow};
}

static void system_deny(struct config *config, struct node *value, void *into)
{
    struct system *system = into;

    if (!value_is(config, value, NODE_LIST))
        return;
    system->deny_count = value->last ? value->last->index + 1 : 0;
    system->deny = config_alloc(config, sizeof(*system->deny) * (system->deny_count + 1));
    for (struct node *item = value->first; item; item = item->next)
        read_deny(config, item, &system->deny[item->index]);
}

void schema_read(struct config *config)
{
    static const struct field fields[] = {
        {"system", system_name, true},
        {"machine", system_machine, false},
        {"vms", system_vms, true},
        {"deny", system_deny, false},
        {0},
    };

    config->system.memory = GIB;
    config->system.cpus = 1;
    read_map(config, config->root, fields, &config->system);
    devices_check(config);
}
