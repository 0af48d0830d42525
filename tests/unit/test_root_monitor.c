// SPDX-License-Identifier: BSD-2-Clause
// Commands for the monitors of VMs, and snapshots, as root passes them on.

// links: root/task.c root/vm.c root/vm_devices.c root/channel.c root/manage.c root/monitor.c root/supervise.c root/quiet.c
// links: root/rtc.c root/ram.c root/caps.c root/image.c lib/status.c lib/ring.c
#include "root_tasks.h"

// A vmm's ends of its monitor's rings.
static struct ring_end monitor_rx, monitor_tx;

static void open_monitor(const struct task *task)
{
    uint8_t *rings = fake_memory() + (task->monitor.base - FAKE_RAM);
    uint32_t capacity = ring_capacity(task->monitor.size / 2);

    assert_true(ring_open(&monitor_rx, (struct ring *)rings, capacity, RING_CONSUMER));
    assert_true(ring_open(&monitor_tx, (struct ring *)(rings + task->monitor.size / 2), capacity,
                          RING_PRODUCER));
}

static void expect_asked(const char *text)
{
    char got[64] = "";

    ring_read(&monitor_rx, got, sizeof(got) - 1);
    assert_string_equal(got, text);
}

static void say_monitor(const void *bytes, uint32_t n)
{
    assert_int_equal(ring_write(&monitor_tx, bytes, n), n);
    supervise(1ull << BIT_REPORT(SECURE->index));
}

static void test_monitor(void **state)
{
    struct manage_request request = {.op = MANAGE_MONITOR, .tag = 9, .name = "secure"};
    struct manage_reply reply;
    char longer[150];

    (void)state;
    start(CONSOLE);
    open_manager();
    snprintf(request.text, sizeof(request.text), "balloon 16");
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED); // does not run
    start(SECURE);
    open_monitor(SECURE);
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    expect_asked("balloon 16\n");
    assert_true(object(SECURE->signal)->bits & 1ull << channel_of_monitor(SECURE->config));
    ask(MANAGE_SNAPSHOT, "secure"); // one at a time with each
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    memset(longer, 'x', sizeof(longer));
    say_monitor(longer, sizeof(longer));
    assert_true(answer(&reply) && reply.more && reply.tag == 9 && strlen(reply.message) == 103);
    assert_false(answer(&reply));
    say_monitor("\0\1", 2);
    assert_true(answer(&reply) && reply.more && strlen(reply.message) == 47);
    assert_true(answer(&reply) && !reply.more && reply.status == MANAGE_OK);
    // A command that the monitor refuses, and one that it dies of.
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    say_monitor("no\n\0\2", 5);
    assert_true(answer(&reply) && reply.more);
    assert_true(answer(&reply) && !reply.more && reply.status == MANAGE_REFUSED);
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    ask(MANAGE_STOP, "secure");
    assert_true(answer(&reply) && reply.tag == 9 && reply.status == MANAGE_FAILED);
    assert_true(answer(&reply) && reply.tag == 7);
    // What it says does not steer the operator's terminal.
    start(SECURE);
    open_monitor(SECURE);
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    say_monitor("a\x1b[2J\x9b\n\0\1", 9);
    assert_true(answer(&reply) && reply.more);
    assert_string_equal(reply.message, "a?[2J?\n");
    assert_true(answer(&reply) && !reply.more && reply.status == MANAGE_OK);
    snprintf(request.text, sizeof(request.text), " snapshot-save"); // into no memory
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    request.text[0] = '\n';
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
}

static void test_snapshot(void **state)
{
    struct manage_reply reply;
    uint64_t free;

    (void)state;
    start(CONSOLE);
    open_manager();
    ask(MANAGE_RESTORE, "secure");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
    start(SECURE);
    open_monitor(SECURE);
    expect_asked("");
    free = ram_free_bytes();
    ask(MANAGE_SNAPSHOT, "secure");
    expect_asked("snapshot-size\n");
    say_monitor("123x\0\1", 6); // no number
    assert_true(answer(&reply) && reply.status == MANAGE_FAILED);
    ask(MANAGE_SNAPSHOT, "secure");
    expect_asked("snapshot-size\n");
    say_monitor("99999999999\0\1", 13); // more than it can have
    assert_true(answer(&reply) && reply.status == MANAGE_FAILED);
    assert_int_equal(ram_free_bytes(), free);
    for (int round = 0; round < 2; round++) { // the second takes the place of the first
        ask(MANAGE_SNAPSHOT, "secure");
        expect_asked("snapshot-size\n");
        say_monitor("5000\0\1", 6);
        expect_asked("snapshot-save\n");
        assert_int_equal(map_at(SECURE->task, SNAPSHOT_ADDRESS)->rights, MAP_READ | MAP_WRITE);
        say_monitor("\0\1", 2);
        assert_true(answer(&reply) && reply.status == MANAGE_OK && !reply.more);
        assert_int_equal(ram_free_bytes(), free - 8192);
        assert_false(has_map(SECURE->task, SNAPSHOT_ADDRESS));
    }
    ask(MANAGE_RESTORE, "secure");
    assert_true(answer(&reply) && reply.status == MANAGE_OK);
    assert_int_equal(map_at(SECURE->task, SNAPSHOT_ADDRESS)->rights, MAP_READ);
    assert_int_equal(
        ((const struct task_info *)content(map_at(SECURE->task, TASK_INFO_ADDRESS)))->snapshot_size,
        5000);
    ask(MANAGE_RESTART, "secure");
    assert_true(answer(&reply));
    assert_false(has_map(SECURE->task, SNAPSHOT_ADDRESS));
    assert_int_equal(
        ((const struct task_info *)content(map_at(SECURE->task, TASK_INFO_ADDRESS)))->snapshot_size,
        0);
    // One that fails leaves none behind.
    open_monitor(SECURE);
    ask(MANAGE_SNAPSHOT, "secure");
    say_monitor("5000\0\1", 6);
    say_monitor("the disk is busy\0\2", 18);
    assert_true(answer(&reply) && reply.status == MANAGE_FAILED);
    assert_string_equal(reply.message, "the disk is busy");
    ask(MANAGE_RESTORE, "secure");
    assert_true(answer(&reply) && reply.status == MANAGE_REFUSED);
}

