// SPDX-License-Identifier: BSD-2-Clause
// The configuration compiler's parts: the YAML tree, the schema's defaults, the device tree, the
// graph and the detection of kernels. The exact messages are in tests/config.
// links: tools/config/arena.c tools/config/diagnostic.c tools/config/tree.c tools/config/value.c
// links: tools/config/schema.c tools/config/graph.c tools/config/dtb.c tools/config/config.c
// links: tools/config/files.c tools/config/kernel_kind.c tools/config/devices.c tools/config/folder.c
// libs: -lyaml -lfdt
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <libfdt.h>

#include "tools/config/config.h"

static struct config config;

static int setup(void **state)
{
    (void)state;
    config = (struct config){.file = "t.yaml", .build = "build"};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

static void read_text(const char *text)
{
    config_read(&config, text, strlen(text), false);
}

static void test_defaults(void **state)
{
    (void)state;
    read_text("system: x\nvms: {a: {kernel: k, memory: 64M}}\n");
    assert_int_equal(config.error_count, 0);
    const struct vm *vm = &config.system.vms[0];
    assert_int_equal(config.system.vm_count, 1);
    assert_int_equal(config.system.memory, GIB);
    assert_int_equal(vm->memory, 64 * MIB);
    assert_int_equal(vm->cpus, 1);
    assert_int_equal(vm->priority, PRIORITY_VM_DEFAULT);
    assert_int_equal(vm->pool, 264 * KIB);
    assert_true(vm->autostart);
    assert_false(vm->restart);
    assert_int_equal(vm->clock, CLOCK_PVCLOCK);
    assert_int_equal(vm->apic, APIC_AUTO);
    assert_string_equal(vm->cmdline, "");
    assert_null(vm->initrd);
}

static void test_every_key(void **state)
{
    (void)state;
    read_text("{\"system\": \"x\", \"machine\": {\"memory\": \"2G\", \"cpus\": 2, \"accept\": "
              "[\"meltdown\"]},"
              "\"vms\": {\"a\": {\"kernel\": \"k\", \"initrd\": \"i\", \"cmdline\": \"quiet\","
              "\"memory\": \"1G\", \"cpus\": 1, \"priority\": 49, \"on-crash\": \"restart\","
              "\"autostart\": false, \"clock\": \"8254\", \"apic\": \"software\", \"cpu\": "
              "{\"hide\": [\"cx16\"]},"
              "\"console\": \"console\", \"pool\": \"1M\"}}}");
    assert_int_equal(config.error_count, 0);
    const struct vm *vm = &config.system.vms[0];
    assert_int_equal(config.system.cpus, 2);
    assert_int_equal(config.system.accept_count, 1);
    assert_string_equal(config.system.accept[0], "meltdown");
    assert_string_equal(vm->initrd, "i");
    assert_string_equal(vm->cmdline, "quiet");
    assert_int_equal(vm->priority, 49);
    assert_int_equal(vm->pool, MIB);
    assert_true(vm->restart);
    assert_false(vm->autostart);
    assert_int_equal(vm->clock, CLOCK_8254);
    assert_int_equal(vm->apic, APIC_SOFTWARE);
    assert_int_equal(vm->hide_count, 1);
    assert_string_equal(vm->hide[0], "cx16");
}

static void test_errors_in_order_of_the_file(void **state)
{
    (void)state;
    // The missing key is found last, and belongs first.
    read_text("vms:\n  a: {memory: 1, kernel: k}\n  b: {memory: x}\n");
    unsigned line = 0;
    for (const struct diagnostic *e = config.errors; e; e = e->next) {
        assert_true(e->mark.line >= line);
        line = e->mark.line;
    }
    assert_int_equal(config.error_count, 4);
}

static void test_limits(void **state)
{
    (void)state;
    static char large[CONFIG_MAX_BYTES + 1];
    memset(large, ' ', sizeof(large));
    config_read(&config, large, sizeof(large), false);
    assert_int_equal(config.error_count, 1);

    teardown(NULL);
    setup(NULL);
    // More values than possible, and more errors than are kept.
    for (size_t i = 0; i + 1 < sizeof(large); i += 2)
        memcpy(large + i, "- ", 2);
    memcpy(large, "a: ", 3);
    large[3] = '[';
    for (size_t i = 4; i + 1 < sizeof(large); i += 2)
        memcpy(large + i, "1,", 2);
    config_read(&config, large, CONFIG_MAX_BYTES, false);
    assert_string_equal(config.errors->message, "the file holds too many values");

    teardown(NULL);
    setup(NULL);
    size_t at = 0;
    for (unsigned i = 0; i < 2 * CONFIG_MAX_ERRORS; i++)
        at += (size_t)sprintf(large + at, "k%u: 1\n", i);
    config_read(&config, large, at, false);
    assert_int_equal(config.error_count, CONFIG_MAX_ERRORS);
}

static void test_messages_hold_no_control_characters(void **state)
{
    (void)state;
    read_text("\"\\e[31m\\x9b\": 1\nsystem: \"\\e]0;x\\a\"\nvms: {\"\\r\": {}}\n");
    assert_true(config.error_count >= 3);
    for (const struct diagnostic *e = config.errors; e; e = e->next)
        for (const char *text = e->path ? e->path : ""; text;
             text = text == e->message ? NULL : e->message)
            for (size_t i = 0; text[i]; i++) {
                assert_true((unsigned char)text[i] >= 0x20);
                assert_false((unsigned char)text[i] == 0xC2 && (unsigned char)text[i + 1] < 0xA0);
            }
}

static void test_quoted_shortens_whole_characters(void **state)
{
    (void)state;
    char text[300];
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 2); // U+00E9
    text[298] = '\0';
    const char *shown = quoted(&config, text);
    assert_true(strlen(shown) < 110);
    assert_string_equal(shown + strlen(shown) - 4, "...'");
    assert_int_equal((strlen(shown) - 5) % 2, 0);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const words[] = {"memory", "kernel", "cmdline", "cpus", NULL};
    assert_string_equal(nearest("memroy", words), "memory");
    assert_string_equal(nearest("cpu", words), "cpus");
    assert_string_equal(nearest("comdline", words), "cmdline");
    assert_null(nearest("priority", words));
    assert_null(nearest("", words));
}

