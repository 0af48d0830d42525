// SPDX-License-Identifier: BSD-2-Clause
// The tree over an archive, the 9P2000.L server, and its virtio device, by requests made by hand.
// links: vmm/p9.c vmm/file_tree.c lib/cpio.c vmm/virtio_9p.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive.h"
#include "virtio_9p.h"
#include "virtio_driver.h"

enum { VERSION = 100, ATTACH = 104, FLUSH = 108, WALK = 110, READ = 116, WRITE = 118, CLUNK = 120 };
enum { ERROR = 7, STATFS = 8, OPEN = 12, MKDIR = 72, READLINK = 22, GETATTR = 24, READDIR = 40 };
enum { XATTR = 30, REMOVE = 122, NOFID = -1 };

static struct virtio_9p share;
static struct file_node nodes[300];
static uint8_t message[P9_REQUEST_MAX];
static uint32_t length;
static struct p9_reply reply;

static void put(unsigned bytes, uint64_t value)
{
    memcpy(message + length, &value, bytes);
    length += bytes;
}

static void begin(uint8_t type)
{
    length = 4;
    put(1, type);
    put(2, 0x1234);
}

static void put_text(const char *text)
{
    put(2, strlen(text));
    memcpy(message + length, text, strlen(text));
    length += (uint32_t)strlen(text);
}

static uint64_t get(unsigned at, unsigned bytes)
{
    uint64_t value = 0;
    assert_true(at + bytes <= reply.size);
    memcpy(&value, reply.bytes + at, bytes);
    return value;
}

/* The reply's type; an error's number and 1000. */
static unsigned answer_in(uint32_t room)
{
    memcpy(message, &length, 4);
    uint8_t type = message[4];
    memset(&reply, 0x55, sizeof(reply));
    p9_serve(&share.server, message, length, room, &reply);
    assert_int_equal(get(0, 4), reply.size + reply.data_size);
    assert_true(get(0, 4) <= room);
    assert_int_equal(get(5, 2), 0x1234);
    if (get(4, 1) == ERROR) {
        assert_int_equal(reply.size, 11);
        assert_int_equal(reply.data_size, 0);
        return 1000 + (unsigned)get(7, 4);
    }
    assert_int_equal(get(4, 1), type + 1);
    return (unsigned)get(4, 1);
}

static unsigned answer(void)
{
    return answer_in(P9_SIZE_MAX);
}

static int setup(void **state)
{
    (void)state;
    archive_example();
    memset(&share, 0, sizeof(share));
    assert_int_equal(file_tree_count(archive, archive_size), 209);
    assert_true(file_tree_init(&share.server.tree, archive, archive_size, nodes, 209));
    assert_int_equal(share.server.tree.count, 209);
    assert_true(virtio_9p_init(&share, &driver_bus, &driver_ram, "docs"));
    return 0;
}

static void session(uint32_t size)
{
    begin(VERSION);
    put(4, size);
    put_text("9P2000.L");
    assert_int_equal(answer(), 101);
    begin(ATTACH);
    put(4, 1);
    put(4, (uint32_t)NOFID);
    put_text("root");
    put_text("");
    put(4, 0);
    assert_int_equal(answer(), 105);
    assert_int_equal(get(7, 1), 0x80);
    assert_int_equal(get(12, 8), 1);
}

static unsigned walk(uint32_t from, uint32_t to, unsigned n, const char *const *names)
{
    begin(WALK);
    put(4, from);
    put(4, to);
    put(2, n);
    for (unsigned i = 0; i < n; i++)
        put_text(names[i]);
    return answer();
}

static unsigned with_fid(uint8_t type, uint32_t fid)
{
    begin(type);
    put(4, fid);
    return answer();
}

static unsigned open_fid(uint32_t fid, uint32_t flags)
{
    begin(OPEN);
    put(4, fid);
    put(4, flags);
    return answer();
}

static unsigned read_fid(uint8_t type, uint32_t fid, uint64_t offset, uint32_t count)
{
    begin(type);
    put(4, fid);
    put(8, offset);
    put(4, count);
    return answer();
}

