// SPDX-License-Identifier: BSD-2-Clause
// EEPROM and PHY of the 82540EM. The EEPROM is a 93C46 (64 words) that drivers read either through
// EERD or by driving the pins of its serial interface through EECD (8254x SDM 5.3, 13.4.3, 13.4.4);
// it is read-only. The PHY is an 88E1011 (SDM 8.8, 13.4.x MDIC) whose negotiation is always done.
#include "e1000.h"

#include <string.h>

enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8, EECD_PINS = 7, EECD_REQ = 0x40 };
enum { EECD_GNT = 0x80, EECD_PRES = 0x100, EECD_FWE = 0x10 };
enum { EERD_START = 1, EERD_DONE = 0x10 };
enum { EEPROM_CHECKSUM = 0x3f, EEPROM_SUM = 0xbaba };
enum { SERIAL_HEADER = 9, SERIAL_READ = 6 }; /* start bit, two of opcode, six of address */

enum { PHY_ADDRESS = 1 };
enum { PHY_CONTROL, PHY_STATUS, PHY_ID1, PHY_ID2, PHY_ADVERTISE, PHY_PARTNER, PHY_EXPANSION };
enum { PHY_1000T_CONTROL = 9, PHY_1000T_STATUS, PHY_EXTENDED_STATUS = 15, PHY_SPECIFIC_CONTROL };
enum { PHY_SPECIFIC_STATUS = 17, PHY_INTERRUPTS = 19, PHY_EXTENDED_CONTROL = 20, PHY_ERRORS };
#define PHY_CONTROL_RESET   0x8000u
#define PHY_CONTROL_RESTART 0x0200u

#define MDIC_DATA  0xffffu
#define MDIC_OP    0x0c000000u
#define MDIC_WRITE 0x04000000u
#define MDIC_READ  0x08000000u
#define MDIC_READY 0x10000000u
#define MDIC_IRQ   0x20000000u
#define MDIC_ERROR 0x40000000u

