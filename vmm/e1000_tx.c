// SPDX-License-Identifier: BSD-2-Clause
// Transmission in the 82540EM: legacy, context and data descriptors (8254x SDM 3.3), checksum
// insertion (3.3.4..3.3.7, 3.5.x) and TCP segmentation (3.5). A packet is built in one frame's
// buffer; with segmentation each full segment leaves before more is taken, so that no packet needs
// more memory. HAZARD: every offset in a descriptor is the guest's; all are checked against the
// frame that is there, and what does not fit changes nothing.
#include "e1000.h"

#include <string.h>

enum { CMD_EOP = 1, CMD_IC = 4, CMD_TSE = 4, CMD_RS = 8, CMD_DEXT = 0x20 };
enum { TUCMD_TCP = 1, TUCMD_IP = 2 };                   /* IP: version 4 */
enum { OPTION_IP = 1, OPTION_TCP = 2, LEGACY_SUM = 4 }; /* POPTS; and CMD_IC of a legacy packet */
enum { STATUS_DD = 1, TYPE_DATA = 1 };
enum { FRAME_MIN = 60, HEADER_ETHERNET = 14, HEADER_IPV6 = 40 };
enum { TCP_FLAGS = 13, TCP_FIN_PSH = 9 };

struct tx_descriptor {
    uint64_t address;
    uint32_t lower; /* length, type, command */
    uint32_t upper; /* status, options, special */
};

static uint16_t get16(const uint8_t *frame, uint32_t size, uint32_t at)
{
    return at + 2 <= size ? (uint16_t)(frame[at] << 8 | frame[at + 1]) : 0;
}

static void put16(uint8_t *frame, uint32_t size, uint32_t at, uint32_t value)
{
    if (at + 2 > size)
        return;
    frame[at] = (uint8_t)(value >> 8);
    frame[at + 1] = (uint8_t)value;
}

static uint32_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

// Internet checksum of [start, end] (end 0: to the frame's end), what the field holds included; it
// goes to `offset`.
static void insert_sum(struct e1000_packet *p, uint32_t start, uint32_t end, uint32_t offset,
                       bool udp)
{
    uint32_t sum = 0, stop = end == 0 || end >= p->size ? p->size : end + 1;
    uint32_t at = start;
    for (; at + 1 < stop; at += 2) /* at most 757 words: no overflow */
        sum += (uint32_t)(p->frame[at] << 8 | p->frame[at + 1]);
    if (at < stop)
        sum += (uint32_t)p->frame[at] << 8;
    sum = ~fold(sum) & 0xffff;
    if (sum == 0 && udp) /* 0 would mean "no checksum": RFC 768 */
        sum = 0xffff;
    put16(p->frame, p->size, offset, sum);
}

static void insert_sums(struct e1000_packet *p)
{
    const struct e1000_context *c = &p->context;
    if (p->options & LEGACY_SUM)
        insert_sum(p, p->legacy_start, 0, p->legacy_offset, false);
    if (p->options & OPTION_IP) {
        if (p->segmenting) /* the field of the prototype may hold anything */
            put16(p->frame, p->size, c->ipcso, 0);
        insert_sum(p, c->ipcss, c->ipcse, c->ipcso, false);
    }
    if (p->options & OPTION_TCP)
        insert_sum(p, c->tucss, p->segmenting ? 0 : c->tucse, c->tucso, !(c->command & TUCMD_TCP));
}

// Adapts the prototype header to this segment: SDM 3.5.x. The TCP checksum field holds the pseudo
// header's sum without the length.
static void adapt_header(struct e1000_packet *p, bool last)
{
    const struct e1000_context *c = &p->context;
    uint8_t *frame = p->frame;
    uint32_t size = p->size, ip = c->ipcss, tcp = c->tucss;
    if (p->segment == 0)
        memcpy(p->header, frame, c->header);
    else
        memcpy(frame, p->header, c->header);
    if (c->command & TUCMD_IP) {
        put16(frame, size, ip + 2, size > ip ? size - ip : 0);
        put16(frame, size, ip + 4, get16(frame, size, ip + 4) + p->segment);
    } else {
        put16(frame, size, ip + 4, size > ip + HEADER_IPV6 ? size - ip - HEADER_IPV6 : 0);
    }
    uint32_t length = size > tcp ? size - tcp : 0;
    if (c->command & TUCMD_TCP) {
        uint32_t number = (uint32_t)get16(frame, size, tcp + 4) << 16;
        number = (number | get16(frame, size, tcp + 6)) + p->sent;
        put16(frame, size, tcp + 4, number >> 16);
        put16(frame, size, tcp + 6, number);
        if (!last && tcp + TCP_FLAGS < size)
            frame[tcp + TCP_FLAGS] &= (uint8_t)~TCP_FIN_PSH;
    } else {
        put16(frame, size, tcp + 4, length);
    }
    if (p->options & OPTION_TCP)
        put16(frame, size, c->tucso, fold(get16(frame, size, c->tucso) + length));
}

// The frame is complete: makes it ready to be sent.
static void finish(struct e1000 *e, bool last)
{
    struct e1000_packet *p = &e->s.packet;
    if (p->segmenting)
        adapt_header(p, last);
    insert_sums(p);
    if (p->size < FRAME_MIN && e->s.tctl & E1000_TCTL_PSP) {
        memset(p->frame + p->size, 0, FRAME_MIN - p->size);
        p->size = FRAME_MIN;
    }
    p->ready = true;
}

