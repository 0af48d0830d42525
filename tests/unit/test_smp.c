// SPDX-License-Identifier: BSD-2-Clause
// What vCPUs do with each other: INIT and SIPI, kicks, interrupts for a virtual APIC that another
// thread uses, who halts last.
// links: @vmm lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

#define AP (&vm.vcpu[1])

static enum status count(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    return op == SYS_WAIT ? ERR_TIMEOUT : OK;
}

static int setup(void **state)
{
    (void)state;
    fake_vcpus = 3;
    fake_has_apic = false;
    fake_machine();
    fake_call = count;
    vm.vcpu[1].waits = vm.vcpu[2].waits = true;
    return 0;
}

// From CPU 0.
static void ipi(unsigned to, uint32_t low)
{
    lapic_register_write(CPU->lapic, 0x310, to << 24);
    lapic_register_write(CPU->lapic, 0x300, low);
}

#define INIT 0x4500u
#define SIPI 0x4600u

static void start_ap(void)
{
    smp_lock(CPU);
    ipi(1, INIT);
    ipi(1, SIPI | 0x9a);
    smp_unlock(CPU);
    smp_lock(AP);
    smp_settle(AP);
    smp_unlock(AP);
}

static void test_init_and_sipi(void **state)
{
    struct vcpu_page *p = &more_pages[1];

    (void)state;
    p->gpr[RBX] = p->cr4 = p->efer = 5;
    start_ap();
    assert_false(AP->waits || AP->init || AP->start);
    assert_true(vm.vcpu[2].waits); // not addressed
    assert_int_equal(p->rip, 0);
    assert_int_equal(p->seg[SEG_CS].base, 0x9a000);
    assert_int_equal(p->seg[SEG_CS].selector, 0x9a00);
    assert_int_equal(p->cr0, 0x60000010);
    assert_int_equal(p->cr4 | p->efer | p->gpr[RBX], 0);
    assert_int_equal(p->rflags, 2);
    assert_int_equal(p->dirty | GROUP_FPU, GROUP_ALL);
    assert_int_equal(p->tsc_offset, page.tsc_offset);
    smp_lock(CPU);
    ipi(1, SIPI | 0x10); // it runs: without effect
    assert_int_equal(AP->start, 0);
    ipi(1, 0x8500); // INIT de-assert: without effect
    assert_false(AP->init);
    assert_true(pv_eoi_write(&AP->eoi, 0x1001));
    ipi(1, INIT);
    assert_true(AP->init);
    ipi(1, SIPI | 0x20);
    ipi(1, SIPI | 0x30); // the first one counts
    smp_unlock(CPU);
    smp_lock(AP);
    smp_settle(AP);
    assert_int_equal(p->seg[SEG_CS].base, 0x20000);
    assert_null(AP->eoi.flag); // whatever is in that memory now is not written to
}

static void test_init_of_the_first(void **state)
{
    (void)state;
    start_ap();
    smp_lock(AP);
    lapic_register_write(AP->lapic, 0x310, 0);
    lapic_register_write(AP->lapic, 0x300, INIT);
    assert_int_equal(vm.end, TASK_REBOOT);
}

static void test_kicks(void **state)
{
    (void)state;
    start_ap();
    smp_lock(AP);
    lapic_register_write(AP->lapic, 0xf0, 0x1ff);
    smp_unlock(AP);
    smp_lock(CPU);
    fake_raises = 0;
    ipi(1, 0x4041);
    ipi(1, 0x4042);
    assert_int_equal(fake_raises, 0); // not while the lock is held
    smp_unlock(CPU);
    assert_int_equal(fake_raises, 1);
    smp_lock(CPU);
    ipi(1, 0x4043); // it has not looked yet
    smp_unlock(CPU);
    assert_int_equal(fake_raises, 1);
    smp_lock(AP);
    assert_int_equal(lapic_pending(AP->lapic), 0x43);
    more_pages[1].rflags |= RFLAGS_IF;
    inject_prepare(AP);
    assert_int_equal(more_pages[1].inject, EVENT_VALID | 0x43);
    smp_unlock(AP);
    smp_lock(CPU);
    ipi(1, 0x4044);
    smp_unlock(CPU);
    assert_int_equal(fake_raises, 2);
}

// What another thread makes pending is in the page only when its own thread comes.
static void test_posted(void **state)
{
    static uint32_t ap_page[1024];

    (void)state;
    start_ap();
    smp_lock(AP);
    memset(ap_page, 0, sizeof(ap_page));
    lapic_register_write(AP->lapic, 0xf0, 0x1ff);
    lapic_use_page(AP->lapic, ap_page);
    smp_unlock(AP);
    smp_lock(CPU);
    ipi(1, 0x4041);
    assert_int_equal(ap_page[0x220 / 4], 0);
    smp_unlock(CPU);
    smp_lock(AP);
    inject_prepare(AP);
    assert_int_equal(ap_page[0x220 / 4], 1 << 1);
    assert_int_equal(more_pages[1].apic_status & 0xff, 0x41);
    assert_false(AP->lapic->has_posted);
    smp_unlock(AP);
    smp_lock(CPU);
    ipi(1, INIT); // the page is not touched from here
    assert_int_equal(ap_page[0x220 / 4], 1 << 1);
}

static void test_last_one_halts(void **state)
{
    (void)state;
    start_ap();
    smp_lock(AP);
    vcpu_dead(AP, "halted");
    assert_int_equal(vm.end, 0); // vCPU 0 runs
    smp_unlock(AP);
    vm.dead |= 4; // vCPU 2 waits for a SIPI
    smp_lock(CPU);
    vcpu_dead(CPU, "halted");
    assert_int_equal(vm.end, TASK_POWEROFF);
}

static void test_pv_eoi(void **state)
{
    (void)state;
    fake_vcpus = 1;
    fake_machine();
    page.rflags |= RFLAGS_IF;
    ram[0x2000] = 0;
    assert_true(pv_eoi_write(&CPU->eoi, 0x2001));
    fake_irq(0x41);
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x41);
    assert_int_equal(ram[0x2000], 1);
    ram[0x2000] = 0; // the guest's EOI
    assert_true(pv_eoi_take(&CPU->eoi));
    lapic_eoi(CPU->lapic);
    page.inject = 0;
    fake_irq(0x41); // two at once: the first one's EOI has to exit
    fake_irq(0x42);
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x42);
    assert_false(CPU->eoi.armed);
    assert_int_equal(ram[0x2000], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init_and_sipi, setup),
        cmocka_unit_test_setup(test_init_of_the_first, setup),
        cmocka_unit_test_setup(test_kicks, setup),
        cmocka_unit_test_setup(test_posted, setup),
        cmocka_unit_test_setup(test_last_one_halts, setup),
        cmocka_unit_test_setup(test_pv_eoi, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
