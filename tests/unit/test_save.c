// SPDX-License-Identifier: BSD-2-Clause
// A whole VM saved and restored on the host: the second image is the first, bit for bit.
// links: @vmm lib/ring.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "snapshot.c" // its checksum
#include "tests/unit/vm_fake.h"
#include "x86.h"

#define IMAGE_SIZE (4u << 20)

static uint8_t fpu[4096], first[IMAGE_SIZE];
static _Alignas(8) uint8_t image[IMAGE_SIZE];
static uint64_t fixed_time = 77777777777;

static uint64_t fixed(void *context)
{
    (void)context;
    return fixed_time;
}

// The kernel: the guest is left at once for the signal.
static enum status kernel(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    message->label = op == SYS_VCPU_RUN ? EXIT_KICK : 0;
    return op == SYS_WAIT ? ERR_TIMEOUT : OK;
}

static bool run(const char *name)
{
    struct monitor *monitor = &vm.devices.monitor;

    for (unsigned i = 0; i < monitor->commands; i++)
        if (strcmp(monitor->command[i].name, name) == 0)
            return monitor->command[i].run(monitor->command[i].dev, "", monitor);
    fail_msg("no command %s", name);
    return false;
}

static int setup(void **state)
{
    (void)state;
    fake_machine();
    CPU->fpu.area = fpu;
    fake_call = kernel;
    vm.chipset.clock.now = fixed;
    vm.save.image = image;
    return 0;
}

static void out8(uint16_t port, uint8_t value)
{
    bus_write(&vm.chipset.ports, port, 1, value);
}

// As much as possible is not as after power on.
static void work(void)
{
    for (unsigned i = 0; i < sizeof(fpu); i++)
        fpu[i] = (uint8_t)(i * 3);
    for (unsigned i = 0; i < 16; i++)
        page.gpr[i] = i * 0x1111111111111111ull;
    page.rip = 0x12345;
    page.cr3 = 0x5000;
    page.lstar = 0xffffffff81000000;
    page.tsc_offset = -fixed_time + 1000;
    ram[5000] = 5;
    memset(ram + 0x40000, 0xcd, 0x3000);
    out8(0x43, 0x34); // PIT, RTC, PIC, UART, PM, PCI, HPET
    out8(0x40, 0x12);
    out8(0x40, 0x34);
    out8(0x70, 0x0b);
    out8(0x71, 0x42);
    out8(0x21, 0xa5);
    out8(0x3f9, 0x05);
    bus_write(&vm.chipset.ports, 0xcf8, 4, 0x80000060);
    bus_write(&vm.chipset.mmio, 0xfed00010, 8, 1);
    bus_write(&vm.chipset.mmio, 0xfee00320, 4, 0x200ef);
    bus_write(&vm.chipset.mmio, 0xfee00380, 4, 100000);
    CPU->event = EVENT_VALID | EVENT_EXCEPTION << 8 | 6;
    CPU->nmi = true;
    CPU->halted = true;
    page.xcr0 = 3;
    for (unsigned i = 0; i < MSR_STORED_MAX; i++) // MTRRs among them
        CPU->msr.stored[i] = 0xabcdef + i;
    CPU->pvclock.system_time = 0x9001;
}

static uint64_t save(void)
{
    assert_true(run("snapshot-size"));
    assert_int_equal(vm.save.paused, PAUSED_TO_SAVE);
    assert_true(run("snapshot-save"));
    assert_int_equal(vm.save.paused, 0);
    const struct snapshot_header *header = (void *)image;
    return header->size;
}

static void bit_for_bit(void **state)
{
    char error[112];

    (void)state;
    work();
    uint64_t size = save();
    assert_true(size > 0x4000 && size < IMAGE_SIZE);
    assert_null(snapshot_check(image, size));
    memcpy(first, image, size);
    // Another machine, another time.
    setup(NULL);
    memcpy(image, first, size);
    memset(ram, 0, sizeof(ram));
    memset(fpu, 0, sizeof(fpu));
    fixed_time += 123456789;
    info.snapshot_address = (uintptr_t)image;
    info.snapshot_size = size;
    if (!save_restore(&vm, error, sizeof(error)))
        fail_msg("%s", error);
    assert_int_equal(page.gpr[3], 0x3333333333333333);
    assert_int_equal(page.dirty, GROUP_ALL);
    assert_int_equal(fixed_time + page.tsc_offset, 1000);
    assert_int_equal(fpu[100], 44);
    assert_true(CPU->halted && CPU->nmi);
    assert_int_equal(CPU->msr.stored[MSR_STORED_MAX - 1], 0xabcdef + MSR_STORED_MAX - 1);
    page.dirty = 0; // the kernel has loaded all of it
    memset(image, 0, size);
    assert_int_equal(save(), size);
    const uint8_t *again = image;
    for (uint64_t i = sizeof(struct snapshot_header); i < size; i++)
        if (again[i] != first[i])
            fail_msg("byte 0x%llx of 0x%llx: %02x, was %02x", (unsigned long long)i,
                     (unsigned long long)size, again[i], first[i]);
}

static void refuses(void **state)
{
    char error[112];

    (void)state;
    work();
    uint64_t size = save();
    memcpy(first, image, size);
    for (uint64_t at = 40; at < size; at += 4093) {
        setup(NULL);
        memcpy(image, first, size);
        image[at] ^= 4;
        info.snapshot_address = (uintptr_t)image;
        info.snapshot_size = size;
        assert_false(save_restore(&vm, error, sizeof(error)));
        assert_non_null(strstr(error, "snapshot: its checksum is wrong"));
        image[at] ^= 4;
        info.snapshot_size = at & ~7ull;
        assert_false(save_restore(&vm, error, sizeof(error)));
        info.snapshot_size = size;
        vm.ram.size /= 2; // a smaller VM
        assert_false(save_restore(&vm, error, sizeof(error)));
        assert_non_null(strstr(error, "other memory"));
    }
}

