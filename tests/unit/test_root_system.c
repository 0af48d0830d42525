// SPDX-License-Identifier: BSD-2-Clause
// The configuration reader: a good tree, and one fault at a time in it.

// links: root/system.c root/system_devices.c root/reader.c
// libs: -lfdt
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "root/system.h"

static struct system_config config;
static char error[SYSTEM_ERROR];
static _Alignas(8) char blob[8192];

// The tree that the compiler makes of a configuration with two VMs. VMs come first: root sorts
// servers to the front.
static void good_tree(void)
{
    static const char *const vms[] = {"open", "secure"};

    fdt_create(blob, sizeof(blob));
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_string(blob, "compatible", "bulkhead,system-1");
    fdt_property_string(blob, "system-name", "demo");
    fdt_begin_node(blob, "tasks");
    for (int i = 0; i < 2; i++) {
        fdt_begin_node(blob, vms[i]);
        fdt_property_string(blob, "kind", "vm");
        fdt_property_string(blob, "image", "vmm");
        fdt_property_u32(blob, "priority", 20);
        fdt_property_u64(blob, "pool-size", 2 * MIB);
        fdt_property_u64(blob, "memory", 256 * MIB);
        fdt_property_u32(blob, "cpus", 1);
        fdt_property_string(blob, "kernel", "open/kernel");
        fdt_property_string(blob, "kernel-kind", "bzimage");
        fdt_property_string(blob, "cmdline", "console=ttyS0 quiet");
        fdt_property_string(blob, "on-crash", i ? "stop" : "restart");
        if (i == 0)
            fdt_property(blob, "autostart", NULL, 0);
        fdt_property(blob, "cpu-hide", "cx16", 5);
        fdt_property_string(blob, "clock", i ? "8254" : "pvclock");
        if (i)
            fdt_property_string(blob, "apic", "software");
        fdt_property_string(blob, "console", "console");
        fdt_end_node(blob);
    }
    fdt_begin_node(blob, "console");
    fdt_property_string(blob, "kind", "console");
    fdt_property_string(blob, "image", "console");
    fdt_property_u32(blob, "priority", 50);
    fdt_property_u64(blob, "pool-size", MIB);
    fdt_property_u64(blob, "ports", 0x3f800000008);
    fdt_property_u32(blob, "interrupts", 4);
    fdt_property(blob, "manager", NULL, 0);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_finish(blob);
    fdt_open_into(blob, blob, sizeof(blob)); // room for changes
}

static int setup(void **state)
{
    (void)state;
    good_tree();
    return 0;
}

static void refused(const char *expected)
{
    assert_false(system_read(blob, sizeof(blob), &config, error));
    assert_string_equal(error, expected);
}

static int node(const char *name)
{
    return fdt_subnode_offset(blob, fdt_subnode_offset(blob, 0, "tasks"), name);
}

static void test_good(void **state)
{
    (void)state;
    if (!system_read(blob, sizeof(blob), &config, error))
        fail_msg("%s", error);
    assert_string_equal(config.name, "demo");
    assert_int_equal(config.count, 3);
    assert_int_equal(config.manager, 0);
    const struct task_config *console = &config.tasks[0], *open = &config.tasks[1],
                             *secure = &config.tasks[2];
    assert_string_equal(console->name, "console");
    assert_int_equal(console->kind, MANAGE_KIND_SERVER);
    assert_int_equal(console->priority, 50);
    assert_int_equal(console->port_count, 1);
    assert_int_equal(console->ports[0].base, 0x3f8);
    assert_int_equal(console->ports[0].count, 8);
    assert_int_equal(console->irq_count, 1);
    assert_int_equal(console->irqs[0], 4);
    assert_true(console->manager && console->autostart && console->restart);
    assert_string_equal(open->name, "open");
    assert_int_equal(open->kind, MANAGE_KIND_VM);
    assert_int_equal(open->memory, 256 * MIB);
    assert_int_equal(open->kernel_kind, KERNEL_BZIMAGE);
    assert_null(open->initrd);
    assert_true(open->restart && open->autostart && !open->manager);
    assert_int_equal(open->hide, HIDE_CX16);
    assert_int_equal(open->clock, GUEST_CLOCK_PVCLOCK);
    assert_int_equal(open->apic, GUEST_APIC_AUTO);
    assert_int_equal(open->console, 0);
    assert_false(secure->restart || secure->autostart);
    assert_int_equal(secure->clock, GUEST_CLOCK_8254);
    assert_int_equal(secure->apic, GUEST_APIC_SOFTWARE);
}

