// SPDX-License-Identifier: BSD-2-Clause
// Pixels of 8 (palette), 15, 16, 24 and 32 bits to 24-bit colour.
#include "vga_picture.h"

static uint8_t widen(unsigned value, unsigned bits)
{
    return (uint8_t)(value << (8 - bits) | value >> (2 * bits - 8));
}

static uint32_t color(const struct vga_picture *picture, const uint8_t *at)
{
    unsigned word;
    switch (picture->mode.bpp) {
    case 8:
        return vga_color(picture->vga, at[0]);
    case 15:
        word = at[0] | (unsigned)at[1] << 8;
        return (uint32_t)widen(word >> 10 & 31, 5) << 16 | (uint32_t)widen(word >> 5 & 31, 5) << 8 |
               widen(word & 31, 5);
    case 16:
        word = at[0] | (unsigned)at[1] << 8;
        return (uint32_t)widen(word >> 11, 5) << 16 | (uint32_t)widen(word >> 5 & 63, 6) << 8 |
               widen(word & 31, 5);
    default:
        return (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
    }
}

void vga_picture_row(void *ctx, unsigned y, uint8_t *rgb)
{
    const struct vga_picture *picture = ctx;
    const uint8_t *at = picture->memory + (uint64_t)y * picture->mode.pitch;
    unsigned step = vga_pixel_bytes(picture->mode.bpp);
    for (unsigned x = 0; x < picture->mode.width; x++, at += step) {
        uint32_t value = color(picture, at);
        *rgb++ = (uint8_t)(value >> 16);
        *rgb++ = (uint8_t)(value >> 8);
        *rgb++ = (uint8_t)value;
    }
}
