// SPDX-License-Identifier: BSD-2-Clause
// Leftist heaps (Crane 1972): smallest key first, O(log n) to insert and to remove any node, no memory of their own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    struct heap_node *left, *right, *parent;
    uint32_t rank; // length of the shortest way down to a missing child; 0: not in a heap
};

struct heap {
    struct heap_node *root; // the smallest, or NULL
};

static inline bool heap_holds(const struct heap_node *node)
{
    return node->rank;
}
void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key); // the node is in no heap
// All nodes of `from` go into `heap`.
void heap_merge(struct heap *heap, struct heap *from);
void heap_remove(struct heap *heap, struct heap_node *node); // the node is in this heap
