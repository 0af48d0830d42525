// SPDX-License-Identifier: BSD-2-Clause
// Where the virtual PC's parts are: ports, interrupt lines, physical addresses. Devices, ACPI
// tables, boot loaders and the documentation take them from here, so that they cannot disagree.
#pragma once

// clang-format off
// Memory map
#define PLATFORM_LOW_RAM_LIMIT 0x80000000ull  // RAM above 2 GiB continues at 4 GiB, as on q35: the hole is for devices
#define PLATFORM_HIGH_RAM      0x100000000ull // where RAM goes on
#define PLATFORM_ECAM          0xb0000000ull  // PCI configuration space, as firmware places it
#define PLATFORM_ECAM_SIZE     0x10000000u
#define PLATFORM_PCI32         0xc0000000u    // window for PCI devices' memory
#define PLATFORM_PCI32_END     0xfec00000u
#define PLATFORM_PCI64         0x800000000ull // the one for large 64-bit BARs, unless RAM reaches it
#define PLATFORM_PCI64_SIZE    0x400000000ull
#define PLATFORM_IOAPIC        0xfec00000u
#define PLATFORM_HPET          0xfed00000u
#define PLATFORM_LAPIC         0xfee00000u
#define PLATFORM_ACPI          0xe0000u // ACPI tables, inside the area where an OS looks for the RSDP
#define PLATFORM_ACPI_SIZE     0x20000u

// Low memory used to start a guest; a guest may reuse all of it but the ACPI tables
#define PLATFORM_BASE_TOP      0x9fc00u // end of conventional memory as firmware reports it
#define PLATFORM_BOOT_INFO     0x7000u  // Linux zero page, or Multiboot information (two pages)
#define PLATFORM_BOOT_GDT      0x6000u
#define PLATFORM_BOOT_TABLES   0x9000u  // page tables: PML4, PDPT, four page directories
#define PLATFORM_BOOT_CMDLINE  0x20000u
#define PLATFORM_BOOT_CMD_SIZE 0x10000u

// Ports
#define PLATFORM_PIC_MASTER 0x20
#define PLATFORM_PIC_SLAVE  0xa0
#define PLATFORM_PIT        0x40
#define PLATFORM_PORT61     0x61
#define PLATFORM_RTC        0x70
#define PLATFORM_COM1       0x3f8
#define PLATFORM_ELCR       0x4d0
#define PLATFORM_PM1_EVENT  0x600 // PM1a status and enable, 2 bytes each
#define PLATFORM_PM1_CTL    0x604 // PM1a control, 2 bytes
#define PLATFORM_PM_TIMER   0x608 // 4 bytes, 3.579545 MHz
#define PLATFORM_GPE0       0x620 // general-purpose events: 8 bytes of status, 8 of enable
#define PLATFORM_RESET_PORT 0xcf9
#define PLATFORM_PCI_HOTPLUG 0xae00 // slots that the guest is to let go of, 4 bytes
#define PLATFORM_PCI_EJECT   0xae08 // slots that it let go of, 4 bytes
#define PLATFORM_PCI_IO      0xc000 // window for PCI devices' ports
#define PLATFORM_PCI_IO_END  0x10000
#define PLATFORM_RESET_VALUE 0x06

// Interrupts: ISA lines, and the global system interrupt that differs from its ISA line
#define PLATFORM_IRQ_PIT  0
#define PLATFORM_IRQ_COM1 4
#define PLATFORM_IRQ_RTC  8
#define PLATFORM_IRQ_SCI  9
#define PLATFORM_GSI_PIT  2
#define PLATFORM_GSI_SCI  9
#define PLATFORM_IOAPIC_PINS 24

#define PLATFORM_GPE_PCI  1 // number of the event "a PCI device is to be removed"

#define PLATFORM_SLP_TYP_S5 5 // SLP_TYP value in PM1 control that means "power off"
#define PLATFORM_VCPUS_MAX  64 // APIC ids 0..63; the I/O APIC's own id needs no number of its own
// clang-format on
