// SPDX-License-Identifier: BSD-2-Clause
// Local APIC: registers, priorities, EOI, LVT, timer in its three modes, IPIs and destinations,
// x2APIC.
// links: vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c vmm/apic_bus.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "lapic.h"

#define TIMER_HZ 1000000000ull
#define CPUS     4

static struct apic_bus bus;
static struct lapic lapic[CPUS];
static unsigned nmis[CPUS], inits[CPUS], sipis[CPUS], kicks[CPUS], eois;
static uint8_t sipi_vector, eoi_vector;

static void on_nmi(void *ctx, unsigned cpu)
{
    (void)ctx;
    nmis[cpu]++;
}

static void on_init(void *ctx, unsigned cpu)
{
    (void)ctx;
    inits[cpu]++;
}

static void on_sipi(void *ctx, unsigned cpu, uint8_t vector)
{
    (void)ctx;
    sipis[cpu]++;
    sipi_vector = vector;
}

static void on_kick(void *ctx, unsigned cpu)
{
    (void)ctx;
    kicks[cpu]++;
}

static void on_eoi(void *ctx, uint8_t vector)
{
    (void)ctx;
    eois++;
    eoi_vector = vector;
}

static uint32_t get(unsigned reg)
{
    return (uint32_t)lapic_page_ops.read(&bus, reg, 4);
}

static void set(unsigned reg, uint32_t value)
{
    lapic_page_ops.write(&bus, reg, 4, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    struct apic_callbacks callbacks = {
        .nmi = on_nmi, .init = on_init, .sipi = on_sipi, .kick = on_kick, .eoi = on_eoi};
    apic_bus_init(&bus, &callbacks);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_true(lapic_init(&lapic[i], &bus, &test_clock, TIMER_HZ));
        lapic[i].allow_x2apic = true;
        lapic[i].allow_deadline = true;
        bus.current = i;
        set(0xf0, 0x1ff);
    }
    bus.current = 0;
    memset(nmis, 0, sizeof(nmis));
    memset(inits, 0, sizeof(inits));
    memset(sipis, 0, sizeof(sipis));
    memset(kicks, 0, sizeof(kicks));
    eois = 0;
    return 0;
}

static void test_reset_values(void **state)
{
    (void)state;
    lapic_ops.reset(&lapic[1]);
    bus.current = 1;
    assert_int_equal(get(0x20), 1u << 24);
    assert_int_equal(get(0x30), 0x50014);
    assert_int_equal(get(0xf0), 0xff);
    assert_int_equal(get(0xe0), 0xffffffff);
    for (unsigned reg = 0x320; reg <= 0x370; reg += 0x10)
        assert_int_equal(get(reg), 0x10000);
    for (unsigned reg = 0x100; reg < 0x280; reg += 0x10)
        assert_int_equal(get(reg), 0);
    uint64_t base;
    assert_true(lapic_msr_read(&lapic[0], MSR_APIC_BASE, &base));
    assert_int_equal(base, 0xfee00900);
    assert_true(lapic_msr_read(&lapic[1], MSR_APIC_BASE, &base));
    assert_int_equal(base, 0xfee00800);
    set(0x350, 0x700); /* masks cannot be cleared while software disabled */
    assert_int_equal(get(0x350), 0x10700);
}

