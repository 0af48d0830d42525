// SPDX-License-Identifier: BSD-2-Clause
// The kind "vga": registers, framebuffer in BAR 0, registers in BAR 2 (QEMU's VGA, 1234:1111), a
// keyboard, and the text screen drawn on the VM's console: at most 30 times a second, and 4 times
// when nothing changes.
#include "device_kind.h"
#include "keyboard.h"
#include "monitor.h"
#include "png.h"
#include "vga.h"
#include "vga_picture.h"
#include "vga_text.h"
#include "vm_alloc.h"

#include <stdio.h>

#define VENDOR   0x1234
#define DEVICE   0x1111
#define CLASS    0x030000
#define REVISION 2
#define BAR_VRAM 0
#define BAR_MMIO 2
#define FAST_HZ  30
#define SLOW_HZ  4
#define REDRAW   0x0c /* typed ^L: the whole screen is sent again */

struct video {
    struct vga vga;
    struct vga_text text;
    struct pci_function pci;
    const struct device_env *env;
    const struct task_device *config;
    uint64_t deadline, interval; /* ticks */
    uint64_t mapped;             /* where the guest sees the framebuffer, or PCI_UNMAPPED */
    bool told;                   /* that there is a picture which the console cannot show */
};

static void soon(struct video *video)
{
    const struct clock *clock = &video->env->chipset->clock;
    uint64_t at = clock_add(clock_now(clock), clock->hz / FAST_HZ);

    video->interval = clock->hz / FAST_HZ;
    if (at < video->deadline)
        video->deadline = at;
}

static void changed(void *ctx)
{
    soon(ctx);
}

static void typed(void *ctx, const uint8_t *bytes, size_t n)
{
    struct video *video = ctx;

    for (size_t i = 0; i < n; i++)
        if (bytes[i] == REDRAW)
            vga_text_forget(&video->text);
    soon(video);
}

static void print(void *ctx, const uint8_t *bytes, size_t n)
{
    const struct video *video = ctx;

    video->env->print(video->env->vm, bytes, n);
}

static void tell(struct video *video, const struct vga_mode *mode)
{
    char line[80];

    vga_text_forget(&video->text);
    if (video->told)
        return;
    video->told = true;
    snprintf(line, sizeof(line), "shows a picture of %u x %u pixels: see `screenshot`", mode->width,
             mode->height);
    video->env->log(video->env->vm, line);
}

static void expire(void *dev, uint64_t now)
{
    struct video *video = dev;
    const struct clock *clock = &video->env->chipset->clock;
    struct vga_mode mode;
    bool busy = false;

    vga_get_mode(&video->vga, &mode);
    if (mode.kind == VGA_TEXT) {
        const uint8_t *memory = guest_ram_at(video->env->ram, mode.base, mode.wrap);

        video->told = false;
        busy = memory && vga_text_draw(&video->text, &mode, memory);
    } else if (mode.kind == VGA_GRAPHICS) {
        tell(video, &mode);
    }
    uint64_t slow = clock->hz / SLOW_HZ;
    video->interval = busy ? clock->hz / FAST_HZ : 2 * video->interval;
    if (video->interval > slow)
        video->interval = slow;
    video->deadline = clock_add(now, video->interval);
}

static void moved(void *dev, unsigned bar, uint64_t address)
{
    struct video *video = dev;
    const struct device_env *env = video->env;
    uint64_t size = video->vga.vram_size;

    (void)bar;
    if (video->mapped != PCI_UNMAPPED)
        env->unmap(env->vm, video->mapped, size);
    video->mapped = PCI_UNMAPPED;
    if (address == PCI_UNMAPPED)
        return;
    if (env->map(env->vm, video->config->slot, 0, address, size, MAP_READ | MAP_WRITE))
        video->mapped = address;
    else
        env->log(env->vm, "vga: its memory cannot be mapped there");
}

static bool add_pci(struct video *video)
{
    struct pci_function *f = &video->pci;

    pci_init(f, "vga", VENDOR, DEVICE, CLASS, REVISION);
    pci_subsystem(f, 0x1af4, 0x1100);
    f->dev = video;
    if (video->vga.vram != NULL) {
        if (!pci_add_bar(f, BAR_VRAM, PCI_BAR_MEM32, true, video->vga.vram_size, NULL, video))
            return false;
        f->bar[BAR_VRAM].moved = moved;
    }
    return pci_add_bar(f, BAR_MMIO, PCI_BAR_MEM32, false, VGA_MMIO_SIZE, &vga_mmio_ops,
                       &video->vga) &&
           pci_add(video->env->pci, f, PCI_ANY_SLOT, 0);
}

