// SPDX-License-Identifier: BSD-2-Clause
// AHCI commands: command lists and tables, FISes, PRD tables (AHCI 1.3.1 chapters 4 and 5, SATA 3.0
// chapter 10). HAZARD: all of it is guest memory: each part is copied once, then checked.
#include "ahci_internal.h"

#include <string.h>

#define HEADER_CFL   31u
#define HEADER_ATAPI (1u << 5)

#define HEADER_PRDTL(h) ((h) >> 16)

#define FIS_H2D      0x27
#define FIS_D2H      0x34
#define FIS_SDB      0xa1
#define FIS_PIO      0x5f
#define FIS_COMMAND  0x80 /* C: the FIS carries a command, not device control */
#define CONTROL_SRST 0x04

#define RECEIVED_PIO 0x20 /* offsets in the FIS receive area */
#define RECEIVED_D2H 0x40
#define RECEIVED_SDB 0x58

#define STATUS_IDLE (ATA_STATUS_DRDY | ATA_STATUS_SEEK)

static void receive(const struct ahci_port *port, unsigned offset, const void *fis, size_t size)
{
    if (port->s.cmd & CMD_FRE && pci_may_dma(&port->ahci->pci))
        guest_ram_write(port->ahci->ram, port->s.fis + offset, fis, size);
}

// A register FIS: how the command ended.
static void send_registers(struct ahci_port *port, const struct ata_task *task, bool interrupt)
{
    uint8_t fis[20] = {FIS_D2H, interrupt ? 0x40 : 0, task->status, task->error};
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(task->lba >> 8 * i);
        fis[8 + i] = (uint8_t)(task->lba >> 8 * (i + 3));
    }
    fis[7] = task->device;
    fis[12] = port->device.cdrom ? task->reason : (uint8_t)task->sectors;
    fis[13] = port->device.cdrom ? 0 : (uint8_t)(task->sectors >> 8);
    port->s.tfd = task->status | (uint32_t)task->error << 8;
    receive(port, RECEIVED_D2H, fis, sizeof(fis));
    if (interrupt)
        port->s.is |= IS_DHRS;
}

// After a reset the device shows what it is: SATA 3.0 section 11.4.
void ahci_send_signature(struct ahci_port *port)
{
    uint32_t signature = ata_signature(&port->device);
    uint8_t fis[20] = {FIS_D2H, 0, port->device.cdrom ? 0 : STATUS_IDLE, 1};
    fis[4] = (uint8_t)(signature >> 8);
    fis[5] = (uint8_t)(signature >> 16);
    fis[6] = (uint8_t)(signature >> 24);
    fis[12] = (uint8_t)signature;
    port->s.sig = signature;
    port->s.tfd = fis[2] | 1u << 8;
    receive(port, RECEIVED_D2H, fis, sizeof(fis));
}

static void failed(struct ahci_port *port, uint32_t why)
{
    port->s.is |= why;
    port->s.stopped = 1;
}

// The command's memory as segments, cut at `limit` bytes. False: an address that is not RAM.
static bool gather(struct ahci_port *port, uint64_t limit, uint64_t *total)
{
    unsigned entries = HEADER_PRDTL(port->header[0]);
    uint64_t sum = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < entries && sum < limit && n < AHCI_SEGMENTS; i++) {
        uint32_t prd[4];
        if (!guest_ram_read(port->ahci->ram, port->table + 0x80 + 16 * (uint64_t)i, prd,
                            sizeof(prd)))
            return false;
        uint64_t size = (prd[3] & 0x3fffff) + 1;
        uint64_t address = prd[0] | (uint64_t)prd[1] << 32;
        size = size < limit - sum ? size : limit - sum;
        void *at = guest_ram_at(port->ahci->ram, address, size);
        if (at == NULL)
            return false;
        port->segment[n++] = (struct block_segment){at, (uint32_t)size};
        sum += size;
    }
    port->segments = n;
    *total = sum;
    return true;
}

static uint64_t room_for(const struct ahci_port *port)
{
    uint64_t sum = 0;
    unsigned entries = HEADER_PRDTL(port->header[0]);
    for (unsigned i = 0; i < entries && i < AHCI_SEGMENTS; i++) {
        uint32_t count;
        if (!guest_ram_read(port->ahci->ram, port->table + 0x80 + 16 * (uint64_t)i + 12, &count,
                            sizeof(count)))
            break;
        sum += (count & 0x3fffff) + 1;
    }
    return sum;
}

