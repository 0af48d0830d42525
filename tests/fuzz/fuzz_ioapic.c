// SPDX-License-Identifier: BSD-2-Clause
// The I/O APIC with two Local APICs under random entries, line changes and EOIs.
// links: vmm/ioapic.c vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c vmm/apic_bus.c
// links: vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "ioapic.h"
#include "lapic.h"

static struct apic_bus bus;
static struct lapic lapic[2];
static struct ioapic ioapic;

static void eoi(void *ctx, uint8_t vector)
{
    (void)ctx;
    ioapic_eoi(&ioapic, vector);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    struct apic_callbacks callbacks = {.eoi = eoi};
    apic_bus_init(&bus, &callbacks);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(lapic_init(&lapic[i], &bus, &fuzz_clock, 0));
        lapic_register_write(&lapic[i], 0xf0, 0x1ff);
        lapic_register_write(&lapic[i], 0xd0, 1u << (24 + i));
    }
    ioapic_init(&ioapic, &bus);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        struct lapic *l = &lapic[op >> 7];
        switch (op % 8) {
        case 0:
        case 1:
            ioapic_ops.write(&ioapic, 0, 4, fuzz_take(1) % 0x44);
            ioapic_ops.write(&ioapic, 0x10, 4, fuzz_take(4));
            break;
        case 2:
            fuzz_access(&ioapic_ops, &ioapic, op & 0x40 ? IOAPIC_SIZE : 0x44, op & 0x80);
            break;
        case 3:
        case 4:
            ioapic_set(&ioapic, (unsigned)fuzz_take(1) % 26, op & 0x80);
            break;
        case 5:
            if (lapic_pending(l) >= 0)
                lapic_accept(l, (uint8_t)lapic_pending(l));
            break;
        case 6:
            lapic_eoi(l);
            ioapic_extint(&ioapic, op >> 3 & 3, op >> 7);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&ioapic_ops, &ioapic);
            else
                ioapic_ops.reset(&ioapic);
        }
        CHECK(ioapic.s.select <= 0xff && ioapic.s.lines >> IOAPIC_PINS == 0);
    }
    return 0;
}