static const char *const hello[] = {"dir", "hello"}, *const deep[] = {"dir", "sub", "deep"};
static const char *const up[] = {"dir", "sub", "..", "..", "..", "big"};
static const char *const lost[] = {"dir", "nothing"}, *const through[] = {"big", "x"};

static void versions(void **state)
{
    (void)state;
    begin(VERSION);
    put(4, 1 << 20);
    put_text("9P2000.L");
    assert_int_equal(answer(), 101);
    assert_int_equal(get(7, 4), P9_SIZE_MAX);
    begin(VERSION);
    put(4, 8192);
    put_text("9P2000.u");
    assert_int_equal(answer(), 101);
    assert_memory_equal(reply.bytes + 13, "unknown", 7);
    begin(VERSION);
    put(4, 100);
    put_text("9P2000.L");
    assert_int_equal(answer(), 1022);
}

static void walks(void **state)
{
    (void)state;
    session(8192);
    assert_int_equal(walk(1, 2, 2, hello), 111);
    assert_int_equal(get(7, 2), 2);
    assert_int_equal(get(9, 1), 0x80);
    assert_int_equal(get(22, 1), 0);
    assert_int_equal(walk(1, 2, 2, hello), 1009); /* taken */
    assert_int_equal(walk(1, 3, 6, up), 111);     /* the root's parent is the root */
    assert_int_equal(get(7, 2), 6);
    assert_int_equal(walk(1, 4, 2, lost), 111); /* half the way: no fid */
    assert_int_equal(get(7, 2), 1);
    assert_int_equal(with_fid(CLUNK, 4), 1009);
    assert_int_equal(walk(1, 4, 1, lost + 1), 1002);
    assert_int_equal(walk(3, 4, 1, through), 1020);
    assert_int_equal(walk(1, 4, 0, NULL), 111);
    assert_int_equal(walk(4, 4, 3, deep), 111); /* the fid itself moves */
    assert_int_equal(with_fid(CLUNK, 4), 121);
    assert_int_equal(walk(9, 4, 0, NULL), 1009);
    assert_int_equal(walk(1, (uint32_t)NOFID, 0, NULL), 1009);
    begin(WALK); /* names that are not there */
    put(4, 1);
    put(4, 5);
    put(2, 16);
    assert_int_equal(answer(), 1022);
    begin(WALK);
    put(4, 1);
    put(4, 5);
    put(2, 17);
    assert_int_equal(answer(), 1022);
    begin(WALK);
    put(4, 1);
    put(4, 5);
    put(2, 1);
    put(2, 60000);
    assert_int_equal(answer(), 1022);
}

static void reads(void **state)
{
    (void)state;
    static const char *const big[] = {"big"};
    session(16384);
    walk(1, 2, 1, big);
    assert_int_equal(read_fid(READ, 2, 0, 10), 1009); /* not open */
    assert_int_equal(open_fid(2, 1), 1030);
    assert_int_equal(open_fid(2, 01000), 1030);
    assert_int_equal(open_fid(2, 0100000), 13);
    assert_int_equal(open_fid(2, 0), 1009);
    assert_int_equal(read_fid(READ, 2, 5, 10000), 117);
    assert_int_equal(get(7, 4), 10000);
    assert_int_equal(reply.data_size, 10000);
    assert_int_equal(((const uint8_t *)reply.data)[300], (uint8_t)(305 * 7 + 1));
    assert_int_equal(read_fid(READ, 2, 5, 100000), 117); /* what a message has room for */
    assert_int_equal(reply.data_size, 16384 - 11);
    assert_int_equal(read_fid(READ, 2, 19990, 100), 117);
    assert_int_equal(reply.data_size, 10);
    assert_int_equal(read_fid(READ, 2, UINT64_MAX, 100), 117);
    assert_int_equal(reply.data_size, 0);
    assert_int_equal(read_fid(READ, 1, 0, 100), 1009);
    assert_int_equal(open_fid(1, 0), 13);
    assert_int_equal(read_fid(READ, 1, 0, 100), 1021);
    assert_int_equal(read_fid(READDIR, 2, 0, 100), 1020);
    begin(READ);
    put(4, 2);
    put(8, 0);
    put(4, 1000);
    assert_int_equal(answer_in(11), 117);
    assert_int_equal(reply.data_size, 0);
}

