// SPDX-License-Identifier: BSD-2-Clause
// The 82540EM's registers, interrupts and PCI function: 8254x SDM chapters 4, 13. The rings are in
// e1000_rx.c and e1000_tx.c, EEPROM and PHY in e1000_eeprom.c.
#include "e1000.h"

#include <stdio.h>
#include <string.h>

enum {
    CTRL = 0x0000,
    CTRL_ALIAS = 0x0004,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    ICR = 0x00c0,
    ITR = 0x00c4,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    STATISTICS = 0x4000,
    MTA = 0x5200,
    RAL = 0x5400,
    VFTA = 0x5600,
};

enum { RAL0, RAH0 };
#define RAH_VALID    0x80000000u
#define RAH_MASK     0x8003ffffu
#define CTRL_START   0x00000a41u /* full duplex, link up, 1000 Mb/s */
#define CTRL_RST     0x04000000u
#define CTRL_PHY_RST 0x80000000u
#define CTRL_MASK    0x401ffb7du
#define STATUS_VALUE 0x00000083u /* full duplex, link up, 1000 Mb/s */
#define ITR_UNIT_HZ  3906250u    /* 256 ns */
#define LENGTH_MASK  0x000fff80u

/* Registers that drivers set up and that change nothing here: power on value. */
static const struct {
    uint16_t offset;
    uint32_t start;
} plain[] = {
    {0x0018, 0x000a0000}, /* CTRL_EXT */
    {0x0028, 0x00c28001}, /* FCAL, FCAH, FCT: flow control */
    {0x002c, 0x00000100}, {0x0030, 0x00008808}, {0x0038, 0x00008100}, /* VET */
    {0x0170, 0},                                                      /* FCTTV */
    {0x0178, 0},                                                      /* TXCW */
    {0x0410, 0x00602008},                                             /* TIPG */
    {0x0458, 0},                                                      /* AIFS */
    {0x0e00, 0x07061302},                                             /* LEDCTL */
    {0x1000, 0x00100030},              /* PBA: 48 KiB to receive, 16 to transmit */
    {0x2160, 0},                       /* FCRTL, FCRTH */
    {0x2168, 0},          {0x2820, 0}, /* RDTR */
    {0x2828, 0},                       /* RXDCTL */
    {0x282c, 0},                       /* RADV */
    {0x2c00, 0},                       /* RSRPD */
    {0x3000, 0},                       /* TXDMAC */
    {0x3820, 0},                       /* TIDV */
    {0x3828, 0},                       /* TXDCTL */
    {0x382c, 0},                       /* TADV */
    {0x3830, 0},                       /* TSPMT */
    {0x5000, 0},                       /* RXCSUM */
    {0x5800, 0},                       /* WUC, WUFC, WUS: no wake-up */
    {0x5808, 0},          {0x5810, 0},          {0x5820, 0}, /* MANC */
    {0x5838, 0},                                             /* IPAV */
};
#define PLAIN (sizeof(plain) / sizeof(plain[0]))
_Static_assert(PLAIN <= E1000_PLAIN, "each has its place in the state");

// Drives the line as causes and mask say, a rise at most every ITR.
static void update(struct e1000 *e)
{
    struct e1000_state *s = &e->s;
    uint8_t level = (s->icr & s->ims) != 0;
    if (level && !s->asserted && s->itr) {
        uint64_t now = clock_now(e->clock);
        uint64_t next = clock_add(e->raised, clock_ticks(e->clock, s->itr, ITR_UNIT_HZ));
        if (now < next) {
            if (next < e->deadline)
                e->deadline = next;
            return;
        }
        e->raised = now;
    }
    if (level != s->asserted) {
        s->asserted = level;
        pci_set_intx(&e->pci, level);
    }
}

void e1000_interrupt(struct e1000 *e, uint32_t causes)
{
    e->s.icr |= causes & E1000_ICR_ALL;
    update(e);
}

void e1000_expire(struct e1000 *e, uint64_t now)
{
    if (now < e->deadline)
        return;
    e->deadline = CLOCK_NEVER;
    e1000_transmit(e);
    e1000_receive(e);
    update(e);
    if (e->deadline <= now)
        e->deadline = clock_add(now, 1);
}

static void link_event(void *nic)
{
    struct e1000 *e = nic;
    e1000_transmit(e);
    e1000_receive(e);
}

static void config_written(void *dev, unsigned offset, unsigned size)
{
    struct e1000 *e = dev;

    (void)offset;
    (void)size;
    if (e->pci.dma_began)
        e->deadline = 0;
}

static void reset(void *dev)
{
    struct e1000 *e = dev;
    struct e1000_state *s = &e->s;
    memset(s, 0, sizeof(*s));
    s->ctrl = CTRL_START;
    for (unsigned i = 0; i < PLAIN; i++)
        s->plain[i] = plain[i].start;
    s->receive_address[RAL0] = e->eeprom[0] | (uint32_t)e->eeprom[1] << 16;
    s->receive_address[RAH0] = e->eeprom[2] | RAH_VALID;
    e1000_phy_reset(e);
    e->deadline = CLOCK_NEVER;
    pci_set_intx(&e->pci, false);
}

