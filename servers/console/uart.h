// SPDX-License-Identifier: BSD-2-Clause
// Driver of the machine's first serial port, a 16550 at I/O port 0x3f8: 115200 baud, 8 data bits,
// no parity, 1 stop bit.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO  16 // bytes of the transmit FIFO
#define UART_PORT  0x3f8
#define UART_PORTS 8
#define UART_GSI   4 // ISA interrupt, edge-triggered

// Resets the port with receive interrupts on; false when nothing answers there.
bool uart_init(void);

// Takes up to n received bytes without waiting.
uint32_t uart_receive(uint8_t *to, uint32_t n);

// How many bytes uart_send takes now: UART_FIFO when it is empty, else 0.
uint32_t uart_room(void);
void uart_send(const uint8_t *bytes, uint32_t n);

// Whether an interrupt shall tell that there is room again.
void uart_want_room(bool want);

// Takes note of the causes of an interrupt. HAZARD: the line is edge-triggered, so a cause left
// standing keeps it high for ever; call again after receiving, until it gives false (bounded by the
// caller).
bool uart_interrupt(void);
