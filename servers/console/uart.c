// SPDX-License-Identifier: BSD-2-Clause
// 16550 driver, after the data sheet of the PC16550D. Runs in user mode: the ports are in the
// task's I/O bitmap.

#include "uart.h"

#include <linux/serial_reg.h>

#define DIVISOR_115200 1

static uint8_t interrupts; // what the interrupt enable register holds

static uint8_t in(unsigned reg)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(UART_PORT + reg)));
    return value;
}

static void out(unsigned reg, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(UART_PORT + reg)));
}

bool uart_init(void)
{
    out(UART_IER, 0);
    out(UART_SCR, 0x5a); // an absent port reads all ones
    if (in(UART_SCR) != 0x5a || in(UART_LSR) == 0xff)
        return false;
    out(UART_LCR, UART_LCR_DLAB);
    out(UART_DLL, DIVISOR_115200);
    out(UART_DLM, 0);
    out(UART_LCR, UART_LCR_WLEN8);
    out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_TRIGGER_8);
    out(UART_MCR,
        UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2); // OUT2 connects the interrupt line on a PC
    interrupts = UART_IER_RDI;
    out(UART_IER, interrupts);
    return true;
}

uint32_t uart_receive(uint8_t *to, uint32_t n)
{
    uint32_t got = 0;

    while (got < n && (in(UART_LSR)&UART_LSR_DR) != 0)
        to[got++] = in(UART_RX);
    return got;
}

uint32_t uart_room(void)
{
    return (in(UART_LSR)&UART_LSR_THRE) != 0 ? UART_FIFO : 0;
}

void uart_send(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out(UART_TX, bytes[i]);
}

void uart_want_room(bool want)
{
    uint8_t value = want ? UART_IER_RDI | UART_IER_THRI : UART_IER_RDI;

    if (value == interrupts)
        return;
    interrupts = value;
    out(UART_IER, value); // setting THRI while the FIFO is empty interrupts at once
}

bool uart_interrupt(void)
{
    uint8_t cause = in(UART_IIR); // reading it ends a transmit interrupt

    return (cause & UART_IIR_NO_INT) == 0 && cause != 0xff;
}
