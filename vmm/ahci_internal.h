// SPDX-License-Identifier: BSD-2-Clause
// Between the parts of the AHCI controller: ahci.c (registers, resets) and ahci_command.c
// (commands).
#ifndef VMM_AHCI_INTERNAL_H
#define VMM_AHCI_INTERNAL_H

#include "ahci.h"

#define CMD_ST  (1u << 0)
#define CMD_SUD (1u << 1)
#define CMD_POD (1u << 2)
#define CMD_CLO (1u << 3)
#define CMD_FRE (1u << 4)
#define CMD_CCS (31u << 8)
#define CMD_FR  (1u << 14)
#define CMD_CR  (1u << 15)
#define CMD_ICC (15u << 28)
#define CMD_KEPT \
    (CMD_ST | CMD_SUD | CMD_POD | CMD_FRE | 3u << 24 | 3u << 26) /* ATAPI, DLAE, ALPE, ASP */

#define IS_DHRS (1u << 0)
#define IS_PSS  (1u << 1)
#define IS_DSS  (1u << 2)
#define IS_SDBS (1u << 3)
#define IS_DPS  (1u << 5)
#define IS_PCS  (1u << 6)
#define IS_PRCS (1u << 22)
#define IS_OFS  (1u << 24)
#define IS_HBFS (1u << 29)
#define IS_TFES (1u << 30)
#define IE_ALL  0x7dc0007fu

static inline bool ahci_attached(const struct ahci_port *port)
{
    return port->device.backend != NULL;
}

/* Drives the interrupt. */
void ahci_update(struct ahci *ahci);

/* Serves the slots that are set, one after another; `resume`: first goes on with the command that
 * the backend has ended. */
void ahci_serve(struct ahci_port *port, bool resume);

/* After a reset the device shows what it is. */
void ahci_send_signature(struct ahci_port *port);

#endif
