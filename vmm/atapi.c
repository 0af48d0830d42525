// SPDX-License-Identifier: BSD-2-Clause
// The CD-ROM's packet commands: MMC-6 and SPC-3, as far as an operating system reads data discs.
// One data track; no audio, no writing, no changer.
#include "ata.h"

#include <string.h>

#define CD_SECTOR  2048u
#define PER_SECTOR (CD_SECTOR / BLOCK_SECTOR)

#define REASON_COMMAND 1 /* C/D */
#define REASON_IN      2 /* I/O */

enum { /* sense keys */
       NO_SENSE = 0,
       NOT_READY = 2,
       MEDIUM_ERROR = 3,
       ILLEGAL_REQUEST = 5,
       UNIT_ATTENTION = 6,
};

enum { /* operation codes */
       TEST_UNIT_READY = 0x00,
       REQUEST_SENSE = 0x03,
       INQUIRY = 0x12,
       MODE_SENSE_6 = 0x1a,
       START_STOP = 0x1b,
       PREVENT_REMOVAL = 0x1e,
       READ_CAPACITY = 0x25,
       READ_10 = 0x28,
       SEEK_10 = 0x2b,
       READ_SUBCHANNEL = 0x42,
       READ_TOC = 0x43,
       GET_CONFIGURATION = 0x46,
       GET_EVENT_STATUS = 0x4a,
       READ_DISC_INFORMATION = 0x51,
       MODE_SENSE_10 = 0x5a,
       READ_12 = 0xa8,
       SET_SPEED = 0xbb,
       MECHANISM_STATUS = 0xbd,
       READ_CD = 0xbe,
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

static void good(struct ata_task *task)
{
    ata_end(task, 0);
    task->reason = REASON_COMMAND | REASON_IN;
}

static void fail(struct ata_device *d, struct ata_task *task, uint8_t key, uint8_t asc,
                 uint8_t ascq)
{
    d->sense = key;
    d->asc = asc;
    d->ascq = ascq;
    ata_end(task, (uint8_t)(key << 4 | (key == ILLEGAL_REQUEST ? ATA_ERROR_ABORT : 0)));
    task->status = ATA_STATUS_DRDY | ATA_STATUS_ERR; // ERR is CHECK here
    task->reason = REASON_COMMAND | REASON_IN;
}

static void illegal(struct ata_device *d, struct ata_task *task, bool field)
{
    fail(d, task, ILLEGAL_REQUEST, field ? 0x24 : 0x20, 0);
}

static void answer(struct ata_task *task, unsigned length, unsigned allocated)
{
    task->action = ATA_ANSWER;
    task->length = length < allocated ? length : allocated;
    task->status = ATA_STATUS_DRDY;
    task->error = 0;
    task->reason = REASON_COMMAND | REASON_IN;
}

static uint32_t cd_sectors(const struct ata_device *d)
{
    uint64_t n = d->backend->sectors / PER_SECTOR;
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void identify(const struct ata_device *d, struct ata_task *task)
{
    uint8_t *id = task->data;
    static const struct {
        uint8_t index;
        uint16_t value;
    } words[] = {
        {0, 0x85c0},  /* ATAPI CD-ROM, removable, 12-byte packets */
        {49, 0x0f00}, /* LBA, DMA, IORDY */
        {50, 0x4000}, {53, 7},      {63, 0x0007}, {64, 0x0003}, {65, 120},    {66, 120},
        {67, 120},    {68, 120},    {76, 0x0006}, {80, 0x01f0}, {82, 0x4210}, /* NOP, RESET, PACKET
                                                                               */
        {83, 0x4000}, {84, 0x4000}, {85, 0x4210}, {87, 0x4000}, {88, 0x203f}, {222, 0x107e},
    };
    memset(id, 0, BLOCK_SECTOR);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        id[2 * words[i].index] = (uint8_t)words[i].value;
        id[2 * words[i].index + 1] = (uint8_t)(words[i].value >> 8);
    }
    ata_text(id + 20, d->serial, 20);
    ata_text(id + 46, "1", 8);
    ata_text(id + 54, "Bulkhead CD-ROM", 40);
    answer(task, BLOCK_SECTOR, BLOCK_SECTOR);
    task->pio = true;
    task->status = ATA_STATUS_DRDY | ATA_STATUS_SEEK;
    task->reason = 0;
}

static void inquiry(struct ata_device *d, struct ata_task *task)
{
    uint8_t *out = task->data;
    if (task->packet[1] & 1) { // vital product data: only the list of pages
        if (task->packet[2] != 0) {
            illegal(d, task, true);
            return;
        }
        memset(out, 0, 5);
        out[0] = 5;
        out[3] = 1;
        answer(task, 5, be16(task->packet + 3));
        return;
    }
    memset(out, 0, 36);
    out[0] = 5;    // CD-ROM
    out[1] = 0x80; // removable
    out[2] = 5;    // SPC-3
    out[3] = 2;
    out[4] = 31;
    memcpy(out + 8, "BULKHEADCD-ROM          1   ", 28);
    answer(task, 36, be16(task->packet + 3));
}

static void request_sense(struct ata_device *d, struct ata_task *task)
{
    uint8_t *out = task->data;
    memset(out, 0, 18);
    out[0] = 0x70;
    out[2] = d->sense;
    out[7] = 10;
    out[12] = d->asc;
    out[13] = d->ascq;
    d->sense = d->asc = d->ascq = 0;
    answer(task, 18, task->packet[4]);
}

// A hundredth of a second is a frame, 75 a second; the disc begins at 2 s.
static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
    if (!msf) {
        put32(p, lba);
        return;
    }
    lba += 150;
    p[0] = 0;
    p[1] = (uint8_t)(lba / 75 / 60);
    p[2] = (uint8_t)(lba / 75 % 60);
    p[3] = (uint8_t)(lba % 75);
}

