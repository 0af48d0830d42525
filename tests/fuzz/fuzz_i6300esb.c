// SPDX-License-Identifier: BSD-2-Clause
// The watchdog under random register and configuration accesses and time steps.
// links: vmm/i6300esb.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "i6300esb.h"
#include "tests/unit/pci_fake.h"

static struct i6300esb dog;
static struct pci_bus bus;

static uint64_t deadline(void *dev)
{
    return ((struct i6300esb *)dev)->deadline;
}

static void bark(void *ctx)
{
    (void)ctx;
    CHECK(dog.s.stage == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    CHECK(i6300esb_init(&dog, &bus, &fuzz_clock, bark, NULL));
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
        case 1:
            i6300esb_ops.write(&dog, 0xc, 4, 0x80);
            i6300esb_ops.write(&dog, 0xc, 4, 0x86);
            fuzz_access(&i6300esb_ops, &dog, I6300ESB_SIZE, true);
            break;
        case 2:
            fuzz_access(&i6300esb_ops, &dog, I6300ESB_SIZE, op & 8);
            break;
        case 3:
            pci_fake_write(&dog.pci, 0x60, 2, fuzz_take(2));
            break;
        case 4:
            pci_fake_write(&dog.pci, 0x68, 1, op >> 4);
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, i6300esb_expire, &dog);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&i6300esb_ops, &dog);
            else
                i6300esb_ops.reset(&dog);
        }
        CHECK(dog.s.stage <= 2 && (dog.deadline == CLOCK_NEVER) == (dog.s.stage == 0));
    }
    return 0;
}
