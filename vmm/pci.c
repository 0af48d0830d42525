// SPDX-License-Identifier: BSD-2-Clause
// The PCI bus: functions come and go, INTx lines through PIRQ A..H, reset, the monitor's list. PCI
// Local Bus 3.0 section 2.2.6 (INTx), ICH9 data sheet 13.1.14 (PIRQ routing). Slots 0 to 24 rotate
// their pins over PIRQE..H, slots 25 to 31 have PIRQA..D, as on other q35 machines; the DSDT's _PRT
// says the same.
#include "pci.h"

#include <stdio.h>
#include <string.h>

#define FIRST_GSI   16
#define PIRQ_OFF    0x80
#define PIRQ_LINES  0xdef8u /* 3..7, 9..12, 14, 15: what a PIRQ can be routed to */
#define FIXED_SLOTS 25      /* from here on the slots have their own pins */
#define FIRST_CAP   0x40

static unsigned pirq_of(const struct pci_function *f)
{
    unsigned slot = PCI_SLOT_OF(f->devfn), pin = f->config[PCI_INTERRUPT_PIN] - 1u;
    return slot < FIXED_SLOTS ? 4 + (slot + pin) % 4 : pin % 4;
}

/* The 8259 lines of asserted PIRQs; several may share one. */
static void update_isa(struct pci_bus *bus)
{
    uint16_t lines = 0;
    for (unsigned i = 0; i < 8; i++)
        if (bus->pirq_users[i] != 0 && !(bus->pirq[i] & PIRQ_OFF))
            lines |= (uint16_t)(1u << (bus->pirq[i] & 15) & PIRQ_LINES);
    uint16_t changed = lines ^ bus->isa_lines;
    bus->isa_lines = lines;
    for (unsigned line = 0; changed != 0; line++, changed >>= 1)
        if (changed & 1)
            irq_set(bus->irqs, line, lines >> line & 1);
}

uint8_t pci_isa_line(const struct pci_function *f)
{
    uint8_t route = f->bus != NULL ? f->bus->pirq[pirq_of(f)] : PIRQ_OFF;
    return route & PIRQ_OFF ? 0xff : route & 15;
}

void pci_route_pirq(struct pci_bus *bus, unsigned pirq, uint8_t value)
{
    bus->pirq[pirq % 8] = value;
    update_isa(bus);
}

static const char *messages_enabled(const struct pci_function *f)
{
    return f->messages != NULL ? f->messages->enabled(f) : NULL;
}

void pci_update_intx(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;
    if (f->intx)
        f->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else
        f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    bool level = bus != NULL && f->intx && f->config[PCI_INTERRUPT_PIN] != 0 &&
                 !(f->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8) &&
                 messages_enabled(f) == NULL;
    if (level == f->intx_driven || bus == NULL)
        return;
    f->intx_driven = level;
    unsigned pirq = pirq_of(f);
    unsigned before = bus->pirq_users[pirq];
    bus->pirq_users[pirq] = (uint16_t)(level ? before + 1 : before - 1);
    if ((before == 0) == (bus->pirq_users[pirq] == 0))
        return;
    irq_set(bus->irqs, FIRST_GSI + pirq, level);
    update_isa(bus);
}

