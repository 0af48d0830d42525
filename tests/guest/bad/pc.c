// SPDX-License-Identifier: BSD-2-Clause
// Not misdeeds: parts of a PC that no Debian kernel has a driver for, or that end the machine.
#include "bad.h"

#define RTC_A 0x0a
#define RTC_B 0x0b
#define RTC_C 0x0c

static uint8_t rtc_get(uint8_t index)
{
    out8(0x70, index);
    return in8(0x71);
}

static void rtc_set(uint8_t index, uint8_t value)
{
    out8(0x70, index);
    out8(0x71, value);
}

// Interrupts of one kind, by line 8: how many came until `wanted` had, and which flags they showed.
static void rtc_count(const char *what, uint8_t enable, uint32_t wanted)
{
    uint32_t flags = 0, count = 0;

    rtc_get(RTC_C);
    interrupts = 0;
    rtc_set(RTC_B, enable | 2);
    while (count < wanted) {
        __asm__ volatile("sti; hlt; cli");
        uint8_t c = rtc_get(RTC_C);
        if (c & 0x80)
            count++;
        flags |= c;
    }
    rtc_set(RTC_B, 2);
    print("rtc %s: %u, flags %x\n", what, interrupts >= count ? count : 0, flags & (enable | 0x80));
}

void do_rtc(void)
{
    static const uint16_t pic[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4},    {0x21, 1},
                                      {0x21, 0xfb}, {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2},
                                      {0xa1, 1},    {0xa1, 0xfe}};

    for (uint32_t i = 0; i < sizeof(pic) / sizeof(pic[0]); i++)
        out8(pic[i][0], (uint8_t)pic[i][1]);
    rtc_set(RTC_A, 0x2a); // 64 Hz
    rtc_count("periodic", 0x40, 32);
    rtc_count("update", 0x10, 2);
    uint8_t seconds = rtc_get(0);
    seconds = (uint8_t)((seconds >> 4) * 10 + (seconds & 15) + 2) % 60;
    rtc_set(1, (uint8_t)(seconds / 10 << 4 | seconds % 10));
    rtc_set(3, 0xff);
    rtc_set(5, 0xff);
    rtc_count("alarm", 0x20, 1);
}

void do_port92(void)
{
    out8(0x92, in8(0x92) | 1);
}

void do_port64(void)
{
    out8(0x64, 0xfe);
}

void do_debug(void)
{
    print("debug ports: %x %x\n", in8(0xe9), in8(0x402));
    for (const char *c = "hello, Bochs\n"; *c; c++)
        out8(0xe9, (uint8_t)*c);
    for (const char *c = "hello, firmware\n"; *c; c++)
        out8(0x402, (uint8_t)*c);
}

void do_exit(void)
{
    out32(0x501, 21);
}

void do_panic(void)
{
    print("events %x\n", in8(0x505));
    out8(0x505, 2);
    out8(0x505, 1);
}

static uint32_t pci_select(uint32_t slot, uint32_t offset)
{
    out32(0xcf8, 0x80000000 | slot << 11 | offset);
    return in32(0xcfc);
}

// The watchdog, as Linux sets it up: fed ten times, then left alone.
void do_watchdog(void)
{
    uint32_t slot = 0;

    while (slot < 32 && pci_select(slot, 0) != 0x25ab8086)
        slot++;
    if (slot == 32) {
        print("no watchdog\n");
        return;
    }
    volatile uint32_t *dog = (volatile uint32_t *)(pci_select(slot, 0x10) & ~15u);
    pci_select(slot, 0x60);
    out16(0xcfc, 3);
    for (uint32_t i = 0; i < 2; i++) {
        dog[3] = 0x80;
        dog[3] = 0x86;
        dog[i] = 1000;
    }
    pci_select(slot, 0x68);
    out8(0xcfc, 2);
    rtc_set(RTC_B, 2);
    for (uint32_t i = 0; i < 4; i++) { // each lets a second pass
        dog[3] = 0x80;
        dog[3] = 0x86;
        dog[3] = 0x100;
        for (uint8_t second = rtc_get(0); rtc_get(0) == second;)
            __asm__ volatile("pause");
    }
    print("watchdog fed\n");
    for (;;)
        __asm__ volatile("pause");
}
