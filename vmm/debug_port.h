// SPDX-License-Identifier: BSD-2-Clause
// Debug output by port, as Bochs and QEMU have it: a byte written to 0xe9 or 0x402 is a character
// of a message, and a read returns 0xe9, which tells a guest that somebody listens. Lines go to the
// VM's log.
#ifndef VMM_DEBUG_PORT_H
#define VMM_DEBUG_PORT_H

#include "device.h"

#define DEBUG_PORT_BOCHS    0xe9
#define DEBUG_PORT_FIRMWARE 0x402
#define DEBUG_PORT_LINE     120

struct debug_port {
    char line[DEBUG_PORT_LINE + 1]; /* ends with NUL */
    unsigned length;
    const char *prefix; /* of each line, at most 15 characters */
    void (*log)(void *ctx, const char *line);
    void *ctx;
};

extern const struct device_ops debug_port_ops; /* 1 port */

/* Connects; `prefix` must stay valid. Lines longer than DEBUG_PORT_LINE are split. */
void debug_port_init(struct debug_port *port, const char *prefix,
                     void (*log)(void *ctx, const char *line), void *ctx);

#endif
