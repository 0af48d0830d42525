// SPDX-License-Identifier: BSD-2-Clause
// Packs a folder for virtio-9p: a cpio archive ("newc"), the names relative to the folder, each
// folder's before what is in it, sorted. Owners and times are 0, so that the same content gives the
// same bytes.
#define _GNU_SOURCE // open_memstream
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

enum { MAX_ENTRIES = 20000, MAX_DEPTH = 32 };
static const uint64_t max_bytes = GIB;

struct pack {
    struct config *config;
    const struct node *node;
    FILE *out;
    unsigned entries;
    bool good;
};

static bool fail(struct pack *p, const char *path, const char *why)
{
    if (p->good)
        report(p->config, p->node, "%s %s", printable(p->config, path), why);
    return p->good = false;
}

static void pad(FILE *out)
{
    for (long at = ftell(out); at % 4; at++)
        fputc(0, out);
}

static void put_header(struct pack *p, const char *name, unsigned mode, unsigned links,
                       uint64_t size)
{
    fprintf(p->out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++p->entries,
            mode, 0, 0, links, 0, (unsigned)size, 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0);
    fwrite(name, 1, strlen(name) + 1, p->out);
    pad(p->out);
}

static bool put_file(struct pack *p, const char *path, const char *name, const struct stat *status)
{
    char buffer[64 * 1024];
    uint64_t left = (uint64_t)status->st_size;
    FILE *in = fopen(path, "rb");
    size_t got;

    if (!in)
        return fail(p, path, strerror(errno));
    put_header(p, name, 0100000 | (status->st_mode & 0777), 1, left);
    while (left && (got = fread(buffer, 1, left < sizeof(buffer) ? left : sizeof(buffer), in))) {
        fwrite(buffer, 1, got, p->out);
        left -= got;
    }
    fclose(in);
    pad(p->out);
    return !left || fail(p, path, "cannot be read to its end");
}

static bool put_link(struct pack *p, const char *path, const char *name)
{
    char target[4096];
    ssize_t length = readlink(path, target, sizeof(target));

    if (length < 0 || length == sizeof(target))
        return fail(p, path, "is a link that cannot be read");
    put_header(p, name, 0120777, 1, (uint64_t)length);
    fwrite(target, 1, (size_t)length, p->out);
    pad(p->out);
    return true;
}

static bool put_folder(struct pack *p, const char *path, const char *name, unsigned depth);

static bool put_entry(struct pack *p, const char *path, const char *name, unsigned depth)
{
    struct stat status;

    if (p->entries == MAX_ENTRIES)
        return fail(p, path, "is one file too many to pack");
    if ((uint64_t)ftell(p->out) > max_bytes)
        return fail(p, path, "makes the folder larger than 1G");
    if (lstat(path, &status))
        return fail(p, path, strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        put_header(p, name, 040000 | (status.st_mode & 0777), 2, 0);
        return put_folder(p, path, name, depth);
    }
    if (S_ISLNK(status.st_mode))
        return put_link(p, path, name);
    if (!S_ISREG(status.st_mode))
        return fail(p, path, "is neither a file nor a folder nor a link; remove it");
    if ((uint64_t)status.st_size > max_bytes)
        return fail(p, path, "is larger than 1G");
    return put_file(p, path, name, &status);
}

// Recursion on the host, and not deeper than MAX_DEPTH.
static bool put_folder(struct pack *p, const char *path, const char *name, unsigned depth)
{
    struct dirent **list;
    int count = depth < MAX_DEPTH ? scandir(path, &list, NULL, NULL) : -1;

    if (count < 0)
        return fail(p, path, depth < MAX_DEPTH ? "cannot be read" : "is nested too deeply");
    for (int i = 1; i < count; i++) // by bytes, whatever the locale: insertion is enough here
        for (int j = i; j && strcmp(list[j - 1]->d_name, list[j]->d_name) > 0; j--) {
            struct dirent *swapped = list[j];

            list[j] = list[j - 1];
            list[j - 1] = swapped;
        }
    for (int i = 0; i < count; i++) {
        const char *entry = list[i]->d_name;

        if (p->good && strcmp(entry, ".") && strcmp(entry, ".."))
            put_entry(p, config_printf(p->config, "%s/%s", path, entry),
                      *name ? config_printf(p->config, "%s/%s", name, entry) : entry, depth + 1);
        free(list[i]);
    }
    free(list);
    return p->good;
}

const void *folder_pack(struct config *config, const struct node *node, const char *path,
                        uint64_t *size, unsigned *entries)
{
    struct pack pack = {.config = config, .node = node, .good = true};
    char *bytes = NULL;
    size_t length = 0;
    struct stat status;
    const void *result = NULL;

    if (stat(path, &status) || !S_ISDIR(status.st_mode)) {
        report(config, node, "there is no folder %s: correct the path", printable(config, path));
        return NULL;
    }
    pack.out = open_memstream(&bytes, &length);
    if (!pack.out)
        return NULL;
    bool good = put_folder(&pack, path, "", 0);
    put_header(&pack, "TRAILER!!!", 0, 1, 0);
    if (fclose(pack.out) || !good)
        good = false;
    if (good)
        result = config_strdup(config, bytes, length);
    *size = length;
    *entries = pack.entries;
    free(bytes);
    return result;
}
