// SPDX-License-Identifier: BSD-2-Clause
// Host bridge and LPC bridge of a q35 machine. There is no SMM: SMRAM and TSEG registers are
// storage.
#include "q35.h"

#include <stdio.h>
#include <string.h>

#include "platform.h"

#define INTEL      0x8086
#define ID_HOST    0x29c0
#define ID_LPC     0x2918
#define CLASS_HOST 0x060000
#define CLASS_LPC  0x060100
#define REVISION   2

#define ECAM_ENABLE 1u
#define ECAM_LENGTH 6u /* 256, 128, 64 MiB, reserved */
#define ECAM_MASK   0xffc000000ull

#define IO_INDICATOR 1u /* in PMBASE and GPIOBASE: fixed */
#define ACPI_ENABLE  0x80
#define PIRQ_OFF     0x80

struct range { /* bytes of a configuration space that are storage */
    uint8_t from, count, bits;
};

// clang-format off
static const struct range host_storage[] = {
    {0x40, 1, 0x01}, {0x41, 0, 0}, {0x42, 3, 0xff}, /* EPBAR */
    {0x48, 1, 0x01}, {0x4a, 3, 0xff},               /* MCHBAR */
    {0x52, 2, 0xff},                                /* GGC */
    {0x54, 4, 0xff},                                /* DEVEN */
    {0x60, 1, 0x07}, {0x63, 1, 0xfc}, {0x64, 1, 0x0f}, /* PCIEXBAR */
    {0x68, 1, 0x01}, {0x69, 4, 0xff},               /* DMIBAR */
    {0x90, 1, 0x30}, {0x91, 6, 0x33},               /* PAM0 to 6 */
    {0x97, 1, 0x80},                                /* LAC */
    {0x9d, 1, 0x70}, {0x9e, 1, 0x87},               /* SMRAM, ESMRAMC */
    {0xa0, 4, 0xff},                                /* TOM, TOUUD */
    {0xa4, 8, 0xff},                                /* GBSM, BGSM */
    {0xac, 4, 0xff},                                /* TSEGMB */
    {0xb0, 2, 0xff},                                /* TOLUD */
    {0xdc, 4, 0xff},                                /* SKPD */
};
static const struct range lpc_storage[] = {
    {0x40, 1, 0x80}, {0x41, 1, 0xff},               /* PMBASE */
    {0x44, 1, 0x87},                                /* ACPI_CNTL */
    {0x48, 1, 0x80}, {0x49, 1, 0xff}, {0x4c, 1, 0x11}, /* GPIOBASE, GC */
    {0x60, 4, 0x8f}, {0x64, 1, 0xff}, {0x68, 4, 0x8f}, /* PIRQs, SIRQ_CNTL */
    {0x80, 1, 0x77}, {0x81, 1, 0x13}, {0x82, 2, 0x3f}, /* LPC_I/O_DEC, LPC_EN */
    {0x84, 16, 0xff},                               /* GEN1_DEC to GEN4_DEC */
    {0xa0, 2, 0xff}, {0xa2, 1, 0xff}, {0xa4, 1, 0xff}, {0xa6, 1, 0xff}, {0xa9, 3, 0xff}, /* GEN_PMCON */
    {0xb8, 4, 0xff},                                /* GPI_ROUT */
    {0xd0, 6, 0xff}, {0xd8, 2, 0xff},               /* FWH_SEL, FWH_DEC_EN */
    {0xdc, 1, 0x3f},                                /* BIOS_CNTL */
    {0xf0, 1, 0x01}, {0xf1, 1, 0xc0}, {0xf2, 2, 0xff}, /* RCBA */
};
// clang-format on

static void storage(struct pci_function *f, const struct range *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memset(f->writable + list[i].from, list[i].bits, list[i].count);
}

static void set_ecam(struct q35 *q)
{
    static const uint64_t size[4] = {256u << 20, 128u << 20, 64u << 20, 0};
    uint64_t value;
    memcpy(&value, q->host.config + Q35_PCIEXBAR, 8);
    uint64_t length = size[(value & ECAM_LENGTH) >> 1];
    bool on = value & ECAM_ENABLE && length != 0;
    pci_set_ecam(q->bus, on ? value & ECAM_MASK & ~(length - 1) : PCI_UNMAPPED, length);
}

static void set_pm(struct q35 *q)
{
    const uint8_t *config = q->lpc.config;
    uint64_t port = (config[Q35_PMBASE] & 0x80u) | (unsigned)config[Q35_PMBASE + 1] << 8;
    if (!(config[Q35_ACPI_CNTL] & ACPI_ENABLE) || port == 0)
        port = PCI_UNMAPPED;
    if (port == q->pm_port)
        return;
    if (q->pm_port != PCI_UNMAPPED)
        bus_remove(q->bus->ports, q->pm_port);
    q->pm_port = PCI_UNMAPPED;
    if (port != PCI_UNMAPPED && bus_add(q->bus->ports, port, ACPI_PM_SIZE, &acpi_pm_ops, q->pm))
        q->pm_port = port;
}

static void set_pirqs(struct q35 *q)
{
    for (unsigned i = 0; i < 4; i++) {
        pci_route_pirq(q->bus, i, q->lpc.config[Q35_PIRQA + i]);
        pci_route_pirq(q->bus, 4 + i, q->lpc.config[Q35_PIRQE + i]);
    }
}

static void host_written(void *dev, unsigned offset, unsigned size)
{
    if (offset < Q35_PCIEXBAR + 8 && offset + size > Q35_PCIEXBAR)
        set_ecam(dev);
}

