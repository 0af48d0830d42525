// SPDX-License-Identifier: BSD-2-Clause
// Requests to root and what comes back.

#include "manager.h"

#include <stdio.h>
#include <string.h>

static uint32_t send(struct manager *manager, enum manage_op op, const char *name, uint64_t cursor,
                     const char *text)
{
    struct manage_request request = {.op = op, .cursor = cursor};

    if (!manager->present || ring_free(&manager->tx) < sizeof(request))
        return 0;
    if (++manager->tag == 0)
        manager->tag = 1;
    request.tag = manager->tag;
    snprintf(request.name, sizeof(request.name), "%s", name);
    snprintf(request.text, sizeof(request.text), "%s", text);
    ring_write(&manager->tx, &request, sizeof(request));
    manager->tx.raise = true; // root serves many: tell it each time
    return request.tag;
}

uint32_t manager_send(struct manager *manager, enum manage_op op, const char *name)
{
    return send(manager, op, name, 0, "");
}

uint32_t manager_kernel(struct manager *manager, const char *text, uint64_t cursor)
{
    return send(manager, MANAGE_KERNEL, text, cursor, "");
}

uint32_t manager_monitor(struct manager *manager, const char *name, const char *text)
{
    return send(manager, MANAGE_MONITOR, name, 0, text);
}

bool manager_receive(struct manager *manager, struct manage_reply *reply)
{
    if (!manager->present)
        return false;
    manager->received += ring_read(&manager->rx, (uint8_t *)&manager->reply + manager->received,
                                   sizeof(manager->reply) - manager->received);
    if (manager->received < sizeof(manager->reply))
        return false;
    manager->received = 0;
    *reply = manager->reply;
    if (reply->more) // root waits for room for a whole answer, not only when the ring is full
        manager->rx.raise = true;
    reply->name[sizeof(reply->name) - 1] = '\0';
    reply->message[sizeof(reply->message) - 1] = '\0';
    return true;
}
