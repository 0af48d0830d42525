// SPDX-License-Identifier: BSD-2-Clause
// The chipset's own PCI functions: the memory controller hub's host bridge at 0:0.0 (Intel Q35
// Express data sheet, 316966) and the I/O hub's LPC bridge at 0:1f.0 (Intel ICH9 data sheet,
// 316972). Of their registers those do something that move other parts: PCIEXBAR (ECAM), PMBASE and
// ACPI_CNTL (the power management block), PIRQ routing. The rest holds what firmware writes.
#ifndef VMM_Q35_H
#define VMM_Q35_H

#include "acpi_pm.h"
#include "pci.h"

#define Q35_LPC_SLOT  31
#define Q35_PCIEXBAR  0x60 /* host bridge, 8 bytes */
#define Q35_PAM0      0x90
#define Q35_SMRAM     0x9d
#define Q35_PMBASE    0x40 /* LPC bridge */
#define Q35_ACPI_CNTL 0x44
#define Q35_PIRQA     0x60 /* A to D */
#define Q35_PIRQE     0x68 /* E to H */

struct q35 {
    struct pci_function host, lpc;
    struct pci_bus *bus;
    struct acpi_pm *pm;
    uint64_t pm_port; /* where its block is mapped, PCI_UNMAPPED: nowhere */
};

/* Adds both functions to an empty bus. False: there is no room. */
bool q35_init(struct q35 *q, struct pci_bus *bus, struct acpi_pm *pm);

/* As firmware leaves the registers, for kernels that are loaded directly: ECAM and the power
 * management block are where platform.h says, PIRQs at ISA lines 10 and 11. */
void q35_firmware_state(struct q35 *q);

/* reset, save, restore, info of the whole bus' own state; `dev` is the struct q35. What other
 * devices put on the bus is saved by them. */
extern const struct device_ops q35_ops;

#endif
