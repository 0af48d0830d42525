// SPDX-License-Identifier: BSD-2-Clause
// The Local APIC with a virtual-APIC page: a processor is played after SDM 3C chapter 29, and its
// guest must see what the guest of a software APIC sees.
// links: vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c vmm/apic_bus.c
// links: vmm/device.c vmm/clock.c
#include "device_test.h"

#include "lapic.h"

enum { PLAIN, HELPED, SIDES };
enum { TPR = 0x80, PPR = 0xa0, EOI = 0xb0, SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200 };
enum { ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, COUNT = 0x390 };

static struct apic_bus bus[SIDES];
static struct lapic lapic[SIDES];
static unsigned eois[SIDES];
static uint8_t eoi_vector[SIDES];
static uint32_t page[1024];

// The processor's own.
static unsigned rvi, svi;
static bool on; // the controls, as they were loaded at the last entry
static uint32_t eoi_exit[8];
static unsigned exits;

static void on_eoi(void *ctx, uint8_t vector)
{
    unsigned side = *(unsigned *)ctx;
    eois[side]++;
    eoi_vector[side] = vector;
}

static unsigned highest(unsigned set)
{
    for (unsigned v = 255; v > 0; v--)
        if (page[(set + v / 32 * 16) / 4] >> v % 32 & 1)
            return v;
    return 0;
}

static void flip(unsigned set, unsigned v)
{
    page[(set + v / 32 * 16) / 4] ^= 1u << v % 32;
}

static void virtualize_ppr(void)
{
    uint32_t tpr = page[TPR / 4];
    page[PPR / 4] = tpr >> 4 >= svi >> 4 ? tpr & 0xff : svi & 0xf0;
}

// What the vmm does before an entry, and the entry.
static void enter(void)
{
    struct lapic *l = &lapic[HELPED];
    if (l->changed) {
        uint32_t status = lapic_status(l);
        l->changed = false;
        rvi = status & 0xff;
        svi = status >> 8;
        if (l->controls) {
            l->controls = false;
            on = l->virtual;
            memcpy(eoi_exit, l->s.tmr, sizeof(eoi_exit));
        }
    }
    assert_true(on == l->virtual);
    if (!on)
        return;
    assert_int_equal(rvi, highest(IRR)); // as the processor itself keeps them
    assert_int_equal(svi, highest(ISR));
    virtualize_ppr();
}

static uint32_t emulated(unsigned side, unsigned reg)
{
    return (uint32_t)lapic_page_ops.read(&bus[side], reg, 4);
}

static uint32_t get(unsigned side, unsigned reg)
{
    if (side == PLAIN)
        return emulated(side, reg);
    enter();
    if (!on || reg == PPR || reg == COUNT)
        return emulated(side, reg);
    return page[reg / 4];
}

static void finish(void)
{
    unsigned vector = svi;
    page[EOI / 4] = 0;
    if (vector != 0)
        flip(ISR, vector);
    svi = highest(ISR);
    virtualize_ppr();
    if (eoi_exit[vector / 32] >> vector % 32 & 1) {
        exits++;
        lapic_eoi_exit(&lapic[HELPED], (uint8_t)vector);
    }
}

static void set(unsigned side, unsigned reg, uint32_t value)
{
    if (side == PLAIN) {
        lapic_page_ops.write(&bus[side], reg, 4, value);
        return;
    }
    enter();
    if (!on) {
        lapic_page_ops.write(&bus[side], reg, 4, value);
        return;
    }
    page[reg / 4] = value;
    if (reg == TPR) {
        page[reg / 4] &= 0xff;
        virtualize_ppr();
    } else if (reg == EOI) {
        finish();
    } else if (reg == ICR_HIGH) {
        page[reg / 4] &= 0xff000000;
    } else if (reg == ICR && (value & ~0xffu) == 1u << 18 && value & 0xf0) {
        unsigned vector = value & 0xff;
        page[(IRR + vector / 32 * 16) / 4] |= 1u << vector % 32;
        rvi = vector > rvi ? vector : rvi;
    } else {
        exits++;
        lapic_write_exit(&lapic[HELPED], reg);
    }
}

