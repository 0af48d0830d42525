// SPDX-License-Identifier: BSD-2-Clause
// Writes a picture as PNG (ISO/IEC 15948, RFC 1950 and 1951): 8 bits each of red, green and blue.
// Each row is sent as its difference from the one above, and of that only runs of equal bytes are
// compressed, so that it needs no memory and a desktop still shrinks to a few per cent.
#ifndef VMM_PNG_H
#define VMM_PNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PNG_WIDTH_MAX 2560

struct png_picture {
    unsigned width, height; /* 1 .. PNG_WIDTH_MAX, 1 .. 65535 */
    /* Fills in width * 3 bytes, red first. Called once for each row, from the top. */
    void (*row)(void *ctx, unsigned y, uint8_t *rgb);
    void *ctx;
};

struct png_sink {
    void (*write)(void *ctx, const uint8_t *bytes, size_t n);
    void *ctx;
};

/* False, and nothing written, when the size is out of range. HAZARD: has 40 KiB of buffers of its
 * own: one picture at a time. */
bool png_write(const struct png_picture *picture, const struct png_sink *sink);

#endif
