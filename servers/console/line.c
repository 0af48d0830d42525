// SPDX-License-Identifier: BSD-2-Clause
// The line editor. Every edit is one replacement of a part of the text, drawn by the same few
// lines.

#include "line.h"

#include <string.h>

#define CTRL(letter) ((letter)&0x1f)
#define DEL          0x7f

enum key_state { KEY_PLAIN, KEY_ESCAPE, KEY_CSI, KEY_SS3 };

void line_init(struct line *line)
{
    memset(line, 0, sizeof(*line));
}

static void move(struct line *line, struct out *out, unsigned to)
{
    if (to < line->cursor)
        out_repeat(out, '\b', line->cursor - to);
    else
        out_bytes(out, line->text + line->cursor, to - line->cursor);
    line->cursor = to;
}

// Replaces text[at .. at + removed) by n bytes; what does not fit is left out. The cursor ends
// behind them.
static void replace(struct line *line, struct out *out, unsigned at, unsigned removed,
                    const char *text, unsigned n)
{
    unsigned old_length = line->length, rest = old_length - at - removed, shrunk;

    if (n > LINE_MAX_LENGTH - (old_length - removed))
        n = LINE_MAX_LENGTH - (old_length - removed);
    move(line, out, at);
    memmove(line->text + at + n, line->text + at + removed, rest);
    memcpy(line->text + at, text, n);
    line->length = old_length - removed + n;
    line->text[line->length] = '\0';
    shrunk = old_length > line->length ? old_length - line->length : 0;
    out_bytes(out, line->text + at, line->length - at);
    out_repeat(out, ' ', shrunk);
    out_repeat(out, '\b', rest + shrunk);
    line->cursor = at + n;
}

void line_insert(struct line *line, struct out *out, const char *text, unsigned n)
{
    replace(line, out, line->cursor, 0, text, n);
}

static void show_history(struct line *line, struct out *out, unsigned back)
{
    unsigned kept = line->history_count < LINE_HISTORY ? line->history_count : LINE_HISTORY;
    const char *text = line->typed;
    char copy[LINE_MAX_LENGTH + 1];

    if (back > kept)
        return;
    if (line->history_back == 0)
        memcpy(line->typed, line->text, sizeof(line->typed));
    if (back != 0)
        text = line->history[(line->history_count - back) % LINE_HISTORY];
    line->history_back = back;
    memcpy(copy, text, sizeof(copy));
    replace(line, out, 0, line->length, copy, (unsigned)strlen(copy));
}

static unsigned word_start(const struct line *line)
{
    unsigned at = line->cursor;

    while (at > 0 && line->text[at - 1] == ' ')
        at--;
    while (at > 0 && line->text[at - 1] != ' ')
        at--;
    return at;
}

static enum line_event finish_key(struct line *line, struct out *out, uint8_t last)
{
    switch (last) {
    case 'A':
        show_history(line, out, line->history_back + 1);
        break;
    case 'B':
        if (line->history_back > 0)
            show_history(line, out, line->history_back - 1);
        break;
    case 'C':
        if (line->cursor < line->length)
            move(line, out, line->cursor + 1);
        break;
    case 'D':
        if (line->cursor > 0)
            move(line, out, line->cursor - 1);
        break;
    case 'H':
        move(line, out, 0);
        break;
    case 'F':
        move(line, out, line->length);
        break;
    case '~':
        if (line->key_number == 3 && line->cursor < line->length)
            replace(line, out, line->cursor, 1, "", 0);
        else if (line->key_number == 1 || line->key_number == 7)
            move(line, out, 0);
        else if (line->key_number == 4 || line->key_number == 8)
            move(line, out, line->length);
        break;
    case 'n':
        return line->key_number == 0 ? LINE_ANSWER : LINE_NONE;
    }
    return LINE_NONE;
}

// The bytes behind ESC: CSI has digits and semicolons up to a final byte 0x40..0x7e, SS3 exactly
// one more.
static enum line_event feed_key(struct line *line, struct out *out, uint8_t byte)
{
    switch (line->key_state) {
    case KEY_ESCAPE:
        line->key_number = 0;
        line->key_state = byte == '[' ? KEY_CSI : byte == 'O' ? KEY_SS3 : KEY_PLAIN;
        return LINE_NONE;
    case KEY_CSI:
        if (byte >= '0' && byte <= '9')
            line->key_number = (uint8_t)(line->key_number * 10 + (byte - '0'));
        if (byte >= 0x20 && byte < 0x40)
            return LINE_NONE;
        break;
    }
    line->key_state = KEY_PLAIN;
    return finish_key(line, out, byte);
}

static void feed_control(struct line *line, struct out *out, uint8_t byte)
{
    switch (byte) {
    case CTRL('H'):
    case DEL:
        if (line->cursor > 0)
            replace(line, out, line->cursor - 1, 1, "", 0);
        break;
    case CTRL('U'):
        replace(line, out, 0, line->cursor, "", 0);
        break;
    case CTRL('K'):
        replace(line, out, line->cursor, line->length - line->cursor, "", 0);
        break;
    case CTRL('W'): {
        unsigned start = word_start(line);

        replace(line, out, start, line->cursor - start, "", 0);
        break;
    }
    case CTRL('C'):
        out_text(out, "^C\n");
        line->length = line->cursor = line->history_back = 0;
        line->text[0] = '\0';
        line_draw(line, out);
        break;
    case CTRL('A'):
        move(line, out, 0);
        break;
    case CTRL('E'):
        move(line, out, line->length);
        break;
    case CTRL('B'):
        finish_key(line, out, 'D');
        break;
    case CTRL('F'):
        finish_key(line, out, 'C');
        break;
    case CTRL('P'):
        finish_key(line, out, 'A');
        break;
    case CTRL('N'):
        finish_key(line, out, 'B');
        break;
    }
}

enum line_event line_feed(struct line *line, struct out *out, uint8_t byte)
{
    bool second_half = line->after_return && byte == '\n'; // a terminal that sends CR LF for Enter
    char c = (char)byte;

    line->after_return = byte == '\r';
    if (line->key_state != KEY_PLAIN && byte >= 0x20)
        return feed_key(line, out, byte);
    line->key_state = KEY_PLAIN; // a control character ends a sequence that was cut short
    if (second_half)
        return LINE_NONE;
    if (byte == '\r' || byte == '\n') {
        out_text(out, "\n");
        return LINE_READY;
    }
    if (byte == '\t')
        return LINE_TAB;
    if (byte == 0x1b)
        line->key_state = KEY_ESCAPE;
    else if (byte < 0x20 || byte == DEL)
        feed_control(line, out, byte);
    else if (byte < DEL)
        line_insert(line, out, &c, 1);
    return LINE_NONE;
}

void line_done(struct line *line)
{
    const char *last = line->history[(line->history_count - 1) % LINE_HISTORY];

    if (line->length > 0 && (line->history_count == 0 || strcmp(last, line->text) != 0)) {
        memcpy(line->history[line->history_count % LINE_HISTORY], line->text, sizeof(line->text));
        line->history_count++;
    }
    line->length = line->cursor = line->history_back = 0;
    line->text[0] = '\0';
}

void line_draw(const struct line *line, struct out *out)
{
    out_text(out, LINE_PROMPT);
    out_bytes(out, line->text, line->length);
    out_repeat(out, '\b', line->length - line->cursor);
}

void line_wipe(const struct line *line, struct out *out)
{
    out_text(out, "\r");
    out_repeat(out, ' ', (unsigned)strlen(LINE_PROMPT) + line->length);
    out_text(out, "\r");
}
