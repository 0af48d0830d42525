// SPDX-License-Identifier: BSD-2-Clause
// Misdeeds with I/O ports.
#include "bad.h"

#define WRITES 20000

// Whether an access of four bytes could touch what ends the VM or garbles its output.
static bool keep_off(uint32_t port)
{
    static const uint16_t spared[] = {0x64, 0x92, 0x604, 0x605, 0xcf9};

    if (port + 3 >= COM1 && port <= COM1 + 7)
        return true;
    for (uint32_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
        if (port <= spared[i] && port + 3 >= spared[i])
            return true;
    return false;
}

static void access(uint16_t port)
{
    static uint8_t buffer[64];
    void *at = buffer;
    uint32_t n = 5;

    switch (rnd() % 8) {
    case 0:
        in8(port);
        break;
    case 1:
        in16(port);
        break;
    case 2:
        in32(port);
        break;
    case 3:
        out8(port, (uint8_t)rnd());
        break;
    case 4:
        out16(port, (uint16_t)rnd());
        break;
    case 5:
        out32(port, rnd());
        break;
    case 6:
        __asm__ volatile("rep outsw" : "+S"(at), "+c"(n) : "d"(port) : "memory");
        break;
    default:
        __asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(port) : "memory");
        break;
    }
}

void do_ports(void)
{
    for (uint32_t port = 0; port < 0x1100; port++)
        if (!keep_off(port)) {
            in8((uint16_t)port);
            in16((uint16_t)port);
            in32((uint16_t)port);
            out8((uint16_t)port, (uint8_t)rnd());
        }
    in32(0xffff); // runs over the end
    out32(0xfffe, 0);
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t port = rnd() % (i % 2 ? 0x1100 : 0xfffd);
        if (!keep_off(port))
            access((uint16_t)port);
    }
    print("ports done\n");
}

void do_ports_off(void)
{
    print("ports-off begins\n");
    for (;;)
        access((uint16_t)(rnd() % 0x1000));
}

void do_uart(void)
{
    for (uint32_t i = 0; i < WRITES; i++) {
        uint16_t port = COM1 + rnd() % 8;
        if (rnd() % 2)
            out8(port, (uint8_t)rnd());
        else
            in8(port);
    }
    out8(COM1 + 3, 3); // 8n1, no divisor latch
    out8(COM1 + 1, 0);
    out8(COM1 + 4, 0);
    out8(COM1 + 2, 0);
    print("\nuart done\n");
}
