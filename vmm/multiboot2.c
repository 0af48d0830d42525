// SPDX-License-Identifier: BSD-2-Clause
// Multiboot2 Specification 2.0, section 3. What a kernel demands and this loader cannot give (a
// framebuffer, a console, ELF sections) is refused by name. HAZARD: sizes and addresses in the
// header are hostile: each is compared by subtraction from a bound that is known.
#include "multiboot2.h"

#include <string.h>

#include "boot_elf.h"

#define HEADER_MAGIC  0xe85250d6u
#define HEADER_SEARCH 32768u // the header lies within so many bytes, 8-byte aligned
#define HEADER_TAGS   64     // that are looked at
#define LOADER_MAGIC  0x36d76289u
#define ARCH_I386     0
#define FROM_START    UINT32_MAX // load_addr: the file is loaded from its beginning

enum header_tag {
    HEADER_END,
    HEADER_REQUEST,
    HEADER_ADDRESS,
    HEADER_ENTRY,
    HEADER_CONSOLE,
    HEADER_FRAMEBUFFER,
    HEADER_MODULE_ALIGN, // they always are
    HEADER_EFI_SERVICES, // these three concern loaders under EFI
    HEADER_EFI_ENTRY32,
    HEADER_EFI_ENTRY64,
    HEADER_RELOCATABLE,
};
#define TAG_OPTIONAL     1
#define CONSOLE_REQUIRED 1
enum { PREFER_NOTHING, PREFER_LOWEST, PREFER_HIGHEST };

enum info_tag {
    INFO_END,
    INFO_CMDLINE,
    INFO_LOADER_NAME,
    INFO_MODULE,
    INFO_MEMORY,
    INFO_MAP = 6,
    INFO_ELF_SECTIONS = 9,
    INFO_ACPI_OLD = 14,
    INFO_ACPI_NEW = 15,
    INFO_LOAD_BASE = 21, // the last that the specification names
};

struct tag {
    uint16_t type, flags;
    uint32_t size; // with these 8 bytes, without the padding to 8
};

struct header { // what the tags say
    size_t at;  // file offset
    bool flat, has_entry, relocatable;
    uint32_t header_address, load_address, load_end, bss_end, entry;
    uint32_t min, max, align, preference;
};

#define FAIL(status, ...) boot_error(status, l->error, l->error_size, "kernel: " __VA_ARGS__)

static uint32_t word_at(const uint8_t *at, unsigned index)
{
    uint32_t word;
    memcpy(&word, at + 4 * (size_t)index, sizeof(word));
    return word;
}

// File offset and length of the header; false when there is none.
static bool find_header(const uint8_t *image, size_t size, size_t *at, uint32_t *length)
{
    size_t limit = size < HEADER_SEARCH ? size : HEADER_SEARCH;
    for (*at = 0; *at + 16 <= limit; *at += 8) {
        const uint8_t *h = image + *at;
        *length = word_at(h, 2);
        if (word_at(h, 0) == HEADER_MAGIC && word_at(h, 1) == ARCH_I386 &&
            HEADER_MAGIC + ARCH_I386 + *length + word_at(h, 3) == 0 && *length >= 16 &&
            *length <= limit - *at)
            return true;
    }
    return false;
}

// What an information request tag that must be answered asks for.
static enum load_status check_request(struct boot_image *l, const uint8_t *body, uint32_t size)
{
    for (uint32_t i = 0; i < size / 4; i++) {
        uint32_t type = word_at(body, i);
        if (type == INFO_ELF_SECTIONS || type > INFO_LOAD_BASE)
            return FAIL(LOAD_BAD_IMAGE,
                        "asks for Multiboot2 information %u, which there is none of", type);
    }
    return LOAD_OK;
}

