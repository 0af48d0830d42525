// SPDX-License-Identifier: BSD-2-Clause
// lib/string.c against the host's own functions. The file is included under other names.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define memcpy  lib_memcpy
#define memmove lib_memmove
#define memset  lib_memset
#define memcmp  lib_memcmp
#define memchr  lib_memchr
#define strlen  lib_strlen
#define strnlen lib_strnlen
#define strcmp  lib_strcmp
#define strncmp lib_strncmp
#define strchr  lib_strchr
#define strrchr lib_strrchr
#include "lib/include/string.h"
void *lib_memcpy(void *restrict to, const void *restrict from, size_t size);
void *lib_memmove(void *to, const void *from, size_t size);
void *lib_memset(void *to, int byte, size_t size);
int lib_memcmp(const void *a, const void *b, size_t size);
void *lib_memchr(const void *from, int byte, size_t size);
size_t lib_strlen(const char *text);
size_t lib_strnlen(const char *text, size_t limit);
int lib_strcmp(const char *a, const char *b);
int lib_strncmp(const char *a, const char *b, size_t limit);
char *lib_strchr(const char *text, int c);
char *lib_strrchr(const char *text, int c);
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_memory(void **state)
{
    unsigned char expected[64], got[64];

    (void)state;
    for (size_t from = 0; from < 16; from++) {
        for (size_t to = 0; to < 16; to++) {
            for (size_t size = 0; size < 32; size += 3) {
                for (size_t i = 0; i < sizeof(got); i++)
                    expected[i] = got[i] = (unsigned char)(i * 7);
                assert_ptr_equal(lib_memmove(got + to, got + from, size), got + to);
                memmove(expected + to, expected + from, size);
                assert_memory_equal(got, expected, sizeof(got));
            }
        }
    }
    assert_ptr_equal(lib_memset(got + 1, 0x1ff, 5), got + 1);
    memset(expected + 1, 0xff, 5);
    assert_memory_equal(got, expected, sizeof(got));
    assert_ptr_equal(lib_memcpy(got, "abcdef", 6), got);
    assert_memory_equal(got, "abcdef", 6);
    assert_int_equal(lib_memcmp("ab", "ac", 2), -1);
    assert_true(lib_memcmp("\xff", "\x01", 1) > 0);
    assert_int_equal(lib_memcmp("ab", "ac", 0), 0);
    assert_ptr_equal(lib_memchr(got, 'c', 6), got + 2);
    assert_null(lib_memchr(got, 'z', 6));
    assert_null(lib_memchr(got, 'f', 5));
}

static void test_text(void **state)
{
    static const char *const texts[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "abcabc"};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(lib_strlen(texts[i]), strlen(texts[i]));
        assert_int_equal(lib_strnlen(texts[i], 2), strnlen(texts[i], 2));
        assert_ptr_equal(lib_strchr(texts[i], 'b'), strchr(texts[i], 'b'));
        assert_ptr_equal(lib_strchr(texts[i], 0), strchr(texts[i], 0));
        assert_ptr_equal(lib_strrchr(texts[i], 'b'), strrchr(texts[i], 'b'));
        assert_ptr_equal(lib_strrchr(texts[i], 0), strrchr(texts[i], 0));
        for (size_t j = 0; j < 8; j++) {
            assert_int_equal(sign(lib_strcmp(texts[i], texts[j])),
                             sign(strcmp(texts[i], texts[j])));
            for (size_t n = 0; n < 5; n++)
                assert_int_equal(sign(lib_strncmp(texts[i], texts[j], n)),
                                 sign(strncmp(texts[i], texts[j], n)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