static uint8_t disk[2 * SNAPSHOT_PAGE];

// An image with `size` bytes at this place of a section changed, and the right checksum.
static bool accepts(enum snapshot_kind kind, uint64_t at, uint64_t value, unsigned size)
{
    struct snapshot_header *header = (struct snapshot_header *)image;
    uint64_t length, total = ((struct snapshot_header *)first)->size;
    char error[112] = "";

    setup(NULL);
    memcpy(image, first, total);
    uint8_t *contents = (uint8_t *)snapshot_find(image, kind, 0, &length);
    assert_true(contents && at + size <= length);
    memcpy(contents + at, &value, size);
    header->checksum = checksum(image + sizeof(*header), total - sizeof(*header));
    info.snapshot_address = (uintptr_t)image;
    info.snapshot_size = total;
    info.device_count = 1;
    info.devices[0] = (struct task_device){.address = (uintptr_t)disk, .size = sizeof(disk)};
    memset(disk, 0x11, sizeof(disk));
    bool good = save_restore(&vm, error, sizeof(error));
    if (!good)
        assert_non_null(strstr(error, "is not acceptable"));
    assert_int_equal(disk[5000], good ? 0x22 : 0x11); // a disk outlives the VM
    return good;
}

// Right by its checksum, and not what a guest can bring about.
static void refuses_wrong_state(void **state)
{
    const uint64_t flags = sizeof(struct vcpu_page) + sizeof(fpu) + 8 + 3 * 4 + 2;

    (void)state;
    work();
    info.device_count = 1;
    info.devices[0] = (struct task_device){.address = (uintptr_t)disk, .size = sizeof(disk)};
    memset(disk, 0x22, sizeof(disk));
    memcpy(first, image, save());
#define PAGE(field) SNAPSHOT_CPU, offsetof(struct vcpu_page, field)
    assert_true(accepts(PAGE(gpr), 5, 8));
    assert_false(accepts(PAGE(exit), EXIT_CLASSES, 4));
    assert_false(accepts(PAGE(cr0), 1ull << 32 | CR0_PE, 8));
    assert_false(accepts(PAGE(cr0), CR0_PG, 8));
    assert_true(accepts(PAGE(cr0), CR0_PG | CR0_PE, 8));
    assert_false(accepts(PAGE(cr4), 1ull << 40, 8));
    assert_false(accepts(PAGE(efer), EFER_LMA, 8));
    assert_true(accepts(PAGE(efer), 0x100, 8)); // LME alone: paging is not on yet
    assert_false(accepts(PAGE(seg[SEG_CS].attributes), 0xfffff, 4));
    assert_false(accepts(PAGE(xcr0), 4, 8));
    for (unsigned i = 0; i < 6; i++) { // nmi, init, waits, halted, apic_disabled, ready
        assert_int_equal(accepts(SNAPSHOT_CPU, flags + i, 1, 1), i != 2);
        assert_false(accepts(SNAPSHOT_CPU, flags + i, 2, 1));
        assert_false(accepts(SNAPSHOT_CPU, flags + i, 0x80, 1));
    }
    assert_false(accepts(SNAPSHOT_CHIPSET, 4, 0, 4)); // the first device's identifier
    assert_false(accepts(SNAPSHOT_CHIPSET, 0, 1, 4)); // and its length
}

static void paused(void **state)
{
    (void)state;
    assert_false(run("resume"));
    assert_true(run("pause"));
    assert_false(run("pause"));
    assert_true(run("snapshot-size"));
    assert_true(run("snapshot-cancel"));
    assert_int_equal(vm.save.paused, PAUSED_BY_OPERATOR);
    assert_true(run("resume"));
    assert_int_equal(vm.save.paused, 0);
    assert_false(run("snapshot-save")); // nobody asked for the size
}

static unsigned arrivals;

static void arrived(void *dev)
{
    (void)dev;
    arrivals++;
}

// Another VM that sends to a guest that stands still does not change its memory.
static void peers_wait(void **state)
{
    (void)state;
    arrivals = 0;
    vm.devices.channel[0].arrived = arrived;
    assert_true(run("pause"));
    CPU->bits = 1ull << info.channels[0].own_bit;
    vcpu_serve(CPU);
    assert_int_equal(arrivals, 0);
    assert_true(run("resume"));
    vcpu_serve(CPU);
    assert_int_equal(arrivals, 1);
}

// Root gave room for what it was told, and no more.
static void fits(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    assert_true(run("snapshot-size"));
    uint64_t size = vm.save.size;
    assert_true(size > 4096 && size < IMAGE_SIZE / 2);
    memset(ram, 0x77, sizeof(ram));
    memset(image, 0xee, sizeof(image));
    assert_false(run("snapshot-save"));
    for (uint64_t i = size; i < sizeof(image); i++)
        assert_int_equal(image[i], 0xee);
}

// The log is everybody's: a guest does not fill it.
static void log_is_bounded(void **state)
{
    (void)state;
    fake_logs = 0;
    for (unsigned i = 0; i < 20000; i++)
        vm.devices.env.log(&vm, "x");
    assert_in_range(fake_logs, 1000, 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bit_for_bit, setup),         cmocka_unit_test_setup(refuses, setup),
        cmocka_unit_test_setup(refuses_wrong_state, setup), cmocka_unit_test_setup(paused, setup),
        cmocka_unit_test_setup(peers_wait, setup),          cmocka_unit_test_setup(fits, setup),
        cmocka_unit_test_setup(log_is_bounded, setup),
    };
    return cmocka_run_group_tests_name("save", tests, NULL, NULL);
}
