// SPDX-License-Identifier: BSD-2-Clause
// Interrupt objects: a GSI bound to a signal bit. A level line stays masked from delivery until IRQ_ACK.
#pragma once

#include "signal.h"

struct irq {
    struct object obj;
    uint32_t gsi, flags; // IRQ_LEVEL, IRQ_LOW
    cap_t signal;
    uint8_t bit;
    bool masked, bound;
    uint64_t count;
};

enum status irq_create(struct pool *pool, uint64_t gsi_flags, cap_t signal, unsigned bit, struct irq **out);
void irq_unbind(struct irq *irq); // it is delivered no more
enum status irq_ctl(struct irq *irq, uint64_t op);
void irq_mask(struct irq *irq, bool mask);

// It came: the thread that waited for it, see signal.h, or NULL.
ALWAYS_INLINE struct thread *irq_take(struct cpu *cpu, struct irq *irq)
{
    // HAZARD: a level line stays asserted until its driver has run; unmasked it would interrupt for ever.
    if (irq->flags & IRQ_LEVEL)
        irq_mask(irq, true);
    irq->count++;
    return signal_set_ref(cpu, irq->signal, irq->bit);
}
