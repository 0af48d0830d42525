// SPDX-License-Identifier: BSD-2-Clause
// ChaCha20 against RFC 8439, the pool with a known generator, with one that fails or is stuck, and
// with this machine's; the virtio entropy device in front of it.
// links: vmm/virtio_rng.c vmm/entropy.c vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_driver.h"
#include "virtio_rng.h"

static uint64_t counter;
static bool stuck, mute;

static bool generator(void *ctx, uint64_t *word)
{
    assert_ptr_equal(ctx, &counter);
    *word = stuck ? 77 : ++counter * 0x9e3779b97f4a7c15;
    return !mute;
}

static int setup(void **state)
{
    (void)state;
    counter = 0;
    stuck = mute = false;
    memset(driver_memory, 0, sizeof(driver_memory));
    return 0;
}

/* RFC 8439 A.1, vectors 1 to 3: those without a nonce. */
static void test_chacha20(void **state)
{
    static const uint8_t want[2][64] = {
        {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
         0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
         0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
         0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
         0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86},
        {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73,
         0x2d, 0x08, 0x0d, 0xcb, 0x0f, 0x29, 0xa0, 0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6,
         0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed, 0x29, 0xb7, 0x21, 0x76, 0x9c, 0xe6, 0x4e,
         0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5, 0x31, 0xed, 0x1f, 0x28,
         0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79, 0x4d, 0x6f},
    };
    static const uint32_t zero[8];
    uint8_t block[64];
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        chacha20_block(zero, i, block);
        assert_memory_equal(block, want[i], 64);
    }
    uint32_t one[8] = {[7] = 0x01000000}; /* vector 3 */
    chacha20_block(one, 1, block);
    static const uint8_t third[8] = {0x3a, 0xeb, 0x52, 0x24, 0xec, 0xf8, 0x49, 0x92};
    assert_memory_equal(block, third, 8);
}

static void test_pool(void **state)
{
    (void)state;
    struct entropy e;
    uint8_t a[200], b[200];
    uint32_t key[8];
    assert_true(entropy_init(&e, generator, &counter));
    memcpy(key, e.key, sizeof(key));
    memset(a, 0, sizeof(a));
    assert_true(entropy_fill(&e, a, 130));
    for (unsigned i = 130; i < 200; i++)
        assert_int_equal(a[i], 0);
    assert_memory_not_equal(a, a + 64, 64);
    assert_memory_not_equal(e.key, key, sizeof(key));
    assert_true(entropy_fill(&e, b, 130));
    assert_memory_not_equal(a, b, 64);
    assert_int_equal(counter, 12); /* 256 bits each time */
    mute = true;
    memset(b, 7, sizeof(b));
    assert_false(entropy_fill(&e, b, 10));
    assert_int_equal(b[0], 7);
    assert_false(entropy_init(&e, generator, &counter));
    mute = false;
    stuck = true;
    assert_false(entropy_init(&e, generator, &counter));
}

/* Only whether it says something plausible: not all machines have one. */
static void test_hardware(void **state)
{
    (void)state;
    struct entropy e;
    uint8_t bytes[4096];
    unsigned ones = 0;
    if (!entropy_init(&e, NULL, NULL))
        skip();
    assert_true(entropy_fill(&e, bytes, sizeof(bytes)));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        ones += (unsigned)__builtin_popcount(bytes[i]);
    assert_in_range(ones, 15384, 17384); /* 16384 +- 11 sigma */
}

static void test_device(void **state)
{
    static struct virtio_rng r;
    struct driver_queue q;
    struct vring_used_elem elem;
    uint8_t buf[8192];
    (void)state;
    assert_true(entropy_init(&r.entropy, generator, &counter));
    assert_true(virtio_rng_init(&r, &driver_bus, &driver_ram));
    assert_true(driver_negotiate(&r.v, UINT64_MAX));
    driver_queue(&r.v, &q, 0, 8);
    driver_ok(&r.v);
    const struct driver_piece pieces[] = {{DRIVER_DATA, 10, true}, {DRIVER_DATA + 100, 20, true}};
    driver_add(&q, pieces, 2);
    driver_kick(&q);
    assert_true(driver_used(&q, &elem));
    assert_int_equal(elem.len, 30);
    assert_int_not_equal(driver_memory[DRIVER_DATA] | driver_memory[DRIVER_DATA + 1], 0);
    const struct driver_piece large = {DRIVER_DATA, 100000, true};
    driver_add(&q, &large, 1);
    driver_kick(&q);
    assert_true(driver_used(&q, &elem));
    assert_int_equal(elem.len, VIRTIO_RNG_PIECE);
    mute = true;
    driver_add(&q, &large, 1);
    driver_kick(&q);
    assert_true(driver_used(&q, &elem));
    assert_int_equal(elem.len, 0);
    size_t n = virtio_device_ops.save(&r.v, buf, sizeof(buf));
    assert_true(n > 0 && virtio_device_ops.restore(&r.v, buf, n));
    assert_true(virtio_device_ops.info(&r.v, (char *)buf, sizeof(buf)) > 0);
    const struct driver_piece wrong = {DRIVER_DATA, 8, false};
    driver_add(&q, &wrong, 1);
    driver_kick(&q);
    assert_true(driver_status(&r.v) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_chacha20, setup),
        cmocka_unit_test_setup(test_pool, setup),
        cmocka_unit_test_setup(test_hardware, setup),
        cmocka_unit_test_setup(test_device, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
