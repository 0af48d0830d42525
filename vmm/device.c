// SPDX-License-Identifier: BSD-2-Clause
// Snapshot framing for device models: an 8-byte header (id with version, length), then the plain
// state. Source and target are the same build of the vmm on x86-64; each device validates what it
// gets.
#include "device.h"

#include <string.h>

struct snapshot_header {
    uint32_t id;
    uint32_t length;
};

size_t snapshot_save(void *buf, size_t size, uint32_t id, const void *state, size_t length)
{
    struct snapshot_header header = {.id = id, .length = (uint32_t)length};
    if (size < sizeof(header) || size - sizeof(header) < length)
        return 0;
    memcpy(buf, &header, sizeof(header));
    memcpy((uint8_t *)buf + sizeof(header), state, length);
    return sizeof(header) + length;
}

bool snapshot_load(const void *buf, size_t size, uint32_t id, void *state, size_t length)
{
    struct snapshot_header header;
    if (size != sizeof(header) + length)
        return false;
    memcpy(&header, buf, sizeof(header));
    if (header.id != id || header.length != length)
        return false;
    memcpy(state, (const uint8_t *)buf + sizeof(header), length);
    return true;
}
