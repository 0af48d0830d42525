// SPDX-License-Identifier: BSD-2-Clause
// Interrupt lines between devices and whoever takes them. Lines 0..15 are the ISA interrupts as the
// 8259 pair sees them, 16..23 reach only the I/O APIC. A level is "asserted", whatever the
// electrical polarity.
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <stdbool.h>
#include <stddef.h>

struct irq_sink {
    void (*set)(void *ctx, unsigned line, bool level);
    void *ctx;
};

/* One device's wire: which line of which sink. A NULL sink is a wire that leads nowhere. */
struct irq_line {
    const struct irq_sink *sink;
    unsigned line;
};

/* Drives a line of a sink. */
static inline void irq_set(const struct irq_sink *sink, unsigned line, bool level)
{
    if (sink != NULL)
        sink->set(sink->ctx, line, level);
}

/* Drives a device's wire. */
static inline void irq_line_set(const struct irq_line *wire, bool level)
{
    irq_set(wire->sink, wire->line, level);
}

/* One edge, for devices whose output is a short pulse. */
static inline void irq_line_pulse(const struct irq_line *wire)
{
    irq_line_set(wire, true);
    irq_line_set(wire, false);
}

#endif