void pci_init(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device,
              uint32_t class_code, uint8_t revision)
{
    memset(f, 0, sizeof(*f));
    f->name = name;
    f->next_capability = FIRST_CAP;
    memcpy(f->config + PCI_VENDOR_ID, &vendor, 2);
    memcpy(f->config + PCI_DEVICE_ID, &device, 2);
    f->config[PCI_REVISION_ID] = revision;
    for (unsigned i = 0; i < 3; i++)
        f->config[PCI_CLASS_PROG + i] = (uint8_t)(class_code >> 8 * i);
    f->writable[PCI_COMMAND] = PCI_COMMAND_MASTER | PCI_COMMAND_PARITY;
    f->writable[PCI_COMMAND + 1] = (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8;
    f->clear[PCI_STATUS + 1] =
        (PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
         PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY) >>
        8;
    f->writable[PCI_CACHE_LINE_SIZE] = 0xff;
    f->writable[PCI_INTERRUPT_LINE] = 0xff;
    for (unsigned i = 0; i < PCI_BARS; i++)
        f->bar[i].address = PCI_UNMAPPED;
}

static bool slot_free(const struct pci_bus *bus, unsigned slot)
{
    for (unsigned i = 0; i < 8; i++)
        if (bus->function[PCI_DEVFN(slot, i)] != NULL)
            return false;
    return true;
}

bool pci_add(struct pci_bus *bus, struct pci_function *f, unsigned slot, unsigned function)
{
    if (slot == PCI_ANY_SLOT) {
        slot = 1;
        while (slot < PCI_SLOTS - 1 && !slot_free(bus, slot))
            slot++;
        if (slot == PCI_SLOTS - 1)
            return false;
    }
    if (slot >= PCI_SLOTS || function >= 8 || f->bus != NULL ||
        bus->function[PCI_DEVFN(slot, function)] != NULL)
        return false;
    f->devfn = PCI_DEVFN(slot, function);
    f->bus = bus;
    bus->function[f->devfn] = f;
    pci_map_bars(f);
    pci_update_intx(f);
    return true;
}

void pci_remove(struct pci_bus *bus, struct pci_function *f)
{
    if (f->bus != bus || bus->function[f->devfn] != f)
        return;
    bool level = f->intx;
    f->intx = false;
    pci_update_intx(f);
    f->intx = level;
    bus->function[f->devfn] = NULL;
    f->bus = NULL;
    f->config[PCI_COMMAND] = 0; /* the guest may use its memory for something else: no more DMA */
    pci_unmap_bars(bus, f);
    if (f->removed != NULL)
        f->removed(f->dev);
    if ((f->devfn & 7) == 0) /* which a request to let go is about */
        bus->ejecting &= ~(1u << PCI_SLOT_OF(f->devfn));
}

void pci_bus_reset(struct pci_bus *bus)
{
    bus->address = 0;
    bus->ejecting = 0;
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = bus->function[i];
        if (f == NULL)
            continue;
        for (unsigned at = 0; at < PCI_CFG_SPACE_SIZE; at++)
            f->config[at] &= (uint8_t) ~(f->writable[at] | f->clear[at]);
        if (f->messages != NULL)
            f->messages->reset(f);
        if (f->reset != NULL)
            f->reset(f->dev);
        pci_map_bars(f);
        pci_update_intx(f);
    }
}

void pci_assign(struct pci_bus *bus)
{
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        if (bus->function[i] != NULL && bus->function[i]->bars != NULL) {
            bus->function[i]->bars->assign(bus);
            break;
        }
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = bus->function[i];
        if (f == NULL)
            continue;
        if (f->config[PCI_INTERRUPT_PIN] != 0)
            pci_config_write(bus, (uint8_t)i, PCI_INTERRUPT_LINE, 1, pci_isa_line(f));
        pci_config_write(bus, (uint8_t)i, PCI_COMMAND, 1,
                         PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }
}

static size_t bar_info(const struct pci_bar *bar, unsigned index, char *buf, size_t size)
{
    if (bar->kind == PCI_BAR_NONE)
        return 0;
    if (bar->address == PCI_UNMAPPED)
        return info_length(snprintf(buf, size, " bar%u unmapped", index), size);
    return info_length(snprintf(buf, size, " bar%u %s %llx+%llx", index,
                                bar->kind == PCI_BAR_IO ? "io" : "mem",
                                (unsigned long long)bar->address, (unsigned long long)bar->size),
                       size);
}

size_t pci_info(const struct pci_bus *bus, char *buf, size_t size)
{
    size_t n = 0;
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        const struct pci_function *f = bus->function[i];
        if (f == NULL)
            continue;
        const uint8_t *c = f->config;
        const char *interrupts = messages_enabled(f);
        if (interrupts == NULL)
            interrupts = c[PCI_INTERRUPT_PIN] ? "intx" : "-";
        n += info_length(snprintf(buf + n, size - n,
                                  "  %02x.%u %s %02x%02x:%02x%02x command %02x%02x %s%s", i >> 3,
                                  i & 7, f->name, c[1], c[0], c[3], c[2], c[5], c[4], interrupts,
                                  f->intx ? " asserted" : ""),
                         size - n);
        for (unsigned bar = 0; bar < PCI_BARS; bar++)
            n += bar_info(&f->bar[bar], bar, buf + n, size - n);
        n += info_length(snprintf(buf + n, size - n, "\n"), size - n);
    }
    return n;
}
