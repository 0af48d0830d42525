// SPDX-License-Identifier: BSD-2-Clause
// What root gives a VM for its devices, what of it outlives the VM, and links between VMs; on the
// fake kernel.

// links: root/task.c root/vm.c root/vm_devices.c root/channel.c root/manage.c root/monitor.c root/supervise.c root/quiet.c
// links: root/rtc.c root/ram.c root/caps.c root/image.c lib/status.c lib/ring.c
#include "root_tasks.h"

static void configure_devices(void)
{
    static const struct device_config devices[] = {
        {.kind = "k",
         .name = "cd",
         .tag = "",
         .file = "kernel",
         .flags = DEVICE_READ_ONLY,
         .link = NO_LINK},
        {.kind = "k", .name = "disk", .tag = "", .file = "kernel", .link = NO_LINK},
        {.kind = "k", .name = "net", .tag = "lan", .mac = {2, 3}, .link = 0},
        {.kind = "k", .name = "screen", .tag = "", .size = 4 * MIB, .video = true, .link = NO_LINK},
        {.kind = "k", .name = "alone", .tag = "x", .link = 1, .number = 9},
        {.kind = "k", .name = "empty", .tag = "", .size = 8192, .link = NO_LINK},
    };

    for (int i = 0; i < 6; i++)
        config.tasks[1].devices[i] = devices[i];
    config.tasks[1].device_count = 6;
    config.tasks[1].modules[0] = (struct module_config){"program", "p", "a b"};
    config.tasks[1].module_count = 1;
    config.tasks[2].devices[0] = devices[2];
    config.tasks[2].device_count = 1;
    config.tasks[2].kernel_kind = KERNEL_FIRMWARE;
    config.links[0] = (struct link_config){"lan", 2, {{1, 2}, {2, 0}}};
    config.links[1] = (struct link_config){"x", 1, {{1, 4}}};
    config.link_count = 2;
}

static int setup_devices(void **state)
{
    configure = configure_devices;
    return setup(state);
}

