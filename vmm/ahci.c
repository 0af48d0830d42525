// SPDX-License-Identifier: BSD-2-Clause
// AHCI 1.3.1: registers, resets, interrupts, snapshots. The commands are in ahci_command.c.
#include "ahci_internal.h"

#include <stdio.h>
#include <string.h>

enum { /* generic host control */
       CAP = 0x00,
       GHC = 0x04,
       IS = 0x08,
       PI = 0x0c,
       VS = 0x10,
       CAP2 = 0x24,
       PORT_BASE = 0x100,
       PORT_STEP = 0x80,
};

enum { /* port registers */
       CLB = 0x00,
       CLBU = 0x04,
       FB = 0x08,
       FBU = 0x0c,
       P_IS = 0x10,
       IE = 0x14,
       CMD = 0x18,
       TFD = 0x20,
       SIG = 0x24,
       SSTS = 0x28,
       SCTL = 0x2c,
       SERR = 0x30,
       SACT = 0x34,
       CI = 0x38,
};

#define GHC_HR 1u
#define GHC_IE 2u
#define GHC_AE (1u << 31)

static unsigned number_of(const struct ahci_port *port)
{
    return (unsigned)(port - port->ahci->port);
}

void ahci_update(struct ahci *ahci)
{
    uint32_t before = ahci->is;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        if (ahci->port[i].s.is & ahci->port[i].s.ie)
            ahci->is |= 1u << i;
    bool level = ahci->is && ahci->ghc & GHC_IE;
    if (pci_msi_enabled(&ahci->pci)) {
        if (level && ahci->is & ~before)
            pci_msi(&ahci->pci);
        level = false;
    }
    pci_set_intx(&ahci->pci, level);
}

static void abandon(struct ahci_port *port)
{
    port->s.ci = port->s.sact = 0;
    port->s.stopped = 0;
    port->paused = false;
    port->dropped = port->busy; // what the backend still does ends for nobody
}

static void reset_link(struct ahci_port *port)
{
    struct ahci_port_state *s = &port->s;
    abandon(port);
    if (!ahci_attached(port)) {
        s->ssts = 0;
        s->tfd = 0x7f;
        s->sig = 0xffffffff;
        return;
    }
    ata_reset(&port->device);
    s->ssts = 0x113 | (uint32_t)(s->sctl & 0x20 ? 0x10 : 0); // active, a device
    ahci_send_signature(port);
    s->serr |= 1u << 26; // DIAG.X: a device was exchanged
    s->is |= IS_PCS;
}

static void write_command(struct ahci_port *port, uint32_t value)
{
    struct ahci_port_state *s = &port->s;
    uint32_t before = s->cmd;

    s->cmd = value & CMD_KEPT;
    if (value & CMD_CLO)
        s->tfd &= ~(uint32_t)(ATA_STATUS_BSY | ATA_STATUS_DRQ);
    if (before & CMD_ST && !(value & CMD_ST)) {
        abandon(port);
        s->current = AHCI_SLOTS - 1;
    }
    if (!(before & CMD_FRE) && value & CMD_FRE && ahci_attached(port) && s->sig != 0xffffffff)
        ahci_send_signature(port); // it had nowhere to go before
    if (!(before & CMD_ST) && value & CMD_ST)
        s->current = AHCI_SLOTS - 1;
    ahci_serve(port, false);
}

static uint32_t port_read(const struct ahci_port *port, unsigned offset)
{
    const struct ahci_port_state *s = &port->s;
    switch (offset) {
    case CLB:
        return (uint32_t)s->list;
    case CLBU:
        return (uint32_t)(s->list >> 32);
    case FB:
        return (uint32_t)s->fis;
    case FBU:
        return (uint32_t)(s->fis >> 32);
    case P_IS:
        return s->is;
    case IE:
        return s->ie;
    case CMD:
        return s->cmd | (s->cmd & CMD_FRE ? CMD_FR : 0) | (s->cmd & CMD_ST ? CMD_CR : 0) |
               (s->cmd & CMD_ST ? s->current % AHCI_SLOTS << 8 : 0);
    case TFD:
        return s->tfd;
    case SIG:
        return s->sig;
    case SSTS:
        return s->ssts;
    case SCTL:
        return s->sctl;
    case SERR:
        return s->serr;
    case SACT:
        return s->sact;
    case CI:
        return s->ci;
    default:
        return 0;
    }
}

