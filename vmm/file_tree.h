// SPDX-License-Identifier: BSD-2-Clause
// The files of a cpio archive as a tree of nodes, for a file server. Nothing is copied: a node says
// where in the archive its entry is. Node 0 is the root.
#ifndef VMM_FILE_TREE_H
#define VMM_FILE_TREE_H

#include "bulkhead/cpio.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_TREE_NONE UINT32_MAX
#define FILE_NAME_MAX  255 /* bytes of one name */

#define FILE_TYPE      0170000u /* of a mode */
#define FILE_DIRECTORY 0040000u
#define FILE_REGULAR   0100000u
#define FILE_LINK      0120000u

struct file_node {
    uint32_t entry; /* where its header is in the archive; FILE_TREE_NONE: the root has none */
    uint32_t parent;
    uint32_t child, last, next; /* first and last child, next of the same parent */
    /* Not this node's: the first node whose name and parent have this hash. */
    uint32_t bucket;
    uint32_t same; /* the next one of this node's hash */
    uint16_t name; /* where its own name begins in the entry's name */
    uint16_t name_size;
};

struct file_tree {
    const void *archive;
    size_t size;
    struct file_node *node;
    uint32_t count, room;
};

/* How many nodes the archive needs at most, the root included; 0: it is damaged or too large. */
uint32_t file_tree_count(const void *archive, size_t size);

/* Builds the tree in `node`, which has room for `room` nodes. Each directory's entry comes before
 * what is in it. False: the archive is not like that, damaged, or has names that no file has. */
bool file_tree_init(struct file_tree *tree, const void *archive, size_t size,
                    struct file_node *node, uint32_t room);

/* What the archive says of a node. `file->name` is that of the whole path. */
void file_tree_stat(const struct file_tree *tree, uint32_t node, struct cpio_file *file);

/* The node's own name, not terminated; the root's is empty. */
const char *file_tree_name(const struct file_tree *tree, uint32_t node, size_t *size);

/* The entry of that name in a directory; FILE_TREE_NONE: there is none. */
uint32_t file_tree_find(const struct file_tree *tree, uint32_t directory, const char *name,
                        size_t size);

#endif
