// SPDX-License-Identifier: BSD-2-Clause
// ATA commands: ATA8-ACS (T13/1699-D), with NCQ, 48-bit addresses and TRIM. SMART, security,
// power-up in standby and streaming are absent, and their feature bits say so.
#include "ata.h"

#include <string.h>

#define SECTORS_28  (1ull << 28)
#define SECTORS_48  (1ull << 48)
#define TRIM_RANGES (BLOCK_SECTOR / 8)
#define DEVICE_LBA  0x40

enum { /* commands */
       NOP = 0x00,
       DATA_SET_MANAGEMENT = 0x06,
       DEVICE_RESET = 0x08,
       READ_SECTORS = 0x20,
       READ_SECTORS_EXT = 0x24,
       READ_DMA_EXT = 0x25,
       READ_NATIVE_MAX_EXT = 0x27,
       READ_MULTIPLE_EXT = 0x29,
       READ_LOG_EXT = 0x2f,
       WRITE_SECTORS = 0x30,
       WRITE_SECTORS_EXT = 0x34,
       WRITE_DMA_EXT = 0x35,
       WRITE_MULTIPLE_EXT = 0x39,
       WRITE_DMA_FUA_EXT = 0x3d,
       READ_VERIFY = 0x40,
       READ_VERIFY_EXT = 0x42,
       READ_FPDMA_QUEUED = 0x60,
       WRITE_FPDMA_QUEUED = 0x61,
       SEEK = 0x70,
       EXECUTE_DIAGNOSTIC = 0x90,
       INITIALIZE_PARAMETERS = 0x91,
       PACKET = 0xa0,
       IDENTIFY_PACKET = 0xa1,
       READ_MULTIPLE = 0xc4,
       WRITE_MULTIPLE = 0xc5,
       SET_MULTIPLE = 0xc6,
       READ_DMA = 0xc8,
       WRITE_DMA = 0xca,
       STANDBY_IMMEDIATE = 0xe0,
       IDLE_IMMEDIATE = 0xe1,
       STANDBY = 0xe2,
       IDLE = 0xe3,
       CHECK_POWER = 0xe5,
       FLUSH_CACHE = 0xe7,
       FLUSH_CACHE_EXT = 0xea,
       IDENTIFY = 0xec,
       SET_FEATURES = 0xef,
       READ_NATIVE_MAX = 0xf8,
};

void ata_end(struct ata_task *task, uint8_t error)
{
    task->action = ATA_DONE;
    task->error = error;
    task->status = ATA_STATUS_DRDY | ATA_STATUS_SEEK | (error ? ATA_STATUS_ERR : 0);
}

void ata_text(uint8_t *to, const char *text, unsigned size)
{
    size_t length = strlen(text);
    for (unsigned i = 0; i < size; i++)
        to[i ^ 1] = i < length ? (uint8_t)text[i] : ' ';
}

static void word(uint8_t *to, unsigned index, uint64_t value, unsigned words)
{
    for (unsigned i = 0; i < 2 * words; i++)
        to[2 * index + i] = (uint8_t)(value >> 8 * i);
}

// The last word makes the sum of all bytes 0 (word 255: integrity).
static void seal(uint8_t *id)
{
    uint8_t sum = 0xa5;
    id[510] = 0xa5;
    for (unsigned i = 0; i < 510; i++)
        sum = (uint8_t)(sum + id[i]);
    id[511] = (uint8_t)-sum;
}

static void answer(struct ata_task *task, unsigned length)
{
    task->action = ATA_ANSWER;
    task->pio = true;
    task->length = length;
    task->status = ATA_STATUS_DRDY | ATA_STATUS_SEEK;
    task->error = 0;
}

