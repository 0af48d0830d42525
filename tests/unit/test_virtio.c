// SPDX-License-Identifier: BSD-2-Clause
// The virtio transport with a device that echoes: capabilities, status machine, features, queue
// set-up and reset, interrupts by MSI-X and INTx, the window in configuration space, snapshots.
// links: vmm/virtio.c vmm/virtio_pci.c vmm/virtqueue.c vmm/guest_memory.c vmm/device.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_driver.h"

struct echo {
    struct virtio_device v;
    uint8_t config[6];
    unsigned resets, starts, notifies, queue_resets;
    uint64_t refused; /* features that it does not take */
    bool full, flood;
    struct driver_piece piece[2];
    struct virtqueue_chain chain;
};

static struct echo echo;
static struct virtio_device *const v = &echo.v;
static struct driver_queue q;

#define FEATURE_X 5
#define ALL       UINT64_MAX
#define NO_EVENTS (ALL & ~(1ull << VIRTIO_RING_F_EVENT_IDX))

static bool negotiate(struct virtio_device *device)
{
    return !(device->features & echo.refused);
}

static void reset(struct virtio_device *device)
{
    assert_ptr_equal(device, v);
    echo.resets++;
}

static void start(struct virtio_device *device)
{
    assert_ptr_equal(device, v);
    echo.starts++;
}

static void queue_reset(struct virtio_device *device, unsigned queue)
{
    assert_ptr_equal(device, v);
    assert_int_equal(queue, 1);
    echo.queue_resets++;
}

static bool answer(struct virtio_device *device, unsigned queue, struct virtqueue_chain *chain)
{
    uint8_t buf[64];

    if (echo.full)
        return false;
    size_t n = virtqueue_read(chain, 0, buf, sizeof(buf));
    n = virtqueue_write(chain, 0, buf, n);
    virtqueue_push(&device->queue[queue], chain->head, (uint32_t)n);
    if (echo.flood) /* as another vCPU would */
        driver_add(&q, echo.piece, 2);
    return true;
}

static void notify(struct virtio_device *device, unsigned queue)
{
    echo.notifies++;
    virtio_serve(device, queue, &echo.chain, answer);
}

static void config_write(struct virtio_device *device, unsigned offset, unsigned size,
                         uint32_t value)
{
    memcpy(device->config + offset, &value, size);
}

static size_t save(struct virtio_device *device, void *buf, size_t size)
{
    (void)device;
    return snapshot_save(buf, size, 1234, &echo.starts, sizeof(echo.starts));
}

static bool restore(struct virtio_device *device, const void *buf, size_t size)
{
    (void)device;
    return snapshot_load(buf, size, 1234, &echo.starts, sizeof(echo.starts));
}

static const struct virtio_ops ops = {.name = "echo",
                                      .id = 42,
                                      .class_code = 0xff0000,
                                      .features = 1 << FEATURE_X,
                                      .negotiate = negotiate,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .start = start,
                                      .notify = notify,
                                      .config_write = config_write,
                                      .save = save,
                                      .restore = restore};

static int setup(void **state)
{
    (void)state;
    memset(&echo, 0, sizeof(echo));
    memset(driver_memory, 0, sizeof(driver_memory));
    memcpy(echo.config, "config", 6);
    assert_true(virtio_init(v, &ops, &driver_bus, &driver_ram, 2, 64, echo.config, 6));
    return 0;
}

static void run(uint64_t features)
{
    assert_true(driver_negotiate(v, features));
    driver_queue(v, &q, 1, 8);
    assert_true(v->queue[1].enabled);
    driver_ok(v);
}

static void request(void)
{
    memcpy(driver_memory + DRIVER_DATA, "echo", 4);
    const struct driver_piece pieces[] = {{DRIVER_DATA, 4, false}, {DRIVER_DATA + 16, 8, true}};
    driver_add(&q, pieces, 2);
    driver_kick(&q);
}

static void expect_echo(void)
{
    struct vring_used_elem elem;
    assert_true(driver_used(&q, &elem));
    assert_int_equal(elem.len, 4);
    assert_memory_equal(driver_memory + DRIVER_DATA + 16, "echo", 4);
    assert_false(driver_used(&q, &elem));
}

