// SPDX-License-Identifier: BSD-2-Clause
// The virtio block device over a memory disk that answers at once or later: each request type, what
// is refused, several queues, interrupts, resets with requests under way.
// links: vmm/virtio_blk.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_driver.h"
#include "virtio_blk.h"

#define SECTORS 64u
#define HEADER  DRIVER_DATA
#define STATUS  (DRIVER_DATA + 0x100)
#define DATA    (DRIVER_DATA + 0x1000)
#define OPS     (BLOCK_WRITE_ZEROES + 1)

static uint8_t disk[SECTORS * 512];
static unsigned count[OPS];
static bool later; /* the backend does not answer at once */
static struct block_request *waiting[64];
static unsigned waits;
static enum block_status answer;
static struct virtio_blk blk;
static struct virtio_device *const v = &blk.v;
static struct driver_queue q;

static void perform(struct block_request *r)
{
    uint64_t at = r->sector * 512, end = (r->sector + r->count) * 512;

    assert_true(r->op < OPS && end <= sizeof(disk));
    count[r->op]++;
    if (r->op == BLOCK_DISCARD || r->op == BLOCK_WRITE_ZEROES)
        memset(disk + at, 0, end - at);
    for (unsigned i = 0; i < r->segments; i++) {
        const struct block_segment *s = &r->segment[i];
        assert_true(s->size <= end - at);
        if (r->op == BLOCK_WRITE)
            memcpy(disk + at, s->address, s->size);
        else
            memcpy(s->address, disk + at, s->size);
        at += s->size;
    }
    if (r->op == BLOCK_READ || r->op == BLOCK_WRITE)
        assert_int_equal(at, end);
    r->done(r, answer);
}

static void submit(struct block_backend *backend, struct block_request *r)
{
    (void)backend;
    if (!later)
        perform(r);
    else {
        assert_true(waits < 64);
        waiting[waits++] = r;
    }
}

static struct block_backend backend = {.submit = submit};

static int setup_as(bool read_only)
{
    for (unsigned i = 0; i < sizeof(disk); i++)
        disk[i] = (uint8_t)(i * 7 + i / 512);
    memset(&blk, 0, sizeof(blk));
    memset(driver_memory, 0, sizeof(driver_memory));
    memset(count, 0, sizeof(count));
    later = false;
    waits = 0;
    answer = BLOCK_OK;
    backend.sectors = SECTORS;
    backend.read_only = read_only;
    assert_true(virtio_blk_init(&blk, &driver_bus, &driver_ram, &backend, "disk0", 2));
    pci_fake_msix_on = true;
    assert_true(driver_negotiate(v, UINT64_MAX));
    driver_queue(v, &q, 1, 64);
    driver_ok(v);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_as(false);
}

static void header(uint32_t type, uint64_t sector)
{
    const struct virtio_blk_outhdr h = {.type = type, .sector = sector};
    memcpy(driver_memory + HEADER, &h, sizeof(h));
    driver_memory[STATUS] = 0xee;
}

/* The usual request: header, one piece of data, status. */
static void add(uint32_t type, uint64_t sector, uint32_t size)
{
    struct driver_piece pieces[3] = {
        {HEADER, 16, false},
        {DATA, size, type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID},
        {STATUS, 1, true}};
    header(type, sector);
    if (!size)
        pieces[1] = pieces[2];
    driver_add(&q, pieces, size ? 3 : 2);
}

/* Its status; 0xff: there is no answer. */
static uint8_t result(uint32_t *length)
{
    struct vring_used_elem elem;

    if (!driver_used(&q, &elem))
        return 0xff;
    if (length)
        *length = elem.len;
    return driver_memory[STATUS];
}

static uint8_t run(uint32_t type, uint64_t sector, uint32_t size)
{
    add(type, sector, size);
    driver_kick(&q);
    return result(NULL);
}

static void test_config(void **state)
{
    (void)state;
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), SECTORS);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 12, 4), VIRTIO_BLK_SEGMENTS);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 20, 4), 512);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 34, 2), 2);
    assert_true(virtio_has(v, VIRTIO_BLK_F_DISCARD) && !virtio_has(v, VIRTIO_BLK_F_RO));
    setup_as(true);
    assert_true(!virtio_has(v, VIRTIO_BLK_F_DISCARD) && virtio_has(v, VIRTIO_BLK_F_RO));
    assert_true(
        virtio_blk_init(&blk, &driver_bus, &driver_ram, &backend, "0123456789012345678901", 0));
    assert_int_equal(v->queues, 1);
    assert_true(virtio_blk_init(&blk, &driver_bus, &driver_ram, &backend, "", 99));
    assert_int_equal(v->queues, VIRTIO_QUEUES_MAX);
}

