// SPDX-License-Identifier: BSD-2-Clause
// The 8254 timer of a PC and its neighbour, port 0x61 (channel-2 gate, speaker, OUT2, refresh
// toggle). Follows the Intel 8254 data sheet. Channel 0 drives ISA interrupt 0; a Linux guest
// without another way to learn the TSC's rate measures it against channel 2, so the counters are
// exact against the TSC.
#ifndef VMM_PIT_H
#define VMM_PIT_H

#include "clock.h"
#include "device.h"
#include "irq.h"

#include <stdbool.h>
#include <stdint.h>

#define PIT_PORT   0x40
#define PIT_PORT61 0x61
#define PIT_HZ     1193182

struct pit_channel {
    uint64_t origin;     /* tick of the clock edge that loaded the count */
    uint64_t frozen;     /* ticks counted when the gate stopped it */
    uint32_t count;      /* 1 .. 65536, 10000 in BCD; what the counter was loaded with */
    uint32_t next_count; /* written, taken over at the end of the period or by the gate; 0: none */
    uint16_t latch;
    uint8_t latched; /* bytes of the latch that are still to be read */
    uint8_t status_latch;
    uint8_t status_latched;
    uint8_t mode;       /* 0..5 */
    uint8_t bcd;        /* 0, 1 */
    uint8_t rw;         /* 1: low byte, 2: high byte, 3: low then high */
    uint8_t read_high;  /* the next read gives the high byte */
    uint8_t write_high; /* the next write takes the high byte */
    uint8_t write_low;  /* the low byte that waits for it */
    uint8_t gate;
    uint8_t armed;   /* a count is loaded and, in modes 1 and 5, the gate triggered it */
    uint8_t stopped; /* by the gate */
    uint8_t pad[2];
};

struct pit_state {
    struct pit_channel channel[3];
    uint64_t last_irq; /* tick of the latest interrupt */
    uint8_t speaker;   /* bits 1..3 of port 0x61 as written */
    uint8_t pad[7];
};

struct pit {
    struct pit_state s;
    uint64_t deadline; /* of channel 0, CLOCK_NEVER when none */
    const struct clock *clock;
    struct irq_line irq;
};

/* Device verbs: ports 0x40..0x43 (with save, restore, info), and port 0x61. */
extern const struct device_ops pit_ops;
extern const struct device_ops pit_port61_ops;

/* Connects clock and interrupt line, and resets. No channel counts until it is programmed. */
void pit_init(struct pit *pit, const struct clock *clock, struct irq_line irq);

/* When pit_expire() must be called: absolute ticks, CLOCK_NEVER when no interrupt is to come. */
static inline uint64_t pit_deadline(const struct pit *pit)
{
    return pit->deadline;
}

/* Raises the interrupt that is due at `now`, if any. Missed periods are merged into one. */
void pit_expire(struct pit *pit, uint64_t now);

/* The level of a channel's OUT pin (0..2). */
bool pit_out(struct pit *pit, unsigned channel, uint64_t now);

#endif
