// SPDX-License-Identifier: BSD-2-Clause
// 16550A: the probing sequence of Linux's 8250 driver, FIFO, interrupts and their priorities,
// loopback, modem status, gathered output.
// links: vmm/uart.c vmm/device.c vmm/clock.c
#include "device_test.h"

#include "uart.h"

static struct uart uart;
static char sent[1024];
static size_t sent_count;
static unsigned pieces, ready_calls;

static void tx(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx;
    assert_true(n > 0 && n <= sizeof(sent) - sent_count);
    memcpy(sent + sent_count, bytes, n);
    sent_count += n;
    pieces++;
}

static void ready(void *ctx)
{
    (void)ctx;
    ready_calls++;
}

static uint8_t in(unsigned reg)
{
    return in8(&uart_ops, &uart, reg);
}

static void out(unsigned reg, uint8_t value)
{
    out8(&uart_ops, &uart, reg, value);
}

static size_t receive(const char *text)
{
    return uart_receive(&uart, (const uint8_t *)text, strlen(text));
}

static int setup(void **state)
{
    (void)state;
    test_setup();
    uart_init(&uart, &test_clock, test_line(4), tx, ready, NULL);
    sent_count = 0;
    pieces = 0;
    ready_calls = 0;
    return 0;
}

static void test_linux_probe(void **state)
{
    (void)state;
    out(1, 0);
    assert_int_equal(in(1) & 0x0f, 0);
    out(1, 0x0f);
    assert_int_equal(in(1), 0x0f);
    out(1, 0);
    out(4, 0x1a); /* loopback: RTS, OUT2 */
    assert_int_equal(in(6) & 0xf0, 0x90);
    out(4, 0);
    out(3, 0xbf);
    assert_int_not_equal(in(2), 0); /* no EFR */
    out(3, 0);
    out(2, 1);
    assert_int_equal(in(2) >> 6, 3); /* 16550A */
    out(3, 0x80);
    out(2, 0x21);
    out(3, 0);
    assert_int_equal(in(2) >> 5, 6); /* not a 16750 */
    out(1, 0x40);
    assert_int_equal(in(1), 0); /* not an XScale */
    out(7, 0x5a);
    assert_int_equal(in(7), 0x5a);
    out(3, 0x80);
    out(0, 1);
    out(1, 2);
    assert_int_equal(in(0), 1);
    assert_int_equal(in(1), 2);
    out(3, 3);
    assert_int_equal(in(3), 3);
    assert_int_equal(in(0), 0);
    /* The THRE test: enabling the interrupt twice must show it twice. */
    for (unsigned i = 0; i < 2; i++) {
        out(1, 2);
        assert_int_equal(in(2) & 0x0f, 2);
        assert_int_equal(in(2) & 0x0f, 1);
        out(1, 0);
    }
}

static void test_transmit(void **state)
{
    (void)state;
    const char *text = "Hello";
    uint64_t start = test_time;
    for (const char *p = text; *p; p++) {
        assert_int_equal(in(5), p == text ? 0x60 : 0x20);
        out(0, (uint8_t)*p);
    }
    uint64_t empty = test_time + TEST_HZ / UART_SEND_HZ;
    test_time = empty - 1;
    assert_int_equal(in(5), 0x20);
    test_time = empty;
    assert_int_equal(in(5), 0x60);
    test_time = start;
    assert_int_equal(sent_count, 0);
    assert_true(uart_deadline(&uart) == test_time + TEST_HZ / UART_FLUSH_HZ);
    uart_expire(&uart, uart_deadline(&uart) - 1);
    assert_int_equal(sent_count, 0);
    uart_expire(&uart, uart_deadline(&uart));
    assert_int_equal(sent_count, 5);
    assert_int_equal(pieces, 1);
    assert_memory_equal(sent, text, 5);
    assert_true(uart_deadline(&uart) == CLOCK_NEVER);
    for (unsigned i = 0; i < UART_TX_BUFFER; i++)
        out(0, 'x');
    assert_int_equal(sent_count, 5 + UART_TX_BUFFER);
    out(0, 'y');
    uart_flush(&uart);
    uart_flush(&uart);
    assert_int_equal(pieces, 3);
    uart.tx = NULL;
    out(0, 'z');
    uart_flush(&uart);
}

