// SPDX-License-Identifier: BSD-2-Clause
// 8042 and keyboard under random port accesses, typed bytes and time steps.
// links: vmm/ps2.c vmm/ps2_keys.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "ps2.h"

static struct ps2 ps2;

static uint64_t deadline(void *dev)
{
    return ((struct ps2 *)dev)->deadline;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    ps2_init(&ps2, &fuzz_clock, (struct irq_line){&fuzz_sink, 1}, NULL, NULL, NULL);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1), bytes[8];
        switch (op % 8) {
        case 0:
            ps2_command_ops.write(&ps2, 0, 1, fuzz_take(1));
            break;
        case 1:
            ps2_ops.write(&ps2, 0, 1, fuzz_take(1));
            break;
        case 2:
            ps2_command_ops.read(&ps2, 0, 1);
            break;
        case 3:
            ps2_ops.read(&ps2, 0, 1);
            break;
        case 4:
            for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)fuzz_take(1);
            CHECK(ps2_type(&ps2, bytes, op >> 5) <= op >> 5);
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, ps2_expire, &ps2);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&ps2_ops, &ps2);
            else
                ps2_ops.reset(&ps2);
        }
        CHECK(ps2.s.queued <= PS2_QUEUE && ps2.s.replies <= PS2_REPLIES &&
              ps2.s.typed_count <= PS2_TYPED);
    }
    return 0;
}