static void test_serve(void **state)
{
    (void)state;
    struct vring_used_elem elem;
    run(ALL);
    echo.full = true;
    request();
    assert_false(driver_used(&q, &elem));
    echo.full = false;
    notify(v, 1);
    expect_echo();
    /* A guest that adds faster than the device serves is interrupted by other work. */
    assert_int_equal(v->again_at, UINT64_MAX);
    echo.flood = true;
    echo.piece[0] = (struct driver_piece){DRIVER_DATA, 4, false};
    echo.piece[1] = (struct driver_piece){DRIVER_DATA + 16, 8, true};
    request();
    assert_int_equal(q.vring.used->idx, 1 + 4 * 8);
    assert_int_equal(v->again_at, 0);
    virtio_expire(v, 77);
    assert_int_equal(q.vring.used->idx, 1 + 8 * 8);
    assert_int_equal(v->again_at, 78);
    echo.flood = false;
    virtio_expire(v, 78);
    assert_int_equal(q.vring.used->idx, 1 + 8 * 8 + 1);
    assert_int_equal(v->again_at, UINT64_MAX);
}

/* The place of the capability of this type, as a driver searches it. */
static unsigned find(uint8_t type)
{
    const uint8_t *config = v->pci.config;
    for (unsigned at = config[PCI_CAPABILITY_LIST]; at; at = config[at + 1])
        if (config[at] == PCI_CAP_ID_VNDR && config[at + VIRTIO_PCI_CAP_CFG_TYPE] == type)
            return at;
    return 0;
}

static uint32_t config32(unsigned at)
{
    return (uint32_t)pci_fake_read(&v->pci, at, 4);
}

static void test_capabilities(void **state)
{
    (void)state;
    assert_int_equal(config32(0), 0x106a1af4); /* 0x1040 + 42 */
    assert_int_equal(v->pci.config[PCI_REVISION_ID], 1);
    static const uint32_t place[] = {0, VIRTIO_COMMON, VIRTIO_NOTIFY, VIRTIO_ISR, VIRTIO_CONFIG};
    static const uint32_t length[] = {0, VIRTIO_PCI_COMMON_SIZE, 8, 1, 6};
    for (uint8_t type = VIRTIO_PCI_CAP_COMMON_CFG; type <= VIRTIO_PCI_CAP_DEVICE_CFG; type++) {
        unsigned at = find(type);
        assert_int_not_equal(at, 0);
        assert_int_equal(v->pci.config[at + VIRTIO_PCI_CAP_LEN],
                         type == VIRTIO_PCI_CAP_NOTIFY_CFG ? 20 : 16);
        assert_int_equal(config32(at + VIRTIO_PCI_CAP_OFFSET), place[type]);
        assert_int_equal(config32(at + VIRTIO_PCI_CAP_LENGTH), length[type]);
    }
    assert_int_equal(config32(find(VIRTIO_PCI_CAP_NOTIFY_CFG) + 16), VIRTIO_MULTIPLIER);
    assert_int_equal(v->pci.msix.count, 3);
    pci_fake_full = true;
    assert_false(virtio_init(v, &ops, &driver_bus, &driver_ram, 2, 64, echo.config, 6));
    pci_fake_full = false;
    assert_false(
        virtio_init(v, &ops, &driver_bus, &driver_ram, VIRTIO_QUEUES_MAX + 1, 64, NULL, 0));
    assert_false(virtio_init(v, &ops, &driver_bus, &driver_ram, 1, 512, NULL, 0));
}

static void test_status(void **state)
{
    (void)state;
    unsigned resets = echo.resets;
    assert_int_equal(driver_status(v), 0);
    driver_set_status(v, VIRTIO_CONFIG_S_DRIVER_OK); /* not before the features */
    assert_int_equal(driver_status(v), 0);
    assert_int_equal(echo.starts, 0);
    driver_set_status(v, 0xff & ~VIRTIO_CONFIG_S_FEATURES_OK); /* the driver cannot set all bits */
    assert_int_equal(driver_status(v),
                     VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FAILED);
    driver_set_status(v, 0);
    assert_int_equal(driver_status(v), 0);
    assert_int_equal(echo.resets, resets + 1);
    run(ALL);
    assert_int_equal(driver_status(v), 15);
    assert_int_equal(echo.starts, 1);
    driver_set_status(v, 1); /* bits stay */
    driver_set_status(v, 15);
    assert_int_equal(driver_status(v), 15);
    assert_int_equal(echo.starts, 1);
}