static const void *property(const void *dtb, const char *path, const char *name, int *length)
{
    int node = fdt_path_offset(dtb, path);

    assert_true(node >= 0);
    return fdt_getprop(dtb, node, name, length);
}

static void test_device_tree(void **state)
{
    (void)state;
    struct image kernel = {.name = "a/kernel"};
    size_t size;
    int length;

    read_text(
        "system: x\nvms: {a: {kernel: k, memory: 64M, cpu: {hide: [cx16]}, autostart: false}}\n");
    config.system.vms[0].kernel_image = &kernel;
    config.system.vms[0].kernel_kind = "bzimage";
    const void *dtb = dtb_write(&config, &size);
    assert_non_null(dtb);
    assert_int_equal(fdt_check_full(dtb, size), 0);
    assert_string_equal(property(dtb, "/", "compatible", NULL), "bulkhead,system-1");
    assert_string_equal(property(dtb, "/", "system-name", NULL), "x");
    assert_string_equal(property(dtb, "/tasks/a", "kind", NULL), "vm");
    assert_string_equal(property(dtb, "/tasks/a", "kernel", NULL), "a/kernel");
    assert_string_equal(property(dtb, "/tasks/a", "cpu-hide", NULL), "cx16");
    assert_null(property(dtb, "/tasks/a", "autostart", NULL));
    assert_null(property(dtb, "/tasks/a", "initrd", NULL));
    const fdt64_t *memory = property(dtb, "/tasks/a", "memory", &length);
    assert_int_equal(length, 8);
    assert_int_equal(fdt64_to_cpu(*memory), 64 * MIB);
    const fdt32_t *ports = property(dtb, "/tasks/console", "ports", &length);
    assert_int_equal(length, 8);
    assert_int_equal(fdt32_to_cpu(ports[0]), 0x3F8);
    assert_int_equal(fdt32_to_cpu(ports[1]), 8);
    assert_non_null(property(dtb, "/tasks/console", "manager", &length));
}

