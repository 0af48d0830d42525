// SPDX-License-Identifier: BSD-2-Clause
// ACPI power management registers. The block is kept as bytes at fixed offsets, so that any access
// width works; only the timer must be read in one piece.
#include "acpi_pm.h"

#include <stdio.h>
#include <string.h>

#define STS_TIMER     0x0001
#define STS_GLOBAL    0x0020
#define STS_BUTTON    0x0100
#define STS_ALL       0x8731 /* timer, bus master, global, both buttons, RTC, wake */
#define ENABLE_ALL    0x0721
#define CONTROL_SCI   0x0001
#define CONTROL_BITS  0x1c02 /* BM_RLD, SLP_TYP; what is kept besides SCI_EN */
#define CONTROL_SLEEP 0x2000
#define SLP_TYP_SHIFT 10
#define SMI_EN_APMC   0x20 /* tells firmware that its SMI handler is in place: there is no SMM */

static uint32_t timer_value(const struct acpi_pm *pm, uint64_t now)
{
    uint64_t count = clock_units(pm->clock, clock_since(now, pm->s.origin), ACPI_PM_HZ);
    return (uint32_t)count & (pm->timer32 ? 0xffffffff : 0xffffff);
}

static unsigned msb_shift(const struct acpi_pm *pm)
{
    return pm->timer32 ? 31 : 23;
}

/* Sets TMR_STS when the top bit changed since the last look, and computes SCI and deadline. */
static void update(struct acpi_pm *pm, uint64_t now)
{
    struct acpi_pm_state *s = &pm->s;
    uint64_t count = clock_units(pm->clock, clock_since(now, s->origin), ACPI_PM_HZ);
    uint64_t changes = count >> msb_shift(pm);
    if (changes != s->msb_seen) {
        s->msb_seen = changes;
        s->pm1_status |= STS_TIMER;
    }
    pm->deadline = CLOCK_NEVER;
    if (s->pm1_enable & STS_TIMER && !(s->pm1_status & STS_TIMER)) {
        uint64_t next = (changes + 1) << msb_shift(pm);
        pm->deadline = clock_add(s->origin, clock_ticks(pm->clock, next, ACPI_PM_HZ));
    }
    unsigned events = s->pm1_status & s->pm1_enable;
    for (unsigned i = 0; i < sizeof(s->gpe_status); i++)
        events |= s->gpe_status[i] & s->gpe_enable[i];
    bool level = s->pm1_control & CONTROL_SCI && events;
    if (level != pm->sci_level) {
        pm->sci_level = level;
        irq_line_set(&pm->sci, level);
    }
}

void acpi_pm_expire(struct acpi_pm *pm, uint64_t now)
{
    if (now >= pm->deadline)
        update(pm, now);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
    pm->s.pm1_status |= STS_BUTTON;
    update(pm, clock_now(pm->clock));
}

void acpi_pm_event(struct acpi_pm *pm, unsigned number)
{
    pm->s.gpe_status[number / 8 % sizeof(pm->s.gpe_status)] |= (uint8_t)(1u << number % 8);
    update(pm, clock_now(pm->clock));
}

static uint8_t read_byte(const struct acpi_pm *pm, uint64_t offset)
{
    const struct acpi_pm_state *s = &pm->s;
    switch (offset) {
    case ACPI_PM_EVT:
    case ACPI_PM_EVT + 1:
        return (uint8_t)(s->pm1_status >> 8 * (offset & 1));
    case ACPI_PM_EVT + 2:
    case ACPI_PM_EVT + 3:
        return (uint8_t)(s->pm1_enable >> 8 * (offset & 1));
    case ACPI_PM_CNT:
    case ACPI_PM_CNT + 1:
        return (uint8_t)(s->pm1_control >> 8 * (offset & 1));
    case ACPI_PM_GPE0 ... ACPI_PM_GPE0 + 7:
        return s->gpe_status[offset - ACPI_PM_GPE0];
    case ACPI_PM_SMI:
        return SMI_EN_APMC;
    case ACPI_PM_GPE0 + 8 ... ACPI_PM_GPE0 + 15:
        return s->gpe_enable[offset - (ACPI_PM_GPE0 + 8)];
    default:
        return 0;
    }
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    struct acpi_pm *pm = dev;
    uint64_t now = clock_now(pm->clock);
    if (offset >= ACPI_PM_TMR && offset < ACPI_PM_TMR + 4)
        return timer_value(pm, now) >> 8 * (offset & 3);
    if (offset < ACPI_PM_EVT + 2)
        update(pm, now);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_byte(pm, offset + i) << 8 * i;
    return value;
}

