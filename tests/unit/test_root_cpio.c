// SPDX-License-Identifier: BSD-2-Clause
// The archive reader: what it finds, and what it refuses.

// links: lib/cpio.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulkhead/cpio.h"

static char archive[4096];
static size_t used;

static void add(const char *name, unsigned name_padding, const void *data, unsigned size)
{
    unsigned name_size = (unsigned)strlen(name) + 1 + name_padding;

    used += (size_t)sprintf(archive + used,
                            "070701%08X%08X%08X%08X%08X%08X%08x%08X%08X%08X%08X%08X%08X", 1,
                            0100444, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0);
    strcpy(archive + used, name);
    used = (used + name_size + 3) & ~3ul;
    memcpy(archive + used, data, size);
    used = (used + size + 3) & ~3ul;
}

static int setup(void **state)
{
    (void)state;
    memset(archive, 0, sizeof(archive));
    used = 0;
    add("system.dtb", 0, "tree", 4);
    add("open/kernel", 500, "kernel image", 12); // names are padded so that data begins on a page
    add("empty", 0, "", 0);
    add("TRAILER!!!", 0, "", 0);
    return 0;
}

static void test_find(void **state)
{
    struct cpio_file file;

    (void)state;
    assert_true(cpio_find(archive, used, "system.dtb", &file));
    assert_int_equal(file.size, 4);
    assert_memory_equal(file.data, "tree", 4);
    assert_true(cpio_find(archive, used, "open/kernel", &file));
    assert_int_equal(file.size, 12);
    assert_memory_equal(archive + file.offset, "kernel image", 12);
    assert_true(cpio_find(archive, used, "empty", &file));
    assert_int_equal(file.size, 0);
    assert_false(cpio_find(archive, used, "kernel", &file));
    assert_false(cpio_find(archive, used, "TRAILER!!!", &file));
    assert_false(cpio_find(archive, used, "", &file));
}

static void test_end(void **state)
{
    struct cpio_file file;
    size_t at = 0;
    bool damaged = true;
    int count = 0;

    (void)state;
    while (cpio_next(archive, used, &at, &file, &damaged))
        count++;
    assert_int_equal(count, 3);
    assert_false(damaged);
}

// Every shorter archive ends in damage, and is read from memory that ends there (the sanitizer
// watches).
static void test_truncated(void **state)
{
    struct cpio_file file;

    (void)state;
    for (size_t size = 0; size < used; size++) {
        char *copy = malloc(size ? size : 1);
        size_t at = 0;
        bool damaged = false;

        memcpy(copy, archive, size);
        while (cpio_next(copy, size, &at, &file, &damaged))
            assert_true(file.offset + file.size <= size);
        // The padding behind the trailer's name belongs to nobody.
        if (size + 3 < used)
            assert_true(damaged);
        free(copy);
    }
}

static void test_hostile(void **state)
{
    static const char *const sizes[] = {"FFFFFFFF", "7FFFFFFF", "0000100G", "-0000001", "        "};
    struct cpio_file file;
    size_t at;
    bool damaged;

    (void)state;
    for (int field = 6; field <= 11; field += 5) {
        for (int i = 0; i < 5; i++) {
            setup(NULL);
            memcpy(archive + 6 + 8 * field, sizes[i], 8);
            at = 0;
            assert_false(cpio_next(archive, used, &at, &file, &damaged));
            assert_true(damaged);
        }
    }
    setup(NULL);
    memcpy(archive + 6 + 8 * 11, "00000000", 8); // a name without its NUL
    at = 0;
    assert_false(cpio_next(archive, used, &at, &file, &damaged));
    assert_true(damaged);
    setup(NULL);
    archive[5] = '2'; // another format
    at = 0;
    assert_false(cpio_next(archive, used, &at, &file, &damaged));
    assert_true(damaged);
    at = SIZE_MAX;
    assert_false(cpio_next(archive, used, &at, &file, &damaged));
    assert_true(damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_find, setup),
        cmocka_unit_test_setup(test_end, setup),
        cmocka_unit_test_setup(test_truncated, setup),
        cmocka_unit_test_setup(test_hostile, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
