// SPDX-License-Identifier: BSD-2-Clause
// VGA: registers by port and by memory, dispi, which picture they mean, text on a terminal, pixels
// of all depths, PNG as zlib reads it.
// links: vmm/vga.c vmm/vga_mode.c vmm/vga_text.c vmm/vga_picture.c vmm/png.c vmm/device.c vmm/clock.c
// libs: -lz
#include "device_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "vga_picture.h"
#include "vga_text.h"

#define VRAM (4u << 20)

static struct vga vga;
static uint8_t *vram, memory[0x8000];
static struct vga_text text;
static char sent[65536];
static size_t sent_used;
static struct vga_mode mode;

static void collect(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    assert_true(sent_used + n < sizeof(sent));
    memcpy(sent + sent_used, bytes, n);
    sent_used += n;
    sent[sent_used] = 0;
}

static void out(uint16_t port, uint8_t value)
{
    out8(&vga_ops, &vga, port - VGA_PORT, value);
}

static uint8_t in(uint16_t port)
{
    return in8(&vga_ops, &vga, port - VGA_PORT);
}

static void crtc(uint8_t index, uint8_t value)
{
    out(0x3d4, index);
    out(0x3d5, value);
}

static void dispi(uint16_t index, uint16_t value)
{
    vga_dispi_ops.write(&vga, 0, 2, index);
    vga_dispi_ops.write(&vga, 1, 2, value);
}

static uint16_t dispi_get(uint16_t index)
{
    vga_dispi_ops.write(&vga, 0, 2, index);
    return (uint16_t)vga_dispi_ops.read(&vga, 1, 2);
}

static void set_mode(unsigned width, unsigned height, unsigned bpp)
{
    dispi(DISPI_ENABLE, 0);
    dispi(DISPI_XRES, (uint16_t)width);
    dispi(DISPI_YRES, (uint16_t)height);
    dispi(DISPI_BPP, (uint16_t)bpp);
    dispi(DISPI_ENABLE, 0x41);
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    free(vram);
    vram = calloc(1, VRAM);
    memset(memory, 0, sizeof(memory));
    vga_init(&vga, &test_clock, vram, VRAM, NULL, NULL);
    vga_text_init(&text, collect, NULL);
    sent_used = 0;
    sent[0] = 0;
    return 0;
}

static void test_registers(void **state)
{
    (void)state;
    assert_int_equal(in(0x3cc), 0x67);
    out(0x3c4, 2);
    out(0x3c5, 0x0f);
    assert_int_equal(in(0x3c5), 0x0f);
    out(0x3ce, 200); /* no such register */
    out(0x3cf, 1);
    assert_int_equal(in(0x3cf), 0);
    crtc(0x0f, 0x55);
    assert_int_equal(in(0x3d5), 0x55);
    crtc(0x01, 0x27); /* protected */
    assert_int_equal(in(0x3d5), 0x4f);
    crtc(0x11, 0x0e);
    crtc(0x01, 0x27);
    assert_int_equal(in(0x3d5), 0x27);
    in(0x3da); /* the attribute controller expects an index */
    out(0x3c0, 0x10);
    out(0x3c0, 0x01);
    in(0x3da);
    out(0x3c0, 0x30);
    assert_int_equal(in(0x3c1), 0x01);
    out(0x3c8, 255); /* colours wrap around */
    for (uint8_t i = 1; i <= 6; i++)
        out(0x3c9, i);
    out(0x3c7, 255);
    assert_int_equal(in(0x3c7), 3);
    for (uint8_t i = 1; i <= 6; i++)
        assert_int_equal(in(0x3c9), i);
    assert_int_equal(vga_color(&vga, 0), 0x101418);
    /* With misc bit 0 clear the controller is at 0x3b4. */
    out(0x3c2, 0x66);
    assert_int_equal(in(0x3d5), 0xff);
    out8(&vga_mono_ops, &vga, 4, 0x0f);
    assert_int_equal(in8(&vga_mono_ops, &vga, 5), 0x55);
    out(0x3c2, 0x67);
    assert_int_equal(in8(&vga_mono_ops, &vga, 5), 0xff);
}