static void identify(const struct ata_device *d, struct ata_task *task)
{
    uint8_t *id = task->data;
    uint64_t sectors = d->backend->sectors < SECTORS_48 ? d->backend->sectors : SECTORS_48 - 1;
    uint64_t sectors28 = sectors < SECTORS_28 ? sectors : SECTORS_28 - 1;
    uint64_t cylinders = sectors / (16 * 63);

    memset(id, 0, BLOCK_SECTOR);
    cylinders = cylinders < 16383 ? cylinders : 16383;
    word(id, 0, 0x0040, 1); // ATA, fixed
    word(id, 1, cylinders, 1);
    word(id, 3, 16, 1); // heads
    word(id, 6, 63, 1); // sectors of a track
    ata_text(id + 20, d->serial, 20);
    ata_text(id + 46, "1", 8);
    ata_text(id + 54, "Bulkhead disk", 40);
    word(id, 47, 0x8010, 1); // READ MULTIPLE: 16 sectors at most
    word(id, 49, 0x0f00, 1); // LBA, DMA, IORDY
    word(id, 50, 0x4000, 1);
    word(id, 53, 7, 1);
    word(id, 54, cylinders, 1);
    word(id, 55, 16, 1);
    word(id, 56, 63, 1);
    word(id, 57, cylinders * 16 * 63, 2);
    word(id, 59, d->multiple ? 0x100 | d->multiple : 0, 1);
    word(id, 60, sectors28, 2);
    word(id, 63, 0x0007, 1); // multiword DMA 0..2
    word(id, 64, 0x0003, 1); // PIO 3, 4
    word(id, 65, 120 | 120u << 16, 2);
    word(id, 67, 120 | 120u << 16, 2);
    word(id, 69, d->backend->read_only ? 0 : 0x4020, 1); // TRIM: deterministic, zeroes
    word(id, 75, 31, 1);                                 // queue depth
    word(id, 76, 0x0106, 1);                             // NCQ, 1.5 and 3 Gb/s
    word(id, 80, 0x01f0, 1);                             // ATA-4 .. ATA8-ACS
    word(id, 82, 0x4060, 1);                             // NOP, look-ahead, write cache
    word(id, 83, 0x7400, 1);                             // FLUSH, FLUSH EXT, 48-bit
    word(id, 84, 0x4060, 1);                             // general purpose log, FUA
    word(id, 85, 0x4000 | (d->write_cache ? 0x20 : 0) | (d->look_ahead ? 0x40 : 0), 1);
    word(id, 86, 0x3400, 1);
    word(id, 87, 0x4060, 1);
    word(id, 88, 0x203f, 1); // Ultra DMA 0..5, 5 chosen
    word(id, 93, 0x400b, 1);
    word(id, 100, sectors, 4);
    word(id, 105, d->backend->read_only ? 0 : 1, 1); // TRIM: blocks of ranges at most
    word(id, 106, 0x4000, 1);                        // 512-byte sectors
    word(id, 169, d->backend->read_only ? 0 : 1, 1); // TRIM
    word(id, 217, 1, 1);                             // not rotating
    word(id, 222, 0x107e, 1);                        // SATA
    seal(id);
    answer(task, BLOCK_SECTOR);
}

// A range of sectors: IDNF outside of the disk.
static void transfer(const struct ata_device *d, struct ata_task *task, enum block_op op,
                     uint64_t lba, uint64_t count, bool pio)
{
    if (d->cdrom) {
        ata_end(task, ATA_ERROR_ABORT);
        return;
    }
    if (lba >= d->backend->sectors || count > d->backend->sectors - lba) {
        ata_end(task, ATA_ERROR_IDNF);
        return;
    }
    if (op == BLOCK_WRITE && d->backend->read_only) {
        ata_end(task, ATA_ERROR_ABORT);
        return;
    }
    task->action = ATA_DISK;
    task->op = op;
    task->sector = lba;
    task->count = count;
    task->pio = pio;
}

static void transfer28(const struct ata_device *d, struct ata_task *task, enum block_op op,
                       bool pio)
{
    uint64_t lba = (task->lba & 0xffffff) | (uint64_t)(task->device & 0x0f) << 24;
    if (!(task->device & DEVICE_LBA)) // cylinders and heads went away with ATA-6
        ata_end(task, ATA_ERROR_ABORT);
    else
        transfer(d, task, op, lba, task->sectors & 0xff ? task->sectors & 0xff : 256, pio);
}

static void transfer48(const struct ata_device *d, struct ata_task *task, enum block_op op,
                       bool pio)
{
    transfer(d, task, op, task->lba, task->sectors ? task->sectors : 65536, pio);
}

