// SPDX-License-Identifier: BSD-2-Clause
// Leftist heaps without recursion.
#include "heap.h"

static uint32_t rank(const struct heap_node *node)
{
    return node ? node->rank : 0;
}

// Puts the higher-ranked child to the left. True when the node's own rank changed.
static bool fix(struct heap_node *node)
{
    uint32_t old = node->rank;

    if (rank(node->left) < rank(node->right)) {
        struct heap_node *left = node->left;
        node->left = node->right;
        node->right = left;
    }
    node->rank = rank(node->right) + 1;
    return node->rank != old;
}

static void attach_right(struct heap_node *parent, struct heap_node *child)
{
    parent->right = child;
    if (child)
        child->parent = parent;
}

// The way down follows right children only, of which there are at most log2(n) in each heap.
static struct heap_node *merge(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *root = NULL, *last = NULL;

    while (a && b) { // bound: 2 log n
        if (b->key < a->key) {
            struct heap_node *swap = a;
            a = b;
            b = swap;
        }
        if (last)
            attach_right(last, a);
        else
            root = a;
        last = a;
        a = a->right;
    }
    if (!last)
        return a ? a : b;
    attach_right(last, a ? a : b);
    root->parent = NULL;
    for (; last; last = last->parent) // bound: 2 log n
        fix(last);
    return root;
}

void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key)
{
    *node = (struct heap_node){.key = key, .rank = 1};
    heap->root = merge(heap->root, node);
}

void heap_merge(struct heap *heap, struct heap *from)
{
    heap->root = merge(heap->root, from->root);
    from->root = NULL;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *parent = node->parent, *rest = merge(node->left, node->right);

    if (rest)
        rest->parent = parent;
    if (!parent)
        heap->root = rest;
    else if (parent->left == node)
        parent->left = rest;
    else
        parent->right = rest;
    for (; parent && fix(parent); parent = parent->parent) // bound: log n; it ends where a rank stays
        ;
    node->rank = 0;
}
