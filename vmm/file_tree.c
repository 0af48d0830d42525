// SPDX-License-Identifier: BSD-2-Clause
// A tree over a cpio archive. HAZARD: the archive comes from a boot medium. It is read once while
// the tree is built; a node is only ever made for an entry that was found good.
#include "file_tree.h"

#include <string.h>

uint32_t file_tree_count(const void *archive, size_t size)
{
    struct cpio_file file;
    uint32_t count = 1;
    size_t at = 0;
    bool damaged = false;

    if (size >= FILE_TREE_NONE)
        return 0;
    while (cpio_next(archive, size, &at, &file, &damaged)) // bound: each is 110 bytes or more
        count++;
    return damaged ? 0 : count;
}

void file_tree_stat(const struct file_tree *tree, uint32_t node, struct cpio_file *file)
{
    size_t at = tree->node[node].entry;

    if (tree->node[node].entry == FILE_TREE_NONE ||
        !cpio_next(tree->archive, tree->size, &at, file, NULL))
        *file = (struct cpio_file){.name = "", .mode = FILE_DIRECTORY | 0755};
}

const char *file_tree_name(const struct file_tree *tree, uint32_t node, size_t *size)
{
    struct cpio_file file;

    file_tree_stat(tree, node, &file);
    *size = tree->node[node].name_size;
    return file.name + tree->node[node].name;
}

uint32_t file_tree_find(const struct file_tree *tree, uint32_t directory, const char *name,
                        size_t size)
{
    uint32_t i = tree->node[directory].child;

    for (; i != FILE_TREE_NONE; i = tree->node[i].next) { // bound: the number of nodes
        size_t length;
        const char *own = file_tree_name(tree, i, &length);
        if (length == size && memcmp(own, name, size) == 0)
            break;
    }
    return i;
}

static bool is_directory(const struct file_tree *tree, uint32_t node)
{
    struct cpio_file file;

    file_tree_stat(tree, node, &file);
    return (file.mode & FILE_TYPE) == FILE_DIRECTORY;
}

static bool good_name(const char *name, size_t size)
{
    return size > 0 && size <= FILE_NAME_MAX && !(size == 1 && name[0] == '.') &&
           !(size == 2 && name[0] == '.' && name[1] == '.');
}

/* The last directory that something was put into: archives list its entries one after another, so
 * that most need no search. */
struct latest {
    const char *path; /* with the slash */
    size_t size;
    uint32_t node, child; /* its last child */
};

// The directory of a path whose last name begins at `size`; FILE_TREE_NONE: there is none.
static uint32_t find_parent(const struct file_tree *tree, const char *path, size_t size)
{
    uint32_t node = 0;

    for (size_t at = 0; at < size;) {
        const char *slash = memchr(path + at, '/', size - at);
        size_t length = (size_t)(slash - path) - at; // there is one: path[size - 1]
        node = file_tree_find(tree, node, path + at, length);
        if (node == FILE_TREE_NONE)
            return node;
        at += length + 1;
    }
    return is_directory(tree, node) ? node : FILE_TREE_NONE;
}

static uint32_t last_child(const struct file_tree *tree, uint32_t parent)
{
    uint32_t child = tree->node[parent].child, last = child;

    for (; child != FILE_TREE_NONE; child = tree->node[child].next)
        last = child;
    return last;
}

static bool add(struct file_tree *tree, const char *path, uint32_t entry, struct latest *latest)
{
    const char *slash = strrchr(path, '/');
    size_t name = slash ? (size_t)(slash - path) + 1 : 0, length = strlen(path + name);
    struct file_node *node = &tree->node[tree->count];

    if (name > UINT16_MAX || !good_name(path + name, length))
        return false;
    if (!latest->path || latest->size != name || memcmp(latest->path, path, name) != 0) {
        latest->node = find_parent(tree, path, name);
        if (latest->node == FILE_TREE_NONE)
            return false;
        latest->path = path;
        latest->size = name;
        latest->child = last_child(tree, latest->node);
    }
    *node = (struct file_node){.entry = entry,
                               .parent = latest->node,
                               .child = FILE_TREE_NONE,
                               .next = FILE_TREE_NONE,
                               .name = (uint16_t)name,
                               .name_size = (uint16_t)length};
    if (latest->child == FILE_TREE_NONE)
        tree->node[latest->node].child = tree->count;
    else
        tree->node[latest->child].next = tree->count;
    latest->child = tree->count++;
    return true;
}

bool file_tree_init(struct file_tree *tree, const void *archive, size_t size,
                    struct file_node *node, uint32_t room)
{
    struct latest latest = {0};
    struct cpio_file file;
    size_t at = 0, entry = 0;
    bool damaged = size >= FILE_TREE_NONE || room == 0;

    *tree = (struct file_tree){.archive = archive, .size = size, .node = node, .count = 1};
    if (damaged)
        return false;
    node[0] = (struct file_node){FILE_TREE_NONE, 0, FILE_TREE_NONE, FILE_TREE_NONE, 0, 0};
    while (cpio_next(archive, size, &at, &file, &damaged)) {
        bool root = strcmp(file.name, ".") == 0;
        if (!root && (tree->count == room || !add(tree, file.name, (uint32_t)entry, &latest)))
            return false;
        entry = at;
    }
    return !damaged;
}