static void test_features(void **state)
{
    (void)state;
    uint64_t known = 1ull << FEATURE_X | 1ull << VIRTIO_F_VERSION_1 |
                     1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |
                     1ull << VIRTIO_F_RING_RESET;
    assert_true(driver_negotiate(v, ALL));
    assert_int_equal(v->features, known);
    driver_write(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 0); /* too late */
    driver_write(v, VIRTIO_PCI_COMMON_GF, 4, 0);
    assert_int_equal(v->features, known);
    assert_false(driver_negotiate(v, known & ~(1ull << VIRTIO_F_VERSION_1)));
    echo.refused = 1 << FEATURE_X;
    assert_false(driver_negotiate(v, ALL));
    assert_true(driver_negotiate(v, ALL & ~echo.refused));
    driver_set_status(v, 0); /* what is not offered */
    driver_write(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    driver_write(v, VIRTIO_PCI_COMMON_GF, 4, 0xffffffff);
    driver_set_status(v, 11);
    assert_int_equal(driver_status(v), 3);
    driver_write(v, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_DF, 4), 0);
    driver_write(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 77);
    driver_write(v, VIRTIO_PCI_COMMON_GF, 4, 1);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_GF, 4), 0);
}

static void test_queue(void **state)
{
    (void)state;
    driver_queue(v, &q, 1, 8); /* before the features: refused */
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_int_equal(driver_status(v), 0);
    assert_true(driver_negotiate(v, ALL));
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
    driver_write(v, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
    driver_write(v, VIRTIO_PCI_COMMON_MSIX, 2, 2);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_MSIX, 2), 2);
    driver_queue(v, &q, 1, 8);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
    uint64_t used = v->queue[1].device;
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_USEDLO, 4), used);
    driver_write(v, VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0); /* fixed now */
    driver_write(v, VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    driver_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
    assert_int_equal(v->queue[1].device, used);
    assert_int_equal(v->queue[1].size, 8);
    assert_true(v->queue[1].enabled);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2); /* no such queue */
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    driver_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    driver_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0); /* one that cannot work */
    driver_write(v, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 1);
    driver_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    driver_set_status(v, 0);
    assert_int_equal(driver_status(v), 0);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0);
}

static void test_msix(void **state)
{
    (void)state;
    pci_fake_msix_on = true;
    run(NO_EVENTS);
    request();
    expect_echo();
    assert_int_equal(pci_fake_messages[2], 1);
    assert_false(v->pci.intx);
    assert_int_equal(driver_read(v, VIRTIO_ISR, 1), 0);
    q.vring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    request();
    assert_int_equal(pci_fake_messages[2], 1);
    driver_write(v, VIRTIO_PCI_COMMON_MSIX, 2, 0);
    virtio_notify_config(v);
    assert_int_equal(pci_fake_messages[0], 1);
}

