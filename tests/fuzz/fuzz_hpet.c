// SPDX-License-Identifier: BSD-2-Clause
// The HPET under random register accesses, levels of the 8254 and the RTC, and time steps.
// links: vmm/hpet.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "hpet.h"

static struct hpet hpet;

static uint64_t deadline(void *dev)
{
    return ((const struct hpet *)dev)->deadline;
}

static void expire(void *dev, uint64_t now)
{
    hpet_expire(dev, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    hpet_init(&hpet, &fuzz_clock, &fuzz_sink);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0: { /* a register that is there */
            static const uint16_t reg[] = {0x10,  0x20,  0xf0,  0x100, 0x108,
                                           0x120, 0x128, 0x140, 0x148, 0xf4};
            unsigned bytes = op & 0x80 ? 8 : 4;
            hpet_ops.write(&hpet, reg[(op >> 3) % 10], bytes, fuzz_take(bytes));
            break;
        }
        case 1:
            hpet_ops.write(&hpet, 0x108 + 0x20 * (op >> 6) % 3, 8,
                           hpet_ops.read(&hpet, 0xf0, 8) + fuzz_take(2));
            break;
        case 2:
            hpet_ops.write(&hpet, 0x10, 4, op >> 4);
            break;
        case 3:
            fuzz_access(&hpet_ops, &hpet, HPET_SIZE, op & 0x80);
            break;
        case 4:
            irq_set(&hpet.legacy, op >> 4, op & 8);
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, expire, &hpet);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&hpet_ops, &hpet);
            else
                hpet_ops.reset(&hpet);
        }
        CHECK(!(hpet.lines & ~0xc101u));
    }
    return 0;
}
