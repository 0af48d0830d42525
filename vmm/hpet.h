// SPDX-License-Identifier: BSD-2-Clause
// The high precision event timer: IA-PC HPET specification 1.0a. A 64-bit counter at 16 MHz and
// three timers, each periodic or not, of 64 or 32 bits, edge or level, to I/O APIC pins 14 and 15;
// with legacy replacement timers 0 and 1 take the places of the 8254 and of the RTC, whose lines
// therefore lead through this device. Messages on the front side bus are not offered.
#ifndef VMM_HPET_H
#define VMM_HPET_H

#include "clock.h"
#include "device.h"
#include "irq.h"

#include <stdbool.h>
#include <stdint.h>

#define HPET_BASE      0xfed00000u
#define HPET_SIZE      0x400
#define HPET_TIMERS    3
#define HPET_HZ        16000000
#define HPET_PERIOD_FS 62500000u   /* exactly 1 / HPET_HZ */
#define HPET_ID        0x8086a201u /* 3 timers, 64 bits, legacy replacement, revision 1 */
#define HPET_ROUTES    0xc000u     /* pins that no other device of this machine drives */
#define HPET_LINE_PIT  0
#define HPET_LINE_RTC  8

struct hpet_timer {
    uint64_t comparator;
    uint64_t period; /* of a periodic timer; 0: none was set */
    uint64_t due;    /* counts since `origin` at which it matches next, CLOCK_NEVER: not soon */
    uint64_t last;   /* tick of its latest interrupt */
    uint32_t config; /* the bits that a guest can write */
    uint32_t pad;
};

struct hpet_state {
    uint64_t origin; /* tick at which the counter showed `base`, while it runs */
    uint64_t base;
    struct hpet_timer timer[HPET_TIMERS];
    uint32_t config;
    uint32_t status;
    uint32_t inputs; /* levels of the 8254's and the RTC's lines, by their numbers */
    uint32_t pad;
};

struct hpet {
    struct hpet_state s;
    uint64_t deadline; /* absolute ticks, CLOCK_NEVER when no interrupt is to come */
    uint32_t lines;    /* levels that it drives now */
    const struct clock *clock;
    const struct irq_sink *irqs;
    struct irq_sink legacy; /* the 8254 drives line 0 of it, the RTC line 8 */
};

extern const struct device_ops hpet_ops;

/* Connects and resets. It drives lines 0, 8, 14 and 15 of `irqs`. Must not move afterwards. */
void hpet_init(struct hpet *hpet, const struct clock *clock, const struct irq_sink *irqs);

/* To be called at `deadline`: gives the interrupts that are due at `now`; missed periods of a timer
 * are merged into one. */
void hpet_expire(void *hpet, uint64_t now);

#endif