static void picture_part(void *ctx, const uint8_t *bytes, size_t n)
{
    monitor_file_write(ctx, bytes, n);
}

static bool picture(struct video *video, const struct vga_mode *mode, struct monitor *monitor)
{
    struct vga_picture picture = {.vga = &video->vga, .mode = *mode};
    const struct png_picture source = {mode->width, mode->height, vga_picture_row, &picture};
    struct monitor_file file;
    const struct png_sink sink = {picture_part, &file};

    picture.memory = mode->legacy ? guest_ram_at(video->env->ram, mode->base, VGA_LEGACY_SIZE)
                                  : video->vga.vram + mode->base;
    if (picture.memory == NULL)
        return false;
    monitor_file_begin(&file, monitor, "screen.png");
    bool done = png_write(&source, &sink);
    monitor_file_end(&file);
    return done;
}

static bool screenshot(void *dev, const char *arguments, struct monitor *monitor)
{
    struct video *video = dev;
    struct vga_mode mode;
    const uint8_t *memory = NULL;

    (void)arguments;
    vga_get_mode(&video->vga, &mode);
    if (mode.kind == VGA_GRAPHICS && picture(video, &mode, monitor))
        return true;
    if (mode.kind == VGA_TEXT)
        memory = guest_ram_at(video->env->ram, mode.base, mode.wrap);
    if (memory == NULL) {
        monitor_print(monitor, "there is no picture\n");
        return false;
    }
    for (unsigned row = 0; row < mode.height; row++) {
        char line[VGA_COLUMNS_MAX + 2];
        monitor_write(monitor, line, vga_text_dump(&mode, memory, row, line, sizeof(line)));
    }
    return true;
}

static void reset(void *dev)
{
    struct video *video = dev;

    vga_ops.reset(&video->vga);
}

/* The registers, then the PCI function. The framebuffer is saved with the machine's memory. */
static size_t save(void *dev, void *buf, size_t size)
{
    struct video *video = dev;
    size_t n = vga_ops.save(&video->vga, buf, size);
    size_t more = n ? pci_save(&video->pci, (uint8_t *)buf + n, size - n) : 0;

    return more ? n + more : 0;
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct video *video = dev;
    const size_t n = 8 + sizeof(struct vga_state);

    if (size < n || !vga_ops.restore(&video->vga, buf, n) ||
        !pci_restore(&video->pci, (const uint8_t *)buf + n, size - n))
        return false;
    vga_text_forget(&video->text);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    struct video *video = dev;

    return vga_ops.info(&video->vga, buf, size);
}

static const struct device_ops video_ops = {
    .name = "vga",
    .reset = reset,
    .save = save,
    .restore = restore,
    .info = info,
};

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct chipset *c = env->chipset;
    struct video *video = vm_alloc(sizeof(*video));

    if (video == NULL) {
        snprintf(error, size, "no memory for it");
        return false;
    }
    video->env = env;
    video->config = config;
    video->mapped = PCI_UNMAPPED;
    video->deadline = CLOCK_NEVER;
    vga_text_init(&video->text, print, video);
    vga_init(&video->vga, &c->clock, config->size ? (uint8_t *)config->address : NULL, config->size,
             changed, video);
    struct vga *vga = &video->vga;
    if (!bus_add(&c->ports, VGA_PORT, VGA_PORTS, &vga_ops, vga) ||
        !bus_add(&c->ports, VGA_PORT_MONO, VGA_PORTS_MONO, &vga_mono_ops, vga) ||
        !bus_add(&c->ports, VGA_DISPI_PORT, VGA_DISPI_PORTS, &vga_dispi_ops, vga) ||
        !chipset_add_device(c, &video_ops, video) ||
        !chipset_add_timer(c, &video->deadline, expire, video) || !add_pci(video)) {
        snprintf(error, size, "its ports or its place on the PCI bus are taken");
        return false;
    }
    if (!keyboard_create(env, error, size))
        return false;
    keyboard_watch(typed, video);
    env->acpi->vga = true;
    monitor_add(env->monitor, "screenshot", NULL, "the screen: a picture as PNG in base64, or text",
                screenshot, video);
    soon(video);
    return true;
}

DEVICE_KIND(vga, .name = "vga", .create = create);
