// SPDX-License-Identifier: BSD-2-Clause
// What was typed at a terminal, as key strokes of a US keyboard: ASCII, control characters, and the
// escape sequences of xterm and VT220 for cursor and function keys (ECMA-48 5.4).
#ifndef VMM_PS2_KEYS_H
#define VMM_PS2_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define KEY_EXTENDED 0x01 /* the scan code has the prefix 0xe0 */
#define KEY_SHIFT    0x02 /* with these keys held down */
#define KEY_CTRL     0x04
#define KEY_ALT      0x08
#define KEY_FLAGS    0x0f

#define KEY_CODE_ESC 0x76

struct key_stroke {
    uint8_t code; /* scan code of set 2; 0: none */
    uint8_t flags;
};

enum key_parser_state { KEYS_PLAIN, KEYS_ESCAPE, KEYS_CSI, KEYS_SS3, KEYS_STATES };

struct key_parser {
    uint8_t state; /* enum key_parser_state */
    uint8_t parameters;
    uint8_t parameter[2];
};

/* One byte. Returns whether it ended a stroke. HAZARD: in KEYS_ESCAPE a byte that begins no
 * sequence is not taken (*again is set): the stroke is the Escape key, and the byte is to be given
 * once more. */
bool keys_parse(struct key_parser *parser, uint8_t byte, struct key_stroke *stroke, bool *again);

/* Whether an Escape waits for what follows it; keys_escape() makes it the key after all. */
static inline bool keys_waiting(const struct key_parser *parser)
{
    return parser->state == KEYS_ESCAPE;
}
void keys_escape(struct key_parser *parser, struct key_stroke *stroke);

#endif
