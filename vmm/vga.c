// SPDX-License-Identifier: BSD-2-Clause
// VGA registers by port. Values are kept as written and read back; which of them matter is in
// vga_mode.c.
#include "vga.h"

#include <stdio.h>
#include <string.h>

#define MISC_COLOR     0x01
#define CRTC_PROTECT   0x80 /* register 0x11: registers 0..7 are read-only */
#define STATUS_DISPLAY 0x01 /* between lines or frames */
#define STATUS_RETRACE 0x08

static void changed(struct vga *vga)
{
    if (vga->changed != NULL)
        vga->changed(vga->ctx);
}

/* 60 frames a second of 525 lines, the last 45 of them in the retrace; a tenth of a line is the
 * unit. Guests wait for either edge. */
static uint8_t input_status(const struct vga *vga)
{
    uint64_t unit = clock_units(vga->clock, clock_now(vga->clock), 60 * 525 * 10);
    bool retrace = unit / 10 % 525 >= 480;
    return (uint8_t)(retrace          ? STATUS_RETRACE | STATUS_DISPLAY
                     : unit % 10 >= 8 ? STATUS_DISPLAY
                                      : 0);
}

static uint8_t dac_read(struct vga *vga)
{
    struct vga_state *s = &vga->s;
    uint8_t value = s->palette[s->dac_read * 3u + s->dac_component];
    if (++s->dac_component == 3) {
        s->dac_component = 0;
        s->dac_read++;
    }
    return value;
}

/* A colour changes when its third component was written. */
static void dac_write(struct vga *vga, uint8_t value)
{
    struct vga_state *s = &vga->s;
    s->dac_latch[s->dac_component] = value;
    if (++s->dac_component < 3)
        return;
    s->dac_component = 0;
    memcpy(s->palette + s->dac_write * 3u, s->dac_latch, 3);
    s->dac_write++;
}

static uint8_t crtc_read(const struct vga *vga)
{
    unsigned index = vga->s.crtc_index;
    return index < sizeof(vga->s.crtc) ? vga->s.crtc[index] : 0xff;
}

static void crtc_write(struct vga *vga, uint8_t value)
{
    struct vga_state *s = &vga->s;
    unsigned index = s->crtc_index;
    if (index >= sizeof(s->crtc))
        return;
    if (index < 8 && s->crtc[0x11] & CRTC_PROTECT) {
        if (index == 7) /* the line compare bit is not protected */
            s->crtc[7] = (s->crtc[7] & (uint8_t)~0x10) | (value & 0x10);
        return;
    }
    s->crtc[index] = value;
    changed(vga);
}

static void attr_write(struct vga *vga, uint8_t value)
{
    struct vga_state *s = &vga->s;
    unsigned index = s->attr_index & 0x1f;
    s->attr_data = !s->attr_data;
    if (s->attr_data) { /* it was the index */
        s->attr_index = value & 0x3f;
        return;
    }
    if (index < sizeof(s->attr))
        s->attr[index] = value;
    changed(vga);
}

static uint8_t port_read(struct vga *vga, unsigned port)
{
    struct vga_state *s = &vga->s;
    unsigned index;
    switch (port) {
    case 0x3c0:
        return s->attr_index;
    case 0x3c1:
        index = s->attr_index & 0x1f;
        return index < sizeof(s->attr) ? s->attr[index] : 0;
    case 0x3c2: /* a monitor is connected */
        return 0x10;
    case 0x3c4:
        return s->seq_index;
    case 0x3c5:
        return s->seq_index < sizeof(s->seq) ? s->seq[s->seq_index] : 0;
    case 0x3c6:
        return s->dac_mask;
    case 0x3c7:
        return s->dac_reading ? 3 : 0;
    case 0x3c8:
        return s->dac_write;
    case 0x3c9:
        return dac_read(vga);
    case 0x3ca:
        return s->feature;
    case 0x3cc:
        return s->misc;
    case 0x3ce:
        return s->gfx_index;
    case 0x3cf:
        return s->gfx_index < sizeof(s->gfx) ? s->gfx[s->gfx_index] : 0;
    case 0x3d4:
        return s->crtc_index;
    case 0x3d5:
        return crtc_read(vga);
    case 0x3da:
        s->attr_data = 0;
        return input_status(vga);
    default:
        return 0xff;
    }
}

