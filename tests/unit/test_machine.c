// SPDX-License-Identifier: BSD-2-Clause
// The date that a machine starts with: pvclock's wall clock and the MC146818. Its MTRRs.
// links: @vmm lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

#define UNKNOWN 1767225600ull // 2026-01-01
#define S       1000000000ull // ns, and ticks of the fake machine

static void build(uint64_t seconds, uint64_t tsc)
{
    char error[112];

    fake_machine();
    info.unix_seconds = seconds;
    info.unix_tsc = tsc;
    assert_true(machine_build(&vm, error, sizeof(error)));
}

static void expect(uint64_t from, uint64_t to)
{
    assert_in_range(CPU->pvclock.wall_ns, from, to);
    assert_int_equal(CPU->pvclock.tsc_base, 0);
    assert_in_range(vm.chipset.rtc.s.seconds, from / S, to / S);
}

static void test_date(void **state)
{
    (void)state;
    uint64_t tsc = task_tsc();

    build(0, 0);
    assert_int_equal(CPU->pvclock.wall_ns, UNKNOWN * S);
    assert_int_equal(vm.chipset.rtc.s.seconds, UNKNOWN);
    build(UINT64_MAX, UINT64_MAX); // the TSC is not there yet: root's mistake
    assert_int_equal(CPU->pvclock.wall_ns, UNKNOWN * S);
    tsc = task_tsc();
    build(1795358408, tsc); // half a second of rounding
    expect(1795358408 * S, 1795358408 * S + S / 2 + (task_tsc() - tsc));
    tsc = task_tsc() - 5 * S;
    build(1795358408, tsc);
    expect(1795358413 * S, 1795358408 * S + S / 2 + (task_tsc() - tsc));
}

// Firmware finds them as after reset, a kernel without firmware as firmware leaves them.
static void test_mtrr(void **state)
{
    char error[112];
    uint64_t type, hole;

    (void)state;
    build(0, 0);
    msr_read(&CPU->msr, 0x2ff, &type);
    msr_read(&CPU->msr, 0x200, &hole);
    assert_int_equal(type, 0xc06);
    assert_int_equal(hole, 0x80000000);
    fake_machine();
    info.kernel_kind = KERNEL_FIRMWARE;
    assert_false(machine_build(&vm, error, sizeof(error))); // there is none
    msr_read(&CPU->msr, 0x2ff, &type);
    msr_read(&CPU->msr, 0x200, &hole);
    assert_int_equal(type | hole, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_mtrr),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
