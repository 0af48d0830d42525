// SPDX-License-Identifier: BSD-2-Clause
// What root gives to tasks, takes back, and does about faults and requests; on the fake kernel.
// The archive holds two small programs.

// links: root/task.c root/vm.c root/vm_devices.c root/channel.c root/manage.c root/monitor.c root/supervise.c root/quiet.c
// links: root/rtc.c root/ram.c root/caps.c root/image.c lib/status.c lib/ring.c
#include "root_tasks.h"

// Exactly what a server's entry names, counted.
static void test_server(void **state)
{
    (void)state;
    start(CONSOLE);
    struct fake_object *task = object(CONSOLE->task);
    const struct fake_map *text = map_at(CONSOLE->task, 0x400000),
                          *data = map_at(CONSOLE->task, 0x402000);
    const struct fake_map *info_page = map_at(CONSOLE->task, TASK_INFO_ADDRESS);
    const struct task_info *info = content(info_page);

    assert_int_equal(text->rights, MAP_READ | MAP_EXEC);
    assert_int_equal(((uint8_t *)content(text))[99], 0x90);
    assert_int_equal(((uint8_t *)content(text))[100], 0);
    assert_int_equal(data->rights, MAP_READ | MAP_WRITE);
    assert_int_equal(((uint8_t *)content(data))[4999], 0xdd);
    assert_int_equal(((uint8_t *)content(data))[5000], 0);
    assert_int_equal(data->size, 8192);
    assert_int_equal(info_page->rights, MAP_READ);
    assert_int_equal(map_at(CONSOLE->task, TASK_STACK_TOP - TASK_STACK_SIZE)->rights,
                     MAP_READ | MAP_WRITE);
    assert_int_equal(map_at(CONSOLE->task, TASK_STATUS_ADDRESS)->rights, MAP_READ | MAP_WRITE);
    assert_int_equal(map_at(CONSOLE->task, 0x3f8)->size, 8); // ports
    assert_string_equal(info->name, "console");
    assert_int_equal(info->magic, TASK_INFO_MAGIC);
    assert_int_equal(info->channel_count, 3);
    assert_string_equal(info->channels[1].peer, "secure");
    assert_string_equal(info->channels[2].peer, "root");
    assert_int_equal(info->channels[2].kind, CHANNEL_MANAGEMENT);
    assert_int_equal(map_at(CONSOLE->task, info->channels[0].status)->rights, MAP_READ);
    assert_int_equal(info->irq_count, 1);
    assert_int_equal(info->ram_size, 0);
    // text, data, stack, info, status, ports, 3 x 2 rings, 2 status pages; nothing else.
    assert_int_equal(task->map_count, 14);
    unsigned caps = 0;
    for (unsigned i = 0; i < CAP_SLOTS; i++)
        caps += task->caps[i] != 0;
    assert_int_equal(caps, 7); // signal, thread, supervisor, 3 peers, irq
    assert_int_equal(task->caps[TASK_SLOT_SUPERVISOR] >> 32, RIGHT_RAISE | RIGHT_BIT(32));
    assert_int_equal(task->caps[TASK_SLOT_PEER + 2], task->caps[TASK_SLOT_SUPERVISOR]);
    assert_int_equal(task->priority, 50);
    struct fake_object *thread = object(CONSOLE->thread);
    assert_int_equal(thread->kind, THREAD_ACTIVE);
    assert_int_equal(thread->start[0], 0x400010);
    assert_int_equal(thread->start[1], TASK_STACK_TOP);
    assert_int_equal(thread->start[2], TASK_INFO_ADDRESS);
}

// Its CPU and its time are what the entry says, and not the task's own to change.
static void test_time(void **state)
{
    (void)state;
    config.tasks[1].weight = 99;
    start(OPEN);
    assert_int_equal(object(OPEN->thread)->kind, THREAD_VCPU);
    assert_int_equal(object(OPEN->thread)->weight, 99);
    assert_int_equal(object(OPEN->thread)->budget, 0);
    assert_int_equal(object(OPEN->thread)->period, 0);
    assert_int_equal(object(OPEN->task)->caps[TASK_SLOT_THREAD] >> 32, RIGHT_CTRL);
    fake_boot.cpus = 4;
    config.tasks[2].host_cpu[0] = 3;
    config.tasks[2].budget_us = 3000;
    config.tasks[2].period_us = 10000;
    start(SECURE);
    assert_int_equal(object(SECURE->thread)->kind, THREAD_VCPU | 3 << 8);
    assert_int_equal(object(SECURE->thread)->budget, 3000000); // at 1 GHz
    assert_in_range(object(SECURE->thread)->period, 10000000, 10000001);
    task_stop(SECURE, MANAGE_STOPPED);
    config.tasks[2].host_cpu[0] = 4;
    assert_false(task_start(SECURE));
    assert_string_equal(SECURE->message,
                        "host-cpu is 4, and of this machine's CPUs 4 run, numbered from 0");
    assert_int_equal(SECURE->state, MANAGE_STOPPED);
}