// Sends what is ready; false: the link has no room.
static bool flush(struct e1000 *e)
{
    struct e1000_packet *p = &e->s.packet;
    if (!p->ready)
        return true;
    if (p->size >= HEADER_ETHERNET) {
        if (!e->link->send(e->link, p->frame, p->size))
            return false;
        e1000_count(e, p->frame, p->size, true);
    }
    if (p->segmenting) {
        p->sent += p->context.mss;
        p->segment++;
        p->size = p->context.header; /* adapt_header() writes it */
    } else {
        p->size = 0;
    }
    p->ready = false;
    return true;
}

// Takes the descriptor's bytes from `done` on; false: the link has no room.
static bool gather(struct e1000 *e, uint64_t address, uint32_t length)
{
    struct e1000_packet *p = &e->s.packet;
    uint32_t limit = NET_FRAME_MAX;
    if (p->segmenting)
        limit = (uint32_t)p->context.header + p->context.mss;
    while (!p->bad && p->done < length) { // bound: each round takes a byte or sends a segment
        if (p->size == limit) {
            if (!p->segmenting) { /* longer than a frame may be */
                p->bad = true;
                break;
            }
            if (e->segments == 0) { /* go on as soon as the rest of the machine had its turn */
                e->deadline = 0;
                return false;
            }
            e->segments--;
            finish(e, false);
            if (!flush(e))
                return false;
        }
        uint32_t n = length - p->done < limit - p->size ? length - p->done : limit - p->size;
        if (!guest_ram_read(e->ram, address + p->done, p->frame + p->size, n)) {
            p->bad = true;
            break;
        }
        p->size += n;
        p->done += n;
    }
    return true;
}

static void begin(struct e1000 *e, const struct tx_descriptor *d)
{
    struct e1000_packet *p = &e->s.packet;
    const struct e1000_context *c = &e->s.context;
    uint8_t command = (uint8_t)(d->lower >> 24);
    bool extended = command & CMD_DEXT;
    p->context = *c;
    p->begun = true;
    p->bad = false;
    p->segmenting = extended && command & CMD_TSE;
    p->options = extended ? (d->upper >> 8 & (OPTION_IP | OPTION_TCP)) : 0;
    p->size = p->done = p->segment = p->sent = 0;
    p->legacy_offset = (uint8_t)(d->lower >> 16);
    p->legacy_start = (uint8_t)(d->upper >> 8);
    if (!extended && command & CMD_IC)
        p->options = LEGACY_SUM;
    if (p->segmenting)
        p->bad = c->header < HEADER_ETHERNET || c->mss == 0 || c->header + c->mss > NET_FRAME_MAX;
}

// One data descriptor, legacy or extended; false: the link has no room, to be called again.
static bool data(struct e1000 *e, const struct tx_descriptor *d)
{
    struct e1000_packet *p = &e->s.packet;
    uint8_t command = (uint8_t)(d->lower >> 24);
    uint32_t length = d->lower & (command & CMD_DEXT ? 0xfffff : 0xffff);
    if (!flush(e))
        return false;
    if (!p->begun)
        begin(e, d);
    if (!gather(e, d->address, length))
        return false;
    if (command & CMD_EOP) {
        if (p->segmenting && p->segment == 0 && p->size < p->context.header)
            p->bad = true; /* not even the header is there */
        if (!p->bad) {
            if (p->segment > 0)
                e1000_statistic_add(e, E1000_TSCTC);
            finish(e, true);
        }
        p->begun = false;
    }
    p->done = 0;
    return true;
}

static void context(struct e1000 *e, const struct tx_descriptor *d)
{
    struct e1000_context *c = &e->s.context;
    c->ipcss = (uint8_t)d->address;
    c->ipcso = (uint8_t)(d->address >> 8);
    c->ipcse = (uint16_t)(d->address >> 16);
    c->tucss = (uint8_t)(d->address >> 32);
    c->tucso = (uint8_t)(d->address >> 40);
    c->tucse = (uint16_t)(d->address >> 48);
    c->command = (uint8_t)(d->lower >> 24);
    c->header = (uint8_t)(d->upper >> 8);
    c->mss = (uint16_t)(d->upper >> 16);
}

// One descriptor; false: it stays at the head of the ring.
static bool take(struct e1000 *e, const struct tx_descriptor *d)
{
    uint8_t command = (uint8_t)(d->lower >> 24);
    if (command & CMD_DEXT && (d->lower >> 20 & 15) != TYPE_DATA) {
        context(e, d);
        return true;
    }
    return data(e, d);
}

void e1000_transmit(struct e1000 *e)
{
    struct e1000_ring *ring = &e->s.tx;
    uint32_t count = e1000_ring_count(ring), causes = 0, left = E1000_TX_AT_ONCE;
    if (!(e->s.tctl & E1000_TCTL_EN) || !pci_may_dma(&e->pci) || !flush(e))
        return;
    if (count == 0 || ring->head == ring->tail)
        return;
    e->segments = E1000_CUT_AT_ONCE;
    for (; left > 0 && ring->head != ring->tail; left--) {
        struct tx_descriptor d;
        uint64_t where = ring->base + ring->head * 16ull;
        if (!guest_ram_read(e->ram, where, &d, sizeof(d)))
            memset(&d, 0, sizeof(d));
        if (!take(e, &d))
            break;
        if (d.lower >> 24 & CMD_RS) {
            uint8_t done = (uint8_t)(d.upper | STATUS_DD);
            guest_ram_write(e->ram, where + 12, &done, 1);
            causes |= E1000_ICR_TXDW;
        }
        ring->head = (uint16_t)(ring->head + 1u == count ? 0 : ring->head + 1u);
    }
    flush(e);
    if (ring->head == ring->tail)
        causes |= E1000_ICR_TXQE;
    else if (left == 0)
        e->deadline = 0; /* go on as soon as the rest of the machine had its turn */
    if (causes)
        e1000_interrupt(e, causes);
}
