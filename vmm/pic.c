// SPDX-License-Identifier: BSD-2-Clause
// 8259A pair. Edge requests stay latched in the IRR until acknowledged even if the input falls:
// devices here pulse their lines, and a latched request is never taken for a spurious one. The
// slave's output is wired to the master's input 2 as a level.
#include "pic.h"

#include <stdio.h>
#include <string.h>

#define CASCADE 2

/* Inputs that a PC's ELCR can make level triggered: not 0, 1, 2, 8 and 13. */
static const uint8_t elcr_mask[2] = {0xf8, 0xde};

static uint8_t rotate_right(uint8_t value, unsigned by)
{
    return (uint8_t)(value >> by | value << (8 - by));
}

/* The input that asks for service with a priority above all in service, or -1. */
static int request(const struct pic_chip *chip)
{
    uint8_t pending = chip->irr & (uint8_t)~chip->imr;
    if (pending == 0)
        return -1;
    unsigned highest = (chip->lowest + 1u) & 7;
    unsigned priority = (unsigned)__builtin_ctz(rotate_right(pending, highest));
    int irq = (int)((priority + highest) & 7);
    uint8_t busy = chip->isr;
    if (chip->special_mask)
        busy &= (uint8_t)~chip->imr;
    if (busy != 0) {
        unsigned serving = (unsigned)__builtin_ctz(rotate_right(busy, highest));
        if (serving < priority)
            return -1;
        if (serving == priority && !(chip->special_nested && irq == CASCADE))
            return -1;
    }
    return irq;
}

static void update(struct pic *pic)
{
    struct pic_chip *master = &pic->s.chip[0];
    if (request(&pic->s.chip[1]) >= 0)
        master->irr |= 1u << CASCADE;
    else
        master->irr &= (uint8_t) ~(1u << CASCADE);
    bool intr = request(master) >= 0;
    if (intr == pic->s.intr)
        return;
    pic->s.intr = intr;
    if (pic->intr != NULL)
        pic->intr(pic->ctx, intr);
}

void pic_set(struct pic *pic, unsigned irq, bool level)
{
    if (irq > 15 || irq == CASCADE)
        return;
    struct pic_chip *chip = &pic->s.chip[irq >> 3];
    uint8_t bit = (uint8_t)(1u << (irq & 7));
    bool before = chip->lines & bit;
    if (level == before)
        return;
    chip->lines ^= bit;
    if (chip->elcr & bit)
        chip->irr = level ? chip->irr | bit : chip->irr & (uint8_t)~bit;
    else if (level)
        chip->irr |= bit;
    else
        return;
    update(pic);
}

static void acknowledge(struct pic_chip *chip, int irq)
{
    uint8_t bit = (uint8_t)(1u << irq);
    if (!(chip->elcr & bit))
        chip->irr &= (uint8_t)~bit;
    if (!chip->auto_eoi)
        chip->isr |= bit;
    else if (chip->rotate_auto_eoi)
        chip->lowest = (uint8_t)irq;
}

uint8_t pic_ack(struct pic *pic)
{
    struct pic_chip *chip = &pic->s.chip[0];
    int irq = request(chip);
    if (irq == CASCADE) {
        acknowledge(chip, irq);
        chip = &pic->s.chip[1];
        irq = request(chip);
    }
    if (irq >= 0)
        acknowledge(chip, irq);
    else
        irq = 7; /* spurious: not put in service */
    uint8_t vector = (uint8_t)(chip->base + irq);
    update(pic);
    return vector;
}

static void icw1(struct pic_chip *chip, uint8_t value)
{
    chip->imr = 0;
    chip->isr = 0;
    chip->irr = chip->lines & chip->elcr; /* edge latches are cleared */
    chip->lowest = 7;
    chip->special_mask = false;
    chip->special_nested = false;
    chip->auto_eoi = false;
    chip->rotate_auto_eoi = false;
    chip->poll = false;
    chip->read_isr = false;
    chip->need_icw4 = (value & 1) != 0;
    chip->single = (value & 2) != 0;
    chip->init_step = 2;
}

/* The input in service with the highest priority, or -1. A non-specific EOI in special mask mode
 * passes over masked inputs. */
static int in_service(const struct pic_chip *chip)
{
    uint8_t busy = chip->isr;
    if (chip->special_mask)
        busy &= (uint8_t)~chip->imr;
    if (busy == 0)
        return -1;
    unsigned highest = (chip->lowest + 1u) & 7;
    return (int)(((unsigned)__builtin_ctz(rotate_right(busy, highest)) + highest) & 7);
}

static void ocw2(struct pic_chip *chip, uint8_t value)
{
    int irq = value & 7;
    bool rotate = value & 0x80;
    bool specific = value & 0x40;
    bool eoi = value & 0x20;
    if (eoi) {
        if (!specific)
            irq = in_service(chip);
        if (irq < 0)
            return;
        chip->isr &= (uint8_t) ~(1u << irq);
        if (rotate)
            chip->lowest = (uint8_t)irq;
    } else if (specific) {
        if (rotate)
            chip->lowest = (uint8_t)irq;
    } else {
        chip->rotate_auto_eoi = rotate;
    }
}

