// SPDX-License-Identifier: BSD-2-Clause
// The part of the ACPI namespace that all VMs share: the PCI host bridge, the links of its
// interrupts to the 8259 pair, legacy devices, soft off. ACPI 6.4 chapters 6 and 19, PCI Firmware 3.2
// section 4. Compiled by iasl after the C preprocessor. What differs between VMs are values that an
// SSDT (ssdt.c) defines.
#include "platform.h"

DefinitionBlock ("", "DSDT", 2, "BULKHD", "VIRTUAL ", 1)
{
    External (\PS2P, IntObj) // 0xf: there is an 8042 ...
    External (\COMP, IntObj) // 0xf: ... a second serial port
    External (\HPTP, IntObj) // 0xf: ... an HPET
    External (\ECMB, IntObj) // where ECAM is
    External (\WB32, IntObj) // PCI windows: first byte, last byte, length (0: there is none)
    External (\WE32, IntObj)
    External (\WL32, IntObj)
    External (\WB64, IntObj)
    External (\WE64, IntObj)
    External (\WL64, IntObj)
    External (\_SB.PCI0.SLTN, MethodObj) // tells slots' drivers to let go; when any is removable

    Name (\_S5, Package () { PLATFORM_SLP_TYP_S5, PLATFORM_SLP_TYP_S5, 0, 0 })

    Name (\PICF, 0) // 1: the operating system uses the I/O APIC
    Method (\_PIC, 1) { PICF = Arg0 }

    Scope (\_GPE)
    {
        Method (_E01) // PLATFORM_GPE_PCI
        {
            If (CondRefOf (\_SB.PCI0.SLTN)) { \_SB.PCI0.SLTN (\_SB.PCI0.PDWN) }
        }
    }

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_SEG, 0)
            Name (_BBN, 0)

            // Native hot plug, PME, AER and the rest are the firmware's, which does not use them.
            Method (_OSC, 4)
            {
                CreateDWordField (Arg3, 0, CDW1)
                If (Arg0 == ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
                {
                    CreateDWordField (Arg3, 8, CDW3)
                    If (CDW3) { CDW1 |= 0x10 } // control bits were masked
                    CDW3 = 0
                    If (Arg1 != 1) { CDW1 |= 0x08 }
                }
                Else { CDW1 |= 0x04 }
                Return (Arg3)
            }

            Name (CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0x0cf8, 0x0cf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0000, 0x0cf7, 0, 0x0cf8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0d00, 0xffff, 0, 0xf300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                             0, 0x000a0000, 0x000bffff, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000, , , LOWW)
            })
            Name (CR64, ResourceTemplate ()
            {
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                             0, 0x800000000, 0xbffffffff, 0, 0x400000000, , , HIGW)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (CRS, ^LOWW._MIN, LMIN)
                CreateDWordField (CRS, ^LOWW._MAX, LMAX)
                CreateDWordField (CRS, ^LOWW._LEN, LLEN)
                LMIN = WB32
                LMAX = WE32
                LLEN = WL32
                If (WL64 == 0) { Return (CRS) }
                CreateQWordField (CR64, ^HIGW._MIN, HMIN)
                CreateQWordField (CR64, ^HIGW._MAX, HMAX)
                CreateQWordField (CR64, ^HIGW._LEN, HLEN)
                HMIN = WB64
                HMAX = WE64
                HLEN = WL64
                Return (ConcatenateResTemplate (CRS, CR64))
            }

            // Ports by which slots are asked to be freed, and told to be free (pci_hotplug.c).
            OperationRegion (PHPR, SystemIO, PLATFORM_PCI_HOTPLUG, 16)
            Field (PHPR, DWordAcc, NoLock, WriteAsZeros)
            {
                PDWN, 32,
                Offset (8), // PLATFORM_PCI_EJECT
                PEJT, 32
            }

            // Slots 0 to 24 rotate over PIRQE to PIRQH, the others have PIRQA to PIRQD. With the
            // I/O APIC these are its pins 16 to 23, without it what the links say.
#define ENTRY(slot, pin, source, index) Package () { ((slot) << 16) | 0xffff, pin, source, index }
#define PIN(slot, pin, pirq) ENTRY (slot, pin, 0, 16 + (pirq))
#define LINK(slot, pin, link) ENTRY (slot, pin, link, 0)
#define PINS(slot, a, b, c, d) \
    PIN (slot, 0, a), PIN (slot, 1, b), PIN (slot, 2, c), PIN (slot, 3, d)
#define LINKS(slot, a, b, c, d) \
    LINK (slot, 0, a), LINK (slot, 1, b), LINK (slot, 2, c), LINK (slot, 3, d)
#define FOUR_PINS(slot) \
    PINS (slot, 4, 5, 6, 7), PINS ((slot) + 1, 5, 6, 7, 4), \
    PINS ((slot) + 2, 6, 7, 4, 5), PINS ((slot) + 3, 7, 4, 5, 6)
#define FOUR_LINKS(slot) \
    LINKS (slot, LNKE, LNKF, LNKG, LNKH), LINKS ((slot) + 1, LNKF, LNKG, LNKH, LNKE), \
    LINKS ((slot) + 2, LNKG, LNKH, LNKE, LNKF), LINKS ((slot) + 3, LNKH, LNKE, LNKF, LNKG)