static void test_transfer(void **state)
{
    (void)state;
    uint32_t length = 0;
    add(VIRTIO_BLK_T_IN, 3, 1024);
    driver_kick(&q);
    assert_int_equal(result(&length), VIRTIO_BLK_S_OK);
    assert_int_equal(length, 1025);
    assert_memory_equal(driver_memory + DATA, disk + 3 * 512, 1024);
    memset(driver_memory + DATA, 0x5a, 512);
    add(VIRTIO_BLK_T_OUT, SECTORS - 1, 512);
    driver_kick(&q);
    assert_int_equal(result(&length), VIRTIO_BLK_S_OK);
    assert_int_equal(length, 1);
    assert_int_equal(disk[sizeof(disk) - 1], 0x5a);
    assert_int_equal(pci_fake_messages[2], 1); /* the second was not asked for */
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(run(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(count[BLOCK_FLUSH], 1);
}

/* Header, data and status cut in any way (2.7.4). */
static void test_layout(void **state)
{
    (void)state;
    const struct driver_piece read[] = {{HEADER, 7, false},
                                        {HEADER + 7, 9, false},
                                        {DATA, 100, true},
                                        {DATA + 0x1000, 412, true},
                                        {DATA + 0x2000, 513, true}};
    header(VIRTIO_BLK_T_IN, 5);
    driver_add(&q, read, 5);
    driver_kick(&q);
    assert_int_equal(driver_memory[DATA + 0x2000 + 512], VIRTIO_BLK_S_OK);
    assert_memory_equal(driver_memory + DATA, disk + 5 * 512, 100);
    assert_memory_equal(driver_memory + DATA + 0x1000, disk + 5 * 512 + 100, 412);
    assert_memory_equal(driver_memory + DATA + 0x2000, disk + 6 * 512, 512);
    /* Header and data in one piece. */
    const struct driver_piece write[] = {{HEADER, 16 + 512, false}, {STATUS + 0x4000, 1, true}};
    header(VIRTIO_BLK_T_OUT, 9);
    memset(driver_memory + HEADER + 16, 0xa5, 512);
    driver_memory[STATUS + 0x4000] = 0xee;
    driver_add(&q, write, 2);
    driver_kick(&q);
    assert_int_equal(driver_memory[STATUS + 0x4000], VIRTIO_BLK_S_OK);
    assert_int_equal(disk[9 * 512], 0xa5);
    assert_int_equal(disk[9 * 512 + 511], 0xa5);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(run(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_IN, SECTORS - 1, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_IN, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_OUT, UINT64_MAX - 1, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 511), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_OUT, 0, 513), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_SECURE_ERASE, 0, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run(12345, 0, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(count[BLOCK_READ] + count[BLOCK_WRITE], 0);
    answer = BLOCK_IO_ERROR;
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_IOERR);
    answer = BLOCK_UNSUPPORTED;
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_UNSUPP);
    setup_as(true);
    assert_int_equal(run(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_DISCARD, 0, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void test_malformed(void **state)
{
    static const struct driver_piece pieces[][2] = {
        {{HEADER, 15, false}, {STATUS, 1, true}},  /* short header */
        {{HEADER, 16, false}, {DATA, 512, false}}, /* no status */
        {{HEADER, 16, true}, {STATUS, 1, true}},
    };
    for (unsigned i = 0; i < 3; i++) {
        setup(state);
        header(VIRTIO_BLK_T_IN, 0);
        driver_add(&q, pieces[i], 2);
        driver_kick(&q);
        assert_int_equal(result(NULL), 0xff);
        assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    }
}

static uint8_t range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    const struct virtio_blk_discard_write_zeroes r = {sector, sectors, flags};
    memcpy(driver_memory + DATA, &r, sizeof(r));
    return run(type, 0, sizeof(r));
}

static void test_ranges(void **state)
{
    (void)state;
    assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 8, 8, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(disk[8 * 512 + 77], 0);
    assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 20, 1, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 21, 1, 1), VIRTIO_BLK_S_OK);
    assert_int_equal(disk[21 * 512 + 77], 0);
    assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 8, 8, 1), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 2), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(range(VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 1, 0xffffffff, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(range(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_DISCARD, 0, 32), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(VIRTIO_BLK_T_DISCARD, 0, 8), VIRTIO_BLK_S_IOERR);
    assert_int_equal(count[BLOCK_DISCARD], 1);
    assert_int_equal(count[BLOCK_WRITE_ZEROES], 2);
}

static void test_id(void **state)
{
    (void)state;
    memset(driver_memory + DATA, 0xee, 32);
    assert_int_equal(run(VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
    assert_memory_equal(driver_memory + DATA, "disk0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xee", 21);
    assert_int_equal(run(VIRTIO_BLK_T_GET_ID, 0, 3), VIRTIO_BLK_S_OK);
}

/* More pieces than seg_max, in an indirect table. */
static void test_segments(void **state)
{
    (void)state;
    struct vring_desc *table = (void *)(driver_memory + DRIVER_DATA + 0x8000);
    for (unsigned n = VIRTIO_BLK_SEGMENTS; n <= VIRTIO_BLK_SEGMENTS + 1; n++) {
        header(VIRTIO_BLK_T_IN, 0);
        table[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 1};
        for (unsigned i = 1; i <= n; i++)
            table[i] =
                (struct vring_desc){DATA, i < n ? 4 : 512 - (4 * (n - 1)) % 512,
                                    VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, (uint16_t)(i + 1)};
        table[n + 1] = (struct vring_desc){STATUS, 1, VRING_DESC_F_WRITE, 0};
        q.vring.desc[0] =
            (struct vring_desc){DRIVER_DATA + 0x8000, 16 * (n + 2), VRING_DESC_F_INDIRECT, 0};
        driver_offer(&q, 0);
        driver_kick(&q);
        assert_int_equal(result(NULL),
                         n == VIRTIO_BLK_SEGMENTS ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
    }
}

static void test_later(void **state)
{
    (void)state;
    later = true;
    vring_used_event(&q.vring) = 0;
    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS + 2; i++)
        add(VIRTIO_BLK_T_IN, i, 512);
    driver_kick(&q);
    assert_int_equal(waits, VIRTIO_BLK_SLOTS);
    assert_int_equal(pci_fake_messages[2], 0);
    uint8_t buf[4096];
    assert_int_equal(virtio_device_ops.save(v, buf, sizeof(buf)), 0);
    perform(waiting[1]); /* in any order */
    assert_int_equal(pci_fake_messages[2], 1);
    assert_int_equal(v->again_at, 0);
    virtio_expire(v, 1);
    assert_int_equal(waits, VIRTIO_BLK_SLOTS + 1);
    perform(waiting[0]);
    virtio_expire(v, 2);
    assert_int_equal(waits, VIRTIO_BLK_SLOTS + 2);
    for (unsigned i = 2; i < waits; i++)
        perform(waiting[i]);
    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS + 2; i++)
        assert_int_equal(result(NULL), VIRTIO_BLK_S_OK);
    assert_int_equal(result(NULL), 0xff);
    /* A reset while they are under way. */
    waits = 0;
    add(VIRTIO_BLK_T_IN, 0, 512);
    add(VIRTIO_BLK_T_IN, 0, 512);
    driver_kick(&q);
    assert_true(driver_negotiate(v, UINT64_MAX));
    driver_queue(v, &q, 1, 64);
    driver_ok(v);
    perform(waiting[0]);
    assert_int_equal(q.vring.used->idx, 0);
    later = false;
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
    perform(waiting[1]);
    assert_int_equal(q.vring.used->idx, 1);
    for (unsigned i = 0; i < VIRTIO_BLK_SLOTS; i++)
        assert_null(blk.slot[i].blk);
}

/* Many requests over much memory: one kick does a part, so that the monitor's turn comes. */
static void test_much(void **state)
{
    (void)state;
    const uint32_t size = DRIVER_RAM - DATA;
    const struct driver_piece pieces[4] = {
        {HEADER, 16, false}, {DATA, size, true}, {DATA, size, true}, {STATUS, 1, true}};
    header(VIRTIO_BLK_T_IN, 0);
    for (unsigned i = 0; i < 16; i++)
        driver_add(&q, pieces, 4);
    driver_kick(&q);
    assert_in_range(q.vring.used->idx, 1, 12);
    assert_int_equal(v->again_at, 0);
    virtio_expire(v, 1);
    assert_int_equal(q.vring.used->idx, 16);
}

static void test_snapshot(void **state)
{
    (void)state;
    static uint8_t buf[8192];
    char text[500];
    run(VIRTIO_BLK_T_IN, 0, 512);
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    assert_true(n > 0);
    virtio_device_ops.reset(v);
    assert_true(virtio_device_ops.restore(v, buf, n));
    assert_int_equal(run(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
    blk.config.capacity++; /* another disk */
    assert_false(virtio_device_ops.restore(v, buf, n));
    size_t length = virtio_device_ops.info(v, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "disk0: 64 sectors, 2 requests"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_config, setup),    cmocka_unit_test_setup(test_transfer, setup),
        cmocka_unit_test_setup(test_layout, setup),    cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_malformed, setup), cmocka_unit_test_setup(test_ranges, setup),
        cmocka_unit_test_setup(test_id, setup),        cmocka_unit_test_setup(test_segments, setup),
        cmocka_unit_test_setup(test_later, setup),     cmocka_unit_test_setup(test_snapshot, setup),
        cmocka_unit_test_setup(test_much, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
