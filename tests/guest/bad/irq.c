// SPDX-License-Identifier: BSD-2-Clause
// Misdeeds with interrupts.
#include "bad.h"

#define LAPIC  0xfee00000u
#define IOAPIC 0xfec00000u
#define ICR    0x300u

static void apic_write(uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(LAPIC + at) = value;
}

static void pic_init(uint8_t master_mask)
{
    out8(0x20, 0x11);
    out8(0x21, 0x20);
    out8(0x21, 4);
    out8(0x21, 1);
    out8(0xa0, 0x11);
    out8(0xa1, 0x28);
    out8(0xa1, 2);
    out8(0xa1, 1);
    out8(0x21, master_mask);
    out8(0xa1, 0xff);
}

// The 8254 as fast as it goes: about 600,000 interrupts a second are asked for.
void do_storm(void)
{
    pic_init(0xfe);
    out8(0x43, 0x34);
    out8(0x40, 2);
    out8(0x40, 0);
    storming = true;
    __asm__ volatile("sti");
    for (;;)
        ;
}

// Random values in all registers, interrupts off; what sends interrupts is left out.
void do_apic(void)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t at = rnd() % 0x400;
        volatile uint32_t *select = (uint32_t *)IOAPIC, *window = (uint32_t *)(IOAPIC + 0x10);

        if ((at & ~15u) == ICR || (at & ~15u) == 0xe0)
            at = 0xf0;
        switch (rnd() % 6) {
        case 0:
            sum += *(volatile uint32_t *)(LAPIC + (at & ~15u));
            break;
        case 1:
            apic_write(at & ~15u, rnd());
            break;
        case 2:
            *(volatile uint8_t *)(LAPIC + at) = (uint8_t)rnd();
            break;
        case 3:
            *select = rnd() % 80;
            *window = rnd() & ~0x700u; // no NMI, no INIT
            break;
        case 4:
            *select = rnd();
            sum += *window;
            break;
        default:
            *(volatile uint16_t *)(IOAPIC + rnd() % 0xffe) = (uint16_t)(rnd() & ~0x700u);
        }
    }
    print("apic done: 0x%x\n", sum);
}

// Every interprocessor interrupt, INIT to itself among them.
void do_icr(void)
{
    print("icr begins\n");
    apic_write(0xf0, 0x1ff);
    for (uint32_t i = 0; i < 100000; i++) {
        apic_write(0x310, rnd());
        apic_write(ICR, rnd());
    }
    print("icr done\n");
}

// NMIs to itself without end.
void do_nmi(void)
{
    apic_write(0xf0, 0x1ff);
    for (uint32_t i = 0; i < 5000; i++)
        apic_write(ICR, 0x40400); // to itself
    print("nmi done\n");
}
