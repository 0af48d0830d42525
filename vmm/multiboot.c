// SPDX-License-Identifier: BSD-2-Clause
// Multiboot Specification 0.6.96, section 3. HAZARD: the header's addresses are hostile: each is
// compared by subtraction from a bound that is known, never by a sum.
#include "multiboot.h"

#include <string.h>

#include "boot_elf.h"

#define HEADER_MAGIC  0x1badb002u
#define HEADER_SEARCH 8192u // the header lies within so many bytes, 4-byte aligned
#define LOADER_MAGIC  0x2badb002u

#define WANT_ALIGN   (1u << 0) // modules on page boundaries: they always are
#define WANT_MEMORY  (1u << 1)
#define WANT_VIDEO   (1u << 2)  // granted as far as the information goes: there is no video
#define WANT_ADDRESS (1u << 16) // header has the addresses
#define WANT_UNKNOWN 0xfff8u    // requirements that this loader does not know

#define HAVE_MEMORY  (1u << 0)
#define HAVE_CMDLINE (1u << 2)
#define HAVE_MODULES (1u << 3)
#define HAVE_MAP     (1u << 6)
#define HAVE_NAME    (1u << 9)

struct header {
    uint32_t magic, flags, checksum;
    uint32_t header_address, load_address, load_end, bss_end, entry;
};

struct map_entry {
    uint32_t size; // of the rest
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed));

struct module_entry {
    uint32_t start, end, string, reserved;
};

struct info { // section 3.3; the fields behind the loader's name are not offered
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_address;
    uint32_t symbols[4], map_length, map_address, drives_length, drives_address, config_table, name;
};

struct info_area { // at PLATFORM_BOOT_INFO
    struct info info;
    struct module_entry modules[BOOT_MODULES];
    struct map_entry map[BOOT_RANGES];
};
_Static_assert(sizeof(struct info_area) <= 2 * BOOT_PAGE, "two pages are set aside");

#define FAIL(status, ...) boot_error(status, l->error, l->error_size, "kernel: " __VA_ARGS__)

// Finds the header; returns its file offset, or size when there is none.
static size_t find_header(const uint8_t *image, size_t size, struct header *h)
{
    size_t limit = size < HEADER_SEARCH ? size : HEADER_SEARCH;
    for (size_t at = 0; at + 12 <= limit; at += 4) {
        uint32_t word[3];
        memcpy(word, image + at, sizeof(word));
        if (word[0] != HEADER_MAGIC || word[0] + word[1] + word[2] != 0)
            continue;
        memset(h, 0, sizeof(*h));
        size_t length = word[1] & WANT_ADDRESS ? sizeof(*h) : 12;
        if (limit - at < length)
            break;
        memcpy(h, image + at, length);
        return at;
    }
    return size;
}

// Addresses from the header itself, the "a.out kludge".
static enum load_status load_flat(struct boot_image *l, const struct header *h, size_t at)
{
    uint64_t before = (uint64_t)h->header_address - h->load_address;
    if (h->load_address > h->header_address || before > at)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: load_addr does not match where the header is");
    if ((h->load_end && h->load_end < h->load_address) ||
        (h->bss_end && h->bss_end < h->load_address))
        return FAIL(LOAD_BAD_IMAGE, "corrupt: the header's addresses do not ascend");
    uint64_t offset = at - before;
    uint64_t file_size = h->load_end ? (uint64_t)h->load_end - h->load_address : l->size - offset;
    uint64_t memory_size = h->bss_end ? (uint64_t)h->bss_end - h->load_address : file_size;
    l->entry = h->entry;
    return boot_load_segment(l, offset, file_size, h->load_address, memory_size);
}

static enum load_status place_modules(struct boot_image *l, const struct boot_module *modules,
                                      unsigned count, struct info_area *area)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t at;
        enum load_status status = boot_place_module(l, &modules[i], i + 1, &at);
        if (status != LOAD_OK)
            return status;
        struct module_entry *m = &area->modules[i];
        m->start = (uint32_t)at;
        m->end = (uint32_t)l->end;
        m->string = boot_string(l, modules[i].string ? modules[i].string : "");
        if (!m->string)
            return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                              "module %u: the command lines are longer than 64 KiB", i + 1);
    }
    area->info.mods_count = count;
    area->info.mods_address = PLATFORM_BOOT_INFO + offsetof(struct info_area, modules);
    area->info.flags |= HAVE_MODULES;
    return LOAD_OK;
}

