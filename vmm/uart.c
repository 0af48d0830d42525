// SPDX-License-Identifier: BSD-2-Clause
// 16550A. The interrupt output passes through OUT2 of the modem control register, as on every PC.
#include "uart.h"

#include <stdio.h>
#include <string.h>

enum { /* registers */
       RBR_THR = 0,
       IER = 1,
       IIR_FCR = 2,
       LCR = 3,
       MCR = 4,
       LSR = 5,
       MSR = 6,
       SCR = 7,
};

#define IER_RX     0x01
#define IER_THRE   UART_IER_SENT
#define IER_LINE   0x04
#define IER_MODEM  0x08
#define FCR_ENABLE 0x01
#define LCR_DLAB   0x80
#define MCR_DTR    0x01
#define MCR_RTS    0x02
#define MCR_OUT1   0x04
#define MCR_OUT2   0x08
#define MCR_LOOP   0x10
#define LSR_DR     0x01
#define LSR_OE     0x02
#define LSR_BI     0x10
#define LSR_THRE   0x20 /* always */
#define LSR_TEMT   0x40
#define LSR_FIFOE  0x80
#define LSR_ERRORS 0x1e

#define IIR_NONE    0x01
#define IIR_MODEM   0x00
#define IIR_THRE    0x02
#define IIR_RX      0x04
#define IIR_LINE    0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO    0xc0

/* A terminal is there: clear to send, data set ready, carrier. */
#define MSR_CONNECTED 0xb0
#define MSR_DELTAS    0x0f

static unsigned capacity(const struct uart *uart)
{
    return uart->s.fcr & FCR_ENABLE ? UART_FIFO : 1;
}

static unsigned trigger_level(const struct uart *uart)
{
    static const uint8_t level[4] = {1, 4, 8, 14};
    return uart->s.fcr & FCR_ENABLE ? level[uart->s.fcr >> 6] : 1;
}

static uint8_t line_status(const struct uart *uart)
{
    uint8_t lsr = uart->sent_at == CLOCK_NEVER ? LSR_THRE | LSR_TEMT : LSR_THRE;
    if (uart->s.overrun)
        lsr |= LSR_OE;
    if (uart->s.rx_count != 0)
        lsr |= LSR_DR | uart->s.rx_error[uart->s.rx_head];
    if (uart->s.fcr & FCR_ENABLE) {
        for (unsigned i = 0; i < uart->s.rx_count; i++)
            if (uart->s.rx_error[(uart->s.rx_head + i) % UART_FIFO])
                lsr |= LSR_FIFOE;
    }
    return lsr;
}

/* The interrupt with the highest priority that is enabled. */
static uint8_t interrupt_id(const struct uart *uart)
{
    uint8_t ier = uart->s.ier;
    if (ier & IER_LINE && line_status(uart) & LSR_ERRORS)
        return IIR_LINE;
    if (ier & IER_RX && uart->s.rx_count != 0)
        return uart->s.rx_count >= trigger_level(uart) ? IIR_RX : IIR_TIMEOUT;
    if (ier & IER_THRE && uart->s.thre_pending)
        return IIR_THRE;
    if (ier & IER_MODEM && uart->s.msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct uart *uart)
{
    bool level = uart->s.mcr & MCR_OUT2 && interrupt_id(uart) != IIR_NONE;
    if (level == uart->irq_level)
        return;
    uart->irq_level = level;
    irq_line_set(&uart->irq, level);
}

static void push(struct uart *uart, uint8_t byte, uint8_t error)
{
    if (uart->s.rx_count >= capacity(uart)) {
        uart->s.overrun = 1;
        if (!(uart->s.fcr & FCR_ENABLE)) /* without FIFO the new byte replaces the old one */
            uart->s.rx[uart->s.rx_head] = byte;
        return;
    }
    unsigned at = (uart->s.rx_head + uart->s.rx_count) % UART_FIFO;
    uart->s.rx[at] = byte;
    uart->s.rx_error[at] = error;
    uart->s.rx_count++;
}

static uint8_t pop(struct uart *uart)
{
    if (uart->s.rx_count == 0)
        return 0;
    uint8_t byte = uart->s.rx[uart->s.rx_head];
    uart->s.rx_error[uart->s.rx_head] = 0;
    uart->s.rx_head = (uint8_t)((uart->s.rx_head + 1) % UART_FIFO);
    uart->s.rx_count--;
    return byte;
}

static void clear_rx(struct uart *uart)
{
    uart->s.rx_head = 0;
    uart->s.rx_count = 0;
    memset(uart->s.rx_error, 0, sizeof(uart->s.rx_error));
}

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n)
{
    size_t taken = 0;
    if (uart->s.mcr & MCR_LOOP)
        return 0; /* the receiver listens to the transmitter */
    while (taken < n && uart->s.rx_count < capacity(uart))
        push(uart, bytes[taken++], 0);
    if (taken != 0)
        update_irq(uart);
    return taken;
}