static void test_priorities(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    assert_int_equal(lapic_pending(l), -1);
    lapic_set_irr(l, 0x41, false);
    lapic_set_irr(l, 0x31, false);
    lapic_set_irr(l, 0x51, true);
    assert_int_equal(get(0x200 + 0x20), 1u << 1 | 1u << 17);
    assert_int_equal(get(0x200 + 0x10), 1u << 17);
    assert_int_equal(get(0x180 + 0x20), 1u << 17);
    assert_int_equal(lapic_pending(l), 0x51);
    lapic_accept(l, 0x51);
    assert_int_equal(get(0xa0), 0x50);
    assert_int_equal(get(0x100 + 0x20), 1u << 17);
    assert_int_equal(lapic_pending(l), -1); /* 0x41 is below */
    lapic_set_irr(l, 0x5f, false);
    assert_int_equal(lapic_pending(l), -1); /* the same class */
    lapic_set_irr(l, 0x61, false);
    assert_int_equal(lapic_pending(l), 0x61);
    lapic_accept(l, 0x61);
    set(0xb0, 0);
    assert_int_equal(eois, 0); /* edge */
    assert_int_equal(get(0xa0), 0x50);
    set(0xb0, 0);
    assert_int_equal(eois, 1);
    assert_int_equal(eoi_vector, 0x51);
    assert_int_equal(lapic_pending(l), 0x5f);
    set(0x80, 0x55);
    assert_int_equal(get(0xa0), 0x55);
    assert_int_equal(lapic_cr8(l), 5);
    assert_int_equal(lapic_pending(l), -1);
    lapic_set_cr8(l, 3);
    assert_int_equal(get(0x80), 0x30);
    lapic_accept(l, 0x5f);
    set(0xb0, 0);
    assert_int_equal(lapic_pending(l), 0x41);
    lapic_accept(l, 0x41);
    set(0xb0, 0);
    assert_int_equal(lapic_pending(l), -1); /* 0x31 is in the class of TPR */
    set(0x80, 0x2f);
    assert_int_equal(lapic_pending(l), 0x31);
    set(0xb0, 0); /* nothing in service */
}

static void test_all_vectors(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    for (unsigned v = 16; v < 256; v++)
        lapic_set_irr(l, (uint8_t)v, v & 1);
    for (unsigned v = 255; v >= 16; v--) {
        assert_int_equal(lapic_pending(l), v);
        lapic_accept(l, (uint8_t)v);
        set(0xb0, 0);
    }
    assert_int_equal(lapic_pending(l), -1);
    assert_int_equal(eois, 120);
}

static void test_errors(void **state)
{
    (void)state;
    set(0x370, 0xfe);
    lapic_set_irr(&lapic[0], 5, false);
    assert_int_equal(lapic_pending(&lapic[0]), 0xfe);
    assert_int_equal(get(0x280), 0);
    set(0x280, 0);
    assert_int_equal(get(0x280), 0x40);
    set(0x300, 0x40005); /* self IPI with an illegal vector */
    get(0x3c0);
    set(0x280, 0);
    assert_int_equal(get(0x280), 0xa0);
    set(0x280, 0);
    assert_int_equal(get(0x280), 0);
    set(0x370, 3); /* an error entry that is an error itself */
    set(0x300, 0x40005);
    lapic_accept(&lapic[0], 3);
}

static void test_narrow_access(void **state)
{
    (void)state;
    assert_int_equal(lapic_page_ops.read(&bus, 0x32, 1) & 0xff, 5);
    assert_int_equal(lapic_page_ops.read(&bus, 0x34, 4), 0);
    lapic_page_ops.write(&bus, 0x84, 4, 0xff);
    lapic_page_ops.write(&bus, 0x81, 1, 0xff);
    assert_int_equal(get(0x80), 0);
    for (unsigned offset = 0; offset < 0x1000; offset++)
        lapic_page_ops.read(&bus, offset, 1);
}