static void port_write(struct ahci_port *port, unsigned offset, uint32_t value)
{
    struct ahci_port_state *s = &port->s;
    switch (offset) {
    case CLB:
        s->list = (s->list & ~0xffffffffull) | (value & ~0x3ffu);
        break;
    case CLBU:
        s->list = (s->list & 0xffffffff) | (uint64_t)value << 32;
        break;
    case FB:
        s->fis = (s->fis & ~0xffffffffull) | (value & ~0xffu);
        break;
    case FBU:
        s->fis = (s->fis & 0xffffffff) | (uint64_t)value << 32;
        break;
    case P_IS:
        s->is &= ~value;
        if (value & IS_PCS)
            s->serr &= ~(1u << 26);
        break;
    case IE:
        s->ie = value & IE_ALL;
        break;
    case CMD:
        write_command(port, value);
        break;
    case SCTL:
        if ((s->sctl & 15) == 1 && (value & 15) == 0) { // end of COMRESET
            s->sctl = value & 0xfff;
            reset_link(port);
        } else {
            s->sctl = value & 0xfff;
            if ((value & 15) == 1 || (value & 15) == 4)
                s->ssts = 0;
            if ((value & 15) == 1)
                s->tfd = 0x7f | ATA_STATUS_BSY;
        }
        break;
    case SERR:
        s->serr &= ~value;
        break;
    case SACT:
        if (s->cmd & CMD_ST)
            s->sact |= value;
        break;
    case CI:
        if (s->cmd & CMD_ST) {
            s->ci |= value;
            ahci_serve(port, false);
        }
        break;
    default:
        break;
    }
}

static void reset_host(struct ahci *ahci)
{
    ahci->ghc = GHC_AE;
    ahci->is = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *port = &ahci->port[i];
        uint64_t list = port->s.list, fis = port->s.fis;
        memset(&port->s, 0, sizeof(port->s));
        port->s.current = AHCI_SLOTS - 1;
        port->s.list = list; // AHCI 10.4.3: kept
        port->s.fis = fis;
        port->s.cmd = CMD_SUD | CMD_POD;
        reset_link(port);
        port->s.is = 0;
    }
    ahci_update(ahci);
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    const struct ahci *ahci = dev;
    uint32_t value = 0;

    if (offset >= PORT_BASE) {
        unsigned n = (unsigned)(offset - PORT_BASE) / PORT_STEP;
        if (n < AHCI_PORTS)
            value = port_read(&ahci->port[n], offset % PORT_STEP & ~3u);
    } else {
        switch (offset & ~3ull) {
        case CAP: // S64A, NCQ, command list override, AHCI only, 3 Gb/s, 32 slots, 6 ports
            value =
                1u << 31 | 1u << 30 | 1u << 24 | 1u << 18 | 2u << 20 | 31u << 8 | (AHCI_PORTS - 1);
            break;
        case GHC:
            value = ahci->ghc;
            break;
        case IS:
            value = ahci->is;
            break;
        case PI:
            value = (1u << AHCI_PORTS) - 1;
            break;
        case VS:
            value = 0x00010300;
            break;
        default: // CAP2, coalescing, enclosure: nothing
            break;
        }
    }
    return value >> 8 * (offset & 3) & (size == 4 ? 0xffffffff : (1u << 8 * size) - 1);
}

// AHCI 3: registers are written as aligned double words; anything else is dropped.
static void write(void *dev, uint64_t offset, unsigned size, uint64_t value64)
{
    struct ahci *ahci = dev;
    uint32_t value = (uint32_t)value64;

    if (size != 4 || offset & 3)
        return;
    ahci->work = 0;
    if (offset >= PORT_BASE) {
        unsigned n = (unsigned)(offset - PORT_BASE) / PORT_STEP;
        if (n < AHCI_PORTS)
            port_write(&ahci->port[n], offset % PORT_STEP, value);
    } else if (offset == GHC) {
        if (value & GHC_HR)
            reset_host(ahci);
        else
            ahci->ghc = GHC_AE | (value & GHC_IE);
    } else if (offset == IS) {
        ahci->is &= ~value;
    }
    ahci_update(ahci);
}

static void reset(void *dev)
{
    struct ahci *ahci = dev;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci->port[i].s.list = ahci->port[i].s.fis = 0;
    reset_host(ahci);
}

static void config_written(void *dev, unsigned offset, unsigned size)
{
    struct ahci *ahci = dev;

    (void)offset;
    (void)size;
    if (ahci->pci.dma_began)
        ahci->deadline = 0;
}

void ahci_expire(void *dev, uint64_t now)
{
    struct ahci *ahci = dev;

    (void)now;
    ahci->work = 0;
    ahci->deadline = CLOCK_NEVER;
    if (!pci_may_dma(&ahci->pci))
        return;
    ahci->turn = (ahci->turn + 1) % AHCI_PORTS;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *port = &ahci->port[(ahci->turn + i) % AHCI_PORTS];
        bool paused = port->paused;
        port->paused = false;
        ahci_serve(port, paused);
    }
}

