// SPDX-License-Identifier: BSD-2-Clause
// The state machine of the escapes. A tilde at the start of a line is held back until the next key
// tells what it means.

#include "escape.h"

int escape_feed(struct escape *escape, uint8_t byte, uint8_t send[2])
{
    enum escape_state before = escape->state;
    int n = 0;

    if (byte == ESCAPE_KEY)
        return ESCAPE_DETACH;
    if (before == ESCAPE_LINE_START && byte == '~') {
        escape->state = ESCAPE_TILDE;
        return 0;
    }
    if (before == ESCAPE_TILDE && byte == '.')
        return ESCAPE_DETACH;
    escape->state = byte == '\r' || byte == '\n' ? ESCAPE_LINE_START : ESCAPE_IN_LINE;
    if (before == ESCAPE_TILDE && byte != '~')
        send[n++] = '~';
    send[n++] = byte;
    return n;
}
