// SPDX-License-Identifier: BSD-2-Clause
// 64-bit scaling with a 128-bit intermediate, for time conversions. Freestanding code has no
// __udivti3, so the division is the CPU's own 128 by 64 bit DIV. HAZARD: DIV faults when the
// quotient does not fit in 64 bits or the divisor is 0: both are checked before, and saturate.
#ifndef BULKHEAD_MATH_H
#define BULKHEAD_MATH_H

#include <stdint.h>

/* high:low / divisor. UINT64_MAX when the quotient does not fit or the divisor is 0. */
static inline uint64_t div128_64(uint64_t high, uint64_t low, uint64_t divisor)
{
    if (high >= divisor)
        return UINT64_MAX;
    uint64_t quotient, remainder;
    __asm__("divq %4"
            : "=a"(quotient), "=d"(remainder)
            : "0"(low), "1"(high), "rm"(divisor)
            : "cc");
    return quotient;
}

/* a * b / c, rounded down. UINT64_MAX when the result does not fit or c is 0. */
static inline uint64_t mul_div64(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return div128_64((uint64_t)(product >> 64), (uint64_t)product, c);
}

/* a * b / c, rounded up. UINT64_MAX when the result does not fit or c is 0. */
static inline uint64_t mul_div64_up(uint64_t a, uint64_t b, uint64_t c)
{
    if (c == 0)
        return UINT64_MAX;
    /* The sum cannot wrap: the product is at most (2^64 - 1)^2. */
    unsigned __int128 sum = (unsigned __int128)a * b + (c - 1);
    return div128_64((uint64_t)(sum >> 64), (uint64_t)sum, c);
}

#endif
