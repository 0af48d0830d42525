// SPDX-License-Identifier: BSD-2-Clause
// ATA disks and ATAPI CD-ROMs, as commands go in and results come out: what a host controller
// (ahci.c) moves between them and guest memory is not known here. ATA8-ACS, ATA8-ACS TRIM, and for
// CD-ROMs MMC-6 and SPC-3.
#ifndef VMM_ATA_H
#define VMM_ATA_H

#include "block.h"

#define ATA_STATUS_ERR  0x01
#define ATA_STATUS_DRQ  0x08
#define ATA_STATUS_SEEK 0x10 /* DSC, always set by old drives */
#define ATA_STATUS_DF   0x20
#define ATA_STATUS_DRDY 0x40
#define ATA_STATUS_BSY  0x80

#define ATA_ERROR_ABORT 0x04
#define ATA_ERROR_IDNF  0x10 /* no such sector */
#define ATA_ERROR_UNC   0x40 /* the medium cannot be read or written */

#define ATA_BUFFER 4096u /* bytes of the largest answer that is not sectors */

struct ata_device {
    struct block_backend *backend;
    bool cdrom;
    char serial[21]; /* NUL-terminated, as is the model */
    /* State. */
    uint8_t multiple; /* sectors of READ MULTIPLE */
    bool write_cache, look_ahead;
    uint8_t sense, asc, ascq; /* of the CD-ROM */
    bool attention;           /* the next command shall tell that it was reset */
    bool ejected;
    uint32_t queued_error; /* log page 10h: tag | error << 8 | status << 16 | valid << 24 */
};

enum ata_action {
    ATA_DONE,    /* nothing to move: status and error say how it ended */
    ATA_ANSWER,  /* `data` goes to the host, at most what it asked for */
    ATA_RECEIVE, /* `length` bytes of the host are wanted in `data`: then ata_received() */
    ATA_DISK,    /* op, sector, count: for the backend; with READ and WRITE the host's memory */
    ATA_RESET,   /* the device was reset: its signature is to be shown */
};

struct ata_task {
    /* The registers of the command, as a host-to-device FIS has them. */
    uint8_t command, device;
    uint16_t feature, sectors;
    uint64_t lba; /* 48 bits */
    uint8_t packet[16];
    uint64_t room; /* bytes that the host has described: for PACKET */
    /* What becomes of it. */
    enum ata_action action;
    uint8_t status, error;
    uint8_t reason; /* ATAPI interrupt reason, in the sector count register */
    bool queued;    /* NCQ: the tag is in `tag` */
    bool pio;       /* the data belongs to a PIO command: a PIO setup FIS comes first */
    uint8_t tag;
    enum block_op op;
    uint64_t sector, count;
    uint8_t data[ATA_BUFFER];
    unsigned length;
    unsigned range, ranges; /* of a TRIM */
    uint64_t trimmed;       /* sectors of the ranges so far */
};

/* State after power on or COMRESET. backend, cdrom and serial stay. */
void ata_reset(struct ata_device *device);

/* Starts the command in `task`: fills action and what belongs to it. */
void ata_execute(struct ata_device *device, struct ata_task *task);

/* The data of ATA_RECEIVE has come: the next action. */
void ata_received(struct ata_device *device, struct ata_task *task);

/* The backend has ended the operation of ATA_DISK: the next action, ATA_DISK again or ATA_DONE. */
void ata_ended(struct ata_device *device, struct ata_task *task, enum block_status status);

/* What the signature register shows, SATA 3.0 section 11.4. */
static inline uint32_t ata_signature(const struct ata_device *device)
{
    return device->cdrom ? 0xeb140101 : 0x00000101;
}

/* For the parts: ends the task; with an error bit, with status ERR. */
void ata_end(struct ata_task *task, uint8_t error);

/* IDENTIFY's strings: two characters a word, the first in the upper byte, filled with blanks. */
void ata_text(uint8_t *to, const char *text, unsigned size);

/* atapi.c: the packet in task->packet, and the identification of a CD-ROM. */
void atapi_execute(struct ata_device *device, struct ata_task *task);
void atapi_ended(struct ata_device *device, struct ata_task *task, enum block_status status);
void atapi_reset(struct ata_device *device);

#endif