static void transfer_queued(const struct ata_device *d, struct ata_task *task, enum block_op op)
{
    task->queued = true;
    task->tag = (task->sectors >> 3) & 31;
    transfer(d, task, op, task->lba, task->feature ? task->feature : 65536, false);
}

static void flush(const struct ata_device *d, struct ata_task *task)
{
    transfer(d, task, BLOCK_FLUSH, 0, 0, false);
}

static void set_features(struct ata_device *d, struct ata_task *task)
{
    uint8_t error = 0;
    switch (task->feature & 0xff) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82:
        d->write_cache = false;
        break;
    case 0xaa:
        d->look_ahead = true;
        break;
    case 0x55:
        d->look_ahead = false;
        break;
    case 0x03: // transfer mode: all are the same
    case 0x66: // defaults across a reset
    case 0xcc:
        break;
    default:
        error = ATA_ERROR_ABORT;
    }
    ata_end(task, error);
}

// Log 0: the directory; log 10h: the queued command that failed (ATA8-ACS A.7).
static void read_log(struct ata_device *d, struct ata_task *task)
{
    uint8_t log = (uint8_t)task->lba;
    if (task->sectors != 1 || (log != 0 && log != 0x10) || d->cdrom) {
        ata_end(task, ATA_ERROR_ABORT);
        return;
    }
    memset(task->data, 0, BLOCK_SECTOR);
    if (log == 0) {
        word(task->data, 0, 1, 1);
        word(task->data, 0x10, 1, 1);
    } else {
        uint8_t sum = 0;
        task->data[0] = d->queued_error >> 24 ? d->queued_error & 31 : 0x80; // NQ: none failed
        task->data[2] = (uint8_t)(d->queued_error >> 16);
        task->data[3] = (uint8_t)(d->queued_error >> 8);
        for (unsigned i = 0; i < BLOCK_SECTOR - 1; i++)
            sum = (uint8_t)(sum + task->data[i]);
        task->data[BLOCK_SECTOR - 1] = (uint8_t)-sum;
        d->queued_error = 0;
    }
    answer(task, BLOCK_SECTOR);
}

static void native_max(const struct ata_device *d, struct ata_task *task, uint64_t limit)
{
    if (d->cdrom) {
        ata_end(task, ATA_ERROR_ABORT);
        return;
    }
    task->lba = (d->backend->sectors < limit ? d->backend->sectors : limit) - 1;
    if (limit == SECTORS_28)
        task->device = (uint8_t)((task->device & 0xf0) | (task->lba >> 24 & 0x0f));
    ata_end(task, 0);
}

static void set_multiple(struct ata_device *d, struct ata_task *task)
{
    unsigned n = task->sectors & 0xff;
    bool good = n <= 16 && (n & (n - 1)) == 0 && !d->cdrom;
    if (good)
        d->multiple = (uint8_t)n;
    ata_end(task, good ? 0 : ATA_ERROR_ABORT);
}

static void trim(const struct ata_device *d, struct ata_task *task)
{
    if (d->cdrom || d->backend->read_only || !(task->feature & 1) || task->sectors != 1) {
        ata_end(task, ATA_ERROR_ABORT);
        return;
    }
    task->action = ATA_RECEIVE;
    task->length = BLOCK_SECTOR;
    task->range = 0;
    task->trimmed = 0;
    task->ranges = TRIM_RANGES;
}

static void next_range(const struct ata_device *d, struct ata_task *task)
{
    while (task->range < task->ranges) {
        uint64_t entry;
        memcpy(&entry, task->data + 8 * (size_t)task->range++, sizeof(entry));
        if (entry >> 48) {
            task->trimmed += entry >> 48;
            if (task->trimmed > d->backend->sectors) { // the same ones over and over: no more work
                ata_end(task, ATA_ERROR_ABORT);
                return;
            }
            transfer(d, task, BLOCK_DISCARD, entry & (SECTORS_48 - 1), entry >> 48, false);
            return;
        }
    }
    ata_end(task, 0);
}

void ata_received(struct ata_device *device, struct ata_task *task)
{
    next_range(device, task);
}