static void lpc_written(void *dev, unsigned offset, unsigned size)
{
    (void)size;
    if (offset >= Q35_PMBASE && offset < Q35_PIRQE + 4) {
        set_pm(dev);
        set_pirqs(dev);
    }
}

static void host_reset(void *dev)
{
    set_ecam(dev);
}

static void lpc_reset(void *dev)
{
    struct q35 *q = dev;
    uint8_t *config = q->lpc.config;
    memset(config + Q35_PIRQA, PIRQ_OFF, 4);
    memset(config + Q35_PIRQE, PIRQ_OFF, 4);
    config[0x64] = 0x10; /* SIRQ_CNTL */
    config[0xd0] = 0x33; /* FWH_SEL1, FWH_SEL2, FWH_DEC_EN1: their defaults */
    config[0xd1] = 0x22;
    config[0xd2] = 0x11;
    config[0xd4] = 0x67;
    config[0xd5] = 0x45;
    config[0xd8] = 0xcf;
    config[0xd9] = 0xff;
    set_pm(q);
    set_pirqs(q);
}

bool q35_init(struct q35 *q, struct pci_bus *bus, struct acpi_pm *pm)
{
    memset(q, 0, sizeof(*q));
    q->bus = bus;
    q->pm = pm;
    q->pm_port = PCI_UNMAPPED;

    pci_init(&q->host, "host-bridge", INTEL, ID_HOST, CLASS_HOST, REVISION);
    q->host.config[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER; /* fixed */
    q->host.writable[PCI_COMMAND] = 0;
    storage(&q->host, host_storage, sizeof(host_storage) / sizeof(*host_storage));
    q->host.config_written = host_written;
    q->host.reset = host_reset;
    q->host.dev = q;

    pci_init(&q->lpc, "lpc", INTEL, ID_LPC, CLASS_LPC, REVISION);
    q->lpc.config[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    q->lpc.writable[PCI_COMMAND] = 0;
    q->lpc.config[PCI_STATUS + 1] = PCI_STATUS_DEVSEL_MEDIUM >> 8;
    q->lpc.config[PCI_HEADER_TYPE] = 0x80; /* the slot has room for more functions */
    q->lpc.config[Q35_PMBASE] = IO_INDICATOR;
    q->lpc.config[0x48] = IO_INDICATOR;
    storage(&q->lpc, lpc_storage, sizeof(lpc_storage) / sizeof(*lpc_storage));
    q->lpc.config_written = lpc_written;
    q->lpc.reset = lpc_reset;
    q->lpc.dev = q;
    lpc_reset(q);
    return pci_add(bus, &q->host, 0, 0) && pci_add(bus, &q->lpc, Q35_LPC_SLOT, 0);
}

void q35_firmware_state(struct q35 *q)
{
    static const uint8_t lines[4] = {10, 10, 11, 11};
    struct pci_bus *bus = q->bus;
    pci_config_write(bus, q->host.devfn, Q35_PCIEXBAR + 4, 4, PLATFORM_ECAM >> 32);
    pci_config_write(bus, q->host.devfn, Q35_PCIEXBAR, 4, (uint32_t)PLATFORM_ECAM | ECAM_ENABLE);
    pci_config_write(bus, q->lpc.devfn, Q35_PMBASE, 4, PLATFORM_PM1_EVENT);
    pci_config_write(bus, q->lpc.devfn, Q35_ACPI_CNTL, 1, ACPI_ENABLE);
    for (unsigned i = 0; i < 4; i++) {
        pci_config_write(bus, q->lpc.devfn, Q35_PIRQA + i, 1, lines[i]);
        pci_config_write(bus, q->lpc.devfn, Q35_PIRQE + i, 1, lines[i]);
    }
}

static void reset(void *dev)
{
    struct q35 *q = dev;
    pci_bus_reset(q->bus);
}

/* The bus' address register, then both functions, each behind its length. */
static size_t save(void *dev, void *buf, size_t size)
{
    struct q35 *q = dev;
    struct pci_function *list[] = {&q->host, &q->lpc};
    uint8_t *out = buf;
    if (size < 4)
        return 0;
    memcpy(out, &q->bus->address, 4);
    size_t used = 4;
    for (unsigned i = 0; i < 2; i++) {
        if (size - used < 4)
            return 0;
        uint32_t length = (uint32_t)pci_save(list[i], out + used + 4, size - used - 4);
        if (length == 0)
            return 0;
        memcpy(out + used, &length, 4);
        used += 4 + length;
    }
    return used;
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct q35 *q = dev;
    struct pci_function *list[] = {&q->host, &q->lpc};
    const uint8_t *in = buf;
    size_t used = 4;
    uint32_t address;
    if (size < 4)
        return false;
    memcpy(&address, in, 4);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t length;
        if (size - used < 4)
            return false;
        memcpy(&length, in + used, 4);
        used += 4;
        if (length > size - used || !pci_restore(list[i], in + used, length))
            return false;
        used += length;
    }
    if (used != size || address & ~0x80fffffcu)
        return false;
    q->bus->address = address;
    set_ecam(q);
    set_pm(q);
    set_pirqs(q);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct q35 *q = dev;
    size_t n = info_length(snprintf(buf, size, "pci: address %08x pirq", q->bus->address), size);
    for (unsigned i = 0; i < 8; i++)
        n += info_length(snprintf(buf + n, size - n, " %02x", q->bus->pirq[i]), size - n);
    n += info_length(snprintf(buf + n, size - n, " ecam %llx pm %llx\n",
                              (unsigned long long)q->bus->ecam, (unsigned long long)q->pm_port),
                     size - n);
    return n + pci_info(q->bus, buf + n, size - n);
}

const struct device_ops q35_ops = {
    .name = "pci", .reset = reset, .save = save, .restore = restore, .info = info};