static void test_vm(void **state)
{
    (void)state;
    start(CONSOLE);
    start(SECURE);
    struct fake_object *task = object(SECURE->task), *guest = object(SECURE->guest),
                       *thread = object(SECURE->thread);
    const struct task_info *info = content(map_at(SECURE->task, TASK_INFO_ADDRESS));
    const struct task_info *server = content(map_at(CONSOLE->task, TASK_INFO_ADDRESS));
    const struct fake_map *ram = map_at(SECURE->task, RAM_ADDRESS), *low = map_at(SECURE->guest, 0);

    assert_int_equal(ram->physical, low->physical);
    assert_int_equal(low->size, 16 * MIB);
    assert_int_equal(low->rights, MAP_READ | MAP_WRITE | MAP_EXEC);
    assert_int_equal(ram->rights, MAP_READ | MAP_WRITE);
    assert_int_equal(guest->map_count, 1);
    assert_int_equal(map_at(SECURE->task, KERNEL_ADDRESS)->rights, MAP_READ);
    assert_int_equal(map_at(SECURE->task, KERNEL_ADDRESS)->physical, FAKE_ARCHIVE + MIB);
    assert_int_equal(info->kernel_file_size, 300000);
    assert_int_equal(info->initrd_file_size, 0);
    assert_string_equal(info->cmdline, "quiet");
    assert_int_equal(info->ram_below_4g, 16 * MIB);
    assert_int_equal(thread->kind & 0xff, THREAD_VCPU);
    assert_int_equal(thread->page, VCPU_PAGE_ADDRESS | VCPU_FPU);
    assert_false(info->virtual_apic);
    assert_int_equal(info->channel_count, 2);
    assert_int_equal(info->channels[1].kind, CHANNEL_MONITOR);
    // The rings are crossed, and each side's capability raises the bit that the other side expects.
    assert_int_equal(map_at(SECURE->task, info->channels[0].rx)->physical,
                     map_at(CONSOLE->task, server->channels[1].tx)->physical);
    assert_int_equal(map_at(SECURE->task, info->channels[0].tx)->physical,
                     map_at(CONSOLE->task, server->channels[1].rx)->physical);
    assert_int_equal(task->caps[TASK_SLOT_PEER] >> 32,
                     RIGHT_RAISE | RIGHT_BIT(server->channels[1].own_bit));
    assert_int_equal((uint32_t)task->caps[TASK_SLOT_PEER], fake_caps[CONSOLE->signal]);
    assert_int_equal((uint32_t)object(CONSOLE->task)->caps[TASK_SLOT_PEER + 1],
                     fake_caps[SECURE->signal]);
    // text, data, stack, info, status, RAM, kernel, 2 x 2 rings
    assert_int_equal(task->map_count, 11);
    unsigned caps = 0;
    for (unsigned i = 0; i < CAP_SLOTS; i++)
        caps += task->caps[i] != 0;
    assert_int_equal(caps, 6); // signal, thread, supervisor, 2 peers, guest
    assert_int_equal(task->caps[TASK_SLOT_GUEST] >> 32, RIGHT_MAP);
    assert_int_equal(task_memory(SECURE), 16 * MIB + MIB + SECURE->pages.size);
}

// After a stop, and after a start that fails at any of its calls, everything is back.
static void test_give_back(void **state)
{
    (void)state;
    start(CONSOLE);
    uint64_t free = ram_free_bytes();
    unsigned objects = fake_count(OBJ_NONE), maps = fake_objects[1].map_count,
             console_maps = object(CONSOLE->task)->map_count;
    int failures = 0;

    for (int n = 1;; n++) {
        fake_fail = n;
        bool started = task_start(OPEN);
        fake_fail = 0;
        if (started && OPEN->state == MANAGE_RUNNING && n > 40)
            break;
        if (!started) {
            failures++;
            assert_int_equal(OPEN->state, MANAGE_STOPPED);
            assert_true(OPEN->message[0] != 0);
        } else {
            task_stop(OPEN, MANAGE_STOPPED);
        }
        assert_int_equal(ram_free_bytes(), free);
        assert_int_equal(fake_count(OBJ_NONE), objects);
        assert_int_equal(fake_objects[1].map_count, maps);
        assert_true(n < 200);
    }
    assert_true(failures > 20);
    task_stop(OPEN, MANAGE_STOPPED);
    assert_int_equal(ram_free_bytes(), free);
    assert_int_equal(fake_count(OBJ_NONE), objects);
    assert_int_equal(object(CONSOLE->task)->map_count, console_maps);
    assert_string_equal(fake_said, "");
}