static void port_write(struct vga *vga, unsigned port, uint8_t value)
{
    struct vga_state *s = &vga->s;
    switch (port) {
    case 0x3c0:
        attr_write(vga, value);
        break;
    case 0x3c2:
        s->misc = value;
        changed(vga);
        break;
    case 0x3c4:
        s->seq_index = value;
        break;
    case 0x3c5:
        if (s->seq_index < sizeof(s->seq))
            s->seq[s->seq_index] = value;
        changed(vga);
        break;
    case 0x3c6:
        s->dac_mask = value;
        break;
    case 0x3c7:
        s->dac_read = value;
        s->dac_component = 0;
        s->dac_reading = 1;
        break;
    case 0x3c8:
        s->dac_write = value;
        s->dac_component = 0;
        s->dac_reading = 0;
        break;
    case 0x3c9:
        dac_write(vga, value);
        break;
    case 0x3ce:
        s->gfx_index = value;
        break;
    case 0x3cf:
        if (s->gfx_index < sizeof(s->gfx))
            s->gfx[s->gfx_index] = value;
        changed(vga);
        break;
    case 0x3d4:
        s->crtc_index = value;
        break;
    case 0x3d5:
        crtc_write(vga, value);
        break;
    case 0x3da:
        s->feature = value;
        break;
    default:
        break;
    }
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct vga *vga = dev;
    unsigned port = VGA_PORT + (unsigned)offset;
    if (port >= 0x3d0 && !(vga->s.misc & MISC_COLOR))
        return 0xff;
    return port_read(vga, port);
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct vga *vga = dev;
    unsigned port = VGA_PORT + (unsigned)offset;
    if (port < 0x3d0 || vga->s.misc & MISC_COLOR)
        port_write(vga, port, (uint8_t)value);
}

static uint64_t mono_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct vga *vga = dev;
    return vga->s.misc & MISC_COLOR ? 0xff : port_read(vga, 0x3d0 + (unsigned)offset);
}

static void mono_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct vga *vga = dev;
    if (!(vga->s.misc & MISC_COLOR))
        port_write(vga, 0x3d0 + (unsigned)offset, (uint8_t)value);
}

/* ---- The display interface of Bochs */

#define ENABLE_ON      0x01
#define ENABLE_LIMITS  0x02 /* resolution registers read as their largest values */
#define ENABLE_NOCLEAR 0x80
#define ENABLE_BITS    0x00e3
#define DISPI_ID0      0xb0c0
#define DISPI_ID5      0xb0c5

static uint64_t row_bytes(const struct vga *vga)
{
    return (uint64_t)vga->s.dispi[DISPI_VIRT_WIDTH] * vga_pixel_bytes(vga->s.dispi[DISPI_BPP]);
}

static uint16_t dispi_read(const struct vga *vga, unsigned index)
{
    const uint16_t *r = vga->s.dispi;
    bool limits = r[DISPI_ENABLE] & ENABLE_LIMITS;
    switch (index) {
    case DISPI_XRES:
        return limits ? VGA_WIDTH_MAX : r[index];
    case DISPI_YRES:
        return limits ? VGA_HEIGHT_MAX : r[index];
    case DISPI_BPP:
        return limits ? 32 : r[index];
    case DISPI_VIRT_HEIGHT: {
        uint64_t bytes = row_bytes(vga), rows = bytes ? vga->vram_size / bytes : 0;
        return rows > UINT16_MAX ? UINT16_MAX : (uint16_t)rows;
    }
    case DISPI_VRAM_64K:
        return (uint16_t)(vga->vram_size >> 16);
    default:
        return index < DISPI_REGISTERS ? r[index] : 0;
    }
}

static void dispi_enable(struct vga *vga, uint16_t value)
{
    uint16_t *r = vga->s.dispi;
    bool rises = value & ENABLE_ON && !(r[DISPI_ENABLE] & ENABLE_ON);
    r[DISPI_ENABLE] = value & ENABLE_BITS;
    if (!rises)
        return;
    r[DISPI_VIRT_WIDTH] = r[DISPI_XRES];
    r[DISPI_X_OFFSET] = r[DISPI_Y_OFFSET] = 0;
    if (!(value & ENABLE_NOCLEAR)) {
        uint64_t bytes = row_bytes(vga) * r[DISPI_YRES];
        memset(vga->vram, 0, bytes < vga->vram_size ? bytes : vga->vram_size);
    }
}

static void dispi_write(struct vga *vga, unsigned index, uint16_t value)
{
    uint16_t *r = vga->s.dispi;
    if (vga->vram == NULL)
        return;
    switch (index) {
    case DISPI_ID: /* a guest asks for an older interface */
        if (value >= DISPI_ID0 && value <= DISPI_ID5)
            r[index] = value;
        break;
    case DISPI_XRES:
    case DISPI_VIRT_WIDTH:
        r[index] = (value < VGA_WIDTH_MAX ? value : VGA_WIDTH_MAX) & (uint16_t)~7u;
        break;
    case DISPI_YRES:
        r[index] = value < VGA_HEIGHT_MAX ? value : VGA_HEIGHT_MAX;
        break;
    case DISPI_BPP:
        if (value == 0)
            value = 8;
        if (vga_pixel_bytes(value) != 0)
            r[index] = value;
        break;
    case DISPI_ENABLE:
        dispi_enable(vga, value);
        break;
    case DISPI_BANK:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        r[index] = value;
        break;
    default:
        break;
    }
    changed(vga);
}

static uint64_t dispi_port_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    const struct vga *vga = dev;
    if (vga->vram == NULL || offset > 2)
        return 0xffff;
    return offset == 0 ? vga->s.dispi_index : dispi_read(vga, vga->s.dispi_index);
}