bool uart_receive_break(struct uart *uart)
{
    if (uart->s.mcr & MCR_LOOP || uart->s.rx_count >= capacity(uart))
        return false;
    push(uart, 0, LSR_BI);
    update_irq(uart);
    return true;
}

void uart_flush(struct uart *uart)
{
    unsigned n = uart->tx_count;
    uart->tx_count = 0;
    uart->flush_at = CLOCK_NEVER;
    if (n != 0 && uart->tx != NULL)
        uart->tx(uart->ctx, uart->tx_buffer, n);
}

static void end_sending(struct uart *uart)
{
    if (uart->sent_at == CLOCK_NEVER)
        return;
    uart->sent_at = CLOCK_NEVER;
    uart->s.thre_pending = 1;
    update_irq(uart);
}

/* Nobody is told of the end while the interrupt is off: it is found when it matters. */
static void look_at_time(struct uart *uart)
{
    if (uart->sent_at != CLOCK_NEVER && clock_now(uart->clock) >= uart->sent_at)
        end_sending(uart);
}

void uart_expire(struct uart *uart, uint64_t now)
{
    if (now >= uart->flush_at)
        uart_flush(uart);
    if (now >= uart->sent_at)
        end_sending(uart);
}

static void transmit(struct uart *uart, uint8_t byte)
{
    if (uart->s.mcr & MCR_LOOP) {
        uart->s.thre_pending = 1; /* it has arrived already */
        push(uart, byte, 0);
        update_irq(uart);
        return;
    }
    uart->s.thre_pending = 0;
    uint64_t now = clock_now(uart->clock);
    if (uart->sent_at == CLOCK_NEVER || now >= uart->sent_at)
        uart->sent_at = clock_add(now, uart->clock->hz / UART_SEND_HZ);
    update_irq(uart);
    if (uart->tx_count == 0)
        uart->flush_at = clock_add(now, uart->clock->hz / UART_FLUSH_HZ);
    uart->tx_buffer[uart->tx_count++] = byte;
    if (uart->tx_count == UART_TX_BUFFER)
        uart_flush(uart);
}

static uint64_t read_iir(struct uart *uart)
{
    uint8_t id = interrupt_id(uart);
    if (id == IIR_THRE) {
        uart->s.thre_pending = 0;
        update_irq(uart);
    }
    return uart->s.fcr & FCR_ENABLE ? id | IIR_FIFO : id;
}

static uint64_t read_rbr(struct uart *uart)
{
    bool had = uart->s.rx_count != 0;
    uint8_t byte = pop(uart);
    update_irq(uart);
    if (had && uart->s.rx_count == 0 && uart->rx_ready != NULL)
        uart->rx_ready(uart->ctx);
    return byte;
}

static uint64_t read_lsr(struct uart *uart)
{
    look_at_time(uart);
    uint8_t lsr = line_status(uart);
    if (lsr & LSR_ERRORS) { /* reading clears them, for the byte on top */
        uart->s.overrun = 0;
        uart->s.rx_error[uart->s.rx_head] = 0;
        update_irq(uart);
    }
    return lsr;
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    struct uart *uart = dev;
    bool dlab = uart->s.lcr & LCR_DLAB;
    switch (offset & 7) {
    case RBR_THR:
        return dlab ? uart->s.dll : read_rbr(uart);
    case IER:
        return dlab ? uart->s.dlm : uart->s.ier;
    case IIR_FCR:
        return read_iir(uart);
    case LCR:
        return uart->s.lcr;
    case MCR:
        return uart->s.mcr;
    case LSR:
        return read_lsr(uart);
    case MSR: {
        uint8_t msr = uart->s.msr;
        uart->s.msr &= (uint8_t)~MSR_DELTAS;
        if (msr & MSR_DELTAS)
            update_irq(uart);
        return msr;
    }
    default:
        return uart->s.scr;
    }
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    if ((value ^ uart->s.fcr) & FCR_ENABLE)
        clear_rx(uart); /* switching the FIFOs empties them */
    if (!(value & FCR_ENABLE)) {
        uart->s.fcr = 0; /* the other bits are taken only together with the enable bit */
    } else {
        if (value & 2)
            clear_rx(uart);
        uart->s.fcr = value & 0xc9;
    }
    if (value & 4) { /* empties the transmitter's FIFO; what was in it has left */
        uart->sent_at = CLOCK_NEVER;
        uart->s.thre_pending = 1;
    }
    update_irq(uart);
    if (uart->s.rx_count == 0 && uart->rx_ready != NULL)
        uart->rx_ready(uart->ctx);
}