static void finish(struct ahci_port *port)
{
    struct ahci_port_state *s = &port->s;
    struct ata_task *task = &port->task;
    uint32_t bit = 1u << port->slot;

    // PRDBC: for queued commands it need not be right (AHCI 5.4.1).
    guest_ram_write(port->ahci->ram, s->list + 32 * (uint64_t)port->slot + 4, &port->moved,
                    sizeof(port->moved));
    if (task->queued && !(task->status & ATA_STATUS_ERR)) {
        uint32_t fis[2] = {FIS_SDB | 0x4000u | (uint32_t)task->status << 16, 1u << task->tag};
        s->sact &= ~(1u << task->tag);
        s->tfd = task->status;
        receive(port, RECEIVED_SDB, fis, sizeof(fis));
        s->is |= IS_SDBS;
        s->ci &= ~bit;
        return;
    }
    if (task->queued) { // all queued commands wait for READ LOG EXT
        uint32_t fis[2] = {
            FIS_SDB | 0x4000u | (uint32_t)task->status << 16 | (uint32_t)task->error << 24, 0};
        port->device.queued_error =
            task->tag | (uint32_t)task->error << 8 | (uint32_t)task->status << 16 | 1u << 24;
        s->tfd = task->status | (uint32_t)task->error << 8;
        receive(port, RECEIVED_SDB, fis, sizeof(fis));
        failed(port, IS_TFES | IS_SDBS);
        return;
    }
    if (task->pio && !(task->status & ATA_STATUS_ERR))
        s->is |= IS_PSS;
    send_registers(port, task, true);
    if (task->status & ATA_STATUS_ERR)
        failed(port, IS_TFES);
    else
        s->ci &= ~bit;
}

static void show_pio(struct ahci_port *port, unsigned bytes)
{
    const struct ata_task *task = &port->task;
    uint8_t fis[20] = {FIS_PIO, 0x60, STATUS_IDLE | ATA_STATUS_DRQ, 0};
    fis[15] = task->status ? task->status : STATUS_IDLE;
    fis[16] = (uint8_t)bytes;
    fis[17] = (uint8_t)(bytes >> 8);
    receive(port, RECEIVED_PIO, fis, sizeof(fis));
}

// Between the PRDs and the task's buffer.
static bool copy(struct ahci_port *port, bool to_guest)
{
    struct ata_task *task = &port->task;
    uint64_t total, at = 0;
    if (!gather(port, task->length, &total))
        return false;
    for (unsigned i = 0; i < port->segments; i++) {
        const struct block_segment *s = &port->segment[i];
        if (to_guest)
            memcpy(s->address, task->data + at, s->size);
        else
            memcpy(task->data + at, s->address, s->size);
        at += s->size;
    }
    port->moved += (uint32_t)total;
    return to_guest || total == task->length;
}

static void block_done(struct block_request *request, enum block_status status)
{
    struct ahci_port *port = request->ctx;
    port->busy = false;
    if (port->dropped) {
        port->dropped = false;
        ahci_serve(port, false);
        return;
    }
    if (status == BLOCK_OK && (request->op == BLOCK_READ || request->op == BLOCK_WRITE))
        port->moved += (uint32_t)(request->count * BLOCK_SECTOR);
    ata_ended(&port->device, &port->task, status);
    if (!port->serving)
        ahci_serve(port, true);
}