static void test_lint(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    assert_false(lapic_extint_enabled(l));
    lapic_virtual_wire(l);
    assert_true(lapic_extint_enabled(l));
    lapic_set_lint(l, 0, true);
    assert_int_equal(lapic_pending(l), -1);
    lapic_set_lint(l, 1, true);
    lapic_set_lint(l, 1, true);
    assert_int_equal(nmis[0], 1);
    lapic_set_lint(l, 0, false);
    set(0x350, 0x8030); /* fixed, level */
    assert_false(lapic_extint_enabled(l));
    lapic_set_lint(l, 0, true);
    assert_int_equal(get(0x350), 0xc030);
    assert_int_equal(lapic_pending(l), 0x30);
    lapic_accept(l, 0x30);
    set(0xb0, 0);
    assert_int_equal(lapic_pending(l), 0x30); /* still asserted */
    lapic_accept(l, 0x30);
    lapic_set_lint(l, 0, false);
    set(0xb0, 0);
    assert_int_equal(lapic_pending(l), -1);
    assert_int_equal(get(0x350), 0x8030);
    set(0xf0, 0xff); /* software disable masks all */
    assert_int_equal(get(0x350), 0x18030);
    set(0x340, 0x400);
    lapic_local(l, LVT_PERF);
    assert_int_equal(nmis[0], 1);
    set(0xf0, 0x1ff);
    set(0x340, 0x400);
    lapic_local(l, LVT_PERF);
    lapic_local(l, 77);
    assert_int_equal(nmis[0], 2);
}

static uint64_t ns(uint64_t n)
{
    return clock_ticks(&test_clock, n, TIMER_HZ);
}

static void test_one_shot(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    uint64_t begin = test_time;
    set(0x3e0, 0xb); /* divide by 1 */
    set(0x320, 0xee);
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    set(0x380, 1000000);
    assert_true(lapic_deadline(l) == begin + ns(1000000));
    assert_int_equal(get(0x390), 1000000);
    test_time = begin + ns(400000);
    assert_int_equal(get(0x390), 600000);
    set(0x3e0, 0x0); /* divide by 2: the rest takes twice as long */
    assert_int_equal(get(0x390), 600000);
    assert_in_range(lapic_deadline(l), begin + ns(1600000) - 8, begin + ns(1600000) + 8);
    test_time = lapic_deadline(l);
    lapic_expire(l, test_time - 1);
    assert_int_equal(lapic_pending(l), -1);
    lapic_expire(l, test_time);
    assert_int_equal(lapic_pending(l), 0xee);
    assert_int_equal(get(0x390), 0);
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    lapic_accept(l, 0xee);
    set(0xb0, 0);
    set(0x380, 5); /* replaced when due already: not lost */
    test_time += ns(100);
    set(0x380, 0);
    assert_int_equal(lapic_pending(l), 0xee);
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
}

static void test_dividers(void **state)
{
    (void)state;
    static const struct {
        uint8_t value, divisor;
    } table[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    set(0x320, 0xee);
    for (unsigned i = 0; i < 8; i++) {
        set(0x3e0, table[i].value);
        set(0x380, 12345);
        assert_true(lapic_deadline(&lapic[0]) == test_time + ns(12345ull * table[i].divisor));
        set(0x380, 0xffffffff);
        assert_true(lapic_deadline(&lapic[0]) == test_time + ns(0xffffffffull * table[i].divisor));
    }
}

static void test_periodic(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    uint64_t begin = test_time;
    set(0x3e0, 0xb);
    set(0x320, 0x200ee);
    set(0x380, 1000001);
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(lapic_deadline(l) == begin + ns(1000001ull * i));
        test_time = lapic_deadline(l);
        assert_int_equal(get(0x390), 1000001);
        lapic_expire(l, test_time);
        assert_int_equal(lapic_pending(l), 0xee);
        lapic_accept(l, 0xee);
        set(0xb0, 0);
    }
    test_time = begin + ns(1000001ull * 100000000 + 3); /* a day later */
    lapic_expire(l, test_time);
    assert_true(lapic_deadline(l) == begin + ns(1000001ull * 100000001));
    set(0x320, 0x300ee); /* masked: no deadline, but it counts */
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    assert_int_equal(get(0x390), 1000001 - 3);
    set(0x320, 0x200ee);
    assert_true(lapic_deadline(l) == begin + ns(1000001ull * 100000001));
    set(0x380, 1); /* a period of 1 ns */
    unsigned n = 0;
    for (uint64_t end = test_time + test_us(10000); lapic_deadline(l) < end; n++) {
        test_time = lapic_deadline(l);
        lapic_expire(l, test_time);
    }
    assert_in_range(n, 490, 502);
}

