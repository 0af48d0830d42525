// SPDX-License-Identifier: BSD-2-Clause
// The 16550A under random register accesses, received data and time steps; what leaves it is what
// was written while not in loopback, in order.
// links: vmm/uart.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "uart.h"

static struct uart uart;
static uint8_t expected[1 << 16];
static size_t written, sent;

static void tx(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    CHECK(n > 0 && n <= written - sent);
    CHECK(memcmp(expected + sent, bytes, n) == 0);
    sent += n;
}

/* Offers more data from inside, as a vmm would. */
static void ready(void *ctx)
{
    (void)ctx;
    if (fuzz_left % 2)
        uart_receive(&uart, (const uint8_t *)"again", 5);
}

static uint64_t deadline(void *dev)
{
    return uart_deadline(dev);
}

static void expire(void *dev, uint64_t now)
{
    uart_expire(dev, now);
}

static void transmit(void)
{
    uint8_t byte = (uint8_t)fuzz_take(1);
    if (!(uart.s.lcr & 0x80) && !(uart.s.mcr & 0x10) && written < sizeof(expected))
        expected[written++] = byte;
    else if (written == sizeof(expected))
        return;
    uart_ops.write(&uart, 0, 1, byte);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    written = 0;
    sent = 0;
    uart_init(&uart, &fuzz_clock, (struct irq_line){&fuzz_sink, 4}, tx, ready, NULL);
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        switch (op % 8) {
        case 0:
        case 1:
            uart_ops.write(&uart, 1 + fuzz_take(1) % 7, 1, fuzz_take(1));
            break;
        case 2:
        case 3:
            fuzz_access(&uart_ops, &uart, 8, false);
            break;
        case 4:
            transmit();
            break;
        case 5: {
            uint8_t bytes[32];
            size_t n = op >> 3;
            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)fuzz_take(1);
            CHECK(uart_receive(&uart, bytes, n) <= n);
            if (op & 0x80)
                uart_receive_break(&uart);
            break;
        }
        case 6:
            fuzz_pass(deadline, expire, &uart);
            break;
        default:
            if (op & 0x40)
                fuzz_snapshot(&uart_ops, &uart);
            else
                uart_ops.reset(&uart);
        }
        CHECK(uart.s.rx_count <= UART_FIFO && uart.s.rx_head < UART_FIFO);
        CHECK(uart.tx_count < UART_TX_BUFFER);
    }
    uart_flush(&uart);
    CHECK(sent == written);
    return 0;
}
