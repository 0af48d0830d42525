// SPDX-License-Identifier: BSD-2-Clause
// The Intel 82540EM Gigabit Ethernet controller, for systems without virtio drivers: "PCI/PCI-X
// Family of Gigabit Ethernet Controllers Software Developer's Manual" (8254x SDM, 317453). Link
// always up, 1000 Mb/s full duplex. Checksum insertion and TCP segmentation are real; left out:
// VLAN, wake-up, flow control, MSI, flash, writes to the EEPROM, the receive checksum (each
// descriptor says "not checked"), and all delays of interrupts except ITR.
#ifndef VMM_E1000_H
#define VMM_E1000_H

#include "clock.h"
#include "device.h"
#include "guest_memory.h"
#include "net_link.h"
#include "pci.h"

#define E1000_REGISTERS    0x20000 /* bytes of BAR 0 */
#define E1000_PORTS        8       /* of BAR 2: address and data */
#define E1000_EEPROM_WORDS 64
#define E1000_STATISTICS   64
#define E1000_PLAIN        32 /* registers that only keep what was written */
#define E1000_TX_AT_ONCE   256
#define E1000_CUT_AT_ONCE  4096 /* segments: a descriptor of 1 MiB may be cut into single bytes */

/* Interrupt causes: SDM 13.4.17 */
#define E1000_ICR_TXDW   0x0001u
#define E1000_ICR_TXQE   0x0002u
#define E1000_ICR_LSC    0x0004u
#define E1000_ICR_RXDMT0 0x0010u
#define E1000_ICR_RXT0   0x0080u
#define E1000_ICR_MDAC   0x0200u
#define E1000_ICR_ALL    0x1ffffu

/* RCTL: SDM 13.4.22 */
#define E1000_RCTL_EN    0x00000002u
#define E1000_RCTL_UPE   0x00000008u
#define E1000_RCTL_MPE   0x00000010u
#define E1000_RCTL_BAM   0x00008000u
#define E1000_RCTL_BSEX  0x02000000u
#define E1000_RCTL_SECRC 0x04000000u

#define E1000_TCTL_EN  0x2u
#define E1000_TCTL_PSP 0x8u

/* Statistics that are kept, as dwords from 0x4000: SDM 13.7 */
enum e1000_statistic {
    E1000_MPC = 0x10 / 4,
    E1000_PRC64 = 0x5c / 4, /* six sizes */
    E1000_GPRC = 0x74 / 4,
    E1000_BPRC = 0x78 / 4,
    E1000_MPRC = 0x7c / 4,
    E1000_GPTC = 0x80 / 4,
    E1000_GORC = 0x88 / 4, /* 64 bits */
    E1000_GOTC = 0x90 / 4, /* 64 bits */
    E1000_RNBC = 0xa0 / 4,
    E1000_TOR = 0xc0 / 4, /* 64 bits */
    E1000_TOT = 0xc8 / 4, /* 64 bits */
    E1000_TPR = 0xd0 / 4,
    E1000_TPT = 0xd4 / 4,
    E1000_PTC64 = 0xd8 / 4, /* six sizes */
    E1000_MPTC = 0xf0 / 4,
    E1000_BPTC = 0xf4 / 4,
    E1000_TSCTC = 0xf8 / 4,
};

struct e1000_ring {
    uint64_t base;       /* guest-physical, a multiple of 16 */
    uint32_t length;     /* bytes, a multiple of 128 */
    uint16_t head, tail; /* HAZARD: what the guest wrote: may lie behind the end */
};

struct e1000_context { /* what a context descriptor said: SDM 3.3.6 */
    uint8_t ipcss, ipcso, tucss, tucso;
    uint16_t ipcse, tucse;
    uint16_t mss;
    uint8_t header;  /* bytes of the prototype header */
    uint8_t command; /* TUCMD */
};

