// SPDX-License-Identifier: BSD-2-Clause
// What picture the registers of a VGA mean. HAZARD: every number here is the guest's: sizes are
// limited, and a picture that would reach beyond its memory is cut.
#include "vga.h"

#define DISPI_ON    0x01
#define DAC_8BIT    0x20
#define GFX_MODE    0x01 /* graphics register 6 */
#define SEQ_CHAIN4  0x08 /* sequencer register 4 */
#define SHIFT_256   0x40 /* graphics register 5 */
#define CURSOR_OFF  0x20
#define ATTR_BLINK  0x08 /* attribute register 0x10 */
#define SCREEN_OFF  0x20 /* sequencer register 1 */
#define LEGACY_BASE 0xa0000

unsigned vga_pixel_bytes(unsigned bpp)
{
    switch (bpp) {
    case 8:
        return 1;
    case 15:
    case 16:
        return 2;
    case 24:
        return 3;
    case 32:
        return 4;
    default:
        return 0;
    }
}

uint32_t vga_color(const struct vga *vga, uint8_t index)
{
    const uint8_t *p = vga->s.palette + 3u * (index & vga->s.dac_mask);
    uint32_t color = 0;
    bool full = vga->s.dispi[DISPI_ENABLE] & DAC_8BIT;
    for (unsigned c = 0; c < 3; c++)
        color = color << 8 | (full ? p[c] : (uint8_t)((p[c] & 0x3f) << 2 | (p[c] & 0x3f) >> 4));
    return color;
}

static void dispi_mode(const struct vga *vga, struct vga_mode *mode)
{
    const uint16_t *r = vga->s.dispi;
    unsigned bytes = vga_pixel_bytes(r[DISPI_BPP]);
    unsigned pitch = r[DISPI_VIRT_WIDTH] * bytes;
    mode->bpp = r[DISPI_BPP];
    mode->pitch = pitch;
    mode->width = r[DISPI_XRES] < r[DISPI_VIRT_WIDTH] ? r[DISPI_XRES] : r[DISPI_VIRT_WIDTH];
    mode->base = (uint64_t)r[DISPI_Y_OFFSET] * pitch + (uint64_t)r[DISPI_X_OFFSET] * bytes;
    if (pitch == 0 || mode->width == 0 || mode->base + mode->width * bytes > vga->vram_size)
        return;
    uint64_t rows = (vga->vram_size - mode->base - mode->width * bytes) / pitch + 1;
    mode->height = rows < r[DISPI_YRES] ? (unsigned)rows : r[DISPI_YRES];
    if (mode->height != 0)
        mode->kind = VGA_GRAPHICS;
}

static unsigned scan_lines(const uint8_t *crtc)
{
    unsigned lines = crtc[0x12] | (crtc[7] & 0x02) << 7 | (crtc[7] & 0x40) << 3;
    return (lines + 1) >> (crtc[9] >> 7); /* doubled lines count once */
}

void vga_get_mode(const struct vga *vga, struct vga_mode *mode)
{
    const struct vga_state *s = &vga->s;
    const uint8_t *crtc = s->crtc;
    *mode = (struct vga_mode){.kind = VGA_NOTHING, .cursor = -1};
    if (s->dispi[DISPI_ENABLE] & DISPI_ON) {
        dispi_mode(vga, mode);
        return;
    }
    unsigned rows = scan_lines(crtc) / ((crtc[9] & 0x1f) + 1u), columns = crtc[1] + 1u;
    unsigned map = s->gfx[6] >> 2 & 3;
    if (rows == 0 || s->seq[1] & SCREEN_OFF)
        return;
    if (s->gfx[6] & GFX_MODE) {
        if (!(s->seq[4] & SEQ_CHAIN4) || !(s->gfx[5] & SHIFT_256) || map > 1)
            return;
        mode->width = columns * 4; /* each pixel is sent twice */
        mode->pitch = crtc[0x13] * 8u;
        mode->base = LEGACY_BASE;
        mode->legacy = true;
        mode->bpp = 8;
        mode->height = mode->pitch ? VGA_LEGACY_SIZE / mode->pitch : 0;
        if (mode->height > rows)
            mode->height = rows;
        if (mode->width > mode->pitch)
            mode->width = mode->pitch;
        if (mode->height != 0)
            mode->kind = VGA_GRAPHICS;
        return;
    }
    if (map == 1 || columns < 2)
        return;
    mode->kind = VGA_TEXT;
    mode->base = map == 0 ? LEGACY_BASE : map == 2 ? 0xb0000 : 0xb8000;
    mode->wrap = 0x8000;
    mode->width = columns < VGA_COLUMNS_MAX ? columns : VGA_COLUMNS_MAX;
    mode->height = rows < VGA_ROWS_MAX ? rows : VGA_ROWS_MAX;
    mode->pitch = crtc[0x13] * 4u;
    mode->start = (crtc[0x0c] << 8 | crtc[0x0d]) * 2u % mode->wrap;
    mode->blink = s->attr[0x10] & ATTR_BLINK;
    unsigned cell = (unsigned)(crtc[0x0e] << 8 | crtc[0x0f]) - mode->start / 2;
    if (crtc[0x0a] & CURSOR_OFF || (crtc[0x0a] & 0x1f) > (crtc[0x0b] & 0x1f) || mode->pitch == 0)
        return;
    unsigned row = (cell & 0x3fff) / (mode->pitch / 2),
             column = (cell & 0x3fff) % (mode->pitch / 2);
    if (row < mode->height && column < mode->width)
        mode->cursor = (int)(row * mode->width + column);
}