/* The modem inputs, and the bits that say which of them changed. */
static void set_modem_inputs(struct uart *uart, uint8_t inputs)
{
    uint8_t changed = (uart->s.msr ^ inputs) & 0xf0;
    uint8_t deltas = changed >> 4 & 0x0b;
    if (changed & 0x40 && !(inputs & 0x40))
        deltas |= 4; /* ring: only its trailing edge counts */
    uart->s.msr = (uint8_t)(inputs | (uart->s.msr & MSR_DELTAS) | deltas);
}

static void write_mcr(struct uart *uart, uint8_t value)
{
    uint8_t inputs = MSR_CONNECTED;
    bool listens_again = uart->s.mcr & ~value & MCR_LOOP;
    uart->s.mcr = value & 0x1f;
    if (value & MCR_LOOP) {
        inputs = (uint8_t)((value & MCR_RTS ? 0x10 : 0) | (value & MCR_DTR ? 0x20 : 0) |
                           (value & MCR_OUT1 ? 0x40 : 0) | (value & MCR_OUT2 ? 0x80 : 0));
    }
    set_modem_inputs(uart, inputs);
    update_irq(uart);
    if (listens_again && uart->rx_ready != NULL)
        uart->rx_ready(uart->ctx);
}

static void write_ier(struct uart *uart, uint8_t value)
{
    value &= 0x0f;
    look_at_time(uart);
    if (value & IER_THRE && !(uart->s.ier & IER_THRE) && uart->sent_at == CLOCK_NEVER)
        uart->s.thre_pending = 1; /* enabling it while THR is empty raises it */
    uart->s.ier = value;
    update_irq(uart);
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct uart *uart = dev;
    uint8_t byte = (uint8_t)value;
    bool dlab = uart->s.lcr & LCR_DLAB;
    switch (offset & 7) {
    case RBR_THR:
        if (dlab)
            uart->s.dll = byte;
        else
            transmit(uart, byte);
        break;
    case IER:
        if (dlab)
            uart->s.dlm = byte;
        else
            write_ier(uart, byte);
        break;
    case IIR_FCR:
        write_fcr(uart, byte);
        break;
    case LCR:
        uart->s.lcr = byte;
        break;
    case MCR:
        write_mcr(uart, byte);
        break;
    case SCR:
        uart->s.scr = byte;
        break;
    default: /* LSR and MSR are read only */
        break;
    }
}

static void reset(void *dev)
{
    struct uart *uart = dev;
    uart_flush(uart);
    memset(&uart->s, 0, sizeof(uart->s));
    uart->sent_at = CLOCK_NEVER;
    uart->s.msr = MSR_CONNECTED;
    uart->s.dll = 12; /* 9600 baud */
    update_irq(uart);
}

void uart_init(struct uart *uart, const struct clock *clock, struct irq_line irq,
               void (*tx)(void *ctx, const uint8_t *bytes, size_t n), void (*rx_ready)(void *ctx),
               void *ctx)
{
    memset(uart, 0, sizeof(*uart));
    uart->clock = clock;
    uart->irq = irq;
    uart->tx = tx;
    uart->rx_ready = rx_ready;
    uart->ctx = ctx;
    reset(uart);
}

#define UART_SNAPSHOT SNAPSHOT_ID('U', 'A', 'R', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    struct uart *uart = dev;
    uart_flush(uart);
    end_sending(uart);
    return snapshot_save(buf, size, UART_SNAPSHOT, &uart->s, sizeof(uart->s));
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct uart *uart = dev;
    struct uart_state s;
    if (!snapshot_load(buf, size, UART_SNAPSHOT, &s, sizeof(s)))
        return false;
    if (s.rx_head >= UART_FIFO || s.rx_count > (s.fcr & FCR_ENABLE ? UART_FIFO : 1) ||
        s.ier & 0xf0 || s.mcr & 0xe0)
        return false;
    for (unsigned i = 0; i < UART_FIFO; i++)
        if (s.rx_error[i] & ~LSR_ERRORS)
            return false;
    uart_flush(uart);
    uart->sent_at = CLOCK_NEVER;
    uart->s = s;
    update_irq(uart);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct uart *uart = dev;
    const struct uart_state *s = &uart->s;
    return info_length(
        snprintf(
            buf, size,
            "uart: ier %02x fcr %02x lcr %02x mcr %02x lsr %02x msr %02x divisor %u rx %u irq %d\n",
            s->ier, s->fcr, s->lcr, s->mcr, line_status(uart), s->msr,
            (unsigned)s->dlm << 8 | s->dll, s->rx_count, (int)uart->irq_level),
        size);
}

const struct device_ops uart_ops = {
    .name = "uart",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 1,
};
