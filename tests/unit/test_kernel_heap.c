// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/heap.c
// Leftist heaps against a plain array: order, removal of any node, shape.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/heap.h"

#define N 500

static unsigned check(const struct heap_node *node, const struct heap_node *parent)
{
    if (!node)
        return 0;
    assert_ptr_equal(node->parent, parent);
    assert_true(!parent || parent->key <= node->key);
    unsigned left = node->left ? node->left->rank : 0, right = node->right ? node->right->rank : 0;
    assert_true(left >= right);
    assert_int_equal(node->rank, right + 1);
    return 1 + check(node->left, node) + check(node->right, node);
}

static void random_operations(void **state)
{
    static struct heap_node nodes[N];
    struct heap heap = {0};
    unsigned count = 0;

    (void)state;
    srand(1);
    for (unsigned step = 0; step < 100000; step++) {
        struct heap_node *node = &nodes[rand() % N];
        if (heap_holds(node)) {
            heap_remove(&heap, node);
            count--;
        } else {
            heap_insert(&heap, node, rand() % 1000);
            count++;
        }
        if (step % 64 == 0)
            assert_int_equal(check(heap.root, NULL), count);
    }
    uint64_t last = 0;
    for (; count; count--) {
        assert_true(heap.root->key >= last);
        last = heap.root->key;
        heap_remove(&heap, heap.root);
    }
    assert_null(heap.root);
}

static void ascending_and_descending(void **state)
{
    static struct heap_node nodes[N];
    struct heap heap = {0};

    (void)state;
    for (unsigned i = 0; i < N; i++)
        heap_insert(&heap, &nodes[i], i);
    for (unsigned i = N; i--;) // from the largest: each removal is deep in the tree
        heap_remove(&heap, &nodes[i]);
    assert_null(heap.root);
    for (unsigned i = N; i--;)
        heap_insert(&heap, &nodes[i], i);
    assert_int_equal(check(heap.root, NULL), N);
    assert_ptr_equal(heap.root, &nodes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations),
                                       cmocka_unit_test(ascending_and_descending)};

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
