// SPDX-License-Identifier: BSD-2-Clause
// The MSR of the paravirtual end of interrupt; see pv_eoi.h.
#include "pv_eoi.h"

void pv_eoi_init(struct pv_eoi *eoi, const struct guest_ram *ram)
{
    *eoi = (struct pv_eoi){.ram = ram};
}

bool pv_eoi_write(struct pv_eoi *eoi, uint64_t value)
{
    volatile uint8_t *flag = NULL;

    if (value & 1) {
        flag = value & 2 ? NULL : guest_ram_at(eoi->ram, value & ~3ull, 4);
        if (!flag)
            return false;
    }
    eoi->value = value;
    eoi->flag = flag;
    eoi->armed = false;
    return true;
}