// A VM gets the processor's APIC virtualization where there is one and its entry does not decline.
static void test_virtual_apic(void **state)
{
    static const struct {
        uint32_t features;
        enum guest_apic apic;
        bool virtual;
    } cases[] = {{0, GUEST_APIC_AUTO, false},
                 {VIRT_APIC, GUEST_APIC_SOFTWARE, false},
                 {VIRT_APIC, GUEST_APIC_AUTO, true}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fake_boot.virt_features = cases[i].features;
        config.tasks[1].apic = cases[i].apic;
        start(OPEN);
        const struct task_info *info = content(map_at(OPEN->task, TASK_INFO_ADDRESS));
        assert_int_equal(info->virtual_apic, cases[i].virtual);
        assert_int_equal(object(OPEN->thread)->page,
                         VCPU_PAGE_ADDRESS | VCPU_FPU | (cases[i].virtual ? VCPU_APIC : 0));
        task_stop(OPEN, MANAGE_STOPPED);
    }
    fake_boot.virt_features = 0;
}

static void test_pieces(void **state)
{
    (void)state;
    config.tasks[1].memory = 100 * MIB;
    assert_false(task_start(OPEN));
    assert_non_null(strstr(OPEN->message, "it wants 100 MiB of RAM"));
    config.tasks[1].memory = 16 * MIB;
    config.tasks[1].kernel = "absent";
    assert_false(task_start(OPEN));
    assert_string_equal(OPEN->message, "absent: not in the archive");
    // The largest hole is not enough, two are.
    struct ram_block block, block2;
    assert_int_equal(ram_alloc(&block, 24 * MIB, 2 * MIB), OK);
    assert_int_equal(ram_alloc(&block2, 10 * MIB, 2 * MIB), OK);
    ram_free(&block);
    config.tasks[1].memory = 40 * MIB;
    config.tasks[1].kernel = "kernel";
    start(OPEN);
    assert_int_equal(object(OPEN->guest)->map_count, 2);
    ram_free(&block2);
}

static void fault(struct task *task)
{
    uint64_t report[5] = {14, 6, 0xdead, 0x401234, REPORT_FAULTED};

    memcpy(object(task->thread)->report, report, sizeof(report));
    supervise(1ull << BIT_FAULT(task->index));
}

static void test_faults(void **state)
{
    (void)state;
    start(OPEN);
    start(SECURE);
    unsigned secure = fake_caps[SECURE->task];
    fault(OPEN);
    assert_string_equal(
        fake_said, "open: fault #PF at 0x401234, address 0xdead, error 0x6\nopen: started again\n");
    assert_int_equal(OPEN->state, MANAGE_RUNNING);
    assert_int_equal(OPEN->restarts, 1);
    assert_int_equal(fake_caps[SECURE->task], secure); // the other did not notice
    supervise(1ull << BIT_FAULT(1)); // a bit from before: the thread has not faulted
    assert_int_equal(OPEN->restarts, 1);
    for (int i = 0; i < 5; i++)
        fault(OPEN);
    assert_int_equal(OPEN->state, MANAGE_CRASHED);
    assert_int_equal(OPEN->restarts, 5);
    assert_non_null(strstr(fake_said, "open: not started again"));
    fault(SECURE); // on-crash: stop
    assert_int_equal(SECURE->state, MANAGE_CRASHED);
    assert_string_equal(SECURE->message, "fault #PF at 0x401234, address 0xdead, error 0x6");
}

static void report(struct task *task, uint32_t task_state, const char *reason)
{
    task->status->state = task_state;
    memcpy(task->status->reason, reason, strlen(reason) + 1);
    supervise(1ull << BIT_REPORT(task->index));
}

static void test_reports(void **state)
{
    (void)state;
    start(OPEN);
    report(OPEN, TASK_READY, "");
    assert_int_equal(OPEN->state, MANAGE_RUNNING);
    report(OPEN, 0xffffffff, "nonsense");
    assert_int_equal(OPEN->state, MANAGE_RUNNING);
    report(OPEN, TASK_REBOOT, "");
    assert_int_equal(OPEN->restarts, 1);
    report(OPEN, TASK_CRASHED, "triple \033[2Jfault");
    assert_int_equal(OPEN->restarts, 2);
    assert_non_null(strstr(fake_said, "open: crashed: triple ?[2Jfault\n"));
    memset(OPEN->status->reason, 'x', sizeof(OPEN->status->reason)); // no NUL
    OPEN->status->state = TASK_FAILED;
    supervise(1ull << BIT_REPORT(1));
    assert_int_equal(OPEN->state, MANAGE_CRASHED);
    start(SECURE);
    report(SECURE, TASK_POWEROFF, "");
    assert_int_equal(SECURE->state, MANAGE_STOPPED);
    assert_non_null(strstr(fake_said, "secure: switched itself off\n"));
    start(SECURE);
    report(SECURE, TASK_POWEROFF, "halted with interrupts off");
    assert_int_equal(SECURE->state, MANAGE_STOPPED);
    assert_non_null(strstr(fake_said, "secure: halted with interrupts off\n"));
    assert_string_equal(SECURE->message, "halted with interrupts off");
    assert_int_equal(fake_objects[0].type, OBJ_NONE);
}

