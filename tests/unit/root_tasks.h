// SPDX-License-Identifier: BSD-2-Clause
// What the tests of root's tasks share: a system of a console and two VMs on the fake kernel, and
// the console's ends of its management channel.
#pragma once

#include "root_fake.h"

#include "bulkhead/manage.h"
#include "bulkhead/ring.h"
#include "root/caps.h"
#include "root/image.h"
#include "root/task.h"

#define CONSOLE (&tasks[0])
#define OPEN    (&tasks[1])
#define SECURE  (&tasks[2])

static inline uint8_t *archive_bytes(void)
{
    return fake_memory() + FAKE_SIZE;
}

// An ELF file of text and data: 4096 bytes of header, 100 of text, 5000 of data with 2 pages in
// memory.
static inline void write_program(uint8_t *to)
{
    uint64_t entry = 0x400010, phoff = 64;
    uint16_t ends[] = {56, 2}; // size and count of program headers
    uint64_t segments[2][7] = {{1 | 5ull << 32, 4096, 0x400000, 0, 100, 100, 4096},
                               {1 | 6ull << 32, 8192, 0x402000, 0, 5000, 8192, 4096}};

    memcpy(to, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\76\0\1\0\0\0", 24);
    memcpy(to + 24, &entry, 8);
    memcpy(to + 32, &phoff, 8);
    memcpy(to + 54, ends, 4);
    memcpy(to + 64, segments, sizeof(segments));
    memset(to + 4096, 0x90, 100);
    memset(to + 8192, 0xdd, 5000);
}

bool archive_find(const char *name, const void **data, uint64_t *size, uint64_t *mem_offset)
{
    bool kernel = strcmp(name, "kernel") == 0;

    if (!kernel && strcmp(name, "program") != 0)
        return false;
    uint64_t offset = kernel ? MIB : 0;
    if (data)
        *data = archive_bytes() + offset;
    *size = kernel ? 300000 : 16384;
    if (mem_offset)
        *mem_offset = offset;
    return true;
}

static void (*configure)(void); // what a test adds before the tasks are prepared

static inline int setup(void **state)
{
    (void)state;
    fake_init();
    caps_init(SLOT_BOOT_MEM + 8);
    ram_init();
    root_signal = cap_alloc();
    assert_int_equal(sys_create_signal(SLOT_POOL, root_signal), OK);
    write_program(archive_bytes());
    memset(&config, 0, sizeof(config));
    memset(tasks, 0, sizeof(tasks));
    config.name = "test";
    config.count = 3;
    config.manager = 0;
    config.tasks[0] = (struct task_config){.name = "console",
                                           .image = "program",
                                           .kind = MANAGE_KIND_SERVER,
                                           .priority = 50,
                                           .pool_size = MIB,
                                           .manager = true,
                                           .restart = true,
                                           .autostart = true,
                                           .port_count = 1,
                                           .ports = {{0x3f8, 8}},
                                           .irq_count = 1,
                                           .irqs = {4},
                                           .console = TASK_MAX};
    for (int i = 1; i < 3; i++)
        config.tasks[i] = (struct task_config){.name = i == 1 ? "open" : "secure",
                                               .image = "program",
                                               .kind = MANAGE_KIND_VM,
                                               .priority = 20,
                                               .pool_size = MIB,
                                               .memory = 16 * MIB,
                                               .cpus = 1,
                                               .restart = i == 1,
                                               .kernel = "kernel",
                                               .cmdline = "quiet",
                                               .console = 0};
    if (configure)
        configure();
    configure = NULL;
    for (unsigned i = 0; i < config.count; i++) {
        tasks[i].config = &config.tasks[i];
        tasks[i].index = i;
        assert_true(task_prepare(&tasks[i]));
    }
    assert_true(manage_prepare());
    return 0;
}

static inline void start(struct task *task)
{
    if (!task_start(task))
        fail_msg("%s: %s", task->config->name, task->message);
}

static inline struct fake_object *object(unsigned slot)
{
    return &fake_objects[fake_caps[slot]];
}

static inline bool has_map(unsigned space, uint64_t address)
{
    const struct fake_object *o = object(space);

    for (unsigned i = 0; i < o->map_count; i++)
        if (o->maps[i].address == address)
            return true;
    return false;
}

static inline const struct fake_map *map_at(unsigned space, uint64_t address)
{
    struct fake_object *o = object(space);

    for (unsigned i = 0; i < o->map_count; i++)
        if (o->maps[i].address == address)
            return &o->maps[i];
    fail_msg("nothing mapped at %llx", (unsigned long long)address);
    return NULL;
}

static inline void *content(const struct fake_map *map)
{
    return fake_memory() + (map->physical - FAKE_RAM);
}

// The console's ends of the management rings.
static struct ring_end to_root, from_root;

static inline void ask_step(uint32_t op, const char *name, uint64_t cursor)
{
    struct manage_request request = {.op = op, .tag = 7, .cursor = cursor};

    strncpy(request.name, name, sizeof(request.name));
    assert_int_equal(ring_write(&to_root, &request, sizeof(request)), sizeof(request));
    supervise(1ull << BIT_REPORT(0));
}

static inline void ask(uint32_t op, const char *name)
{
    ask_step(op, name, 0);
}

static inline bool answer(struct manage_reply *reply)
{
    return ring_read(&from_root, reply, sizeof(*reply)) == sizeof(*reply);
}

static inline void open_manager(void)
{
    uint8_t *rings = fake_memory() + (CONSOLE->rings.base - FAKE_RAM);
    uint32_t capacity = ring_capacity(CONSOLE->rings.size / 2);

    assert_true(ring_open(&from_root, (struct ring *)rings, capacity, RING_CONSUMER));
    assert_true(ring_open(&to_root, (struct ring *)(rings + CONSOLE->rings.size / 2), capacity,
                          RING_PRODUCER));
}
