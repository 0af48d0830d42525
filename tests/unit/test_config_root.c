// SPDX-License-Identifier: BSD-2-Clause
// The two ends of the device tree: what bulkhead-config writes, root reads, and nothing is lost.
// links: tools/config/arena.c tools/config/diagnostic.c tools/config/tree.c tools/config/value.c
// links: tools/config/schema.c tools/config/graph.c tools/config/dtb.c tools/config/config.c
// links: tools/config/files.c tools/config/kernel_kind.c tools/config/devices.c tools/config/folder.c root/system.c root/system_devices.c root/reader.c
// libs: -lyaml -lfdt
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "root/system.h"
// Both define these, with the same meaning.
#undef KIB
#undef MIB
#undef GIB
#include "tools/config/config.h"

static const char yaml[] =
    "system: demo\n"
    "vms:\n"
    "  open: {kernel: k, initrd: i, memory: 256M, priority: 7, pool: 1M,\n"
    "         cmdline: \"console=ttyS0 quiet\", on-crash: restart,\n"
    "         clock: 8254, apic: software, cpu: {hide: [cx16]}, host-cpu: 3, budget: 30%}\n"
    "  band: {kernel: k, memory: 2M, weight: 128, budget: 3 ms, period: 1 s}\n"
    "  secure: {kernel: k, memory: 32G, autostart: false}\n";

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct config config = {.file = "t.yaml", .build = "build"};
    struct image kernel = {.name = "open/kernel"};
    struct image initrd = {.name = "open/initrd"};
    static struct system_config read;
    char error[SYSTEM_ERROR] = "";
    size_t size;

    config_read(&config, yaml, strlen(yaml), false);
    assert_int_equal(config.error_count, 0);
    for (unsigned i = 0; i < 3; i++) {
        config.system.vms[i].kernel_image = &kernel;
        config.system.vms[i].kernel_kind = "multiboot";
    }
    config.system.vms[0].initrd_image = &initrd;
    const void *dtb = dtb_write(&config, &size);
    assert_non_null(dtb);
    if (!system_read(dtb, size, &read, error))
        fail_msg("root refuses it: %s", error);

    assert_string_equal(read.name, "demo");
    assert_int_equal(read.count, 4);
    assert_int_equal(read.manager, 0);
    const struct task_config *console = &read.tasks[0], *open = &read.tasks[1],
                             *band = &read.tasks[2], *secure = &read.tasks[3];
    assert_string_equal(console->image, "console");
    assert_int_equal(console->priority, PRIORITY_CONSOLE);
    assert_int_equal(console->ports[0].base, 0x3F8);
    assert_int_equal(console->ports[0].count, 8);
    assert_int_equal(console->irqs[0], 4);
    assert_true(console->manager);

    assert_string_equal(open->name, "open");
    assert_string_equal(open->image, "vmm-multiboot+hpet");
    assert_int_equal(open->priority, 7);
    assert_int_equal(open->pool_size, MIB);
    assert_int_equal(open->memory, 256 * MIB);
    assert_int_equal(open->cpus, 1);
    assert_string_equal(open->kernel, "open/kernel");
    assert_string_equal(open->initrd, "open/initrd");
    assert_int_equal(open->kernel_kind, KERNEL_MULTIBOOT);
    assert_string_equal(open->cmdline, "console=ttyS0 quiet");
    assert_true(open->restart);
    assert_true(open->autostart);
    assert_int_equal(open->clock, GUEST_CLOCK_8254);
    assert_int_equal(open->apic, GUEST_APIC_SOFTWARE);
    assert_int_equal(open->hide, HIDE_CX16);
    assert_int_equal(open->console, 0);
    assert_int_equal(open->host_cpu[0], 3);
    assert_int_equal(open->budget_us, 3000);
    assert_int_equal(open->period_us, 10000);
    assert_int_equal(open->weight, 64);

    assert_int_equal(band->priority, 0);
    assert_int_equal(band->weight, 128);
    assert_int_equal(band->budget_us, 3000);
    assert_int_equal(band->period_us, 1000000);

    assert_string_equal(secure->name, "secure");
    assert_int_equal(secure->priority, PRIORITY_VM_DEFAULT);
    assert_int_equal(secure->host_cpu[0], 0);
    assert_int_equal(secure->budget_us, 0);
    assert_int_equal(secure->memory, 32 * GIB);
    assert_int_equal(secure->pool_size, 512 * KIB);
    assert_string_equal(secure->kernel, "open/kernel");
    assert_null(secure->initrd);
    assert_string_equal(secure->cmdline, "");
    assert_false(secure->restart);
    assert_false(secure->autostart);
    assert_int_equal(secure->clock, GUEST_CLOCK_PVCLOCK);
    assert_int_equal(secure->apic, GUEST_APIC_AUTO);
    assert_int_equal(secure->hide, 0);
    config_free(&config);
}

