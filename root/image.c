// SPDX-License-Identifier: BSD-2-Clause
// ELF images of tasks, as lib/task.lds lays them out: static, little-endian, a few segments, each
// on page boundaries.
#include "image.h"

#include <stdbool.h>
#include <string.h>

#include "bulkhead/task.h"
#include "root.h"

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56,
               "ELF-64 Object File Format");

enum { ELF_EXEC = 2, ELF_X86_64 = 62, ELF_LOAD = 1, ELF_X = 1, ELF_W = 2, ELF_R = 4 };
#define IMAGE_FIRST 0x10000ull
#define IMAGE_END   (TASK_STACK_TOP - TASK_STACK_SIZE - PAGE)

static const char *read_segment(const struct elf_segment *from, size_t size, struct image *image)
{
    struct image_segment *to = &image->segments[image->count];
    uint64_t previous_end = image->count ? to[-1].address + to[-1].size : IMAGE_FIRST;

    if (from->vaddr % PAGE)
        return "a segment does not begin on a page";
    if (from->filesz > from->memsz || from->offset > size || from->filesz > size - from->offset)
        return "a segment is longer than the file";
    if (from->vaddr < previous_end || from->vaddr >= IMAGE_END ||
        from->memsz > IMAGE_END - from->vaddr)
        return "a segment is out of place";
    if ((from->flags & ELF_W) && (from->flags & ELF_X))
        return "a segment is writable and executable";
    *to = (struct image_segment){
        .address = from->vaddr,
        .size = page_up(from->memsz),
        .offset = from->offset,
        .file_size = from->filesz,
        .rights =
            MAP_READ | (from->flags & ELF_W ? MAP_WRITE : 0) | (from->flags & ELF_X ? MAP_EXEC : 0),
    };
    image->size += to->size;
    image->count++;
    return NULL;
}

const char *image_read(const void *file, size_t size, struct image *image)
{
    struct elf_header header;
    bool entry_found = false;

    memset(image, 0, sizeof(*image));
    if (size < sizeof(header))
        return "too short";
    memcpy(&header, file, sizeof(header));
    if (memcmp(header.ident, "\177ELF\2\1\1", 7) != 0 || header.type != ELF_EXEC ||
        header.machine != ELF_X86_64)
        return "not a static ELF program for x86-64";
    if (header.phentsize != sizeof(struct elf_segment) || header.phoff > size ||
        header.phnum > (size - header.phoff) / sizeof(struct elf_segment))
        return "its program headers are damaged";
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_segment segment;
        const char *error;

        memcpy(&segment, (const char *)file + header.phoff + i * sizeof(segment), sizeof(segment));
        if (segment.type != ELF_LOAD || segment.memsz == 0)
            continue;
        if (image->count == IMAGE_SEGMENTS)
            return "it has too many segments";
        error = read_segment(&segment, size, image);
        if (error)
            return error;
        if ((segment.flags & ELF_X) && header.entry >= segment.vaddr &&
            header.entry - segment.vaddr < segment.memsz)
            entry_found = true;
    }
    if (!entry_found)
        return "its entry point is not in its text";
    image->entry = header.entry;
    return NULL;
}