static void read_toc(struct ata_device *d, struct ata_task *task)
{
    uint8_t *out = task->data;
    bool msf = task->packet[1] & 2;
    unsigned format = task->packet[2] & 15 ? task->packet[2] & 15 : task->packet[9] >> 6, n = 4;

    memset(out, 0, 64);
    out[2] = out[3] = 1;
    if (format == 0) {
        for (unsigned track = 1; track <= 2; track++) {
            unsigned number = track == 1 ? 1 : 0xaa; // lead-out
            if (task->packet[6] > number)
                continue;
            out[n + 1] = 0x14; // data
            out[n + 2] = (uint8_t)number;
            put_address(out + n + 4, track == 1 ? 0 : cd_sectors(d), msf);
            n += 8;
        }
    } else if (format == 1) { // one session
        out[n + 1] = 0x14;
        out[n + 2] = 1;
        put_address(out + n + 4, 0, msf);
        n += 8;
    } else {
        illegal(d, task, true);
        return;
    }
    put16(out, n - 2);
    answer(task, n, be16(task->packet + 7));
}

// Features of MMC-6 chapter 5: profile list, core, removable medium, CD read.
static void get_configuration(struct ata_task *task)
{
    uint8_t *out = task->data;
    static const uint8_t features[] = {
        0x00, 0x00, 0x03, 0x04, 0x00, 0x08, 0x01, 0x00, /* profile: CD-ROM, current */
        0x00, 0x01, 0x03, 0x04, 0x00, 0x00, 0x00, 0x07, /* core: ATAPI physical */
        0x00, 0x03, 0x03, 0x04, 0x29, 0x00, 0x00, 0x00, /* tray, eject, lock */
        0x00, 0x1e, 0x01, 0x00,                         /* CD read */
    };
    memset(out, 0, 8);
    out[7] = 0x08;
    memcpy(out + 8, features, sizeof(features));
    put32(out, 4 + (uint32_t)sizeof(features));
    answer(task, 8 + sizeof(features), be16(task->packet + 7));
}

static void get_event_status(struct ata_device *d, struct ata_task *task)
{
    uint8_t *out = task->data;
    if (!(task->packet[1] & 1)) { // asynchronous events: not here
        illegal(d, task, true);
        return;
    }
    memset(out, 0, 8);
    out[3] = 0x10; // classes: media
    if (!(task->packet[4] & 0x10)) {
        put16(out, 2);
        out[2] = 0x80;
        answer(task, 4, be16(task->packet + 7));
        return;
    }
    put16(out, 6);
    out[2] = 4;
    out[5] = d->ejected ? 1 : 2;
    answer(task, 8, be16(task->packet + 7));
}

// Only the page of capabilities, 2Ah, and an empty one of error recovery, 01h.
static void mode_sense(struct ata_device *d, struct ata_task *task, bool ten)
{
    uint8_t *out = task->data, page = task->packet[2] & 0x3f;
    unsigned header = ten ? 8 : 4, n = header;

    memset(out, 0, 64);
    if (page != 0x2a && page != 0x01 && page != 0x3f) {
        illegal(d, task, true);
        return;
    }
    if (page != 0x2a) {
        out[n] = 0x01;
        out[n + 1] = 6;
        n += 8;
    }
    if (page != 0x01) {
        out[n] = 0x2a;
        out[n + 1] = 18;
        out[n + 2] = 0x03; // reads CD-R, CD-RW
        out[n + 4] = 0x70; // mode 2, multisession
        out[n + 6] = 0x29; // tray, eject, lock
        put16(out + n + 8, 706);
        put16(out + n + 12, 512);
        put16(out + n + 14, 706);
        n += 20;
    }
    if (ten)
        put16(out, n - 2);
    else
        out[0] = (uint8_t)(n - 1);
    answer(task, n, ten ? be16(task->packet + 7) : task->packet[4]);
}

