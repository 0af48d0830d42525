// SPDX-License-Identifier: BSD-2-Clause
// The console's own output queue.

#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void out_init(struct out *out)
{
    memset(out, 0, sizeof(*out));
}

uint32_t out_used(const struct out *out)
{
    return out->head - out->tail;
}

static void put(struct out *out, char c)
{
    if (out_used(out) >= OUT_SIZE) {
        out->lost++;
        return;
    }
    out->data[out->head++ & (OUT_SIZE - 1)] = c;
}

void out_text(struct out *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            put(out, '\r');
        put(out, *text);
    }
}

void out_bytes(struct out *out, const void *bytes, uint32_t n)
{
    const char *from = bytes;

    for (uint32_t i = 0; i < n; i++)
        put(out, from[i]);
}

void out_repeat(struct out *out, char c, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(out, c);
}

void out_print(struct out *out, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    out_text(out, text);
}

void out_colour(struct out *out, unsigned sgr)
{
    if (out->colour)
        out_print(out, "\x1b[%um", sgr);
}

uint32_t out_take(struct out *out, void *to, uint32_t n)
{
    char *bytes = to;
    uint32_t used = out_used(out);

    if (n > used)
        n = used;
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = out->data[out->tail++ & (OUT_SIZE - 1)];
    return n;
}
