// SPDX-License-Identifier: BSD-2-Clause
// isa-debug-exit and pvpanic: one event for each write that means one, and the status that the
// guest wrote.
// links: vmm/guest_panic.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "guest_panic.h"

static uint64_t status;
static unsigned exits, panics, crash_kernels;

static void exited(void *ctx, uint64_t value)
{
    (void)ctx;
    status = value;
    exits++;
}

static void panicked(void *ctx)
{
    (void)ctx;
    panics++;
}

static void crash_loaded(void *ctx)
{
    (void)ctx;
    crash_kernels++;
}

static struct guest_panic panic = {exited, panicked, crash_loaded, NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    exits = panics = crash_kernels = 0;
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        unsigned before = panics + crash_kernels, width = 1u << op % 4 % 3;
        uint64_t value = fuzz_take(width);

        if (op & 128) {
            fuzz_access(op & 64 ? &debug_exit_ops : &pvpanic_ops, &panic, 1, false);
        } else if (op & 64) {
            unsigned ends = exits;
            debug_exit_ops.write(&panic, fuzz_take(1) % (DEBUG_EXIT_SIZE - width + 1), width,
                                 value);
            CHECK(exits == ends + 1 && status == value * 2 + 1);
        } else {
            unsigned was = panics;
            pvpanic_ops.write(&panic, 0, 1, value & 0xff);
            CHECK(panics + crash_kernels - before == ((value & 3) != 0));
            CHECK(panics - was == (value & PVPANIC_PANICKED));
        }
    }
    return 0;
}
