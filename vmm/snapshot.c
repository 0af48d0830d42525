// SPDX-License-Identifier: BSD-2-Clause
// Writes and reads the image of a saved VM, see snapshot.h.
#include "snapshot.h"

#include <string.h>

static uint64_t align8(uint64_t n)
{
    return (n + 7) & ~7ull;
}

/* Each step is a bijection of the sum for a given word, and of the word for a given sum: whatever
 * happens to one word, the sum is another. */
static uint64_t checksum(const uint8_t *at, uint64_t size)
{
    uint64_t sum = 0x9e3779b97f4a7c15, word;

    for (uint64_t i = 0; i + 8 <= size; i += 8) {
        memcpy(&word, at + i, 8);
        sum = (sum ^ word) * 0x2545f4914f6cdd1d;
        sum ^= sum >> 29;
    }
    return sum;
}

static void put(struct snapshot_writer *w, const void *from, uint64_t n)
{
    uint64_t padded = align8(n);

    if (padded > w->room - w->at || padded < n)
        w->failed = true;
    if (w->failed)
        return;
    if (w->to) {
        memcpy(w->to + w->at, from, n);
        memset(w->to + w->at + n, 0, padded - n);
    }
    w->at += padded;
}

void snapshot_begin(struct snapshot_writer *w, void *to, uint64_t room)
{
    *w = (struct snapshot_writer){.to = to, .room = to ? room & ~7ull : UINT64_MAX & ~7ull};
    put(w, &(struct snapshot_header){0}, sizeof(struct snapshot_header));
}

void *snapshot_open(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t index,
                    uint64_t *room)
{
    w->section = w->at;
    w->sections++;
    put(w, &(struct snapshot_section){kind, index, 0}, sizeof(struct snapshot_section));
    *room = w->failed ? 0 : w->room - w->at;
    return w->to ? w->to + w->at : NULL;
}

void snapshot_close(struct snapshot_writer *w, uint64_t length)
{
    uint64_t contents = w->section + sizeof(struct snapshot_section), padded = align8(length);

    if (w->failed || padded > w->room - contents) {
        w->failed = true;
        return;
    }
    w->at = contents + padded;
    if (!w->to)
        return;
    memset(w->to + contents + length, 0, padded - length);
    memcpy(w->to + w->section + offsetof(struct snapshot_section, length), &length, sizeof(length));
}

void snapshot_put(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t index,
                  const void *from, uint64_t length)
{
    uint64_t room;

    snapshot_open(w, kind, index, &room);
    put(w, from, length);
    snapshot_close(w, length);
}

static bool is_zero(const uint64_t *page)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < SNAPSHOT_PAGE / 8 && !any; i += 8)
        any = page[i] | page[i + 1] | page[i + 2] | page[i + 3] | page[i + 4] | page[i + 5] |
              page[i + 6] | page[i + 7];
    return !any;
}

void snapshot_put_memory(struct snapshot_writer *w, uint32_t index, const void *memory,
                         uint64_t size)
{
    const uint8_t *bytes = memory;
    uint64_t pages = size / SNAPSHOT_PAGE, room;

    snapshot_open(w, SNAPSHOT_MEMORY, index, &room);
    for (uint64_t first = 0; first < pages && !w->failed;) {
        uint64_t end = first;

        while (end < pages && !is_zero((const uint64_t *)(bytes + end * SNAPSHOT_PAGE)))
            end++;
        if (end > first) {
            put(w, (uint64_t[2]){first, end - first}, 16);
            put(w, bytes + first * SNAPSHOT_PAGE, (end - first) * SNAPSHOT_PAGE);
        }
        first = end + 1;
    }
    put(w, (uint64_t[2]){0, 0}, 16);
    snapshot_close(w, w->at - w->section - sizeof(struct snapshot_section));
}

uint64_t snapshot_finish(struct snapshot_writer *w)
{
    struct snapshot_header header = {
        .magic = SNAPSHOT_MAGIC,
        .version = SNAPSHOT_VERSION,
        .sections = w->sections,
        .size = w->at,
    };

    if (w->failed)
        return 0;
    if (w->to) {
        header.checksum = checksum(w->to + sizeof(header), w->at - sizeof(header));
        memcpy(w->to, &header, sizeof(header));
    }
    return w->at;
}

const char *snapshot_check(const void *image, uint64_t size)
{
    const uint8_t *bytes = image;
    struct snapshot_header header;
    struct snapshot_section section;

    if (size < sizeof(header))
        return "it is shorter than a header";
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != SNAPSHOT_MAGIC)
        return "it is not an image of a VM";
    if (header.version != SNAPSHOT_VERSION)
        return "it was written by another version";
    if (header.size > size || header.size % 8 || header.size < sizeof(header))
        return "it is cut off";
    if (checksum(bytes + sizeof(header), header.size - sizeof(header)) != header.checksum)
        return "its checksum is wrong: it is damaged";
    uint64_t at = sizeof(header);
    for (uint32_t i = 0; i < header.sections; i++) { // bound: each is at least 16 bytes long
        if (header.size - at < sizeof(section))
            return "its sections are longer than it";
        memcpy(&section, bytes + at, sizeof(section));
        at += sizeof(section);
        if (section.length > header.size - at || align8(section.length) > header.size - at)
            return "its sections are longer than it";
        at += align8(section.length);
    }
    return at == header.size ? NULL : "its sections are shorter than it";
}

const void *snapshot_find(const void *image, enum snapshot_kind kind, uint32_t index,
                          uint64_t *length)
{
    const uint8_t *bytes = image;
    struct snapshot_header header;
    struct snapshot_section section;
    uint64_t at = sizeof(header);

    memcpy(&header, bytes, sizeof(header));
    for (uint32_t i = 0; i < header.sections; i++) {
        memcpy(&section, bytes + at, sizeof(section));
        at += sizeof(section);
        if (section.kind == kind && section.index == index) {
            *length = section.length;
            return bytes + at;
        }
        at += align8(section.length);
    }
    return NULL;
}

bool snapshot_get_memory(const void *image, uint32_t index, void *memory, uint64_t size)
{
    uint64_t length, pages = size / SNAPSHOT_PAGE, next = 0, run[2];
    const uint8_t *at = snapshot_find(image, SNAPSHOT_MEMORY, index, &length);

    while (at && length >= sizeof(run)) { // bound: length gets less
        memcpy(run, at, sizeof(run));
        at += sizeof(run);
        length -= sizeof(run);
        if (run[1] == 0)
            return run[0] == 0 && length == 0;
        if (run[0] < next || run[0] > pages || run[1] > pages - run[0] ||
            run[1] > length / SNAPSHOT_PAGE)
            return false;
        if (memory)
            memcpy((uint8_t *)memory + run[0] * SNAPSHOT_PAGE, at, run[1] * SNAPSHOT_PAGE);
        next = run[0] + run[1];
        at += run[1] * SNAPSHOT_PAGE;
        length -= run[1] * SNAPSHOT_PAGE;
    }
    return false;
}
