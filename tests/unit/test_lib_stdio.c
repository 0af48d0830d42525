// SPDX-License-Identifier: BSD-2-Clause
// lib/stdio.c against the host's own printf. The file is included under other names.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define snprintf  lib_snprintf
#define vsnprintf lib_vsnprintf
int lib_snprintf(char *restrict buffer, size_t size, const char *restrict format, ...);
int lib_vsnprintf(char *restrict buffer, size_t size, const char *restrict format,
                  va_list arguments);
#include "lib/stdio.c"
#undef snprintf
#undef vsnprintf

#define SAME(...)                                                              \
    do {                                                                       \
        char expected[256], got[256];                                          \
        int length = snprintf(expected, sizeof(expected), __VA_ARGS__);        \
        assert_int_equal(lib_snprintf(got, sizeof(got), __VA_ARGS__), length); \
        assert_string_equal(got, expected);                                    \
    } while (0)

static void test_numbers(void **state)
{
    (void)state;
    const long long values[] = {0,    1,     -1,        9,         10,        255,
                                -128, 65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        long long v = values[i];

        SAME("%d|%i|%u|%x|%X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%ld|%lu|%lx", (long)v, (unsigned long)v, (unsigned long)v);
        SAME("%lld|%llu|%llX", v, (unsigned long long)v, (unsigned long long)v);
        SAME("%zu|%jd|%td", (size_t)v, (intmax_t)v, (ptrdiff_t)v);
        SAME("%hhd|%hhu|%hd|%hx", (signed char)v, (unsigned char)v, (short)v, (unsigned short)v);
        SAME("[%8d][%-8d][%08d][%2d]", (int)v, (int)v, (int)v, (int)v);
        SAME("[%20llx][%-20llx][%020llx]", v, v, v);
        SAME("[%.5d][%8.5d][%-8.5d][%.0d]", (int)v, (int)v, (int)v, (int)v);
        SAME("[%*d][%-*d]", 12, (int)v, 12, (int)v);
        SAME("[%*d]", -12, (int)v);
    }
}

static void test_text(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%s", "");
    SAME("[%s][%10s][%-10s]", "abc", "abc", "abc");
    SAME("[%.2s][%10.2s][%-10.2s][%.*s]", "abc", "abc", "abc", 1, "abc");
    SAME("[%c][%3c][%-3c]", 'x', 'y', 'z');
    SAME("100%%");
    SAME("%p", (void *)0x1234abcd);
    char unterminated[3] = {'a', 'b', 'c'}; // a precision ends the read
    SAME("%.3s", unterminated);
}

static void test_limits(void **state)
{
    char buffer[8];

    (void)state;
    memset(buffer, 'x', sizeof(buffer));
    assert_int_equal(lib_snprintf(buffer, 4, "%s", "abcdef"), 6);
    assert_memory_equal(buffer, "abc\0xxxx", 8);
    assert_int_equal(lib_snprintf(buffer, 1, "%d", 12345), 5);
    assert_int_equal(buffer[0], 0);
    assert_int_equal(lib_snprintf(NULL, 0, "%d-%s", 12, "ab"), 5);
}

// Formats come from the program, never from a guest; a wrong one still must not read what is not
// there.
static void test_unknown(void **state)
{
    char buffer[32];
    const char *volatile formats[] = {"%", "%5", "%q", "%-08.3y", "%l"};

    (void)state;
    for (int i = 0; i < 5; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        lib_snprintf(buffer, sizeof(buffer), formats[i]);
#pragma GCC diagnostic pop
        assert_string_equal(buffer, formats[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