void ata_ended(struct ata_device *d, struct ata_task *task, enum block_status status)
{
    if (d->cdrom)
        atapi_ended(d, task, status);
    else if (task->op == BLOCK_DISCARD &&
             status != BLOCK_IO_ERROR) // a hint: not needing it is well
        next_range(d, task);
    else
        ata_end(task, status == BLOCK_OK            ? 0
                      : status == BLOCK_UNSUPPORTED ? ATA_ERROR_ABORT
                                                    : ATA_ERROR_UNC);
}

void ata_reset(struct ata_device *d)
{
    d->multiple = 0;
    d->write_cache = d->look_ahead = true;
    d->queued_error = 0;
    if (d->cdrom)
        atapi_reset(d);
}

void ata_execute(struct ata_device *d, struct ata_task *task)
{
    task->queued = task->pio = false;
    task->reason = 0;
    task->ranges = task->range = 0;
    switch (task->command) {
    case READ_SECTORS:
    case READ_MULTIPLE:
        transfer28(d, task, BLOCK_READ, true);
        break;
    case READ_DMA:
        transfer28(d, task, BLOCK_READ, false);
        break;
    case READ_SECTORS_EXT:
    case READ_MULTIPLE_EXT:
        transfer48(d, task, BLOCK_READ, true);
        break;
    case READ_DMA_EXT:
        transfer48(d, task, BLOCK_READ, false);
        break;
    case READ_FPDMA_QUEUED:
        transfer_queued(d, task, BLOCK_READ);
        break;
    case WRITE_SECTORS:
    case WRITE_MULTIPLE:
        transfer28(d, task, BLOCK_WRITE, true);
        break;
    case WRITE_DMA:
        transfer28(d, task, BLOCK_WRITE, false);
        break;
    case WRITE_SECTORS_EXT:
    case WRITE_MULTIPLE_EXT:
        transfer48(d, task, BLOCK_WRITE, true);
        break;
    case WRITE_DMA_EXT:
    case WRITE_DMA_FUA_EXT:
        transfer48(d, task, BLOCK_WRITE, false);
        break;
    case WRITE_FPDMA_QUEUED:
        transfer_queued(d, task, BLOCK_WRITE);
        break;
    case READ_VERIFY:
    case READ_VERIFY_EXT: { // the sectors are there: nothing to move
        if (task->command == READ_VERIFY)
            transfer28(d, task, BLOCK_READ, false);
        else
            transfer48(d, task, BLOCK_READ, false);
        if (task->action == ATA_DISK)
            ata_end(task, 0);
        break;
    }
    case FLUSH_CACHE:
    case FLUSH_CACHE_EXT:
        flush(d, task);
        break;
    case DATA_SET_MANAGEMENT:
        trim(d, task);
        break;
    case IDENTIFY:
        if (d->cdrom) { // the signature tells what it is (ATA8-ACS 7.16)
            ata_end(task, ATA_ERROR_ABORT);
            task->lba = 0xeb1401;
        } else {
            identify(d, task);
        }
        break;
    case IDENTIFY_PACKET:
    case PACKET:
        if (d->cdrom)
            atapi_execute(d, task);
        else
            ata_end(task, ATA_ERROR_ABORT);
        break;
    case DEVICE_RESET:
        if (d->cdrom) {
            ata_reset(d);
            task->action = ATA_RESET;
        } else {
            ata_end(task, ATA_ERROR_ABORT);
        }
        break;
    case EXECUTE_DIAGNOSTIC:
        ata_reset(d);
        task->action = ATA_RESET;
        break;
    case SET_FEATURES:
        set_features(d, task);
        break;
    case SET_MULTIPLE:
        set_multiple(d, task);
        break;
    case READ_LOG_EXT:
        read_log(d, task);
        break;
    case READ_NATIVE_MAX:
        native_max(d, task, SECTORS_28);
        break;
    case READ_NATIVE_MAX_EXT:
        native_max(d, task, SECTORS_48);
        break;
    case CHECK_POWER:
        task->sectors = 0xff; // active
        ata_end(task, 0);
        break;
    case SEEK:
    case INITIALIZE_PARAMETERS:
    case STANDBY_IMMEDIATE:
    case IDLE_IMMEDIATE:
    case STANDBY:
    case IDLE:
        ata_end(task, 0);
        break;
    case NOP:
    default:
        ata_end(task, ATA_ERROR_ABORT);
    }
}