static void test_retrace(void **state)
{
    (void)state;
    unsigned retrace = 0, blank = 0;
    for (unsigned i = 0; i < 6000; i++) {
        uint8_t status = in(0x3da);
        retrace += status >> 3 & 1;
        blank += status & 1;
        test_time += TEST_HZ / 60 / 600 + 13;
    }
    assert_in_range(retrace, 300, 800);
    assert_in_range(blank, 1000, 2500);
}

static void test_dispi(void **state)
{
    (void)state;
    assert_int_equal(dispi_get(DISPI_ID), 0xb0c5);
    assert_int_equal(dispi_get(DISPI_VRAM_64K), VRAM >> 16);
    dispi(DISPI_ENABLE, 2);
    assert_int_equal(dispi_get(DISPI_XRES), VGA_WIDTH_MAX);
    assert_int_equal(dispi_get(DISPI_BPP), 32);
    memset(vram, 0xff, VRAM);
    set_mode(1024, 768, 32);
    assert_int_equal(vram[1024 * 768 * 4 - 1], 0);
    assert_int_equal(vram[1024 * 768 * 4], 0xff);
    assert_int_equal(dispi_get(DISPI_VIRT_HEIGHT), 1024);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_GRAPHICS);
    assert_int_equal(mode.width, 1024);
    assert_int_equal(mode.height, 768);
    assert_int_equal(mode.pitch, 4096);
    dispi(DISPI_Y_OFFSET, 300); /* beyond the end: cut */
    dispi(DISPI_X_OFFSET, 8);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.base, 300 * 4096 + 32);
    assert_int_equal(mode.height, 723);
    dispi(DISPI_Y_OFFSET, 0xffff);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_NOTHING);
    dispi(DISPI_BPP, 7); /* refused */
    assert_int_equal(dispi_get(DISPI_BPP), 32);
    dispi(DISPI_XRES, 0xffff);
    assert_int_equal(dispi_get(DISPI_XRES), VGA_WIDTH_MAX);
    /* The same in memory. */
    assert_int_equal(vga_mmio_ops.read(&vga, 0x500, 2), 0xb0c5);
    vga_mmio_ops.write(&vga, 0x502, 2, 640);
    assert_int_equal(dispi_get(DISPI_XRES), 640);
    vga_mmio_ops.write(&vga, 0x414, 2, 0x120f); /* index and data at once */
    assert_int_equal(vga.s.crtc[0x0f], 0x12);
    assert_int_equal(vga_mmio_ops.read(&vga, 0x800, 4), UINT64_MAX);
    /* Without memory there is no such interface. */
    vga_init(&vga, &test_clock, NULL, VRAM, NULL, NULL);
    set_mode(640, 480, 32);
    assert_int_equal(dispi_get(DISPI_ID), 0xffff);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_TEXT);
}

static void test_modes(void **state)
{
    (void)state;
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_TEXT);
    assert_int_equal(mode.width, 80);
    assert_int_equal(mode.height, 25);
    assert_int_equal(mode.pitch, 160);
    assert_int_equal(mode.base, 0xb8000);
    assert_int_equal(mode.cursor, 0);
    assert_true(mode.blink);
    crtc(0x0d, 80); /* scrolled by a row */
    crtc(0x0f, 165);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.start, 160);
    assert_int_equal(mode.cursor, 85);
    crtc(0x0a, 0x2d);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.cursor, -1);
    crtc(0x09, 0x47); /* 8 lines for each character: 50 rows */
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.height, 50);
    /* Mode 0x13. */
    crtc(0x09, 0x41);
    crtc(0x14, 0x40);
    out(0x3c4, 4);
    out(0x3c5, 0x0e);
    out(0x3ce, 5);
    out(0x3cf, 0x40);
    out(0x3ce, 6);
    out(0x3cf, 0x05);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_GRAPHICS);
    assert_true(mode.legacy);
    assert_int_equal(mode.width, 320);
    assert_int_equal(mode.height, 200);
    assert_int_equal(mode.pitch, 320);
    out(0x3cf, 0x01); /* planes: not shown */
    out(0x3ce, 5);
    out(0x3cf, 0x00);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_NOTHING);
}

