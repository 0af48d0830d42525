// SPDX-License-Identifier: BSD-2-Clause
// Three Local APICs that send each other interrupts, under random register and MSR accesses and
// time steps; the cached maxima are compared with the sets.
// links: vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c vmm/apic_bus.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "lapic.h"

#define CPUS 3

static struct apic_bus bus;
static struct lapic lapic[CPUS];
static uint32_t page[1024]; // the last one's virtual-APIC page

static uint64_t deadline(void *dev)
{
    return lapic_deadline(dev);
}

static void expire(void *dev, uint64_t now)
{
    lapic_expire(dev, now);
}

static uint32_t highest(const struct vector_set *set)
{
    for (unsigned v = 255; v > 0; v--)
        if (set->word[v / 32] & 1u << v % 32)
            return v;
    return 0;
}

static void check(struct lapic *l)
{
    CHECK(l->irr_top == highest(&l->s.irr));
    CHECK(l->isr_top == highest(&l->s.isr));
    CHECK(!((l->s.irr.word[0] | l->s.isr.word[0]) & 0xffff));
    CHECK((l->ppr & 0xf0) >= (l->isr_top & 0xf0) && (l->ppr & 0xf0) >= (l->s.tpr & 0xf0));
    int vector = lapic_pending(l);
    CHECK(vector == -1 || (vector >= 16 && vector <= 255));
    CHECK(!l->virtual || (l->page && lapic_enabled(l) && !lapic_x2apic(l)));
}

static void eoi(void *ctx, uint8_t vector)
{
    (void)ctx;
    CHECK(vector >= 16);
}

static void cpu_event(void *ctx, unsigned cpu)
{
    (void)ctx;
    CHECK(cpu < CPUS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    struct apic_callbacks callbacks = {
        .nmi = cpu_event, .init = cpu_event, .kick = cpu_event, .eoi = eoi};
    apic_bus_init(&bus, &callbacks);
    for (unsigned i = 0; i < CPUS; i++) {
        CHECK(lapic_init(&lapic[i], &bus, &fuzz_clock, 1000000000));
        lapic[i].allow_x2apic = true;
        lapic[i].allow_deadline = true;
        lapic[i].tsc_offset = fuzz_take(8);
        bus.current = i;
        lapic_page_ops.write(&bus, 0xf0, 4, 0x1ff);
    }
    memset(page, 0, sizeof(page));
    lapic_use_page(&lapic[CPUS - 1], page);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        bus.current = (op >> 4) % CPUS;
        struct lapic *l = &lapic[bus.current];
        uint64_t value;
        switch (op % 16) {
        case 0:
        case 1:
        case 2:
            lapic_page_ops.write(&bus, (fuzz_take(1) & 0x3f) << 4, 4, fuzz_take(4));
            break;
        case 3:
            lapic_page_ops.read(&bus, (fuzz_take(1) & 0x3f) << 4, 4);
            break;
        case 4:
            fuzz_access(&lapic_page_ops, &bus, LAPIC_SIZE, op & 0x80);
            break;
        case 5:
            lapic_msr_write(l, 0x800 + (uint32_t)fuzz_take(1) % 0x42, fuzz_take(8));
            break;
        case 6:
            lapic_msr_read(l, 0x800 + (uint32_t)fuzz_take(1) % 0x42, &value);
            break;
        case 7:
            lapic_msr_write(l, MSR_APIC_BASE, l->s.apic_base ^ (uint64_t)(op >> 6) << 10);
            break;
        case 8:
            lapic_msr_write(l, MSR_TSC_DEADLINE, fuzz_time + l->tsc_offset + fuzz_take(4) - 1000);
            break;
        case 9:
        case 10:
            if (lapic_pending(l) >= 0)
                lapic_accept(l, (uint8_t)lapic_pending(l));
            break;
        case 11:
            lapic_set_irr(l, (uint8_t)fuzz_take(1), op & 0x80);
            break;
        case 12:
            lapic_set_lint(l, op >> 5 & 1, op & 0x80);
            break;
        case 13: // what a processor does in the page, and what it would never do
            page[fuzz_take(2) % 1024] = (uint32_t)fuzz_take(4);
            if (op & 0x40)
                lapic_write_exit(l, (uint32_t)fuzz_take(2));
            else if (op & 0x80)
                lapic_eoi_exit(l, (uint8_t)fuzz_take(1));
            else
                CHECK(lapic_status(l) <= 0xffff);
            break;
        case 14:
            fuzz_pass(deadline, expire, l);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&lapic_ops, l);
            else
                lapic_ops.reset(l);
        }
        for (unsigned i = 0; i < CPUS; i++)
            check(&lapic[i]);
    }
    return 0;
}
