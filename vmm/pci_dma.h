// SPDX-License-Identifier: BSD-2-Clause
// Bus mastering that a guest switches on late: what it told a device before still counts.
#ifndef VMM_PCI_DMA_H
#define VMM_PCI_DMA_H

#include "pci.h"

/* For config_written(): whether a write of these bytes may have allowed the function to reach
 * memory. Then it looks at what it could not do before. */
static inline bool pci_dma_began(const struct pci_function *f, unsigned offset, unsigned size)
{
    return offset <= PCI_COMMAND && offset + size > PCI_COMMAND && pci_may_dma(f);
}

#endif
