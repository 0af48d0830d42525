// SPDX-License-Identifier: BSD-2-Clause
// Snapshot of one PCI function. What a guest cannot write is not taken from a snapshot; what it can
// is, as if it had written it, so that no value needs another check.
#include "pci.h"

#include <string.h>

#define PCI_SNAPSHOT SNAPSHOT_ID('P', 'C', 'F', 2)

struct state {
    uint8_t config[PCI_CFG_SPACE_SIZE];
    struct pci_msix_entry entry[PCI_VECTORS];
    uint64_t pending;
    uint32_t vectors;
    uint8_t intx;
    uint8_t present; /* it had not been removed */
    uint8_t pad[2];
};

size_t pci_save(struct pci_function *f, void *buf, size_t size)
{
    struct state s = {.pending = f->msix.pending,
                      .vectors = f->msix.count,
                      .intx = f->intx,
                      .present = f->bus != NULL};
    memcpy(s.config, f->config, sizeof(s.config));
    memcpy(s.entry, f->msix.entry, sizeof(s.entry));
    return snapshot_save(buf, size, PCI_SNAPSHOT, &s, sizeof(s));
}

bool pci_restore(struct pci_function *f, const void *buf, size_t size)
{
    struct state s;
    if (!snapshot_load(buf, size, PCI_SNAPSHOT, &s, sizeof(s)) || s.vectors != f->msix.count ||
        s.intx > 1 || s.present > 1 || (s.present && f->bus == NULL) ||
        memcmp(s.config, f->config, 4) != 0 || (s.vectors < 64 && s.pending >> s.vectors))
        return false;
    for (unsigned i = 0; i < PCI_CFG_SPACE_SIZE; i++) {
        uint8_t mask = f->writable[i] | f->clear[i];
        f->config[i] = (uint8_t)((f->config[i] & ~mask) | (s.config[i] & mask));
    }
    for (unsigned i = 0; i < PCI_VECTORS; i++) {
        f->msix.entry[i] = s.entry[i];
        f->msix.entry[i].address &= ~3ull;
        f->msix.entry[i].control &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    f->msix.pending = s.pending;
    f->intx = s.intx;
    pci_map_bars(f);
    pci_update_intx(f);
    if (!s.present && f->bus != NULL)
        pci_remove(f->bus, f);
    return true;
}
