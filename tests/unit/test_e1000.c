// SPDX-License-Identifier: BSD-2-Clause
// The 82540EM: EEPROM both ways, PHY, rings, filters, checksums, segmentation, interrupts, limits.
// links: vmm/e1000.c vmm/e1000_eeprom.c vmm/e1000_rx.c vmm/e1000_tx.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "e1000.h"
#include "net_fake.h"
#include "pci_fake.h"

enum { CTRL = 0, STATUS = 8, EECD = 0x10, EERD = 0x14, MDIC = 0x20, ICR = 0xc0, ITR = 0xc4 };
enum { ICS = 0xc8, IMS = 0xd0, IMC = 0xd8, RCTL = 0x100, TCTL = 0x400, MTA = 0x5200, RAL = 0x5400 };
enum { RDBAL = 0x2800, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818 };
enum { TDBAL = 0x3800, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818 };
enum { EOP = 1, IC = 4, TSE = 4, RS = 8, DEXT = 0x20 };
enum { RX_RING = 0x1000, TX_RING = 0x2000, RX_BUFFERS = 0x10000, TX_BUFFERS = 0x40000, N = 16 };

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static _Alignas(64) uint8_t memory[1 << 20];
static struct guest_ram ram = {memory, sizeof(memory)};
static struct pci_bus bus;
static struct e1000 nic;

static uint32_t get(uint32_t offset)
{
    return (uint32_t)e1000_ops.read(&nic, offset, 4);
}

static void set(uint32_t offset, uint32_t value)
{
    e1000_ops.write(&nic, offset, 4, value);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    net_fake_setup();
    memset(memory, 0, sizeof(memory));
    assert_true(e1000_init(&nic, &bus, &ram, &test_clock, &net_fake_link, mac));
    return 0;
}

static void rx_ring(uint32_t rctl)
{
    set(RDBAL, RX_RING);
    set(RDLEN, N * 16);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t address = RX_BUFFERS + i * 2048;
        memcpy(memory + RX_RING + i * 16, &address, 8);
    }
    set(RDH, 0);
    set(RDT, N - 1);
    set(RCTL, rctl | E1000_RCTL_EN);
}

