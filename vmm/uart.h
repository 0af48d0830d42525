// SPDX-License-Identifier: BSD-2-Clause
// A 16550A serial port, after the National PC16550D data sheet. The line is fast: there is always
// room for a byte to send, and received data below the trigger level time out at once, as the
// caller hands over all that it has. Sent bytes are gathered and handed on in pieces.
//
// Only the transmitter's interrupt takes time, UART_SEND_HZ: were it immediate, a driver such as
// Linux's would be interrupted for each few bytes that its writer gives it, five exits each time.
// In that time the writer fills the driver's buffer, and the FIFO is filled as a whole.
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

/* A transmitter that began to send is empty after this part of a second (0.1 ms). */
#define UART_SEND_HZ 10000

/* IER: the transmitter's interrupt. */
#define UART_IER_SENT 0x02

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
    uint64_t sent_at;  /* when the transmitter is empty; CLOCK_NEVER: it is */
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

/* When uart_expire() is to be called; CLOCK_NEVER when nothing is due. */
static inline uint64_t uart_deadline(const struct uart *uart)
{
    bool wanted = uart->s.ier & UART_IER_SENT;

    return wanted && uart->sent_at < uart->flush_at ? uart->sent_at : uart->flush_at;
}

/* Does what is due: flushes, interrupts. */
void uart_expire(struct uart *uart, uint64_t now);

#endif
