// SPDX-License-Identifier: BSD-2-Clause
// The console's line editor, seen through a model of a dumb terminal.
// links: servers/console/line.c servers/console/out.c

#include "servers/console/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct line line;
static struct out out;
static char screen[200]; // one row
static unsigned column;

static void show(void)
{
    char c;

    while (out_take(&out, &c, 1) == 1) {
        if (c == '\b') {
            assert_true(column > 0);
            column--;
        } else if (c == '\r') {
            column = 0;
        } else if (c == '\n') {
            memset(screen, ' ', sizeof(screen));
        } else if (c != '\a') {
            assert_in_range(c, 0x20, 0x7e);
            assert_true(column < 80);
            screen[column++] = c;
        }
    }
}

static enum line_event type(const char *keys)
{
    enum line_event event = LINE_NONE;

    for (; *keys != '\0'; keys++) {
        event = line_feed(&line, &out, (uint8_t)*keys);
        show();
        if (event == LINE_READY) {
            assert_int_equal(column, 0);
            continue;
        }
        assert_memory_equal(screen + strlen(LINE_PROMPT), line.text, line.length);
        assert_int_equal(screen[strlen(LINE_PROMPT) + line.length], ' ');
        assert_int_equal(column, strlen(LINE_PROMPT) + line.cursor);
    }
    return event;
}

static void enter(const char *text)
{
    assert_int_equal(type(text), LINE_NONE);
    assert_int_equal(type("\r"), LINE_READY);
    line_done(&line);
    line_draw(&line, &out);
    show();
}

static int setup(void **state)
{
    (void)state;
    line_init(&line);
    out_init(&out);
    memset(screen, ' ', sizeof(screen));
    column = 0;
    line_draw(&line, &out);
    show();
    return 0;
}

static void edits(void **state)
{
    (void)state;
    type("list");
    assert_string_equal(line.text, "list");
    type("\b\x7f");
    assert_string_equal(line.text, "li");
    type("\x1b[D\x1b[Dab"); // to the start, insert
    assert_string_equal(line.text, "abli");
    type("\x1b[C\x1b[3~"); // right, delete
    assert_string_equal(line.text, "abl");
    type("\x1b[H\x1b[3~\x1b[F!");
    assert_string_equal(line.text, "bl!");
    type("\x15");
    assert_string_equal(line.text, "");
    type("stop  open \x17");
    assert_string_equal(line.text, "stop  ");
    type("\x17one two\x01\x0b");
    assert_string_equal(line.text, "");
    assert_int_equal(type("abc\x1b\r"), LINE_READY); // a lone escape key loses nothing
    assert_string_equal(line.text, "abc");
}

static void cancels(void **state)
{
    (void)state;
    type("reboot\x03");
    assert_string_equal(line.text, "");
    assert_int_equal(column, strlen(LINE_PROMPT));
}

static void remembers(void **state)
{
    (void)state;
    enter("one");
    enter("two");
    enter("two");
    enter("");
    type("new");
    type("\x1b[A");
    assert_string_equal(line.text, "two");
    type("\x1b[A");
    assert_string_equal(line.text, "one");
    type("\x1b[A");
    assert_string_equal(line.text, "one");
    type("\x1b[B\x1b[B");
    assert_string_equal(line.text, "new");
    type("\x1b[B\x15");
    for (char c[] = "0"; c[0] <= '9'; c[0]++)
        enter(c);
    for (unsigned i = 0; i < 12; i++)
        type("\x10");
    assert_string_equal(line.text, "2"); // eight are kept
}

static void treats_cr_lf_as_one(void **state)
{
    (void)state;
    assert_int_equal(type("a\r"), LINE_READY);
    line_done(&line);
    line_draw(&line, &out);
    show();
    assert_int_equal(type("\n"), LINE_NONE);
    assert_int_equal(line_feed(&line, &out, '\n'), LINE_READY);
}

static void stays_in_its_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        type("x");
    assert_int_equal(line.length, LINE_MAX_LENGTH);
    type("\x1b[Dyy\x1b[H\x1b[C\x0b");
    assert_string_equal(line.text, "x");
}

static void ignores_the_rest(void **state)
{
    (void)state;
    type("a\xc3\xa4\x02\x1b[1;5C\x1b[15~\x1bOP\x1bx\x0c");
    assert_string_equal(line.text, "a");
    assert_int_equal(type("\x1b[0n"), LINE_ANSWER);
    assert_int_equal(type("\x1b[3n"), LINE_NONE);
    assert_int_equal(type("\t"), LINE_TAB);
    line_wipe(&line, &out);
    show();
    assert_int_equal(column, 0);
    assert_int_equal(screen[0], ' ');
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(edits),
        TEST(cancels),
        TEST(remembers),
        TEST(treats_cr_lf_as_one),
        TEST(stays_in_its_row),
        TEST(ignores_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