static void both(unsigned reg, uint32_t value)
{
    for (unsigned side = 0; side < SIDES; side++)
        set(side, reg, value);
}

// The vector that the guest takes, -1: none.
static int take(unsigned side)
{
    struct lapic *l = &lapic[side];
    if (side == HELPED) {
        enter();
        if (on) {
            unsigned vector = rvi;
            if (vector >> 4 <= page[PPR / 4] >> 4)
                return -1;
            flip(IRR, vector);
            flip(ISR, vector);
            svi = vector;
            rvi = highest(IRR);
            virtualize_ppr();
            return (int)vector;
        }
    }
    int vector = lapic_pending(l);
    if (vector >= 0)
        lapic_accept(l, (uint8_t)vector);
    return vector;
}

static void same(void)
{
    static const unsigned more[] = {0x20,  0x30,  TPR,   PPR,      EOI,   0xd0,  0xe0,
                                    SVR,   ESR,   ICR,   ICR_HIGH, 0x320, 0x330, 0x340,
                                    0x350, 0x360, 0x370, 0x380,    COUNT, 0x3e0};
    for (unsigned reg = ISR; reg < ESR; reg += 16)
        if (get(PLAIN, reg) != get(HELPED, reg))
            fail_msg("register %x: %x, helped %x", reg, get(PLAIN, reg), get(HELPED, reg));
    for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        if (get(PLAIN, more[i]) != get(HELPED, more[i]))
            fail_msg("register %x: %x, helped %x", more[i], get(PLAIN, more[i]),
                     get(HELPED, more[i]));
    assert_int_equal(lapic_pending(&lapic[PLAIN]), lapic_pending(&lapic[HELPED]));
    assert_int_equal(lapic_cr8(&lapic[PLAIN]), lapic_cr8(&lapic[HELPED]));
    assert_int_equal(lapic_deadline(&lapic[PLAIN]), lapic_deadline(&lapic[HELPED]));
    assert_int_equal(eois[PLAIN], eois[HELPED]);
    assert_int_equal(eoi_vector[PLAIN], eoi_vector[HELPED]);
}

static int setup(void **state)
{
    static unsigned sides[SIDES] = {PLAIN, HELPED};
    (void)state;
    test_setup();
    memset(page, 0, sizeof(page));
    memset(eois, 0, sizeof(eois));
    rvi = svi = exits = 0;
    on = false;
    for (unsigned side = 0; side < SIDES; side++) {
        struct apic_callbacks callbacks = {.eoi = on_eoi, .eoi_ctx = &sides[side]};
        apic_bus_init(&bus[side], &callbacks);
        assert_true(lapic_init(&lapic[side], &bus[side], &test_clock, 1000000000));
        lapic[side].allow_deadline = lapic[side].allow_x2apic = true;
        lapic_virtual_wire(&lapic[side]);
    }
    lapic_use_page(&lapic[HELPED], page);
    same();
    assert_true(on);
    return 0;
}

static void pend(uint8_t vector, bool level)
{
    for (unsigned side = 0; side < SIDES; side++)
        lapic_set_irr(&lapic[side], vector, level);
}

// An interrupt costs nothing but its status.
static void test_edge(void **state)
{
    (void)state;
    pend(0x51, false);
    assert_true(lapic[HELPED].changed);
    assert_false(lapic[HELPED].controls);
    assert_int_equal(lapic_status(&lapic[HELPED]), 0x51);
    assert_int_equal(take(HELPED), 0x51);
    assert_int_equal(take(PLAIN), 0x51);
    same();
    assert_int_equal(lapic_status(&lapic[HELPED]), 0x5100);
    both(EOI, 0);
    both(TPR, 0x60);
    assert_false(lapic[HELPED].changed);
    assert_int_equal(exits, 0);
    same();
    pend(0x52, false);
    assert_int_equal(take(HELPED), -1);
    assert_int_equal(take(PLAIN), -1);
}

// The end of a level-triggered one goes to the I/O APIC, also after it was an edge, and not after.
static void test_level_triggered(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        bool level = round == 1;
        pend(0x61, level);
        assert_int_equal(lapic[HELPED].controls, round != 0);
        assert_int_equal(take(HELPED), 0x61);
        assert_int_equal(take(PLAIN), 0x61);
        both(EOI, 0);
        assert_int_equal(eois[HELPED], round >= 1);
        assert_int_equal(exits, round >= 1);
        same();
    }
}