static enum load_status take_tag(struct boot_image *l, struct header *h, const struct tag *tag,
                                 const uint8_t *body)
{
    static const uint8_t least[] = {
        [HEADER_ADDRESS] = 16, [HEADER_ENTRY] = 4, [HEADER_CONSOLE] = 4, [HEADER_RELOCATABLE] = 16};
    uint32_t size = tag->size - (uint32_t)sizeof(*tag);
    bool optional = tag->flags & TAG_OPTIONAL;

    if (tag->type < sizeof(least) && size < least[tag->type])
        return FAIL(LOAD_BAD_IMAGE, "corrupt: header tag %u has %u bytes", tag->type, tag->size);
    switch (tag->type) {
    case HEADER_REQUEST:
        return optional ? LOAD_OK : check_request(l, body, size);
    case HEADER_ADDRESS:
        h->flat = true;
        h->header_address = word_at(body, 0);
        h->load_address = word_at(body, 1);
        h->load_end = word_at(body, 2);
        h->bss_end = word_at(body, 3);
        return LOAD_OK;
    case HEADER_ENTRY:
        h->has_entry = true;
        h->entry = word_at(body, 0);
        return LOAD_OK;
    case HEADER_CONSOLE:
        if (!optional && word_at(body, 0) & CONSOLE_REQUIRED)
            return FAIL(LOAD_BAD_IMAGE, "asks for a console on a screen, which there is none of");
        return LOAD_OK;
    case HEADER_FRAMEBUFFER:
        if (!optional)
            return FAIL(LOAD_BAD_IMAGE, "asks for a framebuffer, which there is none of");
        return LOAD_OK;
    case HEADER_RELOCATABLE:
        h->relocatable = true;
        h->min = word_at(body, 0);
        h->max = word_at(body, 1);
        h->align = word_at(body, 2);
        h->preference = word_at(body, 3);
        return LOAD_OK;
    case HEADER_MODULE_ALIGN:
    case HEADER_EFI_SERVICES:
    case HEADER_EFI_ENTRY32:
    case HEADER_EFI_ENTRY64:
        return LOAD_OK;
    default:
        if (!optional)
            return FAIL(LOAD_BAD_IMAGE, "asks for Multiboot2 feature %u, which is not supported",
                        tag->type);
        return LOAD_OK;
    }
}

static enum load_status parse(struct boot_image *l, struct header *h)
{
    uint32_t length;
    memset(h, 0, sizeof(*h));
    if (!find_header(l->data, l->size, &h->at, &length))
        return FAIL(LOAD_BAD_IMAGE, "no Multiboot2 header in its first 32 KiB");
    const uint8_t *header = l->data + h->at;
    uint32_t at = 16;
    for (unsigned i = 0; i < HEADER_TAGS; i++) {
        struct tag tag;
        if (at > length || length - at < sizeof(tag))
            return FAIL(LOAD_BAD_IMAGE, "corrupt: the Multiboot2 header has no end tag");
        memcpy(&tag, header + at, sizeof(tag));
        if (tag.size < sizeof(tag) || tag.size > length - at)
            return FAIL(LOAD_BAD_IMAGE, "corrupt: header tag %u has %u bytes", tag.type, tag.size);
        if (tag.type == HEADER_END)
            return LOAD_OK;
        enum load_status status = take_tag(l, h, &tag, header + at + sizeof(tag));
        if (status != LOAD_OK)
            return status;
        at += (tag.size + 7) & ~7u; // size is at most 32 KiB here
    }
    return FAIL(LOAD_BAD_IMAGE, "has more than %u Multiboot2 header tags", HEADER_TAGS);
}

// An image with an address tag.
static enum load_status load_flat(struct boot_image *l, const struct header *h)
{
    uint64_t offset = 0, load = h->load_address;
    if (h->load_address == FROM_START) {
        if (h->header_address < h->at)
            return FAIL(LOAD_BAD_IMAGE, "corrupt: header_addr does not match where the header is");
        load = h->header_address - h->at;
    } else {
        uint64_t before = (uint64_t)h->header_address - h->load_address;
        if (h->load_address > h->header_address || before > h->at)
            return FAIL(LOAD_BAD_IMAGE, "corrupt: load_addr does not match where the header is");
        offset = h->at - before;
    }
    if ((h->load_end && h->load_end < load) || (h->bss_end && h->bss_end < load))
        return FAIL(LOAD_BAD_IMAGE, "corrupt: the header's addresses do not ascend");
    uint64_t file_size = h->load_end ? h->load_end - load : l->size - offset;
    uint64_t memory_size = h->bss_end ? h->bss_end - load : file_size;
    return boot_load_segment(l, offset, file_size, load, memory_size);
}

