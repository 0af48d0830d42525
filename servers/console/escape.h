// SPDX-License-Identifier: BSD-2-Clause
// How one leaves an attached console: ^] at any time, or `~.` at the start of a line, as ssh does
// it. `~~` sends one tilde.
#pragma once

#include <stdint.h>

#define ESCAPE_KEY 0x1d // ^]

enum escape_state { ESCAPE_LINE_START, ESCAPE_IN_LINE, ESCAPE_TILDE };
struct escape {
    enum escape_state state; // ESCAPE_LINE_START when attaching
};

#define ESCAPE_DETACH (-1)
// Takes one typed byte; gives how many bytes (0 to 2) in `send` go to the guest, or ESCAPE_DETACH.
int escape_feed(struct escape *escape, uint8_t byte, uint8_t send[2]);
