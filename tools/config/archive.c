// SPDX-License-Identifier: BSD-2-Clause
// Writes the system archive: cpio "newc" (Linux
// Documentation/driver-api/early-userspace/buffer-format.rst). The data of each file starts on a
// page boundary of the archive, because the target maps it by page. newc has no padding of its own,
// so the file's *name* is padded: c_namesize counts NUL bytes behind the name up to the boundary.
// cpio, bsdtar and Linux take the name as ending at its first NUL. Nothing in the archive depends
// on the time, the user or the machine: the same input gives the same bytes.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

enum { HEADER = 110, PAGE = 4096 };

struct output {
    FILE *file;
    uint64_t at;
    unsigned inode;
};

static void put(struct output *out, const void *data, size_t length)
{
    fwrite(data, 1, length, out->file);
    out->at += length;
}

static void pad(struct output *out, uint64_t alignment)
{
    static const char zeros[PAGE];

    put(out, zeros, (size_t)(-out->at & (alignment - 1)));
}

static void put_header(struct output *out, const char *name, uint64_t size, bool trailer)
{
    size_t name_size = strlen(name) + 1;
    char header[HEADER + 1];

    if (!trailer)
        name_size += (size_t)(-(out->at + HEADER + name_size) & (PAGE - 1));
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             trailer ? 0 : ++out->inode, trailer ? 0 : 0100444, 0, 0, 1, 0, (unsigned)size, 0, 0, 0,
             0, (unsigned)name_size, 0);
    put(out, header, HEADER);
    put(out, name, strlen(name) + 1);
    pad(out, trailer ? 4 : PAGE);
}

static bool put_file(struct output *out, const struct image *image)
{
    char buffer[64 * 1024];
    uint64_t left = image->size;

    if (image->data) {
        put_header(out, image->name, image->size, false);
        put(out, image->data, (size_t)image->size);
        pad(out, 4);
        return true;
    }
    FILE *in = fopen(image->path, "rb");
    if (!in)
        return false;
    put_header(out, image->name, image->size, false);
    while (left) {
        size_t want = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
        size_t got = fread(buffer, 1, want, in);

        if (!got)
            break;
        put(out, buffer, got);
        left -= got;
    }
    fclose(in);
    pad(out, 4);
    return !left;
}

bool archive_write(const struct config *config, const void *dtb, size_t dtb_size, const char *path)
{
    char temporary[4096];
    struct output out = {0};
    const char *what = path;
    bool good = true;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
        return false;
    out.file = fopen(temporary, "wb");
    if (!out.file) {
        fprintf(stderr, "bulkhead-config: %s cannot be written: %s\n", path, strerror(errno));
        return false;
    }
    put_header(&out, "system.dtb", dtb_size, false);
    put(&out, dtb, dtb_size);
    pad(&out, 4);
    for (const struct image *image = config->system.images; good && image; image = image->next) {
        good = image->size <= UINT32_MAX && put_file(&out, image);
        if (!good)
            what = image->path;
    }
    put_header(&out, "TRAILER!!!", 0, true);
    pad(&out, PAGE); // so that the last file can be mapped by page as well
    if (ferror(out.file))
        good = false;
    if (fclose(out.file))
        good = false;
    if (good && rename(temporary, path))
        good = false;
    if (!good) {
        fprintf(stderr, "bulkhead-config: %s cannot be %s\n", what,
                what == path ? "written (is the disk full?)" : "read to its end");
        unlink(temporary);
    }
    return good;
}