// Devices: a file as it stands, a disk that outlives its VM, a screen that the guest may map, a
// link with another VM, modules and firmware.
static void test_devices(void **state)
{
    (void)state;
    memset(archive_bytes() + MIB, 0xee, 300000);

    uint64_t free = ram_free_bytes();
    start(OPEN);
    start(SECURE);
    struct fake_object *task = object(OPEN->task);
    const struct task_info *info = content(map_at(OPEN->task, TASK_INFO_ADDRESS));
    const struct task_info *other = content(map_at(SECURE->task, TASK_INFO_ADDRESS));
    const struct task_device *d = info->devices;

    assert_int_equal(info->device_count, 6);
    assert_int_equal(d[0].address, DEVICE_ADDRESS);
    assert_int_equal(d[0].size, 300000);
    assert_int_equal(map_at(OPEN->task, DEVICE_ADDRESS)->rights, MAP_READ);
    assert_int_equal(map_at(OPEN->task, DEVICE_ADDRESS)->physical, FAKE_ARCHIVE + MIB);

    const struct fake_map *disk = map_at(OPEN->task, DEVICE_ADDRESS + DEVICE_STEP);
    uint8_t *bytes = content(disk);
    assert_int_equal(disk->rights, MAP_READ | MAP_WRITE);
    assert_int_equal(d[1].size, 300000);
    assert_int_equal(disk->size, page_up(300000));
    assert_int_equal(bytes[0] + bytes[299999], 2 * 0xee);
    assert_int_equal(bytes[300000], 0);
    assert_int_equal(d[1].slot, 0);

    assert_int_equal(d[2].channel, 2);
    assert_string_equal(d[2].tag, "lan");
    assert_int_equal(d[2].mac[1], 3);
    assert_int_equal(info->channel_count, 3);
    assert_int_equal(info->channels[2].kind, CHANNEL_LINK);
    assert_string_equal(info->channels[2].peer, "secure");
    assert_int_equal(other->channels[2].own_bit, 2);
    assert_int_equal(map_at(OPEN->task, info->channels[2].rx)->physical,
                     map_at(SECURE->task, other->channels[2].tx)->physical);
    assert_int_equal(map_at(OPEN->task, info->channels[2].tx)->physical,
                     map_at(SECURE->task, other->channels[2].rx)->physical);
    assert_int_equal(task->caps[TASK_SLOT_PEER + 2],
                     (uint64_t)fake_caps[SECURE->signal] | (uint64_t)(RIGHT_RAISE | RIGHT_BIT(2))
                                                               << 32);

    assert_int_equal(d[3].slot, TASK_SLOT_MEM + 3);
    assert_int_equal(task->caps[d[3].slot] >> 32, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC);
    assert_int_equal(d[3].size, 4 * MIB);
    assert_int_equal(d[4].channel, TASK_CHANNEL_MAX);
    assert_int_equal(d[4].number, 9);
    assert_int_equal(d[4].address, 0);
    assert_int_equal(map_at(OPEN->task, DEVICE_ADDRESS + 5 * DEVICE_STEP)->size, 8192);
    assert_int_equal(info->module_count, 1);
    assert_string_equal(info->modules[0].arguments, "a b");
    assert_int_equal(info->modules[0].address, MODULE_ADDRESS);

    assert_int_equal(other->kernel_kind, KERNEL_FIRMWARE);
    assert_int_equal(other->kernel_address, KERNEL_ADDRESS);
    assert_int_equal(other->kernel_file_size, 300000);
    assert_int_equal(other->firmware_slot, TASK_SLOT_MEM + TASK_DEVICE_MAX);
    assert_int_equal(map_at(SECURE->task, KERNEL_ADDRESS)->size, page_up(300000));
    assert_int_equal(((uint8_t *)content(map_at(SECURE->task, KERNEL_ADDRESS)))[7], 0xee);

    // Only the disks stay, with what was written.
    bytes[5] = 0x77;
    ((uint8_t *)content(map_at(OPEN->task, DEVICE_ADDRESS + 3 * DEVICE_STEP)))[5] = 0x77;
    task_stop(OPEN, MANAGE_STOPPED);
    task_stop(SECURE, MANAGE_STOPPED);
    assert_int_equal(ram_free_bytes(), free - page_up(300000) - 8192);
    start(OPEN);
    assert_int_equal(((uint8_t *)content(map_at(OPEN->task, DEVICE_ADDRESS + DEVICE_STEP)))[5],
                     0x77);
    assert_int_equal(((uint8_t *)content(map_at(OPEN->task, DEVICE_ADDRESS + 3 * DEVICE_STEP)))[5],
                     0);
    task_stop(OPEN, MANAGE_STOPPED);

    // A start that fails at any call leaves nothing but disks that are whole.
    for (int n = 1, failed = 1; failed; n++) {
        for (unsigned i = 0; i < DEVICE_BLOCKS; i++)
            ram_free(&OPEN->device[i]);
        fake_fail = n;
        failed = !task_start(OPEN);
        fake_fail = 0;
        task_stop(OPEN, MANAGE_STOPPED);
        if (OPEN->device[1].mem != CAP_NONE) {
            start(OPEN);
            bytes = content(map_at(OPEN->task, DEVICE_ADDRESS + DEVICE_STEP));
            assert_int_equal(bytes[0] + bytes[299999], 2 * 0xee);
            task_stop(OPEN, MANAGE_STOPPED);
        }
        assert_true(n < 300);
    }
    config.tasks[1].devices[0].file = "nothing";
    assert_false(task_start(OPEN));
    assert_string_equal(OPEN->message, "nothing: not in the archive");
    config.tasks[1].devices[0].file = "kernel";
    config.tasks[1].devices[1].file = "nothing";
    assert_false(task_start(OPEN));
    assert_string_equal(OPEN->message, "nothing: not in the archive");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_devices, setup_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