static void test_tsc_deadline(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    uint64_t value;
    l->tsc_offset = (uint64_t)-1000;
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, test_time + 5000)); /* not in this mode */
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    set(0x320, 0x400ee);
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, test_time + 5000));
    assert_true(lapic_deadline(l) == test_time + 6000);
    assert_true(lapic_msr_read(l, MSR_TSC_DEADLINE, &value));
    assert_true(value == test_time + 5000);
    set(0x380, 100); /* no effect in this mode */
    assert_int_equal(get(0x390), 0);
    lapic_expire(l, test_time + 5999);
    assert_int_equal(lapic_pending(l), -1);
    lapic_expire(l, test_time + 6000);
    assert_int_equal(lapic_pending(l), 0xee);
    assert_true(lapic_msr_read(l, MSR_TSC_DEADLINE, &value));
    assert_int_equal(value, 0);
    lapic_accept(l, 0xee);
    set(0xb0, 0);
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, 1)); /* in the past: at once */
    assert_int_equal(lapic_pending(l), 0xee);
    lapic_accept(l, 0xee);
    set(0xb0, 0);
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, UINT64_MAX));
    assert_true(lapic_deadline(l) != test_time);
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, test_time));
    set(0x320, 0x500ee);
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    test_time += 10000;
    set(0x320, 0x400ee); /* passed while masked */
    assert_int_equal(lapic_pending(l), -1);
    assert_true(lapic_msr_write(l, MSR_TSC_DEADLINE, test_time + 5000));
    set(0x320, 0xee); /* leaving the mode disarms */
    assert_true(lapic_deadline(l) == CLOCK_NEVER);
    l->allow_deadline = false;
    assert_false(lapic_msr_write(l, MSR_TSC_DEADLINE, 5));
    assert_false(lapic_msr_read(l, MSR_TSC_DEADLINE, &value));
    set(0x320, 0x400ee);
    assert_int_equal(get(0x320), 0xee);
}

static uint32_t have(uint8_t vector)
{
    uint32_t set_ = 0;
    for (unsigned i = 0; i < CPUS; i++)
        if (lapic_pending(&lapic[i]) == vector) {
            set_ |= 1u << i;
            lapic_accept(&lapic[i], vector);
            lapic_eoi(&lapic[i]);
        }
    return set_;
}

static void ipi(uint32_t high, uint32_t low)
{
    set(0x310, high);
    set(0x300, low);
}

static void test_ipi(void **state)
{
    (void)state;
    ipi(2u << 24, 0x40);
    assert_int_equal(have(0x40), 4);
    assert_int_equal(kicks[2], 1);
    ipi(0xff000000, 0x40);
    assert_int_equal(have(0x40), 15);
    ipi(0, 0x40040);
    assert_int_equal(have(0x40), 1);
    ipi(0, 0x80040);
    assert_int_equal(have(0x40), 15);
    ipi(0, 0xc0040);
    assert_int_equal(have(0x40), 14);
    ipi(9u << 24, 0x40);
    assert_int_equal(have(0x40), 0);
    ipi(1u << 24, 0x400);
    assert_int_equal(nmis[1], 1);
    ipi(1u << 24, 0x4500);
    ipi(1u << 24, 0x8500); /* de-assert */
    assert_int_equal(inits[1], 1);
    assert_int_equal(lapic[1].s.svr, 0xff);
    ipi(1u << 24, 0x4699);
    assert_int_equal(sipis[1], 1);
    assert_int_equal(sipi_vector, 0x99);
    ipi(1u << 24, 0x40); /* disabled by INIT: not accepted */
    assert_int_equal(have(0x40), 0);
    ipi(0xff000000, 0x200); /* SMI, reserved, ExtINT: nothing */
    ipi(0xff000000, 0x340);
    ipi(0xff000000, 0x740);
    assert_int_equal(have(0x40), 0);
}

