// SPDX-License-Identifier: BSD-2-Clause
// What the compiler calls for large copies.
#include <stddef.h>
#include <stdint.h>

void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int value, size_t n)
{
    void *p = to;
    size_t words = n / 8;

    asm volatile("rep stosq" : "+D"(p), "+c"(words) : "a"(0x0101010101010101ull * (uint8_t)value) : "memory");
    n &= 7;
    asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(value) : "memory");
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *p = to;
    size_t words = n / 8;

    asm volatile("rep movsq" : "+D"(p), "+S"(from), "+c"(words)::"memory");
    n &= 7;
    asm volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n)::"memory");
    return to;
}
