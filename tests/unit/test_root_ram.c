// SPDX-License-Identifier: BSD-2-Clause
// The allocator of RAM and the slots of root's table, on the fake kernel, which refuses what
// overlaps or leaves its parent.

// links: root/ram.c root/caps.c lib/status.c
#include "root_fake.h"

#include "root/caps.h"
#include "root/ram.h"

static int setup(void **state)
{
    (void)state;
    fake_init();
    caps_init(SLOT_BOOT_MEM + 8);
    ram_init();
    return 0;
}

#define ALL (3 * MIB + 5 * PAGE + FAKE_SIZE - 4 * MIB) // without the archive

static void test_init(void **state)
{
    (void)state;
    assert_int_equal(ram_free_bytes(), ALL);
    assert_int_equal(ram_largest(PAGE), FAKE_SIZE - 4 * MIB);
}

static void test_alloc(void **state)
{
    struct ram_block small, large;

    (void)state;
    assert_int_equal(ram_alloc_zeroed(&small, PAGE, PAGE), OK);
    assert_true(small.base >= FAKE_RAM &&
                small.base < FAKE_RAM + 4 * MIB); // from the smaller extent
    assert_int_equal(ram_alloc_zeroed(&large, 32 * MIB, 2 * MIB), OK);
    assert_int_equal(large.base % (2 * MIB), 0);
    for (uint64_t i = 0; i < large.size; i += 512)
        assert_int_equal(fake_memory()[large.base - FAKE_RAM + i], 0);
    assert_int_equal(fake_memory()[large.base - FAKE_RAM + large.size - 1], 0);
    assert_int_equal(fake_memory()[small.base - FAKE_RAM + PAGE], 0xa5); // not a byte more
    assert_int_equal(fake_objects[1].map_count, 0);                      // no mapping stays
    assert_int_equal(ram_free_bytes(), ALL - PAGE - 32 * MIB);
    ram_free(&small);
    ram_free(&large);
    assert_int_equal(small.mem, CAP_NONE);
    assert_int_equal(ram_free_bytes(), ALL);
    assert_int_equal(ram_largest(PAGE), FAKE_SIZE - 4 * MIB);
    ram_free(&small); // nothing to do
}

static void test_exhaustion(void **state)
{
    struct ram_block block, rest;

    (void)state;
    assert_int_equal(ram_alloc(&block, FAKE_SIZE, PAGE), ERR_MEMORY);
    assert_int_equal(block.mem, CAP_NONE);
    assert_int_equal(ram_alloc(&block, 0, PAGE), ERR_MEMORY);
    assert_int_equal(ram_alloc(&block, FAKE_SIZE - 4 * MIB, PAGE), OK);
    assert_int_equal(ram_alloc(&rest, 3 * MIB + 5 * PAGE, PAGE), OK);
    struct ram_block none;
    assert_int_equal(ram_alloc(&none, PAGE, PAGE), ERR_MEMORY);
    ram_free(&block);
    ram_free(&rest);
    assert_int_equal(ram_free_bytes(), ALL);
}

// When RAM cannot be zeroed it is not handed out; when a step fails nothing is lost.
static void test_failures(void **state)
{
    (void)state;
    for (int n = 1; n < 5; n++) {
        struct ram_block block;

        fake_fail = n;
        if (ram_alloc_zeroed(&block, MIB, 2 * MIB) != OK)
            assert_int_equal(block.mem, CAP_NONE);
        else
            ram_free(&block);
        fake_fail = 0;
        assert_int_equal(ram_free_bytes(), ALL);
        assert_int_equal(fake_objects[1].map_count, 0);
    }
}

static void test_random(void **state)
{
    static struct ram_block blocks[300];
    uint32_t random = 1;

    (void)state;
    for (int i = 0; i < 300; i++)
        blocks[i] = RAM_NONE;
    for (int round = 0; round < 6000; round++) {
        random = random * 1664525 + 1013904223;
        struct ram_block *block = &blocks[(random >> 8) % 300];

        if (block->mem != CAP_NONE) {
            ram_free(block);
        } else {
            uint64_t size = ((random >> 16) % 100 + 1) * PAGE, align = PAGE << (random >> 24) % 10;
            // The fake kernel asserts by its own checks that ranges do not overlap.
            enum status status = ram_alloc(block, size, align);

            assert_true(status == OK || status == ERR_MEMORY);
            if (status == OK)
                assert_true(block->base % align == 0 && block->size == size);
        }
    }
    for (int i = 0; i < 300; i++)
        ram_free(&blocks[i]);
    assert_int_equal(ram_free_bytes(), ALL);
    assert_int_equal(ram_largest(PAGE), FAKE_SIZE - 4 * MIB);
    assert_string_equal(fake_said, "");
}

static void test_slots(void **state)
{
    unsigned first = cap_alloc(), slot, count = 1;

    (void)state;
    assert_int_equal(first, SLOT_BOOT_MEM + 8);
    while ((slot = cap_alloc()) != CAP_NONE) {
        assert_true(slot < CAP_SLOTS);
        count++;
    }
    assert_int_equal(count, CAP_SLOTS - (SLOT_BOOT_MEM + 8));
    struct ram_block block;
    assert_int_equal(ram_alloc(&block, PAGE, PAGE), ERR_SLOT);
    cap_free(first);
    cap_free(CAP_NONE);
    assert_int_equal(cap_alloc(), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init, setup),
        cmocka_unit_test_setup(test_alloc, setup),
        cmocka_unit_test_setup(test_exhaustion, setup),
        cmocka_unit_test_setup(test_failures, setup),
        cmocka_unit_test_setup(test_random, setup),
        cmocka_unit_test_setup(test_slots, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
