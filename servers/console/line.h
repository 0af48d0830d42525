// SPDX-License-Identifier: BSD-2-Clause
// Line editing at the prompt, with history. Draws with printable characters, backspace and carriage
// return only, and never wraps, so it works on any terminal. Understands the cursor keys as ECMA-48
// and VT100 terminals send them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "out.h"

#define LINE_MAX_LENGTH 64 // with the prompt less than 80 columns
#define LINE_HISTORY    8
#define LINE_PROMPT     "bulkhead> "

struct line {
    unsigned length, cursor;
    char text[LINE_MAX_LENGTH + 1]; // always ends with a zero
    char history[LINE_HISTORY][LINE_MAX_LENGTH + 1];
    unsigned history_count;          // lines ever remembered
    unsigned history_back;           // 0: the line being typed; n: the n-th last one is shown
    char typed[LINE_MAX_LENGTH + 1]; // the line being typed, while history is shown
    uint8_t key_state, key_number;
    bool after_return;
};

enum line_event {
    LINE_NONE,
    LINE_READY,  // line->text is complete; the cursor is on a fresh line
    LINE_TAB,    // completion is asked for
    LINE_ANSWER, // the terminal answered the query ESC [ 5 n, so it speaks ANSI
};

void line_init(struct line *line);

// Takes one typed byte and draws its effect.
enum line_event line_feed(struct line *line, struct out *out, uint8_t byte);

// After LINE_READY: remembers the line (not when empty or the same as the last one) and starts an
// empty one.
void line_done(struct line *line);

// Inserts at the cursor as if typed.
void line_insert(struct line *line, struct out *out, const char *text, unsigned n);

// Draws prompt and line; wipes them so that something else can be printed in their place.
void line_draw(const struct line *line, struct out *out);
void line_wipe(const struct line *line, struct out *out);