// Devices, modules and links, as root sees them.
static void test_devices(void **state)
{
    (void)state;
    static const char text[] =
        "system: demo\nmachine: {memory: 8G}\n"
        "vms:\n"
        "  a:\n    kernel: k\n    memory: 64M\n    cpus: 2\n    host-cpu: [3, 1]\n"
        "    modules: [x/first.bin one two]\n"
        "    devices:\n"
        "      - virtio-blk: {image: disk, readonly: true}\n"
        "      - virtio-blk: {size: 64M}\n"
        "      - virtio-net: {network: lan}\n"
        "      - vga\n"
        "  b:\n    firmware: seabios\n    memory: 64M\n    host-cpu: 2\n    cpus: 3\n"
        "    devices:\n"
        "      - e1000: {network: lan, mac: \"52:01:02:03:04:05\"}\n"
        "      - virtio-vsock: {cid: 7, link: alone}\n";
    struct config config = {.file = "t.yaml", .build = "build"};
    struct image file = {.name = "file", .size = 4096};
    static struct system_config read;
    char error[SYSTEM_ERROR] = "";
    size_t size;

    config_read(&config, text, strlen(text), false);
    assert_int_equal(config.error_count, 0);
    config.system.vms[0].kernel_image = config.system.vms[1].kernel_image = &file;
    config.system.vms[0].kernel_kind = "multiboot2";
    config.system.vms[1].kernel_kind = "firmware";
    config.system.vms[0].modules[0].image = config.system.vms[0].devices[0].file = &file;
    const void *dtb = dtb_write(&config, &size);
    assert_non_null(dtb);
    if (!system_read(dtb, size, &read, error))
        fail_msg("root refuses it: %s", error);
    const struct task_config *a = &read.tasks[1], *b = &read.tasks[2];
    assert_string_equal(a->image, "vmm-multiboot2+virtio-blk+virtio-net+vga");
    assert_int_equal(a->kernel_kind, KERNEL_MULTIBOOT2);
    assert_int_equal(b->kernel_kind, KERNEL_FIRMWARE);
    assert_int_equal(a->host_cpu[0], 3);
    assert_int_equal(a->host_cpu[1], 1);
    assert_int_equal(b->host_cpu[2], 2);
    assert_int_equal(a->module_count, 1);
    assert_string_equal(a->modules[0].file, "file");
    assert_string_equal(a->modules[0].name, "first.bin");
    assert_string_equal(a->modules[0].arguments, "one two");
    assert_int_equal(a->device_count, 4);
    assert_string_equal(a->devices[0].kind, "virtio-blk");
    assert_string_equal(a->devices[0].name, "virtio-blk0");
    assert_string_equal(a->devices[0].file, "file");
    assert_int_equal(a->devices[0].flags, DEVICE_READ_ONLY);
    assert_int_equal(a->devices[0].link, NO_LINK);
    assert_null(a->devices[1].file);
    assert_int_equal(a->devices[1].size, 64 * MIB);
    assert_false(a->devices[1].video);
    assert_string_equal(a->devices[2].tag, "lan");
    assert_true(a->devices[3].video);
    assert_int_equal(b->device_count, 2);
    assert_memory_equal(b->devices[0].mac, "\x52\1\2\3\4\5", 6);
    assert_int_equal(b->devices[1].number, 7);
    assert_int_equal(read.link_count, 2);
    assert_int_equal(a->devices[2].link, b->devices[0].link);
    const struct link_config *lan = &read.links[a->devices[2].link];
    assert_int_equal(lan->ends, 2);
    assert_int_equal(lan->end[0].task, 1);
    assert_int_equal(lan->end[0].device, 2);
    assert_int_equal(lan->end[1].task, 2);
    assert_int_equal(lan->end[1].device, 0);
    assert_int_equal(read.links[b->devices[1].link].ends, 1);
    config_free(&config);
}

// The most VMs that the file may describe are not more than root takes.
static void test_most_vms(void **state)
{
    (void)state;
    struct config config = {.file = "t.yaml", .build = "build"};
    static struct system_config read;
    char error[SYSTEM_ERROR] = "", text[4096];
    size_t size, at = (size_t)sprintf(text, "system: a-name-of-24-characters\nvms:\n");

    for (unsigned i = 0; i < MAX_VMS; i++)
        at +=
            (size_t)sprintf(text + at, "  a-name-of-24-letters-%02u: {kernel: k, memory: 2M}\n", i);
    config_read(&config, text, at, false);
    assert_int_equal(config.error_count, 0);
    struct image kernel = {.name = "k"};
    for (unsigned i = 0; i < MAX_VMS; i++) {
        config.system.vms[i].kernel_image = &kernel;
        config.system.vms[i].kernel_kind = "bzimage";
    }
    const void *dtb = dtb_write(&config, &size);
    assert_non_null(dtb);
    if (!system_read(dtb, size, &read, error))
        fail_msg("root refuses it: %s", error);
    assert_int_equal(read.count, MAX_VMS + 1);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_most_vms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
