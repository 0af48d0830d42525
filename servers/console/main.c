// SPDX-License-Identifier: BSD-2-Clause
// The console task: between the serial port, the signals and the console proper. The terminal is
// served by interrupts; where none ever comes (no interrupt given, or a board that routes it
// elsewhere) the port is polled.

#include <stddef.h>

#include "bulkhead/syscall.h"
#include "bulkhead/task.h"
#include "console.h"
#include "uart.h"

#define POLL_MS     20   // until the first interrupt
#define SAFETY_MS   1000 // after it: an edge that was lost costs at most this
#define SENT_MAX_MS 256  // bytes in a millisecond
#define CAUSES_MAX  16   // interrupt causes served in one turn

static struct console console;
static uint8_t scroll[8 * CONSOLE_SCROLL_MAX];
static uint64_t rest_until; // end of the millisecond in which `sent` bytes were sent
static bool resting;        // and no more are to be sent

static void raise(unsigned peer_slot)
{
    sys_raise(peer_slot, 1);
}

static void receive(void)
{
    uint8_t bytes[64];
    uint32_t n;

    do {
        n = uart_receive(bytes, sizeof(bytes));
        console_type(&console, bytes, n);
    } while (n == sizeof(bytes));
}

// True when something was sent: then there may be room for what waited in the console.
// HAZARD: an emulated port takes bytes as fast as they come, and this task runs before every VM:
// without a limit a guest that floods its terminal would leave no time to the others. A real line
// at this speed takes 12 bytes a millisecond.
static bool transmit(void)
{
    static uint32_t sent;
    bool any = false;
    uint64_t now = task_tsc();
    uint8_t bytes[UART_FIFO];

    if (now >= rest_until) {
        rest_until = now + console_ticks(&console, 1);
        sent = 0;
    }
    while (sent < SENT_MAX_MS && console_has_output(&console) && uart_room() > 0) {
        uint32_t n = 0, part;

        do {
            part = console_output(&console, bytes + n, UART_FIFO - n);
            n += part;
        } while (part > 0 && n < UART_FIFO);
        uart_send(bytes, n);
        sent += n;
        any = true;
    }
    resting = sent >= SENT_MAX_MS;
    uart_want_room(!resting && console_has_output(&console));
    return any;
}

static uint64_t next_deadline(const struct task_info *info, bool interrupts)
{
    uint64_t own = task_tsc() + console_ticks(&console, interrupts ? SAFETY_MS : POLL_MS);
    uint64_t wanted = console_deadline(&console);

    if (!interrupts && console_has_output(&console))
        own = task_tsc() + info->tsc_hz / 1000; // the transmit FIFO lasts 1.4 ms
    if (resting)
        own = rest_until;
    return wanted != 0 && wanted < own ? wanted : own;
}

int main(const struct task_info *info)
{
    const uint64_t irq_bit = info->irq_count > 0 ? 1ull << info->irqs[0].bit : 0;
    bool interrupts = false, more;
    uint64_t bits;

    if (!uart_init())
        task_fail("no serial port answers at 0x3f8");
    console_init(&console, info, task_tsc(), scroll, sizeof(scroll), raise);
    task_status()->tsc_ready = task_tsc();
    task_status()->state = TASK_READY;
    for (;;) {
        unsigned causes = 0;

        do {
            receive();
            transmit();
        } while (uart_interrupt() && ++causes < CAUSES_MAX);
        more = console_turn(&console, task_tsc()) || causes == CAUSES_MAX;
        more |= transmit();
        if (more)
            sys_poll(TASK_SLOT_SIGNAL, &bits);
        else
            sys_wait(TASK_SLOT_SIGNAL, next_deadline(info, interrupts), &bits);
        if ((bits & irq_bit) != 0) {
            interrupts = true;
            sys_irq_ctl(info->irqs[0].slot, IRQ_ACK);
        }
    }
}