static void lists(void **state)
{
    (void)state;
    static const char *const many[] = {"many"};
    session(8192);
    walk(1, 2, 1, many);
    open_fid(2, 0);
    uint64_t cookie = 0;
    unsigned names = 0;
    for (;;) {
        assert_int_equal(read_fid(READDIR, 2, cookie, 500), 41);
        uint32_t size = (uint32_t)get(7, 4), at = 11;
        if (size == 0)
            break;
        assert_int_equal(reply.size, 11 + size);
        while (at < reply.size) {
            char text[20] = "", want[20];
            cookie = get(at + 13, 8);
            memcpy(text, reply.bytes + at + 24, get(at + 22, 2));
            snprintf(want, sizeof(want), "file%03u", names - 2);
            assert_string_equal(text, names == 0 ? "." : names == 1 ? ".." : want);
            assert_int_equal(get(at + 21, 1), names < 2 ? 4 : 8);
            at += 24 + (uint32_t)get(at + 22, 2);
            names++;
        }
        assert_int_equal(at, reply.size);
    }
    assert_int_equal(names, 202);
    assert_int_equal(read_fid(READDIR, 2, 0, 24), 1022);  /* not even one fits */
    assert_int_equal(read_fid(READDIR, 2, 5, 500), 1022); /* another directory's cookie */
    assert_int_equal(read_fid(READDIR, 2, UINT64_MAX, 500), 1022);
    assert_int_equal(read_fid(READDIR, 2, 0, UINT32_MAX), 41);
}

static void attributes(void **state)
{
    (void)state;
    static const char *const link[] = {"dir", "link"};
    session(8192);
    walk(1, 2, 2, hello);
    walk(1, 3, 2, link);
    begin(GETATTR);
    put(4, 2);
    put(8, UINT64_MAX);
    assert_int_equal(answer(), 25);
    assert_int_equal(reply.size, 7 + 153);
    assert_int_equal(get(28, 4), 0100600);
    assert_int_equal(get(40, 8), 1);
    assert_int_equal(get(56, 8), 13);
    assert_int_equal(get(80, 8), 1000000000);
    assert_int_equal(with_fid(READLINK, 3), 23);
    assert_int_equal(get(7, 2), 8);
    assert_memory_equal(reply.bytes + 9, "sub/deep", 8);
    assert_int_equal(with_fid(READLINK, 2), 1022);
    assert_int_equal(open_fid(3, 0), 1040);
    assert_int_equal(with_fid(STATFS, 2), 9);
    assert_int_equal(get(7, 4), 0x01021997);
    assert_int_equal(get(63, 4), 255);
}

static void refuses_changes(void **state)
{
    (void)state;
    static const uint8_t changes[] = {14, 16, 18, 20, 26, 70, 72, 74, 76, 118};
    session(8192);
    walk(1, 2, 2, hello);
    for (unsigned i = 0; i < sizeof(changes); i++)
        assert_int_equal(with_fid(changes[i], 2), 1030);
    assert_int_equal(with_fid(XATTR, 2), 1095);
    assert_int_equal(with_fid(52, 2), 1095);
    assert_int_equal(with_fid(255, 2), 1095);
    assert_int_equal(with_fid(FLUSH, 2), 109);
    assert_int_equal(with_fid(REMOVE, 2), 1030);
    assert_int_equal(with_fid(CLUNK, 2), 1009);
}

static void many_fids(void **state)
{
    (void)state;
    session(8192);
    for (uint32_t i = 2; i <= P9_FIDS; i++)
        assert_int_equal(walk(1, i, 0, NULL), 111);
    assert_int_equal(walk(1, P9_FIDS + 1, 0, NULL), 1023);
    assert_int_equal(with_fid(CLUNK, 77), 121);
    assert_int_equal(walk(1, P9_FIDS + 1, 0, NULL), 111);
}