// Where a relocatable image goes: where it is linked when that is allowed, else as low or as high
// as the tag allows. Sets l->shift, and the load base.
static enum load_status choose_place(struct boot_image *l, const struct header *h, uint64_t *base)
{
    uint64_t low, high, align = h->align > BOOT_PAGE ? h->align : BOOT_PAGE;
    enum load_status status = boot_elf_extent(l, &low, &high);
    if (status != LOAD_OK)
        return status;
    if (align & (align - 1))
        return FAIL(LOAD_BAD_IMAGE, "corrupt: an alignment of 0x%x", h->align);
    uint64_t size = high - low, ram = guest_ram_low(l->ram);
    uint64_t first = h->min > BOOT_LOW_AREA ? h->min : BOOT_LOW_AREA;
    uint64_t end = (uint64_t)h->max + 1 < ram ? (uint64_t)h->max + 1 : ram; // max: highest byte
    first = (first + align - 1) & ~(align - 1);
    if (first > end || size > end - first)
        return FAIL(LOAD_NO_MEMORY, "needs %llu KiB between 0x%x and 0x%x, of %llu MiB of memory",
                    (unsigned long long)(size >> 10), h->min, h->max,
                    (unsigned long long)(ram >> 20));
    *base = low;
    if (low < first || low % align || low > end || size > end - low || h->preference)
        *base = h->preference == PREFER_HIGHEST ? (end - size) & ~(align - 1) : first;
    l->shift = *base - low;
    return LOAD_OK;
}

// ---- The information structure, in the string area: sizes are bounded by that

// Appends a tag: two fixed parts, either of which may be empty. False: there is no room.
static bool put(struct boot_image *l, uint32_t type, const void *fixed, size_t fixed_size,
                const void *more, size_t more_size)
{
    uint64_t left = PLATFORM_BOOT_CMD_SIZE - l->strings;
    uint64_t at = PLATFORM_BOOT_CMDLINE + l->strings;
    size_t size = 8 + fixed_size + more_size;
    if (more_size > left || size + (type == INFO_END ? 0 : 8) > left) // there is room for the end
        return false;
    const uint32_t head[2] = {type, (uint32_t)size};
    l->strings += (size + 7) & ~(size_t)7;
    return guest_ram_clear(l->ram, at, (size + 7) & ~(size_t)7) &&
           guest_ram_write(l->ram, at, head, sizeof(head)) &&
           guest_ram_write(l->ram, at + 8, fixed, fixed_size) &&
           guest_ram_write(l->ram, at + 8 + fixed_size, more, more_size);
}

static size_t string_size(const char *string)
{
    return strnlen(string, PLATFORM_BOOT_CMD_SIZE) + 1;
}

static bool put_memory(struct boot_image *l)
{
    struct {
        uint64_t start, length;
        uint32_t type, reserved;
    } entry[BOOT_RANGES];
    struct boot_range map[BOOT_RANGES];
    const uint32_t basic[2] = {PLATFORM_BASE_TOP >> 10,
                               (uint32_t)((guest_ram_low(l->ram) - BOOT_LOW_AREA) >> 10)};
    const uint32_t format[2] = {sizeof(entry[0]), 0};
    unsigned count = boot_memory_map(l->ram, map);

    memset(entry, 0, sizeof(entry));
    for (unsigned i = 0; i < count; i++) {
        entry[i].start = map[i].start;
        entry[i].length = map[i].size;
        entry[i].type = map[i].type;
    }
    return put(l, INFO_MEMORY, basic, sizeof(basic), NULL, 0) &&
           put(l, INFO_MAP, format, sizeof(format), entry, count * sizeof(entry[0]));
}

// Copies of the RSDP, as ACPI 1.0 has it and as later versions do.
static bool put_acpi(struct boot_image *l, uint64_t rsdp)
{
    uint8_t copy[36];
    if (!rsdp || !guest_ram_read(l->ram, rsdp, copy, sizeof(copy)))
        return true;
    return put(l, INFO_ACPI_OLD, copy, 20, NULL, 0) &&
           put(l, INFO_ACPI_NEW, copy, sizeof(copy), NULL, 0);
}

