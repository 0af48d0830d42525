// SPDX-License-Identifier: BSD-2-Clause
// The 9P server by random requests, its virtio device under a random driver, and now and then on an
// archive with some of its bytes changed.
// links: vmm/p9.c vmm/file_tree.c lib/cpio.c vmm/virtio_9p.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c vmm/clock.c
#include "virtio_fuzz.h"

#include "tests/unit/archive.h"
#include "virtio_9p.h"

static struct virtio_9p share;
static struct file_node nodes[300];

/* A request with fields that are mostly small, as fids and counts are. */
static void request(void)
{
    static const uint8_t types[] = {100, 104, 110, 110, 110, 12, 12, 116, 40, 24, 22, 8, 120, 122};
    uint8_t message[200], how = (uint8_t)fuzz_take(1);
    uint32_t size = 7;
    message[4] = how < 240 ? types[how % sizeof(types)] : (uint8_t)fuzz_take(1);
    for (unsigned n = (unsigned)fuzz_take(1) % 12; n > 0; n--) {
        static const char *const words[] = {"dir", "hello", "sub", "many", "..", "9P2000.L", "big"};
        uint8_t field = (uint8_t)fuzz_take(1);
        uint64_t value = field & 8 ? fuzz_take(8) : fuzz_take(1) % 32;
        unsigned bytes = 1u << field % 4;
        if (field >= 0x80) {
            const char *word = words[field % 7];
            bytes = (unsigned)strlen(word);
            message[size++] = (uint8_t)bytes;
            message[size++] = 0;
            memcpy(message + size, word, bytes);
        } else {
            memcpy(message + size, &value, bytes);
        }
        size += bytes;
    }
    uint32_t length = how & 1 ? size : (uint32_t)fuzz_take(4);
    memcpy(message, &length, 4);
    uint8_t *copy = malloc(size); /* its end is watched */
    memcpy(copy, message, size);
    uint32_t room = 11 + (uint32_t)fuzz_take(2);
    p9_serve(&share.server, copy, size, room, &share.reply);
    free(copy);
    CHECK(share.reply.size + (uint64_t)share.reply.data_size <= room);
    CHECK(share.reply.size >= 7 && share.reply.size <= P9_REPLY_MAX);
    const char *data = share.reply.data;
    CHECK(!share.reply.data_size || (data >= archive && data <= archive + archive_size &&
                                     share.reply.data_size <= archive + archive_size - data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[sizeof(archive)];
    static struct file_tree good;
    if (archive_size == 0) {
        archive_example();
        memcpy(whole, archive, sizeof(archive));
        CHECK(file_tree_init(&good, archive, archive_size, nodes, 300));
    }
    virtio_fuzz_begin(data, size);
    memset(&share, 0, sizeof(share));
    unsigned damage = (unsigned)fuzz_take(1) % 64;
    share.server.tree = good;
    if (damage < 8) {
        static struct file_node other[300];
        for (unsigned i = damage; i > 0; i--)
            archive[fuzz_take(2) % archive_size] = (char)fuzz_take(1);
        uint32_t count = file_tree_count(archive, archive_size);
        if (count > 300 ||
            !file_tree_init(&share.server.tree, archive, archive_size, other, count)) {
            memcpy(archive, whole, sizeof(archive));
            return 0;
        }
    }
    CHECK(virtio_9p_init(&share, &driver_bus, &driver_ram, "tag"));
    virtio_fuzz_setup(&share.v);
    while (fuzz_left > 0)
        if (fuzz_take(1) & 3)
            request();
        else
            virtio_fuzz_step(&share.v);
    if (damage < 8)
        memcpy(archive, whole, sizeof(archive));
    return 0;
}