static void tx_ring(void)
{
    set(TDBAL, TX_RING);
    set(TDLEN, N * 16);
    set(TDH, 0);
    set(TDT, 0);
    set(TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static void descriptor(unsigned i, uint64_t address, uint32_t lower, uint32_t upper)
{
    uint8_t *d = memory + TX_RING + i % N * 16;
    memcpy(d, &address, 8);
    memcpy(d + 8, &lower, 4);
    memcpy(d + 12, &upper, 4);
}

static uint8_t tx_status(unsigned i)
{
    return memory[TX_RING + i * 16 + 12];
}

static uint64_t rx_result(unsigned i)
{
    uint64_t value;
    memcpy(&value, memory + RX_RING + i * 16 + 8, 8);
    return value;
}

static void fill(uint32_t at, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        memory[at + i] = (uint8_t)(i * 13 + 5);
}

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void eeprom_by_eerd(void **state)
{
    (void)state;
    uint16_t sum = 0;
    for (uint32_t i = 0; i < 64; i++) {
        set(EERD, i << 8 | 1);
        assert_true(get(EERD) & 0x10);
        sum = (uint16_t)(sum + (get(EERD) >> 16));
    }
    assert_int_equal(sum, 0xbaba);
    set(EERD, 2 << 8 | 1);
    assert_int_equal(get(EERD) >> 16, 0x5634);
}

static void pins(unsigned bit)
{
    set(EECD, 0x42 | bit << 2);
    set(EECD, 0x43 | bit << 2);
    set(EECD, 0x42 | bit << 2);
}

static void eeprom_by_pins(void **state)
{
    (void)state;
    set(EECD, 0x40);
    assert_true(get(EECD) & 0x80);
    for (unsigned word = 0; word < 64; word++) {
        set(EECD, 0x42);
        for (int i = 8; i >= 0; i--)
            pins((6u << 6 | word) >> i & 1);
        assert_false(get(EECD) & 8); /* the zero before the data */
        for (unsigned n = 0; n < 3; n++) {
            uint16_t value = 0;
            for (unsigned i = 0; i < 16; i++) {
                pins(0);
                value = (uint16_t)(value << 1 | (get(EECD) >> 3 & 1));
            }
            assert_int_equal(value, nic.eeprom[(word + n) % 64]);
        }
        set(EECD, 0x40);
    }
}

static void phy(void **state)
{
    (void)state;
    set(MDIC, 1 << 21 | 1 << 16 | 2 << 26);
    assert_int_equal(get(MDIC) & 0x50000000, 0x10000000);
    assert_true(get(MDIC) & 4); /* link */
    set(MDIC, 1 << 21 | 2 << 16 | 2 << 26);
    assert_int_equal(get(MDIC) & 0xffff, 0x0141);
    set(MDIC, 2 << 21 | 2 << 16 | 2 << 26);
    assert_true(get(MDIC) & 0x40000000);
    set(MDIC, 1 << 21 | 16 << 16 | 1 << 26 | 0x1234);
    set(MDIC, 1 << 21 | 16 << 16 | 2 << 26 | 1u << 29);
    assert_int_equal(get(MDIC) & 0xffff, 0x1234);
    assert_int_equal(get(ICR), E1000_ICR_MDAC);
    set(MDIC, 1 << 21 | 1 << 26 | 0x8000); /* reset */
    set(MDIC, 1 << 21 | 16 << 16 | 2 << 26);
    assert_int_equal(get(MDIC) & 0xffff, 0x0360);
    assert_int_equal(get(STATUS), 0x83);
}

static void transmits(void **state)
{
    (void)state;
    tx_ring();
    fill(TX_BUFFERS, 1514);
    descriptor(0, TX_BUFFERS, 20 | (uint32_t)(EOP | RS) << 24, 0);
    descriptor(1, TX_BUFFERS, 1000, 0);
    descriptor(2, TX_BUFFERS + 1000, 514 | (uint32_t)(EOP | RS) << 24, 0);
    set(TDT, 1);
    assert_int_equal(net_sent_count, 1);
    assert_int_equal(net_sent[0].size, 60);
    assert_memory_equal(net_sent[0].bytes, memory + TX_BUFFERS, 20);
    assert_int_equal(net_sent[0].bytes[20], 0);
    assert_int_equal(tx_status(0), 1);
    assert_int_equal(get(ICR), E1000_ICR_TXDW | E1000_ICR_TXQE);
    set(TDT, 3);
    assert_int_equal(net_sent_count, 2);
    assert_int_equal(net_sent[1].size, 1514);
    assert_memory_equal(net_sent[1].bytes, memory + TX_BUFFERS, 1514);
    assert_int_equal(tx_status(1), 0);
    assert_int_equal(get(TDH), 3);
    assert_int_equal(get(0x4080), 2); /* good packets */
    assert_int_equal(get(0x4080), 0); /* cleared by reading */
    assert_int_equal(get(0x4090), 64 + 1518);
    /* Too long, outside of RAM, too short: dropped, the ring goes on. */
    descriptor(3, TX_BUFFERS, 1515 | (uint32_t)(EOP | RS) << 24, 0);
    descriptor(4, 1ull << 50, 100 | (uint32_t)(EOP | RS) << 24, 0);
    descriptor(5, UINT64_MAX - 5, 100 | (uint32_t)(EOP | RS) << 24, 0);
    descriptor(6, TX_BUFFERS, 100 | (uint32_t)(EOP | RS) << 24, 0);
    set(TDT, 7);
    assert_int_equal(net_sent_count, 3);
    assert_int_equal(net_sent[2].size, 100);
    assert_int_equal(tx_status(3) & tx_status(4) & tx_status(5) & tx_status(6), 1);
}

static void transmit_waits(void **state)
{
    (void)state;
    tx_ring();
    net_room = 1;
    for (unsigned i = 0; i < 8; i++)
        descriptor(i, TX_BUFFERS, (100 + i) | (uint32_t)(EOP | RS) << 24, 0);
    set(TDT, 8);
    assert_int_equal(net_sent_count, 1);
    assert_true(get(TDH) < 4);
    net_fake_more_room(100);
    assert_int_equal(net_sent_count, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(net_sent[i].size, 100 + i);
    assert_int_equal(get(TDH), 8);
}

static void legacy_checksum(void **state)
{
    (void)state;
    tx_ring();
    fill(TX_BUFFERS, 101);
    memory[TX_BUFFERS + 40] = memory[TX_BUFFERS + 41] = 0;
    descriptor(0, TX_BUFFERS, 101 | 40 << 16 | (uint32_t)(EOP | RS | IC) << 24, 34 << 8);
    set(TDT, 1);
    const uint8_t *f = net_sent[0].bytes;
    assert_int_equal(sum16(f + 34, 101 - 34, 0), 0xffff);
    /* Offsets behind the end. */
    descriptor(1, TX_BUFFERS, 101 | 100 << 16 | (uint32_t)(EOP | RS | IC) << 24, 250 << 8);
    set(TDT, 2);
    assert_memory_equal(net_sent[1].bytes, memory + TX_BUFFERS, 101);
}

static void context_descriptor(unsigned i, unsigned command, unsigned header, unsigned mss)
{
    /* IPv4 at 14, its sum at 24 up to 33; TCP at 34, its sum at 50 */
    uint64_t where = 14 | 24ull << 8 | 33ull << 16 | 34ull << 32 | 50ull << 40;
    descriptor(i, where, (uint32_t)(DEXT | RS | command) << 24, header << 8 | mss << 16);
}

static void ip_packet(uint32_t size)
{
    uint8_t *p = memory + TX_BUFFERS;
    fill(TX_BUFFERS, size);
    p[14] = 0x45;
    p[16] = (uint8_t)((size - 14) >> 8);
    p[17] = (uint8_t)(size - 14);
    p[18] = 0xff; /* identification: wraps within the packet */
    p[19] = 0xfe;
    p[24] = p[25] = 0;
    p[47] = 0x19; /* ACK PSH FIN */
    memset(p + 38, 0xff, 4);
    p[41] = 0xf0; /* sequence number: wraps, too */
}

static void checksum_offload(void **state)
{
    (void)state;
    tx_ring();
    ip_packet(201);
    uint8_t *p = memory + TX_BUFFERS;
    uint16_t pseudo = sum16(p + 26, 8, 6 + 201 - 34);
    p[50] = (uint8_t)(pseudo >> 8);
    p[51] = (uint8_t)pseudo;
    context_descriptor(0, 3, 0, 0);
    descriptor(1, TX_BUFFERS, 60 | 1 << 20 | (uint32_t)DEXT << 24, 3 << 8);
    descriptor(2, TX_BUFFERS + 60, 141 | 1 << 20 | (uint32_t)(DEXT | EOP | RS) << 24, 0);
    set(TDT, 3);
    assert_int_equal(net_sent_count, 1);
    const uint8_t *f = net_sent[0].bytes;
    assert_int_equal(net_sent[0].size, 201);
    assert_int_equal(sum16(f + 14, 20, 0), 0xffff);
    assert_int_equal(sum16(f + 34, 201 - 34, sum16(f + 26, 8, 6 + 201 - 34)), 0xffff);
    assert_int_equal(tx_status(0), 1);
}

static void segmentation(void **state)
{
    (void)state;
    tx_ring();
    const uint32_t payload = 5000, header = 54, mss = 1460;
    ip_packet(header + payload);
    uint8_t *p = memory + TX_BUFFERS;
    uint16_t pseudo = sum16(p + 26, 8, 6); /* without the length */
    p[50] = (uint8_t)(pseudo >> 8);
    p[51] = (uint8_t)pseudo;
    context_descriptor(0, TSE | 3, header, mss);
    descriptor(1, TX_BUFFERS, header | 1 << 20 | (uint32_t)(DEXT | TSE) << 24, 3 << 8);
    descriptor(2, TX_BUFFERS + header, 4000 | 1 << 20 | (uint32_t)(DEXT | TSE) << 24, 0);
    descriptor(3, TX_BUFFERS + header + 4000,
               1000 | 1 << 20 | (uint32_t)(DEXT | TSE | EOP | RS) << 24, 0);
    net_room = 0; /* it is resumed at each point */
    set(TDT, 4);
    for (unsigned i = 0; i < 4; i++)
        net_fake_more_room(1);
    assert_int_equal(net_sent_count, 4);
    uint32_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *f = net_sent[i].bytes;
        uint32_t n = i < 3 ? mss : payload - 3 * mss;
        assert_int_equal(net_sent[i].size, header + n);
        assert_memory_equal(f + header, p + header + at, n);
        assert_int_equal(be16(f + 16), 40 + n);
        assert_int_equal(be16(f + 18), (uint16_t)(0xfffe + i));
        assert_int_equal((uint32_t)be16(f + 38) << 16 | be16(f + 40), 0xfffffff0u + at);
        assert_int_equal(f[47], i < 3 ? 0x10 : 0x19);
        assert_int_equal(sum16(f + 14, 20, 0), 0xffff);
        assert_int_equal(sum16(f + 34, 20 + n, sum16(f + 26, 8, 6 + 20 + n)), 0xffff);
        at += n;
    }
    assert_int_equal(get(TDH), 4);
    assert_int_equal(tx_status(3), 1);
    assert_int_equal(get(0x40f8), 1);
    /* What does not fit a frame is dropped: no size of segment, too large, header too short. */
    static const uint16_t wrong[][2] = {{54, 0}, {54, 1461}, {13, 100}, {255, 65535}};
    for (unsigned i = 0; i < 4; i++) {
        set(TDH, 0);
        set(TDT, 0);
        context_descriptor(0, TSE | 3, wrong[i][0], wrong[i][1]);
        set(TDT, 4);
        assert_int_equal(net_sent_count, 4);
        assert_int_equal(get(TDH), 4);
    }
}

/* A descriptor of 1 MiB cut into single bytes: a part of it, then the machine has its turn. */
static void segmentation_is_bounded(void **state)
{
    (void)state;
    tx_ring();
    net_room = UINT32_MAX;
    context_descriptor(0, TSE | 3, 14, 1);
    descriptor(1, 0, 20000 | 1 << 20 | (uint32_t)(DEXT | TSE | EOP | RS) << 24, 0);
    set(TDT, 2);
    assert_in_range(net_sent_count, 1, E1000_CUT_AT_ONCE + 1);
    assert_int_equal(get(TDH), 1);
    assert_int_equal(e1000_deadline(&nic), 0);
    for (unsigned i = 0; i < 8; i++)
        e1000_expire(&nic, ++test_time);
    assert_int_equal(net_sent_count, 20000 - 14);
    assert_int_equal(get(TDH), 2);
}

static void receives(void **state)
{
    (void)state;
    rx_ring(E1000_RCTL_BAM | E1000_RCTL_SECRC);
    net_fake_frame(mac, 1514);
    net_fake_frame(broadcast, 20);
    net_fake_arrive();
    assert_int_equal(get(RDH), 2);
    assert_int_equal(rx_result(0), 1514 | 7ull << 32);
    assert_memory_equal(memory + RX_BUFFERS, net_coming[0].bytes, 1514);
    assert_int_equal(rx_result(1), 60 | 0x87ull << 32);
    assert_memory_equal(memory + RX_BUFFERS + 2048, net_coming[1].bytes, 20);
    assert_int_equal(memory[RX_BUFFERS + 2048 + 20], 0);
    assert_int_equal(get(ICR), E1000_ICR_RXT0);
    assert_int_equal(get(0x4074), 2);
    assert_int_equal(get(0x4078), 1);
    set(RCTL, get(RCTL) & ~E1000_RCTL_SECRC);
    net_fake_frame(mac, 100);
    net_fake_arrive();
    assert_int_equal(rx_result(2), 104 | 7ull << 32);
}

static void receive_waits(void **state)
{
    (void)state;
    rx_ring(E1000_RCTL_BAM);
    for (unsigned i = 0; i < 40; i++)
        net_fake_frame(mac, 100 + i);
    net_fake_arrive();
    assert_int_equal(get(RDH), N - 1);
    assert_int_equal(net_coming_next, N - 1);
    assert_true(get(ICR) & E1000_ICR_RXDMT0);
    set(RDT, 4);
    assert_int_equal(net_coming_next, N - 1 + 5);
    assert_int_equal(rx_result(3) & 0xffff, 100 + N - 1 + 4 + 4);
    set(RCTL, 0); /* off: frames are thrown away */
    assert_int_equal(net_coming_next, 40);
}

static void small_buffers(void **state)
{
    (void)state;
    rx_ring(3 << 16 | E1000_RCTL_SECRC); /* 256 bytes */
    net_fake_frame(mac, 600);
    net_fake_arrive();
    assert_int_equal(rx_result(0), 256 | 5ull << 32);
    assert_int_equal(rx_result(1), 256 | 5ull << 32);
    assert_int_equal(rx_result(2), 88 | 7ull << 32);
    assert_memory_equal(memory + RX_BUFFERS + 2048, net_coming[0].bytes + 256, 256);
    /* Not enough for the longest frame: it is left where it is. */
    set(RDT, 8);
    net_fake_frame(mac, 60);
    net_fake_arrive();
    assert_int_equal(get(RDH), 3);
    set(RDT, 9);
    assert_int_equal(get(RDH), 4);
}

static bool passes(const uint8_t *to)
{
    get(0x40d0); /* packets received: cleared by reading */
    net_fake_frame(to, 100);
    net_fake_arrive();
    set(RDT, (get(RDH) + N - 1) % N);
    return get(0x40d0) == 1;
}

static void filters(void **state)
{
    (void)state;
    static const uint8_t other[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    static const uint8_t multicast[6] = {0x01, 0, 0x5e, 0, 0x12, 0x34};
    rx_ring(0);
    assert_true(passes(mac));
    assert_false(passes(other));
    assert_false(passes(broadcast));
    assert_false(passes(multicast));
    set(RCTL, E1000_RCTL_EN | E1000_RCTL_BAM);
    assert_true(passes(broadcast));
    set(RCTL, E1000_RCTL_EN | E1000_RCTL_UPE);
    assert_true(passes(other));
    assert_false(passes(multicast));
    set(RCTL, E1000_RCTL_EN | E1000_RCTL_MPE);
    assert_true(passes(multicast));
    set(RCTL, E1000_RCTL_EN);
    set(MTA + 0x341 / 32 * 4, 1u << (0x341 & 31)); /* bits 47:36 of the address */
    assert_true(passes(multicast));
    set(MTA + 0x341 / 32 * 4, 0);
    set(RAL + 8, 0x12005452);
    set(RAL + 12, 0x80005734);
    assert_true(passes(other));
    set(RAL + 12, 0x00005734);
    assert_false(passes(other));
}

static void interrupts(void **state)
{
    (void)state;
    set(ICS, E1000_ICR_LSC);
    assert_false(nic.pci.intx);
    set(IMS, E1000_ICR_LSC);
    assert_true(nic.pci.intx);
    set(IMC, E1000_ICR_LSC);
    assert_false(nic.pci.intx);
    set(IMS, E1000_ICR_LSC);
    assert_int_equal(get(ICR), E1000_ICR_LSC);
    assert_false(nic.pci.intx);
    /* ITR: 4,000 times 256 ns between two. */
    set(ITR, 4000);
    test_time += test_us(2000);
    set(ICS, E1000_ICR_LSC);
    assert_true(nic.pci.intx);
    get(ICR);
    set(ICS, E1000_ICR_LSC);
    assert_false(nic.pci.intx);
    assert_true(e1000_deadline(&nic) <= test_time + test_us(1024) + 1);
    test_time += test_us(1023);
    e1000_expire(&nic, test_time);
    assert_false(nic.pci.intx);
    test_time += test_us(1);
    e1000_expire(&nic, test_time);
    assert_true(nic.pci.intx);
    assert_true(e1000_deadline(&nic) == CLOCK_NEVER);
}

static void bad_rings(void **state)
{
    (void)state;
    rx_ring(E1000_RCTL_BAM);
    tx_ring();
    set(TDT, 0xffff); /* behind the end */
    set(TDH, 0xffff);
    set(RDT, 0x8000);
    net_fake_frame(mac, 100);
    net_fake_arrive();
    assert_int_equal(net_sent_count, 0);
    set(RDBAL, 0xfffffff0);
    set(RDBAL + 4, 0xffffffff);
    set(RDH, 0);
    set(RDT, 8);
    assert_int_equal(get(RDH), 1); /* written nowhere */
    set(TDBAL, 0xfffffff0);
    set(TDBAL + 4, 0xffffffff);
    set(TDH, 0);
    set(TDT, 8);
    assert_int_equal(get(TDH), 8);
    set(TDLEN, 0);
    set(RDLEN, 0);
    set(TDT, 1);
    net_fake_arrive();
    nic.pci.config[PCI_COMMAND] = 0; /* no bus master */
    tx_ring();
    descriptor(0, TX_BUFFERS, 100 | (uint32_t)(EOP | RS) << 24, 0);
    set(TDT, 1);
    assert_int_equal(get(TDH), 0);
    pci_fake_write(&nic.pci, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    e1000_expire(&nic, test_time);
    assert_int_equal(get(TDH), 1);
}

static void work_is_bounded(void **state)
{
    (void)state;
    set(TDBAL, TX_RING);
    set(TDLEN, 0x10000);
    set(TCTL, E1000_TCTL_EN);
    set(TDT, 4000);
    assert_int_equal(get(TDH), E1000_TX_AT_ONCE);
    assert_true(e1000_deadline(&nic) <= test_time + 1);
    for (unsigned i = 0; i < 20; i++)
        e1000_expire(&nic, ++test_time);
    assert_int_equal(get(TDH), 4000);
    assert_true(e1000_deadline(&nic) == CLOCK_NEVER);
}

static void ports(void **state)
{
    (void)state;
    e1000_port_ops.write(&nic, 0, 4, RCTL);
    e1000_port_ops.write(&nic, 4, 4, 0x8000);
    assert_int_equal(get(RCTL), 0x8000);
    assert_int_equal(e1000_port_ops.read(&nic, 4, 4), 0x8000);
    assert_int_equal(e1000_port_ops.read(&nic, 5, 1) & 0xff, 0x80);
    e1000_port_ops.write(&nic, 0, 4, 0xffffffff);
    e1000_port_ops.write(&nic, 4, 4, 1);
    e1000_port_ops.write(&nic, 0, 4, CTRL);
    e1000_port_ops.write(&nic, 4, 4, 0x04000000); /* reset */
    assert_int_equal(get(RCTL), 0);
    assert_int_equal(get(RAL + 4), 0x80005634);
}

static void snapshot(void **state)
{
    (void)state;
    static uint8_t buf[16384];
    char text[400];
    rx_ring(E1000_RCTL_BAM);
    tx_ring();
    net_room = 0;
    descriptor(0, TX_BUFFERS, 100 | (uint32_t)(EOP | RS) << 24, 0);
    set(TDT, 1);
    size_t n = e1000_ops.save(&nic, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(e1000_ops.save(&nic, buf, n - 1), 0);
    e1000_ops.reset(&nic);
    assert_false(e1000_ops.restore(&nic, buf, n - 1));
    assert_true(e1000_ops.restore(&nic, buf, n));
    net_room = 10;
    e1000_expire(&nic, test_time);
    assert_int_equal(net_sent_count, 1);
    assert_int_equal(net_sent[0].size, 100);
    assert_int_equal(get(RDT), N - 1);
    assert_true(e1000_ops.info(&nic, text, sizeof(text)) > 50);
    assert_int_equal(e1000_ops.info(&nic, text, 10), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(eeprom_by_eerd, setup),
        cmocka_unit_test_setup(eeprom_by_pins, setup),
        cmocka_unit_test_setup(phy, setup),
        cmocka_unit_test_setup(transmits, setup),
        cmocka_unit_test_setup(transmit_waits, setup),
        cmocka_unit_test_setup(legacy_checksum, setup),
        cmocka_unit_test_setup(checksum_offload, setup),
        cmocka_unit_test_setup(segmentation, setup),
        cmocka_unit_test_setup(segmentation_is_bounded, setup),
        cmocka_unit_test_setup(receives, setup),
        cmocka_unit_test_setup(receive_waits, setup),
        cmocka_unit_test_setup(small_buffers, setup),
        cmocka_unit_test_setup(filters, setup),
        cmocka_unit_test_setup(interrupts, setup),
        cmocka_unit_test_setup(bad_rings, setup),
        cmocka_unit_test_setup(work_is_bounded, setup),
        cmocka_unit_test_setup(ports, setup),
        cmocka_unit_test_setup(snapshot, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
