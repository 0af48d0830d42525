// SPDX-License-Identifier: BSD-2-Clause
// The MC146818 under random register accesses and time steps.
// links: vmm/rtc.c vmm/rtc_time.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "rtc.h"

static struct rtc rtc;

static uint64_t deadline(void *dev)
{
    return rtc_deadline(dev);
}

static void expire(void *dev, uint64_t now)
{
    rtc_expire(dev, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    rtc_init(&rtc, &fuzz_clock, (struct irq_line){&fuzz_sink, 8}, (int32_t)fuzz_take(4));
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0: /* a register of the clock, more often than CMOS memory */
        case 1:
        case 2:
            rtc_ops.write(&rtc, 0, 1, op >> 4);
            fuzz_access(&rtc_ops, &rtc, 2, op & 8);
            break;
        case 3:
            fuzz_access(&rtc_ops, &rtc, 2, op & 0x80);
            break;
        case 4:
            rtc_ops.write(&rtc, 0, 1, 0x0b);
            rtc_ops.write(&rtc, 1, 1, fuzz_take(1));
            break;
        case 5:
        case 6:
            fuzz_pass(deadline, expire, &rtc);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&rtc_ops, &rtc);
            else
                rtc_ops.reset(&rtc);
        }
        CHECK(rtc.s.index < RTC_BYTES);
    }
    return 0;
}