static void test_logical(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        bus.current = i;
        set(0xd0, 1u << (24 + i));
    }
    bus.current = 0;
    ipi(0x0a000000, 0x840);
    assert_int_equal(have(0x40), 10);
    ipi(0xff000000, 0x840);
    assert_int_equal(have(0x40), 15);
    for (unsigned i = 0; i < 8; i++) /* lowest priority: those alike take turns */
        ipi(0x0f000000, 0x940), assert_int_equal(have(0x40), 1u << i % 4);
    lapic_set_cr8(&lapic[0], 2);
    lapic_set_cr8(&lapic[1], 1);
    lapic_set_cr8(&lapic[2], 1);
    lapic_set_cr8(&lapic[3], 3);
    ipi(0x0f000000, 0x940);
    assert_int_equal(have(0x40), 2);
    ipi(0x09000000, 0x940);
    assert_int_equal(have(0x40), 1);
    for (unsigned i = 0; i < CPUS; i++) { /* clusters 0 and 1 of two */
        bus.current = i;
        set(0xe0, 0x0fffffff);
        set(0xd0, (i / 2) << 28 | 1u << (24 + i % 2));
        lapic_set_cr8(&lapic[i], 0);
    }
    bus.current = 0;
    ipi(0x13000000, 0x840);
    assert_int_equal(have(0x40), 12);
    ipi(0x02000000, 0x840);
    assert_int_equal(have(0x40), 2);
    ipi(0xf1000000, 0x840);
    assert_int_equal(have(0x40), 5);
}

static void test_base_msr(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    uint64_t on = LAPIC_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP;
    assert_true(lapic_msr_write(l, MSR_APIC_BASE, on));
    assert_false(lapic_msr_write(l, MSR_APIC_BASE, on + 0x1000));
    assert_false(lapic_msr_write(l, MSR_APIC_BASE, on | 1));
    lapic_set_irr(l, 0x40, false);
    assert_true(lapic_msr_write(l, MSR_APIC_BASE, on & ~APIC_BASE_ENABLE));
    assert_int_equal(lapic_pending(l), -1);
    assert_true(lapic_extint_enabled(l));
    assert_int_equal(get(0x30), 0xffffffff);
    assert_false(lapic_msr_write(l, MSR_APIC_BASE, on | APIC_BASE_X2APIC));
    assert_true(lapic_msr_write(l, MSR_APIC_BASE, on));
    l->allow_x2apic = false;
    assert_false(lapic_msr_write(l, MSR_APIC_BASE, on | APIC_BASE_X2APIC));
}

static void test_x2apic(void **state)
{
    (void)state;
    uint64_t value;
    assert_false(lapic_msr_read(&lapic[0], 0x802, &value));
    for (unsigned i = 0; i < CPUS; i++) {
        uint64_t base = lapic[i].s.apic_base;
        assert_true(lapic_msr_write(&lapic[i], MSR_APIC_BASE, base | APIC_BASE_X2APIC));
        assert_false(lapic_msr_write(&lapic[i], MSR_APIC_BASE, base));
    }
    struct lapic *l = &lapic[3];
    assert_true(lapic_msr_read(l, 0x802, &value));
    assert_int_equal(value, 3);
    assert_true(lapic_msr_read(l, 0x80d, &value));
    assert_int_equal(value, 8);
    assert_false(lapic_msr_write(l, 0x80d, 1));
    assert_false(lapic_msr_write(l, 0x802, 1));
    assert_false(lapic_msr_read(l, 0x80e, &value));
    assert_false(lapic_msr_read(l, 0x831, &value));
    assert_false(lapic_msr_read(l, 0x80b, &value));
    assert_false(lapic_msr_read(l, 0x83f, &value));
    assert_false(lapic_msr_read(l, 0x840, &value));
    assert_false(lapic_msr_write(l, 0x80b, 1));
    assert_false(lapic_msr_write(l, 0x808, 0x100));
    assert_false(lapic_msr_write(l, 0x838, 1ull << 32));
    assert_true(lapic_msr_write(l, 0x830, 1ull << 32 | 0x40));
    assert_int_equal(have(0x40), 2);
    assert_true(lapic_msr_read(l, 0x830, &value));
    assert_int_equal(value, 1ull << 32 | 0x40);
    assert_true(lapic_msr_write(l, 0x830, 6ull << 32 | 0x840)); /* logical, cluster 0 */
    assert_int_equal(have(0x40), 6);
    assert_true(lapic_msr_write(l, 0x830, 0x10006ull << 32 | 0x840));
    assert_int_equal(have(0x40), 0);
    assert_true(lapic_msr_write(l, 0x830, 0xffffffffull << 32 | 0x40));
    assert_int_equal(have(0x40), 15);
    assert_true(lapic_msr_write(l, 0x83f, 0x77));
    assert_false(lapic_msr_write(l, 0x83f, 0x100));
    assert_int_equal(lapic_pending(l), 0x77);
    lapic_accept(l, 0x77);
    assert_true(lapic_msr_write(l, 0x80b, 0));
    assert_int_equal(lapic_pending(l), -1);
    bus.current = 3;
    assert_int_equal(get(0x30), 0xffffffff); /* the page is gone */
    for (uint32_t msr = 0x7f0; msr < 0x850; msr++) {
        lapic_msr_read(l, msr, &value);
        lapic_msr_write(l, msr, UINT64_MAX);
        lapic_msr_write(l, msr, UINT32_MAX);
    }
}

