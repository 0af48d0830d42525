// SPDX-License-Identifier: BSD-2-Clause
// Slots of root's own capability table: a bitmap.
#include "caps.h"

#include <stdbool.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "root.h"

static uint64_t used[CAP_SLOTS / 64];

void caps_init(unsigned first)
{
    memset(used, 0, sizeof(used));
    for (unsigned slot = 0; slot < first && slot < CAP_SLOTS; slot++)
        used[slot / 64] |= 1ull << slot % 64;
}

unsigned cap_alloc(void)
{
    for (unsigned i = 0; i < CAP_SLOTS / 64; i++) {
        if (used[i] != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~used[i]);

            used[i] |= 1ull << bit;
            return i * 64 + bit;
        }
    }
    return CAP_NONE;
}

void cap_name(unsigned slot, const char *name)
{
    static bool never; // this kernel has no debugger

    if (!never)
        never = sys_hw_name(SLOT_HW, slot, name) == ERR_ARG;
}

void cap_free(unsigned slot)
{
    if (slot >= CAP_SLOTS)
        return;
    // A stale capability still fills its slot; of an empty slot the error does not matter.
    sys_cap_drop(SLOT_TASK, slot);
    used[slot / 64] &= ~(1ull << slot % 64);
}

void cap_destroy(unsigned *slot)
{
    if (*slot == CAP_NONE)
        return;
    enum status status = sys_destroy(*slot);
    if (status != OK && status != ERR_CAP) // ERR_CAP: it died before, with its pool
        root_say("an object cannot be destroyed: %s", status_name(status));
    cap_free(*slot);
    *slot = CAP_NONE;
}
