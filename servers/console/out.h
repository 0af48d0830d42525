// SPDX-License-Identifier: BSD-2-Clause
// What the console itself says, queued until the serial line takes it: a bounded queue that drops
// what does not fit and counts it. Guest output never goes through here, so a flooding guest cannot
// push the console's own words out.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OUT_SIZE 16384u // a power of two
#define OUT_ROOM \
    6144u // room for the longest answer of one command: input waits until there is that much

struct out {
    uint32_t head, tail; // bytes ever put and taken
    uint32_t lost;
    bool colour; // the terminal answered an ANSI query, so it may be sent colours
    char data[OUT_SIZE];
};

void out_init(struct out *out);
uint32_t out_used(const struct out *out);
static inline bool out_has_room(const struct out *out)
{
    return OUT_SIZE - out_used(out) >= OUT_ROOM;
}

// Each "\n" goes out as "\r\n".
void out_text(struct out *out, const char *text);
void out_bytes(struct out *out, const void *bytes, uint32_t n); // as they are
void out_repeat(struct out *out, char c, unsigned count);

// At most 255 characters of formatted text.
void out_print(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Select Graphic Rendition (ECMA-48 8.3.117), only on terminals that understand it. 0 ends it.
enum { OUT_PLAIN = 0, OUT_BOLD = 1, OUT_RED = 31, OUT_GREEN = 32, OUT_YELLOW = 33, OUT_CYAN = 36 };
void out_colour(struct out *out, unsigned sgr);

// Takes up to n bytes; returns how many.
uint32_t out_take(struct out *out, void *to, uint32_t n);
