// SPDX-License-Identifier: BSD-2-Clause
// Names of the kernel's status values, for messages.
#include "bulkhead/syscall.h"

const char *status_name(enum status status)
{
    static const char *const names[] = {
        [OK] = "OK",
        [ERR_CAP] = "ERR_CAP",
        [ERR_RIGHTS] = "ERR_RIGHTS",
        [ERR_ARG] = "ERR_ARG",
        [ERR_RANGE] = "ERR_RANGE",
        [ERR_OVERLAP] = "ERR_OVERLAP",
        [ERR_SLOT] = "ERR_SLOT",
        [ERR_MEMORY] = "ERR_MEMORY",
        [ERR_QUOTA] = "ERR_QUOTA",
        [ERR_BUSY] = "ERR_BUSY",
        [ERR_STATE] = "ERR_STATE",
        [ERR_DEAD] = "ERR_DEAD",
        [ERR_CANCELLED] = "ERR_CANCELLED",
        [ERR_TIMEOUT] = "ERR_TIMEOUT",
        [ERR_DEPTH] = "ERR_DEPTH",
        [ERR_UNSUPPORTED] = "ERR_UNSUPPORTED",
    };
    _Static_assert(sizeof(names) / sizeof(names[0]) == STATUS_COUNT, "every status has a name");

    return (unsigned)status < STATUS_COUNT ? names[status] : "?";
}