static uint32_t *table(struct e1000_state *s, uint32_t offset)
{
    if (offset >= MTA && offset < MTA + sizeof(s->multicast))
        return &s->multicast[(offset - MTA) / 4];
    if (offset >= RAL && offset < RAL + sizeof(s->receive_address))
        return &s->receive_address[(offset - RAL) / 4];
    if (offset >= VFTA && offset < VFTA + sizeof(s->vlan))
        return &s->vlan[(offset - VFTA) / 4];
    for (unsigned i = 0; i < PLAIN; i++)
        if (plain[i].offset == offset)
            return &s->plain[i];
    return NULL;
}

static uint32_t read_cleared(struct e1000_state *s, uint32_t offset)
{
    uint32_t *counter = &s->statistic[(offset - STATISTICS) / 4], value = *counter;
    *counter = 0;
    return value;
}

static uint32_t register_read(struct e1000 *e, uint32_t offset)
{
    struct e1000_state *s = &e->s;
    switch (offset) {
    case CTRL:
    case CTRL_ALIAS:
        return s->ctrl;
    case STATUS:
        return STATUS_VALUE;
    case EECD:
        return e1000_eeprom_read(e);
    case EERD:
        return s->eerd;
    case MDIC:
        return s->mdic;
    case ICR: {
        uint32_t causes = s->icr;
        s->icr = 0;
        update(e);
        return causes;
    }
    case ITR:
        return s->itr;
    case IMS:
        return s->ims;
    case RCTL:
        return s->rctl;
    case TCTL:
        return s->tctl;
    case RDBAL:
        return (uint32_t)s->rx.base;
    case RDBAH:
        return (uint32_t)(s->rx.base >> 32);
    case RDLEN:
        return s->rx.length;
    case RDH:
        return s->rx.head;
    case RDT:
        return s->rx.tail;
    case TDBAL:
        return (uint32_t)s->tx.base;
    case TDBAH:
        return (uint32_t)(s->tx.base >> 32);
    case TDLEN:
        return s->tx.length;
    case TDH:
        return s->tx.head;
    case TDT:
        return s->tx.tail;
    default:
        break;
    }
    if (offset >= STATISTICS && offset < STATISTICS + sizeof(s->statistic))
        return read_cleared(s, offset);
    const uint32_t *reg = table(s, offset);
    return reg ? *reg : 0;
}

static void ctrl_write(struct e1000 *e, uint32_t value)
{
    if (value & CTRL_RST) {
        reset(e);
        return;
    }
    if (value & CTRL_PHY_RST)
        e1000_phy_reset(e);
    e->s.ctrl = value & CTRL_MASK;
}

static void ring_write(struct e1000_ring *ring, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case RDBAL:
        ring->base = (ring->base & ~0xffffffffull) | (value & ~15u);
        break;
    case RDBAH:
        ring->base = (ring->base & 0xffffffff) | (uint64_t)value << 32;
        break;
    case RDLEN:
        ring->length = value & LENGTH_MASK;
        break;
    case RDH:
        ring->head = (uint16_t)value;
        break;
    default:
        ring->tail = (uint16_t)value;
    }
}

static void register_write(struct e1000 *e, uint32_t offset, uint32_t value)
{
    struct e1000_state *s = &e->s;
    switch (offset) {
    case CTRL:
    case CTRL_ALIAS:
        ctrl_write(e, value);
        return;
    case EECD:
        e1000_eeprom_write(e, value);
        return;
    case EERD:
        e1000_eerd_write(e, value);
        return;
    case MDIC:
        e1000_mdic_write(e, value);
        return;
    case ICR: /* ones clear */
        s->icr &= ~value;
        update(e);
        return;
    case ITR:
        s->itr = value & 0xffff;
        return;
    case ICS:
        e1000_interrupt(e, value);
        return;
    case IMS:
        s->ims |= value & E1000_ICR_ALL;
        update(e);
        return;
    case IMC:
        s->ims &= ~value;
        update(e);
        return;
    case RCTL:
        s->rctl = value;
        e1000_receive(e);
        return;
    case TCTL:
        s->tctl = value;
        e1000_transmit(e);
        return;
    case RDBAL:
    case RDBAH:
    case RDLEN:
    case RDH:
        ring_write(&s->rx, offset, value);
        return;
    case RDT:
        ring_write(&s->rx, offset, value);
        e1000_receive(e);
        return;
    case TDBAL:
    case TDBAH:
    case TDLEN:
    case TDH:
        s->packet.done = 0; /* of a descriptor that is no more */
        ring_write(&s->tx, offset - TDBAL + RDBAL, value);
        return;
    case TDT:
        ring_write(&s->tx, RDT, value);
        e1000_transmit(e);
        return;
    default:
        break;
    }
    uint32_t *reg = table(s, offset);
    if (reg)
        *reg = offset >= RAL && offset < VFTA && offset & 4 ? value & RAH_MASK : value;
}