// LINT0 as a level: its remote IRR shows in the page, and the EOI delivers again.
static void test_lint(void **state)
{
    (void)state;
    both(0x350, LVT_LEVEL | 0x71);
    for (unsigned side = 0; side < SIDES; side++)
        lapic_set_lint(&lapic[side], 0, true);
    assert_true(page[0x350 / 4] & LVT_REMOTE_IRR);
    same();
    assert_int_equal(take(HELPED), 0x71);
    assert_int_equal(take(PLAIN), 0x71);
    both(EOI, 0);
    same();
    assert_int_equal(take(HELPED), 0x71);
    assert_int_equal(take(PLAIN), 0x71);
    for (unsigned side = 0; side < SIDES; side++)
        lapic_set_lint(&lapic[side], 0, false);
    both(EOI, 0);
    assert_false(page[0x350 / 4] & LVT_REMOTE_IRR);
    same();
    assert_int_equal(take(HELPED), -1);
}

// Disabled and in x2APIC mode the software does it all; what was pending moves along.
static void test_modes(void **state)
{
    uint64_t base = LAPIC_BASE | APIC_BASE_BSP | APIC_BASE_ENABLE, value;
    (void)state;
    both(TPR, 0x30);
    pend(0x51, false);
    assert_int_equal(take(HELPED), 0x51);
    pend(0x61, true);
    assert_true(lapic_msr_write(&lapic[HELPED], MSR_APIC_BASE, base | APIC_BASE_X2APIC));
    enter();
    assert_false(on);
    assert_int_equal(take(HELPED), 0x61);
    assert_true(lapic_msr_read(&lapic[HELPED], 0x812, &value));
    assert_int_equal(value, 1u << 17); // 0x51 in service
    assert_true(lapic_msr_read(&lapic[HELPED], 0x808, &value));
    assert_int_equal(value, 0x30);
    assert_true(lapic_msr_write(&lapic[HELPED], MSR_APIC_BASE, base & ~APIC_BASE_ENABLE));
    assert_int_equal(take(HELPED), -1);
    page[TPR / 4] = 0xff; // nobody looks at it now
    assert_int_equal(lapic_cr8(&lapic[HELPED]), 0);
    assert_true(lapic_msr_write(&lapic[HELPED], MSR_APIC_BASE, base));
    enter();
    assert_false(on); // not yet enabled by software
    lapic_page_ops.write(&bus[HELPED], SVR, 4, 0x1ff);
    enter();
    assert_true(on);
    assert_int_equal(page[TPR / 4], 0);
    assert_int_equal(page[ISR / 4 + 8], 0);
    assert_int_equal(page[SVR / 4], 0x1ff);
}

static void swap_snapshots(void)
{
    uint8_t state[SIDES][1024];
    size_t size[SIDES];
    for (unsigned side = 0; side < SIDES; side++)
        size[side] = lapic_ops.save(&lapic[side], state[side], sizeof(state[side]));
    assert_int_equal(size[PLAIN], size[HELPED]);
    for (unsigned side = 0; side < SIDES; side++)
        assert_true(lapic_ops.restore(&lapic[side], state[1 - side], size[1 - side]));
}

// The processor's faults are not the vmm's: any page is taken as far as it makes sense.
static void test_nonsense_in_the_page(void **state)
{
    (void)state;
    memset(page, 0xff, sizeof(page));
    assert_int_equal(lapic_status(&lapic[HELPED]), 0xffff);
    assert_int_equal(lapic_pending(&lapic[HELPED]), -1);
    assert_int_equal(lapic[HELPED].s.irr.word[0], 0xffff0000);
    swap_snapshots();
    assert_int_equal(lapic[PLAIN].s.tpr, 0xff);
    lapic_write_exit(&lapic[HELPED], UINT32_MAX);
    lapic_write_exit(&lapic[HELPED], 0x1230);
    lapic_eoi_exit(&lapic[HELPED], 0);
}