static void test_largest_device_tree(void **state)
{
    (void)state;
    static char text[64 * 1024];
    size_t size, at = (size_t)sprintf(text, "system: a-name-of-24-characters\nvms:\n");

    for (unsigned i = 0; i < MAX_VMS; i++)
        at += (size_t)sprintf(text + at,
                              "  a-name-of-24-letters-%02u: {kernel: k, memory: 64M, cmdline: "
                              "\"%02047u\", cpu: {hide: [cx16]}}\n",
                              i, 0);
    config_read(&config, text, at, false);
    assert_int_equal(config.error_count, 0);
    assert_int_equal(config.system.vm_count, MAX_VMS);
    assert_non_null(dtb_write(&config, &size));
}

static void test_graph(void **state)
{
    (void)state;
    struct graph graph;
    unsigned path[GRAPH_MAX_NODES];

    read_text("system: x\nvms:\n  a: {kernel: k, memory: 64M}\n  b: {kernel: k, memory: 64M}\n"
              "  c: {kernel: k, memory: 64M}\n");
    graph_build(&config.system, &graph);
    // 0 is the console: it is reached, but keeps its clients apart.
    assert_int_equal(graph_path(&graph, 1, 0, path), 2);
    assert_int_equal(graph_path(&graph, 1, 2, path), 0);
    // With a channel a - b and b - c, a reaches c through b and not back.
    graph.edge[1][2] = "shared memory";
    graph.edge[2][3] = "shared memory";
    assert_int_equal(graph_path(&graph, 1, 3, path), 3);
    assert_int_equal(path[0], 1);
    assert_int_equal(path[1], 2);
    assert_int_equal(path[2], 3);
    assert_int_equal(graph_path(&graph, 3, 1, path), 0);
    assert_int_equal(graph_path(&graph, 2, 2, path), 0);
}

static void test_kernel_kinds(void **state)
{
    (void)state;
    static uint8_t head[8192];

    assert_non_null(kernel_identify(head, 0, NULL).error);
    assert_non_null(kernel_identify(head, sizeof(head), NULL).error);
    memcpy(head + 0x1FE, "\x55\xAA\0\0HdrS\x0F\x02", 10);
    assert_non_null(kernel_identify(head, sizeof(head), NULL).error); // 32-bit
    head[0x211] = 1;
    head[0x236] = 1;
    head[0x25B] = 1; // prefers 16 MiB
    head[0x262] = 2; // needs 128 KiB there
    struct kernel_info info = kernel_identify(head, sizeof(head), NULL);
    assert_null(info.error);
    assert_string_equal(info.kind, "bzimage");
    assert_int_equal(info.needs, 0x1000000 + 0x20000);
    assert_int_equal(info.file_size, 5 * 512); // 0 stands for 4 sectors
    head[0x1F1] = 7;
    memset(head + 0x1F4, 0xFF, 4);
    info = kernel_identify(head, sizeof(head), NULL);
    assert_int_equal(info.file_size, 8 * 512 + 0xFFFFFFFFull * 16);
    assert_non_null(kernel_identify(head, 0x263, NULL).error); // the header is cut off
    memset(head + 0x258, 0xFF, 8);
    assert_non_null(kernel_identify(head, sizeof(head), NULL).error); // the sum overflows

    memset(head, 0, sizeof(head));
    memcpy(head + 8192 - 12, "\x02\xB0\xAD\x1B\0\0\0\0\xFE\x4F\x52\xE4", 12);
    assert_non_null(kernel_identify(head, sizeof(head), NULL).error); // no ELF
    memcpy(head, "\177ELF", 4);
    assert_string_equal(kernel_identify(head, sizeof(head), NULL).kind, "multiboot");
    assert_non_null(kernel_identify(head, sizeof(head) - 1, NULL).error); // the header is cut off
    head[8192 - 1] ^= 1;
    assert_non_null(kernel_identify(head, sizeof(head), NULL).error); // wrong checksum
}

