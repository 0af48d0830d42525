// SPDX-License-Identifier: BSD-2-Clause
// Draws a VGA text screen on a terminal: ECMA-48 (ANSI) sequences with 16 colours, UTF-8 for the
// characters of code page 437. Only what changed since it was drawn last is sent.
#ifndef VMM_VGA_TEXT_H
#define VMM_VGA_TEXT_H

#include "vga.h"

struct vga_text {
    void (*print)(void *ctx, const uint8_t *bytes, size_t n);
    void *ctx;
    bool drawn;             /* the terminal shows `shown` */
    unsigned width, height; /* of what it shows */
    int cursor;
    int style;    /* attributes that the terminal is set to, -1: not known */
    unsigned row; /* where its cursor is; width: not known */
    unsigned column;
    unsigned used;
    uint8_t out[512];
    uint16_t shown[VGA_COLUMNS_MAX * VGA_ROWS_MAX];
};

void vga_text_init(struct vga_text *text, void (*print)(void *ctx, const uint8_t *bytes, size_t n),
                   void *ctx);

/* Draws a mode of kind VGA_TEXT; `memory` has mode->wrap bytes, and the guest may change them
 * meanwhile. Returns whether anything was sent. */
bool vga_text_draw(struct vga_text *text, const struct vga_mode *mode, const uint8_t *memory);

/* The next drawing sends the whole screen. */
static inline void vga_text_forget(struct vga_text *text)
{
    text->drawn = false;
}

/* One row as plain text into `buf`, without trailing blanks, ended by a line feed and no NUL;
 * returns its length. */
size_t vga_text_dump(const struct vga_mode *mode, const uint8_t *memory, unsigned row, char *buf,
                     size_t size);

#endif
