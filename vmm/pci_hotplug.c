// SPDX-License-Identifier: BSD-2-Clause
// Removal of a device with the guest's consent, the way ACPI describes it: the bus raises a
// general-purpose event; the handler in the DSDT reads the slots that are asked for and tells the
// operating system "eject request" (ACPI 6.4 section 5.6.6, value 3); its driver lets go, and _EJ0
// writes the slot's bit here.
#include "pci.h"

#include "platform.h"

bool pci_detach(struct pci_bus *bus, struct pci_function *f)
{
    unsigned slot = PCI_SLOT_OF(f->devfn);
    if (f->bus != bus || !(bus->removable >> slot & 1))
        return false;
    bus->ejecting |= 1u << slot;
    if (bus->notify != NULL)
        bus->notify(bus->notify_ctx);
    return true;
}

/* Slots whose devices are to go; reading takes the request, so that each is told once. */
static uint64_t slots_read(void *dev, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = dev;
    if (offset != 0 || size != 4)
        return 0;
    uint32_t slots = bus->ejecting;
    bus->ejecting = 0;
    return slots;
}

/* The guest has let go of these slots. HAZARD: it may write any bit at any time: only what may be
 * removed is. */
static void slots_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_bus *bus = dev;
    if (offset != PLATFORM_PCI_EJECT - PLATFORM_PCI_HOTPLUG || size != 4)
        return;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        if (!(value & bus->removable & 1u << slot))
            continue;
        for (unsigned i = 8; i-- > 0;) { /* function 0, which the request names, last */
            struct pci_function *f = bus->function[PCI_DEVFN(slot, i)];
            if (f != NULL)
                pci_remove(bus, f);
        }
    }
}

const struct device_ops pci_hotplug_ops = {
    .name = "pci-hotplug", .read = slots_read, .write = slots_write, .width = 4};
