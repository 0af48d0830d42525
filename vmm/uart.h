// SPDX-License-Identifier: BSD-2-Clause
// A 16550A serial port, after the National PC16550D data sheet. The line is infinitely fast: a byte
// that is written has left at once, and received data below the trigger level time out at once, as
// the caller hands over all that it has. Sent bytes are gathered and handed on in pieces.
#ifndef VMM_UART_H
#define VMM_UART_H

#include "clock.h"
#include "device.h"
#include "irq.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_COM1_PORT 0x3f8
#define UART_COM2_PORT 0x2f8
#define UART_FIFO      16
#define UART_TX_BUFFER 256

/* Sent bytes are handed on at the latest after this part of a second (1 ms). */
#define UART_FLUSH_HZ 1000

struct uart_state {
    uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
    uint8_t overrun;      /* LSR bit 1 */
    uint8_t thre_pending; /* the transmitter's interrupt, until IIR is read or THR written */
    uint8_t rx_head, rx_count;
    uint8_t rx[UART_FIFO];
    uint8_t rx_error[UART_FIFO]; /* LSR bits 2..4 of each byte */
};

struct uart {
    struct uart_state s;
    bool irq_level;
    const struct clock *clock;
    struct irq_line irq;
    void (*tx)(void *ctx, const uint8_t *bytes, size_t n); /* takes what was sent; may be NULL */
    void (*rx_ready)(void *ctx); /* the guest emptied the FIFO: call uart_receive; may be NULL */
    void *ctx;
    uint64_t flush_at; /* when the gathered bytes are due, CLOCK_NEVER when there are none */
    unsigned tx_count;
    uint8_t tx_buffer[UART_TX_BUFFER];
};

extern const struct device_ops uart_ops; /* 8 ports */

/* Connects and resets a port. `tx` and `rx_ready` may be NULL. */
void uart_init(struct uart *uart, const struct clock *clock, struct irq_line irq,
               void (*tx)(void *ctx, const uint8_t *bytes, size_t n), void (*rx_ready)(void *ctx),
               void *ctx);

/* Offers received bytes; returns how many were taken, the others stay with the caller. */
size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n);

/* A break on the line (Linux's SysRq); false when the FIFO is full. */
bool uart_receive_break(struct uart *uart);

/* Hands the gathered bytes on now, e.g. before the vmm waits. */
void uart_flush(struct uart *uart);

/* When uart_expire() is to be called; CLOCK_NEVER when nothing is gathered. */
static inline uint64_t uart_deadline(const struct uart *uart)
{
    return uart->flush_at;
}

/* Flushes when that is due. */
void uart_expire(struct uart *uart, uint64_t now);

#endif
