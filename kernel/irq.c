// SPDX-License-Identifier: BSD-2-Clause
// Interrupt objects.
#include "irq.h"

enum status irq_create(struct pool *pool, uint64_t gsi_flags, cap_t signal, unsigned bit, struct irq **out)
{
    struct irq *irq;
    TRY(object_create(pool, OBJ_IRQ, sizeof(*irq), &irq));
    irq->gsi = gsi_flags & 0xffff;
    irq->flags = gsi_flags & (IRQ_LEVEL | IRQ_LOW);
    irq->signal = signal;
    irq->bit = bit;
    enum status status = arch_irq_bind(irq->gsi, irq->flags, irq);
    if (status != OK)
        object_free(&irq->obj, sizeof(*irq));
    else
        irq->bound = true;
    *out = irq;
    return status;
}

void irq_unbind(struct irq *irq)
{
    if (irq->bound)
        arch_irq_bind(irq->gsi, 0, NULL);
    irq->bound = false;
}

void irq_mask(struct irq *irq, bool mask)
{
    irq->masked = mask;
    arch_irq_mask(irq->gsi, mask);
}

enum status irq_ctl(struct irq *irq, uint64_t op)
{
    switch (op) {
    case IRQ_ACK:
        if (irq->masked && irq->flags & IRQ_LEVEL)
            irq_mask(irq, false);
        return OK;
    case IRQ_MASK:
    case IRQ_UNMASK:
        irq_mask(irq, op == IRQ_MASK);
        return OK;
    default:
        return ERR_ARG;
    }
}
