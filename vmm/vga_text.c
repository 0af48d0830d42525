// SPDX-License-Identifier: BSD-2-Clause
// VGA text to ANSI. A full drawing goes row by row with line ends, so that a log of it reads like
// the screen; later ones move the cursor to what changed.
#include "vga_text.h"

#include <stdio.h>
#include <string.h>

#define BLANK 0x0720 /* a space, grey on black */

// clang-format off
/* Code page 437 as Unicode. */
static const uint16_t low[32] = {
    0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9, 0x2642,
    0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8,
    0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};
static const uint16_t high[129] = { /* from 0x7f */
    0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8,
    0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb,
    0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3,
    0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab,
    0x00bb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551,
    0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e,
    0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565,
    0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590,
    0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9,
    0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7,
    0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x0020,
};
// clang-format on

static void flush(struct vga_text *text)
{
    if (text->used > 0)
        text->print(text->ctx, text->out, text->used);
    text->used = 0;
}

static void put(struct vga_text *text, const char *bytes, size_t n)
{
    if (n > sizeof(text->out) - text->used)
        flush(text);
    memcpy(text->out + text->used, bytes, n);
    text->used += (unsigned)n;
}

static void put_text(struct vga_text *text, const char *string)
{
    put(text, string, strlen(string));
}

static unsigned unicode(uint8_t c)
{
    return c < 32 ? low[c] : c < 0x7f ? c : high[c - 0x7f];
}

static void put_character(struct vga_text *text, uint8_t c)
{
    unsigned u = unicode(c);
    char utf8[3] = {(char)u};
    size_t n = 1;
    if (u >= 0x800) {
        utf8[0] = (char)(0xe0 | u >> 12);
        utf8[1] = (char)(0x80 | (u >> 6 & 0x3f));
        utf8[2] = (char)(0x80 | (u & 0x3f));
        n = 3;
    } else if (u >= 0x80) {
        utf8[0] = (char)(0xc0 | u >> 6);
        utf8[1] = (char)(0x80 | (u & 0x3f));
        n = 2;
    }
    put(text, utf8, n);
}

/* VGA counts blue first, a terminal red. */
static unsigned terminal_color(unsigned vga)
{
    return (vga & 2) | (vga & 1) << 2 | (vga & 4) >> 2;
}

static void set_style(struct vga_text *text, uint8_t attribute, bool blink)
{
    int style = attribute | (blink ? 0x100 : 0);
    char sequence[32];
    if (style == text->style)
        return;
    text->style = style;
    unsigned fg = terminal_color(attribute & 7) + (attribute & 8 ? 90 : 30);
    unsigned bg = terminal_color(attribute >> 4 & 7) + (attribute & 0x80 && !blink ? 100 : 40);
    const char *more = attribute & 0x80 && blink ? ";5" : "";
    if ((attribute & 0x7f) == (BLANK >> 8) && (blink || !(attribute & 0x80)))
        snprintf(sequence, sizeof(sequence), "\x1b[0%sm", more); /* the terminal's own colours */
    else
        snprintf(sequence, sizeof(sequence), "\x1b[0%s;%u;%um", more, fg, bg);
    put_text(text, sequence);
}

static void move(struct vga_text *text, unsigned row, unsigned column)
{
    char sequence[24];
    if (text->row == row && text->column == column)
        return;
    snprintf(sequence, sizeof(sequence), "\x1b[%u;%uH", row + 1, column + 1);
    put_text(text, sequence);
    text->row = row;
    text->column = column;
}

/* One read of the guest's memory: what is drawn is what is remembered. */
static uint16_t cell(const struct vga_mode *mode, const uint8_t *memory, unsigned row,
                     unsigned column)
{
    unsigned at = (mode->start + row * mode->pitch + column * 2) & (mode->wrap - 2);
    uint16_t value = *(const volatile uint16_t *)(const void *)(memory + at);
    uint8_t c = (uint8_t)value;
    if (c != 0 && c != ' ' && c != 0xff)
        return value;
    return (value & 0xf000 ? value & 0xff00 : BLANK & 0xff00) | ' '; /* no ink: no colour */
}