/* SLP_EN is in the upper byte, together with SLP_TYP. States other than S5 do not exist here. */
static void write_control(struct acpi_pm *pm, unsigned byte, uint8_t value)
{
    struct acpi_pm_state *s = &pm->s;
    uint16_t mask = (uint16_t)(CONTROL_BITS & 0xff << 8 * byte);
    uint16_t bits = (uint16_t)(value << 8 * byte);
    s->pm1_control = (uint16_t)((s->pm1_control & ~mask) | (bits & mask));
    if (bits & CONTROL_SLEEP && (s->pm1_control >> SLP_TYP_SHIFT & 7) == ACPI_SLP_TYP_S5 &&
        pm->power_off != NULL)
        pm->power_off(pm->ctx);
}

static void write_byte(struct acpi_pm *pm, uint64_t offset, uint8_t value)
{
    struct acpi_pm_state *s = &pm->s;
    unsigned shift = 8 * (offset & 1);
    switch (offset) {
    case ACPI_PM_EVT:
    case ACPI_PM_EVT + 1: /* writing ones clears */
        s->pm1_status &= (uint16_t) ~((unsigned)value << shift);
        break;
    case ACPI_PM_EVT + 2:
    case ACPI_PM_EVT + 3:
        s->pm1_enable =
            (uint16_t)(((s->pm1_enable & ~(0xffu << shift)) | (unsigned)value << shift) &
                       ENABLE_ALL);
        break;
    case ACPI_PM_CNT:
    case ACPI_PM_CNT + 1:
        write_control(pm, offset & 1, value);
        break;
    case ACPI_PM_GPE0 ... ACPI_PM_GPE0 + 7: /* writing ones clears */
        s->gpe_status[offset - ACPI_PM_GPE0] &= (uint8_t)~value;
        break;
    case ACPI_PM_GPE0 + 8 ... ACPI_PM_GPE0 + 15:
        s->gpe_enable[offset - (ACPI_PM_GPE0 + 8)] = value;
        break;
    default: /* the timer and SMI_EN are read only */
        break;
    }
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct acpi_pm *pm = dev;
    uint64_t now = clock_now(pm->clock);
    update(pm, now); /* so that a carry before this write is not taken for one after it */
    for (unsigned i = 0; i < size; i++)
        write_byte(pm, offset + i, (uint8_t)(value >> 8 * i));
    update(pm, now);
}

static uint64_t smi_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    const struct acpi_pm *pm = dev;
    return pm->s.smi_data[offset & 1];
}

static void smi_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct acpi_pm *pm = dev;
    pm->s.smi_data[offset & 1] = (uint8_t)value;
    if (offset & 1)
        return;
    if (value == ACPI_SMI_ENABLE)
        pm->s.pm1_control |= CONTROL_SCI;
    else if (value == ACPI_SMI_DISABLE)
        pm->s.pm1_control &= (uint16_t)~CONTROL_SCI;
    update(pm, clock_now(pm->clock));
}

static void reset(void *dev)
{
    struct acpi_pm *pm = dev;
    uint64_t now = clock_now(pm->clock);
    memset(&pm->s, 0, sizeof(pm->s));
    pm->s.origin = now;
    pm->s.pm1_control = pm->starts_on ? CONTROL_SCI : 0;
    update(pm, now);
}

void acpi_pm_init(struct acpi_pm *pm, const struct clock *clock, struct irq_line sci,
                  void (*power_off)(void *ctx), void *ctx)
{
    memset(pm, 0, sizeof(*pm));
    pm->clock = clock;
    pm->sci = sci;
    pm->power_off = power_off;
    pm->ctx = ctx;
    pm->timer32 = false;
    pm->starts_on = true;
    reset(pm);
}

#define ACPI_PM_SNAPSHOT SNAPSHOT_ID('A', 'P', 'M', 2)

static size_t save(void *dev, void *buf, size_t size)
{
    struct acpi_pm *pm = dev;
    uint64_t now = clock_now(pm->clock);
    update(pm, now);
    struct acpi_pm_state s = pm->s;
    s.origin = clock_since(now, s.origin);
    return snapshot_save(buf, size, ACPI_PM_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct acpi_pm *pm = dev;
    struct acpi_pm_state s;
    if (!snapshot_load(buf, size, ACPI_PM_SNAPSHOT, &s, sizeof(s)))
        return false;
    if (s.pm1_status & ~STS_ALL || s.pm1_enable & ~ENABLE_ALL ||
        s.pm1_control & ~(CONTROL_BITS | CONTROL_SCI))
        return false;
    uint64_t now = clock_now(pm->clock);
    s.origin = clock_since(now, s.origin);
    pm->s = s;
    update(pm, now);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct acpi_pm *pm = dev;
    return info_length(snprintf(buf, size,
                                "acpi: status %04x enable %04x control %04x timer %08x sci %d\n",
                                pm->s.pm1_status, pm->s.pm1_enable, pm->s.pm1_control,
                                timer_value(pm, clock_now(pm->clock)), (int)pm->sci_level),
                       size);
}

const struct device_ops acpi_pm_ops = {
    .name = "acpi-pm",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};

const struct device_ops acpi_smi_ops = {
    .name = "acpi-smi",
    .read = smi_read,
    .write = smi_write,
    .width = 1,
};