static void test_thre_interrupt(void **state)
{
    (void)state;
    out(2, 1);
    out(4, 0x0b);
    out(1, 2);
    assert_true(test_level[4]);
    assert_int_equal(in(2), 0xc2);
    assert_false(test_level[4]);
    for (unsigned i = 0; i < 16; i++)
        out(0, 'a');
    assert_false(test_level[4]);
    assert_int_equal(in(2), 0xc1);
    assert_true(uart_deadline(&uart) == test_time + TEST_HZ / UART_SEND_HZ);
    uart_expire(&uart, uart_deadline(&uart) - 1);
    assert_false(test_level[4]);
    uart_expire(&uart, uart_deadline(&uart));
    assert_true(test_level[4]);
    assert_int_equal(in(2), 0xc2);
    assert_int_equal(in(2), 0xc1);
    assert_false(test_level[4]);
    assert_int_equal(test_edges[4], 2);
    out(4, 3); /* OUT2 off: no interrupt leaves */
    out(0, 'a');
    uart_expire(&uart, uart_deadline(&uart));
    assert_false(test_level[4]);
    assert_int_equal(in(2), 0xc2);
}

/* Linux's driver turns the interrupt off when its buffer is empty, and on for the next bytes. */
static void test_bytes_gather_in_the_driver(void **state)
{
    (void)state;
    out(2, 1);
    out(4, 0x0b);
    out(1, 2);
    assert_int_equal(in(2), 0xc2);
    out(0, 'a');
    out(1, 0);
    uint64_t flush = uart_deadline(&uart);
    assert_true(flush == test_time + TEST_HZ / UART_FLUSH_HZ);
    out(1, 2);
    assert_false(test_level[4]);
    uint64_t empty = uart_deadline(&uart);
    assert_true(empty < flush);
    test_time = empty - 1;
    out(0, 'b'); /* does not put it off */
    assert_true(uart_deadline(&uart) == empty);
    uart_expire(&uart, empty);
    assert_true(test_level[4]);
    assert_int_equal(test_edges[4], 2);
    out(0, 'c'); /* ends the interrupt */
    assert_false(test_level[4]);
    out(1, 0);
    test_time += TEST_HZ; /* noticed though nobody waited for it */
    out(1, 2);
    assert_true(test_level[4]);
    out(0, 'd');
    out(2, 5); /* clears the transmitter */
    assert_true(test_level[4]);
    assert_int_equal(in(5), 0x60);
}

static void test_receive(void **state)
{
    (void)state;
    out(2, 0x41); /* trigger at 4 */
    out(4, 0x0b);
    out(1, 1);
    assert_int_equal(receive("abc"), 3);
    assert_true(test_level[4]);
    assert_int_equal(in(2), 0xcc); /* timeout */
    assert_int_equal(receive("d"), 1);
    assert_int_equal(in(2), 0xc4);
    assert_int_equal(in(5), 0x61);
    assert_int_equal(receive("efghijklmnopqrst"), 12);
    assert_int_equal(receive("x"), 0);
    for (char c = 'a'; c <= 'p'; c++) {
        assert_true(test_level[4]);
        assert_int_equal(in(0), c);
    }
    assert_false(test_level[4]);
    assert_int_equal(ready_calls, 2); /* when the FIFO was switched on, and now */
    assert_int_equal(in(0), 0);
    assert_int_equal(in(5), 0x60);
    receive("ab");
    out(2, 0x43); /* clear the receive FIFO */
    assert_int_equal(in(5), 0x60);
    assert_false(test_level[4]);
}

