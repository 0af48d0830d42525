// SPDX-License-Identifier: BSD-2-Clause
// Reception in the 82540EM: address filter (8254x SDM 3.2.1, 13.5) and receive descriptors (3.2.3).
// A frame is taken from the link only when there are descriptors for the longest one: the link is
// the card's FIFO. HAZARD: frames come from another VM, which may be hostile; descriptors are the
// guest's.
#include "e1000.h"

#include <string.h>

enum { FRAME_MIN = 60, FCS_SIZE = 4, FRAME_WITH_FCS = 1518, ETH_ALEN = 6 };
_Static_assert(NET_FRAME_MAX + FCS_SIZE <= FRAME_WITH_FCS, "the longest frame");
enum { STATUS_DD = 1, STATUS_EOP = 2, STATUS_IXSM = 4, STATUS_PIF = 0x80 };
#define RAH_VALID 0x80000000u

void e1000_statistic_add(struct e1000 *e, enum e1000_statistic counter)
{
    uint32_t *value = &e->s.statistic[counter];
    *value += *value != UINT32_MAX;
}

static void add64(struct e1000 *e, enum e1000_statistic low, uint32_t bytes)
{
    uint32_t *pair = &e->s.statistic[low];
    uint64_t sum = (pair[0] | (uint64_t)pair[1] << 32) + bytes;
    pair[0] = (uint32_t)sum;
    pair[1] = (uint32_t)(sum >> 32);
}

static bool is_broadcast(const uint8_t *frame)
{
    for (unsigned i = 0; i < ETH_ALEN; i++)
        if (frame[i] != 0xff)
            return false;
    return true;
}

void e1000_count(struct e1000 *e, const uint8_t *frame, uint32_t size, bool transmit)
{
    uint32_t bytes = size + FCS_SIZE;
    unsigned class = bytes <= 64 ? 0 : bytes <= 127 ? 1 : bytes <= 255 ? 2 : 3;
    if (bytes > 511)
        class = bytes <= 1023 ? 4 : 5;
    e1000_statistic_add(e, (transmit ? E1000_PTC64 : E1000_PRC64) + class);
    e1000_statistic_add(e, transmit ? E1000_GPTC : E1000_GPRC);
    e1000_statistic_add(e, transmit ? E1000_TPT : E1000_TPR);
    add64(e, transmit ? E1000_GOTC : E1000_GORC, bytes);
    add64(e, transmit ? E1000_TOT : E1000_TOR, bytes);
    if (is_broadcast(frame))
        e1000_statistic_add(e, transmit ? E1000_BPTC : E1000_BPRC);
    else if (frame[0] & 1)
        e1000_statistic_add(e, transmit ? E1000_MPTC : E1000_MPRC);
}

static bool address_matches(const struct e1000 *e, const uint8_t *frame)
{
    uint32_t low, high = 0;
    memcpy(&low, frame, 4);
    memcpy(&high, frame + 4, 2);
    for (unsigned i = 0; i < 32; i += 2) {
        uint32_t rah = e->s.receive_address[i + 1];
        if (rah & RAH_VALID && e->s.receive_address[i] == low && (rah & 0xffff) == high)
            return true;
    }
    return false;
}

static bool wanted(const struct e1000 *e, const uint8_t *frame)
{
    uint32_t rctl = e->s.rctl;
    if (!(frame[0] & 1))
        return rctl & E1000_RCTL_UPE || address_matches(e, frame);
    if (rctl & E1000_RCTL_MPE || (rctl & E1000_RCTL_BAM && is_broadcast(frame)))
        return true;
    /* Twelve bits of the address select one of 4,096: SDM 13.5.1. */
    static const uint8_t shift[4] = {4, 3, 2, 0};
    unsigned hash = (frame[4] | (unsigned)frame[5] << 8) >> shift[rctl >> 12 & 3] & 0xfff;
    if (e->s.multicast[hash >> 5] >> (hash & 31) & 1)
        return true;
    return address_matches(e, frame);
}

static uint32_t buffer_size(uint32_t rctl)
{
    uint32_t size = 2048u >> (rctl >> 16 & 3);
    if (rctl & E1000_RCTL_BSEX && size < 2048)
        size *= 16;
    return size;
}

// Writes a frame with its FCS into as many descriptors as it needs, which are there.
static void deliver(struct e1000 *e, const uint8_t *frame, uint32_t size)
{
    struct e1000_ring *ring = &e->s.rx;
    uint32_t count = ring->length / 16, buffer = buffer_size(e->s.rctl);
    for (uint32_t at = 0; at < size;) {
        uint64_t address, where = ring->base + ring->head * 16ull;
        uint32_t n = size - at < buffer ? size - at : buffer;
        uint8_t status = STATUS_DD | STATUS_IXSM | (at + n == size ? STATUS_EOP : 0);
        if (frame[0] & 1)
            status |= STATUS_PIF;
        /* Length, checksum, status, errors, special: what the driver looks at is stored last and
         * whole, as it may be polling on another CPU. */
        uint64_t result = n | (uint64_t)status << 32;
        uint8_t *descriptor = guest_ram_at(e->ram, where, 16);
        if (guest_ram_read(e->ram, where, &address, sizeof(address)))
            guest_ram_write(e->ram, address, frame + at, n);
        if (descriptor)
            __atomic_store_n((uint64_t *)(void *)(descriptor + 8), result, __ATOMIC_RELEASE);
        ring->head = (uint16_t)(ring->head + 1u == count ? 0 : ring->head + 1u);
        at += n;
    }
}

static uint32_t free_descriptors(const struct e1000_ring *ring)
{
    uint32_t count = e1000_ring_count(ring);
    if (count == 0)
        return 0;
    return (ring->tail + count - ring->head) % count;
}

void e1000_receive(struct e1000 *e)
{
    struct e1000_ring *ring = &e->s.rx;
    uint8_t frame[FRAME_WITH_FCS];
    uint32_t causes = 0;
    uint32_t left = 1024;
    for (; left > 0; left--) {
        bool enabled = e->s.rctl & E1000_RCTL_EN && pci_may_dma(&e->pci);
        uint32_t need = (FRAME_WITH_FCS - 1) / buffer_size(e->s.rctl) + 1;
        uint32_t available = free_descriptors(ring);
        if (enabled && available < need)
            break;
        size_t size = e->link->receive(e->link, frame);
        if (size < 14 || size > NET_FRAME_MAX)
            break;
        if (!enabled) /* a card that is off leaves no frames behind in the cable */
            continue;
        if (!wanted(e, frame))
            continue;
        e1000_count(e, frame, (uint32_t)(size < FRAME_MIN ? FRAME_MIN : size), false);
        if (size < FRAME_MIN) {
            memset(frame + size, 0, FRAME_MIN - size);
            size = FRAME_MIN;
        }
        if (!(e->s.rctl & E1000_RCTL_SECRC)) { /* the FCS is there, and zero: nobody checks it */
            memset(frame + size, 0, FCS_SIZE);
            size += FCS_SIZE;
        }
        deliver(e, frame, (uint32_t)size);
        causes |= E1000_ICR_RXT0;
        /* Below a half, a quarter, an eighth of the ring: SDM 13.4.22, RDMTS. */
        if (free_descriptors(ring) <= ring->length / 16 >> ((e->s.rctl >> 8 & 3) + 1))
            causes |= E1000_ICR_RXDMT0;
    }
    if (left == 0)
        e->deadline = 0; /* go on as soon as the rest of the machine had its turn */
    if (causes)
        e1000_interrupt(e, causes);
}