// Takes the command as far as it goes without waiting. False: the backend has it.
static bool advance(struct ahci_port *port)
{
    struct ata_task *task = &port->task;
    uint64_t total;

    // bound: ATA_DISK and ATA_RECEIVE come back here once for each range of a TRIM
    for (unsigned n = 0; n < 200; n++) {
        switch (task->action) {
        case ATA_RESET:
            ahci_send_signature(port);
            port->s.is |= IS_DHRS;
            port->s.ci &= ~(1u << port->slot);
            return true;
        case ATA_ANSWER:
            if (!copy(port, true)) {
                failed(port, IS_HBFS);
                return true;
            }
            if (task->pio)
                show_pio(port, task->length);
            finish(port);
            return true;
        case ATA_RECEIVE:
            if (!copy(port, false)) {
                failed(port, IS_HBFS);
                return true;
            }
            ata_received(&port->device, task);
            break;
        case ATA_DISK: {
            uint64_t bytes = task->count * BLOCK_SECTOR;
            if (port->ahci->work >= AHCI_AT_ONCE) {
                port->paused = true;
                return false;
            }
            port->ahci->work += bytes;
            bool data = task->op == BLOCK_READ || task->op == BLOCK_WRITE;
            port->segments = 0;
            if (data && !gather(port, bytes, &total)) {
                failed(port, IS_HBFS);
                return true;
            }
            if (data && total < bytes) { // fewer bytes described than the command moves
                failed(port, IS_OFS);
                return true;
            }
            if (data && task->pio)
                show_pio(port, bytes < 0xffff ? (unsigned)bytes : BLOCK_SECTOR);
            port->request = (struct block_request){
                .op = task->op,
                .sector = task->sector,
                .count = task->count,
                .segment = port->segment,
                .segments = port->segments,
                .done = block_done,
                .ctx = port,
            };
            port->busy = true;
            port->device.backend->submit(port->device.backend, &port->request);
            if (port->busy)
                return false;
            break;
        }
        case ATA_DONE:
            finish(port);
            return true;
        }
    }
    failed(port, IS_HBFS);
    return true;
}

static void soft_reset(struct ahci_port *port, uint8_t control)
{
    if (control & CONTROL_SRST) {
        port->s.tfd = STATUS_IDLE;
    } else { // the bit went away: the device shows its signature
        ata_reset(&port->device);
        ahci_send_signature(port);
        port->s.is |= IS_DHRS;
    }
    port->s.ci &= ~(1u << port->slot);
}

// Reads the command of a slot and starts it. False: the backend has it.
static bool start(struct ahci_port *port, unsigned slot)
{
    const struct guest_ram *ram = port->ahci->ram;
    struct ata_task *task = &port->task;
    uint8_t fis[20];

    port->slot = slot;
    port->moved = 0;
    port->s.current = slot;
    if (!guest_ram_read(ram, port->s.list + 32 * (uint64_t)slot, port->header,
                        sizeof(port->header))) {
        failed(port, IS_HBFS);
        return true;
    }
    port->table = (port->header[2] & ~0x7full) | (uint64_t)port->header[3] << 32;
    if (!guest_ram_read(ram, port->table, fis, sizeof(fis)) || fis[0] != FIS_H2D ||
        (port->header[0] & HEADER_CFL) < 5) {
        failed(port, IS_HBFS);
        return true;
    }
    if (!(fis[1] & FIS_COMMAND)) {
        soft_reset(port, fis[15]);
        return true;
    }
    task->command = fis[2];
    task->feature = (uint16_t)(fis[3] | fis[11] << 8);
    task->device = fis[7];
    task->sectors = (uint16_t)(fis[12] | fis[13] << 8);
    task->lba = 0;
    for (unsigned i = 0; i < 3; i++)
        task->lba |= (uint64_t)fis[4 + i] << 8 * i | (uint64_t)fis[8 + i] << 8 * (i + 3);
    memset(task->packet, 0, sizeof(task->packet));
    if (port->header[0] & HEADER_ATAPI)
        guest_ram_read(ram, port->table + 0x40, task->packet, sizeof(task->packet));
    task->room = room_for(port);
    ata_execute(&port->device, task);
    // HAZARD: a queued command without its bit in PxSACT would never be seen to end.
    if (task->queued && !(port->s.sact & 1u << task->tag))
        task->queued = false;
    return advance(port);
}

void ahci_serve(struct ahci_port *port, bool resume)
{
    struct ahci_port_state *s = &port->s;

    port->serving = true;
    bool going = !resume || advance(port);
    // bound: each round ends one of 32 slots; the guest sets none meanwhile
    for (unsigned n = 0; n < AHCI_SLOTS && going; n++) {
        if (!ahci_attached(port) || !(s->cmd & CMD_ST) || s->stopped || port->busy ||
            port->paused || s->ci == 0 || !pci_may_dma(&port->ahci->pci))
            break;
        unsigned slot = (s->current + 1) % AHCI_SLOTS;
        while (!(s->ci & 1u << slot)) // bound: ci is not 0
            slot = (slot + 1) % AHCI_SLOTS;
        going = start(port, slot);
    }
    port->serving = false;
    if (port->paused)
        port->ahci->deadline =
            clock_add(clock_now(port->ahci->clock), port->ahci->clock->hz / AHCI_PAUSE_HZ);
    ahci_update(port->ahci);
}
