// SPDX-License-Identifier: BSD-2-Clause
// ACPI fixed hardware (ACPI 6.5, chapter 4.8): PM1 event and control, the power management timer,
// one block of general-purpose events, the SMI command port that hands over to ACPI, power button,
// S5. Layout as the ICH9 has it.
#ifndef VMM_ACPI_PM_H
#define VMM_ACPI_PM_H

#include "clock.h"
#include "device.h"
#include "irq.h"

#include <stdbool.h>
#include <stdint.h>

#define ACPI_PM_PORT  0x600 /* where firmware puts the block */
#define ACPI_PM_SIZE  0x80
#define ACPI_PM_EVT   0x00 /* PM1a_EVT_BLK, 4 bytes */
#define ACPI_PM_CNT   0x04 /* PM1a_CNT_BLK, 2 bytes */
#define ACPI_PM_TMR   0x08 /* PM_TMR_BLK, 4 bytes */
#define ACPI_PM_GPE0  0x20 /* GPE0_BLK, 16 bytes: status, then enable */
#define ACPI_PM_SMI   0x30 /* SMI_EN, 4 bytes */
#define ACPI_PM_HZ    3579545
#define ACPI_SMI_PORT 0xb2 /* SMI_CMD, and a scratch byte behind it */

#define ACPI_SMI_ENABLE  2 /* FADT ACPI_ENABLE */
#define ACPI_SMI_DISABLE 3 /* FADT ACPI_DISABLE */
#define ACPI_SLP_TYP_S5  5 /* what \_S5 is to return */
#define ACPI_SCI_IRQ     9

struct acpi_pm_state {
    uint64_t origin; /* tick at which the timer was 0 */
    uint64_t
        msb_seen; /* how often the timer's top bit had changed when the status was updated last */
    uint16_t pm1_status;
    uint16_t pm1_enable;
    uint16_t pm1_control;
    uint8_t smi_data[2];
    uint8_t gpe_status[8];
    uint8_t gpe_enable[8];
};

struct acpi_pm {
    struct acpi_pm_state s;
    uint64_t deadline;
    bool sci_level;
    bool timer32;   /* 32 bits instead of 24; FADT flag TMR_VAL_EXT must say the same */
    bool starts_on; /* SCI_EN is set at reset: no hand-over, FADT SMI_CMD = 0 */
    const struct clock *clock;
    struct irq_line sci; /* level */
    void (*power_off)(void *ctx);
    void *ctx;
};

/* Device verbs: the register block (with save, restore, info), and the SMI command port. */
extern const struct device_ops acpi_pm_ops;
extern const struct device_ops acpi_smi_ops;

/* Connects and resets, with a 24-bit timer and ACPI mode on from the start. `power_off` (may be
 * NULL) is called when the guest enters S5; the caller stops the VM after the exit has been
 * handled. */
void acpi_pm_init(struct acpi_pm *pm, const struct clock *clock, struct irq_line sci,
                  void (*power_off)(void *ctx), void *ctx);

/* General-purpose event `number` (0..63) happened. */
void acpi_pm_event(struct acpi_pm *pm, unsigned number);

/* The user pressed the power button: the guest may shut down. */
void acpi_pm_power_button(struct acpi_pm *pm);

/* When acpi_pm_expire() must be called: only while the guest wants the timer's carry interrupt. */
static inline uint64_t acpi_pm_deadline(const struct acpi_pm *pm)
{
    return pm->deadline;
}

void acpi_pm_expire(struct acpi_pm *pm, uint64_t now);

#endif
