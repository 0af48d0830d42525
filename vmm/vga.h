// SPDX-License-Identifier: BSD-2-Clause
// Registers of a VGA (IBM VGA technical reference; FreeVGA) with the display interface of Bochs
// ("dispi": a linear framebuffer of up to 2560 x 1600, 8 to 32 bits). The model keeps what guests
// write and tells which picture that means; it does not draw. Memory at 0xa0000..0xbffff is the
// guest's ordinary RAM, so text, and the linear 256 colours of mode 0x13, cost no exit; planes, and
// with them the modes of 16 colours, do not exist.
#ifndef VMM_VGA_H
#define VMM_VGA_H

#include "clock.h"
#include "device.h"

#include <stdbool.h>
#include <stdint.h>

#define VGA_PORT        0x3c0 /* 32 ports */
#define VGA_PORT_MONO   0x3b0 /* 12 ports: CRT controller and status when misc bit 0 is clear */
#define VGA_PORTS       0x20
#define VGA_PORTS_MONO  0x0c
#define VGA_DISPI_PORT  0x1ce /* index; data at 0x1cf and 0x1d0; 16 bits each */
#define VGA_DISPI_PORTS 4
#define VGA_MMIO_SIZE   0x1000 /* VGA ports at 0x400, dispi registers at 0x500 */
#define VGA_WIDTH_MAX   2560
#define VGA_HEIGHT_MAX  1600
#define VGA_LEGACY_SIZE 0x10000 /* of the window at 0xa0000 */
#define VGA_COLUMNS_MAX 132
#define VGA_ROWS_MAX    60

enum { /* dispi registers */
       DISPI_ID,
       DISPI_XRES,
       DISPI_YRES,
       DISPI_BPP,
       DISPI_ENABLE,
       DISPI_BANK,
       DISPI_VIRT_WIDTH,
       DISPI_VIRT_HEIGHT,
       DISPI_X_OFFSET,
       DISPI_Y_OFFSET,
       DISPI_VRAM_64K,
       DISPI_REGISTERS,
};

struct vga_state {
    uint16_t dispi[DISPI_REGISTERS];
    uint16_t dispi_index;
    uint8_t misc, feature;
    uint8_t seq_index, seq[5];
    uint8_t gfx_index, gfx[9];
    uint8_t crtc_index, crtc[25];
    uint8_t attr_index, attr[21], attr_data; /* attr_data: the next write to 0x3c0 is data */
    uint8_t dac_mask, dac_reading, dac_component;
    uint8_t dac_read, dac_write;
    uint8_t dac_latch[3];
    uint8_t palette[768];
};

struct vga {
    struct vga_state s;
    const struct clock *clock;
    uint8_t *vram; /* shared with the guest; NULL: none, and no dispi */
    uint64_t vram_size;
    void (*changed)(void *ctx); /* after writes that may change the picture; may be NULL */
    void *ctx;
};

enum vga_kind { VGA_NOTHING, VGA_TEXT, VGA_GRAPHICS };

/* Which picture the registers mean. All that is in it is within the limits above and within vram.
 */
struct vga_mode {
    enum vga_kind kind;
    unsigned width, height; /* in characters or pixels */
    uint64_t base;          /* text and legacy graphics: guest-physical; else offset in vram */
    bool legacy;            /* graphics at `base` in the guest's RAM */
    unsigned pitch;         /* from one row to the next, in bytes */
    unsigned bpp;           /* graphics: 8, 15, 16, 24, 32 */
    unsigned start;         /* text: bytes from `base` to the first character, modulo `wrap` */
    unsigned wrap;          /* text: size of its memory, a power of two */
    int cursor;             /* text: which character has the cursor, -1: none */
    bool blink; /* text: bit 7 of the attribute blinks, else it is a bright background */
};

/* Device verbs: ports from VGA_PORT (with save, restore, info), from VGA_PORT_MONO, dispi ports,
 * and all of it in one page of memory. */
extern const struct device_ops vga_ops;
extern const struct device_ops vga_mono_ops;
extern const struct device_ops vga_dispi_ops;
extern const struct device_ops vga_mmio_ops;

/* Connects and resets: the text mode of 80 x 25 characters that a BIOS sets. */
void vga_init(struct vga *vga, const struct clock *clock, uint8_t *vram, uint64_t vram_size,
              void (*changed)(void *ctx), void *ctx);

void vga_get_mode(const struct vga *vga, struct vga_mode *mode);

/* A colour of the palette as 0xrrggbb; 8 bits each. */
uint32_t vga_color(const struct vga *vga, uint8_t index);

/* Bytes of a pixel; 0 for depths that do not exist. */
unsigned vga_pixel_bytes(unsigned bpp);

#endif