static void fill_memory(const struct guest_ram *ram, struct info_area *area)
{
    struct boot_range map[BOOT_RANGES];
    unsigned count = boot_memory_map(ram, map);
    for (unsigned i = 0; i < count; i++)
        area->map[i] = (struct map_entry){20, map[i].start, map[i].size, map[i].type};
    struct info *info = &area->info;
    info->map_address = PLATFORM_BOOT_INFO + offsetof(struct info_area, map);
    info->map_length = count * (uint32_t)sizeof(struct map_entry);
    info->mem_lower = PLATFORM_BASE_TOP >> 10;
    info->mem_upper = (uint32_t)((guest_ram_low(ram) - BOOT_LOW_AREA) >> 10);
    info->flags |= HAVE_MEMORY | HAVE_MAP;
}

static enum load_status fill_info(struct boot_image *l, const struct boot_module *modules,
                                  unsigned module_count, const char *cmdline)
{
    struct info_area area;
    memset(&area, 0, sizeof(area));
    fill_memory(l->ram, &area);
    area.info.name = boot_string(l, "Bulkhead");
    area.info.cmdline = boot_string(l, cmdline);
    if (!area.info.name || !area.info.cmdline)
        return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                          "command line: longer than 64 KiB");
    area.info.flags |= HAVE_CMDLINE | HAVE_NAME;
    enum load_status status = place_modules(l, modules, module_count, &area);
    if (status == LOAD_OK && !guest_ram_write(l->ram, PLATFORM_BOOT_INFO, &area, sizeof(area)))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return status;
}

enum load_status multiboot_load(const struct guest_ram *ram, const void *image, size_t image_size,
                                const struct boot_module *modules, unsigned module_count,
                                const char *cmdline, struct cpu_start *start, char *error,
                                size_t error_size)
{
    struct boot_image loading = {
        .ram = ram, .data = image, .size = image_size, .error = error, .error_size = error_size};
    struct boot_image *l = &loading;
    struct header h;
    size_t at = find_header(l->data, l->size, &h);
    if (at == l->size)
        return FAIL(LOAD_BAD_IMAGE, "no Multiboot header in its first 8 KiB");
    if (h.flags & WANT_UNKNOWN)
        return FAIL(LOAD_BAD_IMAGE, "asks for Multiboot features 0x%x that are not supported",
                    h.flags & WANT_UNKNOWN);
    if (guest_ram_low(ram) <= BOOT_LOW_AREA)
        return FAIL(LOAD_NO_MEMORY, "needs more than 1 MiB of memory");
    if (module_count > BOOT_MODULES)
        return boot_error(LOAD_BAD_ARGUMENT, error, error_size, "modules: %u of them, at most %u",
                          module_count, BOOT_MODULES);

    enum load_status status = h.flags & WANT_ADDRESS ? load_flat(l, &h, at) : boot_load_elf(l);
    if (status != LOAD_OK)
        return status;
    if (l->entry < BOOT_LOW_AREA || l->entry >= l->end)
        return FAIL(LOAD_BAD_IMAGE, "entry point 0x%llx lies outside of it",
                    (unsigned long long)l->entry);
    status = fill_info(l, modules, module_count, cmdline ? cmdline : "");
    if (status != LOAD_OK)
        return status;

    *start = (struct cpu_start){.rip = l->entry, .cr0 = 0x31}; // NE, ET, PE
    start->gpr[RAX] = LOADER_MAGIC;
    start->gpr[RBX] = PLATFORM_BOOT_INFO;
    start->gpr[RSP] = PLATFORM_BOOT_GDT; // undefined by the specification; somewhere harmless
    if (!boot_segments(ram, start, 0x08, SEGMENT_CODE32, 0x10))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}
