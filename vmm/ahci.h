// SPDX-License-Identifier: BSD-2-Clause
// An AHCI controller with up to six ports, as in Intel's ICH9 (8086:2922): Serial ATA AHCI 1.3.1.
// 32 command slots, NCQ, 64-bit addresses, MSI. Absent: port multipliers, enclosure management,
// power states, command completion coalescing, hot plug. HAZARD: command lists, tables and PRDs are
// memory that the guest changes at any time: each is copied once.
#ifndef VMM_AHCI_H
#define VMM_AHCI_H

#include "ata.h"
#include "clock.h"
#include "guest_memory.h"
#include "pci.h"

#define AHCI_PORTS    6
#define AHCI_SIZE     0x1000u /* of the registers, BAR 5 */
#define AHCI_SEGMENTS 512u    /* PRD entries of one command at most */
#define AHCI_SLOTS    32u

/* Bytes after which the disks pause, so that one exit of the guest takes milliseconds: 32 commands
 * may move 1 GiB. Then the guest runs for a moment, and gets the interrupts for what is done. */
#define AHCI_AT_ONCE  (2u << 20)
#define AHCI_PAUSE_HZ 20000

struct ahci_port_state {
    uint64_t list, fis; /* PxCLB, PxFB */
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    uint32_t current; /* slot that was served last */
    uint32_t stopped; /* an error stopped it: until the guest clears ST */
};

struct ahci_port {
    struct ahci_port_state s;
    struct ata_device device; /* backend NULL: nothing is attached */
    struct ahci *ahci;
    /* The command under way: one at a time, so that a slow backend needs no more memory. */
    bool busy;    /* the backend has the request */
    bool dropped; /* and its end is of no interest any more */
    bool serving; /* in serve(): a request that ends at once does not recurse */
    bool paused;  /* before its next transfer: ahci_expire() goes on */
    unsigned slot;
    uint32_t header[4]; /* of the command list */
    uint64_t table;
    uint32_t moved; /* bytes */
    struct ata_task task;
    struct block_request request;
    unsigned segments;
    struct block_segment segment[AHCI_SEGMENTS];
};

struct ahci {
    struct pci_function pci;
    const struct guest_ram *ram;
    const struct clock *clock;
    uint32_t ghc, is;
    uint64_t work;     /* bytes that this exit moved */
    uint64_t deadline; /* of ahci_expire() */
    unsigned turn;     /* the port that ahci_expire() begins with */
    unsigned ports;    /* attached: 0 .. ports - 1 */
    struct ahci_port port[AHCI_PORTS];
};

extern const struct device_ops ahci_ops; /* reset, save, restore, info; read and write of BAR 5 */

/* Adds the function to the bus. ATA devices are attached before the guest starts. False: the bus is
 * full. */
bool ahci_init(struct ahci *ahci, struct pci_bus *bus, const struct guest_ram *ram,
               const struct clock *clock);

/* The timer: to be called at ahci->deadline (chipset_add_timer()). */
void ahci_expire(void *dev, uint64_t now);

/* Attaches a disk or CD-ROM to the next port; false when all are taken. `backend` stays the
 * caller's and must outlive the controller. */
bool ahci_attach(struct ahci *ahci, struct block_backend *backend, bool cdrom);

#endif
