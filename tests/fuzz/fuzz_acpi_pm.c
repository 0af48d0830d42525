// SPDX-License-Identifier: BSD-2-Clause
// The ACPI block and the reset registers under random accesses and time steps.
// links: vmm/acpi_pm.c vmm/reset.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "acpi_pm.h"
#include "reset.h"

static struct acpi_pm pm;
static struct reset reset;
static unsigned events;

static void event(void *ctx)
{
    (void)ctx;
    events++;
}

static uint64_t deadline(void *dev)
{
    return acpi_pm_deadline(dev);
}

static void expire(void *dev, uint64_t now)
{
    acpi_pm_expire(dev, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    acpi_pm_init(&pm, &fuzz_clock, (struct irq_line){&fuzz_sink, 9}, event, NULL);
    reset_init(&reset, event, NULL);
    pm.timer32 = fuzz_take(1) & 1;
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
        case 1:
            fuzz_access(&acpi_pm_ops, &pm, op & 0x40 ? ACPI_PM_SIZE : 8, op & 0x80);
            break;
        case 2:
            fuzz_access(&acpi_smi_ops, &pm, 2, op & 0x80);
            break;
        case 3:
            fuzz_access(&reset_ops, &reset, 4, op & 0x80);
            break;
        case 4:
            fuzz_access(op & 0x40 ? &reset_port92_ops : &reset_port64_ops, &reset, 1, op & 0x80);
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, expire, &pm);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&acpi_pm_ops, &pm), fuzz_snapshot(&reset_ops, &reset);
            else if (op & 0x20)
                acpi_pm_power_button(&pm);
            else
                acpi_pm_ops.reset(&pm), reset_ops.reset(&reset);
        }
    }
    return 0;
}