static void read_sectors(struct ata_device *d, struct ata_task *task, uint32_t lba, uint32_t count)
{
    uint32_t sectors = cd_sectors(d);
    if (lba > sectors || count > sectors - lba || count > 0xffff) { // one command: 128 MiB
        fail(d, task, ILLEGAL_REQUEST, 0x21, 0);
        return;
    }
    if (count == 0) {
        good(task);
        return;
    }
    task->action = ATA_DISK;
    task->op = BLOCK_READ;
    task->sector = (uint64_t)lba * PER_SECTOR;
    task->count = (uint64_t)count * PER_SECTOR;
    task->reason = REASON_COMMAND | REASON_IN;
}

static void start_stop(struct ata_device *d, struct ata_task *task)
{
    if (task->packet[4] & 2) // LOEJ
        d->ejected = !(task->packet[4] & 1);
    good(task);
}

static bool needs_medium(uint8_t op)
{
    return op == TEST_UNIT_READY || op == READ_CAPACITY || op == READ_10 || op == READ_12 ||
           op == READ_TOC || op == READ_CD || op == SEEK_10 || op == READ_DISC_INFORMATION ||
           op == READ_SUBCHANNEL;
}

static void packet(struct ata_device *d, struct ata_task *task)
{
    const uint8_t *p = task->packet;
    uint8_t *out = task->data;

    if (p[0] != REQUEST_SENSE)
        d->sense = d->asc = d->ascq = 0;
    if (d->attention && p[0] != INQUIRY && p[0] != GET_CONFIGURATION && p[0] != GET_EVENT_STATUS) {
        d->attention = false;
        if (p[0] != REQUEST_SENSE) {
            fail(d, task, UNIT_ATTENTION, 0x29, 0);
            return;
        }
        d->sense = UNIT_ATTENTION;
        d->asc = 0x29;
    }
    if (d->ejected && needs_medium(p[0])) {
        fail(d, task, NOT_READY, 0x3a, 0);
        return;
    }
    switch (p[0]) {
    case TEST_UNIT_READY:
    case PREVENT_REMOVAL:
    case SEEK_10:
    case SET_SPEED:
        good(task);
        break;
    case REQUEST_SENSE:
        request_sense(d, task);
        break;
    case INQUIRY:
        inquiry(d, task);
        break;
    case START_STOP:
        start_stop(d, task);
        break;
    case READ_CAPACITY:
        put32(out, cd_sectors(d) ? cd_sectors(d) - 1 : 0);
        put32(out + 4, CD_SECTOR);
        answer(task, 8, 8);
        break;
    case READ_10:
        read_sectors(d, task, be32(p + 2), be16(p + 7));
        break;
    case READ_12:
        read_sectors(d, task, be32(p + 2), be32(p + 6));
        break;
    case READ_CD: // user data of a data sector, and nothing else of it
        if ((p[9] & 0xf8) == 0x10 && (p[1] & 0x1c) != 0x04)
            read_sectors(d, task, be32(p + 2), be32(p + 5) & 0xffffff);
        else
            illegal(d, task, true);
        break;
    case READ_TOC:
        read_toc(d, task);
        break;
    case GET_CONFIGURATION:
        get_configuration(task);
        break;
    case GET_EVENT_STATUS:
        get_event_status(d, task);
        break;
    case READ_DISC_INFORMATION:
        memset(out, 0, 34);
        put16(out, 32);
        out[2] = 0x0e; // finished
        out[3] = out[4] = out[5] = out[6] = 1;
        answer(task, 34, be16(p + 7));
        break;
    case MODE_SENSE_6:
        mode_sense(d, task, false);
        break;
    case MODE_SENSE_10:
        mode_sense(d, task, true);
        break;
    case MECHANISM_STATUS:
        memset(out, 0, 8);
        answer(task, 8, be16(p + 8));
        break;
    default:
        illegal(d, task, false);
    }
}

void atapi_execute(struct ata_device *d, struct ata_task *task)
{
    if (task->command == 0xa1)
        identify(d, task);
    else
        packet(d, task);
}

void atapi_ended(struct ata_device *d, struct ata_task *task, enum block_status status)
{
    if (status == BLOCK_OK)
        good(task);
    else
        fail(d, task, MEDIUM_ERROR, 0x11, 0);
}

// SPC-3 6.9: the first command after a reset is told of it.
void atapi_reset(struct ata_device *d)
{
    d->sense = d->asc = d->ascq = 0;
    d->attention = true;
    d->ejected = false;
}
