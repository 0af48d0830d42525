// SPDX-License-Identifier: BSD-2-Clause
// The escapes that leave an attached console, and the scrollback that attaching replays.
// links: servers/console/escape.c servers/console/scroll.c

#include "servers/console/escape.h"
#include "servers/console/scroll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What reaches the guest; `detached` is the index of the key that detached, or -1.
static char sent[64];
static int detached;

static void type(const char *keys)
{
    struct escape escape = {ESCAPE_LINE_START};
    unsigned length = 0;

    detached = -1;
    for (int i = 0; keys[i] != '\0' && detached < 0; i++) {
        uint8_t send[2];
        int n = escape_feed(&escape, (uint8_t)keys[i], send);

        if (n == ESCAPE_DETACH)
            detached = i;
        for (int k = 0; k < n; k++)
            sent[length++] = (char)send[k];
    }
    sent[length] = '\0';
}

static void escapes(void **state)
{
    (void)state;
    type("ls\r~.");
    assert_int_equal(detached, 4);
    assert_string_equal(sent, "ls\r");
    type("~.");
    assert_int_equal(detached, 1);
    type("ls ~.\r");
    assert_int_equal(detached, -1);
    assert_string_equal(sent, "ls ~.\r");
    type("a\x1d");
    assert_int_equal(detached, 1);
    type("~\x1d");
    assert_int_equal(detached, 1);
    assert_string_equal(sent, "");
    type("~~x");
    assert_string_equal(sent, "~x");
    type("~~.");
    assert_int_equal(detached, -1);
    assert_string_equal(sent, "~.");
    type("~/bin\r");
    assert_string_equal(sent, "~/bin\r");
    type("~\r~.");
    assert_int_equal(detached, 3);
    assert_string_equal(sent, "~\r");
}

static void add(struct scroll *scroll, const char *text)
{
    scroll_add(scroll, text, (uint32_t)strlen(text));
}

static const char *from(struct scroll *scroll, uint64_t position)
{
    static char text[64];

    text[scroll_read(scroll, &position, text, 63)] = '\0';
    return text;
}

static void scrolls(void **state)
{
    uint8_t *data = malloc(16);
    struct scroll scroll;
    uint64_t position = 0;
    char text[64];

    (void)state;
    scroll_init(&scroll, data, 16);
    assert_string_equal(from(&scroll, scroll_last_lines(&scroll, 3)), "");
    add(&scroll, "one\ntwo\n");
    assert_string_equal(from(&scroll, scroll_last_lines(&scroll, 1)), "two\n");
    assert_string_equal(from(&scroll, scroll_last_lines(&scroll, 2)), "one\ntwo\n");
    assert_string_equal(from(&scroll, scroll_last_lines(&scroll, 9)), "one\ntwo\n");
    add(&scroll, "$ ");
    assert_string_equal(from(&scroll, scroll_last_lines(&scroll, 2)), "two\n$ ");
    add(&scroll, "three\nfour\n");
    assert_string_equal(from(&scroll, 0), "wo\n$ three\nfour\n");
    assert_int_equal(scroll_read(&scroll, &position, text, 3), 3);
    assert_int_equal(position, 21 - 16 + 3);
    add(&scroll, "0123456789abcdef0123456789ABCDEF");
    assert_string_equal(from(&scroll, scroll_oldest(&scroll)), "0123456789ABCDEF");
    position = ~0ull;
    assert_int_equal(scroll_read(&scroll, &position, text, 3), 0);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(escapes), cmocka_unit_test(scrolls)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
