// SPDX-License-Identifier: BSD-2-Clause
// The 8259 pair under random register accesses, line changes, acknowledges and changed snapshots.
// links: vmm/pic.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "pic.h"

static struct pic pic;
static bool level;

static void intr(void *ctx, bool value)
{
    (void)ctx;
    CHECK(value != level); /* only changes are told */
    level = value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    level = false;
    pic_init(&pic, intr, NULL);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        bool write = op & 0x80;
        switch (op % 8) {
        case 0:
        case 1:
            fuzz_access(&pic_ops, &pic, 2, write);
            break;
        case 2:
            fuzz_access(&pic_slave_ops, &pic, 2, write);
            break;
        case 3:
            fuzz_access(&pic_elcr_ops, &pic, 2, write);
            break;
        case 4:
        case 5:
            pic_set(&pic, (unsigned)fuzz_take(1) % 20, write);
            break;
        case 6:
            pic_ack(&pic);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&pic_ops, &pic);
            else
                pic_ops.reset(&pic);
        }
        CHECK((pic_pending(&pic) != 0) == level);
        for (unsigned i = 0; i < 2; i++)
            CHECK(pic.s.chip[i].lowest < 8);
    }
    return 0;
}