static void draw_cell(struct vga_text *text, const struct vga_mode *mode, uint16_t value,
                      unsigned row, unsigned column)
{
    text->shown[row * mode->width + column] = value;
    set_style(text, (uint8_t)(value >> 8), mode->blink);
    put_character(text, (uint8_t)value);
    /* In the last column a terminal keeps its cursor, or not. */
    if (++text->column == mode->width)
        text->row = UINT32_MAX;
}

static void draw_all(struct vga_text *text, const struct vga_mode *mode, const uint8_t *memory)
{
    put_text(text, "\x1b[0m\x1b[2J\x1b[H");
    text->style = -1;
    text->cursor = -2;
    for (unsigned row = 0; row < mode->height; row++) {
        unsigned used = 0;
        for (unsigned column = 0; column < mode->width; column++) {
            uint16_t value = cell(mode, memory, row, column);
            text->shown[row * mode->width + column] = value;
            if (value != BLANK)
                used = column + 1;
        }
        for (text->row = row, text->column = 0; text->column < used;) {
            unsigned column = text->column;
            draw_cell(text, mode, text->shown[row * mode->width + column], row, column);
        }
        set_style(text, BLANK >> 8, mode->blink);
        if (row + 1 < mode->height)
            put_text(text, "\r\n");
    }
    text->row = UINT32_MAX;
    text->drawn = true;
    text->width = mode->width;
    text->height = mode->height;
}

static bool draw_changes(struct vga_text *text, const struct vga_mode *mode, const uint8_t *memory)
{
    bool changed = false;
    for (unsigned row = 0; row < mode->height; row++) {
        for (unsigned column = 0; column < mode->width; column++) {
            uint16_t value = cell(mode, memory, row, column);
            if (value == text->shown[row * mode->width + column])
                continue;
            move(text, row, column);
            draw_cell(text, mode, value, row, column);
            changed = true;
        }
    }
    return changed;
}

static bool draw_cursor(struct vga_text *text, const struct vga_mode *mode, bool moved)
{
    if (mode->cursor == text->cursor && !moved)
        return false;
    if (mode->cursor < 0) {
        if (text->cursor != -1)
            put_text(text, "\x1b[?25l");
    } else {
        move(text, (unsigned)mode->cursor / mode->width, (unsigned)mode->cursor % mode->width);
        if (text->cursor < 0)
            put_text(text, "\x1b[?25h");
    }
    text->cursor = mode->cursor;
    return true;
}

bool vga_text_draw(struct vga_text *text, const struct vga_mode *mode, const uint8_t *memory)
{
    bool changed = true;
    if (!text->drawn || text->width != mode->width || text->height != mode->height)
        draw_all(text, mode, memory);
    else
        changed = draw_changes(text, mode, memory);
    changed = draw_cursor(text, mode, changed) || changed;
    flush(text);
    return changed;
}

void vga_text_init(struct vga_text *text, void (*print)(void *ctx, const uint8_t *bytes, size_t n),
                   void *ctx)
{
    memset(text, 0, sizeof(*text));
    text->print = print;
    text->ctx = ctx;
}

size_t vga_text_dump(const struct vga_mode *mode, const uint8_t *memory, unsigned row, char *buf,
                     size_t size)
{
    size_t used = 0, end = 0;
    for (unsigned column = 0; column < mode->width && used + 2 < size; column++) {
        uint8_t c = (uint8_t)cell(mode, memory, row, column);
        buf[used++] = (char)(c >= ' ' && c <= '~' ? c : '.');
        if (c != ' ')
            end = used;
    }
    if (size > end)
        buf[end++] = '\n';
    return end;
}
