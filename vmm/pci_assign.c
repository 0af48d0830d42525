// SPDX-License-Identifier: BSD-2-Clause
// What firmware does with BARs, for kernels that are loaded directly. The largest first, so that
// each lies on its own size without gaps.
#include "pci.h"

#include <string.h>

#include "platform.h"

#define SMALL (64u << 20) /* larger 64-bit BARs go above 4 GiB, where there is more room */

struct window {
    uint64_t next, end;
};

static bool take(struct window *w, uint64_t size, uint64_t *address)
{
    if (w->next > UINT64_MAX - (size - 1))
        return false;
    uint64_t at = (w->next + size - 1) & ~(size - 1);
    if (at > w->end || size > w->end - at)
        return false;
    w->next = at + size;
    *address = at;
    return true;
}

/* Registers that a guest may write are set directly: nothing is mapped until decoding is on. */
static void set_bar(struct pci_function *f, unsigned index, uint64_t address)
{
    uint8_t *at = f->config + PCI_BASE_ADDRESS_0 + 4 * index;
    uint64_t flags = at[0] & 15 & ~f->writable[PCI_BASE_ADDRESS_0 + 4 * index];
    address |= flags;
    memcpy(at, &address, f->bar[index].kind == PCI_BAR_MEM64 ? 8 : 4);
}

void pci_assign_bars(struct pci_bus *bus)
{
    struct window io = {PLATFORM_PCI_IO, PLATFORM_PCI_IO_END};
    struct window low = {PLATFORM_PCI32, PLATFORM_PCI32_END};
    struct window high = {bus->window64, bus->window64 + bus->window64_size};
    for (unsigned log = 40; log >= 2; log--) {
        for (unsigned i = 0; i < PCI_FUNCTIONS * PCI_BARS; i++) {
            struct pci_function *f = bus->function[i / PCI_BARS];
            if (f == NULL || f->bar[i % PCI_BARS].size != 1ull << log)
                continue;
            const struct pci_bar *bar = &f->bar[i % PCI_BARS];
            uint64_t address = 0;
            bool found;
            if (bar->kind == PCI_BAR_IO)
                found = take(&io, bar->size, &address);
            else
                found = (bar->kind == PCI_BAR_MEM64 && bar->size > SMALL &&
                         take(&high, bar->size, &address)) ||
                        take(&low, bar->size, &address);
            set_bar(f, i % PCI_BARS, found ? address : 0);
        }
    }
}