static void test_damaged(void **state)
{
    (void)state;
    blob[0] ^= 1;
    refused("system.dtb: /: the tree is damaged");
    assert_false(system_read(blob, 3, &config, error));
}

static void test_root_node(void **state)
{
    (void)state;
    fdt_setprop_string(blob, 0, "compatible", "bulkhead,system-2");
    refused("system.dtb: /: compatible is not bulkhead,system-1");
    good_tree();
    fdt_delprop(blob, 0, "system-name");
    refused("system.dtb: /: system-name is missing");
    good_tree();
    fdt_del_node(blob, fdt_subnode_offset(blob, 0, "tasks"));
    refused("system.dtb: /: tasks is missing");
}

static void test_numbers(void **state)
{
    (void)state;
    fdt_setprop_u32(blob, node("open"), "priority", 64);
    refused("system.dtb: open: priority is out of range");
    good_tree();
    fdt_delprop(blob, node("open"), "priority");
    refused("system.dtb: open: priority is missing");
    good_tree();
    fdt_setprop_u32(blob, node("open"), "memory", 1);
    refused("system.dtb: open: memory has a wrong length");
    good_tree();
    fdt_setprop_u64(blob, node("open"), "memory", 3 * MIB);
    refused("system.dtb: open: memory is not a multiple of 2 MiB");
    good_tree();
    fdt_setprop_u64(blob, node("secure"), "pool-size", 100001);
    refused("system.dtb: secure: pool-size is not a multiple of 4096");
    good_tree();
    fdt_setprop_u32(blob, node("secure"), "cpus", 9);
    refused("system.dtb: secure: cpus is out of range");
    good_tree();
    fdt_setprop_u32(blob, node("secure"), "host-cpu", 64);
    refused("system.dtb: secure: host-cpu is out of range");
    good_tree();
    fdt_setprop_u32(blob, node("secure"), "weight", 0);
    refused("system.dtb: secure: weight is out of range");
    good_tree();
    fdt_setprop_u32(blob, node("secure"), "budget-us", 3000);
    refused("system.dtb: secure: period-us is missing");
    fdt_setprop_u32(blob, node("secure"), "period-us", 99);
    refused("system.dtb: secure: period-us is out of range");
    fdt_setprop_u32(blob, node("secure"), "period-us", 2999);
    refused("system.dtb: secure: budget-us is out of range");
}

static void test_texts(void **state)
{
    (void)state;
    fdt_setprop_string(blob, node("open"), "kind", "robot");
    refused("system.dtb: open: kind has an unknown value");
    good_tree();
    fdt_setprop_string(blob, node("open"), "on-crash", "dance");
    refused("system.dtb: open: on-crash has an unknown value");
    good_tree();
    fdt_setprop(blob, node("open"), "kernel", "abc", 3); // no NUL
    refused("system.dtb: open: kernel is not a text, or too long");
    good_tree();
    fdt_setprop(blob, node("open"), "kernel", "a\0b", 4);
    refused("system.dtb: open: kernel is not a text, or too long");
    good_tree();
    fdt_setprop(blob, node("open"), "cpu-hide", "cx16\0sse9", 10);
    refused("system.dtb: open: cpu-hide names an unknown feature");
    good_tree();
    fdt_setprop_string(blob, node("open"), "console", "secure");
    refused("system.dtb: open: console names no server");
    good_tree();
    fdt_set_name(blob, node("open"), "a-name-that-is-longer-than-thirty-one-bytes");
    assert_false(system_read(blob, sizeof(blob), &config, error));
}