static void test_bus_full(void **state)
{
    (void)state;
    static struct lapic more[APIC_CPUS];
    for (unsigned i = CPUS; i < APIC_CPUS; i++)
        assert_true(lapic_init(&more[i], &bus, &test_clock, 0));
    assert_false(lapic_init(&more[0], &bus, &test_clock, 0));
}

static void test_save(void **state)
{
    (void)state;
    struct lapic *l = &lapic[0];
    lapic_set_irr(l, 0x40, false);
    set(0x3e0, 0xb);
    set(0x320, 0x200ee);
    set(0x380, 1000000);
    test_time += ns(300000);
    uint64_t due = lapic_deadline(l);
    test_snapshot(&lapic_ops, l);
    assert_true(lapic_deadline(l) == due);
    assert_int_equal(lapic_pending(l), 0x40);
    uint8_t buf[512];
    size_t n = lapic_ops.save(l, buf, sizeof(buf));
    buf[8 + offsetof(struct lapic_state, isr)] = 1; /* vector 0 in service */
    assert_false(lapic_ops.restore(l, buf, n));
    buf[8 + offsetof(struct lapic_state, isr)] = 0;
    buf[8 + offsetof(struct lapic_state, tmr) + 1] = 0x80; /* vector 15 level triggered */
    assert_false(lapic_ops.restore(l, buf, n));
    buf[8 + offsetof(struct lapic_state, tmr) + 1] = 0;
    memset(buf + 8 + offsetof(struct lapic_state, irr) + 32, 0xff, 4); /* a summary that lies */
    assert_true(lapic_ops.restore(l, buf, n));
    assert_int_equal(lapic_pending(l), 0x40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_values, setup),
        cmocka_unit_test_setup(test_priorities, setup),
        cmocka_unit_test_setup(test_all_vectors, setup),
        cmocka_unit_test_setup(test_errors, setup),
        cmocka_unit_test_setup(test_narrow_access, setup),
        cmocka_unit_test_setup(test_lint, setup),
        cmocka_unit_test_setup(test_one_shot, setup),
        cmocka_unit_test_setup(test_dividers, setup),
        cmocka_unit_test_setup(test_periodic, setup),
        cmocka_unit_test_setup(test_tsc_deadline, setup),
        cmocka_unit_test_setup(test_ipi, setup),
        cmocka_unit_test_setup(test_logical, setup),
        cmocka_unit_test_setup(test_base_msr, setup),
        cmocka_unit_test_setup(test_x2apic, setup),
        cmocka_unit_test_setup(test_bus_full, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("lapic", tests, NULL, NULL);
}
