// SPDX-License-Identifier: BSD-2-Clause
// The 8254 and port 0x61 under random programming and time steps.
// links: vmm/pit.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "pit.h"

static struct pit pit;

static uint64_t deadline(void *dev)
{
    return pit_deadline(dev);
}

static void expire(void *dev, uint64_t now)
{
    pit_expire(dev, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    pit_init(&pit, &fuzz_clock, (struct irq_line){&fuzz_sink, 0});
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
        case 1:
        case 2:
            fuzz_access(&pit_ops, &pit, 4, op & 0x80);
            break;
        case 3:
            fuzz_access(&pit_ops, &pit, 4, false);
            break;
        case 4:
            fuzz_access(&pit_port61_ops, &pit, 1, op & 0x80);
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, expire, &pit);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&pit_ops, &pit);
            else
                pit_ops.reset(&pit);
        }
        for (unsigned i = 0; i < 3; i++)
            CHECK(pit.s.channel[i].count >= 1 && pit.s.channel[i].count <= 65536);
    }
    return 0;
}