static enum load_status fill_info(struct boot_image *l, const struct boot_module *modules,
                                  unsigned count, const char *cmdline, uint64_t rsdp,
                                  const uint32_t *base)
{
    static const char name[] = "Bulkhead";
    l->strings = 8; // the whole's size, and a reserved word
    bool ok = put(l, INFO_LOADER_NAME, name, sizeof(name), NULL, 0) && put_memory(l) &&
              put_acpi(l, rsdp) && (!base || put(l, INFO_LOAD_BASE, base, sizeof(*base), NULL, 0));
    if (!ok)
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    if (!put(l, INFO_CMDLINE, cmdline, string_size(cmdline), NULL, 0))
        return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                          "command line: longer than 64 KiB");
    for (unsigned i = 0; i < count; i++) {
        uint64_t at;
        enum load_status status = boot_place_module(l, &modules[i], i + 1, &at);
        if (status != LOAD_OK)
            return status;
        const uint32_t range[2] = {(uint32_t)at, (uint32_t)l->end};
        const char *string = modules[i].string ? modules[i].string : "";
        if (!put(l, INFO_MODULE, range, sizeof(range), string, string_size(string)))
            return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                              "module %u: the command lines are longer than 64 KiB", i + 1);
    }
    put(l, INFO_END, NULL, 0, NULL, 0);
    const uint32_t head[2] = {(uint32_t)l->strings, 0};
    guest_ram_write(l->ram, PLATFORM_BOOT_CMDLINE, head, sizeof(head));
    return LOAD_OK;
}

static enum load_status load_image(struct boot_image *l, const struct header *h, uint64_t *base)
{
    enum load_status status = LOAD_OK;
    if (h->flat)
        status = load_flat(l, h);
    else if (h->relocatable)
        status = choose_place(l, h, base);
    if (status == LOAD_OK && !h->flat)
        status = boot_load_elf(l);
    if (status != LOAD_OK)
        return status;
    if (h->has_entry)
        l->entry = h->entry + l->shift;
    else if (h->flat)
        return FAIL(LOAD_BAD_IMAGE, "has no entry address in its Multiboot2 header");
    if (l->entry < BOOT_LOW_AREA || l->entry >= l->end)
        return FAIL(LOAD_BAD_IMAGE, "entry point 0x%llx lies outside of it",
                    (unsigned long long)l->entry);
    return LOAD_OK;
}

enum load_status multiboot2_load(const struct guest_ram *ram, const void *image, size_t image_size,
                                 const struct boot_module *modules, unsigned module_count,
                                 const char *cmdline, const struct boot_layout *layout,
                                 struct cpu_start *start, char *error, size_t error_size)
{
    struct boot_image loading = {
        .ram = ram, .data = image, .size = image_size, .error = error, .error_size = error_size};
    struct boot_image *l = &loading;
    struct header h;
    uint64_t base = 0;

    if (guest_ram_low(ram) <= BOOT_LOW_AREA)
        return FAIL(LOAD_NO_MEMORY, "needs more than 1 MiB of memory");
    if (module_count > BOOT_MODULES)
        return boot_error(LOAD_BAD_ARGUMENT, error, error_size, "modules: %u of them, at most %u",
                          module_count, BOOT_MODULES);
    enum load_status status = parse(l, &h);
    if (status == LOAD_OK)
        status = load_image(l, &h, &base);
    if (status != LOAD_OK)
        return status;
    const uint32_t base32 = (uint32_t)base;
    status = fill_info(l, modules, module_count, cmdline ? cmdline : "", layout->rsdp,
                       base ? &base32 : NULL);
    if (status != LOAD_OK)
        return status;

    *start = (struct cpu_start){.rip = l->entry, .cr0 = 0x31}; // NE, ET, PE
    start->gpr[RAX] = LOADER_MAGIC;
    start->gpr[RBX] = PLATFORM_BOOT_CMDLINE;
    start->gpr[RSP] = PLATFORM_BOOT_GDT; // undefined by the specification; somewhere harmless
    if (!boot_segments(ram, start, 0x08, SEGMENT_CODE32, 0x10))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}
