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

// Where to look for a name: a client asks for 16 of them at once, in directories of any size.
static uint32_t *bucket(const struct file_tree *tree, uint32_t directory, const char *name,
                        size_t size)
{
    uint32_t hash = (directory ^ 0x811c9dc5) * 0x01000193; // FNV-1a

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)name[i]) * 0x01000193;
    return &tree->node[(hash ^ hash >> 15) % tree->room].bucket;
}

uint32_t file_tree_find(const struct file_tree *tree, uint32_t directory, const char *name,
                        size_t size)
{
    uint32_t i = *bucket(tree, directory, name, size);

    for (; i != FILE_TREE_NONE; i = tree->node[i].same) { // bound: nodes of the same hash
        size_t length;
        if (tree->node[i].parent != directory || tree->node[i].name_size != size)
            continue;
        if (memcmp(file_tree_name(tree, i, &length), name, size) == 0)
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

static bool add(struct file_tree *tree, const char *path, uint32_t entry)
{
    const char *slash = strrchr(path, '/');
    size_t name = slash ? (size_t)(slash - path) + 1 : 0, length = strlen(path + name);
    struct file_node *node = &tree->node[tree->count];

    if (name > UINT16_MAX || !good_name(path + name, length))
        return false;
    uint32_t parent = find_parent(tree, path, name);
    if (parent == FILE_TREE_NONE)
        return false;
    uint32_t *first = bucket(tree, parent, path + name, length), last = tree->node[parent].last;
    node->entry = entry;
    node->parent = parent;
    node->child = node->last = node->next = FILE_TREE_NONE;
    node->name = (uint16_t)name;
    node->name_size = (uint16_t)length;
    node->same = *first;
    *first = tree->count;
    if (last == FILE_TREE_NONE)
        tree->node[parent].child = tree->count;
    else
        tree->node[last].next = tree->count;
    tree->node[parent].last = tree->count++;
    return true;
}

bool file_tree_init(struct file_tree *tree, const void *archive, size_t size,
                    struct file_node *node, uint32_t room)
{
    struct cpio_file file;
    size_t at = 0, entry = 0;
    bool damaged = size >= FILE_TREE_NONE || room == 0;

    *tree = (struct file_tree){
        .archive = archive, .size = size, .node = node, .count = 1, .room = room};
    if (damaged)
        return false;
    for (uint32_t i = 0; i < room; i++)
        node[i].bucket = FILE_TREE_NONE;
    node[0].entry = node[0].child = node[0].last = node[0].next = FILE_TREE_NONE;
    node[0].parent = node[0].name = node[0].name_size = 0;
    while (cpio_next(archive, size, &at, &file, &damaged)) {
        bool root = strcmp(file.name, ".") == 0;
        if (!root && (tree->count == room || !add(tree, file.name, (uint32_t)entry)))
            return false;
        entry = at;
    }
    return !damaged;
}
