// SPDX-License-Identifier: BSD-2-Clause
// VGA registers at random, by port and by memory; whatever picture they mean is drawn, dumped and
// written as PNG, within its memory.
// links: vmm/vga.c vmm/vga_mode.c vmm/vga_text.c vmm/vga_picture.c vmm/png.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "vga_picture.h"
#include "vga_text.h"

#define VRAM (1u << 20)

static struct vga vga;
static struct vga_text text;
static uint8_t *vram, *legacy;

static void drop(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    CHECK(n > 0);
    CHECK(bytes[0] != 0 || n > 1);
}

static void take(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

static void look(bool picture)
{
    struct vga_picture p = {.vga = &vga};
    char line[VGA_COLUMNS_MAX + 2];
    vga_get_mode(&vga, &p.mode);
    if (p.mode.kind == VGA_TEXT) {
        CHECK(p.mode.width <= VGA_COLUMNS_MAX && p.mode.height <= VGA_ROWS_MAX);
        CHECK(p.mode.cursor < (int)(p.mode.width * p.mode.height));
        vga_text_draw(&text, &p.mode, legacy);
        vga_text_dump(&p.mode, legacy, p.mode.height - 1, line, sizeof(line));
    } else if (p.mode.kind == VGA_GRAPHICS && picture) {
        const struct png_sink sink = {take, NULL};
        p.memory = p.mode.legacy ? legacy : vram + p.mode.base;
        if (p.mode.width * p.mode.height > 1u << 18)
            p.mode.height = (1u << 18) / p.mode.width;
        CHECK(png_write(&(struct png_picture){p.mode.width, p.mode.height, vga_picture_row, &p},
                        &sink));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (vram == NULL) {
        vram = calloc(1, VRAM);
        legacy = calloc(1, VGA_LEGACY_SIZE);
    }
    fuzz_begin(data, size);
    vga_init(&vga, &fuzz_clock, vram, VRAM, NULL, NULL);
    vga_text_init(&text, drop, NULL);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
            fuzz_access(&vga_ops, &vga, VGA_PORTS, op & 8);
            break;
        case 1: /* an index and its data */
            vga_mmio_ops.write(&vga, op & 8 ? 0x414 : op & 16 ? 0x404 : 0x40e, 2, fuzz_take(2));
            break;
        case 2:
            vga_dispi_ops.write(&vga, 0, 2, op >> 4);
            fuzz_access(&vga_dispi_ops, &vga, VGA_DISPI_PORTS, op & 8);
            break;
        case 3:
            vga_mmio_ops.write(&vga, 0x500 + 2 * (op >> 4), 2, fuzz_take(op & 8 ? 1 : 2));
            break;
        case 4:
            fuzz_access(op & 8 ? &vga_mmio_ops : &vga_mono_ops, &vga,
                        op & 8 ? VGA_MMIO_SIZE : VGA_PORTS_MONO, op & 16);
            break;
        case 5:
            legacy[fuzz_take(2)] = (uint8_t)fuzz_take(1);
            break;
        case 6:
            look(op >= 0xf0);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&vga_ops, &vga);
            else if (op & 0x20)
                vga_ops.reset(&vga);
            else
                fuzz_time += fuzz_step();
        }
    }
    return 0;
}