static void dispi_port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *vga = dev;
    if (size != 2 || offset > 2)
        return;
    if (offset == 0)
        vga->s.dispi_index = (uint16_t)value;
    else
        dispi_write(vga, vga->s.dispi_index, (uint16_t)value);
}

/* ---- The same registers in memory, as QEMU's VGA has them */

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned size)
{
    struct vga *vga = dev;
    uint64_t value = 0;
    if (offset >= 0x500 && offset + size <= 0x500 + 2 * DISPI_REGISTERS && size == 2)
        return dispi_read(vga, (unsigned)(offset - 0x500) / 2);
    if (offset < 0x400 || offset + size > 0x400 + VGA_PORTS)
        return UINT64_MAX;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)port_read(vga, 0x3c0 + (unsigned)(offset - 0x400) + i) << 8 * i;
    return value;
}

static void mmio_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *vga = dev;
    if (offset >= 0x500 && offset + size <= 0x500 + 2 * DISPI_REGISTERS && size == 2)
        dispi_write(vga, (unsigned)(offset - 0x500) / 2, (uint16_t)value);
    if (offset < 0x400 || offset + size > 0x400 + VGA_PORTS)
        return;
    for (unsigned i = 0; i < size; i++)
        port_write(vga, 0x3c0 + (unsigned)(offset - 0x400) + i, (uint8_t)(value >> 8 * i));
}

/* Text mode 3 as a BIOS leaves it: there may be none. */
static void reset(void *dev)
{
    static const uint8_t crtc[25] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                     0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                     0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
    static const uint8_t attr[21] = {0,    1,    2,    3,    4,    5,    0x14,
                                     7,    0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
                                     0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};
    struct vga *vga = dev;
    struct vga_state *s = &vga->s;
    memset(s, 0, sizeof(*s));
    s->misc = 0x67;
    memcpy(s->seq, (const uint8_t[5]){3, 0, 3, 0, 2}, 5);
    memcpy(s->gfx, (const uint8_t[9]){0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff}, 9);
    memcpy(s->crtc, crtc, sizeof(crtc));
    memcpy(s->attr, attr, sizeof(attr));
    s->attr_index = 0x20;
    s->dac_mask = 0xff;
    for (unsigned i = 0; i < 64; i++) /* bits: r g b R G B */
        for (unsigned c = 0; c < 3; c++)
            s->palette[3 * i + c] = (uint8_t)((i >> (2 - c) & 1) * 42 + (i >> (5 - c) & 1) * 21);
    s->dispi[DISPI_ID] = DISPI_ID5;
    s->dispi[DISPI_BPP] = 8;
    changed(vga);
}

void vga_init(struct vga *vga, const struct clock *clock, uint8_t *vram, uint64_t vram_size,
              void (*changed_callback)(void *ctx), void *ctx)
{
    memset(vga, 0, sizeof(*vga));
    vga->clock = clock;
    vga->vram = vram;
    vga->vram_size = vram != NULL ? vram_size : 0;
    reset(vga);
    vga->changed = changed_callback;
    vga->ctx = ctx;
}

#define VGA_SNAPSHOT SNAPSHOT_ID('V', 'G', 'A', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    const struct vga *vga = dev;
    return snapshot_save(buf, size, VGA_SNAPSHOT, &vga->s, sizeof(vga->s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct vga *vga = dev;
    struct vga_state s;
    if (!snapshot_load(buf, size, VGA_SNAPSHOT, &s, sizeof(s)))
        return false;
    const uint16_t *r = s.dispi;
    if (s.dac_component > 2 || s.attr_data > 1 || r[DISPI_XRES] > VGA_WIDTH_MAX ||
        r[DISPI_YRES] > VGA_HEIGHT_MAX || r[DISPI_VIRT_WIDTH] > VGA_WIDTH_MAX ||
        vga_pixel_bytes(r[DISPI_BPP]) == 0 || (vga->vram == NULL && r[DISPI_ENABLE] & ENABLE_ON))
        return false;
    vga->s = s;
    changed(vga);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    static const char *const kinds[] = {"nothing", "text", "graphics"};
    const struct vga *vga = dev;
    struct vga_mode mode;
    vga_get_mode(vga, &mode);
    return info_length(snprintf(buf, size, "vga: %s %u x %u, %u bits, memory %llu KiB\n",
                                kinds[mode.kind], mode.width, mode.height, mode.bpp,
                                (unsigned long long)vga->vram_size >> 10),
                       size);
}

const struct device_ops vga_ops = {
    .name = "vga",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};

const struct device_ops vga_mono_ops = {
    .name = "vga-mono",
    .read = mono_read,
    .write = mono_write,
    .width = 1,
};

const struct device_ops vga_dispi_ops = {
    .name = "vga-dispi",
    .read = dispi_port_read,
    .write = dispi_port_write,
    .width = 2,
};

const struct device_ops vga_mmio_ops = {
    .name = "vga-mmio",
    .read = mmio_read,
    .write = mmio_write,
    .width = 4,
};
