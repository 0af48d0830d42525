// SPDX-License-Identifier: BSD-2-Clause
// The picture of a VGA in graphics mode, as rows of red, green and blue for png.h.
#ifndef VMM_VGA_PICTURE_H
#define VMM_VGA_PICTURE_H

#include "png.h"
#include "vga.h"

struct vga_picture {
    const struct vga *vga;
    struct vga_mode mode;
    const uint8_t *memory; /* where the picture begins: height * pitch bytes, the last row less */
};

/* One row, width * 3 bytes; `picture` is a struct vga_picture of kind VGA_GRAPHICS. */
void vga_picture_row(void *picture, unsigned y, uint8_t *rgb);

#endif