struct e1000_packet {             /* the packet that is being put together from data descriptors */
    struct e1000_context context; /* of when it began */
    /* Flags, 0 or 1: a snapshot may hold anything, which a bool must not. */
    uint8_t begun; /* a descriptor without end of packet came before */
    uint8_t bad;   /* it is dropped at its end */
    uint8_t ready; /* `frame` is complete and waits for room in the link */
    uint8_t segmenting;
    uint8_t options; /* POPTS of the first descriptor, or legacy checksum: below */
    uint8_t legacy_start, legacy_offset;
    uint32_t done;    /* bytes of the present descriptor that are taken */
    uint32_t segment; /* how many were sent of this packet */
    uint32_t sent;    /* payload bytes of them */
    uint32_t size;    /* bytes in `frame` */
    uint8_t header[256];
    uint8_t frame[NET_FRAME_MAX];
};

struct e1000_state { /* all that a snapshot has */
    uint32_t ctrl, rctl, tctl;
    uint32_t icr, ims, itr;
    uint32_t mdic, eerd, eecd, io_address;
    uint32_t plain[E1000_PLAIN];
    uint32_t receive_address[32]; /* RAL0, RAH0, RAL1... */
    uint32_t multicast[128];
    uint32_t vlan[128]; /* kept, not used */
    uint32_t statistic[E1000_STATISTICS];
    uint16_t phy[32];
    /* The serial EEPROM's side of EECD: clocked bits since chip select, what came in, what goes
     * out. */
    uint16_t serial_bits, serial_in;
    struct e1000_ring rx, tx;
    struct e1000_context context;
    struct e1000_packet packet;
    uint8_t asserted; /* the interrupt line, 0 or 1 */
};

struct e1000 {
    struct e1000_state s;
    uint16_t eeprom[E1000_EEPROM_WORDS];
    struct pci_function pci;
    const struct guest_ram *ram;
    const struct clock *clock;
    struct net_link *link;
    unsigned segments; /* that this e1000_transmit() may still cut off */
    uint64_t raised;   /* tick of the latest interrupt */
    uint64_t deadline; /* the next interrupt may come, or more to transmit */
};

/* Builds the card and puts it on the bus. `link` is the card's from now on. False: the bus is full.
 */
bool e1000_init(struct e1000 *e, struct pci_bus *bus, const struct guest_ram *ram,
                const struct clock *clock, struct net_link *link, const uint8_t mac[6]);

static inline uint64_t e1000_deadline(const struct e1000 *e)
{
    return e->deadline;
}
void e1000_expire(struct e1000 *e, uint64_t now);

/* e1000_ops are the registers in memory and the other verbs, e1000_port_ops the two ports. */
extern const struct device_ops e1000_ops;
extern const struct device_ops e1000_port_ops;

/* ---- Between the files of the device */

/* Sets causes, and drives the line. */
void e1000_interrupt(struct e1000 *e, uint32_t causes);

/* EEPROM and PHY: e1000_eeprom.c */
void e1000_eeprom_init(struct e1000 *e, const uint8_t mac[6]);
void e1000_eeprom_write(struct e1000 *e, uint32_t eecd); /* bits of the serial interface */
uint32_t e1000_eeprom_read(const struct e1000 *e);
void e1000_eerd_write(struct e1000 *e, uint32_t value);
void e1000_phy_reset(struct e1000 *e);
void e1000_mdic_write(struct e1000 *e, uint32_t value);

/* The rings: e1000_rx.c, e1000_tx.c. The first takes frames from the link as long as there are
 * descriptors, the second sends until the ring is empty, the link full, or E1000_TX_AT_ONCE
 * descriptors are done. */
void e1000_receive(struct e1000 *e);
void e1000_transmit(struct e1000 *e);

/* Counts a frame of `size` bytes without FCS in the counters of one direction. */
void e1000_count(struct e1000 *e, const uint8_t *frame, uint32_t size, bool transmit);

/* Adds to a counter that stops at its end. */
void e1000_statistic_add(struct e1000 *e, enum e1000_statistic counter);

/* Descriptors of a ring; 0: it has none, or the guest's indices are behind its end. */
static inline uint32_t e1000_ring_count(const struct e1000_ring *ring)
{
    uint32_t count = ring->length / 16;
    return ring->head < count && ring->tail < count ? count : 0;
}

#endif