void e1000_eeprom_init(struct e1000 *e, const uint8_t mac[6])
{
    uint16_t *word = e->eeprom;
    uint16_t sum = 0;
    memset(word, 0xff, sizeof(e->eeprom));
    for (unsigned i = 0; i < 3; i++)
        word[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    word[0x03] = 0x0000; /* compatibility words */
    word[0x08] = 0x0000; /* board number: none */
    word[0x09] = 0x0000;
    word[0x0a] = 0x4408; /* initialization control 1: IDs below are valid, no power management */
    word[0x0b] = 0x001e; /* subsystem and its vendor, device, vendor */
    word[0x0c] = 0x8086;
    word[0x0d] = 0x100e;
    word[0x0e] = 0x8086;
    word[0x0f] = 0x3040; /* initialization control 2 */
    for (unsigned i = 0; i < EEPROM_CHECKSUM; i++)
        sum = (uint16_t)(sum + word[i]);
    word[EEPROM_CHECKSUM] = (uint16_t)(EEPROM_SUM - sum);
}

void e1000_eerd_write(struct e1000 *e, uint32_t value)
{
    e->s.eerd = value & 0xff00;
    if (value & EERD_START)
        e->s.eerd |= EERD_DONE | (uint32_t)e->eeprom[value >> 8 & (E1000_EEPROM_WORDS - 1)] << 16;
}

// A rising clock takes one bit in. Behind a read command and its address the words come out, the
// highest bit first, with the next address after each.
void e1000_eeprom_write(struct e1000 *e, uint32_t eecd)
{
    struct e1000_state *s = &e->s;
    bool rises = eecd & ~s->eecd & EECD_SK;
    s->eecd = eecd & (EECD_PINS | EECD_REQ);
    if (!(eecd & EECD_CS)) {
        s->serial_bits = 0;
        s->serial_in = 0;
        return;
    }
    if (!rises)
        return;
    if (s->serial_bits < SERIAL_HEADER) {
        if (s->serial_bits == 0 && !(eecd & EECD_DI))
            return; /* no start bit yet */
        s->serial_in = (uint16_t)(s->serial_in << 1 | !!(eecd & EECD_DI));
    }
    /* 16 bits for each word, all words for ever: the count stays within the first round. */
    if (++s->serial_bits > SERIAL_HEADER + 16 * E1000_EEPROM_WORDS)
        s->serial_bits = SERIAL_HEADER + 1;
}

uint32_t e1000_eeprom_read(const struct e1000 *e)
{
    const struct e1000_state *s = &e->s;
    uint32_t value = s->eecd | EECD_PRES | EECD_FWE;
    if (value & EECD_REQ)
        value |= EECD_GNT;
    if (s->serial_bits < SERIAL_HEADER || s->serial_in >> 6 != SERIAL_READ)
        return value | EECD_DO; /* not driven, or "ready" */
    if (s->serial_bits == SERIAL_HEADER)
        return value; /* a zero precedes the data */
    unsigned bit = s->serial_bits - SERIAL_HEADER - 1u;
    uint16_t word = e->eeprom[(s->serial_in + bit / 16) & (E1000_EEPROM_WORDS - 1)];
    return word >> (15 - bit % 16) & 1 ? value | EECD_DO : value;
}

void e1000_phy_reset(struct e1000 *e)
{
    uint16_t *phy = e->s.phy;
    memset(phy, 0, sizeof(e->s.phy));
    phy[PHY_CONTROL] = 0x1140; /* negotiate, full duplex, 1000 Mb/s */
    phy[PHY_STATUS] = 0x796d;  /* all of 10 and 100 Mb/s, negotiated, link up */
    phy[PHY_ID1] = 0x0141;
    phy[PHY_ID2] = 0x0c20;
    phy[PHY_ADVERTISE] = 0x0de1;
    phy[PHY_PARTNER] = 0xcde1;
    phy[PHY_EXPANSION] = 0x000f;
    phy[PHY_1000T_CONTROL] = 0x0e00;
    phy[PHY_1000T_STATUS] = 0x7c00;
    phy[PHY_EXTENDED_STATUS] = 0x3000;
    phy[PHY_SPECIFIC_CONTROL] = 0x0360;
    phy[PHY_SPECIFIC_STATUS] = 0xac08; /* 1000 Mb/s, full duplex, resolved, link up */
    phy[PHY_EXTENDED_CONTROL] = 0x0d60;
}

static void phy_write(struct e1000 *e, unsigned reg, uint16_t value)
{
    switch (reg) {
    case PHY_CONTROL:
        if (value & PHY_CONTROL_RESET)
            e1000_phy_reset(e);
        else
            e->s.phy[reg] = value & (uint16_t)~PHY_CONTROL_RESTART; /* done at once */
        return;
    case PHY_STATUS:
    case PHY_ID1:
    case PHY_ID2:
    case PHY_PARTNER:
    case PHY_EXPANSION:
    case PHY_1000T_STATUS:
    case PHY_EXTENDED_STATUS:
    case PHY_SPECIFIC_STATUS:
    case PHY_INTERRUPTS:
    case PHY_ERRORS:
        return;
    default:
        e->s.phy[reg] = value;
    }
}

void e1000_mdic_write(struct e1000 *e, uint32_t value)
{
    unsigned reg = value >> 16 & 31, op = value & MDIC_OP;
    e->s.mdic = (value & ~(MDIC_READY | MDIC_ERROR)) | MDIC_READY;
    if ((value >> 21 & 31) != PHY_ADDRESS || (op != MDIC_READ && op != MDIC_WRITE))
        e->s.mdic |= MDIC_ERROR;
    else if (op == MDIC_WRITE)
        phy_write(e, reg, (uint16_t)value);
    else
        e->s.mdic = (e->s.mdic & ~MDIC_DATA) | e->s.phy[reg];
    if (value & MDIC_IRQ)
        e1000_interrupt(e, E1000_ICR_MDAC);
}