static void test_multiboot2_and_pvh(void **state)
{
    (void)state;
    static uint8_t file[65536];
    uint8_t *note = file + sizeof(file) - 24;
    const uint64_t segment[] = {4, sizeof(file) - 24, 0, 0, 24}; // PT_NOTE at the file's end

    memcpy(file, "\177ELF\2\1\1", 7);
    memcpy(file + 32768 - 16, "\xD6\x50\x52\xE8\0\0\0\0\x10\0\0\0\x1A\xAF\xAD\x17", 16);
    assert_string_equal(kernel_identify(file, sizeof(file), NULL).kind, "multiboot2");
    assert_string_equal(kernel_identify(file, sizeof(file), "pvh").error,
                        "has no ELF note with an entry point for PVH");
    file[33] = 1; // program headers at 256, one of them
    file[56] = 1;
    memcpy(file + 256, segment, sizeof(segment));
    memcpy(note, "\4\0\0\0\4\0\0\0\x12\0\0\0Xen\0\0\0\x10\0", 20);
    assert_string_equal(kernel_identify(file, sizeof(file), "pvh").kind, "pvh");
    assert_string_equal(kernel_identify(file, sizeof(file), NULL).kind, "multiboot2");
    file[32768 - 16] = 0;
    assert_string_equal(kernel_identify(file, sizeof(file), NULL).kind, "pvh");
    assert_non_null(kernel_identify(file, sizeof(file), "bzimage").error);
    assert_non_null(kernel_identify(file, sizeof(file) - 1, NULL).error); // the segment is cut off
    note[8] = 17;
    assert_non_null(kernel_identify(file, sizeof(file), NULL).error);
    memset(note, 0xFF, 8); // sizes that overflow
    assert_non_null(kernel_identify(file, sizeof(file), NULL).error);
    file[39] = 0xFF;
    assert_non_null(kernel_identify(file, sizeof(file), NULL).error);
}

// Devices: defaults, names, the vmm that they need, and who is joined to whom.
static void test_devices(void **state)
{
    (void)state;
    read_text("system: x\nvms:\n"
              "  a:\n    kernel: k\n    memory: 64M\n    devices:\n"
              "      - watchdog\n"
              "      - virtio-blk: {image: disk, readonly: true}\n"
              "      - virtio-blk: {size: 64M, name: spare}\n"
              "      - virtio-net: {network: lan}\n"
              "      - virtio-console\n"
              "      - vga\n"
              "  b:\n    kernel: k\n    memory: 64M\n    devices:\n"
              "      - e1000: {network: lan, mac: \"52:00:0a:0B:00:ff\"}\n"
              "      - virtio-net: {network: alone}\n"
              "deny: []\n");
    assert_int_equal(config.error_count, 0);
    const struct vm *a = &config.system.vms[0], *b = &config.system.vms[1];
    assert_string_equal(vmm_name(&config, a),
                        "vmm-virtio-blk+virtio-net+virtio-console+vga+watchdog");
    assert_string_equal(vmm_name(&config, b), "vmm-virtio-net+e1000");
    config.system.vms[0].kernel_kind = "bzimage";
    config.system.vms[1].kernel_kind = "pvh";
    assert_string_equal(vmm_name(&config, a),
                        "vmm-virtio-blk+virtio-net+virtio-console+vga+watchdog");
    assert_string_equal(vmm_name(&config, b), "vmm-pvh+virtio-net+e1000");
    assert_int_equal(a->device_count, 6);
    assert_string_equal(a->devices[0].name, "watchdog0");
    assert_string_equal(a->devices[1].name, "virtio-blk0");
    assert_true(a->devices[1].read_only);
    assert_string_equal(a->devices[2].name, "spare");
    assert_int_equal(a->devices[2].size, 64 * MIB);
    assert_memory_equal(a->devices[3].mac, "\x52\x42\x48\0\0\3", 6);
    assert_int_equal(a->devices[4].number, 1);
    assert_int_equal(a->devices[5].size, 4 * MIB);
    assert_memory_equal(b->devices[0].mac, "\x52\0\x0a\x0b\0\xff", 6);
    assert_int_equal(config.system.link_count, 2);
    assert_int_equal(config.system.links[0].ends, 2);
    assert_int_equal(config.system.links[1].ends, 1);

    struct graph graph;
    unsigned path[GRAPH_MAX_NODES];
    graph_build(&config.system, &graph);
    assert_int_equal(graph_path(&graph, 1, 2, path), 2);
    assert_string_equal(graph.edge[2][1], "network lan");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_every_key),
        TEST(test_errors_in_order_of_the_file),
        TEST(test_limits),
        TEST(test_messages_hold_no_control_characters),
        TEST(test_quoted_shortens_whole_characters),
        TEST(test_nearest),
        TEST(test_device_tree),
        TEST(test_largest_device_tree),
        TEST(test_graph),
        TEST(test_kernel_kinds),
        TEST(test_multiboot2_and_pvh),
        TEST(test_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
