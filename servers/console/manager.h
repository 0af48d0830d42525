// SPDX-License-Identifier: BSD-2-Clause
// The console's side of the management channel with root (bulkhead/manage.h): whole records over
// byte rings.
#pragma once

#include "bulkhead/manage.h"
#include "bulkhead/ring.h"

struct manager {
    bool present;
    struct ring_end rx, tx;
    uint32_t tag;              // of the last request
    struct manage_reply reply; // the record being received
    uint32_t received;         // bytes of it
};

// Gives the request's tag, or 0 when there is no channel or no room in it. `name` may be empty.
uint32_t manager_send(struct manager *manager, enum manage_op op, const char *name);

// MANAGE_KERNEL. The tag, or 0.
uint32_t manager_kernel(struct manager *manager, const char *text, uint64_t cursor);

// MANAGE_MONITOR. The tag, or 0.
uint32_t manager_monitor(struct manager *manager, const char *name, const char *text);

// True when *reply is the next whole record, its texts terminated.
bool manager_receive(struct manager *manager, struct manage_reply *reply);
