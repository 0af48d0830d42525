// SPDX-License-Identifier: BSD-2-Clause
// Typed bytes to key strokes. Unknown sequences are swallowed whole, so that they do not come out
// as text.
#include "ps2_keys.h"

#define E KEY_EXTENDED
#define S KEY_SHIFT

// clang-format off
/* Scan codes, set 2, of the characters 0x20..0x7e on a US keyboard; bit 7: with Shift. */
static const uint8_t ascii[95] = {
    0x29,       0x16|0x80,  0x52|0x80,  0x26|0x80,  0x25|0x80,  0x2e|0x80,  0x3d|0x80,  0x52,      /*  !"#$%&' */
    0x46|0x80,  0x45|0x80,  0x3e|0x80,  0x55|0x80,  0x41,       0x4e,       0x49,       0x4a,      /* ()*+,-./ */
    0x45,       0x16,       0x1e,       0x26,       0x25,       0x2e,       0x36,       0x3d,      /* 01234567 */
    0x3e,       0x46,       0x4c|0x80,  0x4c,       0x41|0x80,  0x55,       0x49|0x80,  0x4a|0x80, /* 89:;<=>? */
    0x1e|0x80,  0x1c|0x80,  0x32|0x80,  0x21|0x80,  0x23|0x80,  0x24|0x80,  0x2b|0x80,  0x34|0x80, /* @ABCDEFG */
    0x33|0x80,  0x43|0x80,  0x3b|0x80,  0x42|0x80,  0x4b|0x80,  0x3a|0x80,  0x31|0x80,  0x44|0x80, /* HIJKLMNO */
    0x4d|0x80,  0x15|0x80,  0x2d|0x80,  0x1b|0x80,  0x2c|0x80,  0x3c|0x80,  0x2a|0x80,  0x1d|0x80, /* PQRSTUVW */
    0x22|0x80,  0x35|0x80,  0x1a|0x80,  0x54,       0x5d,       0x5b,       0x36|0x80,  0x4e|0x80, /* XYZ[\]^_ */
    0x0e,       0x1c,       0x32,       0x21,       0x23,       0x24,       0x2b,       0x34,      /* `abcdefg */
    0x33,       0x43,       0x3b,       0x42,       0x4b,       0x3a,       0x31,       0x44,      /* hijklmno */
    0x4d,       0x15,       0x2d,       0x1b,       0x2c,       0x3c,       0x2a,       0x1d,      /* pqrstuvw */
    0x22,       0x35,       0x1a,       0x54|0x80,  0x5d|0x80,  0x5b|0x80,  0x0e|0x80,             /* xyz{|}~ */
};
// clang-format on

/* ESC [ letter and ESC O letter. */
static const struct {
    char final;
    struct key_stroke stroke;
} letters[] = {
    {'A', {0x75, E}}, {'B', {0x72, E}}, {'C', {0x74, E}}, {'D', {0x6b, E}},
    {'H', {0x6c, E}}, {'F', {0x69, E}}, {'P', {0x05, 0}}, {'Q', {0x06, 0}},
    {'R', {0x04, 0}}, {'S', {0x0c, 0}}, {'Z', {0x0d, S}},
};

/* ESC [ number ~ */
static const struct key_stroke numbered[25] = {
    [1] = {0x6c, E},  [2] = {0x70, E},  [3] = {0x71, E},  [4] = {0x69, E},  [5] = {0x7d, E},
    [6] = {0x7a, E},  [7] = {0x6c, E},  [8] = {0x69, E},  [11] = {0x05, 0}, [12] = {0x06, 0},
    [13] = {0x04, 0}, [14] = {0x0c, 0}, [15] = {0x03, 0}, [17] = {0x0b, 0}, [18] = {0x83, 0},
    [19] = {0x0a, 0}, [20] = {0x01, 0}, [21] = {0x09, 0}, [23] = {0x78, 0}, [24] = {0x07, 0},
};

static bool plain(uint8_t byte, struct key_stroke *stroke)
{
    *stroke = (struct key_stroke){0, 0};
    if (byte >= 0x20 && byte < 0x7f) {
        uint8_t code = ascii[byte - 0x20];
        *stroke = (struct key_stroke){code & 0x7f, code & 0x80 ? KEY_SHIFT : 0};
    } else if (byte == '\r' || byte == '\n') {
        stroke->code = 0x5a;
    } else if (byte == '\t') {
        stroke->code = 0x0d;
    } else if (byte == 0x7f || byte == '\b') {
        stroke->code = 0x66;
    } else if (byte < 0x20) { /* ^@ is Ctrl and 2 */
        uint8_t code = ascii[(byte | 0x40) == '@' ? '2' - 0x20
                             : byte < 27          ? (byte | 0x60) - 0x20
                                                  : (byte | 0x40) - 0x20];
        *stroke = (struct key_stroke){code & 0x7f, KEY_CTRL | (code & 0x80 ? KEY_SHIFT : 0)};
    }
    return stroke->code != 0;
}

void keys_escape(struct key_parser *parser, struct key_stroke *stroke)
{
    parser->state = KEYS_PLAIN;
    *stroke = (struct key_stroke){KEY_CODE_ESC, 0};
}

static bool ended(struct key_parser *parser, uint8_t final, struct key_stroke *stroke)
{
    parser->state = KEYS_PLAIN;
    *stroke = (struct key_stroke){0, 0};
    if (final == '~') {
        if (parser->parameter[0] < sizeof(numbered) / sizeof(numbered[0]))
            *stroke = numbered[parser->parameter[0]];
    } else {
        for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
            if (letters[i].final == (char) final)
                *stroke = letters[i].stroke;
    }
    /* The second parameter is 1 and a bit for each modifier. */
    uint8_t held = parser->parameters > 0 && parser->parameter[1] ? parser->parameter[1] - 1 : 0;
    stroke->flags |=
        (held & 1 ? KEY_SHIFT : 0) | (held & 2 ? KEY_ALT : 0) | (held & 4 ? KEY_CTRL : 0);
    return stroke->code != 0;
}

bool keys_parse(struct key_parser *parser, uint8_t byte, struct key_stroke *stroke, bool *again)
{
    *again = false;
    switch (parser->state) {
    case KEYS_ESCAPE:
        parser->parameters = parser->parameter[0] = parser->parameter[1] = 0;
        if (byte == '[' || byte == 'O') {
            parser->state = byte == '[' ? KEYS_CSI : KEYS_SS3;
            return false;
        }
        *again = true;
        keys_escape(parser, stroke);
        return true;
    case KEYS_CSI:
    case KEYS_SS3:
        if (byte >= '0' && byte <= '9') {
            unsigned value = parser->parameter[parser->parameters] * 10u + byte - '0';
            parser->parameter[parser->parameters] = value > 255 ? 255 : (uint8_t)value;
            return false;
        }
        if (byte == ';') {
            parser->parameters = 1;
            return false;
        }
        if (byte >= 0x40 && byte < 0x7f)
            return ended(parser, byte, stroke);
        if (byte < 0x20) { /* cut off: what follows is text again */
            parser->state = KEYS_PLAIN;
            *again = true;
        }
        return false;
    default:
        if (byte != 0x1b)
            return plain(byte, stroke);
        parser->state = KEYS_ESCAPE;
        return false;
    }
}