static void cell(unsigned row, unsigned column, uint8_t c, uint8_t attribute)
{
    memory[row * 160 + column * 2] = c;
    memory[row * 160 + column * 2 + 1] = attribute;
}

static bool draw(void)
{
    sent_used = 0;
    sent[0] = 0;
    vga_get_mode(&vga, &mode);
    return vga_text_draw(&text, &mode, memory);
}

static void test_text(void **state)
{
    (void)state;
    cell(0, 0, 'H', 7);
    cell(0, 1, 'i', 7);
    cell(1, 0, '!', 0x1e);
    assert_true(draw());
    char *begin = strstr(sent, "\x1b[0m\x1b[2J\x1b[H");
    assert_ptr_equal(begin, sent);
    assert_non_null(strstr(sent, "Hi\r\n\x1b[0;93;44m!\x1b[0m\r\n"));
    assert_non_null(strstr(sent, "\x1b[1;1H\x1b[?25h"));
    assert_true(sent_used < 200);
    assert_false(draw()); /* nothing changed: nothing sent */
    assert_int_equal(sent_used, 0);
    cell(4, 9, 0xdb, 0x0c);
    cell(4, 10, 0xdb, 0x0c);
    assert_true(draw());
    assert_string_equal(sent, "\x1b[5;10H\x1b[0;91;40m\xe2\x96\x88\xe2\x96\x88\x1b[1;1H");
    cell(4, 9, 'x', 0x87); /* blinks */
    draw();
    assert_string_equal(sent, "\x1b[5;10H\x1b[0;5mx\x1b[1;1H");
    crtc(0x0f, 3);
    draw();
    assert_string_equal(sent, "\x1b[1;4H");
    crtc(0x0a, 0x20);
    draw();
    assert_string_equal(sent, "\x1b[?25l");
    cell(24, 79, 'e', 7); /* the terminal's cursor is anywhere after the last column */
    draw();
    assert_string_equal(sent, "\x1b[25;80H\x1b[0me");
    cell(24, 78, 0x1b, 7); /* no control characters pass */
    draw();
    assert_string_equal(sent, "\x1b[25;79H\xe2\x86\x90");
    vga_text_forget(&text);
    draw();
    assert_ptr_equal(strstr(sent, "\x1b[0m\x1b[2J\x1b[H"), sent);
    char line[VGA_COLUMNS_MAX + 2];
    size_t n = vga_text_dump(&mode, memory, 0, line, sizeof(line));
    assert_int_equal(n, 3);
    assert_memory_equal(line, "Hi\n", 3);
    assert_int_equal(vga_text_dump(&mode, memory, 7, line, sizeof(line)), 1);
    assert_true(vga_text_dump(&mode, memory, 24, line, 10) <= 10);
}

static void test_pixels(void **state)
{
    (void)state;
    static const struct {
        unsigned bpp;
        uint8_t bytes[4];
        uint8_t rgb[3];
    } pixels[] = {
        {8, {1}, {0, 0, 0xaa}},           {15, {0x1f, 0x7c}, {0xff, 0, 0xff}},
        {16, {0xe0, 0x07}, {0, 0xff, 0}}, {24, {1, 2, 3}, {3, 2, 1}},
        {32, {1, 2, 3, 4}, {3, 2, 1}},
    };
    for (unsigned i = 0; i < 5; i++) {
        uint8_t rgb[3 * 16];
        struct vga_picture picture = {.vga = &vga};
        set_mode(16, 2, pixels[i].bpp);
        unsigned bytes = vga_pixel_bytes(pixels[i].bpp);
        memcpy(vram + 16 * bytes + bytes, pixels[i].bytes, bytes);
        vga_get_mode(&vga, &picture.mode);
        picture.memory = vram + picture.mode.base;
        vga_picture_row(&picture, 1, rgb);
        assert_memory_equal(rgb + 3, pixels[i].rgb, 3);
        assert_int_equal(rgb[0] | rgb[1] | rgb[2], 0);
    }
}