static void wrong_lengths(void **state)
{
    (void)state;
    session(8192);
    for (uint32_t n = 0; n < 24; n++)
        for (unsigned type = 0; type < 128; type++) {
            begin((uint8_t)type);
            length = n > 7 ? n : 7;
            memcpy(message, &n, 4);
            p9_serve(&share.server, message, n, 11, &reply);
            assert_true(reply.size <= 11 && reply.data_size == 0);
        }
    begin(CLUNK);
    put(4, 1);
    uint32_t wrong = 5000;
    memcpy(message, &wrong, 4);
    p9_serve(&share.server, message, length, 8192, &reply);
    assert_int_equal(get(4, 1), ERROR);
}

// A walk looks 16 names up, in directories of any size: none of them may cost the whole directory.
static void names_are_found_at_once(void **state)
{
    (void)state;
    unsigned in_buckets = 0;
    for (uint32_t i = 0; i < share.server.tree.count; i++) {
        unsigned length_here = 0;
        for (uint32_t n = nodes[i].bucket; n != FILE_TREE_NONE; n = nodes[n].same)
            length_here++;
        assert_in_range(length_here, 0, 8);
        in_buckets += length_here;
    }
    assert_int_equal(in_buckets, share.server.tree.count - 1);
}

static void damaged_archives(void **state)
{
    (void)state;
    static const char *const bad[] = {"a/b",    "/a", "dir//b", "dir/.",
                                      "dir/..", "..", "big/a",  "dir/"};
    struct file_tree tree;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        archive_begin();
        archive_add(".", 040755, "", 0);
        archive_add("dir", 040755, "", 0);
        archive_add("big", 0100644, "", 0);
        archive_add(bad[i], 0100644, "", 0);
        archive_end();
        assert_false(file_tree_init(&tree, archive, archive_size, nodes, 300));
    }
    archive_example();
    assert_false(file_tree_init(&tree, archive, archive_size, nodes, 208));
    assert_false(file_tree_init(&tree, archive, 500, nodes, 300));
    assert_int_equal(file_tree_count(archive, 500), 0);
    assert_false(file_tree_init(&tree, archive, archive_size, nodes, 0));
}

static void device(void **state)
{
    (void)state;
    static uint8_t buf[32768];
    char text[500];
    struct driver_queue q;
    struct vring_used_elem e;
    struct virtio_device *v = &share.v;
    assert_true(driver_negotiate(v, UINT64_MAX));
    assert_true(v->features & 1);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 2), 4);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 2, 4), 0x73636f64);
    driver_queue(v, &q, 0, 16);
    driver_ok(v);
    begin(VERSION);
    put(4, 16384);
    put_text("9P2000.L");
    memcpy(message, &length, 4);
    memcpy(driver_memory + DRIVER_DATA, message, length);
    const struct driver_piece pieces[] = {{DRIVER_DATA, 10, false},
                                          {DRIVER_DATA + 10, length - 10, false},
                                          {DRIVER_DATA + 0x1000, 7, true},
                                          {DRIVER_DATA + 0x2000, 4096, true}};
    driver_add(&q, pieces, 4);
    driver_kick(&q);
    assert_true(driver_used(&q, &e));
    assert_int_equal(e.len, 21);
    assert_int_equal(driver_memory[DRIVER_DATA + 0x1004], 101);
    assert_memory_equal(driver_memory + DRIVER_DATA + 0x2000,
                        "\0\x40\0\0\x8\0"
                        "9P2000.L",
                        14);
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    assert_true(n > 0 && virtio_device_ops.restore(v, buf, n));
    assert_int_equal(share.server.s.size, 16384);
    assert_true(virtio_device_ops.info(v, text, sizeof(text)) > 30);
    driver_add(&q, &(struct driver_piece){DRIVER_DATA + 0x2000, 10, true}, 1);
    driver_kick(&q);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    assert_false(virtio_9p_init(&share, &driver_bus, &driver_ram, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(versions, setup),
        cmocka_unit_test_setup(walks, setup),
        cmocka_unit_test_setup(reads, setup),
        cmocka_unit_test_setup(lists, setup),
        cmocka_unit_test_setup(attributes, setup),
        cmocka_unit_test_setup(refuses_changes, setup),
        cmocka_unit_test_setup(many_fids, setup),
        cmocka_unit_test_setup(wrong_lengths, setup),
        cmocka_unit_test(damaged_archives),
        cmocka_unit_test_setup(names_are_found_at_once, setup),
        cmocka_unit_test_setup(device, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
