// SPDX-License-Identifier: BSD-2-Clause
// The image of a saved VM: bit for bit there and back, and refused when anything about it is wrong.
// links: vmm/snapshot.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot.h"

#define PAGES 16u

static _Alignas(4096) uint8_t memory[PAGES * SNAPSHOT_PAGE], other[PAGES * SNAPSHOT_PAGE];
static _Alignas(8) uint8_t image[1 << 18], copy[1 << 18];

static uint64_t write_all(void *to, uint64_t room)
{
    struct snapshot_writer w;
    uint64_t left;

    snapshot_begin(&w, to, room);
    snapshot_put(&w, SNAPSHOT_MACHINE, 0, "twelve bytes", 13);
    uint8_t *contents = snapshot_open(&w, SNAPSHOT_CHIPSET, 0, &left);
    if (contents && left >= 5)
        memcpy(contents, "12345", 5);
    snapshot_close(&w, 5);
    snapshot_put_memory(&w, 0, memory, sizeof(memory));
    snapshot_put_memory(&w, 3, memory, 2 * SNAPSHOT_PAGE);
    return snapshot_finish(&w);
}

static uint64_t example(void)
{
    memset(memory, 0, sizeof(memory));
    memory[0] = 1;
    memory[3 * SNAPSHOT_PAGE - 1] = 2;
    memset(memory + 5 * SNAPSHOT_PAGE, 7, 2 * SNAPSHOT_PAGE);
    memory[PAGES * SNAPSHOT_PAGE - 8] = 9;
    memset(image, 0xaa, sizeof(image));
    return write_all(image, sizeof(image));
}

static void there_and_back(void **state)
{
    (void)state;
    uint64_t n = example(), length;
    assert_true(n > 6 * SNAPSHOT_PAGE && n < 7 * SNAPSHOT_PAGE); // zero pages are not in it
    assert_int_equal(write_all(NULL, 0), n);                     // the count is right
    assert_null(snapshot_check(image, n));
    assert_null(snapshot_check(image, n + 100)); // a longer block is no harm
    assert_memory_equal(snapshot_find(image, SNAPSHOT_MACHINE, 0, &length), "twelve bytes", 13);
    assert_int_equal(length, 13);
    assert_memory_equal(snapshot_find(image, SNAPSHOT_CHIPSET, 0, &length), "12345", 5);
    assert_null(snapshot_find(image, SNAPSHOT_CPU, 0, &length));
    memset(other, 0, sizeof(other));
    assert_true(snapshot_get_memory(image, 0, other, sizeof(other)));
    assert_memory_equal(other, memory, sizeof(memory));
    assert_false(snapshot_get_memory(image, 1, other, sizeof(other)));
    assert_false(snapshot_get_memory(image, 0, other, sizeof(other) - SNAPSHOT_PAGE));
    uint64_t again = write_all(copy, n);
    assert_int_equal(again, n);
    assert_memory_equal(copy, image, n); // the same bytes each time
    for (uint64_t room = 0; room < n; room += 511)
        assert_int_equal(write_all(copy, room), 0);
}

static void damaged(void **state)
{
    (void)state;
    uint64_t n = example();
    for (uint64_t i = 0; i < n; i += i < 200 ? 1 : 997) {
        for (unsigned bit = 0; bit < 8; bit++) {
            image[i] ^= 1u << bit;
            assert_non_null(snapshot_check(image, n));
            image[i] ^= 1u << bit;
        }
    }
    for (uint64_t cut = 0; cut < n; cut += 499)
        assert_non_null(snapshot_check(image, cut));
    assert_null(snapshot_check(image, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
