// SPDX-License-Identifier: BSD-2-Clause
// Disks that are memory.
// links: vmm/block_memory.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "block_memory.h"

static uint8_t disk[8 * 512 + 100], before[sizeof(disk)];
static struct block_memory memory;
static enum block_status status;
static unsigned ends;

static void done(struct block_request *request, enum block_status how)
{
    assert_ptr_equal(request->ctx, &memory);
    status = how;
    ends++;
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(disk); i++)
        disk[i] = before[i] = (uint8_t)(i * 11 + i / 512 + 1);
    block_memory_init(&memory, disk, sizeof(disk), false);
    ends = 0;
    return 0;
}

static enum block_status run(enum block_op op, uint64_t sector, uint64_t count,
                             const struct block_segment *segment, unsigned segments)
{
    struct block_request request = {.op = op,
                                    .sector = sector,
                                    .count = count,
                                    .segment = segment,
                                    .segments = segments,
                                    .done = done,
                                    .ctx = &memory};
    memory.backend.submit(&memory.backend, &request);
    return status;
}

static void test_requests(void **state)
{
    (void)state;
    uint8_t a[700], b[324];
    const struct block_segment both[] = {{a, 700}, {b, 324}};
    assert_int_equal(memory.backend.sectors, 8);
    assert_int_equal(run(BLOCK_READ, 6, 2, both, 2), BLOCK_OK);
    assert_memory_equal(a, disk + 6 * 512, 700);
    assert_memory_equal(b, disk + 6 * 512 + 700, 324);
    assert_int_equal(run(BLOCK_WRITE, 0, 2, both, 2), BLOCK_OK);
    assert_memory_equal(disk, before + 6 * 512, 1024);
    assert_memory_equal(disk + 1024, before + 1024, sizeof(disk) - 1024);
    assert_int_equal(run(BLOCK_DISCARD, 3, 1, NULL, 0), BLOCK_OK);
    assert_int_equal(run(BLOCK_WRITE_ZEROES, 4, 1, NULL, 0), BLOCK_OK);
    for (unsigned i = 3 * 512; i < 5 * 512; i++)
        assert_int_equal(disk[i], 0);
    assert_int_equal(disk[5 * 512], before[5 * 512]);
    assert_int_equal(run(BLOCK_FLUSH, 0, 0, NULL, 0), BLOCK_OK);
    assert_int_equal(run(BLOCK_READ, 8, 0, NULL, 0), BLOCK_OK);
    assert_int_equal(ends, 6);
}

static void test_refused(void **state)
{
    (void)state;
    uint8_t a[1024];
    const struct block_segment one = {a, 1024};
    assert_int_equal(run(BLOCK_READ, 7, 2, &one, 1), BLOCK_IO_ERROR);
    assert_int_equal(run(BLOCK_READ, UINT64_MAX, 2, &one, 1), BLOCK_IO_ERROR);
    assert_int_equal(run(BLOCK_READ, 0, UINT64_MAX / 512 + 3, &one, 1), BLOCK_IO_ERROR);
    assert_int_equal(run(BLOCK_READ, 0, 1, &one, 1), BLOCK_IO_ERROR);  /* more than it says */
    assert_int_equal(run(BLOCK_WRITE, 0, 3, &one, 1), BLOCK_IO_ERROR); /* less */
    assert_int_equal(run(BLOCK_DISCARD, 7, 2, NULL, 0), BLOCK_IO_ERROR);
    assert_int_equal(run((enum block_op)99, 0, 1, &one, 1), BLOCK_UNSUPPORTED);
    memcpy(disk, before, sizeof(disk));
    block_memory_init(&memory, disk, sizeof(disk), true);
    assert_int_equal(run(BLOCK_WRITE, 0, 2, &one, 1), BLOCK_IO_ERROR);
    assert_int_equal(run(BLOCK_DISCARD, 0, 2, NULL, 0), BLOCK_IO_ERROR);
    assert_int_equal(run(BLOCK_READ, 0, 2, &one, 1), BLOCK_OK);
    assert_memory_equal(disk, before, sizeof(disk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_requests, setup),
        cmocka_unit_test_setup(test_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