// Registers are 32 bits wide; narrower writes are not defined (SDM 13.1) and ignored.
static uint64_t memory_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return register_read(dev, (uint32_t)offset & ~3u) >> 8 * (offset & 3);
}

static void memory_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    if (size == 4 && !(offset & 3))
        register_write(dev, (uint32_t)offset, (uint32_t)value);
}

// The two ports: SDM 13.2.2. IOADDR takes an offset in BAR 0, IODATA goes there.
static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
    struct e1000 *e = dev;
    if (offset < 4)
        return e->s.io_address >> 8 * offset;
    return memory_read(dev, (uint64_t)e->s.io_address + (offset & 3), size);
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct e1000 *e = dev;
    if (offset == 0 && size == 4)
        e->s.io_address = (uint32_t)value & (E1000_REGISTERS - 4);
    else if (offset == 4)
        memory_write(dev, e->s.io_address, size, value);
}

#define E1000_SNAPSHOT SNAPSHOT_ID('E', 'T', 'H', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    struct e1000 *e = dev;
    size_t n = snapshot_save(buf, size, E1000_SNAPSHOT, &e->s, sizeof(e->s));
    size_t more = n ? pci_save(&e->pci, (uint8_t *)buf + n, size - n) : 0;
    return more ? n + more : 0;
}

// What a guest could not have brought about is refused: the rest of the code relies on it.
static bool acceptable(const struct e1000_state *s)
{
    const struct e1000_packet *p = &s->packet;
    uint32_t limit = NET_FRAME_MAX;
    if (p->segmenting)
        limit = (uint32_t)p->context.header + p->context.mss;
    return p->begun <= 1 && p->bad <= 1 && p->ready <= 1 && p->segmenting <= 1 &&
           s->asserted <= 1 && (s->rx.base & 15) == 0 && (s->tx.base & 15) == 0 &&
           !(s->rx.length & ~LENGTH_MASK) && !(s->tx.length & ~LENGTH_MASK) &&
           !(s->icr & ~E1000_ICR_ALL) && s->itr <= 0xffff &&
           (s->io_address & ~(E1000_REGISTERS - 4u)) == 0 && p->done <= 0xfffff &&
           (p->bad || !p->segmenting || limit <= NET_FRAME_MAX) &&
           (p->bad || !p->segmenting || (p->context.mss && p->context.header >= 14)) &&
           p->size <= NET_FRAME_MAX && (p->bad || p->ready || p->size <= limit);
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct e1000 *e = dev;
    static struct e1000_state s; /* too large for the stack */
    const size_t n = 8 + sizeof(s);
    if (size < n || !snapshot_load(buf, n, E1000_SNAPSHOT, &s, sizeof(s)) || !acceptable(&s) ||
        !pci_restore(&e->pci, (const uint8_t *)buf + n, size - n))
        return false;
    e->s = s;
    e->deadline = 0; /* look at everything once */
    pci_set_intx(&e->pci, s.asserted);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct e1000_state *s = &((struct e1000 *)dev)->s;
    return info_length(snprintf(buf, size,
                                "e1000: rctl %08x rx %u of %u..%u tctl %08x tx %u of %u..%u icr "
                                "%05x ims %05x itr %u%s\n",
                                s->rctl, s->rx.length / 16, s->rx.head, s->rx.tail, s->tctl,
                                s->tx.length / 16, s->tx.head, s->tx.tail, s->icr, s->ims, s->itr,
                                s->packet.ready ? ", waits for the link" : ""),
                       size);
}

const struct device_ops e1000_ops = {
    .name = "e1000",
    .reset = reset,
    .read = memory_read,
    .write = memory_write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};

const struct device_ops e1000_port_ops = {
    .name = "e1000-ports",
    .read = port_read,
    .write = port_write,
    .width = 4,
};

bool e1000_init(struct e1000 *e, struct pci_bus *bus, const struct guest_ram *ram,
                const struct clock *clock, struct net_link *link, const uint8_t mac[6])
{
    memset(e, 0, sizeof(*e));
    e->ram = ram;
    e->clock = clock;
    e->link = link;
    e1000_eeprom_init(e, mac);
    pci_init(&e->pci, "e1000", 0x8086, 0x100e, 0x020000, 2);
    pci_subsystem(&e->pci, 0x8086, 0x001e);
    e->pci.config[PCI_INTERRUPT_PIN] = 1;
    e->pci.dev = e;
    e->pci.config_written = config_written;
    if (!pci_add_bar(&e->pci, 0, PCI_BAR_MEM32, false, E1000_REGISTERS, &e1000_ops, e) ||
        !pci_add_bar(&e->pci, 2, PCI_BAR_IO, false, E1000_PORTS, &e1000_port_ops, e) ||
        !pci_add(bus, &e->pci, PCI_ANY_SLOT, 0))
        return false;
    reset(e);
    link->nic = e;
    link->arrived = link_event;
    link->room = link_event;
    return true;
}
