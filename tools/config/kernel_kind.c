// SPDX-License-Identifier: BSD-2-Clause
// What a guest's kernel is: a Linux bzImage (Linux Documentation/arch/x86/boot.rst), or an ELF with
// a Multiboot or Multiboot2 header or with the note of PVH. The vmm checks it again by itself: this
// is only so that a wrong file is refused before anything is built. Any bytes may come in.
#include <string.h>

#include "config.h"

enum {
    // Offsets in the setup header of a bzImage.
    SETUP_SECTS = 0x1F1,
    SYSSIZE = 0x1F4,
    BOOT_FLAG = 0x1FE,
    HEADER_MAGIC = 0x202,
    VERSION = 0x206,
    LOADFLAGS = 0x211,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    HEADER_END = 0x264,
    LOADED_HIGH = 1, // of LOADFLAGS
    VERSION_INIT_SIZE = 0x20C,
};

static uint64_t read_le(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | from[bytes];
    return value;
}

// Multiboot 0.6.96, 3.1: in the first 8192 bytes.
static bool has_multiboot(const uint8_t *file, size_t length)
{
    for (size_t at = 0; at + 12 <= length && at < 8192; at += 4) {
        uint32_t magic = (uint32_t)read_le(file + at, 4);
        uint32_t flags = (uint32_t)read_le(file + at + 4, 4);
        uint32_t checksum = (uint32_t)read_le(file + at + 8, 4);

        if (magic == 0x1BADB002 && (uint32_t)(magic + flags + checksum) == 0)
            return true;
    }
    return false;
}

// Multiboot2 2.0, 3.1: in the first 32768 bytes.
static bool has_multiboot2(const uint8_t *file, size_t length)
{
    for (size_t at = 0; at + 16 <= length && at < 32768; at += 8) {
        uint32_t sum = 0;

        for (unsigned i = 0; i < 4; i++)
            sum += (uint32_t)read_le(file + at + 4 * i, 4);
        if (read_le(file + at, 4) == 0xE85250D6 && sum == 0)
            return true;
    }
    return false;
}

static bool is_elf(const uint8_t *file, size_t length)
{
    return length >= 4 && !memcmp(file, "\177ELF", 4);
}

// An ELF note of Xen that tells the entry point of PVH (Xen public/elfnote.h, 18).
static bool pvh_note(const uint8_t *notes, size_t size)
{
    while (size >= 12) {
        uint64_t name = read_le(notes, 4), data = read_le(notes + 4, 4);
        uint64_t whole = 12 + ((name + 3) & ~3ull) + ((data + 3) & ~3ull);

        if (name == 4 && size >= 16 && read_le(notes + 8, 4) == 18 && !memcmp(notes + 12, "Xen", 4))
            return true;
        if (whole > size)
            break;
        notes += whole;
        size -= whole;
    }
    return false;
}

static bool has_pvh(const uint8_t *file, size_t length)
{
    if (!is_elf(file, length) || length < 64)
        return false;
    bool wide = file[4] == 2;
    uint64_t table = wide ? read_le(file + 32, 8) : read_le(file + 28, 4);
    unsigned entry = wide ? 56 : 32, count = (unsigned)read_le(file + (wide ? 56 : 44), 2);

    for (unsigned i = 0; i < count; i++, table += entry) {
        if (table > length || length - table < entry)
            return false;
        const uint8_t *header = file + table;
        uint64_t offset = wide ? read_le(header + 8, 8) : read_le(header + 4, 4);
        uint64_t size = wide ? read_le(header + 32, 8) : read_le(header + 16, 4);

        if (read_le(header, 4) == 4 && offset <= length && size <= length - offset &&
            pvh_note(file + offset, (size_t)size))
            return true;
    }
    return false;
}

static bool has_linux(const uint8_t *file, size_t length)
{
    return length >= HEADER_END && read_le(file + BOOT_FLAG, 2) == 0xAA55 &&
           !memcmp(file + HEADER_MAGIC, "HdrS", 4);
}

static struct kernel_info identify_linux(const uint8_t *head)
{
    if (read_le(head + VERSION, 2) < VERSION_INIT_SIZE)
        return (struct kernel_info){.error = "is a Linux kernel older than boot protocol 2.12"};
    if (!(head[LOADFLAGS] & LOADED_HIGH))
        return (struct kernel_info){
            .error = "is a zImage, which loads below 1 MiB; a bzImage is needed"};
    uint64_t needs, sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
    if (__builtin_add_overflow(read_le(head + PREF_ADDRESS, 8), read_le(head + INIT_SIZE, 4),
                               &needs))
        return (struct kernel_info){.error = "has a damaged Linux header"};
    // Boot sector and setup, then the compressed kernel, in paragraphs. A signature may follow.
    return (struct kernel_info){.kind = "bzimage",
                                .needs = needs,
                                .file_size = (sectors + 1) * 512 + read_le(head + SYSSIZE, 4) * 16};
}

enum { BZIMAGE, MULTIBOOT, MULTIBOOT2, PVH };
const char *const kernel_kinds[] = {"bzimage", "multiboot", "multiboot2", "pvh", NULL};

static bool (*const tests[])(const uint8_t *file, size_t length) = {
    [BZIMAGE] = has_linux,
    [MULTIBOOT] = has_multiboot,
    [MULTIBOOT2] = has_multiboot2,
    [PVH] = has_pvh,
};

static const char *refusal(const uint8_t *file, size_t length, const char *wanted)
{
    static const char *const no[] = {
        [BZIMAGE] = "is no Linux bzImage",
        [MULTIBOOT] = "has no Multiboot header",
        [MULTIBOOT2] = "has no Multiboot2 header",
        [PVH] = "has no ELF note with an entry point for PVH",
    };

    for (unsigned kind = 0; wanted && kernel_kinds[kind]; kind++)
        if (!strcmp(kernel_kinds[kind], wanted))
            return no[kind];
    return is_elf(file, length) ? "is an ELF file without a Multiboot header or PVH note; for "
                                  "Linux give the bzImage "
                                  "(vmlinuz)"
                                : "is neither a Linux bzImage nor an ELF file for Multiboot or PVH";
}

struct kernel_info kernel_identify(const uint8_t *file, size_t length, const char *wanted)
{
    unsigned kind = 0;

    while (kernel_kinds[kind] &&
           ((wanted && strcmp(wanted, kernel_kinds[kind])) || !tests[kind](file, length)))
        kind++;
    if (!kernel_kinds[kind])
        return (struct kernel_info){.error = refusal(file, length, wanted)};
    if (kind == BZIMAGE)
        return identify_linux(file);
    if (!is_elf(file, length))
        return (struct kernel_info){
            .error = "has a Multiboot header but is no ELF file; only ELF is loaded"};
    return (struct kernel_info){.kind = kernel_kinds[kind]};
}