static void test_intx(void **state)
{
    (void)state;
    run(NO_EVENTS);
    request();
    assert_true(v->pci.intx);
    assert_int_equal(driver_read(v, VIRTIO_ISR, 1), 1);
    assert_false(v->pci.intx);
    uint8_t generation = (uint8_t)driver_read(v, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
    request();
    virtio_notify_config(v);
    assert_int_not_equal(driver_read(v, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
    assert_int_equal(driver_read(v, VIRTIO_ISR, 1), 3);
    assert_false(v->pci.intx);
    request();
    driver_set_status(v, 0);
    assert_false(v->pci.intx);
    assert_int_equal(driver_read(v, VIRTIO_ISR, 1), 0);
}

/* One interrupt for what one notification brought, where the driver wants it. */
static void test_event_index(void **state)
{
    (void)state;
    pci_fake_msix_on = true;
    run(ALL);
    const struct driver_piece pieces[] = {{DRIVER_DATA, 4, false}, {DRIVER_DATA + 16, 8, true}};
    vring_used_event(&q.vring) = 2;
    for (unsigned i = 0; i < 3; i++)
        driver_add(&q, pieces, 2);
    driver_kick(&q);
    assert_int_equal(pci_fake_messages[2], 1);
    request();
    assert_int_equal(pci_fake_messages[2], 1);
}

static void test_kicks(void **state)
{
    (void)state;
    run(ALL);
    request();
    assert_int_equal(echo.notifies, 1);
    driver_write(v, VIRTIO_NOTIFY, 2, 0); /* queue 0 is not enabled */
    driver_write(v, VIRTIO_NOTIFY + 8, 2, 2);
    driver_write(v, VIRTIO_NOTIFY + 0xffc, 4, 1);
    assert_int_equal(echo.notifies, 1);
    v->pci.config[PCI_COMMAND] = 0; /* may not reach memory */
    request();
    assert_int_equal(echo.notifies, 1);
    pci_fake_write(&v->pci, PCI_STATUS, 2, 0xffff);
    assert_int_equal(v->again_at, UINT64_MAX);
    pci_fake_write(&v->pci, PCI_COMMAND, 2, PCI_COMMAND_MASTER); /* what came meanwhile counts */
    assert_int_equal(v->again_at, 0);
    virtio_expire(v, 1);
    assert_int_equal(echo.notifies, 2);
    assert_int_equal(v->again_at, UINT64_MAX);
    assert_true(driver_negotiate(v, ALL));
    driver_queue(v, &q, 1, 8);
    request(); /* before DRIVER_OK: not now, but then */
    assert_int_equal(echo.notifies, 2);
    pci_fake_write(&v->pci, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    virtio_expire(v, 1); /* HAZARD: nor again and again until then */
    assert_int_equal(v->again_at, UINT64_MAX);
    assert_int_equal(v->again_at, UINT64_MAX);
    driver_ok(v);
    assert_int_equal(v->again_at, 0);
    virtio_expire(v, 1);
    assert_int_equal(echo.notifies, 3);
}

static void test_broken(void **state)
{
    (void)state;
    pci_fake_msix_on = true;
    run(ALL);
    driver_write(v, VIRTIO_PCI_COMMON_MSIX, 2, 0);
    driver_offer(&q, 99);
    driver_kick(&q);
    assert_true(v->queue[1].broken);
    assert_true(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    assert_int_equal(pci_fake_messages[0], 1);
    driver_kick(&q);
    assert_int_equal(echo.notifies, 1);
    run(ALL); /* a reset makes it good */
    assert_false(driver_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    request();
    expect_echo();
}

static void test_queue_reset(void **state)
{
    (void)state;
    run(ALL);
    request();
    driver_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    driver_write(v, VIRTIO_PCI_QUEUE_RESET_OFFSET, 2, 1);
    assert_int_equal(driver_read(v, VIRTIO_PCI_QUEUE_RESET_OFFSET, 2), 0);
    assert_int_equal(driver_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_int_equal(echo.queue_resets, 1);
    driver_queue(v, &q, 1, 16);
    assert_true(v->queue[1].enabled && v->queue[1].event_idx && v->queue[1].indirect);
    request();
    expect_echo();
    run(ALL & ~(1ull << VIRTIO_F_RING_RESET)); /* only if negotiated */
    driver_write(v, VIRTIO_PCI_QUEUE_RESET_OFFSET, 2, 1);
    assert_true(v->queue[1].enabled);
}

static void test_config(void **state)
{
    (void)state;
    assert_int_equal(driver_read(v, VIRTIO_CONFIG, 4), 0x666e6f63);
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 5, 1), 'g');
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 4, 4), 0); /* across the end */
    assert_int_equal(driver_read(v, VIRTIO_CONFIG + 6, 1), 0);
    driver_write(v, VIRTIO_CONFIG + 4, 4, 0x41414141);
    driver_write(v, VIRTIO_CONFIG + 5, 1, 'G');
    assert_memory_equal(echo.config, "confiG", 6);
}

static void window(unsigned at, uint8_t bar, uint32_t offset, uint32_t length)
{
    pci_fake_write(&v->pci, at + VIRTIO_PCI_CAP_BAR, 1, bar);
    pci_fake_write(&v->pci, at + VIRTIO_PCI_CAP_OFFSET, 4, offset);
    pci_fake_write(&v->pci, at + VIRTIO_PCI_CAP_LENGTH, 4, length);
}

static void test_window(void **state)
{
    (void)state;
    unsigned at = find(VIRTIO_PCI_CAP_PCI_CFG), data = at + 16;
    window(at, 0, VIRTIO_CONFIG, 4);
    assert_int_equal(config32(data), 0x666e6f63);
    window(at, 0, VIRTIO_CONFIG + 1, 1);
    assert_int_equal(pci_fake_read(&v->pci, data, 1), 'o');
    pci_fake_write(&v->pci, data, 1, 'O');
    assert_memory_equal(echo.config, "cOnfig", 6);
    window(at, 0, VIRTIO_PCI_COMMON_STATUS, 1);
    pci_fake_write(&v->pci, data, 1, 1);
    assert_int_equal(driver_status(v), 1);
    window(at, 0, VIRTIO_PCI_COMMON_NUMQ, 2);
    assert_int_equal(pci_fake_read(&v->pci, data, 2), 2);
    static const uint32_t bad[][3] = {
        {1, 0, 4},  {0, VIRTIO_BAR_SIZE, 4}, {0, 1, 2}, {0, 2, 4}, {0, 0, 0}, {0, 0, 3}, {0, 0, 8},
        {0, 0, ~0u}};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        window(at, (uint8_t)bad[i][0], bad[i][1], bad[i][2]);
        config32(data);
        pci_fake_write(&v->pci, data, 4, 0);
    }
    assert_int_equal(driver_status(v), 1);
}

static void test_snapshot(void **state)
{
    static uint8_t buf[8192], text[1000];
    (void)state;
    run(ALL);
    request();
    size_t n = virtio_device_ops.save(v, buf, sizeof(buf));
    assert_true(n > 0);
    for (size_t size = 0; size < n; size += 13)
        assert_int_equal(virtio_device_ops.save(v, text, size < sizeof(text) ? size : 0), 0);
    struct virtio_device before = *v;
    virtio_device_ops.reset(v);
    echo.starts = 0;
    assert_true(virtio_device_ops.restore(v, buf, n));
    assert_int_equal(echo.starts, 1);
    assert_int_equal(v->again_at, 0); /* looks at once whether something waits */
    virtio_expire(v, 1);
    assert_memory_equal(&before, v, sizeof(before));
    assert_true(v->pci.intx);
    struct vring_used_elem elem;
    assert_true(driver_used(&q, &elem));
    request(); /* the queue goes on where it was */
    expect_echo();
    assert_false(virtio_device_ops.restore(v, buf, n - 1));
    assert_false(virtio_device_ops.restore(v, buf, 8));
    assert_false(virtio_device_ops.restore(v, buf, 0));
    buf[8] ^= 1; /* the device's id */
    assert_false(virtio_device_ops.restore(v, buf, n));
    size_t length = virtio_device_ops.info(v, (char *)text, sizeof(text));
    assert_int_equal(length, strlen((char *)text));
    assert_non_null(strstr((char *)text, "queue 1: size 8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_capabilities, setup),
        cmocka_unit_test_setup(test_status, setup),
        cmocka_unit_test_setup(test_features, setup),
        cmocka_unit_test_setup(test_queue, setup),
        cmocka_unit_test_setup(test_msix, setup),
        cmocka_unit_test_setup(test_intx, setup),
        cmocka_unit_test_setup(test_event_index, setup),
        cmocka_unit_test_setup(test_serve, setup),
        cmocka_unit_test_setup(test_kicks, setup),
        cmocka_unit_test_setup(test_broken, setup),
        cmocka_unit_test_setup(test_queue_reset, setup),
        cmocka_unit_test_setup(test_config, setup),
        cmocka_unit_test_setup(test_window, setup),
        cmocka_unit_test_setup(test_snapshot, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
