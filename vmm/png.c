// SPDX-License-Identifier: BSD-2-Clause
// PNG. One IDAT chunk for each row; all of them are one zlib stream of one deflate block with fixed
// codes (RFC 1951 3.2.6). The window need only be one byte: a run is a match at distance 1.
#include "png.h"

#include <string.h>

#define FILTER_UP 2

struct writer {
    const struct png_sink *sink;
    uint8_t chunk[9 + 3 * PNG_WIDTH_MAX * 2]; /* 9 bits for a byte at most */
    unsigned used;
    uint32_t bits; /* not yet in `chunk`, the first one lowest */
    unsigned bit_count;
    uint32_t adler_a, adler_b;
};

static uint32_t crc(uint32_t value, const uint8_t *bytes, size_t n)
{
    /* The polynomial's remainders of 4 bits: 64 bytes in place of 1 KiB. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    for (size_t i = 0; i < n; i++) {
        value ^= bytes[i];
        value = value >> 4 ^ table[value & 15];
        value = value >> 4 ^ table[value & 15];
    }
    return value;
}

static void put32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void send(const struct png_sink *sink, const uint8_t *bytes, size_t n)
{
    sink->write(sink->ctx, bytes, n);
}

static void chunk(const struct png_sink *sink, const char *type, const uint8_t *data, size_t n)
{
    uint8_t head[8], tail[4];
    put32(head, (uint32_t)n);
    memcpy(head + 4, type, 4);
    put32(tail, ~crc(crc(UINT32_MAX, head + 4, 4), data, n));
    send(sink, head, sizeof(head));
    if (n > 0)
        send(sink, data, n);
    send(sink, tail, sizeof(tail));
}

static void put_bits(struct writer *w, uint32_t bits, unsigned count)
{
    w->bits |= bits << w->bit_count;
    w->bit_count += count;
    while (w->bit_count >= 8) {
        if (w->used < sizeof(w->chunk))
            w->chunk[w->used++] = (uint8_t)w->bits;
        w->bits >>= 8;
        w->bit_count -= 8;
    }
}

/* Huffman codes begin with their highest bit. */
static void put_code(struct writer *w, uint32_t code, unsigned count)
{
    uint32_t reversed = 0;
    for (unsigned i = 0; i < count; i++)
        reversed |= (code >> i & 1) << (count - 1 - i);
    put_bits(w, reversed, count);
}

static void put_symbol(struct writer *w, unsigned symbol)
{
    if (symbol < 144)
        put_code(w, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(w, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(w, symbol - 256, 7);
    else
        put_code(w, 0xc0 + symbol - 280, 8);
}

/* A match of 3..258 bytes at distance 1. */
static void put_match(struct writer *w, unsigned length)
{
    if (length == 258) {
        put_symbol(w, 285);
    } else if (length < 11) {
        put_symbol(w, 254 + length);
    } else { /* four codes share each number of extra bits */
        unsigned l = length - 3, extra = 29 - (unsigned)__builtin_clz(l);
        put_symbol(w, 257 + 4 * extra + (l >> extra));
        put_bits(w, l & ((1u << extra) - 1), extra);
    }
    put_code(w, 0, 5);
}

static void deflate(struct writer *w, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        put_symbol(w, bytes[i++]);
        for (unsigned run = 3; run >= 3; i += run >= 3 ? run : 0) {
            run = 0;
            while (i + run < n && run < 258 && bytes[i + run] == bytes[i - 1])
                run++;
            if (run >= 3)
                put_match(w, run);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        w->adler_a = (w->adler_a + bytes[i]) % 65521;
        w->adler_b = (w->adler_b + w->adler_a) % 65521;
    }
}

static void end_chunk(struct writer *w)
{
    chunk(w->sink, "IDAT", w->chunk, w->used);
    w->used = 0;
}

bool png_write(const struct png_picture *picture, const struct png_sink *sink)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static struct writer w;
    static uint8_t row[3 * PNG_WIDTH_MAX], above[3 * PNG_WIDTH_MAX], line[1 + 3 * PNG_WIDTH_MAX];
    uint8_t header[13] = {[8] = 8, [9] = 2}; /* bits, colour type */
    unsigned n = 3 * picture->width;

    if (picture->width == 0 || picture->width > PNG_WIDTH_MAX || picture->height == 0 ||
        picture->height > UINT16_MAX)
        return false;
    send(sink, signature, sizeof(signature));
    put32(header, picture->width);
    put32(header + 4, picture->height);
    chunk(sink, "IHDR", header, sizeof(header));
    memset(above, 0, sizeof(above));
    w = (struct writer){.sink = sink, .adler_a = 1};
    put_bits(&w, 0x0178, 16);    /* zlib: deflate, a small window */
    put_bits(&w, 1 | 1 << 1, 3); /* the last block, fixed codes */
    for (unsigned y = 0; y < picture->height; y++) {
        picture->row(picture->ctx, y, row);
        line[0] = FILTER_UP;
        for (unsigned i = 0; i < n; i++)
            line[1 + i] = (uint8_t)(row[i] - above[i]);
        memcpy(above, row, n);
        deflate(&w, line, 1 + n);
        end_chunk(&w);
    }
    put_symbol(&w, 256);
    if (w.bit_count > 0)
        put_bits(&w, 0, 8 - w.bit_count);
    uint32_t adler = w.adler_b << 16 | w.adler_a;
    for (unsigned i = 0; i < 4; i++)
        put_bits(&w, adler >> (24 - 8 * i) & 0xff, 8);
    end_chunk(&w);
    chunk(sink, "IEND", header, 0);
    return true;
}
