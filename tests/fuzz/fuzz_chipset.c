// SPDX-License-Identifier: BSD-2-Clause
// The whole virtual PC as a guest sees it: random port and memory accesses of any size through the
// buses, interrupts taken, time passing, changed snapshots.
// links: vmm/chipset.c vmm/bus.c vmm/device.c vmm/clock.c vmm/pic.c vmm/pit.c vmm/rtc.c
// links: vmm/rtc_time.c vmm/uart.c vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/lapic_virtual.c
// links: vmm/apic_bus.c vmm/ioapic.c vmm/acpi_pm.c vmm/reset.c vmm/pci.c vmm/pci_device.c vmm/pci_assign.c vmm/pci_config.c vmm/pci_msix.c
// links: vmm/pci_state.c vmm/pci_hotplug.c vmm/q35.c
// links: vmm/hpet.c vmm/kind_hpet.c
#include "device_fuzz.h"

#include "device_kind.h"
#include "hpet.h"

extern const struct device_kind device_kind_hpet;

static struct chipset c;

static uint64_t deadline(void *dev)
{
    return chipset_deadline(dev, 0);
}

static void expire(void *dev, uint64_t now)
{
    chipset_expire(dev, 0, now);
}

static size_t save(void *dev, void *buf, size_t size)
{
    return chipset_save(dev, buf, size);
}

static bool restore(void *dev, const void *buf, size_t size)
{
    if (chipset_restore(dev, buf, size))
        return true;
    chipset_reset(dev);
    return false;
}

static size_t info(void *dev, char *buf, size_t size)
{
    return chipset_info(dev, NULL, buf, size);
}

static const struct device_ops whole = {
    .name = "chipset", .save = save, .restore = restore, .info = info};

static void access_port(bool write)
{
    static const uint16_t base[16] = {0x20, 0xa0,  0x4d0, 0x40,  0x61,  0x70,  0x80,  0x64,
                                      0x92, 0xcf8, 0xb2,  0x600, 0x3f8, 0x2f8, 0x604, 0};
    uint8_t which = (uint8_t)fuzz_take(1);
    uint64_t port = which % 16 == 15 ? fuzz_take(2) : base[which % 16] + (which >> 4) - 2u;
    unsigned size = (unsigned)fuzz_take(1) % 10;
    uint64_t value = write ? fuzz_take(size) : 0;
    if (write)
        bus_write(&c.ports, port & 0xffff, size, value);
    else
        bus_read(&c.ports, port & 0xffff, size, &value);
}

static void access_memory(bool write)
{
    uint8_t which = (uint8_t)fuzz_take(1);
    uint64_t address = (which & 1   ? LAPIC_BASE
                        : which & 2 ? HPET_BASE
                                    : IOAPIC_BASE) +
                       (fuzz_take(1) << (which & 2 ? 3 : 4));
    unsigned size = 4;
    if (fuzz_take(1) > 0xf0) { /* mostly as intended, at times anything */
        address += (int8_t)fuzz_take(1);
        size = (unsigned)fuzz_take(1) % 10;
    }
    uint64_t value = write ? fuzz_take(size) : 0;
    if (write)
        bus_write(&c.mmio, address, size, value);
    else
        bus_read(&c.mmio, address, size, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    struct chipset_config config = {.tsc_hz = FUZZ_HZ,
                                    .now = fuzz_now,
                                    .cpus = 2,
                                    .uarts = 2,
                                    .x2apic = true,
                                    .tsc_deadline = true};
    struct acpi_options acpi;
    const struct device_env env = {.chipset = &c, .acpi = &acpi};
    char error[64];
    CHECK(chipset_init(&c, &config));
    CHECK(device_kind_hpet.create(&env, NULL, error, sizeof(error)));
    chipset_firmware_state(&c);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        unsigned cpu = op >> 6 & 1;
        chipset_set_cpu(&c, cpu);
        switch (op % 8) {
        case 0:
        case 1:
            access_port(op & 0x80);
            break;
        case 2:
        case 3:
            access_memory(op & 0x80);
            break;
        case 4: {
            bool pending = chipset_interrupt_pending(&c, cpu);
            int vector = chipset_interrupt_take(&c, cpu);
            CHECK(pending == (vector >= 0));
            break;
        }
        case 5:
        case 6:
            fuzz_pass(deadline, expire, &c);
            break;
        default:
            if (op & 0x20)
                fuzz_snapshot(&whole, &c);
            else if (op & 0x10)
                uart_receive(&c.uart[cpu], (const uint8_t *)"echo", 4);
            else
                chipset_reset(&c);
        }
    }
    return 0;
}