static void ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & 0x40)
        chip->special_mask = (value & 0x20) != 0;
    chip->poll = (value & 4) != 0;
    if (value & 2)
        chip->read_isr = value & 1;
}

static void write_data(struct pic_chip *chip, uint8_t value)
{
    switch (chip->init_step) {
    case 2:
        chip->base = value & 0xf8;
        chip->init_step = chip->single ? (chip->need_icw4 ? 4 : 0) : 3;
        break;
    case 3: /* the cascade is wired; the value changes nothing */
        chip->init_step = chip->need_icw4 ? 4 : 0;
        break;
    case 4:
        chip->special_nested = (value & 0x10) != 0;
        chip->auto_eoi = (value & 2) != 0;
        chip->init_step = 0;
        break;
    default:
        chip->imr = value;
    }
}

static void chip_write(struct pic *pic, unsigned index, uint64_t offset, uint64_t value)
{
    struct pic_chip *chip = &pic->s.chip[index];
    if (offset & 1)
        write_data(chip, (uint8_t)value);
    else if (value & 0x10)
        icw1(chip, (uint8_t)value);
    else if (value & 8)
        ocw3(chip, (uint8_t)value);
    else
        ocw2(chip, (uint8_t)value);
    update(pic);
}

static uint64_t poll_read(struct pic *pic, struct pic_chip *chip)
{
    chip->poll = false;
    int irq = request(chip);
    if (irq < 0)
        return 0;
    acknowledge(chip, irq);
    update(pic);
    return 0x80u | (unsigned)irq;
}

static uint64_t chip_read(struct pic *pic, unsigned index, uint64_t offset)
{
    struct pic_chip *chip = &pic->s.chip[index];
    if (chip->poll)
        return poll_read(pic, chip);
    if (offset & 1)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip->irr;
}

static uint64_t master_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(dev, 0, offset);
}

static void master_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    chip_write(dev, 0, offset, value);
}

static uint64_t slave_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(dev, 1, offset);
}

static void slave_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    chip_write(dev, 1, offset, value);
}

static uint64_t elcr_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    const struct pic *pic = dev;
    return pic->s.chip[offset & 1].elcr;
}

static void elcr_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct pic *pic = dev;
    struct pic_chip *chip = &pic->s.chip[offset & 1];
    uint8_t before = chip->elcr;
    chip->elcr = (uint8_t)value & elcr_mask[offset & 1];
    uint8_t now_level = chip->elcr & (uint8_t)~before;
    chip->irr = (chip->irr & (uint8_t)~now_level) | (chip->lines & now_level);
    update(pic);
}

static void reset_outputs(struct pic *pic)
{
    for (unsigned i = 0; i < 2; i++) {
        struct pic_chip *chip = &pic->s.chip[i];
        uint8_t lines = chip->lines; /* what devices drive is not the PIC's to reset */
        memset(chip, 0, sizeof(*chip));
        chip->lines = lines;
        chip->imr = 0xff;
        chip->lowest = 7;
    }
}

static void reset(void *dev)
{
    reset_outputs(dev);
    update(dev);
}

void pic_init(struct pic *pic, void (*intr)(void *ctx, bool level), void *ctx)
{
    memset(pic, 0, sizeof(*pic));
    pic->intr = intr;
    pic->ctx = ctx;
    reset_outputs(pic);
}

#define PIC_SNAPSHOT SNAPSHOT_ID('P', 'I', 'C', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct pic *pic = dev;
    return snapshot_save(buf, size, PIC_SNAPSHOT, &pic->s, sizeof(pic->s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct pic *pic = dev;
    struct pic_state s;
    if (!snapshot_load(buf, size, PIC_SNAPSHOT, &s, sizeof(s)))
        return false;
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *chip = &s.chip[i];
        if (chip->lowest > 7 || chip->init_step > 4 || chip->init_step == 1 || chip->base & 7 ||
            chip->elcr & ~elcr_mask[i])
            return false;
    }
    s.intr = pic->s.intr; /* as the receiver of the output knows it; update() tells it a change */
    pic->s = s;
    update(pic);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct pic *pic = dev;
    size_t n = 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *chip = &pic->s.chip[i];
        n += info_length(
            snprintf(buf + n, size - n,
                     "pic%u: irr %02x isr %02x imr %02x elcr %02x lines %02x base %02x\n", i,
                     chip->irr, chip->isr, chip->imr, chip->elcr, chip->lines, chip->base),
            size - n);
    }
    return n;
}

const struct device_ops pic_ops = {
    .name = "pic",
    .reset = reset,
    .read = master_read,
    .write = master_write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};

const struct device_ops pic_slave_ops = {
    .name = "pic-slave",
    .read = slave_read,
    .write = slave_write,
    .width = 1,
};

const struct device_ops pic_elcr_ops = {
    .name = "pic-elcr",
    .read = elcr_read,
    .write = elcr_write,
    .width = 1,
};
