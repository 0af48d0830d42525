// SPDX-License-Identifier: BSD-2-Clause
// Reset control at its three places: what asks for a reset and what does not, against a plain
// model; accesses to the doubleword that it shares with PCI go on to their owner; changed
// snapshots.
// links: vmm/reset.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "reset.h"

static struct reset reset;
static unsigned requests, passed;

static void request(void *ctx)
{
    CHECK(ctx == &reset);
    requests++;
}

static uint64_t config_read(void *dev, uint64_t offset, unsigned size)
{
    CHECK(dev == &passed && offset + size <= 4 && (offset != 1 || size != 1));
    return ++passed;
}

static void config_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)value;
    config_read(dev, offset, size);
}

static const struct device_ops config = {
    .name = "config", .read = config_read, .write = config_write, .width = 4};

static void check_write(const struct device_ops *ops, uint64_t offset, unsigned size,
                        uint64_t value)
{
    bool mine = ops != &reset_ops || (offset == 1 && size == 1);
    unsigned bit = ops == &reset_ops ? 4 : 1, before = requests, owner = passed;
    uint8_t old = ops == &reset_ops ? reset.control : reset.port92;
    bool asks = ops == &reset_port64_ops ? (value & 0xf1) == 0xf0 : value & bit && !(old & bit);

    ops->write(&reset, offset, size, value);
    CHECK(requests - before == (mine && asks) && passed - owner == !mine);
    CHECK(!(reset.control & ~0x0eu) && (reset.port92 & 0xfeu) == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct device_ops *const all[] = {&reset_ops, &reset_port92_ops,
                                                   &reset_port64_ops};

    fuzz_begin(data, size);
    reset_init(&reset, request, &reset);
    reset_set_config(&reset, &config, &passed);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        const struct device_ops *ops = all[op % 3];
        unsigned region = ops == &reset_ops ? 4 : 1;

        if (op == 255) {
            fuzz_snapshot(&reset_ops, &reset);
        } else if (op == 254) {
            reset_ops.reset(&reset);
        } else if (op & 128) {
            fuzz_access(ops, &reset, region, false);
        } else {
            unsigned width = region == 1 ? 1 : 1u << fuzz_take(1) % 3;
            uint64_t offset = fuzz_take(1) % (region - width + 1);
            check_write(ops, offset, width, fuzz_take(width));
        }
    }
    return 0;
}