static int device(const char *name)
{
    int devices = fdt_subnode_offset(blob, node("open"), "devices");

    if (devices < 0)
        devices = fdt_add_subnode(blob, node("open"), "devices");
    int fresh = fdt_subnode_offset(blob, devices, name);
    if (fresh >= 0)
        return fresh;
    fresh = fdt_add_subnode(blob, devices, name);
    fdt_setprop_string(blob, fresh, "kind", "k");
    fdt_setprop_string(blob, fdt_subnode_offset(blob, devices, name), "name", name);
    return fdt_subnode_offset(blob, devices, name);
}

static void test_devices(void **state)
{
    (void)state;
    fdt_setprop_u64(blob, device("a"), "size", 4097);
    refused("system.dtb: open: size is not a multiple of 4096");
    fdt_setprop_u64(blob, device("a"), "size", 65 * GIB);
    refused("system.dtb: open: size is out of range");
    good_tree();
    fdt_setprop(blob, device("a"), "mac", "abc", 3);
    refused("system.dtb: open: mac has a wrong length");
    good_tree();
    fdt_setprop_string(blob, device("a"), "name", "a-name-of-24-characters-");
    refused("system.dtb: open: name is not a text, or too long");
    good_tree();
    fdt_delprop(blob, device("a"), "kind");
    refused("system.dtb: open: kind is missing");
    good_tree();
    fdt_setprop_string(blob, device("b"), "name", "c");
    device("c");
    refused("system.dtb: open: a device's name is not unique");
    good_tree();
    for (char name[] = "a"; *name < 'd'; ++*name)
        fdt_setprop_string(blob, device(name), "link", "lan");
    refused("system.dtb: open: link has more than two ends");
    good_tree();
    for (char name[] = "a"; *name < 'a' + TASK_LINK_MAX + 1; ++*name)
        fdt_setprop_string(blob, device(name), "link", name);
    refused("system.dtb: open: there are too many links");
    good_tree();
    for (char name[] = "A"; *name < 'A' + TASK_DEVICE_MAX + 1; ++*name)
        device(name);
    refused("system.dtb: open: there are too many devices");
    good_tree();
    const uint32_t cpus[] = {0, 0};
    fdt_setprop(blob, node("open"), "host-cpu", cpus, sizeof(cpus));
    refused("system.dtb: open: host-cpu has a wrong length");
}

static void test_ports(void **state)
{
    (void)state;
    fdt_setprop_u64(blob, node("console"), "ports", 0xfff800000009);
    refused("system.dtb: console: ports is out of range");
    good_tree();
    fdt_setprop_u64(blob, node("console"), "ports", 0x3f800000000);
    refused("system.dtb: console: ports is out of range");
    good_tree();
    fdt_setprop_u32(blob, node("console"), "ports", 0x3f8);
    refused("system.dtb: console: ports has a wrong length");
    good_tree();
    char many[4 * (TASK_IRQ_MAX + 1)] = {0};
    fdt_setprop(blob, node("console"), "interrupts", many, sizeof(many));
    refused("system.dtb: console: interrupts has a wrong length");
}

static void test_too_many(void **state)
{
    (void)state;
    fdt_set_name(blob, node("secure"), "console");
    assert_false(system_read(blob, sizeof(blob), &config, error));
    good_tree();
    int tasks = fdt_subnode_offset(blob, 0, "tasks");
    for (int i = 0; i < TASK_MAX; i++) {
        char name[] = {'s', (char)('a' + i), 0};
        int fresh = fdt_add_subnode(blob, tasks, name);

        fdt_setprop_string(blob, fresh, "kind", "console");
        fdt_setprop_string(blob, fresh, "image", "console");
        fdt_setprop_u32(blob, fresh, "priority", 1);
        fdt_setprop_u64(blob, fresh, "pool-size", MIB);
    }
    assert_false(system_read(blob, sizeof(blob), &config, error));
    assert_non_null(strstr(error, "there are too many tasks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, setup),      cmocka_unit_test_setup(test_damaged, setup),
        cmocka_unit_test_setup(test_root_node, setup), cmocka_unit_test_setup(test_numbers, setup),
        cmocka_unit_test_setup(test_texts, setup),     cmocka_unit_test_setup(test_ports, setup),
        cmocka_unit_test_setup(test_devices, setup),   cmocka_unit_test_setup(test_too_many, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