#define FIXED_PINS(slot) PINS (slot, 0, 1, 2, 3)
#define FIXED_LINKS(slot) LINKS (slot, LNKA, LNKB, LNKC, LNKD)
            Name (PRTA, Package ()
            {
                FOUR_PINS (0), FOUR_PINS (4), FOUR_PINS (8), FOUR_PINS (12), FOUR_PINS (16),
                FOUR_PINS (20), PINS (24, 4, 5, 6, 7), FIXED_PINS (25), FIXED_PINS (26),
                FIXED_PINS (27), FIXED_PINS (28), FIXED_PINS (29), FIXED_PINS (30), FIXED_PINS (31)
            })
            Name (PRTP, Package ()
            {
                FOUR_LINKS (0), FOUR_LINKS (4), FOUR_LINKS (8), FOUR_LINKS (12), FOUR_LINKS (16),
                FOUR_LINKS (20), LINKS (24, LNKE, LNKF, LNKG, LNKH), FIXED_LINKS (25),
                FIXED_LINKS (26), FIXED_LINKS (27), FIXED_LINKS (28), FIXED_LINKS (29),
                FIXED_LINKS (30), FIXED_LINKS (31)
            })
            Method (_PRT)
            {
                If (PICF) { Return (PRTA) }
                Return (PRTP)
            }

            Device (LPC)
            {
                Name (_ADR, 0x001f0000)
                OperationRegion (PIRR, PCI_Config, 0x60, 0x0c)
                Field (PIRR, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8,
                    Offset (8),
                    PRQE, 8, PRQF, 8, PRQG, 8, PRQH, 8
                }

                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03f8, 0x03f8, 1, 8)
                        IRQNoFlags () { 4 }
                    })
                }
                Device (COM2)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 2)
                    Method (_STA) { Return (COMP) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02f8, 0x02f8, 1, 8)
                        IRQNoFlags () { 3 }
                    })
                }
                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0070, 0x0070, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }
                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Method (_STA) { Return (PS2P) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0060, 0x0060, 1, 1)
                        IO (Decode16, 0x0064, 0x0064, 1, 1)
                        IRQNoFlags () { 1 }
                    })
                }
            }
        }

        // A link routes its PIRQ to one of the 8259's lines: bits 3:0, bit 7 turns it off.
        Name (LPRS, ResourceTemplate ()
        {
            IRQ (Level, ActiveLow, Shared) { 5, 10, 11 }
        })
        // With the I/O APIC nobody uses them, and an operating system that sees none need not read
        // their registers: a hundred accesses at each boot of Linux.
        Method (LSTA, 1)
        {
            If (Arg0 & 0x80) { Return (0x09) }
            Return (0x0b)
        }
        Name (IRQR, ResourceTemplate ()
        {
            IRQ (Level, ActiveLow, Shared, LINE) { 5 }
        })
        Method (LCRS, 1, Serialized)
        {
            CreateWordField (IRQR, ^LINE._INT, MASK)
            If (Arg0 & 0x80) { MASK = 0 }
            Else { MASK = 1 << (Arg0 & 0x0f) }
            Return (IRQR)
        }
        Method (LSRS, 1)
        {
            CreateWordField (Arg0, 1, MASK)
            FindSetRightBit (MASK, Local0)
            If (Local0) { Return (Local0 - 1) }
            Return (0x80)
        }
#define ROUTE(name, uid, field) \
        Device (name) \
        { \
            Name (_HID, EisaId ("PNP0C0F")) \
            Name (_UID, uid) \
            Method (_STA) { If (PICF) { Return (0) } Return (LSTA (\_SB.PCI0.LPC.field)) } \
            Method (_PRS) { Return (LPRS) } \
            Method (_CRS) { Return (LCRS (\_SB.PCI0.LPC.field)) } \
            Method (_DIS) { \_SB.PCI0.LPC.field |= 0x80 } \
            Method (_SRS, 1) { \_SB.PCI0.LPC.field = LSRS (Arg0) } \
        }
        ROUTE (LNKA, 1, PRQA)
        ROUTE (LNKB, 2, PRQB)
        ROUTE (LNKC, 3, PRQC)
        ROUTE (LNKD, 4, PRQD)
        ROUTE (LNKE, 5, PRQE)
        ROUTE (LNKF, 6, PRQF)
        ROUTE (LNKG, 7, PRQG)
        ROUTE (LNKH, 8, PRQH)

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Method (_STA) { Return (HPTP) }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadOnly, 0xfed00000, 0x400)
            })
        }

        // What no driver owns but nobody else may have: ECAM among it.
        Device (MBRD)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (RSRC, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xb0000000, 0x10000000, ECAM)
                IO (Decode16, 0x0092, 0x0092, 1, 1)
                IO (Decode16, 0x00b2, 0x00b2, 1, 2)
                IO (Decode16, 0x04d0, 0x04d0, 1, 2)
                IO (Decode16, PLATFORM_PM1_EVENT, PLATFORM_PM1_EVENT, 1, 0x80)
                IO (Decode16, PLATFORM_PCI_HOTPLUG, PLATFORM_PCI_HOTPLUG, 1, 0x10)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (RSRC, ^ECAM._BAS, BASE)
                BASE = ECMB
                Return (RSRC)
            }
        }
    }
}