// Each function that tells something about the vectors looks into the page by itself.
static void test_fresh(void **state)
{
    uint8_t saved[1024];
    (void)state;
    pend(0x51, false);
    assert_int_equal(take(HELPED), 0x51);
    assert_int_equal(lapic_pending(&lapic[HELPED]), -1);
    page[EOI / 4] = 0;
    finish();
    page[TPR / 4] = 0x40;
    size_t size = lapic_ops.save(&lapic[HELPED], saved, sizeof(saved));
    assert_true(lapic_ops.restore(&lapic[PLAIN], saved, size));
    assert_int_equal(lapic_cr8(&lapic[PLAIN]), 4);
    assert_int_equal(emulated(PLAIN, ISR + 0x20), 0);
    page[TPR / 4] = 0x50;
    assert_int_equal(lapic_cr8(&lapic[HELPED]), 5);
    page[TPR / 4] = 0x60;
    assert_int_equal(emulated(HELPED, PPR), 0x60);
}

static uint64_t seed;

static uint32_t any(uint32_t below)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

static void step(void)
{
    uint32_t vector = 16 + any(240), value;
    switch (any(16)) {
    case 0:
    case 1:
    case 2:
        // Where a guest sends itself a vector that is level-triggered, too, the processor keeps
        // TMR.
        pend((uint8_t)vector, vector < 0x80 && any(2));
        break;
    case 3:
    case 4:
        assert_int_equal(take(PLAIN), take(HELPED));
        break;
    case 5:
    case 6:
        both(EOI, 0);
        break;
    case 7:
        both(TPR, any(256));
        break;
    case 8:
        both(0x320 + 16 * any(6), any(1 << 20));
        break;
    case 9:
        both(SVR, any(4) ? 0x1ff : any(512));
        break;
    case 10:
        both(ICR, 1u << 18 | (vector | 0x80));
        break;
    case 11:
        value = any(1u << 20) & ~0x700u; // fixed; others would need the callbacks
        both(ICR_HIGH, any(2) ? any(256) << 24 : 0);
        both(ICR, value | 0x80);
        break;
    case 12:
        both(any(2) ? 0x380 : 0x3e0, any(1 << 20));
        break;
    case 13:
        test_time += any(1 << 20);
        for (unsigned side = 0; side < SIDES; side++)
            lapic_expire(&lapic[side], test_time);
        break;
    case 14:
        value = any(2);
        for (unsigned side = 0; side < SIDES; side++)
            lapic_set_lint(&lapic[side], 0, value);
        break;
    default:
        value = any(24);
        if (value < 4)
            swap_snapshots();
        for (unsigned side = 0; side < SIDES; side++) {
            if (value == 4)
                lapic_ops.reset(&lapic[side]);
            if (value == 5)
                lapic_msr_write(&lapic[side], MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_BSP);
            if (value > 12)
                lapic_msr_write(&lapic[side], MSR_APIC_BASE,
                                LAPIC_BASE | APIC_BASE_BSP | APIC_BASE_ENABLE);
            if (value == 6)
                lapic_set_cr8(&lapic[side], 7); // by an emulated access
            if (value == 7) {
                emulated(side, 0x2f0); // there is none
                lapic_page_ops.write(&bus[side], ESR, 4, 0);
            }
            if (value == 8) // EOI by an instruction that the processor leaves to the vmm
                lapic_page_ops.write(&bus[side], EOI, 4, 0);
        }
        break;
    }
    same();
}

static void test_against_software(void **state)
{
    for (unsigned round = 1; round <= 200; round++) {
        setup(state);
        seed = round * 0x9e3779b97f4a7c15ull;
        for (unsigned i = 0; i < 300; i++)
            step();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_edge, setup),
        cmocka_unit_test_setup(test_level_triggered, setup),
        cmocka_unit_test_setup(test_lint, setup),
        cmocka_unit_test_setup(test_modes, setup),
        cmocka_unit_test_setup(test_nonsense_in_the_page, setup),
        cmocka_unit_test_setup(test_fresh, setup),
        cmocka_unit_test(test_against_software),
    };
    return cmocka_run_group_tests_name("lapic_virtual", tests, NULL, NULL);
}