static void rows(void *ctx, unsigned y, uint8_t *rgb)
{
    unsigned width = *(unsigned *)ctx;
    for (unsigned i = 0; i < 3 * width; i++) /* flat parts, runs of all lengths, and noise */
        rgb[i] = y < 3    ? 7
                 : y < 40 ? (uint8_t)(i / (y + 1))
                          : (uint8_t)((i * i * 31 + y * 77) >> 3);
}

static uint32_t be32(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void check_png(unsigned width, unsigned height)
{
    static uint8_t packed[65536], raw[200000];
    const struct png_picture picture = {width, height, rows, &width};
    const struct png_sink sink = {collect, NULL};
    size_t used = 0, at = 8;
    sent_used = 0;
    assert_true(png_write(&picture, &sink));
    assert_memory_equal(sent, "\x89PNG\r\n\x1a\n", 8);
    bool end = false;
    while (!end) {
        uint32_t length = be32(sent + at);
        assert_true(at + 12 + length <= sent_used);
        assert_int_equal(be32(sent + at + 8 + length),
                         crc32(0, (const Bytef *)sent + at + 4, length + 4));
        if (memcmp(sent + at + 4, "IHDR", 4) == 0) {
            assert_int_equal(be32(sent + at + 8), width);
            assert_int_equal(be32(sent + at + 12), height);
            assert_memory_equal(sent + at + 16, "\x08\x02\0\0\0", 5);
        } else if (memcmp(sent + at + 4, "IDAT", 4) == 0) {
            memcpy(packed + used, sent + at + 8, length);
            used += length;
        }
        end = memcmp(sent + at + 4, "IEND", 4) == 0;
        at += 12 + length;
    }
    assert_int_equal(at, sent_used);
    uLongf size = sizeof(raw);
    assert_int_equal(uncompress(raw, &size, packed, used), Z_OK);
    assert_int_equal(size, (1 + 3 * width) * height);
    uint8_t row[3 * 64], above[3 * 64] = {0};
    for (unsigned y = 0; y < height; y++) {
        const uint8_t *line = raw + y * (1 + 3 * width);
        rows(&width, y, row);
        assert_int_equal(line[0], 2);
        for (unsigned i = 0; i < 3 * width; i++)
            assert_int_equal((uint8_t)(line[1 + i] + above[i]), row[i]);
        memcpy(above, row, 3 * width);
    }
}

static void flat(void *ctx, unsigned y, uint8_t *rgb)
{
    (void)ctx;
    (void)y;
    memset(rgb, 0x5a, 3 * 1024);
}

static void test_png(void **state)
{
    (void)state;
    check_png(64, 100);
    check_png(1, 1);
    check_png(33, 50);
    const struct png_sink sink = {collect, NULL};
    sent_used = 0;
    assert_true(png_write(&(struct png_picture){1024, 768, flat, NULL}, &sink));
    assert_true(sent_used < 30000);
    sent_used = 0;
    assert_false(png_write(&(struct png_picture){0, 768, flat, NULL}, &sink));
    assert_false(png_write(&(struct png_picture){PNG_WIDTH_MAX + 1, 768, flat, NULL}, &sink));
    assert_false(png_write(&(struct png_picture){10, 65536, flat, NULL}, &sink));
    assert_int_equal(sent_used, 0);
}

static void test_save(void **state)
{
    (void)state;
    set_mode(800, 600, 16);
    test_snapshot(&vga_ops, &vga);
    uint8_t buf[2048];
    size_t n = vga_ops.save(&vga, buf, sizeof(buf));
    vga_ops.reset(&vga);
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.kind, VGA_TEXT);
    assert_true(vga_ops.restore(&vga, buf, n));
    vga_get_mode(&vga, &mode);
    assert_int_equal(mode.width, 800);
    buf[8 + 2 * DISPI_BPP] = 9;
    assert_false(vga_ops.restore(&vga, buf, n));
    free(vram);
    vram = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registers, setup), cmocka_unit_test_setup(test_retrace, setup),
        cmocka_unit_test_setup(test_dispi, setup),     cmocka_unit_test_setup(test_modes, setup),
        cmocka_unit_test_setup(test_text, setup),      cmocka_unit_test_setup(test_pixels, setup),
        cmocka_unit_test_setup(test_png, setup),       cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("vga", tests, NULL, NULL);
}