bool ahci_init(struct ahci *ahci, struct pci_bus *bus, const struct guest_ram *ram,
               const struct clock *clock)
{
    memset(ahci, 0, sizeof(*ahci));
    ahci->ram = ram;
    ahci->clock = clock;
    ahci->deadline = CLOCK_NEVER;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci->port[i].ahci = ahci;
    pci_init(&ahci->pci, "ahci", 0x8086, 0x2922, 0x010601, 2);
    ahci->pci.config[PCI_INTERRUPT_PIN] = 1;
    ahci->pci.dev = ahci;
    ahci->pci.config_written = config_written;
    if (!pci_add_bar(&ahci->pci, 5, PCI_BAR_MEM32, false, AHCI_SIZE, &ahci_ops, ahci) ||
        !pci_add_msi(&ahci->pci) || !pci_add(bus, &ahci->pci, PCI_ANY_SLOT, 0))
        return false;
    reset(ahci);
    return true;
}

bool ahci_attach(struct ahci *ahci, struct block_backend *backend, bool cdrom)
{
    if (ahci->ports == AHCI_PORTS)
        return false;
    struct ahci_port *port = &ahci->port[ahci->ports++];
    port->device.backend = backend;
    port->device.cdrom = cdrom;
    snprintf(port->device.serial, sizeof(port->device.serial), "BH%05u", ahci->ports);
    reset_link(port);
    port->s.is = 0;
    return true;
}

struct ahci_snapshot {
    uint32_t ghc, is;
    struct {
        struct ahci_port_state s;
        uint8_t multiple, write_cache, look_ahead, sense, asc, ascq, attention, ejected;
        uint32_t queued_error, attached;
    } port[AHCI_PORTS];
};
#define AHCI_SNAPSHOT SNAPSHOT_ID('A', 'H', 'C', 1)

// A command that the backend has is not part of it: its slot is still set, and it is begun anew.
static size_t save(void *dev, void *buf, size_t size)
{
    const struct ahci *ahci = dev;
    struct ahci_snapshot s;
    memset(&s, 0, sizeof(s));
    s.ghc = ahci->ghc;
    s.is = ahci->is;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        const struct ata_device *d = &ahci->port[i].device;
        s.port[i].s = ahci->port[i].s;
        s.port[i].multiple = d->multiple;
        s.port[i].write_cache = d->write_cache;
        s.port[i].look_ahead = d->look_ahead;
        s.port[i].sense = d->sense;
        s.port[i].asc = d->asc;
        s.port[i].ascq = d->ascq;
        s.port[i].attention = d->attention;
        s.port[i].ejected = d->ejected;
        s.port[i].queued_error = d->queued_error;
        s.port[i].attached = ahci_attached(&ahci->port[i]) ? 1u + d->cdrom : 0;
    }
    return snapshot_save(buf, size, AHCI_SNAPSHOT, &s, sizeof(s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct ahci *ahci = dev;
    struct ahci_snapshot s;
    if (!snapshot_load(buf, size, AHCI_SNAPSHOT, &s, sizeof(s)) ||
        s.ghc & ~(uint32_t)(GHC_AE | GHC_IE) || s.is >> AHCI_PORTS)
        return false;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        const struct ahci_port *port = &ahci->port[i];
        const struct ahci_port_state *p = &s.port[i].s;
        if (s.port[i].attached != (ahci_attached(port) ? 1u + port->device.cdrom : 0) ||
            p->cmd & ~CMD_KEPT || p->list & 0x3ff || p->fis & 0xff || p->current >= AHCI_SLOTS ||
            p->stopped > 1 || s.port[i].multiple > 16 || port->busy)
            return false;
    }
    ahci->ghc = s.ghc;
    ahci->is = s.is;
    ahci->deadline = 0; // whatever waited when it was saved
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *port = &ahci->port[i];
        struct ata_device *d = &port->device;
        port->s = s.port[i].s;
        d->multiple = s.port[i].multiple;
        d->write_cache = s.port[i].write_cache & 1;
        d->look_ahead = s.port[i].look_ahead & 1;
        d->sense = s.port[i].sense;
        d->asc = s.port[i].asc;
        d->ascq = s.port[i].ascq;
        d->attention = s.port[i].attention & 1;
        d->ejected = s.port[i].ejected & 1;
        d->queued_error = s.port[i].queued_error;
        port->paused = false;
    }
    ahci_update(ahci);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct ahci *ahci = dev;
    size_t n =
        info_length(snprintf(buf, size, "ahci: ghc %08x is %02x\n", ahci->ghc, ahci->is), size);
    for (unsigned i = 0; i < ahci->ports; i++) {
        const struct ahci_port *port = &ahci->port[i];
        n += info_length(snprintf(buf + n, size - n,
                                  "  port %u: %s, %llu sectors%s, cmd %08x tfd %04x is %08x ci "
                                  "%08x sact %08x%s\n",
                                  number_of(port), port->device.cdrom ? "CD-ROM" : "disk",
                                  (unsigned long long)port->device.backend->sectors,
                                  port->device.backend->read_only ? ", read-only" : "", port->s.cmd,
                                  port->s.tfd, port->s.is, port->s.ci, port->s.sact,
                                  port->s.stopped ? ", stopped by an error" : ""),
                         size - n);
    }
    return n;
}

const struct device_ops ahci_ops = {
    .name = "ahci",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};
