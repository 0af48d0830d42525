// SPDX-License-Identifier: BSD-2-Clause
// Debug output port: any bytes, resets, changed snapshots; what is logged is one printable line.
// links: vmm/debug_port.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "debug_port.h"

static struct debug_port port;

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    CHECK(strlen(line) <= DEBUG_PORT_LINE + 7);
    for (; *line; line++)
        CHECK(*line >= ' ' && *line <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    debug_port_init(&port, "debug", log_line, NULL);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op == 0)
            fuzz_snapshot(&debug_port_ops, &port);
        else if (op == 1)
            debug_port_ops.reset(&port);
        else if (op < 0x20)
            for (unsigned i = 0; i < op; i++)
                debug_port_ops.write(&port, 0, 1, 'a');
        else
            fuzz_access(&debug_port_ops, &port, 1, true);
        CHECK(port.length < DEBUG_PORT_LINE && strlen(port.line) == port.length);
    }
    return 0;
}