static void test_management(void **state)
{
    struct manage_reply reply;

    (void)state;
    start(CONSOLE);
    open_manager();

    ask(MANAGE_LIST, "");
    for (int i = 0; i < 3; i++) {
        assert_true(answer(&reply));
        assert_int_equal(reply.tag, 7);
        assert_string_equal(reply.name, config.tasks[i].name);
        assert_int_equal(reply.state, i ? MANAGE_STOPPED : MANAGE_RUNNING);
        assert_int_equal(reply.more, i < 2);
        assert_int_equal(reply.value, i ? 0 : 12345);
    }
    assert_false(answer(&reply));
    assert_true(object(CONSOLE->signal)->bits & 1 << 2); // it was told, on the third channel

    ask(MANAGE_START, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_OK && reply.state == MANAGE_RUNNING);
    ask(MANAGE_START, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    ask(MANAGE_RESTART, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_OK && reply.state == MANAGE_RUNNING);
    ask(MANAGE_STOP, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_OK && reply.state == MANAGE_STOPPED);
    ask(MANAGE_STOP, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    ask(MANAGE_STOP, "console");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    ask(MANAGE_INFO, "nobody");
    assert_true(answer(&reply) && reply.status == MANAGE_UNKNOWN);
    ask(999, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_BAD_REQUEST);
    ask(MANAGE_SYSTEM, "");
    assert_true(answer(&reply) && reply.memory == FAKE_SIZE && reply.value == ram_free_bytes());
    ask(MANAGE_KERNEL, "list task");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    assert_string_equal(reply.message, "this kernel has no debugger: make DEBUG=2");
    fake_debugger = 1;
    ask(MANAGE_KERNEL, "list task");
    assert_true(answer(&reply) && reply.status == MANAGE_OK && reply.value == 16);
    ask_step(MANAGE_KERNEL, "list task", 16);
    assert_true(answer(&reply) && reply.status == MANAGE_OK && reply.value == 0);
    assert_int_equal(fake_debugger, 21);
    config.tasks[1].kernel = "absent";
    ask(MANAGE_START, "open");
    assert_true(answer(&reply) && reply.status == MANAGE_FAILED);
    assert_string_equal(reply.message, "absent: not in the archive");

    // A name without its NUL, and a request in two parts.
    struct manage_request request = {.op = MANAGE_INFO, .tag = 8};
    memset(request.name, 'o', sizeof(request.name));
    ring_write(&to_root, &request, 10);
    supervise(1ull << BIT_REPORT(0));
    assert_false(answer(&reply));
    ring_write(&to_root, (char *)&request + 10, sizeof(request) - 10);
    supervise(1ull << BIT_REPORT(0));
    assert_true(answer(&reply) && reply.status == MANAGE_UNKNOWN && reply.tag == 8);

    assert_true(manage_event("hello"));
    assert_true(answer(&reply) && reply.tag == 0);
    assert_string_equal(reply.message, "hello");
}

// A manager that does not read gets no more answers, and a ring full of rubbish does not stop root.
static void test_flood(void **state)
{
    struct manage_request request = {.op = MANAGE_LIST, .tag = 1};
    uint8_t *rings;

    (void)state;
    start(CONSOLE);
    rings = fake_memory() + (CONSOLE->rings.base - FAKE_RAM);
    uint32_t capacity = ring_capacity(CONSOLE->rings.size / 2);
    assert_true(ring_open(&to_root, (struct ring *)(rings + CONSOLE->rings.size / 2), capacity,
                          RING_PRODUCER));
    while (ring_write(&to_root, &request, sizeof(request)) == sizeof(request))
        ;
    supervise(1ull << BIT_REPORT(0));
    for (int i = 0; i < 100; i++)
        assert_true(manage_event("event"));
    memset(rings, 0xff, CONSOLE->rings.size);
    supervise(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_server, setup),
        cmocka_unit_test_setup(test_vm, setup),
        cmocka_unit_test_setup(test_time, setup),
        cmocka_unit_test_setup(test_virtual_apic, setup),
        cmocka_unit_test_setup(test_give_back, setup),
        cmocka_unit_test_setup(test_pieces, setup),
        cmocka_unit_test_setup(test_faults, setup),
        cmocka_unit_test_setup(test_reports, setup),
        cmocka_unit_test_setup(test_management, setup),
        cmocka_unit_test_setup(test_flood, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
