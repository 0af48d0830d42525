// SPDX-License-Identifier: BSD-2-Clause
// The two cascaded 8259A interrupt controllers of a PC, with the ELCR that chooses edge or level
// per line. Follows the Intel 8259A data sheet; ports 0x20/0x21, 0xa0/0xa1, 0x4d0/0x4d1.
#ifndef VMM_PIC_H
#define VMM_PIC_H

#include "device.h"

#include <stdbool.h>
#include <stdint.h>

#define PIC_MASTER_PORT 0x20
#define PIC_SLAVE_PORT  0xa0
#define PIC_ELCR_PORT   0x4d0

struct pic_chip {
    uint8_t lines; /* levels at the inputs */
    uint8_t irr;
    uint8_t isr;
    uint8_t imr;
    uint8_t elcr;      /* 1: level triggered */
    uint8_t base;      /* vector of input 0 */
    uint8_t lowest;    /* the input with the lowest priority, 0..7; 7 unless rotated */
    uint8_t init_step; /* the ICW that the data port takes next: 2, 3, 4, or 0 */
    /* Flags; bytes because a snapshot may hold any value. */
    uint8_t need_icw4;
    uint8_t single;
    uint8_t auto_eoi;
    uint8_t rotate_auto_eoi;
    uint8_t special_mask;
    uint8_t special_nested;
    uint8_t poll;     /* the next read is a poll */
    uint8_t read_isr; /* the command port reads ISR, not IRR */
};

struct pic_state {
    struct pic_chip chip[2]; /* master, slave on the master's input 2 */
    uint8_t intr;            /* the master's output */
};

struct pic {
    struct pic_state s;
    void (*intr)(void *ctx, bool level); /* told when the output changes; may be NULL */
    void *ctx;
};

/* Device verbs: the master's ports (with save, restore, info for the pair), the slave's, the ELCR.
 */
extern const struct device_ops pic_ops;
extern const struct device_ops pic_slave_ops;
extern const struct device_ops pic_elcr_ops;

/* Connects the output and resets the pair. After reset all inputs are masked until ICW1. */
void pic_init(struct pic *pic, void (*intr)(void *ctx, bool level), void *ctx);

/* Drives input `irq`, 0..15 (2 is the cascade and ignored, as are numbers above 15). */
void pic_set(struct pic *pic, unsigned irq, bool level);

/* Whether INTR is asserted. */
static inline int pic_pending(const struct pic *pic)
{
    return pic->s.intr;
}

/* The interrupt acknowledge cycle: returns the vector, and puts the input in service. A request
 * that went away meanwhile gives input 7 of its chip, as the data sheet says. */
uint8_t pic_ack(struct pic *pic);

#endif