static void command(const char *name, uint32_t tag)
{
    struct manage_request request = {.op = MANAGE_MONITOR, .tag = tag, .text = "pause"};

    snprintf(request.name, sizeof(request.name), "%s", name);
    ring_write(&to_root, &request, sizeof(request));
    supervise(1ull << BIT_REPORT(0));
}

// A vmm that does not answer holds up nobody, and its late answer is nobody else's.
static void test_late(void **state)
{
    struct manage_reply reply;
    struct ring_end tx;
    uint64_t hz = fake_boot.tsc_hz;

    (void)state;
    start(CONSOLE);
    open_manager();
    start(OPEN);
    start(SECURE);
    open_monitor(OPEN);
    tx = monitor_tx;
    open_monitor(SECURE);
    assert_int_equal(monitor_deadline, UINT64_MAX);
    command("secure", 20); // which keeps silent
    expect_asked("pause\n");
    command("open", 21);
    assert_false(answer(&reply));
    assert_int_equal(ring_write(&tx, "\0\1", 2), 2);
    supervise(1ull << BIT_REPORT(OPEN->index));
    assert_true(answer(&reply) && reply.tag == 21 && reply.status == MANAGE_OK);
    assert_true(monitor_deadline > task_tsc() && monitor_deadline < UINT64_MAX);
    supervise(0);
    assert_false(answer(&reply)); // it still has time
    fake_boot.tsc_hz = 0;
    say_monitor("a", 1); // one byte is a sign of life
    assert_true(answer(&reply) && reply.tag == 20 && reply.status == MANAGE_FAILED && !reply.more);
    assert_string_equal(reply.message, "its monitor does not answer");
    assert_int_equal(monitor_deadline, UINT64_MAX);
    fake_boot.tsc_hz = hz;
    command("secure", 22);
    assert_true(answer(&reply) && reply.tag == 22 && reply.status == MANAGE_REFUSED);
    char flood[3000];
    memset(flood, 'x', sizeof(flood));
    say_monitor(flood, sizeof(flood));
    say_monitor("\0\1", 2); // the answer to 20, too late
    assert_false(answer(&reply));
    expect_asked("");
    command("secure", 23);
    expect_asked("pause\n");
    say_monitor("\0\2", 2);
    assert_true(answer(&reply) && reply.tag == 23 && reply.status == MANAGE_REFUSED);
    // A snapshot: the guest does not stay held for one that nobody waits for any more.
    ask(MANAGE_SNAPSHOT, "secure");
    expect_asked("snapshot-size\n");
    fake_boot.tsc_hz = 0;
    say_monitor("5", 1);
    assert_true(answer(&reply) && reply.status == MANAGE_FAILED);
    fake_boot.tsc_hz = hz;
    say_monitor("000\0\1", 5);
    expect_asked("snapshot-cancel\n");
    say_monitor("\0\1", 2);
    assert_false(answer(&reply));
    command("secure", 24);
    expect_asked("pause\n");
    say_monitor("\0\1", 2);
    assert_true(answer(&reply) && reply.tag == 24 && reply.status == MANAGE_OK);
    // One that hangs is stopped as any other.
    fake_boot.tsc_hz = 0;
    command("secure", 25);
    supervise(0);
    assert_true(answer(&reply) && reply.tag == 25 && reply.status == MANAGE_FAILED);
    fake_boot.tsc_hz = hz;
    ask(MANAGE_RESTART, "secure");
    assert_true(answer(&reply) && reply.tag == 7 && reply.status == MANAGE_OK);
    open_monitor(SECURE);
    command("secure", 26);
    expect_asked("pause\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_monitor, setup),
        cmocka_unit_test_setup(test_snapshot, setup),
        cmocka_unit_test_setup(test_late, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
