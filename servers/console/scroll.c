// SPDX-License-Identifier: BSD-2-Clause
// Scrollback of one VM.

#include "scroll.h"

#include <string.h>

void scroll_init(struct scroll *scroll, uint8_t *data, uint32_t size)
{
    scroll->data = data;
    scroll->size = size;
    scroll->head = 0;
}

void scroll_add(struct scroll *scroll, const void *bytes, uint32_t n)
{
    const uint8_t *from = bytes;

    while (n > 0) {
        uint32_t at = (uint32_t)scroll->head & (scroll->size - 1);
        uint32_t part = scroll->size - at < n ? scroll->size - at : n;

        memcpy(scroll->data + at, from, part);
        scroll->head += part;
        from += part;
        n -= part;
    }
}

uint64_t scroll_oldest(const struct scroll *scroll)
{
    return scroll->head > scroll->size ? scroll->head - scroll->size : 0;
}

uint64_t scroll_last_lines(const struct scroll *scroll, unsigned lines)
{
    uint64_t oldest = scroll_oldest(scroll), position = scroll->head;

    while (position > oldest) {
        // A newline at the very end closes the last line and does not count.
        if (scroll->data[(position - 1) & (scroll->size - 1)] == '\n' && position != scroll->head &&
            --lines == 0)
            break;
        position--;
    }
    return position;
}

uint32_t scroll_read(const struct scroll *scroll, uint64_t *position, void *to, uint32_t n)
{
    uint8_t *bytes = to;
    uint64_t left;

    if (*position < scroll_oldest(scroll))
        *position = scroll_oldest(scroll);
    if (*position > scroll->head)
        *position = scroll->head;
    left = scroll->head - *position;
    if (n > left)
        n = (uint32_t)left;
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = scroll->data[(*position)++ & (scroll->size - 1)];
    return n;
}
