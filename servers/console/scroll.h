// SPDX-License-Identifier: BSD-2-Clause
// Scrollback: the last bytes that a VM printed. A position is the count of bytes ever added, so a
// reader that fell behind notices.
#pragma once

#include <stdint.h>

struct scroll {
    uint8_t *data;
    uint32_t size; // a power of two
    uint64_t head; // bytes ever added
};

// `data` has `size` bytes, a power of two, and stays with the scrollback.
void scroll_init(struct scroll *scroll, uint8_t *data, uint32_t size);

// The oldest bytes are overwritten.
void scroll_add(struct scroll *scroll, const void *bytes, uint32_t n);

// The position of the oldest byte kept; where the last `lines` lines start.
uint64_t scroll_oldest(const struct scroll *scroll);
uint64_t scroll_last_lines(const struct scroll *scroll, unsigned lines);

// Copies up to n bytes from *position on and moves it; a position that was overwritten moves to the
// oldest byte first.
uint32_t scroll_read(const struct scroll *scroll, uint64_t *position, void *to, uint32_t n);