static void test_without_fifo(void **state)
{
    (void)state;
    assert_int_equal(in(2), 1);
    assert_int_equal(receive("ab"), 1);
    out(1, 1);
    assert_int_equal(in(2), 4);
    assert_int_equal(in(0), 'a');
    assert_int_equal(receive("b"), 1);
    out(2, 1); /* switching empties */
    assert_int_equal(in(5), 0x60);
}

static void test_loopback(void **state)
{
    (void)state;
    out(2, 1);
    out(1, 5);
    out(4, 0x1b);
    for (unsigned i = 0; i < 17; i++)
        out(0, (uint8_t)('a' + i));
    assert_int_equal(receive("x"), 0);
    assert_int_equal(in(2), 0xc6); /* overrun comes first */
    assert_int_equal(in(5), 0x63);
    assert_int_equal(in(5), 0x61);
    assert_int_equal(in(2), 0xc4);
    assert_int_equal(in(0), 'a');
    uart_flush(&uart);
    assert_int_equal(sent_count, 0);
    out(2, 0);
    out(0, '1');
    out(0, '2');
    assert_int_equal(in(5) & 3, 3);
    assert_int_equal(in(0), '2');
    unsigned before = ready_calls;
    out(4, 0);
    assert_int_equal(ready_calls, before + 1);
}

static void test_modem(void **state)
{
    (void)state;
    out(1, 8);
    assert_int_equal(in(6), 0xb0);
    out(4, 0x1f); /* all outputs looped back: RI rises, which is no event */
    assert_int_equal(in(6), 0xf0);
    out(4, 0x19); /* OUT1 and RTS fall */
    assert_int_equal(in(2), 0);
    assert_true(test_level[4]);
    assert_int_equal(in(6), 0xa0 | 4 | 1);
    assert_int_equal(in(6), 0xa0);
    assert_int_equal(in(2), 1);
    assert_false(test_level[4]);
}

static void test_break(void **state)
{
    (void)state;
    out(2, 1);
    out(1, 5);
    receive("a");
    assert_true(uart_receive_break(&uart));
    assert_int_equal(in(5), 0xe1); /* somewhere in the FIFO */
    assert_int_equal(in(0), 'a');
    assert_int_equal(in(2), 0xc6);
    assert_int_equal(in(5), 0xf1);
    assert_int_equal(in(5), 0x61);
    assert_int_equal(in(0), 0);
}

static void test_save(void **state)
{
    (void)state;
    out(2, 1);
    receive("xyz");
    out(0, 'q');
    test_snapshot(&uart_ops, &uart);
    assert_int_equal(sent_count, 1);
    assert_int_equal(in(0), 'x');
    uint8_t buf[256];
    size_t n = uart_ops.save(&uart, buf, sizeof(buf));
    buf[8 + offsetof(struct uart_state, rx_count)] = UART_FIFO + 1;
    assert_false(uart_ops.restore(&uart, buf, n));
    buf[8 + offsetof(struct uart_state, rx_count)] = 0;
    buf[8 + offsetof(struct uart_state, rx_head)] = UART_FIFO;
    assert_false(uart_ops.restore(&uart, buf, n));
    uart_ops.reset(&uart);
    assert_int_equal(in(5), 0x60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_linux_probe, setup),
        cmocka_unit_test_setup(test_transmit, setup),
        cmocka_unit_test_setup(test_thre_interrupt, setup),
        cmocka_unit_test_setup(test_bytes_gather_in_the_driver, setup),
        cmocka_unit_test_setup(test_receive, setup),
        cmocka_unit_test_setup(test_without_fifo, setup),
        cmocka_unit_test_setup(test_loopback, setup),
        cmocka_unit_test_setup(test_modem, setup),
        cmocka_unit_test_setup(test_break, setup),
        cmocka_unit_test_setup(test_save, setup),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
